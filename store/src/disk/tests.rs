//! What the disk store promises, watched through its fsyncs: what was on the disk when a name appeared, and what a
//! failure at each step leaves behind.

#[cfg(unix)]
mod apart;
mod full;
mod link;
mod listing;
#[cfg(unix)]
mod misplaced;
mod power;
mod reading;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path as FsPath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use futures::{FutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tempfile::TempDir;

use super::{Deeds, Disk, IdSource, outcome_unknown};

const LOG: &str = "bucket/frame/log/1";

/// Names for temporary files, different in the whole test process.
fn ids() -> IdSource {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Arc::new(|| NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

/// Makes an open file or directory durable; the path is for those who watch.
type SyncFn = Arc<dyn Fn(&File, &FsPath) -> io::Result<()> + Send + Sync>;

/// The machine, but for its fsync.
struct Synced(SyncFn);

impl Deeds for Synced {
    fn sync(&self, file: &File, path: &FsPath) -> io::Result<()> {
        (self.0)(file, path)
    }
}

/// A store on a machine with this fsync.
fn with_sync(root: impl Into<PathBuf>, ids: IdSource, sync: SyncFn) -> Disk {
    Disk::with_deeds(root, ids, Arc::new(Synced(sync)))
}

/// A store in an empty directory whose fsyncs are written down, and can be told to fail.
struct Watched {
    root: PathBuf,
    disk: Disk,
    synced: Arc<Mutex<Vec<PathBuf>>>,
    failing: Arc<Mutex<Option<(PathBuf, io::ErrorKind)>>>,
    _directory: TempDir,
}

impl Watched {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap().join("root");
        fs::create_dir(&root).unwrap();
        let synced = Arc::new(Mutex::new(Vec::new()));
        let failing = Arc::new(Mutex::new(None::<(PathBuf, io::ErrorKind)>));
        let sync: SyncFn = {
            let (synced, failing) = (Arc::clone(&synced), Arc::clone(&failing));
            Arc::new(move |file: &File, path: &FsPath| {
                if let Some((below, kind)) = &*failing.lock().unwrap()
                    && (path == below || path.parent() == Some(below) && path.is_file())
                {
                    return Err(io::Error::from(*kind));
                }
                synced.lock().unwrap().push(path.to_path_buf());
                file.sync_all()
            })
        };
        Self {
            disk: with_sync(&root, ids(), sync),
            root,
            synced,
            failing,
            _directory: directory,
        }
    }

    /// Makes the fsync of this directory fail, or of the files directly in it.
    fn fail(&self, directory: &str, kind: io::ErrorKind) {
        *self.failing.lock().unwrap() = Some((self.root.join(directory), kind));
    }

    fn heal(&self) {
        *self.failing.lock().unwrap() = None;
    }

    /// The directories fsynced since the last call, relative to the root (its parent is `..`), in order, with
    /// `file` for a temporary file.
    fn synced(&self) -> Vec<String> {
        let name = |path: PathBuf| match path.strip_prefix(&self.root) {
            Ok(below) if below.starts_with("_tmp") => "file".to_owned(),
            Ok(below) => below.to_str().unwrap().to_owned(),
            Err(_) => "..".to_owned(),
        };
        let synced = std::mem::take(&mut *self.synced.lock().unwrap());
        synced.into_iter().map(name).collect()
    }

    fn temporaries(&self) -> usize {
        match fs::read_dir(self.root.join("_tmp")) {
            Ok(entries) => entries.count(),
            Err(_) => 0,
        }
    }

    fn exists(&self, location: &str) -> bool {
        self.root.join(location).exists()
    }
}

async fn create(disk: &Disk, location: &str, bytes: &'static str) -> object_store::Result<()> {
    let location = Path::parse(location).unwrap();
    disk.put_opts(&location, bytes.into(), PutMode::Create.into())
        .await
        .map(drop)
}

async fn read(disk: &Disk, location: &str) -> String {
    let got = disk.get(&Path::parse(location).unwrap()).await.unwrap();
    String::from_utf8(got.bytes().await.unwrap().to_vec()).unwrap()
}

async fn names(disk: &Disk) -> Vec<String> {
    let listed: Vec<_> = disk.list(None).try_collect().await.unwrap();
    listed.into_iter().map(|o| o.location.to_string()).collect()
}

#[tokio::test]
async fn directories_that_were_prepared_are_synced_once_for_all_of_them() {
    let watched = Watched::new();
    let paths =
        ["bucket/frame/log", "bucket/frame/segments"].map(|path| Path::parse(path).unwrap());
    watched.disk.prepare(paths.to_vec()).await;
    assert_eq!(watched.synced(), ["bucket/frame", "bucket", "", ".."]);

    create(&watched.disk, LOG, "one").await.unwrap();
    assert_eq!(watched.synced(), ["file", "bucket/frame/log"]);
    create(&watched.disk, "bucket/frame/segments/a", "rows")
        .await
        .unwrap();
    assert_eq!(watched.synced(), ["file", "bucket/frame/segments"]);

    watched.disk.prepare(paths.to_vec()).await;
    assert!(watched.synced().is_empty());
}

#[tokio::test]
async fn a_create_syncs_the_file_then_every_new_name_then_its_own() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    assert_eq!(
        watched.synced(),
        [
            "file",
            "bucket/frame",
            "bucket",
            "",
            "..",
            "bucket/frame/log"
        ]
    );
    assert_eq!(watched.disk.fsyncs(), 6);

    create(&watched.disk, "bucket/frame/log/2", "two")
        .await
        .unwrap();
    assert_eq!(watched.synced(), ["file", "bucket/frame/log"]);
    create(&watched.disk, "bucket/frame/segments/a", "rows")
        .await
        .unwrap();
    assert_eq!(
        watched.synced(),
        ["file", "bucket/frame", "bucket/frame/segments"]
    );
    assert_eq!(read(&watched.disk, LOG).await, "one");
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn directories_that_another_process_made_are_synced_at_the_first_touch() {
    let watched = Watched::new();
    fs::create_dir_all(watched.root.join("bucket/frame/log")).unwrap();
    create(&watched.disk, LOG, "one").await.unwrap();
    let synced: HashSet<_> = watched.synced().into_iter().collect();
    for directory in ["bucket/frame", "bucket", "", ".."] {
        assert!(synced.contains(directory), "{directory:?} of {synced:?}");
    }
}

#[tokio::test]
async fn the_bytes_are_synced_before_the_name_appears() {
    let directory = tempfile::tempdir().unwrap();
    let object = directory.path().join("frame/object");
    let seen_early = Arc::new(AtomicBool::new(false));
    let sync: SyncFn = {
        let (object, seen_early) = (object.clone(), Arc::clone(&seen_early));
        Arc::new(move |file: &File, path: &FsPath| {
            if !path.ends_with("frame") && object.exists() {
                seen_early.store(true, Ordering::Relaxed);
            }
            if path.is_file() {
                assert_eq!(fs::read(path).unwrap(), b"whole");
            }
            file.sync_all()
        })
    };
    let disk = with_sync(directory.path(), ids(), sync);
    create(&disk, "frame/object", "whole").await.unwrap();
    assert!(!seen_early.load(Ordering::Relaxed));
    assert!(object.exists());
}

#[tokio::test]
async fn the_second_creator_is_refused_and_changes_nothing() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let error = create(&watched.disk, LOG, "two").await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert!(!outcome_unknown(&error));
    assert_eq!(read(&watched.disk, LOG).await, "one");
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn an_object_one_lost_to_is_durable_before_one_hears_of_it() {
    let watched = Watched::new();
    fs::create_dir_all(watched.root.join("bucket/frame/log")).unwrap();
    fs::write(watched.root.join(LOG), "theirs").unwrap();

    watched.fail("bucket/frame/log", io::ErrorKind::Other);
    let error = create(&watched.disk, LOG, "ours").await.unwrap_err();
    assert!(outcome_unknown(&error), "{error}");

    watched.heal();
    watched.synced();
    let error = create(&watched.disk, LOG, "ours").await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    assert_eq!(watched.synced().last().unwrap(), "bucket/frame/log");
}

#[tokio::test]
async fn a_file_that_cannot_be_synced_is_never_seen() {
    let watched = Watched::new();
    watched.fail("_tmp", io::ErrorKind::StorageFull);
    let error = create(&watched.disk, LOG, "one").await.unwrap_err();
    assert!(!outcome_unknown(&error));
    let message = error.to_string();
    assert!(message.contains("no storage space"), "{message}");
    assert!(
        message.contains(watched.root.join("_tmp").to_str().unwrap()),
        "{message}"
    );
    assert!(!watched.exists("bucket"));
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn a_directory_that_cannot_be_synced_before_the_link_is_a_plain_failure() {
    let watched = Watched::new();
    watched.fail("bucket", io::ErrorKind::PermissionDenied);
    let error = create(&watched.disk, LOG, "one").await.unwrap_err();
    assert!(!outcome_unknown(&error));
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    assert!(error.to_string().contains("bucket"), "{error}");
    assert!(!watched.exists(LOG));

    watched.heal();
    watched.synced();
    create(&watched.disk, LOG, "one").await.unwrap();
    let synced = watched.synced();
    assert!(synced.contains(&"bucket".to_owned()), "{synced:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_synced_after_the_link_leaves_the_outcome_unknown() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    watched.fail("bucket/frame/log", io::ErrorKind::Other);
    let error = create(&watched.disk, "bucket/frame/log/2", "two")
        .await
        .unwrap_err();
    assert!(outcome_unknown(&error), "{error}");
    assert!(error.to_string().contains("bucket/frame/log/2"), "{error}");
    assert_eq!(read(&watched.disk, "bucket/frame/log/2").await, "two");
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn a_root_that_cannot_be_made_durable_is_not_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("new/root");
    let fails = Arc::new(AtomicBool::new(true));
    let sync: SyncFn = {
        let fails = Arc::clone(&fails);
        Arc::new(move |file: &File, path: &FsPath| {
            if fails.load(Ordering::Relaxed) && path.ends_with("new") {
                return Err(io::Error::other("broken"));
            }
            file.sync_all()
        })
    };
    let disk = with_sync(&root, ids(), sync);
    let error = create(&disk, LOG, "one").await.unwrap_err();
    assert!(!outcome_unknown(&error));
    assert!(!root.exists());

    fails.store(false, Ordering::Relaxed);
    create(&disk, LOG, "one").await.unwrap();
    assert_eq!(read(&disk, LOG).await, "one");
}

#[tokio::test]
async fn a_missing_root_reads_as_empty_and_appears_with_the_first_write() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a/b");
    let disk = Disk::new(&root, ids());
    let location = Path::from(LOG);
    assert!(matches!(
        disk.get(&location).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(
        disk.delete(&location).await,
        Err(Error::NotFound { .. })
    ));
    assert!(names(&disk).await.is_empty());
    let listed = disk.list_with_delimiter(None).await.unwrap();
    assert!(listed.objects.is_empty() && listed.common_prefixes.is_empty());
    assert_eq!(
        disk.sweep_temporaries(SystemTime::UNIX_EPOCH)
            .await
            .unwrap(),
        0
    );
    assert!(!directory.path().join("a").exists());

    create(&disk, LOG, "one").await.unwrap();
    assert_eq!(names(&disk).await, [LOG]);
    assert!(root.join(LOG).is_file());
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_and_synced_again() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    fs::remove_dir_all(watched.root.join("bucket")).unwrap();
    watched.synced();
    create(&watched.disk, LOG, "again").await.unwrap();
    assert_eq!(
        watched.synced(),
        ["file", "bucket/frame", "bucket", "", "bucket/frame/log"]
    );
    assert_eq!(read(&watched.disk, LOG).await, "again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_in_two_processes_exactly_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let disks = [
        Disk::new(directory.path(), ids()),
        Disk::new(directory.path(), ids()),
    ];
    for round in 0..20 {
        let location = Path::from(format!("bucket/frame{round}/log/1"));
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (disk, location) = (disks[writer % 2].clone(), location.clone());
            tasks.spawn(async move {
                let bytes = format!("{writer}").repeat(10_000);
                let put = disk
                    .put_opts(&location, bytes.clone().into(), PutMode::Create.into())
                    .await;
                (put, bytes)
            });
        }
        let mut winners = Vec::new();
        for (put, bytes) in tasks.join_all().await {
            match put {
                Ok(_) => winners.push(bytes),
                Err(error) => assert!(matches!(error, Error::AlreadyExists { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(read(&disks[0], location.as_ref()).await, winners[0]);
    }
    let left = fs::read_dir(directory.path().join("_tmp")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_dropped_put_leaves_a_whole_object_and_no_temporary_file() {
    let directory = tempfile::tempdir().unwrap();
    let (started, has_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let sync: SyncFn = Arc::new(move |file: &File, path: &FsPath| {
        if path.is_file() {
            started.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        file.sync_all()
    });
    let disk = with_sync(directory.path(), ids(), sync);

    let mut put = Box::pin(create(&disk, LOG, "one"));
    assert!(put.as_mut().now_or_never().is_none());
    has_started.recv().unwrap();
    drop(put);
    assert!(names(&disk).await.is_empty());

    release.send(()).unwrap();
    // The thread holds a share of the state until it has finished.
    while Arc::strong_count(&disk.directory) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(read(&disk, LOG).await, "one");
    let left = fs::read_dir(directory.path().join("_tmp")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_overwrite_replaces_without_a_single_fsync() {
    let watched = Watched::new();
    let hint = Path::from("bucket/frame/log/latest");
    // The root exists, so that nothing else has to last either.
    for bytes in ["41", "42"] {
        watched.disk.put(&hint, bytes.into()).await.unwrap();
        assert_eq!(read(&watched.disk, hint.as_ref()).await, bytes);
    }
    assert_eq!(watched.disk.fsyncs(), 0);
    assert_eq!(watched.temporaries(), 0);

    // The directory that the hint made is not taken for a durable one.
    create(&watched.disk, LOG, "one").await.unwrap();
    let synced = watched.synced();
    assert!(synced.contains(&"bucket".to_owned()), "{synced:?}");
}

#[tokio::test]
async fn what_objects_here_cannot_do_is_refused() {
    let watched = Watched::new();
    let location = Path::from(LOG);
    let update = PutOptions {
        mode: PutMode::Update(UpdateVersion {
            e_tag: None,
            version: None,
        }),
        ..PutOptions::default()
    };
    let error = watched
        .disk
        .put_opts(&location, PutPayload::new(), update)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    let error = watched.disk.put_multipart(&location).await.unwrap_err();
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    let error = watched
        .disk
        .rename(&location, &Path::from("x"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    let error = create(&watched.disk, "frame/rows#1", "x")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("rows#1"), "{error}");
    assert!(names(&watched.disk).await.is_empty());
}

#[tokio::test]
async fn a_file_in_the_way_of_a_directory_is_named_in_the_error() {
    let watched = Watched::new();
    create(&watched.disk, "bucket", "a file").await.unwrap();
    let error = create(&watched.disk, LOG, "one").await.unwrap_err();
    assert!(!outcome_unknown(&error));
    assert!(error.to_string().contains("bucket/frame"), "{error}");
    assert_eq!(watched.temporaries(), 0);
}

#[tokio::test]
async fn only_old_temporary_files_are_swept() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let cut_off = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let directory = watched.root.join("_tmp");
    for (name, seconds) in [("old", 999_999), ("at", 1_000_000), ("young", 1_000_001)] {
        let file = File::create(directory.join(name)).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(modified).unwrap();
    }
    fs::create_dir(directory.join("folder")).unwrap();
    assert_eq!(watched.disk.sweep_temporaries(cut_off).await.unwrap(), 1);
    assert!(!watched.exists("_tmp/old"));
    for kept in ["_tmp/at", "_tmp/young", "_tmp/folder", LOG] {
        assert!(watched.exists(kept), "{kept}");
    }
}

#[tokio::test]
async fn deleting_removes_and_a_missing_object_is_not_found() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let location = Path::from(LOG);
    watched.disk.delete(&location).await.unwrap();
    assert!(!watched.exists(LOG));
    let error = watched.disk.delete(&location).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_to_or_read_from_what_took_the_place_of_the_directory() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let away = watched.root.with_extension("away");
    fs::rename(&watched.root, &away).unwrap();
    let lost = create(&watched.disk, "bucket/frame/log/2", "two").await;
    assert!(!watched.root.exists(), "{lost:?}");
    assert!(watched.disk.check_place().await.is_err());

    fs::create_dir(&watched.root).unwrap();
    let hint = Path::from("bucket/frame/log/latest");
    let told = [
        create(&watched.disk, LOG, "other").await.unwrap_err(),
        watched.disk.put(&hint, "2".into()).await.unwrap_err(),
        watched.disk.get(&Path::from(LOG)).await.unwrap_err(),
        watched.disk.list_with_delimiter(None).await.unwrap_err(),
        watched
            .disk
            .list(None)
            .try_collect::<Vec<_>>()
            .await
            .unwrap_err(),
        watched.disk.check_place().await.unwrap_err(),
    ];
    for error in told {
        assert!(error.to_string().contains("restart to go on"), "{error}");
    }
    assert_eq!(fs::read_dir(&watched.root).unwrap().count(), 0);

    fs::remove_dir(&watched.root).unwrap();
    fs::rename(&away, &watched.root).unwrap();
    watched.disk.check_place().await.unwrap();
    create(&watched.disk, "bucket/frame/log/2", "two")
        .await
        .unwrap();
    assert_eq!(read(&watched.disk, LOG).await, "one");
}
