//! Every action over the wire. Those that would end the server or make it call others are only read.

use serde_json::json;

use super::{bytes, golden, text};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::Wire;

/// What nothing in a test may do: end the server, or name a place that it would connect to.
const NOT_DONE: [&str; 2] = ["shutdown", "add_remote"];

pub(super) struct Actions(Wire);

impl Target for Actions {
    const NAME: &'static str = "actions";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds: Vec<Input> = Vec::new();
        for (what, json) in golden() {
            if let Some(action) = what.strip_suffix("_request") {
                seeds.push(vec![action.as_bytes().to_vec(), json]);
            }
        }
        for (action, body) in [
            ("describe", json!({"name": "prices", "as_of": 1})),
            ("files", json!({"name": "prices"})),
            ("log", json!({"name": "prices", "limit": 3, "since": 1})),
            ("diff", json!({"name": "prices", "from": 1, "to": "first"})),
            (
                "restore",
                json!({"name": "prices", "as_of": 1, "message": "back"}),
            ),
            (
                "tag",
                json!({"name": "prices", "tag": "t", "as_of": -1, "replace": true}),
            ),
            ("untag", json!({"name": "prices", "tag": "first"})),
            ("tags", json!({"name": "prices"})),
            (
                "copy",
                json!({"name": "prices", "new_name": "copied", "new_bucket": "b", "as_of": 1}),
            ),
            ("rename", json!({"name": "quotes", "new_name": "moved"})),
            ("delete", json!({"name": "numbers", "bucket": "nyc"})),
            ("undelete", json!({"name": "numbers", "bucket": "nyc"})),
            ("delete_bucket", json!({"name": "nyc", "mode": "delete"})),
            (
                "delete_rows",
                json!({"name": "prices", "start": "2023-11-14T22:18:20Z", "stop": "2023-11-14T22:30:00", "closed": "neither"}),
            ),
            (
                "delete_rows",
                json!({"name": "prices", "where": "close > 3.5 and symbol in ('A', 'BB') or size is null"}),
            ),
            (
                "delete_rows",
                json!({"name": "numbers", "bucket": "nyc", "where": "n % 3 = 0 and \"Text\" like 'number 1%'"}),
            ),
            (
                "alter",
                json!({"name": "prices", "add": [{"name": "x", "type": "list<timestamp[ns, UTC]>"}], "drop": ["size"], "rename": {"close": "last"}}),
            ),
            (
                "alter",
                json!({"name": "numbers", "bucket": "nyc", "widen": {"n": "decimal(30, 2)"}}),
            ),
            (
                "resample",
                json!({"source": "prices", "target": "bars", "rule": "5min", "aggregation_func": {"close": ["mean", "first"], "size": "sum"}, "by": ["symbol"], "fill": "previous", "label": "right", "closed": "right", "origin": "start_day", "offset": "30s", "time_zone": "Europe/Berlin"}),
            ),
            (
                "resample",
                json!({"source": "prices", "target": "months", "rule": "2QS", "aggregation_func": "ohlc", "columns": ["close"]}),
            ),
            (
                "resample",
                json!({"source": "prices", "target": "q", "sql": "select symbol, avg(close) as c from prices group by symbol", "mode": "replace"}),
            ),
            (
                "combine",
                json!({"how": "asof", "sources": ["prices", "quotes"], "target": "joined", "on": ["time"], "by": ["symbol"], "tolerance": "2min", "direction": "nearest"}),
            ),
            (
                "combine",
                json!({"how": "outer", "sources": [{"name": "prices", "as_of": 1}, "quotes"], "target": "both", "on": ["time", "symbol"], "suffixes": ["_a", "_b"], "sorted": true}),
            ),
            (
                "combine",
                json!({"how": "concat", "sources": ["prices", "quotes"], "target": "all", "mode": "replace", "index": ["time"]}),
            ),
            ("continuous", json!({"name": "bars"})),
            (
                "snapshot",
                json!({"snapshot": "s", "frames": [{"name": "prices"}], "buckets": ["nyc", null]}),
            ),
            ("drop_snapshot", json!({"snapshot": "s"})),
            (
                "retention",
                json!({"name": "prices", "set": {"keep_versions": 3, "keep_seconds": 0, "keep_tagged": false}}),
            ),
            ("compact", json!({"name": "prices"})),
            ("expire", json!({"name": "prices"})),
            (
                "forget",
                json!({"name": "prices", "versions": [1, {"version": -3}]}),
            ),
            ("sweep", json!({"name": "prices", "dry_run": true})),
            ("purge", json!({"name": "quotes"})),
            ("verify", json!({"all_buckets": true, "sample": 0.5})),
            ("usage", json!({"all_buckets": true})),
            (
                "sync_history",
                json!({"name": "prices", "from": "ab".repeat(32)}),
            ),
            (
                "sync_read",
                json!({"name": "prices", "object": {"kind": "segment", "id": "ab".repeat(16)}}),
            ),
            (
                "pull",
                json!({"remote": "r", "name": "prices", "merge": true, "favour": "ours"}),
            ),
        ] {
            seeds.push(vec![
                action.as_bytes().to_vec(),
                body.to_string().into_bytes(),
            ]);
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        let action = text(input, 0);
        if NOT_DONE.contains(&action.as_str()) {
            return Verdict::told("left out");
        }
        self.0.refresh().await;
        let verdict = self.0.act(&action, bytes(input, 1)).await;
        let told = format!("{action}: {}", verdict.told);
        Verdict { told, ..verdict }
    }
}
