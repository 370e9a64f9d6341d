//! A disk that has no room left, at every byte: what does not fit is refused and changes nothing, what is there is
//! read, and everything goes on when there is room again.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use shoots_proto::action::VerifyRequest;
use shoots_proto::name::{FrameId, FrameName};
use shoots_proto::{PutMode, TagName};

use super::ids;
use crate::disk::{Deeds, Disk};
use crate::{Error, ErrorKind, Frame, PutOptions, ReadOptions, RowsToDelete, Store};

/// A machine with so many bytes left. A name takes some, too.
struct Nearly {
    left: AtomicU64,
}

const NAME_BYTES: u64 = 64;

impl Nearly {
    /// How much of what is asked for there is.
    fn take(&self, wanted: u64) -> u64 {
        let take = |left: u64| Some(left.saturating_sub(wanted));
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.unwrap().min(wanted)
    }

    fn name(&self) -> io::Result<()> {
        match self.take(NAME_BYTES) {
            NAME_BYTES => Ok(()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

impl Deeds for Nearly {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.name()?;
        std::fs::create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.name()?;
        File::create_new(path)
    }

    fn write(&self, file: &mut File, _path: &Path, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.take(bytes.len() as u64)).unwrap();
        file.write_all(&bytes[..room])?;
        match room == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&self, _file: &File, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn hard_link(&self, existing: &Path, path: &Path) -> io::Result<()> {
        self.name()?;
        std::fs::hard_link(existing, path)
    }
}

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, false)]).unwrap()
}

async fn put(frame: &Frame, mode: PutMode, batch: RecordBatch) -> Result<(), Error> {
    let options = PutOptions::mode(mode).index(["n"]);
    let mut writer = frame.put(batch.schema(), options).await?;
    writer.write(batch).await?;
    writer.commit().await.map(drop)
}

/// One change of many.
async fn change(frame: &Frame, number: usize) -> Result<(), Error> {
    match number {
        0 => put(frame, PutMode::Error, numbers(0..100)).await,
        1 => put(frame, PutMode::Append, numbers(100..150)).await,
        2 => put(frame, PutMode::Upsert, numbers(50..60)).await,
        3 => {
            let stop = Some(10.into());
            let rows = RowsToDelete {
                stop,
                ..RowsToDelete::default()
            };
            frame.delete_rows(rows).await.map(drop)
        }
        4 => {
            let tag = TagName::parse("eod").unwrap();
            frame.tag(&tag, None, false).await.map(drop)
        }
        5 => frame.compact(false).await.map(drop),
        _ => put(frame, PutMode::Replace, numbers(0..7)).await,
    }
}

/// How many rows there are after so many changes.
const ROWS: [u64; 8] = [0, 100, 150, 150, 140, 140, 140, 7];

async fn counted(frame: &Frame) -> u64 {
    let snapshot = match frame.snapshot(None).await {
        Ok(snapshot) => snapshot,
        Err(error) if error.kind() == ErrorKind::NotFound => return 0,
        Err(error) => panic!("{error}"),
    };
    let batches = snapshot.read(ReadOptions::default()).await.unwrap();
    let batches = batches.collect().await.unwrap();
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    assert_eq!(rows, snapshot.rows());
    rows
}

/// How many changes fit into so many bytes; those that do not are made when there is room.
async fn fill(bytes: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let machine = Arc::new(Nearly {
        left: AtomicU64::new(bytes),
    });
    let disk = Disk::with_deeds(folder.path(), ids(), Arc::clone(&machine) as _);
    let store = Store::builder("unused").low_space_bytes(0).over_disk(disk);
    let frame = store.frame(&FrameId::new(None, FrameName::parse("f").unwrap()));
    let mut fitted = ROWS.len() - 1;
    for number in 0..ROWS.len() - 1 {
        if let Err(error) = change(&frame, number).await {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
            assert!(error.to_string().contains("free some space"), "{error}");
            fitted = fitted.min(number);
            assert_eq!(
                counted(&frame).await,
                ROWS[number],
                "{number} in {bytes} bytes"
            );
            machine.left.store(u64::MAX, Ordering::Relaxed);
            change(&frame, number).await.unwrap();
        }
        assert_eq!(
            counted(&frame).await,
            ROWS[number + 1],
            "{number} in {bytes} bytes"
        );
    }
    let everything = VerifyRequest {
        all_buckets: true,
        ..VerifyRequest::default()
    };
    let checked = store.verify(&everything).await.unwrap();
    assert!(checked.ok, "{checked:?}");
    nothing_is_left_in(&folder.path().join("_tmp")).await;
    fitted
}

/// What a write that failed has begun is removed behind it.
async fn nothing_is_left_in(folder: &std::path::Path) {
    for _ in 0..1000 {
        if std::fs::read_dir(folder).unwrap().count() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{} is not empty", folder.display());
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing_and_goes_in_when_there_is_room() {
    let mut seen = std::collections::BTreeSet::new();
    for bytes in (0..).step_by(211) {
        let fitted = fill(bytes).await;
        seen.insert(fitted);
        if fitted == ROWS.len() - 1 {
            break;
        }
    }
    // Compaction may find nothing to do; every other change was the first that did not fit.
    assert!(seen.len() >= ROWS.len() - 1, "{seen:?}");
}

/// Renames a frame into so many bytes, and once more when there is room; says whether both names were there meanwhile.
async fn rename_into(bytes: u64) -> (bool, bool) {
    let folder = tempfile::tempdir().unwrap();
    let machine = Arc::new(Nearly {
        left: AtomicU64::new(u64::MAX),
    });
    let disk = Disk::with_deeds(folder.path(), ids(), Arc::clone(&machine) as _);
    let store = Store::builder("unused").low_space_bytes(0).over_disk(disk);
    let frame = |name| store.frame(&FrameId::new(None, FrameName::parse(name).unwrap()));
    let (old, new) = (frame("old"), frame("new"));
    put(&old, PutMode::Error, numbers(0..100)).await.unwrap();
    put(&old, PutMode::Append, numbers(100..150)).await.unwrap();
    machine.left.store(bytes, Ordering::Relaxed);
    let renamed = old.rename_to(new.id()).await;
    let both = old.exists().await.unwrap() && new.exists().await.unwrap();
    let fits = renamed.is_ok();
    if let Err(error) = renamed {
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        let told = error.to_string().contains("a frame of either name");
        assert_eq!(told, both, "{error}");
        machine.left.store(u64::MAX, Ordering::Relaxed);
        old.rename_to(new.id()).await.unwrap();
    }
    assert!(!old.exists().await.unwrap());
    assert_eq!(counted(&new).await, 150, "in {bytes} bytes");
    (fits, both)
}

#[tokio::test]
async fn a_rename_that_does_not_fit_goes_on_when_there_is_room() {
    let mut half = 0;
    for bytes in (0..).step_by(97) {
        let (fits, both) = rename_into(bytes).await;
        half += u32::from(both);
        if fits {
            break;
        }
    }
    assert!(half > 0, "it never stopped between its two steps");
}
