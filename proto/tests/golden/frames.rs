//! The actions on frames, their columns and their rows.

use serde_json::json;
use shoots_proto::action::{
    ALTER, AlterRequest, AlterResult, COPY, Column, ColumnType, CopyRequest, DELETE, DELETE_ROWS,
    DESCRIBE, DeleteRequest, DeleteResult, DeleteRowsRequest, DeleteRowsResult, DescribeRequest,
    FILES, FileRecord, FilesRequest, FilesResult, FrameDescription, NewColumn, NewFrame, RENAME,
    RenameRequest, Retention, TrackedFrame, UNDELETE, UndeleteRequest, VersionRange,
};
use shoots_proto::{AsOf, BucketName, Closed, FrameId};

use crate::{
    metadata, name, nyc, nyc_prices, prices, reads_as, refuses, request, result, round_trips, time,
};

fn note_of_a_correction() -> (Option<String>, Option<String>) {
    (Some("bad feed".to_owned()), Some("ada".to_owned()))
}

#[test]
fn delete() {
    let (message, author) = note_of_a_correction();
    round_trips("delete_request.json", &DeleteRequest::new(nyc_prices()));
    round_trips(
        "delete_request.note.json",
        &DeleteRequest {
            message,
            author,
            metadata: metadata(),
            ..DeleteRequest::new(nyc_prices())
        },
    );
    refuses::<DeleteRequest>(
        DELETE,
        "delete_request.newer.json",
        "delete: purge: unknown field, expected one of `name`, `bucket`, `message`, `author`, \
         `metadata`",
    );
    reads_as(
        "delete_request.python.json",
        &DeleteRequest::new(FrameId::new(None, name("a"))),
    );
    result(
        DELETE,
        &DeleteResult {
            success: true,
            message: "deleted prices".to_owned(),
        },
    );
}

#[test]
fn undelete() {
    let (message, author) = note_of_a_correction();
    request(
        UNDELETE,
        &UndeleteRequest {
            message,
            author,
            metadata: metadata(),
            ..UndeleteRequest::new(nyc_prices())
        },
        &UndeleteRequest::new(prices()),
        "expected one of `name`, `bucket`, `message`, `author`, `metadata`",
    );
    result(UNDELETE, &crate::history::commit_result());
}

#[test]
fn rename() {
    let (message, author) = note_of_a_correction();
    let elsewhere = FrameId::new(BucketName::parse("old").ok(), name("rates"));
    request(
        RENAME,
        &RenameRequest {
            message,
            author,
            metadata: metadata(),
            ..RenameRequest::new(nyc_prices(), elsewhere)
        },
        &RenameRequest::new(prices(), FrameId::new(None, name("rates"))),
        "expected one of `name`, `bucket`, `new_name`, `new_bucket`, `message`, `author`, \
         `metadata`",
    );
    round_trips(
        "rename_request.default_bucket.json",
        &RenameRequest::new(nyc_prices(), prices()),
    );
    result(RENAME, &new_frame());
}

fn new_frame() -> NewFrame {
    NewFrame {
        name: name("rates"),
        bucket: Some(nyc()),
        version: 1,
        commit: "9f86".to_owned(),
        rows: 100,
    }
}

#[test]
fn copy() {
    let (message, author) = note_of_a_correction();
    let target = FrameId::new(BucketName::parse("old").ok(), name("rates"));
    request(
        COPY,
        &CopyRequest {
            as_of: Some(AsOf::Version(-2)),
            message,
            author,
            metadata: metadata(),
            ..CopyRequest::new(nyc_prices(), target)
        },
        &CopyRequest::new(prices(), FrameId::new(None, name("rates"))),
        "expected one of `name`, `bucket`, `new_name`, `new_bucket`, `as_of`, `message`, \
         `author`, `metadata`",
    );
    round_trips(
        "copy_request.default_bucket.json",
        &CopyRequest::new(nyc_prices(), prices()),
    );
    result(COPY, &new_frame());
}

fn column(name: &str, r#type: &str, nullable: bool) -> Column {
    Column {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
        nullable,
    }
}

#[test]
fn describe() {
    request(
        DESCRIBE,
        &DescribeRequest {
            name: name("prices"),
            bucket: Some(nyc()),
            as_of: Some(AsOf::Short("eod".to_owned())),
        },
        &DescribeRequest {
            name: name("prices"),
            bucket: None,
            as_of: None,
        },
        "expected one of `name`, `bucket`, `as_of`",
    );
    let plain_file = FrameDescription {
        name: name("prices"),
        bucket: None,
        version: None,
        commit: None,
        published: None,
        created: None,
        operation: None,
        message: None,
        author: None,
        metadata: None,
        rows: 100,
        bytes: 2048,
        segments: 1,
        overlapping_segments: 0,
        hidden_rows: 0,
        index: Vec::new(),
        index_min: None,
        index_max: None,
        columns: vec![column("price", "Float64", true)],
        versions: None,
        tags: Vec::new(),
        retention: Retention::default(),
        remotes: Vec::new(),
    };
    let (message, author) = note_of_a_correction();
    let day = ColumnType {
        name: "day".to_owned(),
        r#type: "Date32".to_owned(),
    };
    result(
        DESCRIBE,
        &FrameDescription {
            bucket: Some(nyc()),
            version: Some(3),
            commit: Some("9f86".to_owned()),
            published: Some(time("2024-01-31T09:30:00.000000001")),
            created: Some(time("2024-01-30")),
            operation: Some("append".to_owned()),
            message,
            author,
            metadata: metadata(),
            segments: 4,
            overlapping_segments: 2,
            hidden_rows: 7,
            index: vec![day],
            index_min: Some(vec![json!("2024-01-01")]),
            index_max: Some(vec![json!("2024-01-31")]),
            columns: vec![
                column("day", "Date32", false),
                column("price", "Float64", true),
            ],
            versions: Some(VersionRange {
                first: 1,
                last: 3,
                count: 2,
            }),
            tags: vec!["eod".to_owned()],
            retention: Retention {
                keep_versions: Some(10),
                keep_seconds: Some(86_400),
                keep_tagged: true,
            },
            ..plain_file.clone()
        },
    );
    round_trips("describe_result.plain_file.json", &plain_file);
    let tracked = TrackedFrame {
        name: name("prices"),
        bucket: None,
        remote: "origin".to_owned(),
        remote_name: name("prices"),
        remote_bucket: None,
        ahead: 2,
        behind: 1,
        commit: "0f".repeat(32),
        seen: time("2024-01-31T09:30:00Z"),
    };
    let remotes = vec![tracked];
    round_trips(
        "describe_result.tracked.json",
        &FrameDescription {
            remotes,
            ..plain_file
        },
    );
}

#[test]
fn files() {
    request(
        FILES,
        &FilesRequest {
            name: name("prices"),
            bucket: Some(nyc()),
            as_of: Some(AsOf::Version(2)),
        },
        &FilesRequest {
            name: name("prices"),
            bucket: None,
            as_of: None,
        },
        "expected one of `name`, `bucket`, `as_of`",
    );
    let file = FileRecord {
        path: "nyc/prices/segments/c0fe.parquet".to_owned(),
        rows: 93,
        hidden_rows: 7,
        bytes: 2048,
        hash: Some("9f86".to_owned()),
        min: Some(vec![json!("2024-01-01"), json!(-5)]),
        max: Some(vec![json!("2024-01-31"), json!(u64::MAX)]),
    };
    result(FILES, &FilesResult { files: vec![file] });
}

#[test]
fn alter() {
    let (message, author) = note_of_a_correction();
    let pair = |column: &str, value: &str| [(column.to_owned(), value.to_owned())].into();
    request(
        ALTER,
        &AlterRequest {
            add: vec![NewColumn {
                name: "volume".to_owned(),
                r#type: "UInt64".to_owned(),
                nullable: false,
            }],
            drop: vec!["note".to_owned()],
            rename: pair("px", "price"),
            widen: pair("size", "Int64"),
            request_id: Some("7f3a".to_owned()),
            message,
            author,
            metadata: metadata(),
            ..AlterRequest::new(nyc_prices())
        },
        &AlterRequest {
            drop: vec!["note".to_owned()],
            ..AlterRequest::new(prices())
        },
        "expected one of `name`, `bucket`, `add`, `drop`, `rename`, `widen`, `request_id`, \
         `message`, `author`, `metadata`",
    );
    result(
        ALTER,
        &AlterResult {
            version: 4,
            commit: "9f86".to_owned(),
            rows: 100,
            columns: vec![column("price", "Float64", true)],
        },
    );
}

#[test]
fn delete_rows() {
    let (message, author) = note_of_a_correction();
    request(
        DELETE_ROWS,
        &DeleteRowsRequest {
            start: Some("2024-01-31".into()),
            stop: Some("2024-02-01".into()),
            closed: Some(Closed::Right),
            predicate: Some("price < 0".to_owned()),
            request_id: Some("7f3a".to_owned()),
            message,
            author,
            metadata: metadata(),
            ..DeleteRowsRequest::new(nyc_prices())
        },
        &DeleteRowsRequest {
            stop: Some(1.into()),
            ..DeleteRowsRequest::new(prices())
        },
        "expected one of `name`, `bucket`, `start`, `stop`, `closed`, `where`, `request_id`, \
         `message`, `author`, `metadata`",
    );
    let deleted = DeleteRowsResult {
        version: Some(4),
        commit: Some("9f86".to_owned()),
        rows_removed: 12,
    };
    result(DELETE_ROWS, &deleted);
    round_trips(
        "delete_rows_result.nothing.json",
        &DeleteRowsResult {
            version: None,
            commit: None,
            rows_removed: 0,
        },
    );
}
