//! Which folders are opened as stores, and which become one.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::place::{command, data};

/// What the command says on a store in a folder: its exit code, its answer, and what it says on standard error.
fn run(store: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command();
    command.arg("--store").arg(store).args(arguments);
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        done.status.code().unwrap(),
        text(done.stdout),
        text(done.stderr),
    )
}

#[test]
fn a_folder_that_is_not_there_is_no_store_without_frames() {
    let folder = TempDir::new().unwrap();
    let absent = folder.path().join("absent");
    for arguments in [
        &["ls"][..],
        &["get", "f"],
        &["sql", "select 1"],
        &["clone", "office"],
        &["rm", "f"],
    ] {
        let (code, out, err) = run(&absent, arguments);
        assert_eq!((code, out.as_str()), (3, ""), "{arguments:?}: {err}");
        assert!(
            err.contains("there is no store") && err.contains("absent"),
            "{err}"
        );
        assert!(!absent.exists(), "{arguments:?}");
    }
    let (_, _, err) = run(&absent, &["ls", "--json"]);
    let told: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(told["type"], "FileNotFoundError");
}

#[test]
fn what_brings_something_to_keep_begins_a_store_and_says_so() {
    let folder = TempDir::new().unwrap();
    let put = ["put", &data("airlines.csv")];
    let store = folder.path().join("new");
    let (code, _, err) = run(&store, &put);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("new is a new store"), "{err}");
    let (_, _, err) = run(&store, &["put", &data("airlines.csv"), "--mode", "append"]);
    assert!(!err.contains("is a new store"), "{err}");

    let remote = folder.path().join("remote");
    let (code, _, err) = run(&remote, &["remote", "add", "office", "grpc://localhost:1"]);
    assert!(code == 0 && err.contains("is a new store"), "{err}");

    let archive = folder.path().join("archive");
    let (code, _, err) = run(&store, &["export", archive.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let other = folder.path().join("other");
    let (code, _, err) = run(&other, &["import", archive.to_str().unwrap()]);
    assert!(code == 0 && err.contains("is a new store"), "{err}");

    let deep = folder.path().join("mistyped").join("store");
    let (code, _, err) = run(&deep, &put);
    assert!(
        code == 3 && err.contains("no folder to begin it in"),
        "{err}"
    );
    assert!(!folder.path().join("mistyped").exists());
}

#[test]
fn a_put_that_failed_leaves_no_store() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let (code, _, err) = run(&store, &["put", "/no/such.csv"]);
    assert_eq!(code, 2, "{err}");
    assert!(!err.contains("is a new store"), "{err}");
    assert!(!store.exists());
}

#[test]
fn a_folder_with_other_things_is_neither_read_nor_written_as_a_store() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "n").unwrap();
    for arguments in [&["ls"][..], &["put", &data("airlines.csv")]] {
        let (code, _, err) = run(folder.path(), arguments);
        assert_eq!(code, 2, "{err}");
        assert!(
            err.contains("is no store") && err.contains("notes.txt"),
            "{err}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let plain = TempDir::new().unwrap();
    let (code, _, err) = run(plain.path(), &["ls"]);
    assert_eq!(code, 0, "an empty folder: {err}");
}
