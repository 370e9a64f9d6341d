//! Values for the parameters of a query, by position or by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// Values for the places that a query leaves open.
///
/// In JSON a list, for `$1`, `$2`, … or one `?` after the other, or an object, for `$name`.
///
/// ```
/// use shoots_proto::{ParameterValue, QueryParameters};
///
/// let read = |json| serde_json::from_str::<QueryParameters>(json);
/// let values: [ParameterValue; 2] = ["JFK".into(), 3.into()];
/// assert_eq!(read(r#"["JFK", 3]"#)?, QueryParameters::from_iter(values));
/// assert!(read(r#"{"origin": "JFK"}"#).is_ok());
/// assert!(read(r#"[["JFK"]]"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum QueryParameters {
    /// By position, the first for `$1`.
    Positional(Vec<ParameterValue>),
    /// By name, which stands without its `$`.
    Named(BTreeMap<String, ParameterValue>),
}

/// A value for a parameter: a JSON string, number, boolean or null.
///
/// What JSON's numbers cannot hold is written as text, which a query reads as the type that it is compared with: times,
/// decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits or a finite floating-point number.
    Number(Number),
    /// A text, or what the query reads from one.
    Text(String),
}

impl ParameterValue {
    /// A floating-point number; `None` if it is not finite, which JSON cannot say.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        Number::from_f64(value).map(Self::Number)
    }
}

impl From<&str> for ParameterValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ParameterValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for ParameterValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for ParameterValue {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for ParameterValue {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for ParameterValue {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for ParameterValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl FromIterator<ParameterValue> for QueryParameters {
    fn from_iter<I: IntoIterator<Item = ParameterValue>>(values: I) -> Self {
        Self::Positional(values.into_iter().collect())
    }
}

impl<N: Into<String>> FromIterator<(N, ParameterValue)> for QueryParameters {
    fn from_iter<I: IntoIterator<Item = (N, ParameterValue)>>(values: I) -> Self {
        let values = values.into_iter();
        Self::Named(values.map(|(name, value)| (name.into(), value)).collect())
    }
}

impl Serialize for ParameterValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for ParameterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::Null),
            Value::Bool(value) => Ok(Self::Bool(value)),
            Value::Number(number) => Ok(Self::Number(number)),
            Value::String(text) => Ok(Self::Text(text)),
            Value::Array(_) | Value::Object(_) => Err(D::Error::custom(
                "a parameter is a string, a number, a boolean or null",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for QueryParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrObject;

        impl<'de> Visitor<'de> for ListOrObject {
            type Value = QueryParameters;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of values, or an object with a value for each name")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<QueryParameters, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(QueryParameters::Positional(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<QueryParameters, A::Error> {
                let mut values = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, ParameterValue>()? {
                    if values.insert(name.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("`{name}` is given twice")));
                    }
                }
                Ok(QueryParameters::Named(values))
            }
        }

        deserializer.deserialize_any(ListOrObject)
    }
}
