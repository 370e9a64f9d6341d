//! The command line: which settings apply, what is printed, and how the log looks.

use std::process::Command;

use serde_json::Value;
use shoots_client::PutMode;
use tempfile::NamedTempFile;

use crate::rows::{put, rows};
use crate::server::{Server, binary, fresh_folder, run, until};

#[tokio::test]
async fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "host = \"file\"\nport = 1\nbucket_dir = \"/file\"\nquery_seconds = 5\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let printed = async |command: &mut Command| {
        let (status, out, log) = run(command.arg("--print-config")).await;
        assert_eq!((status, log.as_str()), (Some(0), ""));
        let lines = out.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let defaults = printed(&mut binary()).await;
    for line in [
        "host = \"localhost\"",
        "port = 8081",
        "bucket_dir = \"./buckets\"",
        "log_format = \"text\"",
    ] {
        assert!(
            defaults.iter().any(|found| found == line),
            "{line}: {defaults:?}"
        );
    }
    let mut command = binary();
    command
        .env("SHOOTS_PORT", "2")
        .env("SHOOTS_BUCKET_DIR", "/environment");
    command.args(["--config", path, "--bucket_dir", "/flag"]);
    let settled = printed(&mut command).await;
    let changed: Vec<&String> = settled
        .iter()
        .filter(|line| !defaults.contains(line))
        .collect();
    let expected = [
        "host = \"file\"",
        "port = 2",
        "bucket_dir = \"/flag\"",
        "query_seconds = 5",
    ];
    assert_eq!(changed, expected);
    let named = printed(binary().env("SHOOTS_CONFIG", path)).await;
    assert!(named.contains(&"port = 1".to_owned()), "{named:?}");

    std::fs::write(file.path(), "prot = 1\n").unwrap();
    let (status, out, log) = run(binary().args(["--config", path, "--print-config"])).await;
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(log.contains(path) && log.contains("prot"), "{log}");
}

#[tokio::test]
async fn settings_that_are_printed_start_a_server() {
    let folder = fresh_folder();
    let file = NamedTempFile::new().unwrap();
    let mut command = binary();
    command
        .arg("--print-config")
        .args(["--max-message-bytes", "123456"]);
    let (_, printed, _) = run(&mut command).await;
    std::fs::write(file.path(), printed).unwrap();
    let server = Server::on(&folder, &["--config", file.path().to_str().unwrap()]).await;
    server.client().await.ping().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn version_and_help_are_said_on_standard_output() {
    let (status, out, log) = run(binary().arg("--version")).await;
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert_eq!(
        out.trim_end(),
        format!("shoots-server {}", env!("CARGO_PKG_VERSION"))
    );
    let (status, out, _) = run(binary().arg("--help")).await;
    assert_eq!(status, Some(0));
    for flag in [
        "--host",
        "--port",
        "--bucket-dir",
        "--config",
        "--read-only",
        "SHOOTS_PORT",
    ] {
        assert!(out.contains(flag), "{flag}: {out}");
    }
}

#[tokio::test]
async fn the_log_is_for_people_or_for_programs() {
    for (format, level, is_json) in [("json", "debug", true), ("text", "debug", false)] {
        let mut server = Server::with(&["--log-format", format, "--log-level", level]).await;
        let client = server.client().await;
        put(&client, "a", PutMode::Error, rows(0..3)).await;
        server.process().signal("TERM");
        until("it has ended", async || !server.process().is_running()).await;
        let log = server.process().log();
        assert!(
            log.lines()
                .any(|line| line.contains("put") && line.contains('a')),
            "{log}"
        );
        for line in log.lines() {
            assert_eq!(
                serde_json::from_str::<Value>(line).is_ok(),
                is_json,
                "{line}"
            );
        }
        server.ended().await;
    }
    let mut server = Server::with(&["--log-level", "error"]).await;
    server.client().await.ping().await.unwrap();
    server.process().signal("TERM");
    until("it has ended", async || !server.process().is_running()).await;
    assert_eq!(server.process().log(), "");
    server.ended().await;
}
