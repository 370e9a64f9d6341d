//! What another store sends is believed only as far as it can be checked here.
//!
//! A commit's id is the hash of its bytes, so a record cannot be changed on the way; but whoever made the commit may
//! have lied in it. Everything that readers here will rely on is therefore worked out again: that what a commit follows
//! is known and older, that links between commits fit, that segments are what their records say (bytes, rows, order,
//! range), that deletion vectors hide rows that there are, that schemas are what they are called. What does not fit is
//! damage, which names the commit and the object, and nothing of it is published.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};
use futures::TryStreamExt;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::index::{Index, KeyRange};
use crate::lineage::record::Record;
use crate::log::commit::{Operation, SegmentRecord};
use crate::log::hidden::HiddenRecord;
use crate::schema;
use crate::schema::identity::identity;
use crate::segment::{self, ObjectReader, Origin, Rows};
use crate::time::Timestamp;

/// Rows whose keys are looked at together.
const BATCH_ROWS: usize = 65_536;

/// How an error names a commit.
pub(super) fn commit_name(id: &str) -> Path {
    Path::from(format!("commit {id}"))
}

/// Refuses commits that are a matter of the store they were made in. What else a record says by itself was checked
/// when it was read.
pub(super) fn check_record(record: &Record) -> Result<()> {
    let operation = record.commit.operation;
    if operation.is_upkeep() || operation == Operation::Purge {
        let what = operation.name();
        let problem = format!("it is a {what} of another store, which is no part of a history");
        return Err(Error::damaged(commit_name(&record.id), problem));
    }
    record.follows().map(drop)
}

/// Commits that may be followed, with their times.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, Option<Timestamp>>);

impl Known {
    /// A commit, with its time if that is known.
    pub(super) fn insert(&mut self, id: &str, time: Option<Timestamp>) {
        self.0.insert(id.to_owned(), time);
    }

    /// Commits that a record follows and that are not known.
    pub(super) fn unknown(&self, record: &Record) -> Result<Vec<String>> {
        let mut followed = record.follows()?;
        followed.retain(|id| !self.0.contains_key(id));
        Ok(followed)
    }

    /// Checks that a record is later than what it follows, and takes it among what is known.
    pub(super) fn follow(&mut self, record: &Record) -> Result<()> {
        for parent in record.follows()? {
            let Some(time) = self.0.get(&parent) else {
                let problem = format!("it follows commit {parent}, which is not known here");
                return Err(Error::damaged(commit_name(&record.id), problem));
            };
            if time.is_some_and(|time| time >= record.commit.time) {
                let problem = format!("it is not later than commit {parent}, which it follows");
                return Err(Error::damaged(commit_name(&record.id), problem));
            }
        }
        self.insert(&record.id, Some(record.commit.time));
        Ok(())
    }
}

/// Checks an object that a schema's hash names.
pub(super) async fn check_schema(log: &FrameLog, hash: &str) -> Result<()> {
    let path = log.paths().schema(hash);
    let bytes = log.objects().uncached().read(&path).await?;
    let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
    schema(hash, &bytes).map(drop)
}

/// The schema in an object that another store has sent.
pub(super) fn schema(hash: &str, bytes: &[u8]) -> Result<Schema> {
    let object = || format!("schema {hash}");
    // The decoder trusts bytes that this program has written.
    let decode = std::panic::AssertUnwindSafe(|| schema::decode(hash, bytes));
    let decoded = std::panic::catch_unwind(decode);
    let decoded = decoded.map_err(|_| Error::damaged(object(), "decoding gave up"))??;
    schema::check(&decoded).map_err(|problem| Error::damaged(object(), problem))?;
    Ok(decoded)
}

/// The identities of the columns of an index.
pub(super) async fn sorted_by(
    log: &FrameLog,
    schema: &str,
    index: &[String],
) -> Result<Vec<String>> {
    let schema = log.schema(schema).await?;
    let columns = index.iter().map(|name| {
        let field = schema.schema.field_with_name(name);
        let field = field.map_err(|problem| {
            let object = log.paths().schema(&schema.hash);
            Error::damaged(object, format!("it lacks a column of the index: {problem}"))
        });
        field.map(|field| identity(field).to_owned())
    });
    columns.collect()
}

/// The columns of a segment by which it has to be sorted.
pub(super) struct SortedBy<'a> {
    /// The frame's schema, and its index by the names in that.
    pub(super) schema: &'a Schema,
    pub(super) index: &'a [String],
}

impl SortedBy<'_> {
    /// The index by the names that the columns have in a segment that was written under another schema.
    fn within(&self, written: &Schema, object: &Path) -> Result<Vec<String>> {
        let name_of = |name: &String| {
            let field = self.schema.field_with_name(name).ok()?;
            let same = |other: &&Arc<Field>| identity(other) == identity(field);
            let found = written.fields().iter().find(same)?;
            Some(found.name().clone())
        };
        let names = self.index.iter().map(|name| {
            name_of(name).ok_or_else(|| {
                Error::damaged(object, format!("it lacks column {name} of the index"))
            })
        });
        names.collect()
    }
}

/// Checks that a segment is what its record says. With `whole`, its bytes too: otherwise they have been.
pub(super) async fn check_segment(
    log: &FrameLog,
    record: &SegmentRecord,
    schema: &str,
    sorted: &SortedBy<'_>,
    whole: bool,
) -> Result<()> {
    let path = log.paths().segment(&record.id);
    // Not through a cache: what lies there is checked.
    let objects = log.objects().uncached();
    let file = ObjectReader::new(Arc::clone(objects.inner()), path.clone(), record.bytes)
        .checked(record.footer.as_ref());
    if whole {
        segment::verify::verify(&file, record).await?;
    }
    let rows = segment::verify::rows(file.clone()).await?;
    if rows != record.rows || u32::try_from(rows).is_err() {
        let problem = format!("it has {rows} rows, {} are recorded", record.rows);
        return Err(Error::damaged(&path, problem));
    }
    let written = log.schema(schema).await?.schema;
    if sorted.index.is_empty() {
        return match &record.range {
            None => Ok(()),
            Some(_) => Err(Error::damaged(
                &path,
                "it has a range, and the frame no index",
            )),
        };
    }
    let names = sorted.within(&written, &path)?;
    let places = names.iter().map(|name| written.index_of(name));
    let places: Result<Vec<usize>, _> = places.collect();
    let places = places.map_err(|problem| Error::damaged(&path, problem))?;
    let projected = written
        .project(&places)
        .map_err(|problem| Error::damaged(&path, problem))?;
    let index = Index::new(&projected, &names).map_err(|problem| Error::damaged(&path, problem))?;
    let wanted = Rows {
        columns: Some(places),
        offset: 0,
        limit: None,
        hidden: None,
        batch_rows: BATCH_ROWS,
    };
    let mut batches = segment::read(file, Origin::Segment, &written, wanted).await?;
    let mut order = Sortedness::default();
    while let Some(batch) = batches.try_next().await? {
        order.note(&index, batch, &path)?;
    }
    let found = order.range(&index)?;
    if record.range.is_some() && record.range != found {
        let problem = "its rows do not lie between the keys that are recorded";
        return Err(Error::damaged(&path, problem));
    }
    Ok(())
}

/// Whether rows are in order, and between which keys.
#[derive(Default)]
struct Sortedness {
    first: Option<RecordBatch>,
    last: Option<RecordBatch>,
}

impl Sortedness {
    fn note(&mut self, index: &Index, batch: RecordBatch, path: &Path) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        index
            .check(&batch, 0)
            .map_err(|problem| Error::damaged(path, problem))?;
        let last = batch.slice(batch.num_rows() - 1, 1);
        let first = batch.slice(0, 1);
        let mut together: Vec<RecordBatch> = self.last.take().into_iter().collect();
        together.push(batch);
        if !index.keys(&together)?.is_sorted() {
            return Err(Error::damaged(path, "its rows are not sorted by the index"));
        }
        self.first.get_or_insert(first);
        self.last = Some(last);
        Ok(())
    }

    fn range(&self, index: &Index) -> Result<Option<KeyRange>> {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => index.range_of(first, last).map(Some),
            _ => Ok(None),
        }
    }
}

/// Checks which rows of a segment are said to be invisible.
pub(super) async fn check_hiding(
    log: &FrameLog,
    hidden: &HiddenRecord,
    segment: &SegmentRecord,
) -> Result<()> {
    let (object, rows) = match &hidden.vector {
        None => (
            log.paths().segment(&segment.id),
            hidden.read(log).await?.as_ref().clone(),
        ),
        Some(vector) => {
            let path = log.paths().vector(&vector.id);
            // Not from memory: what is there may have another hash than is recorded now.
            let bytes = log.objects().uncached().read(&path).await?;
            let bytes = bytes.ok_or_else(|| Error::missing(&path))?;
            if bytes.len() as u64 != vector.bytes {
                let problem = format!(
                    "it has {} bytes, {} are recorded",
                    bytes.len(),
                    vector.bytes
                );
                return Err(Error::damaged(&path, problem));
            }
            let rows = vector.decode(&path, &bytes)?;
            (path, rows)
        }
    };
    let beyond = rows.max().is_some_and(|row| u64::from(row) >= segment.rows);
    if rows.len() != hidden.rows || beyond {
        let problem = format!(
            "it hides {} rows of segment {} with {}, {} are recorded",
            rows.len(),
            segment.id,
            segment.rows,
            hidden.rows
        );
        return Err(Error::damaged(object, problem));
    }
    Ok(())
}
