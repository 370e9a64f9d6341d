//! Whether a segment's object is, byte for byte, what its commit recorded.

use futures::TryStreamExt;
use object_store::{Error as ObjectError, ObjectStoreExt};

use super::object::ObjectReader;
use super::reader::{Origin, guarded, load, row_count};
use crate::error::{Error, Result};
use crate::log::commit::SegmentRecord;

/// How many rows a segment has, as its own footer tells.
pub(crate) async fn rows(mut file: ObjectReader) -> Result<u64> {
    let object = file.clone();
    let counted = async {
        let metadata = load(&mut file, Origin::Segment).await?;
        row_count(&metadata, &file)
    };
    guarded(&object, counted).await
}

/// Reads all of a segment, as a stream, and compares its size and its hash with what was recorded.
///
/// # Errors
/// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if it is missing or not what was written.
pub(crate) async fn verify(file: &ObjectReader, record: &SegmentRecord) -> Result<()> {
    let failed = |problem| match problem {
        ObjectError::NotFound { .. } => Error::damaged(file.path(), "it is missing"),
        problem => Error::io(format!("reading {}", file.path()), problem),
    };
    let found = file.store().get(file.path()).await.map_err(failed)?;
    if found.meta.size != record.bytes {
        let (size, recorded) = (found.meta.size, record.bytes);
        let problem = format!("it has {size} bytes, {recorded} were written");
        return Err(Error::damaged(file.path(), problem));
    }
    let mut bytes = found.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
        file.count(chunk.len());
        hasher.update(&chunk);
    }
    if hasher.finalize().to_hex().as_str() != record.hash {
        return Err(Error::damaged(
            file.path(),
            "its bytes are not what was written",
        ));
    }
    Ok(())
}
