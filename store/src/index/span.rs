//! What a reader asks for: the rows whose first key column lies between two bounds.
//!
//! Bounds are read once, for the column's type, and then answer three questions: whether a segment or page can have
//! such rows at all, whether all its rows are such, and where they begin and end among sorted ones.

use std::cmp::Ordering;

use arrow_array::Array;
use arrow_schema::Field;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoots_proto::Closed;

use super::literal::{Literal, example};
use super::range::KeyRange;
use super::value::KeyValue;
use crate::error::{Error, Result};
use crate::schema::type_name::name as type_name;

fn has_start(closed: Closed) -> bool {
    matches!(closed, Closed::Left | Closed::Both)
}

fn has_stop(closed: Closed) -> bool {
    matches!(closed, Closed::Right | Closed::Both)
}

/// A range of values of the first column of an index; without a bound it is open on that side.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<KeyValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<KeyValue>,
    closed: Closed,
}

impl Span {
    /// Reads bounds that a person or program sent for the column `field`.
    ///
    /// Times are RFC 3339, or `2024-01-31`, `2024-01-31 12:00`, `2024-01-31 12:00:00.5`. Without a zone they are UTC;
    /// with one they are converted to UTC. Numbers are values of the column, but say no time; what knows the column's unit
    /// gives a [`time_bound`](super::time_bound). A bound may be finer than what the column can have, or beyond it.
    pub(crate) fn parse(
        field: &Field,
        start: Option<&Value>,
        stop: Option<&Value>,
        closed: Closed,
    ) -> Result<Self> {
        let read = |name, value: Option<&Value>| match value {
            Some(value) => match Literal::read(value, field.data_type()) {
                Some(literal) => Ok(Some(literal)),
                None => {
                    let (column, data_type) = (field.name(), field.data_type());
                    let example = example(data_type);
                    let problem = format!(
                        "{value} is no value of column {column} of type {}: give {example}",
                        type_name(data_type)
                    );
                    Err(Error::invalid(name, problem))
                }
            },
            None => Ok(None),
        };
        let (from, to) = (read("start", start)?, read("stop", stop)?);
        if let (Some(from), Some(to), Some(start), Some(stop)) = (&from, &to, start, stop)
            && from.compare(to).is_gt()
        {
            let problem = format!("{stop} lies before the start, {start}: give one that does not");
            return Err(Error::invalid("stop", problem));
        }
        // A bound between two values of the column is moved to the one that leaves the same rows on either side.
        Ok(Self {
            start: from.map(|from| from.into_value(has_start(closed))),
            stop: to.map(|to| to.into_value(!has_stop(closed))),
            closed,
        })
    }

    /// The bounds, which may belong to it or not.
    pub(crate) fn bounds(&self) -> (Option<&KeyValue>, Option<&KeyValue>) {
        (self.start.as_ref(), self.stop.as_ref())
    }

    /// All values from `min` to `max`, both included.
    pub(crate) fn of_closed(min: KeyValue, max: KeyValue) -> Self {
        Self {
            start: Some(min),
            stop: Some(max),
            closed: Closed::Both,
        }
    }

    /// Whether no row with keys in `range` can lie in this.
    pub(crate) fn excludes(&self, range: &KeyRange) -> bool {
        let ends_before = range
            .max
            .first()
            .is_some_and(|max| self.is_before_start(max));
        let begins_behind = range
            .min
            .first()
            .is_some_and(|min| self.is_behind_stop(min));
        ends_before || begins_behind
    }

    /// Whether every row with keys in `range` lies in this.
    pub(crate) fn covers(&self, range: &KeyRange) -> bool {
        let begins_within = range
            .min
            .first()
            .is_some_and(|min| !self.is_before_start(min));
        let ends_within = range
            .max
            .first()
            .is_some_and(|max| !self.is_behind_stop(max));
        begins_within && ends_within
    }

    /// How many values of `sorted`, values of the column in ascending order, lie before the start.
    ///
    /// The array may have the type that the column is stored in, as statistics of pages do, unless that is a decimal
    /// of another scale.
    pub(crate) fn before_start(&self, sorted: &dyn Array) -> Result<usize> {
        leading(sorted, |value| self.is_before_start(value))
    }

    /// How many values of `sorted` lie before the start, within, or at the stop if that belongs to the range.
    pub(crate) fn through_stop(&self, sorted: &dyn Array) -> Result<usize> {
        leading(sorted, |value| !self.is_behind_stop(value))
    }

    /// Which values of `sorted` lie within.
    #[cfg(test)]
    pub(crate) fn rows(&self, sorted: &dyn Array) -> Result<std::ops::Range<usize>> {
        let start = self.before_start(sorted)?;
        // Nothing lies between a bound and itself, and then the stop is reached before the start.
        Ok(start..self.through_stop(sorted)?.max(start))
    }

    fn is_before_start(&self, value: &KeyValue) -> bool {
        self.start
            .as_ref()
            .is_some_and(|start| match value.compare(start) {
                Ordering::Less => true,
                Ordering::Equal => !has_start(self.closed),
                Ordering::Greater => false,
            })
    }

    fn is_behind_stop(&self, value: &KeyValue) -> bool {
        self.stop
            .as_ref()
            .is_some_and(|stop| match value.compare(stop) {
                Ordering::Less => false,
                Ordering::Equal => !has_stop(self.closed),
                Ordering::Greater => true,
            })
    }
}

/// How many values at the beginning of `sorted` are `within`.
fn leading(sorted: &dyn Array, within: impl Fn(&KeyValue) -> bool) -> Result<usize> {
    let (mut low, mut high) = (0, sorted.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if within(&KeyValue::of(sorted, middle)?) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
