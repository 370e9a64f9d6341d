//! The bytes of every message, frozen in this folder.
//!
//! `<message>.json` is what this version writes, and reading it and writing it again gives the same
//! bytes; so does `<message>.<case>.json` for other shapes of it. `<message>.python*.json` is what
//! the Python client 0.1.1 sends. `<message>.newer.json` has a field that this version does not
//! know: refused in a request, ignored in a result.
//!
//! A golden file changes only together with the contract, never to make a test pass.

#![expect(
    clippy::unwrap_used,
    reason = "shared code of tests may panic like the tests themselves"
)]

mod combine;
mod frames;
mod history;
mod messages;
mod resample;
mod server;
mod sync;
mod upkeep;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use shoots_proto::action::ACTIONS;
use shoots_proto::as_of::parse_time;
use shoots_proto::{BucketName, FrameId, FrameName, Time, decode, encode};

/// The sources that say which golden files are checked.
const SOURCES: [&str; 8] = [
    include_str!("combine.rs"),
    include_str!("frames.rs"),
    include_str!("history.rs"),
    include_str!("messages.rs"),
    include_str!("resample.rs"),
    include_str!("server.rs"),
    include_str!("sync.rs"),
    include_str!("upkeep.rs"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The bytes of a golden file, without the line break that ends it.
fn golden(file: &str) -> Vec<u8> {
    let mut bytes = fs::read(folder().join(file)).unwrap();
    assert_eq!(bytes.pop(), Some(b'\n'), "{file}");
    bytes
}

fn reads_as<T: DeserializeOwned + PartialEq + Debug>(file: &str, expected: &T) {
    let read: T = decode("message", &golden(file)).unwrap();
    assert_eq!(&read, expected, "{file}");
}

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(file: &str, expected: &T) {
    reads_as(file, expected);
    let written = String::from_utf8(encode(expected).unwrap()).unwrap();
    assert_eq!(written.as_bytes(), golden(file), "{file}: {written}");
}

fn refuses<T: DeserializeOwned + Debug>(what: &str, file: &str, expected: &str) {
    let error = decode::<T>(what, &golden(file)).unwrap_err();
    assert_eq!(error.to_string(), expected, "{file}");
}

fn name(text: &str) -> FrameName {
    FrameName::parse(text).unwrap()
}

fn nyc() -> BucketName {
    BucketName::parse("nyc").unwrap()
}

/// Checks the three files of an action's request: all fields, only those that it needs, and one
/// that is unknown, for which the `expected` ones are named.
fn request<T>(action: &str, full: &T, minimal: &T, expected: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    round_trips(&format!("{action}_request.json"), full);
    round_trips(&format!("{action}_request.minimal.json"), minimal);
    let newer = format!("{action}_request.newer.json");
    let problem = format!("{action}: colour: unknown field, {expected}");
    refuses::<T>(action, &newer, &problem);
}

/// Checks the two files of an action's result: all fields, and one more.
fn result<T>(action: &str, full: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    round_trips(&format!("{action}_result.json"), full);
    reads_as(&format!("{action}_result.newer.json"), full);
}

fn prices() -> FrameId {
    FrameId::new(None, name("prices"))
}

fn nyc_prices() -> FrameId {
    FrameId::new(Some(nyc()), name("prices"))
}

fn time(text: &str) -> Time {
    Time(parse_time(text).unwrap())
}

fn metadata() -> Option<Map<String, Value>> {
    json!({"source": "feed", "tries": 2}).as_object().cloned()
}

/// Golden files are named in the sources, by themselves or by the action they belong to.
#[test]
fn no_golden_file_lies_unchecked() {
    let sources: String = SOURCES
        .concat()
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let of_action = |file: &str| {
        ["request", "result"].iter().any(|message| {
            let action = file.split_once(&format!("_{message}."));
            action.is_some_and(|(action, _)| {
                let call = format!("{message}({},", action.to_uppercase());
                sources.contains(&call)
            })
        })
    };
    let unchecked: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| !file.ends_with(".rs"))
        .filter(|file| !sources.contains(&format!("\"{file}\"")) && !of_action(file))
        .collect();
    assert_eq!(unchecked, BTreeSet::new());
}

#[test]
fn every_action_has_a_frozen_request_and_result() {
    // These answer with bytes, or with what only the store can read.
    let opaque = ["sync_head", "sync_history", "sync_list", "sync_read"];
    for action in ACTIONS.iter().filter(|action| action.name != "ping") {
        let messages = if opaque.contains(&action.name) {
            &["request"][..]
        } else {
            &["request", "result"]
        };
        for message in messages {
            let file = format!("{}_{message}.json", action.name);
            assert!(folder().join(&file).exists(), "{file}");
        }
    }
}
