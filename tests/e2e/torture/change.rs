//! What writers do to frames, and what that means for the rows of a frame: a model in a few lines.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use shoots_client::{AsOf, Error, ErrorKind, PutMode, ShootsClient};

/// Rows as (key, number of the change that put them), in the order in which the frame gives them.
pub(crate) type Rows = Arc<Vec<(i64, i64)>>;

/// A frame that writers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Whether it is sorted by its key.
    pub(crate) indexed: bool,
}

/// One change. Its number is the message of its commit, the id of its request, and the value of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) number: i64,
    pub(crate) target: Target,
    pub(crate) deed: Deed,
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Put(PutMode, Range<i64>),
    DeleteRows(Range<i64>),
    Tag,
    Restore(u64),
}

/// What a writer was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// It is this version, whose commit has this id.
    Version(u64, String),
    /// It is done, without a version of its own to be told.
    Done,
    /// Nothing was changed.
    Refused,
    /// It may have taken effect, or not.
    Nothing,
}

fn text(key: i64, number: i64) -> String {
    format!("the text of key {key} by change {number}")
}

fn batch(keys: Range<i64>, number: i64) -> RecordBatch {
    let texts = keys.clone().map(|key| text(key, number));
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(Int64Array::from_iter_values(keys.clone()))),
        (
            "v",
            Arc::new(Int64Array::from_iter_values(keys.clone().map(|_| number))),
        ),
        ("text", Arc::new(StringArray::from_iter_values(texts))),
    ];
    let columns = columns.map(|(name, column)| (name, column, false));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The rows of a frame as it was read, each of which is whole.
pub(crate) fn rows(batch: &RecordBatch) -> Rows {
    let column = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
    let rows: Vec<(i64, i64)> = column("k").into_iter().zip(column("v")).collect();
    let texts = batch["text"].as_string::<i32>();
    assert_eq!(texts.null_count(), 0);
    for ((key, number), found) in rows.iter().zip(texts) {
        assert_eq!(found, Some(text(*key, *number).as_str()));
    }
    Arc::new(rows)
}

impl Change {
    /// Asks a server for it.
    pub(crate) async fn send(&self, client: &ShootsClient) -> Told {
        let (id, name) = (self.number.to_string(), self.target.name);
        let frame = client.frame(name);
        let told = match &self.deed {
            Deed::Put(mode, keys) => {
                let put = frame.put().mode(*mode).message(&id).request_id(&id);
                let put = if self.target.indexed {
                    put.index(["k"])
                } else {
                    put
                };
                let cut = keys.start + (keys.end - keys.start) / 3;
                let batches = [keys.start..cut, cut..keys.end].map(|keys| batch(keys, self.number));
                let told = put.send(batches[0].schema(), batches).await;
                told.map(|told| Told::Version(told.version, told.commit))
            }
            Deed::DeleteRows(keys) => {
                let delete = frame.delete_rows().start(keys.start).stop(keys.end);
                let told = delete.message(&id).request_id(&id).send().await;
                told.map(|told| match (told.version, told.commit) {
                    (Some(version), Some(commit)) => Told::Version(version, commit),
                    _ => Told::Done,
                })
            }
            Deed::Tag => {
                let told = frame.tag(&format!("tag {id}")).message(&id).send().await;
                told.map(|_| Told::Done)
            }
            Deed::Restore(version) => {
                let version = AsOf::Version(i64::try_from(*version).unwrap());
                let told = frame
                    .restore(version)
                    .message(&id)
                    .request_id(&id)
                    .send()
                    .await;
                told.map(|told| Told::Version(told.version, told.commit))
            }
        };
        told.unwrap_or_else(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> Told {
        match error.kind() {
            ErrorKind::FileNotFoundError
            | ErrorKind::ConflictError
            | ErrorKind::InvalidRequestError => Told::Refused,
            ErrorKind::UnavailableError
            | ErrorKind::OutcomeUnknownError
            | ErrorKind::CancelledError => Told::Nothing,
            kind => panic!("{self:?}: {kind:?}: {error}"),
        }
    }

    /// Whether sending it once more makes it once.
    pub(crate) fn is_repeatable(&self) -> bool {
        !matches!(self.deed, Deed::Tag)
    }

    /// The rows after it; `before` are those of all versions before, the first of which is empty.
    pub(crate) fn applied(&self, before: &[Rows]) -> Rows {
        let present = before.last().unwrap();
        match &self.deed {
            Deed::Tag => Arc::clone(present),
            Deed::Restore(version) => Arc::clone(&before[usize::try_from(*version).unwrap()]),
            Deed::DeleteRows(keys) => without(present, keys),
            Deed::Put(mode, keys) => {
                let kept = match mode {
                    PutMode::Append => present.to_vec(),
                    PutMode::Error | PutMode::Replace => Vec::new(),
                    PutMode::Update | PutMode::Upsert => without(present, keys).to_vec(),
                };
                let come = keys.clone().map(|key| (key, self.number));
                let mut rows: Vec<_> = kept.into_iter().chain(come).collect();
                if self.target.indexed {
                    rows.sort_by_key(|(key, _)| *key);
                }
                Arc::new(rows)
            }
        }
    }
}

fn without(rows: &Rows, keys: &Range<i64>) -> Rows {
    let kept = rows.iter().filter(|(key, _)| !keys.contains(key));
    Arc::new(kept.copied().collect())
}
