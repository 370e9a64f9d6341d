//! Puts over the wire: whatever is accepted can be read, and nothing else harms the frame.

use arrow_flight::FlightDescriptor;
use serde_json::json;

use super::ipc::{messages, parts, streams};
use super::{bytes, golden};
use crate::child::{Target, Verdict};
use crate::input::Input;
use crate::wire::{Wire, numbers, prices};

pub(super) struct Puts(Wire);

impl Target for Puts {
    const NAME: &'static str = "puts";

    async fn begin() -> Self {
        Self(Wire::new().await)
    }

    async fn seeds(&mut self) -> Vec<Input> {
        let mut seeds = Vec::new();
        let commands = golden()
            .into_iter()
            .filter(|(what, _)| what == "put_command");
        let mut commands: Vec<Vec<u8>> = commands.map(|(_, json)| json).collect();
        for mode in ["error", "append", "replace", "update", "upsert"] {
            let command = json!({"name": "prices", "mode": mode, "request_id": mode});
            commands.push(command.to_string().into_bytes());
        }
        let keys = json!({"name": "prices", "mode": "update", "scope": "keys"});
        commands.push(keys.to_string().into_bytes());
        for command in &commands {
            for batch in [prices(3..33), numbers(0..9)] {
                let sent = crate::wire::messages(&json!({}), &[batch]).await;
                seeds.push([vec![command.clone()], parts(&sent)].concat());
            }
        }
        for (number, stream) in streams().await.iter().enumerate() {
            let command = json!({"name": format!("f{}", number % 7), "mode": "replace"});
            let command = command.to_string().into_bytes();
            seeds.push([vec![command], parts(stream)].concat());
        }
        seeds
    }

    async fn run(&mut self, input: &Input) -> Verdict {
        self.0.refresh().await;
        let command = bytes(input, 0);
        let mut messages = messages(input.get(1..).unwrap_or_default());
        if let Some(first) = messages.first_mut() {
            first.flight_descriptor = Some(FlightDescriptor::new_cmd(command.clone()));
        }
        let verdict = self.0.put(messages).await;
        if !verdict.told.starts_with("ok") {
            return verdict;
        }
        let Ok(command) = serde_json::from_slice::<serde_json::Value>(&command) else {
            return verdict;
        };
        let ticket = json!({"name": command["name"], "bucket": command["bucket"]});
        let read = self.0.get(ticket.to_string().into_bytes()).await;
        match read.defect {
            None if read.told.starts_with("ok") => verdict,
            // Another store's objects and commits make no frame by themselves.
            None if command.get("name").is_none() => verdict,
            None => Verdict::defect(format!("what was put is not read: {}", read.told)),
            Some(_) => read,
        }
    }
}
