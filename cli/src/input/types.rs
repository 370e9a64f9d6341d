//! Types of columns as people write them, and as they are told.

use std::collections::BTreeMap;
use std::str::FromStr;

use arrow_schema::{DataType, Schema};
use shoots_store::{type_name, type_named};

use super::csv::Zone;
use crate::failure::Failure;

/// Types that were said: `time=timestamp[us, tz=UTC],carrier=string`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Types(BTreeMap<String, DataType>);

impl Types {
    pub(super) fn joined(parts: &[Self]) -> Result<Self, Failure> {
        let mut joined = BTreeMap::new();
        for (name, data_type) in parts.iter().flat_map(|part| &part.0) {
            if joined.insert(name.clone(), data_type.clone()).is_some() {
                return Err(Failure::usage(format!("--types says twice what {name} is")));
            }
        }
        Ok(Self(joined))
    }

    /// The types of these columns.
    pub(super) fn of(schema: &Schema) -> Self {
        let fields = schema.fields().iter();
        let types = fields.map(|field| (field.name().clone(), field.data_type().clone()));
        Self(types.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, column: &str) -> Option<&DataType> {
        self.0.get(column)
    }

    /// Refuses types of columns that are not there.
    pub(super) fn check<'a>(
        &self,
        name: &str,
        columns: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), Failure> {
        let missing = self
            .0
            .keys()
            .find(|said| !columns.clone().any(|column| column == *said));
        match missing {
            None => Ok(()),
            Some(missing) => {
                let columns: Vec<&str> = columns.collect();
                let problem = format!(
                    "--types: {name} has no column {missing:?}; it has {}",
                    columns.join(", ")
                );
                Err(Failure::usage(problem))
            }
        }
    }
}

impl FromStr for Types {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut types = BTreeMap::new();
        for part in parts(text) {
            let (column, data_type) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` must be COLUMN=TYPE"))?;
            let column = column.trim().to_owned();
            let data_type = type_named(data_type.trim()).map_err(|error| error.to_string())?;
            if let DataType::Timestamp(_, Some(zone)) = &data_type {
                zone.parse::<Zone>()?;
            }
            if types.contains_key(&column) {
                return Err(format!("says twice what {column} is"));
            }
            types.insert(column, data_type);
        }
        Ok(Self(types))
    }
}

/// Splits at commas that are in no brackets.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c: char| {
        match c {
            '[' | '(' | '<' => depth += 1,
            ']' | ')' | '>' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}

/// The columns and their types in a line.
pub(crate) fn describe(schema: &Schema) -> String {
    let fields = schema.fields().iter();
    let told = fields.map(|field| format!("{} {}", field.name(), type_name(field.data_type())));
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn types_have_commas_of_their_own() {
        let types: Types = "t=timestamp[us, tz=UTC], price=decimal128(10, 2),s=string"
            .parse()
            .unwrap();
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(types.get("t"), Some(&zoned));
        assert_eq!(types.get("price"), Some(&DataType::Decimal128(10, 2)));
        assert_eq!(types.get("s"), Some(&DataType::Utf8));
    }

    #[test]
    fn what_is_no_type_is_told() {
        for (text, said) in [
            ("t", "COLUMN=TYPE"),
            ("t=strng", "strng"),
            ("t=timestamp[us, tz=Mars/Olympus]", "no time zone"),
            ("t=int64,t=string", "twice"),
        ] {
            let error = text.parse::<Types>().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let twice = ["a=int8".parse().unwrap(), "a=int16".parse().unwrap()];
        assert!(Types::joined(&twice).is_err());
    }
}
