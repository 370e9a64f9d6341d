//! stub
use crate::error::{Error, Result};
use arrow_schema::{DataType, Schema};
pub(crate) fn parse(field: &'static str, text: &str) -> Result<DataType> {
    text.parse().map_err(|_| Error::invalid(field, "type"))
}
