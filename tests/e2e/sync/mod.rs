//! Frames that travel between servers, stores in folders and a bucket of S3, as callers see it.

mod cable;
mod cut;
mod intruder;
mod lies;
mod places;
mod refused;
mod relay;
mod resumed;
mod secure;
mod silent;
mod spoken;
mod verbs;

use shoots_client::{ShootsClient, SyncOutcome, SyncResult};

/// Settings with which nothing but what a test does changes a frame.
const QUIET: &[&str] = &["--compaction=false"];

/// What became of the only frame of a transfer.
fn outcome(result: &SyncResult) -> SyncOutcome {
    let [frame] = result.frames.as_slice() else {
        panic!("one frame was meant: {result:?}");
    };
    assert_eq!(frame.problem, None);
    frame.outcome
}

/// How many objects were sent.
fn objects(result: &SyncResult) -> u64 {
    result.frames.iter().map(|frame| frame.objects).sum()
}

/// The newest commit of a frame's history, which is the same wherever the frame is.
async fn tip(client: &ShootsClient, frame: &str) -> String {
    let log = client.frame(frame).log().send().await.unwrap();
    let upkeep = ["tag", "configure", "compact", "expire", "purge"];
    let mut changes = log.commits.iter();
    let newest = changes.find(|commit| !upkeep.contains(&commit.operation.as_str()));
    newest.unwrap().commit.clone()
}
