//! An older version becomes the newest one: the same segments, the same hidden rows, the same columns.

use async_trait::async_trait;
use serde_json::{Value, json};
use shoots_proto::as_of::AsOf;

use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::log::commit::{Mark, Operation};
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;
use crate::snapshot::Snapshot;

/// Goes back to a version.
#[derive(Debug)]
pub(crate) struct RestoreVersion(pub(crate) AsOf);

#[async_trait]
impl Derive for RestoreVersion {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let found = log.seek(entry, Some(&self.0)).await?;
        if found.version == entry.last_version() {
            return Ok(None);
        }
        let list = found.entry.list_through(found.version);
        let snapshot = Snapshot::at(log.clone(), found).await?;
        let Some((_, commit)) = snapshot.place() else {
            return Err(Error::invalid("as_of", "a plain file has no versions"));
        };
        let schema = log.schema(&commit.schema).await?;
        let mut retained = entry.state.retained.clone();
        retained.revived.push(Mark {
            version: entry.last_version() + 1,
            sequence: entry.header.sequence + 1,
        });
        Ok(Some(Step {
            index: commit.index.clone(),
            base: Some(list),
            details: Details {
                from: snapshot.commit(),
                ..Details::default()
            },
            edits: vec![StateEdit::Retain(Box::new(retained))],
            ..Step::new(Operation::Restore, schema, snapshot.totals())
        }))
    }

    fn asked(&self) -> Value {
        json!(["restore", self.0])
    }
}
