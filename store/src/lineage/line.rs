//! A record as text: one JSON object on one line, as it stands in a bundle and as it is sent.
//!
//! ```text
//! {"commit":"<the commit's line>","links":["<a line>"],"list":[{"segment":{…},"schema":"…","hidden":{…}}]}
//! ```

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::record::{Listed, Record};
use crate::error::{Error, Result};
use crate::log::entry::{decode_json, encode_json};

/// What a record consists of, as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordLine {
    commit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<Vec<Listed>>,
}

impl TryFrom<RecordLine> for Record {
    type Error = Error;

    fn try_from(line: RecordLine) -> Result<Self> {
        let links = line.links.into_iter().map(Bytes::from).collect();
        Self::new(line.commit.into(), links, line.list)
    }
}

impl From<Record> for RecordLine {
    fn from(record: Record) -> Self {
        // Both were read from text.
        let text = |line: &Bytes| String::from_utf8_lossy(line).into_owned();
        Self {
            commit: text(&record.line),
            links: record.links.iter().map(text).collect(),
            list: record.list,
        }
    }
}

impl Record {
    /// The commit's id: 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The record as one line of JSON, without a line feed.
    ///
    /// # Errors
    /// Only if there is no memory for it.
    pub fn to_json_line(&self) -> Result<String> {
        let bytes = encode_json(self)?;
        String::from_utf8(bytes).map_err(|problem| Error::io("encoding a record", problem))
    }

    /// Reads what [`to_json_line`](Self::to_json_line) has written. The id is worked out from the commit's bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if it is not a record.
    pub fn from_json_line(line: &str) -> Result<Self> {
        decode_json(&Path::from("record of a history"), "line", line)
    }
}

impl Listed {
    /// The id of the segment, which names its object.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.segment.id
    }
}
