//! Telling Flight SQL's messages from this server's own.
//!
//! Flight SQL packs its commands and tickets into a protobuf `Any`, whose first field is the type's URL.
//! Everything else is JSON, which cannot look like that.

use crate::status::Failure;

const TYPE_URL: &[u8] = b"type.googleapis.com/arrow.flight.protocol.sql.";

/// Refuses a message of Flight SQL by its name.
pub(super) fn check_not_flight_sql(message: &[u8]) -> Result<(), Failure> {
    let Some(name) = command(message) else {
        return Ok(());
    };
    Err(Failure::Unimplemented(format!(
        "Flight SQL is not available here ({name}); send SQL in the ticket: {{\"name\":…,\"sql\":…}}"
    )))
}

/// The name of the Flight SQL message in an `Any`: tag of field 1, length, the URL, and more fields.
fn command(message: &[u8]) -> Option<String> {
    const FIRST_FIELD_IS_TEXT: u8 = 0x0a;
    let [FIRST_FIELD_IS_TEXT, length, rest @ ..] = message else {
        return None;
    };
    // The URLs of all of Flight SQL's messages are shorter than 128 bytes, so the length is one byte.
    let url = rest.get(..usize::from(*length))?;
    let name = url.strip_prefix(TYPE_URL)?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(url: &str) -> Vec<u8> {
        let mut message = vec![0x0a, u8::try_from(url.len()).unwrap()];
        message.extend(url.bytes());
        message.extend([0x12, 0x00]);
        message
    }

    #[test]
    fn flight_sql_is_refused_by_name() {
        let message = any("type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery");
        let failure = check_not_flight_sql(&message).unwrap_err();
        assert!(
            matches!(&failure, Failure::Unimplemented(text) if text.contains("CommandStatementQuery"))
        );
    }

    #[test]
    fn everything_else_passes() {
        let other = any("type.googleapis.com/google.protobuf.Empty");
        for message in [
            br#"{"name":"a"}"#.as_slice(),
            b"\n{\"name\":\"type.googleapis.com/arrow.flight.protocol.sql.\"}",
            b"",
            b"\n",
            b"\n\xff",
            &other,
        ] {
            assert!(check_not_flight_sql(message).is_ok());
        }
    }
}
