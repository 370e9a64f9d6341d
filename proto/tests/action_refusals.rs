//! What the requests of actions refuse, and in which words: every error names its field and says
//! what to do.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use shoots_proto::action::{
    AlterRequest, CloneRequest, CombineRequest, CompactRequest, ContinuousRequest, CopyRequest,
    DeleteRequest, DeleteRowsRequest, DescribeRequest, DiffRequest, DropSnapshotRequest,
    ExpireRequest, FetchRequest, FilesRequest, ForgetRequest, FrameDescription, LogRequest,
    MergeRequest, PullRequest, PurgeRequest, PushRequest, RemotesRequest, RenameRequest,
    ResampleRequest, RestoreRequest, Retention, RetentionRequest, SnapshotRequest,
    SnapshotsRequest, SweepRequest, SyncHaveRequest, SyncHistoryRequest, SyncListRequest,
    SyncReadRequest, TagRequest, TagsRequest, UndeleteRequest, UntagRequest, UsageRequest,
    VerifyRequest,
};
use shoots_proto::{AsOf, ColumnsTicket, FrameId, FrameName, decode};

fn refused<T: DeserializeOwned + Debug>(json: &str) -> String {
    match decode::<T>("m", json.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(read) => format!("was read as {read:?}"),
    }
}

fn refuses<T: DeserializeOwned + Debug>(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(refused::<T>(json), *expected, "{json}");
    }
}

#[test]
fn histories_tags_and_snapshots_name_the_field_that_is_wrong() {
    refuses::<LogRequest>(&[
        (
            r#"{"name":"a","limit":0}"#,
            "m: limit: must be at least 1 (got 0)",
        ),
        (
            r#"{"name":"a","since":{"time":"noon"}}"#,
            "m: since.time: is not a time (got `noon`); write it like `2024-01-31T09:30:00.123456789Z` or `2024-01-31`",
        ),
    ]);
    refuses::<DiffRequest>(&[(r#"{"name":"a"}"#, "m: from: is missing; it is required")]);
    refuses::<RestoreRequest>(&[
        (r#"{"name":"a"}"#, "m: as_of: is missing; it is required"),
        (
            r#"{"name":"a","as_of":1,"request_id":""}"#,
            "m: request_id: must be 1 to 128 bytes long (got 0)",
        ),
        (
            r#"{"name":"a","as_of":1,"metadata":[]}"#,
            "m: metadata: invalid type: sequence, expected a map",
        ),
        (
            r#"{"name":"a","as_of":1,"metadata":{"run":1,"shoots.continuous":{}}}"#,
            "m: metadata: has the key `shoots.continuous`; keys that begin with `shoots.` are the server's own, choose another one",
        ),
    ]);
    refuses::<TagRequest>(&[
        (r#"{"name":"a"}"#, "m: tag: is missing; it is required"),
        (
            r#"{"name":"a","tag":5}"#,
            "m: tag: invalid type: integer `5`, expected the name of a tag (a string)",
        ),
        (
            r#"{"name":"a","tag":"cafe"}"#,
            "m: tag: must not look like a commit id (4 to 64 hexadecimal digits) (got `cafe`); put a word before it, such as `at cafe`",
        ),
        (
            r#"{"name":"a","tag":"x","replace":1}"#,
            "m: replace: invalid type: integer `1`, expected a boolean",
        ),
    ]);
    refuses::<SnapshotRequest>(&[
        (
            r#"{"snapshot":"x"}"#,
            "m: frames: names nothing, nor does `buckets`; name at least one frame or bucket",
        ),
        (
            r#"{"snapshot":"x","frames":[],"buckets":[]}"#,
            "m: frames: names nothing, nor does `buckets`; name at least one frame or bucket",
        ),
        (
            r#"{"snapshot":"x","frames":["a"]}"#,
            "m: frames[0]: invalid type: string \"a\", expected a JSON object",
        ),
        (
            r#"{"snapshot":"x","frames":[["a",null]]}"#,
            "m: frames[0]: invalid type: sequence, expected a JSON object",
        ),
        (
            r#"{"snapshot":"x","frames":[{"name":"a"},{"name":"a/b"}]}"#,
            "m: frames[1].name: must not contain `/` (got `a/b`)",
        ),
        (
            r#"{"snapshot":"x","frames":[{"name":"a","version":1}]}"#,
            "m: frames[0].version: unknown field, expected `name` or `bucket`",
        ),
        (
            r#"{"snapshot":"x","buckets":[""]}"#,
            "m: buckets[0]: must not be empty; give it at least one character",
        ),
        (
            r#"{"snapshot":"","buckets":[null]}"#,
            "m: snapshot: must not be empty; give it at least one character",
        ),
    ]);
}

#[test]
fn a_new_name_has_to_be_another() {
    let same = "m: new_name: must name another frame, together with `new_bucket`; both together are where the frame is";
    let cases = [
        (r#"{"name":"a"}"#, same),
        (r#"{"name":"a","new_name":"a"}"#, same),
        (r#"{"name":"a","new_bucket":null}"#, same),
        (r#"{"name":"a","bucket":"x","new_bucket":"x"}"#, same),
        (
            r#"{"name":"a","new_name":"."}"#,
            "m: new_name: must not be `.`, which means a folder to file systems",
        ),
        (
            r#"{"name":"a","new_bucket":5}"#,
            "m: new_bucket: invalid type: integer `5`, expected the name of a bucket (a string)",
        ),
    ];
    refuses::<RenameRequest>(&cases);
    refuses::<CopyRequest>(&cases);
}

#[test]
fn changes_of_columns_and_rows_name_the_field_that_is_wrong() {
    let clash = "m: drop: lists a column that `rename` or `widen` changes; do one of the two";
    refuses::<AlterRequest>(&[
        (
            r#"{"name":"a"}"#,
            "m: add: says nothing, nor do `drop`, `rename` and `widen`; give at least one change",
        ),
        (
            r#"{"name":"a","add":[],"drop":[],"rename":{},"widen":{}}"#,
            "m: add: says nothing, nor do `drop`, `rename` and `widen`; give at least one change",
        ),
        (
            r#"{"name":"a","add":[{"name":"x"}]}"#,
            "m: add[0].type: is missing; it is required",
        ),
        (
            r#"{"name":"a","add":[["x","Int64"]]}"#,
            "m: add[0]: invalid type: sequence, expected a JSON object",
        ),
        (
            r#"{"name":"a","add":[{"name":"x","type":"Int64","default":0}]}"#,
            "m: add[0].default: unknown field, expected one of `name`, `type`, `nullable`",
        ),
        (
            r#"{"name":"a","add":[{"name":"x","type":"Int64"},{"name":"x","type":"Utf8"}]}"#,
            "m: add: gives two columns one name, or one that `rename` gives; give each its own",
        ),
        (
            r#"{"name":"a","add":[{"name":"x","type":"Int64"}],"rename":{"y":"x"}}"#,
            "m: add: gives two columns one name, or one that `rename` gives; give each its own",
        ),
        (
            r#"{"name":"a","drop":["x","x"]}"#,
            "m: drop: lists `x` twice; name each column once",
        ),
        (r#"{"name":"a","drop":["x"],"rename":{"x":"y"}}"#, clash),
        (r#"{"name":"a","drop":["x"],"widen":{"x":"Int64"}}"#, clash),
        (
            r#"{"name":"a","rename":[["x","y"]]}"#,
            "m: rename: invalid type: sequence, expected a JSON object with the names of columns and strings",
        ),
        (
            r#"{"name":"a","rename":{"x":5}}"#,
            "m: rename.x: invalid type: integer `5`, expected a string",
        ),
        (
            r#"{"name":"a","rename":{"x":"y","x":"z"}}"#,
            "m: rename: lists `x` twice; name each column once",
        ),
        (
            r#"{"name":"a","rename":{"x":"z","y":"z"}}"#,
            "m: rename: gives two columns one name; give each its own",
        ),
        (
            r#"{"name":"a","widen":{"x":null}}"#,
            "m: widen.x: invalid type: null, expected a string",
        ),
    ]);
    let nothing = "m: where: is missing, as are `start` and `stop`; give at least one of them, or `true` here to delete every row";
    refuses::<DeleteRowsRequest>(&[
        (r#"{"name":"a"}"#, nothing),
        (r#"{"name":"a","closed":"both"}"#, nothing),
        (r#"{"name":"a","where":null}"#, nothing),
        (r#"{"name":"a","where":" "}"#, "m: where: must not be empty"),
        (
            r#"{"name":"a","where":5}"#,
            "m: where: invalid type: integer `5`, expected a string",
        ),
        (
            r#"{"name":"a","predicate":"x"}"#,
            "m: predicate: unknown field, expected one of `name`, `bucket`, `start`, `stop`, `closed`, `where`, `request_id`, `message`, `author`, `metadata`",
        ),
    ]);
}

#[test]
fn resampling_names_the_field_that_is_wrong() {
    let either = "is missing; give `rule` and `aggregation_func`, or `sql`";
    let rule = format!("m: rule: {either}");
    let function = format!("m: aggregation_func: {either}");
    refuses::<ResampleRequest>(&[
        (r#"{"source":"a","target":"b"}"#, rule.as_str()),
        (
            r#"{"source":"a","target":"b","rule":"1s"}"#,
            function.as_str(),
        ),
        (
            r#"{"source":"a","sql":"x"}"#,
            "m: target: is missing; it is required",
        ),
        (
            r#"{"source":"a","target":"b","sql":"x","by":["s"]}"#,
            "m: by: does not go with `sql`; say it in the query, or leave `sql` out",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":5}"#,
            "m: aggregation_func: invalid type: integer `5`, expected a function (a string), a list of functions, or a \
             JSON object with the names of columns and these",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":[]}"#,
            "m: aggregation_func: must name at least one function",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":["min","min"]}"#,
            "m: aggregation_func: lists `min` twice",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":"min","closed":"both"}"#,
            "m: closed: must be `left` or `right` (got `both`)",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":"quantile","quantile":1.5}"#,
            "m: quantile: must be 0 to 1 (got 1.5)",
        ),
        (
            r#"{"source":"a","target":"b","rule":"1s","aggregation_func":"sum","fill":[1]}"#,
            "m: fill: invalid type: sequence, expected `null`, `drop`, `forward`, `backward`, `linear` or a value of the columns (a string, a number or a boolean)",
        ),
    ]);
}

#[test]
fn upkeep_names_the_field_that_is_wrong() {
    refuses::<RetentionRequest>(&[
        (
            r#"{"set":{"keep_versions":0}}"#,
            "m: set.keep_versions: must be at least 1 (got 0)",
        ),
        (
            r#"{"set":{"keep_seconds":-1}}"#,
            "m: set.keep_seconds: invalid value: integer `-1`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#"{"set":{"keep_days":1}}"#,
            "m: set.keep_days: unknown field, expected one of `keep_versions`, `keep_seconds`, `keep_tagged`",
        ),
        (
            r#"{"set":[1,2,true]}"#,
            "m: set: invalid type: sequence, expected a JSON object",
        ),
    ]);
    refuses::<ForgetRequest>(&[
        (r#"{"name":"a"}"#, "m: versions: is missing; it is required"),
        (
            r#"{"name":"a","versions":[]}"#,
            "m: versions: must name at least one version",
        ),
        (
            r#"{"name":"a","versions":[1,{"commit":"xyz"}]}"#,
            "m: versions[1].commit: must be the beginning of a commit id, 1 to 64 hexadecimal digits (got `xyz`)",
        ),
    ]);
    refuses::<CompactRequest>(&[(
        r#"{"dry_run":"yes"}"#,
        r#"m: dry_run: invalid type: string "yes", expected a boolean"#,
    )]);
    let alone = "m: all_buckets: goes with neither `name` nor `bucket`; leave it or them out";
    refuses::<VerifyRequest>(&[
        (
            r#"{"sample":0}"#,
            "m: sample: must be more than 0 and at most 1 (got 0)",
        ),
        (
            r#"{"sample":1.5}"#,
            "m: sample: must be more than 0 and at most 1 (got 1.5)",
        ),
        (
            r#"{"sample":-0.5}"#,
            "m: sample: must be more than 0 and at most 1 (got -0.5)",
        ),
        (r#"{"all_buckets":true,"bucket":"x"}"#, alone),
        (r#"{"all_buckets":true,"name":"a"}"#, alone),
    ]);
    refuses::<UsageRequest>(&[(
        r#"{"all_buckets":true,"bucket":"x"}"#,
        "m: all_buckets: goes without `bucket`; leave one of them out",
    )]);
}

#[test]
fn combining_names_the_field_that_is_wrong() {
    let base = |fields: &str| format!(r#"{{"sources":["a","b"],"target":"c",{fields}}}"#);
    for (fields, expected) in [
        (r#""on":"k""#, "how: is missing; it is required"),
        (
            r#""how":"cross""#,
            "how: must be `concat`, `inner`, `left`, `right`, `outer` or `asof` (got `cross`)",
        ),
        (
            r#""how":1"#,
            "how: invalid type: integer `1`, expected how frames are combined (a string)",
        ),
        (
            r#""how":"inner""#,
            "on: is missing; name the columns that are compared, or give `left_on` and `right_on`",
        ),
        (
            r#""how":"inner","on":[]"#,
            "on: is missing; name the columns that are compared, or give `left_on` and `right_on`",
        ),
        (
            r#""how":"inner","on":["k","k"]"#,
            "on: lists `k` twice; name each column once",
        ),
        (
            r#""how":"inner","on":[1]"#,
            "on[0]: invalid type: integer `1`, expected a string",
        ),
        (
            r#""how":"inner","on":{"k":"k"}"#,
            "on: invalid type: map, expected the name of a column (a string), or a list of them",
        ),
        (
            r#""how":"inner","left_on":["k","l"],"right_on":["k"]"#,
            "left_on: names 2 columns and its counterpart 1; name as many of each frame",
        ),
        (
            r#""how":"inner","on":"k","left_on":"k","right_on":"l""#,
            "left_on: goes without the names for both frames; leave one of them out",
        ),
        (
            r#""how":"asof","on":"t","left_by":"k""#,
            "left_by: names 1 columns and its counterpart 0; name as many of each frame",
        ),
        (
            r#""how":"asof","on":["t","k"]"#,
            "on: must be one column for an as-of join; columns that have to be equal stand in `by`",
        ),
        (
            r#""how":"asof","on":"t","direction":"sideways""#,
            "direction: must be `backward`, `forward` or `nearest` (got `sideways`)",
        ),
        (
            r#""how":"asof","on":"t","allow_exact_matches":"yes""#,
            r#"allow_exact_matches: invalid type: string "yes", expected a boolean"#,
        ),
        (
            r#""how":"inner","on":"k","by":"s""#,
            "by: does not go with `how` `inner`; leave it out",
        ),
        (
            r#""how":"concat","suffixes":["a","b"]"#,
            "suffixes: does not go with `how` `concat`; leave it out",
        ),
        (
            r#""how":"asof","on":"t","sorted":true"#,
            "sorted: does not go with `how` `asof`; leave it out",
        ),
        (
            r#""how":"inner","on":"k","index":[]"#,
            "index: must name at least one column",
        ),
        (
            r#""how":"inner","on":"k","mode":"overwrite""#,
            "mode: must be `error`, `append`, `replace`, `update` or `upsert` (got `overwrite`)",
        ),
    ] {
        let json = base(fields);
        assert_eq!(
            refused::<CombineRequest>(&json),
            format!("m: {expected}"),
            "{json}"
        );
    }
    let unknown = refused::<CombineRequest>(&base(r#""how":"inner","on":"k","method":"hash""#));
    assert!(
        unknown.starts_with("m: method: unknown field, expected one of `how`, `sources`"),
        "{unknown}"
    );
    refuses::<CombineRequest>(&[
        (
            r#"{"how":"concat","target":"c"}"#,
            "m: sources: is missing; it is required",
        ),
        (
            r#"{"how":"concat","sources":[],"target":"c"}"#,
            "m: sources: must name at least one frame",
        ),
        (
            r#"{"how":"inner","sources":["a"],"target":"c","on":"k"}"#,
            "m: sources: must name two frames for `how` `inner` (got 1)",
        ),
        (
            r#"{"how":"concat","sources":["a"]}"#,
            "m: target: is missing; it is required",
        ),
        (
            r#"{"how":"concat","sources":["a",""],"target":"c"}"#,
            "m: sources[1]: must not be empty; give it at least one character",
        ),
        (
            r#"{"how":"concat","sources":["a",{"name":"a/b"}],"target":"c"}"#,
            "m: sources[1].name: must not contain `/` (got `a/b`)",
        ),
        (
            r#"{"how":"concat","sources":[{"frame":"a"}],"target":"c"}"#,
            "m: sources[0].frame: unknown field, expected one of `name`, `bucket`, `as_of`",
        ),
        (
            r#"{"how":"concat","sources":[{"bucket":"a"}],"target":"c"}"#,
            "m: sources[0].name: is missing; it is required",
        ),
    ]);
}

#[test]
fn columns_of_several_frames_name_the_field_that_is_wrong() {
    refuses::<ColumnsTicket>(&[
        (r#"{}"#, "m: columns: is missing; it is required"),
        (
            r#"{"columns":[]}"#,
            "m: columns: must name at least one column",
        ),
        (
            r#"{"columns":null}"#,
            "m: columns: must name at least one column",
        ),
        (
            r#"{"columns":["a","a"]}"#,
            "m: columns: lists `a` twice; name each column once",
        ),
        (
            r#"{"columns":["a"],"frames":[]}"#,
            "m: frames: must name at least one frame; leave it out to look into all of the bucket",
        ),
        (
            r#"{"columns":["a"],"as_of":3}"#,
            "m: as_of: must be a time or a tag, which several frames can have in common (got version 3)",
        ),
        (
            r#"{"columns":["a"],"limit":-1}"#,
            "m: limit: invalid value: integer `-1`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#"{"columns":["a"],"closed":"up"}"#,
            "m: closed: must be `left`, `right`, `both` or `neither` (got `up`)",
        ),
        (
            r#"{"columns":["a"],"bucket":""}"#,
            "m: bucket: must not be empty; give it at least one character",
        ),
    ]);
    let unknown = refused::<ColumnsTicket>(r#"{"columns":["a"],"how":"outer"}"#);
    assert!(
        unknown.starts_with("m: how: unknown field, expected one of `columns`"),
        "{unknown}"
    );
}

#[test]
fn transfers_name_the_field_that_is_wrong() {
    let all = "m: all_buckets: goes with neither `name` nor `bucket` nor `target_bucket`; leave it or them out";
    let selection = [
        (r#"{"name":"a"}"#, "m: remote: is missing; it is required"),
        (
            r#"{"remote":"s3://bucket"}"#,
            "m: remote: must be 1 to 64 ASCII letters, digits, `-`, `_` and `.`, and begin with a letter or digit",
        ),
        (r#"{"remote":"o","all_buckets":true,"name":"a"}"#, all),
        (r#"{"remote":"o","all_buckets":true,"bucket":"a"}"#, all),
        (
            r#"{"remote":"o","all_buckets":true,"target_bucket":null}"#,
            all,
        ),
        (
            r#"{"remote":"o","name":"a","regex":"b"}"#,
            "m: regex: finds frames by their names; leave it or `name` out",
        ),
        (
            r#"{"remote":"o","target":"b"}"#,
            "m: target: is for one frame; say which with `name`, or leave it out",
        ),
        (
            r#"{"remote":"o","name":"a","target":"b/c"}"#,
            "m: target: must not contain `/` (got `b/c`)",
        ),
    ];
    refuses::<CloneRequest>(&selection);
    refuses::<FetchRequest>(&selection);
    refuses::<MergeRequest>(&selection);
    refuses::<PullRequest>(&selection);
    refuses::<PushRequest>(&selection);
    refuses::<CloneRequest>(&[
        (
            r#"{"remote":"o","depth":2}"#,
            "m: depth: must be 1, the newest state alone (got 2); leave it out for the whole history",
        ),
        (
            r#"{"remote":"o","closed":"both"}"#,
            "m: closed: is about `start` and `stop`; give one of them, or leave it out",
        ),
    ]);
    refuses::<PullRequest>(&[
        (
            r#"{"remote":"o","favour":"mine"}"#,
            "m: favour: must be `ours` or `theirs` (got `mine`)",
        ),
        (
            r#"{"remote":"o","merge":false,"favour":"ours"}"#,
            "m: favour: settles a merge; leave it out, or let `merge` be true",
        ),
    ]);
    refuses::<RemotesRequest>(&[(
        r#"{"bucket":"a"}"#,
        "m: bucket: is the bucket of `frames`; set that too, or leave it out",
    )]);
}

#[test]
fn calls_between_servers_name_the_field_that_is_wrong() {
    let hex = "must be 64 hexadecimal digits, `0` to `9` and `a` to `f`";
    refuses::<SyncHistoryRequest>(&[
        (r#"{"name":"a"}"#, "m: from: is missing; it is required"),
        (r#"{"name":"a","from":"0F"}"#, &format!("m: from: {hex}")),
        (
            &format!(r#"{{"name":"a","from":"{}","limit":0}}"#, "0f".repeat(32)),
            "m: limit: must be at least 1 (got 0)",
        ),
    ]);
    refuses::<SyncListRequest>(&[(
        r#"{"name":"a","commit":"../x"}"#,
        &format!("m: commit: {hex}"),
    )]);
    refuses::<SyncReadRequest>(&[
        (
            r#"{"name":"a","object":{"kind":"log","id":"00"}}"#,
            "m: object.kind: must be `segment`, `vector` or `schema` (got `log`)",
        ),
        (
            r#"{"name":"a","object":{"kind":"schema","id":"../x"}}"#,
            "m: object.id: must be 1 to 64 hexadecimal digits, `0` to `9` and `a` to `f`",
        ),
    ]);
    let many = vec![r#"{"kind":"segment","id":"00"}"#; 4097].join(",");
    refuses::<SyncHaveRequest>(&[(
        &format!(r#"{{"name":"a","objects":[{many}]}}"#),
        "m: objects: names 4097 objects; ask for at most 4096 at once",
    )]);
}

#[test]
fn no_request_is_read_from_anything_but_an_object() {
    for error in [
        refused::<AlterRequest>("[]"),
        refused::<CombineRequest>("[]"),
        refused::<ContinuousRequest>("[]"),
        refused::<ColumnsTicket>("[]"),
        refused::<CompactRequest>("[]"),
        refused::<CopyRequest>("[]"),
        refused::<DeleteRequest>("[]"),
        refused::<DeleteRowsRequest>("[]"),
        refused::<DescribeRequest>("[]"),
        refused::<DiffRequest>("[]"),
        refused::<DropSnapshotRequest>("[]"),
        refused::<ExpireRequest>("[]"),
        refused::<FilesRequest>("[]"),
        refused::<ForgetRequest>("[]"),
        refused::<LogRequest>("[]"),
        refused::<PurgeRequest>("[]"),
        refused::<RenameRequest>("[]"),
        refused::<ResampleRequest>("[]"),
        refused::<CloneRequest>("[]"),
        refused::<FetchRequest>("[]"),
        refused::<PullRequest>("[]"),
        refused::<PushRequest>("[]"),
        refused::<RemotesRequest>("[]"),
        refused::<SyncHaveRequest>("[]"),
        refused::<RestoreRequest>("[]"),
        refused::<RetentionRequest>("[]"),
        refused::<SnapshotRequest>("[]"),
        refused::<SnapshotsRequest>("[]"),
        refused::<SweepRequest>("[]"),
        refused::<TagRequest>("[]"),
        refused::<TagsRequest>("[]"),
        refused::<UndeleteRequest>("[]"),
        refused::<UntagRequest>("[]"),
        refused::<UsageRequest>("[]"),
        refused::<VerifyRequest>("[]"),
    ] {
        assert_eq!(error, "m: invalid type: sequence, expected a JSON object");
    }
}

#[test]
fn null_means_the_same_as_missing_where_nothing_else_is_said() {
    let frame = FrameId::new(None, FrameName::parse("a").unwrap());
    assert_eq!(
        decode(
            "m",
            br#"{"name":"a","bucket":null,"limit":null,"since":null}"#
        ),
        Ok(LogRequest::new(frame.clone()))
    );
    assert_eq!(
        decode("m", br#"{"name":"a","as_of":1,"request_id":null,"message":null,"author":null,"metadata":null}"#),
        Ok(RestoreRequest::new(frame.clone(), AsOf::Version(1)))
    );
    let alter: AlterRequest = decode(
        "m",
        br#"{"name":"a","add":[{"name":"x","type":"Int64","nullable":null}],"drop":null,"rename":null,"widen":null}"#,
    )
    .unwrap();
    assert!(alter.add[0].nullable && alter.rename.is_empty());
    let snapshot: SnapshotRequest =
        decode("m", br#"{"snapshot":"x","frames":null,"buckets":[null]}"#).unwrap();
    assert_eq!((snapshot.frames, snapshot.buckets), (vec![], vec![None]));
    assert_eq!(
        decode(
            "m",
            br#"{"name":null,"bucket":null,"all_buckets":null,"sample":null}"#
        ),
        Ok(VerifyRequest::default())
    );
    let rules = br#"{"set":{"keep_versions":null,"keep_seconds":null,"keep_tagged":null}}"#;
    let retention: RetentionRequest = decode("m", rules).unwrap();
    assert_eq!(retention.set, Some(Some(Retention::default())));
}

#[test]
fn a_result_with_a_rule_that_is_not_known_is_read() {
    let json = br#"{"name":"a","rows":0,"bytes":0,"segments":0,"overlapping_segments":0,"hidden_rows":0,"index":[],"columns":[],"tags":[],"retention":{"keep_months":1,"keep_tagged":false}}"#;
    let frame: FrameDescription = decode("m", json).unwrap();
    assert!(!frame.retention.keep_tagged);
}
