//! Servers that are killed while many clients change frames in every way: what was acknowledged is there, and nothing
//! is there in part.
//!
//! Writers share the frames and go on until the servers are gone from under them. Every change says its number in its
//! commit, so the history tells which took effect and in which order; a model ([`change`]) makes of that the rows of
//! each version, and what can be read must be equal ([`check`]). Changes whose answer was lost may be there or not, but
//! only as a whole; sent once more with the same `request_id`, each is there once. Meanwhile segments are compacted,
//! versions expire, and what nothing needs is swept. In some rounds two servers share the folder.
//!
//! Some rounds work on one folder, so that each starts from what a crash has left; after them nothing may be left that
//! no version needs. `SHOOTS_TORTURE_ROUNDS` says how many rounds there are, `SHOOTS_TEST_SEED` repeats the draws of a
//! run, but for the moments at which its kills meet the servers.

mod change;
mod check;
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shoots_client::{PutMode, ShootsClient};
use tempfile::TempDir;

use self::change::{Change, Deed, Target, Told};
use self::check::{Ledger, check, nothing_is_left};
use self::random::Random;
use crate::server::{Server, fresh_folder, until};

const ROUNDS: u64 = 6;
/// How many rounds work on one folder.
const ROUNDS_OF_A_FOLDER: u64 = 6;
const WRITERS: u64 = 6;
/// Keys of rows are below this, so that changes meet each other's rows.
const KEYS: u64 = 2_000;
const TARGETS: [Target; 3] = [
    Target {
        name: "sorted",
        indexed: true,
    },
    Target {
        name: "nyc/sorted too",
        indexed: true,
    },
    Target {
        name: "nyc/as it comes",
        indexed: false,
    },
];
/// Versions expire early, so that much is swept.
const UPKEEP: [&str; 4] = [
    "--keep-versions=25",
    "--keep-seconds=0",
    "--expiry-seconds=1",
    "--compaction=true",
];

fn drawn(random: &mut Random, number: i64) -> Change {
    let target = TARGETS[usize::try_from(random.below(3)).unwrap()];
    let start = i64::try_from(random.below(KEYS)).unwrap();
    let longest = if random.below(8) == 0 { 2_000 } else { 40 };
    let keys = start..start + 1 + i64::try_from(random.below(longest)).unwrap();
    let deed = match (random.below(16), target.indexed) {
        (0, _) => Deed::Tag,
        (1, _) => Deed::Restore(1 + random.below(60)),
        (2, _) => Deed::Put(PutMode::Replace, keys),
        (3..=6, true) => Deed::Put(PutMode::Upsert, keys),
        (7..=9, true) => Deed::Put(PutMode::Update, keys),
        (10, true) => Deed::DeleteRows(keys),
        _ => Deed::Put(PutMode::Append, keys),
    };
    Change {
        number,
        target,
        deed,
    }
}

/// Changes frames until the server is gone; of the last change the writer does not know what became of it.
async fn write(
    client: ShootsClient,
    mut random: Random,
    first: i64,
    acknowledged: Arc<AtomicU64>,
) -> Ledger {
    let mut ledger = Ledger::new();
    for number in first.. {
        let change = drawn(&mut random, number);
        let told = change.send(&client).await;
        let gone = told == Told::Nothing;
        ledger.push((change, told));
        if gone {
            break;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    ledger
}

async fn client(server: &Server) -> ShootsClient {
    let builder = ShootsClient::builder(server.url()).retries(0);
    builder.connect().await.unwrap()
}

/// One round: servers on a folder, writers, kills, and a look at what is there. Gives how many changes were
/// acknowledged.
async fn round(
    folder: &Arc<TempDir>,
    random: &mut Random,
    number: u64,
    ledger: &mut Ledger,
) -> u64 {
    // What another process reads is not to be swept away under it.
    let (count, grace) = match random.below(3) {
        0 => (2, "--sweep-grace-seconds=3600"),
        _ => (1, "--sweep-grace-seconds=0"),
    };
    let settings = [&UPKEEP[..], &[grace]].concat();
    let mut servers = Vec::new();
    for _ in 0..count {
        servers.push(Server::on(folder, &settings).await);
    }
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for (writer, server) in (0..WRITERS).zip(servers.iter().cycle()) {
        let first = i64::try_from((number * WRITERS + writer) * 100_000).unwrap();
        let writing = write(
            client(server).await,
            random.fork(),
            first,
            Arc::clone(&acknowledged),
        );
        writers.push(tokio::spawn(writing));
    }
    let enough = random.below(60);
    until("enough changes are acknowledged", async || {
        acknowledged.load(Ordering::Relaxed) >= enough
    })
    .await;
    for server in servers {
        tokio::time::sleep(Duration::from_micros(random.below(300_000))).await;
        server.kill().await;
    }
    let mut unknown = Vec::new();
    for writer in writers {
        let mut tried = writer.await.unwrap();
        unknown.extend(tried.pop());
        ledger.extend(tried);
    }
    let known = ledger.len();
    ledger.extend(unknown);

    let server = Server::on(folder, &settings).await;
    let client = client(&server).await;
    check(&client, ledger, random).await;
    for (change, told) in &mut ledger[known..] {
        if *told == Told::Nothing && change.is_repeatable() {
            *told = change.send(&client).await;
            assert_ne!(*told, Told::Nothing, "{change:?}");
        }
    }
    check(&client, ledger, random).await;
    server.stop().await;
    acknowledged.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_and_nothing_is_there_in_part() {
    let rounds = std::env::var("SHOOTS_TORTURE_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = Random::seeded();
    let (mut folder, mut ledger, mut acknowledged) = (fresh_folder(), Ledger::new(), 0);
    for number in 0..rounds {
        acknowledged += round(&folder, &mut random, number, &mut ledger).await;
        eprintln!("{} rounds, {acknowledged} changes acknowledged", number + 1);
        if (number + 1) % ROUNDS_OF_A_FOLDER == 0 || number + 1 == rounds {
            nothing_is_left(&folder).await;
            (folder, ledger) = (fresh_folder(), Ledger::new());
        }
    }
}
