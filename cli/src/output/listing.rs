//! Tables of things with names: frames, commits, files.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// A table with a heading, without lines.
pub(crate) struct Listing {
    heading: Vec<&'static str>,
    right: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Listing {
    /// A table with these headings.
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self {
            heading: heading.to_vec(),
            right: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// These columns, counted from 0, hold numbers.
    pub(crate) fn right(mut self, columns: &[usize]) -> Self {
        self.right = columns.to_vec();
        self
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| printable(&cell));
        self.rows.push(cells.collect());
    }

    /// The table as text, within `width` if there is one: the last column takes several lines then.
    pub(crate) fn show(self, width: Option<usize>, colored: bool) -> String {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        let heading: Vec<String> = self
            .heading
            .iter()
            .map(|name| name.to_uppercase())
            .collect();
        table.set_header(heading);
        table.add_rows(&self.rows);
        for column in &self.right {
            if let Some(column) = table.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
            let widths = self.widths();
            let last = widths.len().saturating_sub(1);
            for (at, needed) in widths.into_iter().enumerate().take(last) {
                let at_most = u16::try_from(needed.min(width / 2) + 2).unwrap_or(u16::MAX);
                if let Some(column) = table.column_mut(at) {
                    column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(at_most)));
                }
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        let mut lines: Vec<String> = lines.collect();
        if let (true, Some(first)) = (colored, lines.first_mut()) {
            *first = console::style(&*first)
                .bold()
                .force_styling(true)
                .to_string();
        }
        lines.join("\n")
    }

    fn widths(&self) -> Vec<usize> {
        let of = |at: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| console::measure_text_width(cell)).max();
            widest.unwrap_or(0).max(name.len())
        };
        let names = self.heading.iter().enumerate();
        names.map(|(at, name)| of(at, name)).collect()
    }
}

/// A text without what would move the cursor of a terminal: names and messages are words of strangers.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let mut listing = Listing::new(&["name", "rows", "message"]).right(&[1]);
        listing.row([
            "flights".into(),
            "336,776".into(),
            "the corrected week".into(),
        ]);
        listing.row(["x".into(), "1".into(), "it\u{1b}[31m\nbegins".into()]);
        listing
    }

    #[test]
    fn a_pipe_gets_one_line_for_each_row_and_no_escape() {
        let shown = listing().show(None, false);
        let expected = "NAME        ROWS  MESSAGE\nflights  336,776  the corrected week\nx              1  it\u{fffd}[31m begins";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_every_word() {
        let shown = listing().show(Some(40), false);
        assert!(
            shown
                .lines()
                .all(|line| console::measure_text_width(line) <= 40),
            "{shown}"
        );
        for word in ["flights", "336,776", "the", "corrected", "week"] {
            assert!(shown.contains(word), "{shown}");
        }
    }
}
