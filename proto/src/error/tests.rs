//! Errors: their bounds, whatever the message, and what is read from other servers.

use proptest::prelude::*;

use super::{ErrorBody, ErrorKind, RequestError};

#[test]
fn a_message_that_fits_is_kept_whole() {
    let body = ErrorBody::new(ErrorKind::SchemaError, "ab");
    let json = r#"{"type":"SchemaError","message":"ab"}"#;
    assert_eq!(body.to_json_within(json.len()), json);
}

#[test]
fn a_message_that_does_not_fit_is_cut_between_characters() {
    let body = ErrorBody::new(ErrorKind::SchemaError, "aéé\"b");
    let frame = r#"{"type":"SchemaError","message":""}"#.len();
    for (room, expected) in [
        (8, "aéé\\\"b"),
        (7, "aé…"),
        (6, "aé…"),
        (5, "a…"),
        (4, "a…"),
        (3, "…"),
        (2, ""),
        (0, ""),
    ] {
        assert_eq!(
            body.to_json_within(frame + room),
            format!(r#"{{"type":"SchemaError","message":"{expected}"}}"#),
            "{room}"
        );
    }
}

#[test]
fn the_object_itself_is_never_cut() {
    for &kind in ErrorKind::ALL {
        let json = ErrorBody::new(kind, "x".repeat(100)).to_json_within(0);
        assert_eq!(
            ErrorBody::from_json(json.as_bytes()),
            Some(ErrorBody::new(kind, ""))
        );
        assert!(json.len() < 50, "{json}");
    }
}

#[test]
fn every_kind_is_found_by_its_name() {
    for &kind in ErrorKind::ALL {
        assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind));
        assert_eq!(kind.to_string(), kind.as_str());
    }
    assert_eq!(ErrorKind::from_name("filenotfounderror"), None);
}

#[test]
fn what_is_no_error_object_is_told_apart() {
    for bytes in [
        &b""[..],
        b"null",
        b"\"SchemaError\"",
        b"{}",
        br#"{"type":"SchemaError"}"#,
        br#"{"type":5,"message":"x"}"#,
        b"\xff",
    ] {
        assert_eq!(
            ErrorBody::from_json(bytes),
            None,
            "{}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn a_request_error_is_bounded_and_on_one_line() {
    let error = RequestError::new(
        &"w\n".repeat(10_000),
        Some(&"f\n".repeat(10_000)),
        "p\r\n".repeat(10_000),
    );
    let shown = error.to_string();
    assert!(shown.len() < 4000, "{}", shown.len());
    assert!(!shown.contains(char::is_control));
}

proptest! {
    #[test]
    fn an_error_body_is_json_within_the_limit(message in any::<String>(), max in 50_usize..300) {
        let body = ErrorBody::new(ErrorKind::OutcomeUnknownError, message.clone());
        let json = body.to_json_within(max);
        prop_assert!(json.len() <= max);
        let read = ErrorBody::from_json(json.as_bytes()).unwrap();
        prop_assert_eq!(read.kind, body.kind);
        if read.message != message {
            prop_assert!(serde_json::to_string(&body).unwrap().len() > max);
            prop_assert!(message.starts_with(read.message.strip_suffix('…').unwrap()));
        }
    }
}
