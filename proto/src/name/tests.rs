//! Names: the table of bad ones, the encoded form of odd ones, and round trips of any.

use proptest::prelude::*;

use super::{BucketName, FrameId, FrameName, MAX_ENCODED_BYTES, NameError, decode, encode};

#[test]
fn a_bad_name_is_refused_with_the_rule_it_breaks() {
    let long = "a".repeat(300);
    let long_error = format!(
        "is too long: 300 bytes once percent-encoded, 200 are allowed (got `{}…`)",
        "a".repeat(60)
    );
    for (text, expected) in [
        ("", "must not be empty; give it at least one character"),
        ("../x", "must not contain `/` (got `../x`)"),
        ("/", "must not contain `/` (got `/`)"),
        ("a/b", "must not contain `/` (got `a/b`)"),
        (r"a\b", r"must not contain `\` (got `a\b`)"),
        (".", "must not be `.`, which means a folder to file systems"),
        (
            "..",
            "must not be `..`, which means a folder to file systems",
        ),
        (
            "a\0b",
            r"must not contain control characters such as U+0000 (got `a\u{0}b`)",
        ),
        (
            "a\nb",
            r"must not contain control characters such as U+000A (got `a\nb`)",
        ),
        (
            "\t",
            r"must not contain control characters such as U+0009 (got `\t`)",
        ),
        (
            "\u{7f}",
            r"must not contain control characters such as U+007F (got `\u{7f}`)",
        ),
        (
            "\u{85}",
            r"must not contain control characters such as U+0085 (got `\u{85}`)",
        ),
        (&long, &long_error),
    ] {
        let frame = FrameName::parse(text).unwrap_err();
        assert_eq!(frame.to_string(), expected, "{text:?}");
        assert_eq!(BucketName::parse(text), Err(frame), "{text:?}");
    }
}

#[test]
fn an_odd_but_welcome_name_is_kept_and_encoded() {
    for (text, encoded) in [
        ("weather", "weather"),
        ("a-b_c.d 9", "a-b_c.d 9"),
        (" ", "%20"),
        (" a ", "%20a%20"),
        ("a  b", "a  b"),
        ("_", "%5F"),
        ("__a", "%5F_a"),
        ("_bucket.json", "%5Fbucket.json"),
        (".hidden", "%2Ehidden"),
        ("...", "%2E.%2E"),
        ("a.", "a%2E"),
        ("a..", "a.%2E"),
        ("a.parquet", "a%2Eparquet"),
        ("a.PaRQuet", "a%2EPaRQuet"),
        ("a.parquet.parquet", "a.parquet%2Eparquet"),
        (".parquet", "%2Eparquet"),
        ("parquet", "parquet"),
        ("a.parquet2", "a.parquet2"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        (r#"it's "quoted""#, "it%27s %22quoted%22"),
        ("a:b*c?<d>|", "a%3Ab%2Ac%3F%3Cd%3E%7C"),
        ("café", "caf%C3%A9"),
        ("🦀", "%F0%9F%A6%80"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
    ] {
        let name = FrameName::parse(text).unwrap();
        assert_eq!(name.as_str(), text);
        assert_eq!(name.encoded(), encoded, "{text}");
        assert_eq!(FrameName::from_encoded(encoded), Some(name), "{text}");
    }
}

#[test]
fn two_spellings_of_one_character_are_one_name() {
    let decomposed = FrameName::parse("cafe\u{301}").unwrap();
    assert_eq!(decomposed.as_str(), "caf\u{e9}");
    assert_eq!(decomposed, FrameName::parse("caf\u{e9}").unwrap());
    assert_eq!(FrameName::from_encoded("cafe%CC%81"), None);
}

#[test]
fn the_limit_counts_encoded_bytes() {
    assert!(FrameName::parse(&"a".repeat(MAX_ENCODED_BYTES)).is_ok());
    let one_more = FrameName::parse(&"a".repeat(MAX_ENCODED_BYTES + 1)).unwrap_err();
    assert!(matches!(
        one_more,
        NameError::TooLong {
            encoded_bytes: 201,
            ..
        }
    ));
    assert!(FrameName::parse(&"é".repeat(33)).is_ok());
    let encoded_is_longer = FrameName::parse(&"é".repeat(34)).unwrap_err();
    assert!(matches!(
        encoded_is_longer,
        NameError::TooLong {
            encoded_bytes: 204,
            ..
        }
    ));
}

#[test]
fn only_the_canonical_spelling_decodes() {
    for encoded in [
        "_a",
        ".a",
        " a",
        "a ",
        "a.",
        "a.parquet",
        "a%2fb",
        "%61",
        "a%",
        "a%2",
        "a%GG",
        "a%+1",
        "%FF",
        "%C3",
        "é",
        "a/b",
        "a\\b",
        "a\nb",
    ] {
        assert_eq!(decode(encoded), None, "{encoded}");
    }
    assert_eq!(decode("%2F").as_deref(), Some("/"));
    assert_eq!(FrameName::from_encoded("%2F"), None);
    assert_eq!(FrameName::from_encoded(""), None);
}

#[test]
fn a_descriptor_path_names_a_frame() {
    let path = |parts: &[&str]| {
        parts
            .iter()
            .map(|&part| part.to_owned())
            .collect::<Vec<_>>()
    };
    for parts in [&["weather"][..], &["weather", "nyc"]] {
        let id = FrameId::from_path(&path(parts)).unwrap();
        assert_eq!(id.name.as_str(), "weather");
        assert_eq!(id.to_path(), parts);
    }
    for (parts, expected) in [
        (
            &[][..],
            "descriptor path: must be [name] or [name, bucket] (got 0 parts)",
        ),
        (
            &["a", "b", "c"],
            "descriptor path: must be [name] or [name, bucket] (got 3 parts)",
        ),
        (
            &["a/b"],
            "descriptor path: name: must not contain `/` (got `a/b`)",
        ),
        (
            &["a", ".."],
            "descriptor path: bucket: must not be `..`, which means a folder to file systems",
        ),
    ] {
        assert_eq!(
            FrameId::from_path(&path(parts)).unwrap_err().to_string(),
            expected
        );
    }
}

/// Any text, and text made of what the encoding treats specially.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"[a_. %é\u{301}/\\2F-]{0,12}(\.parquet|\.PARQUET)?",
    ]
}

proptest! {
    #[test]
    fn encoding_round_trips_and_never_yields_what_is_reserved(text in text()) {
        let encoded = encode(&text);
        prop_assert_eq!(decode(&encoded), Some(text));
        prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_. %".contains(&byte)));
        prop_assert!(!encoded.starts_with(['_', '.', ' ']));
        prop_assert!(!encoded.ends_with(['.', ' ']));
        prop_assert!(!encoded.to_ascii_lowercase().ends_with(".parquet"));
    }

    #[test]
    fn a_parsed_name_survives_every_representation(text in text()) {
        if let Ok(name) = FrameName::parse(&text) {
            prop_assert!(name.encoded().len() <= MAX_ENCODED_BYTES);
            prop_assert_eq!(FrameName::from_encoded(&name.encoded()), Some(name.clone()));
            prop_assert_eq!(FrameName::parse(name.as_str()), Ok(name.clone()));
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<FrameName>(&json).unwrap(), name);
        }
    }

    #[test]
    fn what_decodes_encodes_to_itself(encoded in "[a_. %2FC3A9é-]{0,12}") {
        if let Some(name) = decode(&encoded) {
            prop_assert_eq!(encode(&name), encoded);
        }
    }
}
