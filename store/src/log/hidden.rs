//! Which rows of a segment are invisible: its deletion vector, by row number.
//!
//! A few ranges stand in the record itself; what would take more is a Roaring bitmap in an object of its own,
//! `vectors/<id>.roaring`, in the portable format of <https://github.com/RoaringBitmap/RoaringFormatSpec>.
//! Either way the record says exactly how many rows are hidden, so that counting needs no reading.

use std::sync::Arc;

use object_store::path::Path;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame_log::FrameLog;

/// Ranges that a record holds at most.
const INLINE_RANGES: usize = 16;

/// The invisible rows of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HiddenRecord {
    pub(crate) segment: String,
    /// How many there are.
    pub(crate) rows: u64,
    /// Their numbers, as ranges without the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<(u32, u32)>,
    /// Their numbers, in an object. Its name is unique, so that removing it can hurt no later change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) vector: Option<Vector>,
}

/// An object with a deletion vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) bytes: u64,
    /// BLAKE3 hash of the object in lower-case hexadecimal.
    pub(crate) hash: String,
}

impl HiddenRecord {
    /// Records the invisible rows of a segment. The object, if it takes one, is durable when this returns.
    pub(crate) async fn write(log: &FrameLog, segment: &str, rows: &RoaringBitmap) -> Result<Self> {
        let ranges = few_ranges(rows);
        let vector = match &ranges {
            Some(_) => None,
            None => Some(write_vector(log, rows).await?),
        };
        Ok(Self {
            segment: segment.to_owned(),
            rows: rows.len(),
            ranges: ranges.unwrap_or_default(),
            vector,
        })
    }

    /// The row numbers.
    pub(crate) async fn read(&self, log: &FrameLog) -> Result<Arc<RoaringBitmap>> {
        let Some(vector) = &self.vector else {
            let mut rows = RoaringBitmap::new();
            for (start, end) in &self.ranges {
                rows.insert_range(*start..*end);
            }
            return Ok(Arc::new(rows));
        };
        let vectors = &log.shared().vectors;
        if let Some(rows) = vectors.get(&vector.id) {
            return Ok(rows);
        }
        let path = log.paths().vector(&vector.id);
        let bytes = log.objects().read(&path).await?;
        let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
        let rows = Arc::new(vector.decode(&path, &bytes)?);
        vectors.insert(vector.id.clone(), Arc::clone(&rows));
        Ok(rows)
    }

    /// Whether it says something that can be true of a segment with so many rows.
    pub(crate) fn is_sound(&self) -> bool {
        let ranges = self.ranges.iter();
        let counted: u64 = ranges
            .clone()
            .map(|(start, end)| u64::from(end.saturating_sub(*start)))
            .sum();
        let ordered = ranges.clone().all(|(start, end)| start < end);
        self.rows > 0 && ordered && (self.vector.is_some() != (counted == self.rows))
    }
}

impl Vector {
    /// The row numbers that are stored as `bytes`.
    pub(crate) fn decode(&self, object: &Path, bytes: &[u8]) -> Result<RoaringBitmap> {
        if blake3::hash(bytes).to_hex().as_str() != self.hash {
            return Err(Error::damaged(object, "it is not what was written"));
        }
        RoaringBitmap::deserialize_from(bytes).map_err(|problem| Error::damaged(object, problem))
    }
}

async fn write_vector(log: &FrameLog, rows: &RoaringBitmap) -> Result<Vector> {
    let mut bytes = Vec::with_capacity(rows.serialized_size());
    rows.serialize_into(&mut bytes)
        .map_err(|error| Error::io("encoding a deletion vector", error))?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let vector = Vector {
        id: log.unique_id(),
        bytes: bytes.len() as u64,
        hash,
    };
    let path = log.paths().vector(&vector.id);
    log.objects().create_immutable(&path, bytes.into()).await?;
    let vectors = &log.shared().vectors;
    vectors.insert(vector.id.clone(), Arc::new(rows.clone()));
    Ok(vector)
}

/// The rows as ranges, if there are few.
fn few_ranges(rows: &RoaringBitmap) -> Option<Vec<(u32, u32)>> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for row in rows {
        if let Some((_, end)) = ranges.last_mut()
            && *end == row
        {
            *end += 1;
            continue;
        }
        if ranges.len() == INLINE_RANGES {
            return None;
        }
        ranges.push((row, row + 1));
    }
    Some(ranges)
}
