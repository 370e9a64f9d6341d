//! The actions on what was: history, tags and snapshots.

use shoots_proto::action::{
    BroughtCommit, ColumnChange, ColumnRename, ColumnType, CommitRecord, CommitResult, DIFF,
    DROP_SNAPSHOT, DiffRequest, DropSnapshotRequest, DropSnapshotResult, FrameDiff, FrameVersion,
    LOG, LogRequest, LogResult, RESTORE, RestoreRequest, SNAPSHOT, SNAPSHOTS, SnapshotRecord,
    SnapshotRequest, SnapshotResult, SnapshotsRequest, SnapshotsResult, TAG, TAGS, TagRecord,
    TagRequest, TagResult, TagsRequest, TagsResult, UNTAG, UntagRequest, UntagResult,
    VersionSummary,
};
use shoots_proto::{AsOf, SnapshotName, TagName};

use crate::{metadata, name, nyc, nyc_prices, prices, refuses, request, result, round_trips, time};

pub(crate) fn commit_result() -> CommitResult {
    CommitResult {
        version: 4,
        commit: "9f86".to_owned(),
        rows: 100,
    }
}

#[test]
fn log() {
    request(
        LOG,
        &LogRequest {
            limit: Some(10),
            since: Some(AsOf::Version(7)),
            all: true,
            ..LogRequest::new(nyc_prices())
        },
        &LogRequest::new(prices()),
        "expected one of `name`, `bucket`, `limit`, `since`, `all`",
    );
    let first = CommitRecord {
        version: 1,
        commit: "3fa9".to_owned(),
        parents: Vec::new(),
        published: time("2024-01-30"),
        time: time("2024-01-30"),
        operation: "create".to_owned(),
        rows: 100,
        rows_added: 100,
        rows_removed: 0,
        author: None,
        message: None,
        metadata: None,
        tags: Vec::new(),
        expired: true,
        brings: Vec::new(),
    };
    let second = CommitRecord {
        version: 2,
        commit: "9f86".to_owned(),
        parents: vec![first.commit.clone()],
        published: time("2024-01-31T09:30:00.000000001"),
        time: time("2024-01-31T09:29:59.123456"),
        operation: "update".to_owned(),
        rows: 103,
        rows_added: 10,
        rows_removed: 7,
        author: Some("ada".to_owned()),
        message: Some("end of day".to_owned()),
        metadata: metadata(),
        tags: vec!["eod".to_owned()],
        expired: false,
        brings: vec![BroughtCommit {
            commit: "77aa".to_owned(),
            parents: vec!["3fa9".to_owned()],
            time: time("2024-01-31T09:29:58"),
            operation: "append".to_owned(),
            rows_added: 10,
            rows_removed: 0,
            author: Some("bob".to_owned()),
            message: None,
            metadata: None,
            expired: true,
        }],
    };
    result(
        LOG,
        &LogResult {
            commits: vec![second, first],
            more: false,
        },
    );
}

#[test]
fn diff() {
    let diff = |bucket, to| DiffRequest {
        name: name("prices"),
        bucket,
        from: AsOf::Version(-2),
        to,
    };
    request(
        DIFF,
        &diff(Some(nyc()), Some(AsOf::Tag("eod".to_owned()))),
        &diff(None, None),
        "expected one of `name`, `bucket`, `from`, `to`",
    );
    let summary = |version: u64, commit: &str, rows| VersionSummary {
        version: Some(version),
        commit: commit.to_owned(),
        published: Some(time("2024-01-31T09:30:00.5")),
        rows,
    };
    let column = |name: &str, r#type: &str| ColumnType {
        name: name.to_owned(),
        r#type: r#type.to_owned(),
    };
    result(
        DIFF,
        &FrameDiff {
            from: summary(1, "3fa9", 100),
            to: summary(2, "9f86", 103),
            rows_added: 10,
            rows_removed: 7,
            columns_added: vec![column("volume", "UInt64")],
            columns_dropped: vec![column("note", "Utf8")],
            columns_renamed: vec![ColumnRename {
                from: "px".to_owned(),
                to: "price".to_owned(),
            }],
            columns_changed: vec![ColumnChange {
                name: "size".to_owned(),
                from: "Int32".to_owned(),
                to: "Int64".to_owned(),
            }],
        },
    );
}

#[test]
fn restore() {
    request(
        RESTORE,
        &RestoreRequest {
            request_id: Some("7f3a".to_owned()),
            message: Some("bad feed".to_owned()),
            author: Some("ada".to_owned()),
            metadata: metadata(),
            ..RestoreRequest::new(nyc_prices(), AsOf::Tag("eod".to_owned()))
        },
        &RestoreRequest::new(prices(), AsOf::Version(-2)),
        "expected one of `name`, `bucket`, `as_of`, `request_id`, `message`, `author`, `metadata`",
    );
    result(RESTORE, &commit_result());
}

fn eod() -> TagName {
    TagName::parse("eod").unwrap()
}

#[test]
fn tag() {
    request(
        TAG,
        &TagRequest {
            as_of: Some(AsOf::Version(-2)),
            replace: true,
            message: Some("checked".to_owned()),
            author: Some("ada".to_owned()),
            metadata: metadata(),
            ..TagRequest::new(nyc_prices(), eod())
        },
        &TagRequest::new(prices(), eod()),
        "expected one of `name`, `bucket`, `tag`, `as_of`, `replace`, `message`, `author`, \
         `metadata`",
    );
    result(
        TAG,
        &TagResult {
            tag: "eod".to_owned(),
            version: 3,
            commit: "9f86".to_owned(),
        },
    );
}

#[test]
fn untag() {
    request(
        UNTAG,
        &UntagRequest {
            message: Some("wrong day".to_owned()),
            author: Some("ada".to_owned()),
            metadata: metadata(),
            ..UntagRequest::new(nyc_prices(), eod())
        },
        &UntagRequest::new(prices(), eod()),
        "expected one of `name`, `bucket`, `tag`, `message`, `author`, `metadata`",
    );
    result(
        UNTAG,
        &UntagResult {
            tag: "eod".to_owned(),
            version: 3,
        },
    );
}

#[test]
fn tags() {
    let tags = |bucket| TagsRequest {
        name: name("prices"),
        bucket,
    };
    request(
        TAGS,
        &tags(Some(nyc())),
        &tags(None),
        "expected `name` or `bucket`",
    );
    let tag = TagRecord {
        tag: "eod".to_owned(),
        version: 3,
        commit: "9f86".to_owned(),
        published: time("2024-01-31T09:30:00.000000001"),
    };
    result(TAGS, &TagsResult { tags: vec![tag] });
}

fn year_end() -> SnapshotName {
    SnapshotName::parse("year end").unwrap()
}

fn pinned() -> Vec<FrameVersion> {
    let frame = |bucket, version| FrameVersion {
        name: name("prices"),
        bucket,
        version,
        commit: "9f86".to_owned(),
    };
    vec![frame(None, 3), frame(Some(nyc()), 17)]
}

#[test]
fn snapshot() {
    request(
        SNAPSHOT,
        &SnapshotRequest {
            snapshot: year_end(),
            frames: vec![prices().into(), nyc_prices().into()],
            buckets: vec![Some(nyc()), None],
            message: Some("before the audit".to_owned()),
        },
        &SnapshotRequest {
            snapshot: year_end(),
            frames: vec![prices().into()],
            buckets: Vec::new(),
            message: None,
        },
        "expected one of `snapshot`, `frames`, `buckets`, `message`",
    );
    result(
        SNAPSHOT,
        &SnapshotResult {
            snapshot: "year end".to_owned(),
            frames: pinned(),
        },
    );
}

#[test]
fn snapshots() {
    round_trips("snapshots_request.json", &SnapshotsRequest {});
    refuses::<SnapshotsRequest>(
        SNAPSHOTS,
        "snapshots_request.newer.json",
        "snapshots: colour: unknown field, there are no fields",
    );
    let snapshot = SnapshotRecord {
        snapshot: "year end".to_owned(),
        created: time("2024-12-31T23:59:59.999999999"),
        message: Some("before the audit".to_owned()),
        frames: pinned(),
    };
    let snapshots = vec![snapshot];
    result(SNAPSHOTS, &SnapshotsResult { snapshots });
}

#[test]
fn drop_snapshot() {
    let dropped = DropSnapshotRequest {
        snapshot: year_end(),
    };
    request(DROP_SNAPSHOT, &dropped, &dropped, "expected `snapshot`");
    result(
        DROP_SNAPSHOT,
        &DropSnapshotResult {
            snapshot: "year end".to_owned(),
            frames: 2,
        },
    );
}
