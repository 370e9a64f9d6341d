//! Writers of all kinds on storage that fails, is late, and loses replies and hints.
//!
//! Every change says in its message which one it is, and every writer has keys of its own. So afterwards the history
//! tells which changes took effect, and how often, and the rows tell whether they did so as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use futures::future::join_all;
use shoots_proto::PutMode::{self, Append, Error as Create, Update, Upsert};
use shoots_proto::action::VerifyRequest;
use shoots_proto::{Note, TagName, UpdateScope};
use shoots_store::{
    ColumnEdit, Error, ErrorKind, Frame, NewColumn, PutOptions, ReadOptions, RowsToDelete, Store,
};

use crate::faults::{Plan, faulty, scramble};
use crate::on_every_place;
use crate::place::Place;
use crate::rows::{frame, try_put_with};
use crate::verify::tomorrow;

on_every_place!(
    ; not_on_s3 "thousands of requests, one after the other":
    under_chaos_every_change_takes_effect_once_or_not_at_all,
);

const WRITERS: u64 = 4;
const CHANGES: u64 = 10;
const ATTEMPTS: usize = 20;
const KEYS: i64 = 1_000;

/// What the writer knows of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Known {
    Done,
    /// It was refused, or failed for sure.
    Absent,
    Unknown,
}

/// A change of the rows of one writer: these keys go, and these come with this value.
#[derive(Debug, Clone, Default)]
struct Effect {
    gone: Vec<i64>,
    come: Vec<i64>,
    value: i64,
}

#[derive(Debug)]
struct Change {
    id: String,
    known: Known,
    effect: Effect,
}

fn points(keys: &[i64], value: i64) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![value; keys.len()]));
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("k", keys, false), ("v", values, false)]).unwrap()
}

/// Tries until it is known what became of it.
pub(crate) async fn settle<T>(attempt: impl AsyncFn() -> Result<T, Error>) -> Known {
    let mut unknown = false;
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Ok(_) => return Known::Done,
            Err(error) => match error.kind() {
                ErrorKind::OutcomeUnknown => unknown = true,
                // Nothing is said about the attempt before.
                ErrorKind::Io if unknown => {}
                // Columns come meanwhile.
                ErrorKind::Io | ErrorKind::Conflict | ErrorKind::Schema => return Known::Absent,
                kind => panic!("{kind:?}: {error}"),
            },
        }
    }
    Known::Unknown
}

fn noted(id: &str) -> Note {
    Note {
        message: Some(id.to_owned()),
        ..Note::default()
    }
}

async fn put(frame: &Frame, id: &str, mode: PutMode, scope: UpdateScope, effect: &Effect) -> Known {
    let options = PutOptions {
        scope,
        note: noted(id),
        request_id: Some(id.to_owned()),
        ..PutOptions::mode(mode)
    };
    let batch = points(&effect.come, effect.value);
    settle(async || {
        let batch = match frame.snapshot(None).await {
            // An append has all columns that there are.
            Ok(snapshot) if mode != Upsert => with_columns(&batch, &snapshot.schema()),
            _ => batch.clone(),
        };
        try_put_with(frame, options.clone(), batch).await
    })
    .await
}

fn with_columns(batch: &RecordBatch, schema: &arrow_schema::SchemaRef) -> RecordBatch {
    let columns = schema.fields().iter().map(|field| {
        let given = batch.column_by_name(field.name()).cloned();
        given.unwrap_or_else(|| arrow_array::new_null_array(field.data_type(), batch.num_rows()))
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap()
}

/// Makes one change.
async fn change(frame: &Frame, writer: u64, number: u64, dice: u64) -> Change {
    let id = format!("{writer}.{number}");
    let first = i64::try_from(writer).unwrap() * KEYS + i64::try_from(dice >> 8 & 31).unwrap();
    let value = i64::try_from(writer * CHANGES + number).unwrap();
    let mut effect = Effect::default();
    let changed = frame.clone().noted(noted(&id)).request_id(Some(id.clone()));
    let keys: Vec<i64> = (first..first + 6).collect();
    let known = match dice % 8 {
        0..=2 => {
            // No other change has these keys.
            let own = i64::try_from(writer).unwrap() * KEYS + 100 + 10 * value;
            effect = Effect {
                gone: Vec::new(),
                come: (own..own + 6).collect(),
                value,
            };
            put(frame, &id, Append, UpdateScope::Range, &effect).await
        }
        3 | 4 => {
            effect = Effect {
                gone: keys.clone(),
                come: keys,
                value,
            };
            put(frame, &id, Upsert, UpdateScope::Range, &effect).await
        }
        5 => {
            let ends = vec![keys[0], keys[5]];
            effect = Effect {
                gone: keys,
                come: ends,
                value,
            };
            put(frame, &id, Update, UpdateScope::Range, &effect).await
        }
        6 => {
            effect.gone = keys;
            let rows = RowsToDelete {
                start: Some(first.into()),
                stop: Some((first + 6).into()),
                ..RowsToDelete::default()
            };
            settle(async || changed.delete_rows(rows.clone()).await).await
        }
        _ if dice >> 16 & 1 == 0 => {
            let edit = ColumnEdit {
                add: vec![NewColumn {
                    name: format!("c{id}"),
                    data_type: "Int64".to_owned(),
                }],
                ..ColumnEdit::default()
            };
            settle(async || changed.alter(edit.clone()).await).await
        }
        _ => {
            let tag = TagName::parse(&format!("tag {id}")).unwrap();
            settle(async || changed.tag(&tag, None, false).await).await
        }
    };
    Change { id, known, effect }
}

/// The changes of one writer, up to the first whose outcome stays unknown.
async fn write(frame: Frame, writer: u64, seed: u64) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for number in 0..CHANGES {
        let dice = scramble(seed ^ 0xc0ffee, writer * CHANGES + number);
        changes.push(change(&frame, writer, number, dice).await);
        if changes
            .last()
            .is_some_and(|change| change.known == Known::Unknown)
        {
            break;
        }
    }
    changes
}

/// The seeds of the environment, or a few.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let seeds = std::env::var("SHOOTS_CHAOS_SEEDS").unwrap_or_else(|_| "0..8".to_owned());
    let (first, end) = seeds.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

async fn under_chaos_every_change_takes_effect_once_or_not_at_all(place: &Place) {
    for seed in seeds() {
        println!("SHOOTS_CHAOS_SEEDS={seed}..{}", seed + 1);
        let name = format!("f{seed}");
        let healthy = place.open().await;
        let options = PutOptions::mode(Create).index(["k"]);
        try_put_with(&frame(&healthy, &name), options, points(&[-1], 0))
            .await
            .unwrap();
        let stores = [
            faulty(place, Plan::Chaos { seed }).await,
            faulty(place, Plan::Chaos { seed: !seed }).await,
        ];
        let writers = (0..WRITERS).map(|writer| {
            let frame = frame(&stores[usize::try_from(writer).unwrap() % 2], &name);
            write(frame, writer, seed)
        });
        let changes = join_all(writers).await;
        check(&place.open().await, &name, &changes).await;
        nothing_is_left_after_a_sweep(place, &name).await;
        check(&place.open().await, &name, &changes).await;
    }
}

/// What failed and overtaken changes have left is gone a day later, and nothing else is. Schemas stay: they are named
/// after their content, and a put may count on one that nothing refers to so far.
async fn nothing_is_left_after_a_sweep(place: &Place, name: &str) {
    let store = tomorrow(place).await;
    let frame = frame(&store, name);
    let found = frame.sweep(true).await.unwrap();
    let swept = frame.sweep(false).await.unwrap();
    assert_eq!((found.objects, found.bytes), (swept.objects, swept.bytes));
    let request = VerifyRequest {
        name: Some(frame.id().name.clone()),
        ..VerifyRequest::default()
    };
    let checked = store.verify(&request).await.unwrap();
    assert!(checked.ok, "{checked:?}");
    let left = checked.unreferenced.iter();
    let left: Vec<_> = left
        .filter(|left| !left.object.contains("/schemas/"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn check(store: &Store, name: &str, writers: &[Vec<Change>]) {
    let frame = frame(store, name);
    let history = frame.history(usize::MAX, None).await.unwrap().commits;
    let versions: Vec<u64> = history.iter().rev().map(|record| record.version).collect();
    assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>());
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for record in &history {
        *made
            .entry(record.message.as_deref().unwrap_or(""))
            .or_default() += 1;
    }
    let mut rows = vec![(-1, 0)];
    for changes in writers {
        let mut own: BTreeMap<i64, i64> = BTreeMap::new();
        for change in changes {
            let count = made.get(change.id.as_str()).copied().unwrap_or(0);
            let nothing_to_do = change.effect.come.is_empty()
                && !change.effect.gone.iter().any(|key| own.contains_key(key));
            match change.known {
                // That a deletion finds no rows is no commit.
                Known::Done if nothing_to_do && !change.effect.gone.is_empty() => {
                    assert_eq!(count, 0, "{change:?}")
                }
                Known::Done => assert_eq!(count, 1, "{change:?}"),
                Known::Absent => assert_eq!(count, 0, "{change:?}"),
                Known::Unknown => assert!(count <= 1, "{change:?}"),
            }
            if count == 1 {
                own.retain(|key, _| !change.effect.gone.contains(key));
                own.extend(
                    change
                        .effect
                        .come
                        .iter()
                        .map(|key| (*key, change.effect.value)),
                );
            }
        }
        rows.extend(own);
    }
    rows.sort_unstable();
    let snapshot = frame.snapshot(None).await.unwrap();
    assert_eq!(snapshot.rows(), rows.len() as u64);
    let batches = snapshot.read(ReadOptions::default()).await.unwrap();
    let mut found = Vec::new();
    for batch in batches.collect().await.unwrap() {
        let column = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
        found.extend(column("k").into_iter().zip(column("v")));
    }
    assert_eq!(found, rows);
}
