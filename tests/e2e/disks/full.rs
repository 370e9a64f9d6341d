//! A real file system without room. It takes the right to mount one; without it the test says that it is skipped. (The
//! store's own tests fill a disk at every byte, without any rights.)

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use shoots_client::{ErrorKind, PutMode};

use crate::refusal::assert_refused;
use crate::rows::{get, put, rows};
use crate::server::{Server, fresh_folder};

/// A file system in memory, which is gone when this is dropped.
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(crate) fn on(folder: &'a Path, megabytes: u32) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        let done = mount.arg(folder).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(done.unwrap().success());
    }
}

/// Takes all room but so many bytes.
fn fill(file: &Path, but: usize) {
    let mut filler = std::fs::File::create(file).unwrap();
    let block = [0; 4096];
    let mut written = 0;
    while filler.write(&block).is_ok_and(|bytes| bytes > 0) {
        written += block.len();
    }
    let kept = u64::try_from(written.saturating_sub(but)).unwrap();
    filler.set_len(kept).unwrap();
}

#[tokio::test]
async fn a_put_that_finds_no_room_is_refused_and_works_once_there_is_some() {
    let folder = fresh_folder();
    let Some(_mounted) = Mounted::on(folder.path(), 24) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let server = Server::on(&folder, &["--low-space-bytes", "0"]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..1000)).await;
    put(&client, "nyc/b", PutMode::Error, rows(0..10)).await;
    let filler = folder.path().join("filler");
    for room in [0, 8 << 10, 64 << 10, 256 << 10] {
        fill(&filler, room);
        let large = (0..40).map(|part| rows(part * 5000..(part + 1) * 5000));
        let large: Vec<_> = large.collect();
        for (frame, mode) in [
            ("a", PutMode::Append),
            ("a", PutMode::Replace),
            ("new", PutMode::Error),
        ] {
            let refused = client
                .put(frame)
                .mode(mode)
                .send(large[0].schema(), large.clone());
            let words = ["disk is full", "free some space"];
            assert_refused(refused.await, ErrorKind::NoSpaceError, &words);
        }
        assert_eq!(get(&client, "a").await, rows(0..1000));
        assert_eq!(get(&client, "nyc/b").await, rows(0..10));
        assert!(!client.exists("new").await.unwrap());
        std::fs::remove_file(&filler).unwrap();
        put(&client, "nyc/b", PutMode::Replace, rows(0..10)).await;
    }
    // By default the server stops in time to make room by itself.
    let careful = Server::on(&folder, &[]).await;
    let refused = careful
        .client()
        .await
        .put("a")
        .mode(PutMode::Append)
        .send_batch(rows(0..1))
        .await;
    assert_refused(refused, ErrorKind::NoSpaceError, &["low_space_bytes"]);
    careful.client().await.delete("nyc/b").await.unwrap();
    careful.stop().await;

    put(&client, "a", PutMode::Append, rows(1000..2000)).await;
    assert_eq!(get(&client, "a").await, rows(0..2000));
    let checked = client.verify().all_buckets().send().await.unwrap();
    assert!(checked.ok, "{checked:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_file_beyond_what_the_system_allows_fails_its_put_and_nothing_else() {
    let folder = fresh_folder();
    let mut command = Command::new("sh");
    // In blocks of 512 bytes or of 1 KiB, as the shell has it.
    command.args(["-c", "ulimit -f 1000 && exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_shoots-server"));
    let location = folder.path().to_str().unwrap();
    let server = Server::of(command, location, &folder, &["--log-level", "warn"]).await;
    let client = server.client().await;
    put(&client, "a", PutMode::Error, rows(0..1000)).await;
    // Texts that no encoding makes small.
    let texts = (0..200_000u64).map(|number| blake3::hash(&number.to_le_bytes()).to_string());
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let large = RecordBatch::try_from_iter([("text", texts)]).unwrap();
    let refused = client.put("large").send_batch(large).await;
    assert_refused(refused, ErrorKind::ShootsIOError, &["File too large"]);
    assert!(!client.exists("large").await.unwrap());
    put(&client, "a", PutMode::Append, rows(1000..1001)).await;
    assert_eq!(get(&client, "a").await, rows(0..1001));
    server.stop().await;
}
