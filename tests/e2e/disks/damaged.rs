//! Files that are changed, cut off and removed under a running server.

use std::fs;
use std::path::{Path, PathBuf};

use shoots_client::{AsOf, ErrorKind, PutMode, ShootsClient};

use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, fresh_folder};

/// The files of a frame's folder of this kind, oldest first.
fn files(frame: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = fs::read_dir(frame.join(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("latest"))
        .map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// A frame of two versions with a segment each.
async fn frame(client: &ShootsClient, name: &str) {
    put(client, name, PutMode::Error, rows(0..500)).await;
    put(client, name, PutMode::Append, rows(500..700)).await;
    assert_eq!(get(client, name).await, rows(0..700));
}

fn flipped(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut_off(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn emptied(path: &Path) {
    fs::write(path, b"").unwrap();
}

fn removed(path: &Path) {
    fs::remove_file(path).unwrap();
}

type Harm = fn(&Path);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told_concerns_one_frame_and_is_over_when_the_file_is_back() {
    let folder = fresh_folder();
    let server = Server::on(&folder, &["--compaction=false"]).await;
    let client = server.client().await;
    put(&client, "beside", PutMode::Error, rows(0..5)).await;
    let harms: [(&str, Harm); 4] = [
        ("flipped", flipped),
        ("cut", cut_off),
        ("emptied", emptied),
        ("removed", removed),
    ];
    for (number, (name, harm)) in harms.into_iter().enumerate() {
        frame(&client, name).await;
        let path = folder.path().join("_default").join(name);
        let segment = &files(&path, "segments")[1];
        let before = fs::read(segment).unwrap();
        harm(segment);
        let id = segment.file_stem().unwrap().to_str().unwrap();
        // What this server has at hand may still be right; never is it anything else.
        match client.get(name).collect_one().await {
            Ok(found) => assert_eq!(found, rows(0..700)),
            refused => assert_refused(refused, ErrorKind::DamagedError, &[id]),
        }
        let older = client.get(name).as_of(AsOf::Version(1)).collect_one().await;
        assert_eq!(older.unwrap(), rows(0..500));
        let checked = client.frame(name).verify().send().await.unwrap();
        assert!(!checked.ok);
        let told = format!("{checked:?}");
        assert!(told.contains(id), "{told}");

        // A server that starts now says the same, and the others are as they were.
        let other = Server::on(&folder, &["--compaction=false"]).await;
        let others = other.client().await;
        let refused = others.get(name).collect_one().await;
        assert_refused(refused, ErrorKind::DamagedError, &[id]);
        put(&others, "beside", PutMode::Append, rows(0..1)).await;
        let rows_beside = get(&client, "beside").await.num_rows();
        assert_eq!(rows_beside, 6 + number);
        other.stop().await;

        // Writing goes on: what is damaged is not needed for it.
        put(&client, name, PutMode::Append, rows(700..710)).await;
        fs::write(segment, before).unwrap();
        assert_eq!(get(&client, name).await, rows(0..710));
        assert!(client.frame(name).verify().send().await.unwrap().ok);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_damaged_under_a_server_takes_no_write_and_gives_no_other_rows() {
    let folder = fresh_folder();
    let server = Server::on(&folder, &["--compaction=false"]).await;
    let client = server.client().await;
    put(&client, "beside", PutMode::Error, rows(0..5)).await;
    let harms: [(&str, Harm); 3] = [("flipped", flipped), ("cut", cut_off), ("emptied", emptied)];
    for (name, harm) in harms {
        frame(&client, name).await;
        let path = folder.path().join("_default").join(name);
        let newest = files(&path, "log").pop().unwrap();
        let before = fs::read(&newest).unwrap();
        harm(&newest);
        let other = Server::on(&folder, &["--compaction=false"]).await;
        let others = other.client().await;
        let entry = newest.file_name().unwrap().to_str().unwrap();
        let refused = others.get(name).collect_one().await;
        assert_refused(refused, ErrorKind::DamagedError, &[entry]);
        let put_too = others
            .put(name)
            .mode(PutMode::Append)
            .send_batch(rows(0..1))
            .await;
        assert_refused(put_too, ErrorKind::DamagedError, &[entry]);
        assert_eq!(get(&others, "beside").await, rows(0..5));
        other.stop().await;
        fs::write(&newest, before).unwrap();
        put(&client, name, PutMode::Append, rows(700..710)).await;
        assert_eq!(get(&client, name).await, rows(0..710));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_whose_file_the_system_refuses_hinders_no_other_and_a_push_tells_it() {
    let folder = fresh_folder();
    let server = Server::on(&folder, &["--compaction=false"]).await;
    let client = server.client().await;
    for name in ["refused", "beside", "odd/blocked", "odd/beside"] {
        frame(&client, name).await;
    }
    put(&client, "odd/young", PutMode::Error, rows(0..5)).await;
    server.stop().await;
    let in_a_circle = |frame: &str| {
        let newest = files(&folder.path().join(frame), "log").pop().unwrap();
        fs::remove_file(&newest).unwrap();
        std::os::unix::fs::symlink(&newest, &newest).unwrap();
        newest.file_name().unwrap().to_str().unwrap().to_owned()
    };
    let newest = in_a_circle("_default/refused");
    let only = in_a_circle("odd/young");
    let log = folder.path().join("odd/blocked/log");
    fs::remove_dir_all(&log).unwrap();
    fs::write(&log, "").unwrap();

    let backup = fresh_folder();
    let backup = format!("backup=file://{}", backup.path().to_str().unwrap());
    let server = Server::on(&folder, &["--compaction=false", "--remote", &backup]).await;
    let client = server.client().await;
    let refused = client.get("refused").collect_one().await;
    assert_refused(refused, ErrorKind::ShootsIOError, &["symbolic links"]);
    let listed = client.list().send().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|info| info.frame.to_string()).collect();
    assert_eq!(listed, ["beside"]);
    let usage = client.usage().send().await.unwrap();
    assert_eq!((usage.buckets[0].frames, usage.buckets[0].rows), (2, 700));
    client.sweep().send().await.unwrap();
    client.expire().send().await.unwrap();
    let compacted = client.compact().send().await.unwrap();
    assert_eq!(compacted.frames.len(), 1, "{compacted:?}");
    let odd = client.list().bucket("odd").send().await.unwrap();
    let odd: Vec<_> = odd.iter().map(|info| info.frame.to_string()).collect();
    assert_eq!(odd, ["odd/beside"]);
    let checked = client.verify().all_buckets().send().await.unwrap();
    let told = format!("{checked:?}");
    assert_eq!((checked.frames, checked.ok), (5, false), "{told}");
    let faulty = checked.damaged.iter().map(|faulty| faulty.object.clone());
    let expected = [
        format!("_default/refused/log/{newest}"),
        "odd/blocked".to_owned(),
        format!("odd/young/log/{only}"),
    ];
    assert_eq!(faulty.collect::<Vec<_>>(), expected, "{told}");
    let pushed = client.push("backup").all_buckets().send().await.unwrap();
    let problems = pushed.frames.iter().map(|frame| {
        let problem = frame.problem.as_ref().map(|problem| problem.kind);
        (frame.target.to_string(), problem)
    });
    let expected = [
        ("beside".to_owned(), None),
        ("refused".to_owned(), Some(ErrorKind::ShootsIOError)),
        ("beside".to_owned(), None),
        ("blocked".to_owned(), Some(ErrorKind::ShootsIOError)),
        ("young".to_owned(), Some(ErrorKind::ShootsIOError)),
    ];
    assert_eq!(problems.collect::<Vec<_>>(), expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_removed_under_a_server_harms_no_other_frame() {
    let folder = fresh_folder();
    let server = Server::on(&folder, &[]).await;
    let client = server.client().await;
    frame(&client, "gone").await;
    frame(&client, "nyc/kept").await;
    fs::remove_dir_all(folder.path().join("_default").join("gone")).unwrap();
    // It is told that something is missing, or that there is no such frame; or it gets the rows, which are in memory.
    match client.get("gone").collect_one().await {
        Ok(kept) => assert_eq!(kept, rows(0..700)),
        Err(read) => {
            let kinds = [ErrorKind::DamagedError, ErrorKind::FileNotFoundError];
            assert!(kinds.contains(&read.kind()), "{read}");
        }
    }
    assert_eq!(get(&client, "nyc/kept").await, rows(0..700));
    put(&client, "nyc/kept", PutMode::Append, rows(700..701)).await;
    put(&client, "new", PutMode::Error, rows(0..3)).await;
    let other = Server::on(&folder, &[]).await;
    let others = other.client().await;
    assert!(!others.exists("gone").await.unwrap());
    assert_eq!(get(&others, "nyc/kept").await, rows(0..701));
    put(&others, "gone", PutMode::Error, rows(0..2)).await;
    assert_eq!(get(&others, "gone").await, rows(0..2));
    other.stop().await;
    server.stop().await;
}
