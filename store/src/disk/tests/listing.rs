//! Names and listings: whatever else lies in the directory, objects come back under the names they were given.

use std::fs;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};

use super::{Watched, create, names, read};

#[tokio::test]
async fn odd_names_come_back_as_they_were_given() {
    let watched = Watched::new();
    let odd = [
        "a b",
        "50%",
        "%2F",
        "%2e%2e",
        "\"quoted\"",
        "it's",
        "a#b",
        "#",
        "ünïcode",
        "日本",
        "a\\b",
        "q?x=1&y",
        "~",
        "[x]{y}",
        "-dash",
        "a:b",
        "*",
        "end ",
    ];
    for name in odd {
        for location in [format!("{name}/log"), format!("files/{name}")] {
            let location = Path::parse(location).unwrap();
            watched
                .disk
                .put_opts(&location, name.into(), PutMode::Create.into())
                .await
                .unwrap();
            assert_eq!(read(&watched.disk, location.as_ref()).await, name);
            assert_eq!(
                watched.disk.head(&location).await.unwrap().location,
                location
            );
            assert!(watched.exists(location.as_ref()), "{location}");
        }
    }
    let mut expected: Vec<_> = odd
        .iter()
        .flat_map(|name| [format!("{name}/log"), format!("files/{name}")])
        .collect();
    let mut listed = names(&watched.disk).await;
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);
    let top = watched.disk.list_with_delimiter(None).await.unwrap();
    assert_eq!(top.common_prefixes.len(), odd.len() + 1);
    let files = watched
        .disk
        .list_with_delimiter(Some(&Path::from("files")))
        .await
        .unwrap();
    assert_eq!(files.objects.len(), odd.len());
}

#[cfg(unix)]
#[tokio::test]
async fn foreign_things_in_a_directory_do_not_disturb_a_listing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let watched = Watched::new();
    create(&watched.disk, "bucket/rows", "rows").await.unwrap();
    create(&watched.disk, "elsewhere/more", "more")
        .await
        .unwrap();
    let bucket = watched.root.join("bucket");
    fs::write(watched.root.join("_tmp/left"), "x").unwrap();
    fs::write(bucket.join(OsStr::from_bytes(b"not utf-8 \xff")), "x").unwrap();
    fs::write(bucket.join("line\nbreak"), "x").unwrap();
    fs::write(bucket.join("rows#1"), "x").unwrap();
    symlink("nowhere", bucket.join("broken")).unwrap();
    symlink(&watched.root, bucket.join("up")).unwrap();
    symlink(watched.root.join("elsewhere"), bucket.join("linked")).unwrap();

    assert_eq!(
        names(&watched.disk).await,
        ["bucket/linked/more", "bucket/rows", "elsewhere/more"]
    );
    let listed = watched
        .disk
        .list_with_delimiter(Some(&Path::from("bucket")))
        .await
        .unwrap();
    let objects: Vec<_> = listed.objects.iter().map(|o| o.location.as_ref()).collect();
    assert_eq!(objects, ["bucket/rows"]);
    assert_eq!(
        listed.common_prefixes,
        [Path::from("bucket/linked"), Path::from("bucket/up")]
    );
    let of_file = Path::from("bucket/rows");
    let listed: Vec<_> = watched
        .disk
        .list(Some(&of_file))
        .try_collect()
        .await
        .unwrap();
    assert!(listed.is_empty());
}

#[tokio::test]
async fn a_listing_of_many_pages_is_whole_and_in_order() {
    let watched = Watched::new();
    let log = watched.root.join("frame/log");
    fs::create_dir_all(&log).unwrap();
    let mut expected = Vec::new();
    for number in 0..2_500 {
        fs::write(log.join(format!("{number:06}")), "x").unwrap();
        expected.push(format!("frame/log/{number:06}"));
    }
    assert_eq!(names(&watched.disk).await, expected);

    let prefix = Path::from("frame/log");
    let offset = Path::from("frame/log/002400");
    let after: Vec<_> = watched
        .disk
        .list_with_offset(Some(&prefix), &offset)
        .map_ok(|object| object.location.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(after, expected[2_401..]);
}
