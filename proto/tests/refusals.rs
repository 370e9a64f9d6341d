//! What the edge refuses, and in which words: every error names its field and says what to do.
//!
//! Hostile input is refused like any other: no panic, no long error, no line break in it.

use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use shoots_proto::action::{
    BucketsRequest, DeleteBucketRequest, DeleteRequest, ShutdownRequest, ShutdownResult,
};
use shoots_proto::{
    AsOf, BucketName, ErrorBody, ErrorKind, FrameName, FrameSummary, GetTicket, IndexValue,
    ListCriteria, PutCommand, PutMode, PutResult, RequestError, SnapshotName, decode,
    decode_or_default, encode,
};

fn refused<T: DeserializeOwned + Debug>(json: &str) -> String {
    match decode::<T>("m", json.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(read) => format!("was read as {read:?}"),
    }
}

#[test]
fn a_put_command_names_the_field_that_is_wrong() {
    for (json, expected) in [
        ("{}", "m: name: is missing; it is required"),
        (
            r#"{"name":null}"#,
            "m: name: invalid type: null, expected the name of a frame (a string)",
        ),
        (
            r#"{"name":5}"#,
            "m: name: invalid type: integer `5`, expected the name of a frame (a string)",
        ),
        (
            r#"{"name":""}"#,
            "m: name: must not be empty; give it at least one character",
        ),
        (
            r#"{"name":"../x"}"#,
            "m: name: must not contain `/` (got `../x`)",
        ),
        (
            r#"{"name":"a\u0000b"}"#,
            r"m: name: must not contain control characters such as U+0000 (got `a\u{0}b`)",
        ),
        (
            r#"{"name":"a","bucket":"a/b"}"#,
            "m: bucket: must not contain `/` (got `a/b`)",
        ),
        (
            r#"{"name":"a","bucket":""}"#,
            "m: bucket: must not be empty; give it at least one character",
        ),
        (
            r#"{"name":"a","bucket":["b"]}"#,
            "m: bucket: invalid type: sequence, expected the name of a bucket (a string)",
        ),
        (
            r#"{"name":"a","mode":"Append"}"#,
            "m: mode: must be `error`, `append`, `replace`, `update` or `upsert` (got `Append`)",
        ),
        (
            r#"{"name":"a","mode":1}"#,
            "m: mode: invalid type: integer `1`, expected the mode of a put (a string)",
        ),
        (
            r#"{"name":"a","mode":{"append":null}}"#,
            "m: mode: invalid type: map, expected the mode of a put (a string)",
        ),
        (
            r#"{"name":"a","batch_size":0}"#,
            "m: batch_size: must be at least 1 (got 0)",
        ),
        (
            r#"{"name":"a","batch_size":-5}"#,
            "m: batch_size: invalid value: integer `-5`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#"{"name":"a","message":["x"]}"#,
            "m: message: invalid type: sequence, expected a string",
        ),
        (
            r#"{"name":"a","metadata":"x"}"#,
            r#"m: metadata: invalid type: string "x", expected a map"#,
        ),
        (
            r#"{"name":"a","metadata":{"shoots.anything":null}}"#,
            "m: metadata: has the key `shoots.anything`; keys that begin with `shoots.` are the server's own, choose another one",
        ),
        (
            r#"{"name":"a","request_id":""}"#,
            "m: request_id: must be 1 to 128 bytes long (got 0)",
        ),
        (
            r#"{"name":"a","index":[]}"#,
            "m: index: must name at least one column",
        ),
        (
            r#"{"name":"a","index":["t","t"]}"#,
            "m: index: lists `t` twice; name each column once",
        ),
        (
            r#"{"name":"a","mode":"update","start":[1]}"#,
            "m: start: invalid type: sequence, expected a value of the index (a string, a number or a boolean)",
        ),
        (
            r#"{"name":"a","mode":"update","closed":"start"}"#,
            "m: closed: must be `left`, `right`, `both` or `neither` (got `start`)",
        ),
        (
            r#"{"name":"a","mode":"update","closed":"both"}"#,
            "m: closed: goes only with `start` or `stop`: without them the range is what the rows cover",
        ),
        (
            r#"{"name":"a","mode":"update","scope":"all"}"#,
            "m: scope: must be `range` or `keys` (got `all`)",
        ),
        (
            r#"{"name":"a","start":1}"#,
            "m: start: goes only with mode `update` (the mode is `error`)",
        ),
        (
            r#"{"name":"a","mode":"append","stop":1}"#,
            "m: stop: goes only with mode `update` (the mode is `append`)",
        ),
        (
            r#"{"name":"a","mode":"replace","closed":"left"}"#,
            "m: closed: goes only with mode `update` (the mode is `replace`)",
        ),
        (
            r#"{"name":"a","mode":"upsert","scope":"keys"}"#,
            "m: scope: goes only with mode `update` (the mode is `upsert`)",
        ),
        (
            r#"{"name":"a","name":"b"}"#,
            "m: name: is given twice; give it once",
        ),
        (
            r#"{"name":"a","Mode":"error"}"#,
            "m: Mode: unknown field, expected one of `name`, `bucket`, `mode`, `index`, `start`, `stop`, `closed`, `scope`, `batch_size`, `message`, `author`, `metadata`, `request_id`, `sealed`",
        ),
    ] {
        assert_eq!(refused::<PutCommand>(json), expected, "{json}");
    }
    let long = format!(r#"{{"name":"a","request_id":"{}"}}"#, "x".repeat(129));
    assert_eq!(
        refused::<PutCommand>(&long),
        "m: request_id: must be 1 to 128 bytes long (got 129)"
    );
}

#[test]
fn a_ticket_names_the_field_that_is_wrong() {
    for (fields, expected) in [
        (
            r#""sql":5"#,
            "m: sql: invalid type: integer `5`, expected a string",
        ),
        (
            r#""columns":"a""#,
            r#"m: columns: invalid type: string "a", expected a sequence"#,
        ),
        (
            r#""columns":["a",5]"#,
            "m: columns[1]: invalid type: integer `5`, expected a string",
        ),
        (
            r#""columns":["a","b","a"]"#,
            "m: columns: lists `a` twice; name each column once",
        ),
        (
            r#""limit":-1"#,
            "m: limit: invalid value: integer `-1`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""limit":1.0"#,
            "m: limit: invalid type: floating point `1.0`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""limit":18446744073709551616"#,
            "m: limit: invalid type: floating point `1.8446744073709552e+19`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""limit":"10""#,
            r#"m: limit: invalid type: string "10", expected a whole number from 0 to 18446744073709551615"#,
        ),
        (
            r#""limit":true"#,
            "m: limit: invalid type: boolean `true`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""offset":-9223372036854775808"#,
            "m: offset: invalid value: integer `-9223372036854775808`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""as_of":true"#,
            r#"m: as_of: invalid type: boolean `true`, expected a version number, a string, or one of {"version":…}, {"time":…}, {"tag":…}, {"commit":…}, {"snapshot":…}, {"remote":…}"#,
        ),
        (
            r#""as_of":1.5"#,
            r#"m: as_of: invalid type: floating point `1.5`, expected a version number, a string, or one of {"version":…}, {"time":…}, {"tag":…}, {"commit":…}, {"snapshot":…}, {"remote":…}"#,
        ),
        (
            r#""as_of":9223372036854775808"#,
            "m: as_of: invalid value: integer `9223372036854775808`, expected a version number below 2^63",
        ),
        (r#""as_of":"""#, "m: as_of: must not be empty"),
        (
            r#""as_of":{}"#,
            r#"m: as_of: invalid length 0, expected a version number, a string, or one of {"version":…}, {"time":…}, {"tag":…}, {"commit":…}, {"snapshot":…}, {"remote":…}"#,
        ),
        (
            r#""as_of":{"version":1,"tag":"x"}"#,
            "m: as_of: names more than one state; give exactly one of `version`, `time`, `tag`, `commit`, `snapshot`, `remote`",
        ),
        (
            r#""as_of":{"branch":"x"}"#,
            "m: as_of.branch: unknown field, expected one of `version`, `time`, `tag`, `commit`, `snapshot`, `remote`",
        ),
        (
            r#""as_of":{"version":"1"}"#,
            r#"m: as_of.version: invalid type: string "1", expected a version number"#,
        ),
        (
            r#""as_of":{"version":null}"#,
            "m: as_of.version: invalid type: null, expected a version number",
        ),
        (
            r#""as_of":{"time":"noon"}"#,
            "m: as_of.time: is not a time (got `noon`); write it like `2024-01-31T09:30:00.123456789Z` or `2024-01-31`",
        ),
        (
            r#""as_of":{"time":5}"#,
            "m: as_of.time: invalid type: integer `5`, expected a time (a string)",
        ),
        (r#""as_of":{"tag":""}"#, "m: as_of.tag: must not be empty"),
        (
            r#""as_of":{"snapshot":"2024-12-31"}"#,
            "m: as_of.snapshot: must not look like a time (got `2024-12-31`); put a word before it, such as `at 2024-12-31`",
        ),
        (
            r#""tail":-1"#,
            "m: tail: invalid value: integer `-1`, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#""tail":1,"limit":1"#,
            "m: tail: goes with neither `limit` nor `offset`; leave it or them out",
        ),
        (
            r#""tail":1,"offset":1"#,
            "m: tail: goes with neither `limit` nor `offset`; leave it or them out",
        ),
        (
            r#""allow_stale":"yes""#,
            r#"m: allow_stale: invalid type: string "yes", expected a boolean"#,
        ),
        (r#""diff":{}"#, "m: diff.from: is missing; it is required"),
        (
            r#""diff":{"from":{"tag":5}}"#,
            "m: diff.from.tag: invalid type: integer `5`, expected a string",
        ),
        (
            r#""diff":[1,2]"#,
            "m: diff: invalid type: sequence, expected a JSON object",
        ),
        (
            r#""diff":{"from":1,"till":2}"#,
            "m: diff.till: unknown field, expected `from` or `to`",
        ),
        (
            r#""diff":{"from":1},"as_of":2"#,
            "m: diff: goes without `as_of`; its own `from` and `to` name the states",
        ),
        (
            r#""sql":"select 1","start":1"#,
            "m: start: does not go with `sql`; put a condition on the index column into the query's `where`",
        ),
        (
            r#""sql":"select 1","stop":1"#,
            "m: stop: does not go with `sql`; put a condition on the index column into the query's `where`",
        ),
        (
            r#""sql":"select 1","closed":"both""#,
            "m: closed: does not go with `sql`; put a condition on the index column into the query's `where`",
        ),
        (
            r#""sql":"select 1","tail":1"#,
            "m: tail: does not go with `sql`; write `order by … desc limit n` in the query",
        ),
        (
            r#""sql":"select 1","diff":{"from":1}"#,
            "m: diff: does not go with `sql`; get the rows that differ without a query",
        ),
        (
            r#""parameters":[1]"#,
            "m: parameters: goes with `sql` only; leave it out, or say in `sql` what to ask",
        ),
        (
            r#""sql":"select $1","parameters":[[1]]"#,
            "m: parameters[0]: a parameter is a string, a number, a boolean or null",
        ),
        (
            r#""sql":"select $a","parameters":{"a":1,"a":2}"#,
            "m: parameters: `a` is given twice",
        ),
        (
            r#""as_of":{"commit":"xyz"}"#,
            "m: as_of.commit: must be the beginning of a commit id, 1 to 64 hexadecimal digits (got `xyz`)",
        ),
    ] {
        let json = format!(r#"{{"name":"a",{fields}}}"#);
        assert_eq!(refused::<GetTicket>(&json), expected, "{json}");
    }
}

#[test]
fn other_requests_name_the_field_that_is_wrong() {
    assert_eq!(
        refused::<ListCriteria>(r#"{"regex":5}"#),
        "m: regex: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        refused::<ListCriteria>(r#"{"all_buckets":"yes"}"#),
        r#"m: all_buckets: invalid type: string "yes", expected a boolean"#
    );
    assert_eq!(
        refused::<ListCriteria>(r#"{"bucket":"nyc","all_buckets":true}"#),
        "m: `bucket` and `all_buckets` exclude each other; leave one of them out"
    );
    assert_eq!(
        refused::<DeleteRequest>(r#"{"bucket":"nyc"}"#),
        "m: name: is missing; it is required"
    );
    assert_eq!(
        refused::<DeleteBucketRequest>(r#"{"name":"nyc","mode":"append"}"#),
        "m: mode: must be `error` or `delete` (got `append`)"
    );
    assert_eq!(
        refused::<DeleteBucketRequest>(r#"{"name":null}"#),
        "m: name: invalid type: null, expected the name of a bucket (a string)"
    );
    assert_eq!(
        refused::<PutResult>(r#"{"version":3,"commit":"9f","rows":-1,"bytes":0}"#),
        "m: rows: invalid value: integer `-1`, expected u64"
    );
}

#[test]
fn null_means_the_same_as_missing() {
    let command = br#"{"name":"a","bucket":null,"mode":null,"index":null,"start":null,"stop":null,"closed":null,"scope":null,"batch_size":null,"message":null,"author":null,"metadata":null,"request_id":null}"#;
    let name = FrameName::parse("a").unwrap();
    assert_eq!(decode("m", command), Ok(PutCommand::new(name.clone())));
    let ticket = br#"{"name":"a","bucket":null,"sql":null,"columns":null,"start":null,"stop":null,"closed":null,"limit":null,"offset":null,"tail":null,"as_of":null,"allow_stale":null,"diff":null}"#;
    assert_eq!(decode("m", ticket), Ok(GetTicket::new(name.clone())));
    let criteria = br#"{"bucket":null,"regex":null,"all_buckets":null}"#;
    assert_eq!(
        ListCriteria::from_bytes(criteria),
        Ok(ListCriteria::bucket(None))
    );
    assert_eq!(
        ListCriteria::from_bytes(b"{}"),
        Ok(ListCriteria::bucket(None))
    );
    let delete: DeleteBucketRequest = decode("m", br#"{"name":"nyc","mode":null}"#).unwrap();
    assert_eq!(delete.mode.as_str(), "error");
    let summary = br#"{"version":null,"commit":null,"rows":1,"bytes":2,"segments":3}"#;
    assert_eq!(decode::<FrameSummary>("m", summary).unwrap().version, None);
}

#[test]
fn garbage_is_refused_as_a_whole() {
    for (bytes, expected) in [
        (&b""[..], "m: is empty; send JSON"),
        (b" ", "m: is not valid JSON: EOF while parsing a value"),
        (b"{", "m: is not valid JSON: EOF while parsing an object"),
        (
            br#"{"name":"#,
            "m: is not valid JSON: EOF while parsing a value",
        ),
        (b"name=a", "m: is not valid JSON: expected ident"),
        (b"\x00\x01", "m: is not valid JSON: expected value"),
        (
            b"{\"name\":\"\xff\"}",
            "m: is not valid JSON: invalid unicode code point",
        ),
        (
            br#"{"name":"\ud800"}"#,
            "m: is not valid JSON: unexpected end of hex escape",
        ),
        (
            br#"{"name":"a"}{"name":"b"}"#,
            "m: is not valid JSON: trailing characters",
        ),
        (br#"{"name":"a",}"#, "m: is not valid JSON: trailing comma"),
        (
            br#"{"name":"a","limit":NaN}"#,
            "m: is not valid JSON: expected value",
        ),
        (b"null", "m: invalid type: null, expected a JSON object"),
        (
            b"[\"a\",null]",
            "m: invalid type: sequence, expected a JSON object",
        ),
        (
            b"\"a\"",
            "m: invalid type: string \"a\", expected a JSON object",
        ),
    ] {
        let error = decode::<GetTicket>("m", bytes).unwrap_err();
        let shown = error.to_string();
        let (problem, _position) = shown.split_once(" at line ").unwrap_or((&shown, ""));
        assert_eq!(problem, expected, "{}", bytes.escape_ascii());
        assert_eq!(error.field(), None);
    }
    for request in [
        refused::<BucketsRequest>("[]"),
        refused::<ShutdownRequest>("[]"),
    ] {
        assert_eq!(request, "m: invalid type: sequence, expected a JSON object");
    }
    assert_eq!(
        refused::<ShutdownResult>("{}"),
        "m: invalid type: map, expected a sequence"
    );
    assert_eq!(
        refused::<Vec<BucketName>>(r#"["a",""]"#),
        "m: [1]: must not be empty; give it at least one character"
    );
}

#[test]
fn no_body_is_taken_for_no_fields() {
    assert_eq!(decode_or_default("m", b""), Ok(ShutdownRequest {}));
    assert!(decode_or_default::<ShutdownRequest>("m", b"x").is_err());
}

#[test]
fn nesting_without_end_is_refused() {
    for (open, field) in [
        ("[", "sql"),
        (r#"{"a":"#, "metadata"),
        ("[", "metadata\":{\"a"),
    ] {
        let json = format!(r#"{{"name":"a","{field}":{}"#, open.repeat(1_000_000));
        let ticket = refused::<GetTicket>(&json);
        let command = refused::<PutCommand>(&json);
        for error in [ticket, command] {
            assert!(error.starts_with("m: ") && error.len() < 300, "{error}");
        }
    }
    let json = format!(r#"{{"name":"a","metadata":{}"#, r#"{"a":"#.repeat(1000));
    let error = refused::<PutCommand>(&json);
    assert!(
        error.starts_with("m: is not valid JSON: recursion limit exceeded at line 1"),
        "{error}"
    );
}

#[test]
fn an_error_is_short_and_on_one_line_whatever_it_quotes() {
    let huge = "x\\n".repeat(1_000_000);
    for json in [
        format!(r#"{{"{huge}":1}}"#),
        format!(r#"{{"name":"{huge}"}}"#),
        format!(r#"{{"name":"a","mode":"{huge}"}}"#),
        format!(r#"{{"name":"a","limit":"{huge}"}}"#),
        format!(r#"{{"name":"a","as_of":{{"time":"{huge}"}}}}"#),
        format!(r#"{{"name":"a","as_of":{{"{huge}":1}}}}"#),
    ] {
        for error in [refused::<GetTicket>(&json), refused::<PutCommand>(&json)] {
            assert!(error.starts_with("m: "), "{error}");
            assert!(error.len() < 3000, "{}", error.len());
            assert!(!error.contains(char::is_control), "{error}");
        }
    }
}

#[test]
fn a_refusal_becomes_an_invalid_request() {
    let error: RequestError = decode::<GetTicket>("ticket", b"{}").unwrap_err();
    assert_eq!((error.what(), error.field()), ("ticket", Some("name")));
    assert_eq!(
        ErrorBody::from(error),
        ErrorBody::new(
            ErrorKind::InvalidRequestError,
            "ticket: name: is missing; it is required"
        )
    );
}

fn frame_name() -> impl Strategy<Value = FrameName> {
    any::<String>().prop_filter_map("not a name", |text| FrameName::parse(&text).ok())
}

fn as_of() -> impl Strategy<Value = AsOf> {
    let time = (0_i64..253_402_300_800, 0_u32..1_000_000_000);
    prop_oneof![
        any::<i64>().prop_map(AsOf::Version),
        time.prop_filter_map("not a time", |(seconds, nanoseconds)| {
            chrono::DateTime::from_timestamp(seconds, nanoseconds).map(AsOf::Time)
        }),
        ".+".prop_map(AsOf::Tag),
        "[0-9a-f]{1,64}".prop_map(AsOf::Commit),
        any::<String>().prop_filter_map("not a snapshot", |text| {
            SnapshotName::parse(&text).ok().map(AsOf::Snapshot)
        }),
        ".+".prop_map(AsOf::Short),
    ]
}

fn index_value() -> impl Strategy<Value = IndexValue> {
    prop_oneof![
        any::<String>().prop_map(IndexValue::from),
        any::<bool>().prop_map(IndexValue::from),
        any::<i64>().prop_map(IndexValue::from),
        any::<u64>().prop_map(IndexValue::from),
        any::<i32>().prop_filter_map("not finite", |number| {
            IndexValue::from_f64(f64::from(number) / 8.0)
        }),
    ]
}

proptest! {
    #[test]
    fn any_ticket_is_read_as_it_was_written(
        name in frame_name(),
        bucket in proptest::option::of(frame_name()),
        sql in any::<Option<String>>(),
        columns in proptest::option::of(proptest::collection::hash_set(any::<String>(), 0..4)),
        limit in any::<Option<u64>>(),
        offset in any::<Option<u64>>(),
        as_of in proptest::option::of(as_of()),
    ) {
        let ticket = GetTicket {
            bucket: bucket.and_then(|bucket| BucketName::parse(bucket.as_str()).ok()),
            sql,
            columns: columns.map(|columns| columns.into_iter().collect()),
            limit,
            offset,
            as_of,
            ..GetTicket::new(name)
        };
        prop_assert_eq!(decode("ticket", &encode(&ticket).unwrap()), Ok(ticket));
    }

    #[test]
    fn any_put_command_is_read_as_it_was_written(
        name in frame_name(),
        mode in prop_oneof![
            Just(PutMode::Error), Just(PutMode::Append), Just(PutMode::Replace),
            Just(PutMode::Update), Just(PutMode::Upsert),
        ],
        start in proptest::option::of(index_value()),
        batch_size in proptest::option::of(1_u64..),
        message in any::<Option<String>>(),
        request_id in proptest::option::of("[a-z0-9-]{1,128}"),
        entries in proptest::option::of(proptest::collection::hash_map(any::<String>(), any::<i64>(), 0..4)),
    ) {
        let command = PutCommand {
            mode,
            start: start.filter(|_| mode == PutMode::Update),
            batch_size,
            message,
            request_id,
            metadata: entries.map(|entries| {
                entries.into_iter().map(|(key, value)| (key, value.into())).collect()
            }),
            ..PutCommand::new(name)
        };
        prop_assert_eq!(decode("put command", &encode(&command).unwrap()), Ok(command));
    }

    #[test]
    fn no_bytes_make_the_edge_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        cut in 0_usize..200,
        flip in any::<u8>(),
    ) {
        let mut message = br#"{"name":"a","columns":["x"],"limit":3,"as_of":{"time":"2024-01-31T09:30:00Z"}}"#.to_vec();
        let position = cut % message.len();
        message[position] ^= flip;
        for bytes in [&bytes[..], &message, &message[..position]] {
            let outcomes = [
                decode::<GetTicket>("m", bytes).err(),
                decode::<PutCommand>("m", bytes).err(),
                ListCriteria::from_bytes(bytes).err(),
            ];
            for error in outcomes.into_iter().flatten() {
                prop_assert!(error.to_string().starts_with("m: ") || error.what() == "criteria");
            }
        }
    }
}
