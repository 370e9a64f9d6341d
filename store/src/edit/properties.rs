//! Settings that a frame keeps in its own log, such as how long its versions are kept.

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;
use crate::frame_log::FrameLog;
use crate::log::commit::Operation;
use crate::log::derive::{Derive, StateEdit, Step};
use crate::log::details::Details;
use crate::log::entry::Entry;

/// Sets a property; null removes it.
#[derive(Debug)]
pub(crate) struct SetProperty {
    pub(crate) key: &'static str,
    pub(crate) value: Value,
}

#[async_trait]
impl Derive for SetProperty {
    async fn derive(&self, log: &FrameLog, before: Option<&Entry>) -> Result<Option<Step>> {
        let entry = log.known(before)?;
        let present = entry.state.properties.get(self.key);
        if present.unwrap_or(&Value::Null) == &self.value {
            return Ok(None);
        }
        let changes = [(self.key.to_owned(), self.value.clone())];
        Ok(Some(Step {
            details: Details {
                properties: changes.into(),
                ..Details::default()
            },
            edits: vec![StateEdit::Property(self.key.to_owned(), self.value.clone())],
            ..Step::bare(log, entry, Operation::Configure).await?
        }))
    }
}
