//! Reading and writing messages: from bytes to types that cannot hold bad values, and back.
//!
//! This is the edge. [`decode`] accepts exactly one JSON value of the expected shape and turns
//! everything else into a [`RequestError`] that names the field and says what to do. Depth is
//! bounded by `serde_json`'s recursion limit; the length of the bytes is the transport's to bound.

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::error::RequestError;

/// Reads the message `what` (`ticket`, `put command`, an action's name …) from JSON.
///
/// # Errors
/// [`RequestError`] names the offending field: unknown, missing, given twice, of the wrong type, or
/// with a value it cannot have.
///
/// ```
/// use shoots_proto::{GetTicket, decode};
///
/// let ticket: GetTicket = decode("ticket", br#"{"name":"weather","bucket":null}"#)?;
/// assert_eq!(ticket.name.as_str(), "weather");
///
/// let refused = decode::<GetTicket>("ticket", br#"{"name":"weather","limit":-1}"#).unwrap_err();
/// assert_eq!(refused.field(), Some("limit"));
/// # Ok::<(), shoots_proto::RequestError>(())
/// ```
pub fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, RequestError> {
    if bytes.is_empty() {
        return Err(RequestError::new(what, None, "is empty; send JSON"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let message = serde_path_to_error::deserialize(StructsAreObjects(&mut json))
        .map_err(|error| refusal(what, error.path(), error.inner()))?;
    json.end()
        .map_err(|error| RequestError::new(what, None, not_json(&error)))?;
    Ok(message)
}

/// Reads the message `what`, taking no bytes at all for a message with no fields set.
///
/// # Errors
/// As [`decode()`].
///
/// ```
/// use shoots_proto::action::BucketsRequest;
/// use shoots_proto::decode_or_default;
///
/// assert_eq!(decode_or_default("buckets", b""), Ok(BucketsRequest {}));
/// assert_eq!(decode_or_default("buckets", b"{}"), Ok(BucketsRequest {}));
/// ```
pub fn decode_or_default<T>(what: &str, bytes: &[u8]) -> Result<T, RequestError>
where
    T: DeserializeOwned + Default,
{
    if bytes.is_empty() {
        return Ok(T::default());
    }
    decode(what, bytes)
}

/// Writes a message as JSON: fields in the order of their type, absent ones left out.
///
/// # Errors
/// None of this crate's messages fails to be written; the error is there for types of the caller's
/// own.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(message)
}

/// What serde found, in terms of the message and its fields.
fn refusal(
    what: &str,
    path: &serde_path_to_error::Path,
    error: &serde_json::Error,
) -> RequestError {
    if error.classify() != Category::Data {
        return RequestError::new(what, None, not_json(error));
    }
    let mut field = field_name(path);
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let problem = text.strip_suffix(&position).unwrap_or(&text);
    let problem = if let Some((_, expected)) = named(problem, "unknown field `") {
        format!("unknown field{expected}")
    } else if let Some((missing, _)) = named(problem, "missing field `") {
        push_segment(&mut field, missing);
        "is missing; it is required".to_owned()
    } else if let Some((doubled, _)) = named(problem, "duplicate field `") {
        push_segment(&mut field, doubled);
        "is given twice; give it once".to_owned()
    } else if let Some((misfit, why)) = named(problem, "field `") {
        push_segment(&mut field, misfit);
        why.trim_start_matches(": ").to_owned()
    } else {
        problem.to_owned()
    };
    let field = Some(field.as_str()).filter(|field| !field.is_empty());
    RequestError::new(what, field, problem)
}

/// The name in a message of serde's that starts with `prefix`, and the rest of the message.
fn named<'a>(problem: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    problem.strip_prefix(prefix)?.split_once('`')
}

/// The path of a field, such as `as_of.version` or `columns[2]`; empty for the message itself.
fn field_name(path: &serde_path_to_error::Path) -> String {
    let mut name = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => name.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => push_segment(&mut name, key),
            Segment::Unknown => {}
        }
    }
    name
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(segment);
}

fn not_json(error: &serde_json::Error) -> String {
    format!("is not valid JSON: {error}")
}

/// Lets only JSON objects be read as structs. serde would also take an array for one, and so give
/// a meaning to the order of fields, which the contract does not have.
pub(crate) struct StructsAreObjects<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StructsAreObjects<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier ignored_any
    }
}
