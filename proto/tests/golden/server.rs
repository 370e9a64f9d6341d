//! The actions on buckets and on the server.

use shoots_proto::action::{
    BUCKETS, BucketsRequest, BucketsResult, CANCEL, CancelRequest, CancelResult, DELETE_BUCKET,
    DeleteBucketRequest, DeleteBucketResult, SHUTDOWN, ShutdownRequest, ShutdownResult,
};
use shoots_proto::{BucketDeleteMode, BucketName};

use crate::{nyc, reads_as, refuses, result, round_trips};

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
fn cancel() {
    let request = CancelRequest {
        call: "9f86d081884c7d659a2feaa0c55ad015".parse().unwrap(),
    };
    round_trips("cancel_request.json", &request);
    refuses::<CancelRequest>(
        CANCEL,
        "cancel_request.newer.json",
        "cancel: colour: unknown field, expected `call`",
    );
    result(CANCEL, &CancelResult { cancelled: true });
}
