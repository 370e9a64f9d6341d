//! What is asked for over the wire: tickets, commands and paths of descriptors, criteria of listings.

use arrow_flight::FlightDescriptor;
use serde_json::json;

use super::{bytes, golden, text};
use crate::child::{Target, Verdict};
use crate::input::{Input, texts};
use crate::wire::Wire;

pub(super) struct Gets(Wire);

impl Target for Gets {
    const NAME: &'static str = "gets";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds = vec![
            texts(["path", "prices"]),
            texts(["path", "numbers", "nyc"]),
            texts(["list", ""]),
            texts(["list", r#"{"all_buckets":true,"regex":"^n.*s$"}"#]),
        ];
        let mut tickets: Vec<Vec<u8>> = Vec::new();
        for (what, json) in golden() {
            match what.as_str() {
                "get_ticket" | "columns_ticket" => tickets.push(json),
                "list_criteria" => seeds.push(vec![b"list".to_vec(), json]),
                _ => {}
            }
        }
        for ticket in [
            json!({"name": "prices"}),
            json!({"name": "prices", "columns": ["close", "time"], "limit": 7, "offset": 3}),
            json!({"name": "prices", "start": "2023-11-14T22:20:00Z", "stop": 1_700_001_000, "closed": "both"}),
            json!({"name": "prices", "tail": 5, "as_of": 1}),
            json!({"name": "prices", "as_of": "first"}),
            json!({"name": "prices", "as_of": {"version": -2}}),
            json!({"name": "prices", "as_of": {"time": "2030-01-01T00:00:00Z"}}),
            json!({"name": "prices", "diff": {"from": 1, "to": {"tag": "first"}}}),
            json!({"name": "prices", "sql": "select * from prices where close > $1", "parameters": [3.5]}),
            json!({"name": "prices", "sql": "select max(size) from prices where symbol = $s", "parameters": {"s": "A"}}),
            json!({"name": "prices", "resample": {"rule": "5min", "functions": {"close": ["mean", "max"]}}}),
            json!({"name": "numbers", "bucket": "nyc", "start": 3, "stop": 9}),
            json!({"columns": ["prices.close", "quotes.size"], "frames": ["*"], "start": "2023-11-14T22:15:00Z"}),
            json!({"columns": ["prices.*"], "as_of": 1, "limit": 3}),
        ] {
            tickets.push(ticket.to_string().into_bytes());
        }
        for ticket in tickets {
            seeds.push(vec![b"ticket".to_vec(), ticket.clone()]);
            seeds.push(vec![b"command".to_vec(), ticket]);
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        self.0.refresh().await;
        match text(input, 0).as_str() {
            "path" => {
                let path = (1..input.len()).map(|part| text(input, part)).collect();
                self.0.about(FlightDescriptor::new_path(path)).await
            }
            "list" => self.0.list(bytes(input, 1)).await,
            "command" => {
                let command = FlightDescriptor::new_cmd(bytes(input, 1));
                self.0.about(command).await
            }
            _ => self.0.get(bytes(input, 1)).await,
        }
    }
}
