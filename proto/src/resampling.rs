//! Resampling by time: how rows are gathered into bins of time, and what is made of each bin.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use crate::field;
use crate::mode::UnknownMode;
use crate::range::{AnyValue, IndexValue};
use crate::request::{Coherent, request};

request! {
    /// How a frame is resampled: the length of the bins, and what is made of the rows of each.
    ///
    /// ```
    /// use shoots_proto::action::{Aggregations, Resampling};
    /// use shoots_proto::decode;
    ///
    /// let json = br#"{"rule":"5min","aggregation_func":{"price":["first","max"],"size":"sum"},"by":["symbol"]}"#;
    /// let resampling: Resampling = decode("resample", json)?;
    /// assert_eq!(resampling.by, ["symbol"]);
    /// assert!(matches!(resampling.aggregation_func, Aggregations::ByColumn(columns) if columns.len() == 2));
    /// # Ok::<(), shoots_proto::RequestError>(())
    /// ```
    #[derive(Eq)]
    pub struct Resampling (resampling) {
        /// How long a bin is, as an offset of pandas: `5min`, `1h`, `D`, `W-FRI`, `ME`.
        pub rule: String,
        /// What is made of the rows of a bin.
        pub aggregation_func: Aggregations,
    }
}

impl Coherent for Resampling {}

impl Resampling {
    /// Bins of this length, and one or several functions of all columns, with everything else at its default.
    #[must_use]
    pub fn new(rule: impl Into<String>, aggregation_func: impl Into<Aggregations>) -> Self {
        Self {
            rule: rule.into(),
            aggregation_func: aggregation_func.into(),
            time_col: None,
            columns: None,
            by: Vec::new(),
            closed: None,
            label: None,
            origin: None,
            offset: None,
            time_zone: None,
            fill: None,
            numeric_only: false,
            quantile: None,
        }
    }
}

/// What is made of the rows of a bin: a function of every column, several, or some for each column.
///
/// ```
/// use shoots_proto::action::Aggregations;
///
/// let read = |json| serde_json::from_str::<Aggregations>(json);
/// assert_eq!(read(r#""mean""#)?, Aggregations::from("mean"));
/// assert_eq!(read(r#"["min","max"]"#)?, Aggregations::Several(vec!["min".into(), "max".into()]));
/// assert!(read("[]").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregations {
    /// One function: `"mean"`.
    One(String),
    /// Several functions: `["min","max"]`.
    Several(Vec<String>),
    /// For each column, in this order, one function or several: `{"price":"mean","size":["sum","max"]}`.
    ByColumn(Vec<(String, Aggregations)>),
}

impl Aggregations {
    /// The functions, if they do not depend on the column.
    #[must_use]
    pub fn functions(&self) -> &[String] {
        match self {
            Self::One(function) => std::slice::from_ref(function),
            Self::Several(functions) => functions,
            Self::ByColumn(_) => &[],
        }
    }
}

impl From<&str> for Aggregations {
    fn from(function: &str) -> Self {
        Self::One(function.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for Aggregations {
    fn from(functions: [&str; N]) -> Self {
        Self::Several(functions.map(str::to_owned).into())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Aggregations {
    fn from(columns: [(&str, &str); N]) -> Self {
        let columns = columns.map(|(column, function)| (column.to_owned(), function.into()));
        Self::ByColumn(columns.into())
    }
}

impl Serialize for Aggregations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(function) => serializer.serialize_str(function),
            Self::Several(functions) => functions.serialize(serializer),
            Self::ByColumn(columns) => {
                let mut map = serializer.serialize_map(Some(columns.len()))?;
                for (column, functions) in columns {
                    map.serialize_entry(column, functions)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Aggregations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any { by_column: true })
    }
}

struct Any {
    by_column: bool,
}

impl<'de> Visitor<'de> for Any {
    type Value = Aggregations;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a function (a string), a list of functions")?;
        if self.by_column {
            formatter.write_str(", or a JSON object with the names of columns and these")?;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Aggregations, E> {
        Ok(Aggregations::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Aggregations, A::Error> {
        let mut functions: Vec<String> = Vec::new();
        while let Some(function) = list.next_element::<String>()? {
            if functions.contains(&function) {
                return Err(A::Error::custom(format!("lists `{function}` twice")));
            }
            functions.push(function);
        }
        if functions.is_empty() {
            return Err(A::Error::custom("must name at least one function"));
        }
        Ok(Aggregations::Several(functions))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Aggregations, A::Error> {
        if !self.by_column {
            let got = serde::de::Unexpected::Map;
            return Err(A::Error::invalid_type(got, &self));
        }
        let mut columns: Vec<(String, Aggregations)> = Vec::new();
        while let Some((column, OfColumn(functions))) = map.next_entry::<String, OfColumn>()? {
            if columns.iter().any(|(known, _)| *known == column) {
                field::each_once([&column, &column].into_iter())?;
            }
            columns.push((column, functions));
        }
        if columns.is_empty() {
            return Err(A::Error::custom("must name at least one column"));
        }
        Ok(Aggregations::ByColumn(columns))
    }
}

struct OfColumn(Aggregations);

impl<'de> Deserialize<'de> for OfColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Any { by_column: false })
            .map(Self)
    }
}

/// One of the two ends of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BinEnd {
    /// Where it begins.
    Left,
    /// Where it stops.
    Right,
}

impl FromStr for BinEnd {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            _ => Err(UnknownMode::new("`left` or `right`", text)),
        }
    }
}

impl<'de> Deserialize<'de> for BinEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        field::parsed(deserializer, "an end of a bin (a string)")
    }
}

/// Reads what stands in bins without rows, if that is said.
pub(crate) fn fill<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IndexValue>, D::Error> {
    struct Fill(IndexValue);

    impl<'de> Deserialize<'de> for Fill {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let expected = "`null`, `drop`, `forward`, `backward`, `linear` or a value of the columns \
                            (a string, a number or a boolean)";
            deserializer.deserialize_any(AnyValue(expected)).map(Self)
        }
    }

    let fill = Option::<Fill>::deserialize(deserializer)?;
    Ok(fill.map(|Fill(fill)| fill))
}

/// Reads an optional share of a whole: from 0 to 1.
pub(crate) fn quantile<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Number>, D::Error> {
    let number = Option::<Number>::deserialize(deserializer)?;
    match number.as_ref().and_then(Number::as_f64) {
        Some(share) if !(0.0..=1.0).contains(&share) => {
            Err(D::Error::custom(format!("must be 0 to 1 (got {share})")))
        }
        _ => Ok(number),
    }
}
