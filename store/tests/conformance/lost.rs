//! Objects that are gone: nobody takes an older version for the newest, or publishes its number once more, and what is
//! acknowledged refers to nothing that is not there.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use shoots_proto::action::{VerifyRequest, VerifyResult};
use shoots_proto::as_of::AsOf;
use shoots_proto::put::PutMode::{Append, Replace, Update, Upsert};
use shoots_store::{Error, ErrorKind, Frame, PutOptions, Store};

use crate::on_every_place;
use crate::place::Place;
use crate::plain::parquet;
use crate::rows::{frame, numbers, put, rows, try_put_with};

on_every_place!(
    a_log_that_ends_before_its_hint_is_damaged_until_it_is_whole_or_accepted,
    a_writer_that_remembers_an_entry_notices_that_it_is_gone,
    a_frame_that_lost_its_newest_entry_can_be_purged,
    a_frame_that_its_server_knows_can_be_purged_whatever_became_of_its_log,
    a_purged_frame_stays_gone_though_the_plain_file_that_it_was_is_there,
    a_history_with_a_gap_is_damaged_and_not_short,
    what_is_put_after_files_were_removed_can_be_read_by_others,
    what_lies_in_the_place_of_the_next_entry_is_told,
    an_upsert_of_some_columns_brings_the_schema_of_all_back,
);

const HINT: &str = "_default/f/log/latest";

/// A frame `f` with so many versions of a row each, whose hint names the last.
async fn written(store: &Store, versions: i64) -> Frame {
    let written = frame(store, "f");
    for n in 0..versions {
        put(&written, Append, rows([n])).await;
    }
    while !store.is_idle() {
        tokio::task::yield_now().await;
    }
    written
}

fn entry(sequence: u64) -> Path {
    Path::from(format!("_default/f/log/{sequence:020}.jsonl"))
}

async fn remove(place: &Place, path: &Path) {
    place.objects().delete(path).await.unwrap();
}

async fn append(frame: &Frame) -> Result<u64, Error> {
    let options = PutOptions::mode(Append);
    try_put_with(frame, options, rows([100]))
        .await
        .map(|published| published.version)
}

async fn verified(store: &Store) -> VerifyResult {
    store.verify(&VerifyRequest::default()).await.unwrap()
}

async fn a_log_that_ends_before_its_hint_is_damaged_until_it_is_whole_or_accepted(place: &Place) {
    written(&place.open().await, 4).await;
    let newest = place.objects().get(&entry(4)).await.unwrap();
    let newest = newest.bytes().await.unwrap();
    remove(place, &entry(4)).await;

    let store = place.open().await;
    let broken = frame(&store, "f");
    let read = broken.snapshot(None).await.unwrap_err();
    let written = append(&broken).await.unwrap_err();
    for error in [read, written] {
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        for told in [entry(4).as_ref(), HINT] {
            assert!(error.to_string().contains(told), "{error}");
        }
    }
    let found = verified(&store).await;
    let missing: Vec<_> = found.missing.iter().map(|lost| &lost.object).collect();
    assert_eq!(missing, [entry(4).as_ref()]);
    assert!(!found.ok);

    place.write(entry(4).as_ref(), newest).await;
    let store = place.open().await;
    assert_eq!(numbers(&frame(&store, "f")).await, [0, 1, 2, 3]);
    assert!(verified(&store).await.ok);

    remove(place, &entry(4)).await;
    remove(place, &Path::from(HINT)).await;
    let store = place.open().await;
    let accepted = frame(&store, "f");
    assert_eq!(numbers(&accepted).await, [0, 1, 2]);
    assert!(verified(&store).await.ok);
    assert_eq!(append(&accepted).await.unwrap(), 4);
}

async fn a_writer_that_remembers_an_entry_notices_that_it_is_gone(place: &Place) {
    let Place::Disk(_) = place else {
        return;
    };
    let store = place.open().await;
    let kept = written(&store, 4).await;
    remove(place, &entry(4)).await;
    // The hint may be one behind.
    for hint in ["4", "3"] {
        place.write(HINT, hint).await;
        let error = append(&kept).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        assert!(error.to_string().contains(entry(4).as_ref()), "{error}");
    }
    assert_eq!(numbers(&kept).await, [0, 1, 2, 3]);
    let elsewhere = frame(&place.open().await, "f");
    assert_eq!(append(&elsewhere).await.unwrap(), 4);
    let error = append(&kept).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
}

async fn a_frame_that_lost_its_newest_entry_can_be_purged(place: &Place) {
    written(&place.open().await, 4).await;
    remove(place, &entry(4)).await;
    let store = place.open().await;
    let broken = frame(&store, "f");
    broken.purge(false).await.unwrap();
    assert_eq!(append(&broken).await.unwrap(), 1);
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [100]);
}

async fn a_frame_that_its_server_knows_can_be_purged_whatever_became_of_its_log(place: &Place) {
    type Spoil = fn(&[u8]) -> Option<Vec<u8>>;
    let spoiled: [Spoil; 5] = [
        |_| None,
        |_| Some(Vec::new()),
        |whole| Some(whole[..whole.len() / 2].to_vec()),
        |whole| Some([whole, b"{}\n"].concat()),
        |whole| {
            Some(
                whole
                    .iter()
                    .map(|byte| byte ^ u8::from(*byte == b'4'))
                    .collect(),
            )
        },
    ];
    for spoil in spoiled {
        let store = place.open().await;
        let known = written(&store, 4).await;
        let whole = place.objects().get(&entry(4)).await.unwrap();
        let whole = whole.bytes().await.unwrap();
        remove(place, &entry(4)).await;
        if let Some(bytes) = spoil(&whole) {
            place.write(entry(4).as_ref(), bytes).await;
        }
        known.purge(false).await.unwrap();
        let again = known.purge(false).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NotFound, "{again}");
        assert_eq!(append(&known).await.unwrap(), 1);
        assert_eq!(numbers(&frame(&place.open().await, "f")).await, [100]);
        known.purge(false).await.unwrap();
        remove_all(place, "_default/f").await;
    }
    // Without its schema nothing can be published in it, either.
    let store = place.open().await;
    written(&store, 1).await;
    remove_all(place, "_default/f/schemas").await;
    let unknown = frame(&place.open().await, "f");
    unknown.purge(false).await.unwrap();
    assert!(place.objects_below("_default/f").await.is_empty());
}

async fn remove_all(place: &Place, folder: &str) {
    for object in place.objects_below(folder).await {
        remove(place, &Path::from(object)).await;
    }
}

async fn a_purged_frame_stays_gone_though_the_plain_file_that_it_was_is_there(place: &Place) {
    place.write("f.parquet", parquet(0..3)).await;
    let store = place.open().await;
    let adopted = written(&store, 2).await;
    remove(place, &entry(2)).await;
    for known in [adopted, frame(&place.open().await, "f")] {
        known.purge(false).await.unwrap();
        let store = place.open().await;
        for gone in [&known, &frame(&store, "f")] {
            let error = gone.snapshot(None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(!gone.exists().await.unwrap());
            gone.undelete().await.unwrap_err();
        }
        assert!(store.frames(None).await.unwrap().is_empty());
        assert!(verified(&store).await.ok);
    }
    let store = place.open().await;
    let again = frame(&store, "f");
    assert!(append(&again).await.unwrap() > 1);
    assert_eq!(numbers(&frame(&place.open().await, "f")).await, [100]);
    assert!(verified(&store).await.ok);
}

async fn a_history_with_a_gap_is_damaged_and_not_short(place: &Place) {
    let store = place.open().await;
    let broken = written(&store, 5).await;
    remove(place, &entry(3)).await;
    let error = broken.history(10, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains(entry(3).as_ref()), "{error}");
    // What does not reach so far back is told, and so is what lies beyond.
    let recent = broken.history(1, None).await.unwrap();
    assert!(recent.more);
    let old = broken.snapshot(Some(&AsOf::Version(2))).await.unwrap();
    assert_eq!(old.rows(), 2);
}

/// A frame that its store remembers, with rows 0 to 9 and an index, of which the files below a folder are removed.
async fn removed(store: &Store, name: &str, files: &std::path::Path) -> Frame {
    let written = frame(store, name);
    let options = PutOptions::mode(Replace).index(["n"]);
    try_put_with(&written, options, rows(0..10)).await.unwrap();
    while !store.is_idle() {
        tokio::task::yield_now().await;
    }
    std::fs::remove_dir_all(files).unwrap();
    written
}

async fn what_is_put_after_files_were_removed_can_be_read_by_others(place: &Place) {
    let Place::Disk(folder) = place else {
        return;
    };
    for mode in [Append, Replace, Update, Upsert] {
        for (files, version) in [("", 1), ("/schemas", 2)] {
            println!("{mode} without {files}");
            let store = place.open().await;
            let name = format!("{mode}{version}");
            let files = folder.path().join(format!("_default/{name}{files}"));
            let known = removed(&store, &name, &files).await;
            let options = PutOptions::mode(mode).index(["n"]);
            let put = try_put_with(&known, options, rows([100])).await.unwrap();
            assert_eq!(put.version, version);

            let store = place.open().await;
            let kept = if version == 1 || mode == Replace {
                0
            } else {
                10
            };
            let expected: Vec<i64> = (0..kept).chain([100]).collect();
            assert_eq!(numbers(&frame(&store, &name)).await, expected);
            assert!(verified(&store).await.ok);
        }
    }
}

async fn an_upsert_of_some_columns_brings_the_schema_of_all_back(place: &Place) {
    let Place::Disk(folder) = place else {
        return;
    };
    let store = place.open().await;
    let known = removed(&store, "f", &folder.path().join("_default/f/schemas")).await;
    let keys = rows([3]).project(&[0]).unwrap();
    let options = PutOptions::mode(Upsert);
    try_put_with(&known, options, keys).await.unwrap();
    let read = numbers(&frame(&place.open().await, "f")).await;
    assert_eq!(read, (0..10).collect::<Vec<_>>());
}

async fn what_lies_in_the_place_of_the_next_entry_is_told(place: &Place) {
    let Place::Disk(folder) = place else {
        return;
    };
    let store = place.open().await;
    let blocked = written(&store, 1).await;
    let next = folder.path().join(entry(2).as_ref());
    std::fs::create_dir(&next).unwrap();
    let error = append(&blocked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    for told in [entry(2).as_ref(), "move it away"] {
        assert!(error.to_string().contains(told), "{error}");
    }
    std::fs::remove_dir(&next).unwrap();
    assert_eq!(append(&blocked).await.unwrap(), 2);
}
