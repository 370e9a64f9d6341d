//! Readers that stall and writers that trickle: what they hold is bounded, and nobody waits for them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_flight::Ticket;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt, TryStreamExt, stream};
use serde_json::json;
use shoots_client::PutMode;

use super::pages::{address_of, page, value};
use crate::peer::{Peer, messages};
use crate::rows::put;
use crate::server::{Server, until};

const BATCH_ROWS: i64 = 50_000;

/// 400 kB that no encoding makes much smaller.
pub(super) fn numbers(batch: i64) -> RecordBatch {
    let numbers = (0..BATCH_ROWS)
        .map(|n| (batch * BATCH_ROWS + n).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

#[tokio::test]
async fn puts_do_not_wait_for_one_that_holds_memory_and_brings_nothing() {
    let memory = 8 << 20;
    let memory = format!("{memory}");
    let mut server = Server::with(&["--put-memory-bytes", &memory, "--metrics-port", "0"]).await;
    let pages = address_of(&mut server).await;
    let used = async || {
        let (_, text) = page(&pages, "/metrics").await;
        value(&text, "shoots_memory_used_bytes{budget=\"puts\"}")
    };
    let mut slow = Peer::of(&server).await;
    let batches = (0..30).map(numbers).collect();
    let first = messages(&json!({"name": "slow"}), numbers(0).schema(), batches).await;
    let (mut sender, receiver) = mpsc::channel(0);
    let writing = tokio::spawn(async move { slow.put(receiver).await });
    for message in first {
        sender.send(message).await.unwrap();
    }
    until("the slow put holds memory", async || used().await > 0.0).await;

    let mut quick = Peer::of(&server).await;
    let batches: Vec<_> = (0..60).map(numbers).collect();
    let all = messages(&json!({"name": "quick"}), numbers(0).schema(), batches).await;
    let done = quick.put(stream::iter(all)).await.unwrap();
    assert_eq!(done.rows, 60 * BATCH_ROWS as u64);
    assert!(used().await <= f64::from(8 << 20));

    drop(sender);
    assert_eq!(writing.await.unwrap().unwrap().rows, 30 * BATCH_ROWS as u64);
    until("all memory is given back", async || used().await == 0.0).await;
    let client = server.client().await;
    let rows = client
        .sql("slow", "select count(*) from slow")
        .collect_one()
        .await;
    assert_eq!(crate::rows::numbers(&rows.unwrap()), [30 * BATCH_ROWS]);
    server.stop().await;
}

#[tokio::test]
async fn readers_that_stall_hold_little_however_large_the_frame_is() {
    const READERS: usize = 12;
    const BATCHES: i64 = 100;
    let mut server = Server::with(&["--metrics-port", "0"]).await;
    let pages = address_of(&mut server).await;
    let resident = async || {
        let (_, text) = page(&pages, "/metrics").await;
        value(&text, "process_resident_memory_bytes")
    };
    let client = server.client().await;
    for batch in 0..BATCHES {
        put(&client, "large", PutMode::Append, numbers(batch)).await;
    }
    // So that what a read leaves behind for later ones is there.
    let read = client.get("large").collect().await.unwrap();
    let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows as i64, BATCHES * BATCH_ROWS);
    let before = resident().await;
    let mut stalled = Vec::new();
    for _ in 0..READERS {
        let mut peer = Peer::of(&server).await;
        let ticket = Ticket::new(r#"{"name":"large"}"#);
        let mut messages = peer.flight.do_get(ticket).await.unwrap().into_inner();
        messages.try_next().await.unwrap().unwrap();
        stalled.push((peer, messages));
    }
    until("all of them are running", async || {
        let (_, text) = page(&pages, "/metrics").await;
        value(&text, "shoots_calls_running") >= READERS as f64
    })
    .await;
    // Others go on meanwhile, which gives the readers time to fill whatever they can.
    for _ in 0..3 {
        client.get("large").collect().await.unwrap();
    }
    let grown = resident().await - before;
    let frame = (BATCHES * BATCH_ROWS * 8) as f64;
    assert!(
        grown < READERS as f64 * frame / 2.0,
        "{grown} more bytes are held"
    );
    for (_peer, messages) in stalled {
        let rest = messages
            .map(|message| message.map(|_| 1))
            .try_fold(0, |sum, one| async move { Ok(sum + one) });
        assert!(rest.await.unwrap() > 0);
    }
    server.stop().await;
}
