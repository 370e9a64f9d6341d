//! interim
use std::sync::Arc;
use crate::error::{Cause, Result};
use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
#[derive(Debug)]
pub(crate) struct Conform(SchemaRef);
impl Conform {
    pub(crate) fn plan(frame: &str, incoming: &Schema, present: &Schema) -> Result<Self> {
        if incoming.fields() != present.fields() {
            let columns = format!("{incoming:?} {present:?}");
            return Err(Cause::SchemaMismatch { frame: frame.into(), columns }.into());
        }
        Ok(Self(Arc::new(present.clone())))
    }
    pub(crate) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        batch.clone().with_schema(self.0.clone()).map_err(|e| crate::Error::io("x", e))
    }
    pub(crate) fn frame_schema(&self) -> SchemaRef { self.0.clone() }
}
