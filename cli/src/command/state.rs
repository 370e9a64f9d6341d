//! States of frames and ranges of an index, as they are written on a command line.

use std::str::FromStr;

use clap::Args;
use serde_json::json;
use shoots_client::{AsOf, Closed};

/// Reads a state: a version (`3`, `-1` is the newest), a tag, a time, the beginning of a commit's id, or one of these
/// said outright: `version:3`, `tag:eod`, `time:2024-01-31`, `commit:3fa9`, `snapshot:year end`, `remote:office`.
pub(crate) fn as_of(text: &str) -> Result<AsOf, String> {
    const FORMS: [&str; 6] = ["version", "tag", "time", "commit", "snapshot", "remote"];
    let form = text
        .split_once(':')
        .filter(|(form, _)| FORMS.contains(form));
    let value = match form {
        Some(("version", number)) => {
            let number: i64 = number
                .trim()
                .parse()
                .map_err(|_| format!("`{number}` is no version; it is a number such as 3 or -1"))?;
            json!({"version": number})
        }
        Some((form, value)) => json!({form: value}),
        None => match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text),
        },
    };
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Reads one of a few words, in capitals too.
pub(crate) fn in_any_case<T: FromStr>(word: &str) -> Result<T, T::Err> {
    word.to_lowercase().parse()
}

/// The flag that names a state.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AsOfArgs {
    /// The state: a version (3; -1 is the newest), a tag, a time, a commit, snapshot:NAME, or remote:NAME
    #[arg(long, value_name = "STATE", value_parser = as_of, allow_negative_numbers = true)]
    pub(crate) as_of: Option<AsOf>,
}

/// The flags that choose a range of the first index column.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RangeArgs {
    /// Only rows that are not before this in the index
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) start: Option<String>,
    /// Only rows that are before this in the index
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) stop: Option<String>,
    /// Which ends belong to the range: left, right, both, neither [default: left]
    #[arg(long, value_name = "ENDS", value_parser = in_any_case::<Closed>)]
    pub(crate) closed: Option<Closed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_named_in_every_form() {
        for (text, expected) in [
            ("3", AsOf::Version(3)),
            ("-1", AsOf::Version(-1)),
            ("version:-2", AsOf::Version(-2)),
            ("tag:3", AsOf::Tag("3".into())),
            ("tag:as: delivered", AsOf::Tag("as: delivered".into())),
            ("commit:3FA9", AsOf::Commit("3fa9".into())),
            ("eod", AsOf::Short("eod".into())),
            (
                "2024-01-31T09:30:00",
                AsOf::Short("2024-01-31T09:30:00".into()),
            ),
            ("note: eod", AsOf::Short("note: eod".into())),
        ] {
            assert_eq!(as_of(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(as_of("time:2024-01-31").unwrap(), AsOf::Time(_)));
        assert!(matches!(
            as_of("snapshot:year end").unwrap(),
            AsOf::Snapshot(_)
        ));
        assert!(matches!(as_of("remote:office").unwrap(), AsOf::Remote(_)));
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in [
            "",
            "version:x",
            "commit:xyz",
            "time:yesterday",
            "snapshot:",
            "remote:a/b",
        ] {
            assert!(as_of(text).is_err(), "{text}");
        }
    }
}
