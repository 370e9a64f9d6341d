//! Sessions, which the client keeps: a cookie says in which bucket names are that say none.
//!
//! `SetSessionOptions` answers with a cookie, which the client sends with every later call, to whichever server. So a
//! client must keep cookies for it (for ADBC: `adbc.flight.sql.rpc.with_cookie_middleware`). One that does not is told so,
//! instead of being asked again in the wrong bucket: [`COOKIE`] is there, empty, from the first call on that describes
//! anything. A client may as well send the header itself: `cookie: shoots-schema=nyc`.
//!
//! `arrow-flight` has no types for these messages; they are written down here.

use std::collections::HashMap;

use arrow_flight::{Action, FlightDescriptor};
use prost::Message;
use shoots_proto::{BucketName, name};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use super::{is_flight_sql, malformed};
use crate::query::CATALOG;
use crate::status::Failure;

/// The action that sets options.
pub(super) const SET: &str = "SetSessionOptions";
/// The action that tells them.
pub(super) const GET: &str = "GetSessionOptions";
/// The action that forgets them.
pub(super) const CLOSE: &str = "CloseSession";

/// The cookie that holds the bucket, percent-encoded; empty for the default bucket.
const COOKIE: &str = "shoots-schema";

/// The options that there are, as ADBC and JDBC call them.
const CATALOG_OPTION: &str = "catalog";
const SCHEMA_OPTION: &str = "schema";

/// What a client has chosen for its calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// The bucket of names that say none; `None` is the default bucket.
    pub(super) bucket: Option<BucketName>,
    /// Whether the client keeps cookies.
    pub(super) keeps: bool,
}

impl Session {
    /// Reads the session from the headers of a call.
    pub(crate) fn of(headers: &MetadataMap) -> Result<Self, Failure> {
        let cookies = headers.get_all("cookie");
        let cookies = cookies.iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let Some((_, value)) = pairs.find(|(name, _)| *name == COOKIE) else {
            return Ok(Self::default());
        };
        let value = value.trim_matches('"');
        let bucket = read_bucket(value);
        if bucket.is_none() && !value.is_empty() {
            let problem = "is no bucket's name, percent-encoded; set it with SetSessionOptions";
            return Err(Failure::invalid("cookie", Some(COOKIE), problem));
        }
        Ok(Self {
            bucket,
            keeps: true,
        })
    }
}

/// Spaces are the only thing in an encoded name that a cookie cannot hold, and it never has a plus.
fn read_bucket(value: &str) -> Option<BucketName> {
    let name = name::decode(&value.replace('+', " "))?;
    BucketName::parse(&name).ok()
}

fn cookie(bucket: Option<&BucketName>) -> Option<AsciiMetadataValue> {
    let value = bucket.map(|bucket| bucket.encoded().replace(' ', "+"));
    let value = format!("{COOKIE}={}", value.unwrap_or_default());
    value.parse().ok()
}

/// The cookie that a description is answered with: the first one, for a client of Flight SQL that has none.
pub(crate) fn cookie_beside(
    session: &Result<Session, Failure>,
    descriptor: &FlightDescriptor,
) -> Option<AsciiMetadataValue> {
    let first = is_flight_sql(&descriptor.cmd) && !keeps(session);
    first.then(|| cookie(None)).flatten()
}

/// The cookie that an action is answered with: the one that it sets, or the first one.
pub(crate) fn cookie_after(
    session: &Result<Session, Failure>,
    action: &Action,
) -> Option<AsciiMetadataValue> {
    match action.r#type.as_str() {
        SET => {
            let request = SetSessionOptionsRequest::decode(action.body.as_ref()).ok()?;
            let chosen = request.session_options.get(SCHEMA_OPTION)?;
            cookie(chosen.bucket().ok()?.as_ref())
        }
        CLOSE => cookie(None),
        GET if !keeps(session) => cookie(None),
        _ => None,
    }
}

fn keeps(session: &Result<Session, Failure>) -> bool {
    session.as_ref().is_ok_and(|session| session.keeps)
}

/// Answers `SetSessionOptions`; the cookie goes with the answer.
pub(super) fn set(session: &Session, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let request = SetSessionOptionsRequest::decode(body).map_err(|e| malformed(SET, e))?;
    let mut errors = HashMap::new();
    for (name, value) in &request.session_options {
        let problem = match name.as_str() {
            SCHEMA_OPTION if !session.keeps && !value.is_unset_or_empty() => {
                let problem = "is kept by the client in a cookie, and this one keeps none; connect with cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware), or name the bucket in the query";
                return Err(Failure::invalid(SET, Some(SCHEMA_OPTION), problem));
            }
            SCHEMA_OPTION => value.bucket().err(),
            CATALOG_OPTION if value.is_unset_or_empty() || value.text() == Some(CATALOG) => None,
            CATALOG_OPTION => Some(ErrorValue::InvalidValue),
            _ => Some(ErrorValue::InvalidName),
        };
        if let Some(problem) = problem {
            let value = problem.into();
            errors.insert(name.clone(), SessionError { value });
        }
    }
    Ok(SetSessionOptionsResult { errors }.encode_to_vec())
}

/// Answers `GetSessionOptions`.
pub(super) fn get(session: &Session) -> Vec<u8> {
    let schema = session.bucket.as_ref().map_or("", BucketName::as_str);
    let options = [(CATALOG_OPTION, CATALOG), (SCHEMA_OPTION, schema)];
    let options = options.map(|(name, text)| {
        let value = Some(OptionValue::String(text.to_owned()));
        (name.to_owned(), SessionOptionValue { value })
    });
    let session_options = options.into();
    GetSessionOptionsResult { session_options }.encode_to_vec()
}

/// Answers `CloseSession`.
pub(super) fn close() -> Vec<u8> {
    /// `CLOSED`.
    const CLOSED: i32 = 1;
    CloseSessionResult { status: CLOSED }.encode_to_vec()
}

/// The request of `SetSessionOptions`.
#[derive(Clone, PartialEq, Message)]
struct SetSessionOptionsRequest {
    #[prost(map = "string, message", tag = "1")]
    session_options: HashMap<String, SessionOptionValue>,
}

/// Which options could not be set, and why.
#[derive(Clone, PartialEq, Message)]
struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, SessionError>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionError {
    #[prost(enumeration = "ErrorValue", tag = "1")]
    value: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum ErrorValue {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
}

#[derive(Clone, PartialEq, Message)]
struct GetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    session_options: HashMap<String, SessionOptionValue>,
}

#[derive(Clone, PartialEq, Message)]
struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// A value of an option; nothing means that the option goes back to what it was.
#[derive(Clone, PartialEq, Message)]
struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    value: Option<OptionValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OptionValue {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Int64(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    StringList(StringListValue),
}

#[derive(Clone, PartialEq, Message)]
struct StringListValue {
    #[prost(string, repeated, tag = "1")]
    values: Vec<String>,
}

impl SessionOptionValue {
    fn text(&self) -> Option<&str> {
        match &self.value {
            Some(OptionValue::String(text)) => Some(text),
            _ => None,
        }
    }

    fn is_unset_or_empty(&self) -> bool {
        self.value.is_none() || self.text() == Some("")
    }

    /// The bucket that it names.
    fn bucket(&self) -> Result<Option<BucketName>, ErrorValue> {
        if self.is_unset_or_empty() {
            return Ok(None);
        }
        let name = self.text().ok_or(ErrorValue::InvalidValue)?;
        BucketName::parse(name)
            .map(Some)
            .map_err(|_| ErrorValue::InvalidValue)
    }
}

#[cfg(test)]
mod tests {
    use arrow_flight::sql::{CommandGetSqlInfo, ProstMessageExt};

    use super::*;

    fn session(cookies: &str) -> Result<Session, Failure> {
        let mut headers = MetadataMap::new();
        headers.insert("cookie", cookies.parse().unwrap());
        Session::of(&headers)
    }

    fn setting(name: &str, value: Option<OptionValue>) -> Action {
        let options = [(name.to_owned(), SessionOptionValue { value })];
        let request = SetSessionOptionsRequest {
            session_options: options.into(),
        };
        Action::new(SET, request.encode_to_vec())
    }

    fn text(text: &str) -> Option<OptionValue> {
        Some(OptionValue::String(text.to_owned()))
    }

    #[test]
    fn the_bucket_goes_through_a_cookie_and_back() {
        for bucket in ["nyc", "New York; a=b", "Zürich"] {
            let action = setting("schema", text(bucket));
            let cookie = cookie_after(&Ok(Session::default()), &action).unwrap();
            let sent = format!("other=1; {}; more=2", cookie.to_str().unwrap());
            let session = session(&sent).unwrap();
            assert_eq!(session.bucket.unwrap().as_str(), bucket);
        }
        for back in [text(""), None] {
            let action = setting("schema", back);
            let cookie = cookie_after(&Ok(Session::default()), &action).unwrap();
            assert_eq!(session(cookie.to_str().unwrap()).unwrap().bucket, None);
        }
    }

    #[test]
    fn a_cookie_that_names_no_bucket_is_refused() {
        for bad in [
            "shoots-schema=..",
            "shoots-schema=%2e%2e%2fetc",
            "shoots-schema=%",
        ] {
            let failure = session(bad).unwrap_err();
            assert!(failure.to_string().contains(COOKIE), "{failure}");
        }
        assert!(session("shoots-schemas=..").unwrap().bucket.is_none());
    }

    #[test]
    fn options_that_are_not_there_are_refused_by_name() {
        let keeping = session("shoots-schema=").unwrap();
        for (name, value, expected) in [
            ("schema", text("nyc"), None),
            ("schema", text("a/b"), Some(ErrorValue::InvalidValue)),
            (
                "schema",
                Some(OptionValue::Bool(true)),
                Some(ErrorValue::InvalidValue),
            ),
            ("catalog", text("shoots"), None),
            ("catalog", text("other"), Some(ErrorValue::InvalidValue)),
            ("time_zone", text("UTC"), Some(ErrorValue::InvalidName)),
        ] {
            let result = set(&keeping, &setting(name, value).body).unwrap();
            let result = SetSessionOptionsResult::decode(result.as_slice()).unwrap();
            let told = result.errors.get(name).map(|error| error.value());
            assert_eq!(told, expected, "{name}");
        }
    }

    #[test]
    fn who_keeps_no_cookies_is_told_so() {
        let failure = set(&Session::default(), &setting("schema", text("nyc")).body);
        assert!(failure.unwrap_err().to_string().contains("cookie"));
        let asked = CommandGetSqlInfo::default().as_any().encode_to_vec();
        let asked = FlightDescriptor::new_cmd(asked);
        assert!(cookie_beside(&Ok(Session::default()), &asked).is_some());
        assert!(cookie_beside(&session("shoots-schema=nyc"), &asked).is_none());
        let json = FlightDescriptor::new_cmd(r#"{"name":"a"}"#);
        assert!(cookie_beside(&Ok(Session::default()), &json).is_none());
        let ping = Action::new("ping", "");
        assert!(cookie_after(&Ok(Session::default()), &ping).is_none());
    }
}
