//! Making a frame of another one.

use serde_json::{Number, json};
use shoots_proto::action::{
    Aggregations, BinEnd, RESAMPLE, ResampleRequest, ResampleResult, Resampling,
};
use shoots_proto::{FrameId, GetTicket, IndexValue, PutMode};

use crate::{metadata, name, nyc, nyc_prices, prices, reads_as, request, result, round_trips};

fn bars() -> FrameId {
    FrameId::new(Some(nyc()), name("bars"))
}

fn by_minute() -> Resampling {
    Resampling {
        time_col: Some("time".to_owned()),
        columns: Some(vec!["price".to_owned()]),
        by: vec!["symbol".to_owned()],
        closed: Some(BinEnd::Right),
        label: Some(BinEnd::Left),
        origin: Some("start".to_owned()),
        offset: Some("15s".to_owned()),
        time_zone: Some("America/New_York".to_owned()),
        fill: Some(IndexValue::from("forward")),
        numeric_only: true,
        quantile: Number::from_f64(0.9),
        ..Resampling::new("1min", ["quantile"])
    }
}

#[test]
fn resample() {
    request(
        RESAMPLE,
        &ResampleRequest {
            mode: PutMode::Upsert,
            index: Some(vec!["time".to_owned()]),
            start: Some("2024-01-31".into()),
            stop: Some("2024-02-01".into()),
            request_id: Some("7f3a".to_owned()),
            continuous: true,
            message: Some("end of day".to_owned()),
            author: Some("ada".to_owned()),
            metadata: metadata(),
            ..ResampleRequest::time(nyc_prices(), bars(), by_minute())
        },
        &ResampleRequest::time(prices(), bars(), Resampling::new("D", "mean")),
        "expected one of `source`, `source_bucket`, `target`, `target_bucket`, `mode`, `index`, `sql`, `rule`, \
         `aggregation_func`, `start`, `stop`, `request_id`, `continuous`, `time_col`, `columns`, `by`, `closed`, `label`, \
         `origin`, `offset`, `time_zone`, `fill`, `numeric_only`, `quantile`, `message`, `author`, `metadata`",
    );
    round_trips(
        "resample_request.sql.json",
        &ResampleRequest::sql(prices(), bars(), "select * from prices"),
    );
    let size = Aggregations::Several(vec!["sum".to_owned(), "max".to_owned()]);
    let functions = Aggregations::ByColumn(vec![
        ("price".to_owned(), "mean".into()),
        ("Size".to_owned(), size),
    ]);
    round_trips(
        "resample_request.by_column.json",
        &ResampleRequest::time(prices(), bars(), Resampling::new("W-FRI", functions)),
    );
    let (a, b) = (FrameId::new(None, name("a")), FrameId::new(None, name("b")));
    let by_time = Resampling {
        time_col: Some("timestamp".to_owned()),
        ..Resampling::new("10s", "mean")
    };
    reads_as(
        "resample_request.python.json",
        &ResampleRequest::time(a.clone(), b.clone(), by_time),
    );
    reads_as(
        "resample_request.python_sql.json",
        &ResampleRequest {
            mode: PutMode::Replace,
            ..ResampleRequest::sql(a, b, "SELECT * FROM a LIMIT 10")
        },
    );
    let full = ResampleResult {
        source_rows: Some(100),
        target_rows: 12,
        version: 4,
        commit: "9f86".to_owned(),
    };
    result(RESAMPLE, &full);
    round_trips(
        "resample_result.sql.json",
        &ResampleResult {
            source_rows: None,
            ..full
        },
    );
}

#[test]
fn a_ticket_for_bins() {
    let ticket = GetTicket {
        start: Some("2024-01-31".into()),
        resample: Some(by_minute()),
        ..GetTicket::new(name("prices"))
    };
    round_trips("get_ticket.resample.json", &ticket);
    assert_eq!(json!(ticket)["resample"]["rule"], "1min");
}
