//! What is read, and what is refused instead of being waited at.

use object_store::{GetOptions, GetRange, GetResultPayload};

use super::*;

async fn part(disk: &Disk, range: impl Into<GetRange>) -> Result<String, Error> {
    let options = GetOptions {
        range: Some(range.into()),
        ..GetOptions::default()
    };
    let bytes = disk.get_opts(&LOG.into(), options).await?.bytes().await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn short_and_long_objects_and_their_parts_are_read() {
    let watched = Watched::new();
    let disk = &watched.disk;
    create(disk, LOG, "0123456789").await.unwrap();
    assert_eq!(part(disk, 2..5).await.unwrap(), "234");
    assert_eq!(part(disk, 8..20).await.unwrap(), "89");
    assert_eq!(part(disk, GetRange::Suffix(3)).await.unwrap(), "789");
    assert_eq!(part(disk, GetRange::Offset(7)).await.unwrap(), "789");
    let error = part(disk, 10..11).await.unwrap_err();
    assert!(error.to_string().contains("frame/log/1"), "{error}");

    let long = "row".repeat(100_000);
    let object = Path::from("bucket/frame/segments/long");
    disk.put(&object, long.clone().into()).await.unwrap();
    let got = disk.get(&object).await.unwrap();
    assert_eq!((got.meta.size, got.range.clone()), (300_000, 0..300_000));
    assert!(matches!(got.payload, GetResultPayload::File(..)));
    assert_eq!(got.bytes().await.unwrap(), long);
    let parts = disk.get_ranges(&object, &[0..3, 299_999..400_000]).await;
    assert_eq!(parts.unwrap(), ["row", "w"]);
    assert_eq!(disk.head(&object).await.unwrap().size, 300_000);

    let empty = Path::from("bucket/frame/log/2");
    create(disk, empty.as_ref(), "").await.unwrap();
    assert!(
        disk.get(&empty)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn conditions_of_a_get_are_kept() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "one").await.unwrap();
    let object = Path::from(LOG);
    let written = watched.disk.head(&object).await.unwrap().last_modified;
    let options = GetOptions {
        if_unmodified_since: Some(written - Duration::from_secs(1)),
        ..GetOptions::default()
    };
    let error = watched.disk.get_opts(&object, options).await.unwrap_err();
    assert!(matches!(error, Error::Precondition { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_in_the_place_of_a_file_is_refused_and_never_waited_for() {
    let watched = Watched::new();
    let directory = watched.root.join("bucket/frame/log");
    fs::create_dir_all(directory.join("folder")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(directory.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket")).unwrap();

    let byte = std::slice::from_ref(&(0..1));
    for (name, words) in [("pipe", "named pipe"), ("socket", "frame/log/socket")] {
        let object = Path::from(format!("bucket/frame/log/{name}"));
        for error in [
            watched.disk.get(&object).await.unwrap_err(),
            watched.disk.head(&object).await.unwrap_err(),
            watched.disk.get_ranges(&object, byte).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Generic { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    let folder = Path::from("bucket/frame/log/folder");
    for error in [
        watched.disk.get(&folder).await.unwrap_err(),
        watched.disk.get_ranges(&folder, byte).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
}

#[tokio::test]
async fn ranges_read_what_was_put() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "0123456789").await.unwrap();
    let location = Path::from(LOG);
    let ranges = watched.disk.get_ranges(&location, &[0..2, 4..7]).await;
    assert_eq!(ranges.unwrap(), ["01", "456"]);
    let beyond = watched.disk.get_ranges(&location, &[8..20, 3..3]).await;
    assert_eq!(beyond.unwrap(), ["89", ""]);
}

#[tokio::test]
async fn ranges_of_what_is_not_there_are_refused() {
    let watched = Watched::new();
    create(&watched.disk, LOG, "0123456789").await.unwrap();
    let location = Path::from(LOG);
    let behind = watched.disk.get_ranges(&location, &[0..1, 10..12]);
    let told = behind.await.unwrap_err().to_string();
    assert!(
        told.contains("the range 10..12 begins behind its end"),
        "{told}"
    );
    let backwards = std::ops::Range { start: 3, end: 2 };
    let backwards = watched
        .disk
        .get_ranges(&Path::from(LOG), &[backwards])
        .await;
    let told = backwards.unwrap_err().to_string();
    assert!(told.contains("ends before it begins"), "{told}");
    let nowhere = Path::from("no/such");
    let missing = watched.disk.get_ranges(&nowhere, &[0..1, 2..3]);
    let missing = missing.await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}
