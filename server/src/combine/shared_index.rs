//! The index that several frames share.

use arrow_schema::{DataType, Field};
use datafusion::common::plan_err;
use datafusion::error::Result;
use shoots_store::type_name;

use super::source::{Key, Source};
use super::types::{common, plain, retyped};

/// Columns by which several frames are sorted, in types that hold the values of all.
#[derive(Debug)]
pub(super) struct SharedIndex {
    /// As the result has them.
    pub(super) fields: Vec<Field>,
}

impl SharedIndex {
    /// The index of the frames; frames without one, or with another one, are an error.
    pub(super) fn of(sources: &[Source]) -> Result<Self> {
        let without: Vec<String> = sources
            .iter()
            .filter(|source| source.snapshot.index().is_empty())
            .map(Source::to_string)
            .collect();
        if !without.is_empty() {
            return plan_err!(
                "frames have no index: {}; put them with `index`, so that their rows can be aligned",
                without.join(", ")
            );
        }
        let Some(first) = sources.first() else {
            return plan_err!("name at least one frame");
        };
        let mut shared = Self { fields: Vec::new() };
        for name in first.snapshot.index() {
            let field = first.column(name, "index")?;
            shared.fields.push(field.clone());
        }
        for source in &sources[1..] {
            if !shared.take(source)? {
                let all = sources.iter().map(describe);
                let all = all.collect::<Result<Vec<_>>>()?;
                return plan_err!(
                    "frames have to have one index, and these have several: {}",
                    all.join("; ")
                );
            }
        }
        Ok(shared)
    }

    /// Widens the types for another frame; whether its index is the same.
    fn take(&mut self, source: &Source) -> Result<bool> {
        let index = source.snapshot.index();
        if index.len() != self.fields.len() {
            return Ok(false);
        }
        for (place, name) in index.iter().enumerate() {
            let field = source.column(name, "index")?;
            let known = &self.fields[place];
            if known.name() != name {
                return Ok(false);
            }
            if known.data_type() == field.data_type() {
                continue;
            }
            let Some(of) = common(plain(known.data_type()), plain(field.data_type())) else {
                return Ok(false);
            };
            self.fields[place] = retyped(known, &of, false);
        }
        Ok(true)
    }

    /// The columns as keys.
    pub(super) fn keys(&self) -> Vec<Key> {
        let keys = self.fields.iter().map(|field| Key {
            name: field.name().clone(),
            compared: compared(field.data_type()),
        });
        keys.collect()
    }
}

fn compared(of: &DataType) -> DataType {
    plain(of).clone()
}

fn describe(source: &Source) -> Result<String> {
    let columns = source.snapshot.index().iter().map(|name| {
        let field = source.column(name, "index")?;
        Ok(format!("{name} {}", type_name(field.data_type())))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(format!("{source} ({})", columns.join(", ")))
}
