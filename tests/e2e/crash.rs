//! A server that is killed while many clients put: what it acknowledged is there, and nothing is there in part.
//!
//! Writers put stamped rows into frames that they share and into frames of their own, until the server is gone
//! from under them. Then the folder is read by the library, and through a server that is started anew, and both
//! must agree with what the writers were told. Puts whose answer was lost are repeated under the same
//! `request_id`: each is there once afterwards, whether or not it had taken effect. All rounds work on one
//! folder, so that each starts from what a crash left.
//!
//! The moments of the kills are random; `SHOOTS_TEST_SEED` repeats the choice of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use shoots_client::proto::action::CommitRecord;
use shoots_client::{AsOf, PutMode, PutResult, ShootsClient, ToFrameId};
use shoots_store::Store;

use crate::rows::get;
use crate::server::{Server, fresh_folder, look_into, until};
use crate::stamp::{Stamp, stamps};

const ROUNDS: u64 = 4;
const WRITERS: u64 = 6;
/// Frames that everybody appends to.
const SHARED: [&str; 3] = ["shared/a", "shared/b", "c"];
/// A frame whose rows everybody replaces.
const REPLACED: &str = "replaced";

/// A put that was tried, and what its writer was told.
#[derive(Debug)]
struct Attempt {
    frame: String,
    mode: PutMode,
    stamp: Stamp,
    told: Option<PutResult>,
}

/// Random numbers (<https://prng.di.unimi.it/splitmix64.c>).
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = std::env::var("SHOOTS_TEST_SEED")
            .ok()
            .map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        });
        eprintln!("SHOOTS_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Puts until the server is gone; the last attempt is the one whose outcome the writer does not know.
async fn write(client: ShootsClient, first: u64, acknowledged: Arc<AtomicU64>) -> Vec<Attempt> {
    let mut random = Random(first);
    let mut attempts = Vec::new();
    for number in first.. {
        let stamp = Stamp(number);
        let (frame, mode) = match random.below(6) {
            0 => (REPLACED.to_owned(), PutMode::Replace),
            1 => (format!("own/{number}"), PutMode::Error),
            choice => {
                let frame = SHARED[usize::try_from(choice).unwrap() % SHARED.len()];
                (frame.to_owned(), PutMode::Append)
            }
        };
        let told = stamp.put(&client, &frame, mode).await.ok();
        let gone = told.is_none();
        attempts.push(Attempt {
            frame,
            mode,
            stamp,
            told,
        });
        if gone {
            break;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    attempts
}

/// What the log of a frame says, oldest first, after checking that its versions have no gaps.
async fn history(store: &Store, frame: &str) -> Vec<CommitRecord> {
    let frame = store.frame(&frame.to_frame_id().unwrap());
    let mut records = match frame.history(usize::MAX, None).await {
        Ok(log) => log.commits,
        Err(error) if error.kind() == shoots_store::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", frame.id()),
    };
    records.reverse();
    for (version, record) in (1..).zip(&records) {
        assert_eq!(record.version, version, "{} has a gap", frame.id());
    }
    records
}

fn stamp_of(record: &CommitRecord) -> Stamp {
    Stamp(record.message.as_ref().unwrap().parse().unwrap())
}

/// Checks what is there against what was tried: by the library on the folder, and through a server.
async fn check(store: &Store, client: &ShootsClient, attempts: &[Attempt]) {
    let mut by_frame: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        by_frame.entry(&attempt.frame).or_default().push(attempt);
    }
    let mut existing = BTreeSet::new();
    for (frame, attempts) in by_frame {
        let records = history(store, frame).await;
        let logged: Vec<Stamp> = records.iter().map(stamp_of).collect();
        for record in &records {
            assert_eq!(record.rows_added, stamp_of(record).rows().unsigned_abs());
        }
        for stamp in &logged {
            assert!(
                attempts.iter().any(|attempt| attempt.stamp == *stamp),
                "nobody put {stamp:?}"
            );
        }
        for attempt in &attempts {
            let Some(told) = &attempt.told else { continue };
            let found = records.get(usize::try_from(told.version - 1).unwrap());
            let found = found.unwrap_or_else(|| panic!("{attempt:?} is lost"));
            assert_eq!(
                (stamp_of(found), &found.commit),
                (attempt.stamp, &told.commit)
            );
        }
        let Some(newest) = records.last() else {
            assert!(!client.exists(frame).await.unwrap());
            continue;
        };
        existing.insert(frame.to_owned());
        let summary = client.info(frame).await.unwrap().summary;
        assert_eq!(
            (summary.version, summary.commit.as_ref()),
            (Some(newest.version), Some(&newest.commit))
        );
        let found = stamps(&get(client, frame).await);
        match attempts[0].mode {
            PutMode::Replace => {
                assert_eq!(found, logged[logged.len() - 1..]);
                let middle = i64::try_from(logged.len() / 2 + 1).unwrap();
                let older = client
                    .get(frame)
                    .as_of(AsOf::Version(middle))
                    .collect_one()
                    .await;
                assert_eq!(stamps(&older.unwrap()), [logged[logged.len() / 2]]);
            }
            PutMode::Append | PutMode::Error | PutMode::Update | PutMode::Upsert => {
                assert_eq!(found, logged);
            }
        }
    }
    let listed = client.list().all_buckets().send().await.unwrap();
    let listed: BTreeSet<String> = listed.iter().map(|info| info.frame.to_string()).collect();
    assert_eq!(listed, existing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_there_in_part() {
    let mut random = Random::seeded();
    let folder = fresh_folder();
    let mut attempts: Vec<Attempt> = Vec::new();
    for round in 0..ROUNDS {
        let server = Server::on(&folder, &["--compaction=false"]).await;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let client = ShootsClient::builder(server.url())
                .retries(0)
                .connect()
                .await
                .unwrap();
            let first = (round * WRITERS + writer) * 100_000;
            writers.push(tokio::spawn(write(
                client,
                first,
                Arc::clone(&acknowledged),
            )));
        }
        let enough = 10 + random.below(60);
        until("enough puts are acknowledged", async || {
            acknowledged.load(Ordering::Relaxed) >= enough
        })
        .await;
        server.kill().await;
        let mut unknown = Vec::new();
        for writer in writers {
            let mut tried = writer.await.unwrap();
            unknown.extend(tried.pop());
            attempts.extend(tried);
        }
        let between = attempts.len();
        attempts.extend(unknown);

        let server = Server::on(&folder, &["--compaction=false"]).await;
        let client = server.client().await;
        check(&look_into(&folder).await, &client, &attempts).await;
        for attempt in &mut attempts[between..] {
            let told = attempt
                .stamp
                .put(&client, &attempt.frame, attempt.mode)
                .await
                .unwrap();
            attempt.told = Some(told);
        }
        check(&look_into(&folder).await, &client, &attempts).await;
        server.stop().await;
    }
}
