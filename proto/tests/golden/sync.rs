//! The actions that let histories travel, and what servers say to each other for it.

use shoots_proto::action::sync::peer::{PublishedFrame, WrittenObject};
use shoots_proto::action::{
    ADD_REMOTE, AddRemoteRequest, CLONE, CloneRequest, FETCH, Favour, FetchRequest, MERGE,
    MergeRequest, PULL, PUSH, PullRequest, PushRequest, REMOTES, REMOVE_REMOTE, RemoteRecord,
    RemoteResult, RemotesRequest, RemotesResult, RemoveRemoteRequest, SYNC_FRAMES, SYNC_HAVE,
    SyncAnswer, SyncFramesRequest, SyncFramesResult, SyncHaveRequest, SyncHaveResult,
    SyncHeadRequest, SyncHistoryRequest, SyncListRequest, SyncObject, SyncObjectKind, SyncOutcome,
    SyncProgress, SyncPublishCommand, SyncReadRequest, SyncResult, SyncWriteCommand,
    SyncWriteResult, SyncedFrame, TrackedFrame,
};
use shoots_proto::{Closed, ErrorBody, ErrorKind, Remote, RemoteName, RemoteUrl, SecretRef};

use crate::{name, nyc, nyc_prices, prices, refuses, request, result, round_trips, time};

fn origin() -> RemoteName {
    RemoteName::parse("origin").unwrap()
}

fn commit() -> String {
    "0f".repeat(32)
}

fn segment() -> SyncObject {
    SyncObject::new(SyncObjectKind::Segment, "0f0e")
}

/// What a transfer asks for at least: the whole default bucket.
macro_rules! everything_of {
    ($request:ident { $($field:ident: $value:expr),* }) => {
        $request {
            remote: origin(),
            name: None,
            bucket: None,
            regex: None,
            all_buckets: false,
            target: None,
            target_bucket: None,
            $($field: $value),*
        }
    };
}

const SELECTION: &str =
    "expected one of `remote`, `name`, `bucket`, `regex`, `all_buckets`, `target`, `target_bucket`";

#[test]
fn remotes() {
    let url = RemoteUrl::parse("grpc+tls://backup.example:8081").unwrap();
    let place = Remote {
        url,
        token: Some(SecretRef::Variable("BACKUP_TOKEN".to_owned())),
        ca: Some(SecretRef::File("/etc/ca.pem".to_owned())),
        certificate: Some(SecretRef::File("/etc/own.pem".to_owned())),
        key: Some(SecretRef::Variable("OWN_KEY".to_owned())),
        allow_insecure_token: true,
    };
    let bare = Remote::new(RemoteUrl::parse("s3://bucket/folder").unwrap());
    request(
        ADD_REMOTE,
        &AddRemoteRequest::new(origin(), place),
        &AddRemoteRequest::new(origin(), bare),
        "expected one of `remote`, `url`, `token`, `ca`, `certificate`, `key`, `allow_insecure_token`",
    );
    let added = RemoteResult {
        remote: origin(),
        url: "s3://bucket/folder".to_owned(),
    };
    result(ADD_REMOTE, &added);
    let removal = RemoveRemoteRequest { remote: origin() };
    request(REMOVE_REMOTE, &removal, &removal, "expected `remote`");
    result(REMOVE_REMOTE, &added);
    request(
        REMOTES,
        &RemotesRequest {
            remote: Some(origin()),
            frames: true,
            bucket: Some(nyc()),
        },
        &RemotesRequest::default(),
        "expected one of `remote`, `frames`, `bucket`",
    );
    let frame = TrackedFrame {
        name: name("prices"),
        bucket: Some(nyc()),
        remote: "origin".to_owned(),
        remote_name: name("rates"),
        remote_bucket: Some(nyc()),
        ahead: 2,
        behind: 1,
        commit: commit(),
        seen: time("2024-01-31T09:30:00Z"),
    };
    let remote = RemoteRecord {
        remote: origin(),
        url: "s3://bucket/folder".to_owned(),
        configured: true,
        has_token: true,
        frames: Some(vec![frame]),
    };
    let remotes = vec![remote];
    result(REMOTES, &RemotesResult { remotes });
}

#[test]
fn verbs() {
    let full = CloneRequest {
        name: Some(name("prices")),
        bucket: Some(nyc()),
        target: Some(name("rates")),
        target_bucket: Some(None),
        depth: Some(1),
        start: Some("2024-01-01".into()),
        stop: Some(5.into()),
        closed: Some(Closed::Both),
        ..everything_of!(CloneRequest {
            depth: None,
            start: None,
            stop: None,
            closed: None
        })
    };
    let minimal = everything_of!(CloneRequest {
        depth: None,
        start: None,
        stop: None,
        closed: None
    });
    let fields = format!("{SELECTION}, `depth`, `start`, `stop`, `closed`");
    request(CLONE, &full, &minimal, &fields);
    let full = FetchRequest {
        all_buckets: true,
        regex: Some("^p".to_owned()),
        unshallow: true,
        ..everything_of!(FetchRequest { unshallow: false })
    };
    let fields = format!("{SELECTION}, `unshallow`");
    let minimal = everything_of!(FetchRequest { unshallow: false });
    request(FETCH, &full, &minimal, &fields);
    let full = PullRequest {
        bucket: Some(nyc()),
        regex: Some("^p".to_owned()),
        target_bucket: Some(Some(nyc())),
        favour: Some(Favour::Theirs),
        ..everything_of!(PullRequest {
            merge: true,
            favour: None
        })
    };
    let minimal = everything_of!(PullRequest {
        merge: true,
        favour: None
    });
    request(
        PULL,
        &full,
        &minimal,
        &format!("{SELECTION}, `merge`, `favour`"),
    );
    let held = PullRequest {
        merge: false,
        ..minimal
    };
    round_trips("pull_request.held.json", &held);
    let full = PushRequest {
        name: Some(name("prices")),
        ..everything_of!(PushRequest {})
    };
    request(PUSH, &full, &everything_of!(PushRequest {}), SELECTION);
    let minimal = everything_of!(MergeRequest { favour: None });
    let full = MergeRequest {
        name: Some(name("prices")),
        bucket: Some(nyc()),
        favour: Some(Favour::Ours),
        ..minimal.clone()
    };
    request(MERGE, &full, &minimal, &format!("{SELECTION}, `favour`"));
    let renamed = MergeRequest {
        target: Some(name("rates")),
        target_bucket: Some(None),
        ..full
    };
    round_trips("merge_request.renamed.json", &renamed);
    let matching = MergeRequest {
        regex: Some("^p".to_owned()),
        all_buckets: true,
        ..minimal
    };
    round_trips("merge_request.everything.json", &matching);
}

#[test]
fn answers() {
    let progress = SyncProgress {
        frame: "nyc/prices".to_owned(),
        objects_done: 3,
        objects: 9,
        bytes_done: 4096,
        bytes: 20480,
    };
    round_trips("sync_progress.json", &SyncAnswer::Progress(progress));
    let moved = SyncedFrame {
        name: name("prices"),
        bucket: Some(nyc()),
        target: name("rates"),
        target_bucket: Some(nyc()),
        outcome: SyncOutcome::Moved,
        versions: 2,
        objects: 3,
        bytes: 4096,
        ahead: 1,
        behind: 0,
        commit: Some(commit()),
        problem: None,
    };
    let failed = SyncedFrame {
        bucket: None,
        target_bucket: None,
        outcome: SyncOutcome::Failed,
        commit: None,
        problem: Some(ErrorBody::new(ErrorKind::DivergedError, "pull first")),
        ..moved.clone()
    };
    let done = SyncAnswer::Done(SyncResult {
        frames: vec![moved, failed],
    });
    round_trips("clone_result.json", &done);
    round_trips("fetch_result.json", &done);
    round_trips("merge_result.json", &done);
    round_trips("pull_result.json", &done);
    round_trips("push_result.json", &done);
}

#[test]
fn calls_between_servers() {
    let full = SyncFramesRequest {
        bucket: Some(nyc()),
        buckets: false,
    };
    let expected = "expected `bucket` or `buckets`";
    request(SYNC_FRAMES, &full, &SyncFramesRequest::default(), expected);
    let names = vec!["prices".to_owned()];
    result(SYNC_FRAMES, &SyncFramesResult { names });
    let have = |bucket, objects| SyncHaveRequest {
        name: name("prices"),
        bucket,
        objects,
    };
    let expected = "expected one of `name`, `bucket`, `objects`";
    let full = have(Some(nyc()), vec![segment()]);
    request(SYNC_HAVE, &full, &have(None, Vec::new()), expected);
    let sizes = vec![Some(4096), None];
    result(SYNC_HAVE, &SyncHaveResult { sizes });
    round_trips(
        "sync_head_request.json",
        &SyncHeadRequest {
            name: name("prices"),
            bucket: Some(nyc()),
        },
    );
    round_trips(
        "sync_history_request.json",
        &SyncHistoryRequest {
            name: name("prices"),
            bucket: None,
            from: commit(),
            skip: Some(16),
            limit: Some(256),
        },
    );
    round_trips(
        "sync_list_request.json",
        &SyncListRequest {
            name: name("prices"),
            bucket: None,
            commit: commit(),
        },
    );
    round_trips(
        "sync_read_request.json",
        &SyncReadRequest {
            name: name("prices"),
            bucket: None,
            object: segment(),
        },
    );
}

#[test]
fn what_is_brought() {
    let object = SyncWriteCommand::new(nyc_prices(), segment(), 4096, commit());
    round_trips("sync_write_command.json", &object);
    refuses::<WrittenObject>(
        "put command",
        "sync_write_command.hostile.json",
        "put command: object.id: must be 1 to 64 hexadecimal digits, `0` to `9` and `a` to `f`",
    );
    round_trips("sync_write_result.json", &SyncWriteResult { bytes: 4096 });
    let publish = SyncPublishCommand::new(prices());
    round_trips("sync_publish_command.json", &publish);
    refuses::<PublishedFrame>(
        "put command",
        "sync_publish_command.newer.json",
        "put command: colour: unknown field, expected `name` or `bucket`",
    );
}
