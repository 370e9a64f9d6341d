//! What combining refuses once it has seen the frames: the error names the field and the column.

use serde_json::{Value, json};
use shoots_client::{ErrorKind, PutMode, ShootsClient};

use super::{hours, put};
use crate::peer::{Peer, assert_status};
use crate::refusal::assert_refused;
use crate::rows::rows;
use crate::server::Server;

/// A server with the weather of two buckets, and a frame without an index.
async fn lake() -> (Server, ShootsClient) {
    let server = Server::start().await;
    let client = server.client().await;
    for frame in ["weather", "nyc/weather"] {
        put(&client.frame(frame), PutMode::Error, hours(0..9)).await;
    }
    crate::rows::put(&client, "plain", PutMode::Error, rows(0..4)).await;
    (server, client)
}

#[tokio::test]
async fn what_does_not_go_with_the_frames_is_refused_with_the_field_and_nothing_is_made() {
    let (server, client) = lake().await;
    let mut peer = Peer::of(&server).await;
    let weather = json!(["weather", {"name": "weather", "bucket": "nyc"}]);
    let request = |how: &str, fields: Value| {
        let mut request = json!({"how": how, "sources": weather, "target": "made"});
        for (field, value) in fields.as_object().unwrap() {
            request[field] = value.clone();
        }
        request.to_string()
    };
    let by = json!(["origin"]);
    for (how, fields, words) in [
        (
            "inner",
            json!({"on": "rain"}),
            &["on", "`rain`", "weather", "temp"][..],
        ),
        (
            "left",
            json!({"left_on": "temp", "right_on": "rain"}),
            &["on", "`rain`"],
        ),
        (
            "outer",
            json!({"on": ["origin", "rain"]}),
            &["on", "`rain`"],
        ),
        (
            "inner",
            json!({"left_on": "temp", "right_on": "origin"}),
            &["on", "`temp`", "`origin`"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "by": ["rain"]}),
            &["by", "`rain`"],
        ),
        (
            "asof",
            json!({"on": "origin_hour"}),
            &["on", "`origin_hour`"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "left_by": "origin", "right_by": "temp"}),
            &["by", "`origin`", "`temp`"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "by": by, "tolerance": -1}),
            &["tolerance", "no unit", "-1"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "by": by, "tolerance": "-5min"}),
            &["tolerance", "-5min"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "by": by, "tolerance": "soon"}),
            &["tolerance", "'soon'", "5min"],
        ),
        (
            "asof",
            json!({"on": "time_hour", "by": by, "tolerance": true}),
            &["tolerance", "true"],
        ),
        (
            "inner",
            json!({"on": ["time_hour", "origin"], "suffixes": ["", ""]}),
            &["suffixes", "`temp`"],
        ),
        (
            "concat",
            json!({"sources": ["weather", "plain"], "sorted": true}),
            &["index", "plain"],
        ),
    ] {
        let refused = peer.act("combine", request(how, fields)).await;
        assert_status(refused, ErrorKind::DataFusionError, words);
    }
    let unknown = request("concat", json!({"index": ["rain"]}));
    let refused = peer.act("combine", unknown).await;
    assert_status(refused, ErrorKind::InvalidRequestError, &["index", "rain"]);
    for source in [
        json!("wether"),
        json!({"name": "weather", "bucket": "paris"}),
    ] {
        let missing = request("concat", json!({"sources": ["weather", source]}));
        assert_status(
            peer.act("combine", missing).await,
            ErrorKind::FileNotFoundError,
            &[],
        );
    }
    let older = json!({"sources": ["weather", {"name": "weather", "as_of": 7}]});
    let refused = peer.act("combine", request("concat", older)).await;
    assert_status(refused, ErrorKind::FileNotFoundError, &["7"]);
    let made = client.get("made").collect_one().await;
    assert_refused(made, ErrorKind::FileNotFoundError, &["made"]);
    server.stop().await;
}

#[tokio::test]
async fn keys_and_columns_that_are_not_there_are_refused_by_name() {
    let (server, client) = lake().await;
    let weather = client.frame("weather");
    let nothing: [&str; 0] = [];
    for (keys, words) in [
        (&["rain"][..], &["keys", "`rain`", "origin"][..]),
        (&["origin", "origin"], &["keys", "`origin`", "twice"]),
        (&nothing, &["keys"]),
    ] {
        let latest = weather.latest(keys.iter().copied()).collect_one().await;
        assert_refused(latest, ErrorKind::DataFusionError, words);
    }
    for (columns, words) in [
        (&["rain"][..], &["columns", "`rain`"][..]),
        (&["weather.rain"], &["columns", "`weather.rain`"]),
        (&["weather.temp", "Text"], &["no index", "plain"]),
        (&["weather.origin"], &["columns", "index"]),
    ] {
        let got = client.columns(columns.iter().copied()).collect_one().await;
        assert_refused(got, ErrorKind::DataFusionError, words);
    }
    let none = client.columns(nothing).collect_one().await;
    assert_refused(
        none,
        ErrorKind::InvalidRequestError,
        &["columns", "at least one"],
    );
    server.stop().await;
}
