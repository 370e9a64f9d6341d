//! stub
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRange { pub(crate) min: Vec<i64>, pub(crate) max: Vec<i64> }
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span { start: Option<i64> }
