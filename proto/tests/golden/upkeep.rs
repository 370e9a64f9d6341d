//! The actions that look after a store.

use shoots_proto::AsOf;
use shoots_proto::action::{
    BucketUsage, COMPACT, CONTINUOUS, CompactRequest, CompactResult, CompactedFrame,
    ContinuousRequest, ContinuousResult, EXPIRE, ExpireRequest, ExpireResult, ExpiredFrame, FORGET,
    FaultyObject, FollowingFrame, ForgetRequest, PURGE, PurgeRequest, PurgeResult, RETENTION,
    Retention, RetentionRequest, RetentionResult, SWEEP, SweepRequest, SweepResult, USAGE,
    UnreferencedObject, UsageRequest, UsageResult, VERIFY, VerifyRequest, VerifyResult,
};

use crate::{name, nyc, request, result, round_trips};

#[test]
fn compact() {
    request(
        COMPACT,
        &CompactRequest {
            name: Some(name("prices")),
            bucket: Some(nyc()),
            dry_run: true,
        },
        &CompactRequest::default(),
        "expected one of `name`, `bucket`, `dry_run`",
    );
    let frame = CompactedFrame {
        name: name("prices"),
        bucket: Some(nyc()),
        segments_before: 40,
        segments_after: 2,
        bytes_read: 4096,
        bytes_written: Some(2048),
        rows_dropped: 7,
        reason: "38 small segments".to_owned(),
        version: Some(4),
        commit: Some("9f86".to_owned()),
    };
    let planned = CompactedFrame {
        bytes_written: None,
        version: None,
        commit: None,
        ..frame.clone()
    };
    let compacted = |frame, dry_run| CompactResult {
        frames: vec![frame],
        dry_run,
    };
    result(COMPACT, &compacted(frame, false));
    round_trips("compact_result.dry_run.json", &compacted(planned, true));
}

#[test]
fn continuous() {
    request(
        CONTINUOUS,
        &ContinuousRequest {
            name: Some(name("bars")),
            bucket: Some(nyc()),
            stop: true,
        },
        &ContinuousRequest::default(),
        "expected one of `name`, `bucket`, `stop`",
    );
    let frame = FollowingFrame {
        name: name("bars"),
        bucket: Some(nyc()),
        source: name("trades"),
        source_bucket: Some(nyc()),
        rule: "5min".to_owned(),
        source_version: 7,
        newest_version: Some(9),
        problem: Some("busy".to_owned()),
    };
    let frames = vec![frame];
    result(CONTINUOUS, &ContinuousResult { frames });
}

#[test]
fn retention() {
    let rules = Retention {
        keep_versions: Some(10),
        keep_seconds: Some(86_400),
        keep_tagged: false,
    };
    let about_prices = RetentionRequest {
        name: Some(name("prices")),
        bucket: Some(nyc()),
        set: Some(Some(rules)),
    };
    request(
        RETENTION,
        &about_prices,
        &RetentionRequest::default(),
        "expected one of `name`, `bucket`, `set`",
    );
    round_trips(
        "retention_request.unset.json",
        &RetentionRequest {
            set: Some(None),
            ..about_prices
        },
    );
    result(
        RETENTION,
        &RetentionResult {
            own: Some(rules),
            effective: rules,
        },
    );
    round_trips(
        "retention_result.default.json",
        &RetentionResult {
            own: None,
            effective: Retention::default(),
        },
    );
}

fn expired(version: Option<u64>) -> ExpireResult {
    let frame = ExpiredFrame {
        name: name("prices"),
        bucket: Some(nyc()),
        versions_expired: 12,
        segments: 30,
        bytes: 4096,
        still_needed_segments: 5,
        still_needed_bytes: 640,
        version,
        commit: version.map(|_| "9f86".to_owned()),
    };
    ExpireResult {
        frames: vec![frame],
        dry_run: version.is_none(),
    }
}

#[test]
fn expire() {
    request(
        EXPIRE,
        &ExpireRequest {
            name: Some(name("prices")),
            bucket: Some(nyc()),
            dry_run: true,
        },
        &ExpireRequest::default(),
        "expected one of `name`, `bucket`, `dry_run`",
    );
    result(EXPIRE, &expired(Some(4)));
    round_trips("expire_result.dry_run.json", &expired(None));
}

#[test]
fn forget() {
    let forget = |bucket, versions, dry_run| ForgetRequest {
        name: name("prices"),
        bucket,
        versions,
        dry_run,
    };
    request(
        FORGET,
        &forget(
            Some(nyc()),
            vec![AsOf::Version(3), AsOf::Commit("9f86".to_owned())],
            true,
        ),
        &forget(None, vec![AsOf::Version(3)], false),
        "expected one of `name`, `bucket`, `versions`, `dry_run`",
    );
    result(FORGET, &expired(Some(4)));
}

#[test]
fn sweep() {
    request(
        SWEEP,
        &SweepRequest {
            name: Some(name("prices")),
            bucket: Some(nyc()),
            dry_run: true,
        },
        &SweepRequest::default(),
        "expected one of `name`, `bucket`, `dry_run`",
    );
    result(
        SWEEP,
        &SweepResult {
            objects: 30,
            bytes: 4096,
            waiting_objects: 2,
            waiting_bytes: 512,
            in_use_objects: 3,
            in_use_bytes: 768,
            dry_run: false,
        },
    );
}

#[test]
fn purge() {
    let purge = |bucket, dry_run| PurgeRequest {
        name: name("prices"),
        bucket,
        dry_run,
    };
    request(
        PURGE,
        &purge(Some(nyc()), true),
        &purge(None, false),
        "expected one of `name`, `bucket`, `dry_run`",
    );
    result(
        PURGE,
        &PurgeResult {
            objects: 30,
            bytes: 4096,
            dry_run: true,
        },
    );
}

#[test]
fn verify() {
    request(
        VERIFY,
        &VerifyRequest {
            name: Some(name("prices")),
            bucket: Some(nyc()),
            all_buckets: false,
            sample: Some(0.25),
        },
        &VerifyRequest::default(),
        "expected one of `name`, `bucket`, `all_buckets`, `sample`",
    );
    round_trips(
        "verify_request.all_buckets.json",
        &VerifyRequest {
            all_buckets: true,
            ..VerifyRequest::default()
        },
    );
    let faulty = |object: &str, problem: &str| FaultyObject {
        object: object.to_owned(),
        problem: problem.to_owned(),
    };
    result(
        VERIFY,
        &VerifyResult {
            frames: 1,
            objects: 42,
            bytes: 4096,
            missing: vec![faulty("nyc/prices/segments/c0fe.parquet", "is not there")],
            damaged: vec![faulty(
                "nyc/prices/segments/9bdb.parquet",
                "has another hash",
            )],
            unreferenced: vec![UnreferencedObject {
                object: "nyc/prices/segments/e89a.parquet".to_owned(),
                bytes: 512,
            }],
            ok: false,
        },
    );
}

#[test]
fn usage() {
    request(
        USAGE,
        &UsageRequest {
            bucket: Some(nyc()),
            all_buckets: false,
        },
        &UsageRequest::default(),
        "expected `bucket` or `all_buckets`",
    );
    round_trips(
        "usage_request.all_buckets.json",
        &UsageRequest {
            bucket: None,
            all_buckets: true,
        },
    );
    let bucket = |bucket| BucketUsage {
        bucket,
        frames: 2,
        rows: 200,
        live_bytes: 4096,
        stored_bytes: 8192,
        objects: 42,
    };
    result(
        USAGE,
        &UsageResult {
            buckets: vec![bucket(None), bucket(Some(nyc()))],
            free_bytes: Some(1 << 40),
            low_space_bytes: Some(1 << 30),
        },
    );
}
