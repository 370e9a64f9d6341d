//! Puts, gets, listings and errors.

use shoots_proto::as_of::parse_time;
use shoots_proto::{
    AsOf, BucketName, Closed, DiffRange, ErrorBody, ErrorKind, FrameSummary, GetTicket,
    ListCriteria, ParameterValue, PutCommand, PutMode, PutResult, PutSeal, QueryParameters,
    SharedFile, SharedRows, SnapshotName, SqlTicket, UpdateScope, encode,
};

use crate::{golden, metadata, name, nyc, reads_as, refuses, round_trips};

#[test]
fn put_command() {
    let command = PutCommand {
        bucket: Some(nyc()),
        mode: PutMode::Append,
        batch_size: Some(5000),
        message: Some("end of day".to_owned()),
        metadata: metadata(),
        request_id: Some("7f3a".to_owned()),
        ..PutCommand::new(name("prices"))
    };
    round_trips("put_command.json", &command);
    round_trips(
        "put_command.update.json",
        &PutCommand {
            mode: PutMode::Update,
            index: Some(vec!["time".to_owned(), "symbol".to_owned()]),
            start: Some("2024-01-31".into()),
            stop: Some("2024-02-01".into()),
            closed: Some(Closed::Both),
            scope: Some(UpdateScope::Keys),
            sealed: true,
            author: Some("ada".to_owned()),
            ..command
        },
    );
    round_trips(
        "put_command.upsert.json",
        &PutCommand {
            mode: PutMode::Upsert,
            ..PutCommand::new(name("prices"))
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
        "put command: partition: unknown field, expected one of `name`, `bucket`, `mode`, `index`, \
         `start`, `stop`, `closed`, `scope`, `batch_size`, `message`, `author`, `metadata`, \
         `request_id`, `sealed`",
    );
    round_trips("put_seal.json", &PutSeal { rows: 100 });
}

#[test]
fn put_result() {
    let result = PutResult {
        version: 3,
        commit: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        rows: 100,
        bytes: 2048,
        rows_removed: 40,
        frame_rows: 260,
        columns_added: vec!["price".to_owned()],
    };
    round_trips("put_result.json", &result);
    reads_as(
        "put_result.newer.json",
        &PutResult {
            commit: "9f86".to_owned(),
            ..result.clone()
        },
    );
    reads_as(
        "put_result.older.json",
        &PutResult {
            rows_removed: 0,
            frame_rows: 0,
            columns_added: Vec::new(),
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
            ..GetTicket::new(name("prices"))
        },
    );
    round_trips(
        "get_ticket.range.json",
        &GetTicket {
            start: Some((-5_i64).into()),
            stop: Some(u64::MAX.into()),
            closed: Some(Closed::Neither),
            tail: Some(3),
            as_of: Some(AsOf::Snapshot(SnapshotName::parse("year end").unwrap())),
            allow_stale: true,
            ..GetTicket::new(name("prices"))
        },
    );
    round_trips(
        "get_ticket.shm.json",
        &GetTicket {
            shm: true,
            ..GetTicket::new(name("prices"))
        },
    );
    round_trips(
        "get_ticket.diff.json",
        &GetTicket {
            diff: Some(DiffRange {
                from: AsOf::Tag("eod".to_owned()),
                to: Some(AsOf::Version(-1)),
            }),
            ..GetTicket::new(name("prices"))
        },
    );
    let asked = GetTicket {
        sql: Some("select $1, $2, $3, $4, $5".to_owned()),
        parameters: Some(QueryParameters::from_iter([
            "JFK".into(),
            u64::MAX.into(),
            ParameterValue::from_f64(-0.5).unwrap(),
            true.into(),
            ParameterValue::Null,
        ])),
        ..GetTicket::new(name("prices"))
    };
    round_trips("get_ticket.parameters.json", &asked);
    round_trips(
        "get_ticket.named_parameters.json",
        &GetTicket {
            sql: Some("select $of".to_owned()),
            parameters: Some(QueryParameters::from_iter([("of", 3.into())])),
            ..asked
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
        "ticket: sample: unknown field, expected one of `name`, `bucket`, `sql`, \
         `parameters`, `columns`, `start`, `stop`, `closed`, `limit`, `offset`, `tail`, `as_of`, \
         `allow_stale`, `diff`, `resample`, `shm`",
    );
}

#[test]
fn shared_rows() {
    let rows = SharedRows {
        shm: SharedFile {
            path: "/dev/shm/shoots-7f3a/9f86.arrows".to_owned(),
            rows: 100,
            bytes: 2048,
        },
    };
    round_trips("shared_rows.json", &rows);
    reads_as("shared_rows.newer.json", &rows);
}

#[test]
fn sql_ticket() {
    let minimal = SqlTicket::new("select 1");
    round_trips(
        "sql_ticket.json",
        &SqlTicket {
            sql: "select * from prices where day > $1".to_owned(),
            bucket: Some(nyc()),
            parameters: Some(QueryParameters::from_iter([ParameterValue::from(
                "2024-01-31",
            )])),
            columns: Some(vec!["price".to_owned()]),
            limit: Some(10),
            offset: Some(5),
            as_of: Some(AsOf::Time(parse_time("2024-01-31T09:30:00Z").unwrap())),
        },
    );
    round_trips("sql_ticket.minimal.json", &minimal);
    refuses::<SqlTicket>(
        "ticket",
        "sql_ticket.newer.json",
        "ticket: colour: unknown field, expected one of `sql`, `bucket`, `parameters`, `columns`, `limit`, \
         `offset`, `as_of`",
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
    round_trips(
        "list_criteria.unreadable.json",
        &ListCriteria {
            unreadable: true,
            ..ListCriteria::bucket(Some(nyc()))
        },
    );
    reads_as("list_criteria.python.json", &ListCriteria::bucket(None));
    refuses::<ListCriteria>(
        "criteria",
        "list_criteria.newer.json",
        "criteria: tag: unknown field, expected one of `bucket`, `regex`, `all_buckets`, `unreadable`",
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
        stale: false,
        message: None,
        author: None,
        metadata: None,
    };
    round_trips("frame_summary.json", &summary);
    let noted = FrameSummary {
        message: Some("end of day".to_owned()),
        author: Some("ada".to_owned()),
        metadata: serde_json::json!({"feed": 7}).as_object().cloned(),
        ..summary.clone()
    };
    round_trips("frame_summary.noted.json", &noted);
    let stale = FrameSummary {
        stale: true,
        ..summary.clone()
    };
    round_trips("frame_summary.stale.json", &stale);
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
