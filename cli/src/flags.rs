//! Errors about fields of requests, in the words of the command line: its flags.
//!
//! The server speaks to programs, of `as_of` and mode `append`. Whoever typed a command knows `--as-of` and
//! `--mode append`, as far as the command has these flags.

use std::collections::BTreeSet;

use clap::{ArgMatches, Command};

/// The long flags of a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flags(BTreeSet<String>);

impl Flags {
    /// Those of the command that was chosen.
    pub(crate) fn of(command: &Command, matches: &ArgMatches) -> Self {
        let Some((name, matches)) = matches.subcommand() else {
            let flags = command.get_arguments().filter_map(|flag| flag.get_long());
            return Self(flags.map(str::to_owned).collect());
        };
        match command.find_subcommand(name) {
            Some(command) => Self::of(command, matches),
            None => Self::default(),
        }
    }

    /// A text about fields of a request, in the words of these flags.
    pub(crate) fn in_words_of(&self, text: &str) -> String {
        let text = self.field_first(text);
        let mut told = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, quoted, after)) = quoted(rest) {
            let before = match self.flag("mode") {
                Some(_) => before.replace("by the mode", "with --mode"),
                None => before.to_owned(),
            };
            rest = after;
            match (before.strip_suffix("mode "), self.flag(quoted)) {
                (Some(before), _) if self.flag("mode").is_some() => {
                    told += &format!("{before}`--mode {quoted}`");
                }
                (_, Some(flag)) if !names_column(&before) => told += &format!("{before}`{flag}`"),
                _ => told += &format!("{before}`{quoted}`"),
            }
        }
        told + rest
    }

    /// The field that an error begins with as a flag; what request it belongs to goes without saying.
    fn field_first(&self, text: &str) -> String {
        let parts: Vec<&str> = text.splitn(3, ": ").collect();
        let flag = |part: Option<&&str>| part.and_then(|part| self.flag(part));
        match (flag(parts.first()), flag(parts.get(1)), parts.as_slice()) {
            (Some(flag), _, [first, ..]) => format!("{flag}{}", &text[first.len()..]),
            (None, Some(flag), [_, _, rest]) => format!("{flag}: {rest}"),
            // Where no flag says it, the state is an argument.
            _ => text.strip_prefix("as_of: ").unwrap_or(text).to_owned(),
        }
    }

    fn flag(&self, field: &str) -> Option<String> {
        let long = field.replace('_', "-");
        self.0.contains(&long).then(|| format!("--{long}"))
    }
}

/// A text up to the first part in backticks, that part, and what follows.
fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (quoted, after) = rest.split_once('`')?;
    Some((before, quoted, after))
}

/// Whether what follows in backticks is a column or another name that users gave.
fn names_column(before: &str) -> bool {
    let before = before.trim_end();
    let words = ["column", "columns", "frame", "tag", ":", ";", ""];
    words
        .iter()
        .any(|word| before.ends_with(word) && (!word.is_empty() || before.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: &[&str]) -> Flags {
        Flags(flags.iter().map(|flag| (*flag).to_owned()).collect())
    }

    #[test]
    fn fields_are_told_as_the_flags_that_a_command_has() {
        let put = of(&["mode", "index", "start", "stop", "request-id"]);
        for (text, expected) in [
            (
                "frame f exists already: say by the mode what happens to its rows (`append` or `replace`)",
                "frame f exists already: say with --mode what happens to its rows (`append` or `replace`)",
            ),
            (
                "mode: `upsert` needs an index, and frame f has none: put it once in mode `replace` with `index`",
                "--mode: `upsert` needs an index, and frame f has none: put it once in `--mode replace` with `--index`",
            ),
            (
                "put command: request_id: is empty; give `start` and `stop`",
                "--request-id: is empty; give `--start` and `--stop`",
            ),
            (
                "index: there is no column `start`; `stop` is one",
                "--index: there is no column `start`; `stop` is one",
            ),
            ("as_of: `eod` is no tag", "`eod` is no tag"),
            ("a lone ` stays", "a lone ` stays"),
        ] {
            assert_eq!(put.in_words_of(text), expected);
        }
        let get = of(&["as-of"]);
        assert_eq!(
            get.in_words_of("as_of: `eod` is no tag"),
            "--as-of: `eod` is no tag"
        );
        assert_eq!(get.in_words_of("in mode `append`"), "in mode `append`");
    }
}
