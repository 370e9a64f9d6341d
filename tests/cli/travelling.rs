//! Histories travel between stores.

use serde_json::json;

use crate::place::{Place, data, everywhere};

#[test]
fn a_frame_is_pushed_cloned_changed_and_pulled() {
    everywhere(|place| {
        let place = place.with_weather();
        let other = place.path("other");
        let url = format!("file://{other}");
        place.ok(&["remote", "add", "backup", &url]);
        for list in ["ls", "list"] {
            assert_eq!(place.json(&["remote", list])[0]["url"], url.as_str());
        }
        let shown = ["remote", "add", "far", "grpc+tls://far.example:8081"];
        let certificate = ["--remote-certificate", "env:SHOOTS_REMOTE_CERTIFICATE"];
        let key = ["--remote-key", "env:SHOOTS_REMOTE_KEY"];
        place.fails(2, &[&shown[..], &certificate].concat());
        place.ok(&[&shown[..], &certificate, &key].concat());
        place.ok(&["remote", "rm", "far"]);
        let pushed = place.json(&["push", "backup", "weather"]).remove(0);
        assert_eq!(pushed["outcome"], "created");

        let there = |arguments: &[&str]| {
            let mut all = vec!["--store", other.as_str()];
            all.extend(arguments);
            let mut command = crate::place::command();
            let done = command.args(all).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        there(&[
            "delete-rows",
            "weather",
            "--where",
            "origin = 'EWR'",
            "-m",
            "without Newark",
        ]);
        let pulled = place.json(&["pull", "backup", "weather"]).remove(0);
        assert_eq!(
            (&pulled["outcome"], &pulled["versions"]),
            (&json!("moved"), &json!(1))
        );
        // What the pull notes about the remote is a version of its own, which changes no row.
        let log = place.json(&["log", "weather"]);
        let changed = log
            .iter()
            .find(|commit| commit["operation"] == "delete_rows");
        assert_eq!(changed.unwrap()["message"], "without Newark");
        assert!(place.ok(&["push", "backup"]).contains("unchanged"));
        place.ok(&["clone", "backup", "weather", "--target", "again"]);
        assert!(place.json(&["log", "again"]).len() >= 2);
        let into = ["clone", "backup", "weather", "--target-bucket", "attic"];
        place.ok(&[&into[..], &["--target", "old"]].concat());
        assert!(place.json(&["log", "attic/old"]).len() >= 2);
        let error = place.fails(2, &[&into[..], &["--target", "other/old"]].concat());
        assert!(error.contains("--target-bucket"), "{error}");

        there(&["delete-rows", "weather", "--where", "month = 1"]);
        place.ok(&["delete-rows", "weather", "--where", "month = 2"]);
        let err = place.run(&["push", "backup", "weather"]);
        assert_eq!(err.code, Some(5), "{err:?}");
        place.ok(&["fetch", "backup", "weather", "--unshallow"]);
        let months = |state: &str| {
            let rows = place.json(&["get", "weather", "--columns", "month", "--as-of", state]);
            let months = rows.iter().map(|row| row["month"].as_i64().unwrap());
            months.collect::<std::collections::BTreeSet<i64>>()
        };
        assert_eq!(months("remote:backup"), [2, 3].into());
        assert_eq!(months("-1"), [1, 3].into());
        let none = place.json(&["merge", "backup", "--match", "^z"]);
        assert_eq!(none.len(), 0, "{none:?}");
        let merged = place.json(&["merge", "backup", "--all", "--match", "^w"]);
        assert_eq!(merged[0]["outcome"], "merged");
        let months = place.json(&["sql", "select distinct month from weather"]);
        assert_eq!(months, [json!({"month": 3})]);
        place.ok(&["remote", "rm", "backup"]);
        place.fails(3, &["pull", "backup"]);
    });
}

#[test]
fn a_store_and_a_server_may_work_on_the_same_frames() {
    let server = Place::server();
    server.ok(&["put", &data("airlines.csv"), "--quiet"]);
    let store = server.path("store");
    let mut command = crate::place::command();
    let path = server.path("more.csv");
    std::fs::write(&path, "carrier,name\nZZ,Zeppelin\n").unwrap();
    let put = [
        "--store", &store, "put", &path, "--name", "airlines", "--mode", "append", "--quiet",
    ];
    assert!(command.args(put).status().unwrap().success());
    assert_eq!(server.json(&["get", "airlines"]).len(), 17);
}

#[test]
fn a_store_is_left_with_the_hint_where_its_log_ends() {
    let place = Place::store();
    for _ in 0..3 {
        place.ok(&["put", &data("airlines.csv"), "--mode", "replace", "--quiet"]);
        let log = place.folder().join("store/_default/airlines/log");
        let hint = std::fs::read_to_string(log.join("latest")).unwrap();
        let entries = std::fs::read_dir(&log).unwrap();
        let ends = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let entries = entries
            .map(ends)
            .filter(|name| name.to_str().unwrap().ends_with(".jsonl"));
        assert_eq!(hint.trim().parse::<usize>().unwrap(), entries.count());
    }
}
