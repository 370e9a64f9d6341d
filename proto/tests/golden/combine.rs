//! What is made of several frames: the action `combine`, and tickets that name columns and no frame.

use shoots_proto::action::{COMBINE, CombineHow, CombineRequest, CombineResult, CombineSource};
use shoots_proto::{AsOf, AsofDirection, Closed, ColumnsTicket, FrameId, PutMode};

use crate::{metadata, name, nyc, reads_as, refuses, request, result, round_trips};

fn frame(text: &str) -> FrameId {
    FrameId::new(None, name(text))
}

fn inner() -> CombineRequest {
    let sources = [frame("a").into(), frame("b").into()];
    CombineRequest {
        on: vec!["k".to_owned()],
        ..CombineRequest::new(CombineHow::Inner, sources, frame("c"))
    }
}

#[test]
fn combine() {
    let sources = [
        FrameId::new(Some(nyc()), name("trades")).into(),
        CombineSource::new(frame("quotes"), Some(AsOf::Version(-2))),
    ];
    let target = FrameId::new(Some(nyc()), name("priced"));
    request(
        COMBINE,
        &CombineRequest {
            mode: PutMode::Replace,
            index: Some(vec!["time".to_owned()]),
            left_on: vec!["time".to_owned()],
            right_on: vec!["at".to_owned()],
            by: vec!["symbol".to_owned()],
            tolerance: Some("2s".into()),
            direction: Some(AsofDirection::Nearest),
            allow_exact_matches: Some(false),
            suffixes: Some(("_l".to_owned(), "_r".to_owned())),
            request_id: Some("priced-1".to_owned()),
            message: Some("bad feed".to_owned()),
            author: Some("ada".to_owned()),
            metadata: metadata(),
            ..CombineRequest::new(CombineHow::Asof, sources, target)
        },
        &inner(),
        "expected one of `how`, `sources`, `target`, `target_bucket`, `mode`, `index`, `on`, `left_on`, `right_on`, `by`, \
         `left_by`, `right_by`, `tolerance`, `direction`, `allow_exact_matches`, `suffixes`, `sorted`, `request_id`, \
         `message`, `author`, `metadata`",
    );
    reads_as("combine_request.short.json", &inner());
    round_trips(
        "combine_request.sorted.json",
        &CombineRequest {
            mode: PutMode::Append,
            sorted: true,
            ..CombineRequest::new(CombineHow::Concat, [frame("a").into()], frame("c"))
        },
    );
    result(
        COMBINE,
        &CombineResult {
            target_rows: 3,
            version: 2,
            commit: "0f".repeat(32),
        },
    );
}

#[test]
fn columns_ticket() {
    round_trips(
        "columns_ticket.json",
        &ColumnsTicket {
            bucket: Some(nyc()),
            frames: Some(vec!["prices".to_owned(), "vol*".to_owned()]),
            start: Some("2024-01-01".into()),
            stop: Some(5.into()),
            closed: Some(Closed::Both),
            limit: Some(10),
            offset: Some(2),
            as_of: Some(AsOf::Tag("eod".to_owned())),
            ..ColumnsTicket::new(["close", "volumes.total"])
        },
    );
    round_trips(
        "columns_ticket.minimal.json",
        &ColumnsTicket::new(["close"]),
    );
    refuses::<ColumnsTicket>(
        "ticket",
        "columns_ticket.newer.json",
        "ticket: colour: unknown field, expected one of `columns`, `bucket`, `frames`, `start`, `stop`, `closed`, `limit`, \
         `offset`, `as_of`",
    );
}
