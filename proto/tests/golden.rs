//! The bytes of every message, frozen in `golden/`.
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

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use shoots_proto::action::{
    BUCKETS, BucketsRequest, BucketsResult, DELETE, DELETE_BUCKET, DeleteBucketRequest,
    DeleteBucketResult, DeleteRequest, DeleteResult, SHUTDOWN, ShutdownRequest, ShutdownResult,
};
use shoots_proto::as_of::parse_time;
use shoots_proto::{
    AsOf, BucketDeleteMode, BucketName, ErrorBody, ErrorKind, FrameName, FrameSummary, GetTicket,
    ListCriteria, PutCommand, PutMode, PutResult, decode, encode,
};

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

#[test]
fn put_command() {
    let metadata = json!({"source": "feed", "tries": 2});
    round_trips(
        "put_command.json",
        &PutCommand {
            name: name("prices"),
            bucket: Some(nyc()),
            mode: PutMode::Append,
            batch_size: Some(5000),
            message: Some("end of day".to_owned()),
            metadata: metadata.as_object().cloned(),
            request_id: Some("7f3a".to_owned()),
        },
    );
    round_trips("put_command.minimal.json", &PutCommand::new(name("prices")));
    reads_as(
        "put_command.python.json",
        &PutCommand {
            batch_size: Some(5000),
            ..PutCommand::new(name("a"))
        },
    );
    refuses::<PutCommand>(
        "put command",
        "put_command.newer.json",
        "put command: partition: unknown field, expected one of `name`, `bucket`, `mode`, \
         `batch_size`, `message`, `metadata`, `request_id`",
    );
}

#[test]
fn put_result() {
    let result = PutResult {
        version: 3,
        commit: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        rows: 100,
        bytes: 2048,
    };
    round_trips("put_result.json", &result);
    reads_as(
        "put_result.newer.json",
        &PutResult {
            commit: "9f86".to_owned(),
            ..result
        },
    );
}

#[test]
fn get_ticket() {
    round_trips(
        "get_ticket.json",
        &GetTicket {
            name: name("prices"),
            bucket: Some(nyc()),
            sql: Some("select * from prices".to_owned()),
            columns: Some(vec!["time".to_owned(), "price".to_owned()]),
            limit: Some(10),
            offset: Some(5),
            as_of: Some(AsOf::Time(
                parse_time("2024-01-31T09:30:00.123456789").unwrap(),
            )),
        },
    );
    round_trips("get_ticket.minimal.json", &GetTicket::new(name("prices")));
    reads_as("get_ticket.python.json", &GetTicket::new(name("a")));
    reads_as(
        "get_ticket.python_sql.json",
        &GetTicket {
            bucket: Some(BucketName::parse("b").unwrap()),
            sql: Some(r#"select "x" from a where y > 1"#.to_owned()),
            ..GetTicket::new(name("a"))
        },
    );
    refuses::<GetTicket>(
        "ticket",
        "get_ticket.newer.json",
        "ticket: sample: unknown field, expected one of `name`, `bucket`, `sql`, `columns`, \
         `limit`, `offset`, `as_of`",
    );
}

#[test]
fn list_criteria() {
    round_trips(
        "list_criteria.json",
        &ListCriteria {
            regex: Some("^p".to_owned()),
            ..ListCriteria::bucket(Some(nyc()))
        },
    );
    round_trips(
        "list_criteria.all_buckets.json",
        &ListCriteria {
            regex: Some("^p".to_owned()),
            ..ListCriteria::everything()
        },
    );
    reads_as("list_criteria.python.json", &ListCriteria::bucket(None));
    refuses::<ListCriteria>(
        "criteria",
        "list_criteria.newer.json",
        "criteria: tag: unknown field, expected one of `bucket`, `regex`, `all_buckets`",
    );
}

#[test]
fn frame_summary() {
    let summary = FrameSummary {
        version: Some(3),
        commit: Some("9f86".to_owned()),
        rows: 100,
        bytes: 2048,
        segments: 2,
    };
    round_trips("frame_summary.json", &summary);
    reads_as("frame_summary.newer.json", &summary);
    round_trips(
        "frame_summary.plain_file.json",
        &FrameSummary {
            version: None,
            commit: None,
            segments: 1,
            ..summary
        },
    );
}

#[test]
fn delete() {
    round_trips(
        "delete_request.json",
        &DeleteRequest {
            name: name("prices"),
            bucket: Some(nyc()),
        },
    );
    reads_as(
        "delete_request.python.json",
        &DeleteRequest {
            name: name("a"),
            bucket: None,
        },
    );
    refuses::<DeleteRequest>(
        DELETE,
        "delete_request.newer.json",
        "delete: purge: unknown field, expected `name` or `bucket`",
    );
    let result = DeleteResult {
        success: true,
        message: "deleted prices".to_owned(),
    };
    round_trips("delete_result.json", &result);
    reads_as("delete_result.newer.json", &result);
}

#[test]
fn delete_bucket() {
    let request = |mode| DeleteBucketRequest { name: nyc(), mode };
    round_trips(
        "delete_bucket_request.json",
        &request(BucketDeleteMode::Delete),
    );
    reads_as(
        "delete_bucket_request.python.json",
        &request(BucketDeleteMode::Error),
    );
    refuses::<DeleteBucketRequest>(
        DELETE_BUCKET,
        "delete_bucket_request.newer.json",
        "delete_bucket: after: unknown field, expected `name` or `mode`",
    );
    let result = DeleteBucketResult {
        message: "bucket nyc deleted".to_owned(),
    };
    round_trips("delete_bucket_result.json", &result);
    reads_as("delete_bucket_result.newer.json", &result);
}

#[test]
fn buckets() {
    round_trips("buckets_request.json", &BucketsRequest {});
    refuses::<BucketsRequest>(
        BUCKETS,
        "buckets_request.newer.json",
        "buckets: regex: unknown field, there are no fields",
    );
    let names: BucketsResult = vec![BucketName::parse("market data").unwrap(), nyc()];
    round_trips("buckets_result.json", &names);
}

#[test]
fn shutdown() {
    round_trips("shutdown_request.json", &ShutdownRequest {});
    refuses::<ShutdownRequest>(
        SHUTDOWN,
        "shutdown_request.newer.json",
        "shutdown: within_seconds: unknown field, there are no fields",
    );
    round_trips("shutdown_result.json", &ShutdownResult::received());
}

#[test]
fn error_body() {
    let bytes = golden("error_body.json");
    let body = ErrorBody::new(
        ErrorKind::FileNotFoundError,
        "no frame `prices` in bucket `nyc`",
    );
    assert_eq!(ErrorBody::from_json(&bytes), Some(body.clone()));
    assert_eq!(body.to_json_within(4000).as_bytes(), bytes);
    assert_eq!(encode(&body).unwrap(), bytes);
    assert_eq!(
        ErrorBody::from_json(&golden("error_body.newer.json")),
        Some(ErrorBody::new(
            ErrorKind::InternalError,
            "QuotaError: bucket nyc is full"
        ))
    );
}

#[test]
fn error_kinds() {
    assert_eq!(encode(&ErrorKind::ALL).unwrap(), golden("error_kinds.json"));
}

/// Golden files are named in this file's source, so the source tells which are checked.
#[test]
fn no_golden_file_lies_unchecked() {
    let checks = include_str!("golden.rs");
    let unchecked: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| !checks.contains(&format!("\"{file}\"")))
        .collect();
    assert_eq!(unchecked, BTreeSet::new());
}
