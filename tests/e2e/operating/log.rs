//! One line for each call, with an id that its error carries.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use shoots_client::PutMode;

use crate::flight::broken::vanish;
use crate::peer::{Peer, told};
use crate::rows::{put, rows};
use crate::server::{Server, binary, fresh_folder, until};

/// The lines about calls, as JSON.
fn calls(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["target"] == "shoots_server::call::record")
        .collect()
}

#[tokio::test]
async fn every_call_is_one_line_and_an_error_leads_to_its_own() {
    let mut server = Server::with(&["--log-format", "json"]).await;
    let client = server.client().await;
    put(&client, "box/a", PutMode::Error, rows(0..5)).await;
    let mut peer = Peer::of(&server).await;
    peer.get(r#"{"name":"a","bucket":"box"}"#).await.unwrap();
    let status = peer.get(r#"{"name":"nothing"}"#).await.unwrap_err();
    let message = told(&status).message;
    let id = message.rsplit_once("(call ").unwrap().1;
    let id = id.strip_suffix(')').unwrap();
    assert!(status.message().ends_with(&format!("(call {id})")));
    peer.act("ping", "").await.unwrap();
    let mut lines = Vec::new();
    until("every call is in the log", async || {
        lines = calls(&server.process().log());
        lines.len() >= 4
    })
    .await;
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let span = |line: &Value, field: &str| line["span"][field].clone();
    for (line, (call, frame, word)) in lines.iter().zip([
        ("DoPut", "box/a", "answered"),
        ("DoGet", "box/a", "answered"),
        ("DoGet", "nothing", "refused"),
        ("DoAction", "", "answered"),
    ]) {
        assert_eq!(span(line, "call"), call, "{line}");
        assert_eq!(
            span(line, "frame").as_str().unwrap_or_default(),
            frame,
            "{line}"
        );
        let fields = &line["fields"];
        assert_eq!(fields["message"], word);
        assert!(fields["milliseconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(lines[0]["fields"]["received_rows"], 5);
    assert!(lines[0]["fields"]["received_bytes"].as_u64().unwrap() > 5);
    assert_eq!(lines[1]["fields"]["sent_rows"], 5);
    assert_eq!(span(&lines[2], "id"), id);
    assert_eq!(lines[2]["fields"]["kind"], "FileNotFoundError");
    assert_eq!(span(&lines[3], "action"), "ping");
    let ids: std::collections::BTreeSet<_> = lines
        .iter()
        .map(|line| span(line, "id").to_string())
        .collect();
    assert_eq!(ids.len(), 4);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_is_in_the_log_too() {
    let mut server = Server::with(&["--log-format", "json"]).await;
    let address = server.address().to_owned();
    vanish(move || async move {
        let mut peer = Peer::named(&address, "vanishing").await;
        // Nothing is polled any more when they are dropped, so nobody ends the stream.
        let _endless = crate::lifecycle::endless_put(&mut peer).await;
    })
    .await;
    until("the call is in the log", async || {
        let lines = calls(&server.process().log());
        lines.iter().any(|line| {
            let ended = &line["fields"]["message"];
            line["span"]["call"] == "DoPut"
                && (ended == "cancelled by its caller" || ended == "refused")
        })
    })
    .await;
    server.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_no_call_and_no_stop() {
    let (folder, place) = (fresh_folder(), fresh_folder());
    let pipe = place.path().join("log");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    // Opened to be read by nobody who reads.
    let _reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$@" 2> "$LOG""#]);
    command.arg(binary().get_program()).env("LOG", &pipe);
    let location = folder.path().to_str().unwrap();
    let server = Server::of(command, location, &folder, &["--log-format", "json"]).await;
    let mut peer = Peer::of(&server).await;
    // Several times what fits into a pipe.
    for _ in 0..2000 {
        let ping = peer.act("ping", "");
        let answered = tokio::time::timeout(Duration::from_secs(60), ping).await;
        answered.expect("a call waits for the log").unwrap();
    }
    server.stop().await;
}
