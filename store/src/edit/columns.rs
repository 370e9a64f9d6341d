//! Columns are added, dropped, renamed and widened by a commit that rewrites no rows.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::log::commit::Operation;
use crate::log::derive::{Derive, Step};
use crate::log::details::{ColumnChanges, Details};
use crate::log::entry::Entry;
use crate::schema::evolve::{self, ColumnEdit};

/// Other columns.
#[derive(Debug)]
pub(crate) struct AlterColumns(pub(crate) ColumnEdit);

#[async_trait]
impl Derive for AlterColumns {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.live(before)?;
        let state = &entry.state;
        let present = log.schema(&state.schema).await?;
        let by = evolve::bringer(entry.last_version() + 1, &log.unique_id());
        let (schema, index) = evolve::edited(&present.schema, &state.index, &self.0, &by)?;
        if *schema == *present.schema {
            return Ok(None);
        }
        let schema = log.keep_schema(schema).await?;
        Ok(Some(Step {
            index,
            details: Details {
                columns: Some(self.record()),
                ..Details::default()
            },
            ..Step::new(Operation::Alter, schema, state.totals())
        }))
    }

    fn asked(&self) -> Value {
        let edit = &self.0;
        let added: Vec<_> = edit
            .add
            .iter()
            .map(|column| (&column.name, &column.data_type))
            .collect();
        json!(["alter", edit.drop, edit.rename, edit.widen, added])
    }
}

impl AlterColumns {
    fn record(&self) -> ColumnChanges {
        let edit = &self.0;
        ColumnChanges {
            added: edit.add.iter().map(|column| column.name.clone()).collect(),
            dropped: edit.drop.clone(),
            renamed: edit.rename.clone(),
            widened: edit.widen.keys().cloned().collect(),
        }
    }
}
