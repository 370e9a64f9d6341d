//! Telling Flight SQL from everything else, and what is refused by name.

use arrow_flight::sql::{CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt};

use super::*;

fn any(url: &str) -> Vec<u8> {
    let mut message = vec![0x0a, u8::try_from(url.len()).unwrap()];
    message.extend(url.bytes());
    message.extend([0x12, 0x00]);
    message
}

#[test]
fn flight_sql_is_told_from_json_and_other_messages() {
    let command = read("ticket", &any(&format!("{TYPE_URL}CommandGetCatalogs")));
    assert!(matches!(command, Ok(Some(Command::CommandGetCatalogs(_)))));
    let other = any("type.googleapis.com/google.protobuf.Empty");
    for message in [
        br#"{"name":"a"}"#.as_slice(),
        b"\n{\"name\":\"type.googleapis.com/arrow.flight.protocol.sql.\"}",
        b"",
        b"\n",
        b"\n\xff",
        &other,
    ] {
        assert_eq!(read("ticket", message), Ok(None));
    }
}

#[test]
fn messages_that_are_broken_or_unknown_are_refused_by_name() {
    let unknown = read("ticket", &any(&format!("{TYPE_URL}CommandMakeCoffee")));
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("CommandMakeCoffee"), "{unknown}");
    let mut broken = any(&format!("{TYPE_URL}CommandStatementQuery"));
    let end = broken.len() - 1;
    broken[end] = 9;
    assert!(read("ticket", &broken).is_err());
    let url = format!("{TYPE_URL}CommandStatementQuery");
    let mut long = any(&url);
    long.resize(REQUEST_BYTES + 1, 0);
    let long = read("ticket", &long).unwrap_err().to_string();
    assert!(long.contains("at most"), "{long}");
}

#[test]
fn what_is_neither_a_statement_nor_a_listing_is_unimplemented() {
    for command in [
        CommandStatementUpdate::default().as_any(),
        CommandStatementSubstraitPlan::default().as_any(),
    ] {
        let command = read("ticket", &command.encode_to_vec()).unwrap().unwrap();
        assert!(statement(&command, Session::default()).unwrap().is_none());
        let failure = Listing::of(command).unwrap_err();
        assert!(matches!(failure, Failure::Unimplemented(_)), "{failure}");
    }
}
