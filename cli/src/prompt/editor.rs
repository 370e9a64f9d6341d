//! A line that is being typed: what each key does to it. It knows no terminal.
//!
//! A library for this would switch on features of crates that the query engine is built on, for every build of the
//! workspace; what a prompt needs of it is this file.

use console::{Key, measure_text_width};

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The line, or the place in it, may have changed.
    Edited,
    /// Several completions fit.
    Choices(Vec<String>),
    /// The line is finished.
    Done,
    /// The line is given up.
    GivenUp,
    /// There will be no more lines.
    End,
}

/// The completions of what is before the cursor: how many characters they replace, and what with.
pub(super) struct Completions {
    pub(super) replaced: usize,
    pub(super) choices: Vec<String>,
}

/// A line, where the cursor is in it, and the lines before it.
#[derive(Debug)]
pub(super) struct Line {
    text: Vec<char>,
    cursor: usize,
    earlier: Vec<String>,
    /// Which of the earlier lines is shown; all of them passed is the line itself.
    at: usize,
    /// The line itself while an earlier one is shown.
    own: Vec<char>,
}

impl Line {
    pub(super) fn new(earlier: &[String]) -> Self {
        Self {
            text: Vec::new(),
            cursor: 0,
            earlier: earlier.to_vec(),
            at: earlier.len(),
            own: Vec::new(),
        }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Does what a key means.
    pub(super) fn press(&mut self, key: &Key, complete: impl Fn(&str) -> Completions) -> Step {
        match key {
            Key::Enter => return Step::Done,
            Key::CtrlC => return Step::GivenUp,
            Key::Char('\u{4}') if self.text.is_empty() => return Step::End,
            Key::Tab => return self.complete(complete),
            Key::ArrowLeft | Key::Char('\u{2}') => self.cursor = self.cursor.saturating_sub(1),
            Key::ArrowRight | Key::Char('\u{6}') => {
                self.cursor = (self.cursor + 1).min(self.text.len());
            }
            Key::Home | Key::Char('\u{1}') => self.cursor = 0,
            Key::End | Key::Char('\u{5}') => self.cursor = self.text.len(),
            Key::ArrowUp | Key::Char('\u{10}') => self.show(self.at.checked_sub(1)),
            Key::ArrowDown | Key::Char('\u{e}') => self.show(Some(self.at + 1)),
            Key::Backspace => self.erase(self.cursor.saturating_sub(1), self.cursor),
            Key::Del | Key::Char('\u{4}') => self.erase(self.cursor, self.cursor + 1),
            Key::Char('\u{b}') => self.erase(self.cursor, self.text.len()),
            Key::Char('\u{15}') => self.erase(0, self.cursor),
            Key::Char('\u{17}') => self.erase(self.word_before(), self.cursor),
            Key::Char(c) if !c.is_control() => {
                self.text.insert(self.cursor, *c);
                self.cursor += 1;
            }
            _ => {}
        }
        Step::Edited
    }

    fn erase(&mut self, from: usize, to: usize) {
        let to = to.min(self.text.len());
        if from < to {
            self.text.drain(from..to);
            self.cursor = from;
        }
    }

    /// Where the word before the cursor begins.
    fn word_before(&self) -> usize {
        let before = &self.text[..self.cursor];
        let end = before
            .iter()
            .rposition(|c| !c.is_whitespace())
            .map_or(0, |at| at + 1);
        before[..end]
            .iter()
            .rposition(|c| c.is_whitespace())
            .map_or(0, |at| at + 1)
    }

    /// Shows an earlier line, or the line itself.
    fn show(&mut self, at: Option<usize>) {
        let Some(at) = at.filter(|at| *at <= self.earlier.len()) else {
            return;
        };
        if self.at == self.earlier.len() {
            self.own = self.text.clone();
        }
        self.at = at;
        self.text = match self.earlier.get(at) {
            // What took several lines is shown in one.
            Some(earlier) => earlier.replace('\n', " ").chars().collect(),
            None => self.own.clone(),
        };
        self.cursor = self.text.len();
    }

    fn complete(&mut self, complete: impl Fn(&str) -> Completions) -> Step {
        let before: String = self.text[..self.cursor].iter().collect();
        let Completions { replaced, choices } = complete(&before);
        let Some(shared) = shared_beginning(&choices) else {
            return Step::Edited;
        };
        let from = self.cursor.saturating_sub(replaced);
        let grown = shared.chars().count() > replaced || choices.len() == 1;
        if grown {
            self.text.splice(from..self.cursor, shared.chars());
            self.cursor = from + shared.chars().count();
            return Step::Edited;
        }
        Step::Choices(choices)
    }

    /// The part of the line around the cursor that fits into `width`, and how far the cursor is in it.
    pub(super) fn window(&self, width: usize) -> (String, usize) {
        let wide = |c: &char| measure_text_width(&c.to_string());
        let mut from = self.cursor;
        let mut before = 0;
        while from > 0 && before + wide(&self.text[from - 1]) <= width {
            from -= 1;
            before += wide(&self.text[from]);
        }
        let (mut to, mut shown) = (self.cursor, before);
        while to < self.text.len() && shown + wide(&self.text[to]) <= width {
            shown += wide(&self.text[to]);
            to += 1;
        }
        (self.text[from..to].iter().collect(), before)
    }
}

/// What all choices begin with, in the spelling of the first.
fn shared_beginning(choices: &[String]) -> Option<String> {
    let (first, rest) = choices.split_first()?;
    let mut shared: Vec<char> = first.chars().collect();
    for other in rest {
        let same = shared
            .iter()
            .zip(other.chars())
            .take_while(|(one, other)| one.eq_ignore_ascii_case(other));
        let same = same.count();
        shared.truncate(same);
    }
    Some(shared.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Completions {
        Completions {
            replaced: 0,
            choices: Vec::new(),
        }
    }

    fn typed(line: &mut Line, text: &str) {
        for c in text.chars() {
            assert_eq!(line.press(&Key::Char(c), nothing), Step::Edited);
        }
    }

    #[test]
    fn keys_edit_where_the_cursor_is() {
        let mut line = Line::new(&[]);
        typed(&mut line, "selct 1");
        for _ in 0..4 {
            line.press(&Key::ArrowLeft, nothing);
        }
        typed(&mut line, "e");
        line.press(&Key::End, nothing);
        line.press(&Key::Backspace, nothing);
        typed(&mut line, "日本");
        assert_eq!(line.text(), "select 日本");
        line.press(&Key::Char('\u{17}'), nothing);
        assert_eq!(line.text(), "select ");
        line.press(&Key::Home, nothing);
        line.press(&Key::Del, nothing);
        assert_eq!(line.text(), "elect ");
        line.press(&Key::Char('\u{b}'), nothing);
        assert_eq!(line.text(), "");
        assert_eq!(line.press(&Key::Char('\u{4}'), nothing), Step::End);
    }

    #[test]
    fn earlier_lines_come_back_and_so_does_the_line_itself() {
        let earlier = ["one;".to_owned(), "two\nlines;".to_owned()];
        let mut line = Line::new(&earlier);
        typed(&mut line, "own");
        line.press(&Key::ArrowUp, nothing);
        assert_eq!(line.text(), "two lines;");
        line.press(&Key::ArrowUp, nothing);
        line.press(&Key::ArrowUp, nothing);
        assert_eq!(line.text(), "one;");
        line.press(&Key::ArrowDown, nothing);
        line.press(&Key::ArrowDown, nothing);
        line.press(&Key::ArrowDown, nothing);
        assert_eq!(line.text(), "own");
    }

    #[test]
    fn tab_completes_as_far_as_all_choices_agree() {
        let complete = |before: &str| Completions {
            replaced: before.len() - before.rfind(' ').map_or(0, |at| at + 1),
            choices: vec!["weather".to_owned(), "weather_daily".to_owned()],
        };
        let mut line = Line::new(&[]);
        typed(&mut line, "from we");
        assert_eq!(line.press(&Key::Tab, complete), Step::Edited);
        assert_eq!(line.text(), "from weather");
        assert!(
            matches!(line.press(&Key::Tab, complete), Step::Choices(choices) if choices.len() == 2)
        );
        assert_eq!(line.press(&Key::Tab, nothing), Step::Edited);
    }

    #[test]
    fn a_long_line_shows_the_part_around_the_cursor() {
        let mut line = Line::new(&[]);
        typed(&mut line, &"0123456789".repeat(3));
        assert_eq!(line.window(10), ("0123456789".to_owned(), 10));
        line.press(&Key::Home, nothing);
        assert_eq!(line.window(10), ("0123456789".to_owned(), 0));
        let mut wide = Line::new(&[]);
        typed(&mut wide, "日本語");
        assert_eq!(wide.window(4), ("本語".to_owned(), 4));
    }
}
