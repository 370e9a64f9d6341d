//! Transfers that are cut at any byte, both ways: the next one goes on, and both ends are equal in the end.
//!
//! `SHOOTS_CUT_SEED` repeats what was drawn, and `SHOOTS_CUT_CASES` draws more.

use std::hash::{BuildHasher, RandomState};

use futures::TryStreamExt;
use shoots_client::{
    PutMode, ShootsClient, SyncAnswer, SyncOutcome, SyncProgress, SyncResult, Transfer,
};

use super::cable::{Cable, Way};
use super::{QUIET, objects, outcome, tip};
use crate::rows::{get, put, rows};
use crate::server::{Server, fresh_folder};

const SEGMENTS: i64 = 24;
/// How often a transfer is cut before it is left alone.
const CUTS: usize = 4;

/// Numbers that follow from a seed.
struct Drawn(u64);

impl Drawn {
    /// A number below a bound.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, by Steele, Lea and Flood (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("SHOOTS_CUT_SEED") {
        return vec![seed.parse().unwrap()];
    }
    let cases = std::env::var("SHOOTS_CUT_CASES");
    let cases = cases.map_or(4, |cases| cases.parse().unwrap());
    let start = RandomState::new().hash_one("seed");
    (0..cases).map(|case| start.wrapping_add(case)).collect()
}

/// Progress that is told of one frame only grows, and no more is done than there is.
#[derive(Default)]
struct Watched(Option<SyncProgress>);

impl Watched {
    fn see(&mut self, now: SyncProgress) {
        if let Some(before) = &self.0 {
            let grows = [
                (before.objects_done, now.objects_done),
                (before.objects, now.objects),
                (before.bytes_done, now.bytes_done),
                (before.bytes, now.bytes),
            ];
            assert!(
                grows.iter().all(|(before, now)| before <= now),
                "{before:?} {now:?}"
            );
        }
        assert!(now.objects_done <= now.objects, "{now:?}");
        assert!(now.bytes_done <= now.bytes, "{now:?}");
        self.0 = Some(now);
    }

    /// Waits for the end of a transfer, and checks that it has told of all of it.
    async fn finish(mut self, mut transfer: Transfer) -> Result<SyncResult, shoots_client::Error> {
        let done = loop {
            match transfer.try_next().await? {
                Some(SyncAnswer::Progress(progress)) => self.see(progress),
                Some(SyncAnswer::Done(done)) => break done,
                None => panic!("it ended without saying what was done"),
            }
        };
        let frame = &done.frames[0];
        if let Some(last) = self.0.filter(|_| frame.objects > 0) {
            assert_eq!(
                (last.objects_done, last.objects),
                (frame.objects, frame.objects)
            );
            assert_eq!((last.bytes_done, last.bytes), (frame.bytes, frame.bytes));
        }
        Ok(done)
    }
}

/// Puts frames `a`, with a segment per version.
async fn fill(client: &ShootsClient) {
    for n in 0..SEGMENTS {
        put(client, "a", PutMode::Append, rows(n * 100..(n + 1) * 100)).await;
    }
}

async fn equal(one: &ShootsClient, other: &ShootsClient, frame: &str) {
    assert_eq!(get(one, "a").await, get(other, frame).await);
    assert_eq!(tip(one, "a").await, tip(other, frame).await);
}

async fn sound(client: &ShootsClient) {
    let verified = client.verify().send().await.unwrap();
    assert!(verified.ok, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_is_cut_at_any_byte_goes_on_and_ends_equal() {
    let one = Server::with(QUIET).await;
    let here = one.client().await;
    fill(&here).await;
    let cable = Cable::to(one.address()).await;
    let origin = cable.origin();
    let other = Server::with(&[QUIET, &[&origin]].concat()).await;
    let there = other.client().await;
    let pull = async |target: &str| {
        let call = there.pull("origin").frame("a").target(target);
        Watched::default().finish(call.start().await?).await
    };
    let first = pull("first").await.unwrap();
    assert_eq!(outcome(&first), SyncOutcome::Created);
    let whole = [cable.passed(Way::Out), cable.passed(Way::Back)];
    for seed in seeds() {
        println!("SHOOTS_CUT_SEED={seed}");
        let mut drawn = Drawn(seed);
        let target = format!("pulled {seed}");
        for _ in 0..CUTS {
            let way = [Way::Out, Way::Back][usize::try_from(drawn.below(2)).unwrap()];
            let bytes = drawn.below(whole[usize::from(way == Way::Back)]);
            cable.cut_after(way, bytes);
            if let Err(error) = pull(&target).await {
                let told = error.to_string();
                assert!(
                    told.contains("origin") && told.contains("ask again"),
                    "{told}"
                );
            }
            cable.mend();
        }
        let last = pull(&target).await.unwrap();
        assert!(objects(&last) <= objects(&first), "{last:?}");
        equal(&here, &there, &target).await;
        let again = pull(&target).await.unwrap();
        assert_eq!(
            (outcome(&again), objects(&again)),
            (SyncOutcome::Unchanged, 0)
        );
    }
    // Late enough, much of it has arrived, and is not sent again.
    cable.cut_after(Way::Back, whole[1] * 9 / 10);
    pull("late").await.unwrap_err();
    let rest = pull("late").await.unwrap();
    assert!(objects(&rest) < objects(&first) / 2, "{rest:?}");
    equal(&here, &there, "late").await;
    sound(&there).await;
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_cut_at_any_byte_goes_on_and_ends_equal() {
    let one = Server::with(QUIET).await;
    let there = one.client().await;
    let cable = Cable::to(one.address()).await;
    let origin = cable.origin();
    let other = Server::with(&[QUIET, &[&origin]].concat()).await;
    let here = other.client().await;
    fill(&here).await;
    let push = async |target: &str| {
        let call = here.push("origin").frame("a").target(target);
        Watched::default().finish(call.start().await?).await
    };
    let first = push("first").await.unwrap();
    assert_eq!(outcome(&first), SyncOutcome::Created);
    let whole = [cable.passed(Way::Out), cable.passed(Way::Back)];
    for seed in seeds() {
        println!("SHOOTS_CUT_SEED={seed}");
        let mut drawn = Drawn(seed);
        let target = format!("pushed {seed}");
        for _ in 0..CUTS {
            let way = [Way::Out, Way::Back][usize::try_from(drawn.below(2)).unwrap()];
            let bytes = drawn.below(whole[usize::from(way == Way::Back)]);
            cable.cut_after(way, bytes);
            if let Err(error) = push(&target).await {
                assert!(error.to_string().contains("origin"), "{error}");
            }
            cable.mend();
        }
        let last = push(&target).await.unwrap();
        assert!(objects(&last) <= objects(&first), "{last:?}");
        equal(&here, &there, &target).await;
        let again = push(&target).await.unwrap();
        assert_eq!(
            (outcome(&again), objects(&again)),
            (SyncOutcome::Unchanged, 0)
        );
    }
    cable.cut_after(Way::Out, whole[0] * 9 / 10);
    push("late").await.unwrap_err();
    let rest = push("late").await.unwrap();
    assert!(objects(&rest) < objects(&first) / 2, "{rest:?}");
    equal(&here, &there, "late").await;
    sound(&there).await;
    other.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_at_the_other_end_may_be_killed_in_a_transfer() {
    let folder = fresh_folder();
    let mut one = Server::on(&folder, QUIET).await;
    fill(&one.client().await).await;
    for pushes in [false, true] {
        let cable = Cable::to(one.address()).await;
        let origin = cable.origin();
        let other = Server::with(&[QUIET, &[&origin]].concat()).await;
        let here = other.client().await;
        let call = |client: &ShootsClient| {
            let target = "pushed";
            client.push("origin").frame("a").target(target)
        };
        let begun = if pushes {
            fill(&here).await;
            call(&here).start().await
        } else {
            here.clone_frames("origin").frame("a").start().await
        };
        let mut transfer = begun.unwrap();
        while let Some(SyncAnswer::Progress(progress)) = transfer.try_next().await.unwrap() {
            if progress.objects_done >= 5 {
                break;
            }
        }
        one.kill().await;
        let rest: Result<Vec<_>, _> = transfer.try_collect().await;
        assert!(rest.is_err() || pushes, "{rest:?}");
        one = Server::on(&folder, QUIET).await;
        let there = one.client().await;
        // The server is at another address, which the cable does not lead to.
        let again = Cable::to(one.address()).await;
        let url = again.origin().replace("--remote=origin=", "");
        here.add_remote("again", &url).send().await.unwrap();
        if pushes {
            assert!(!there.exists("pushed").await.unwrap());
            let pushed = here
                .push("again")
                .frame("a")
                .target("pushed")
                .send()
                .await
                .unwrap();
            assert!(objects(&pushed) < SEGMENTS.unsigned_abs(), "{pushed:?}");
            equal(&here, &there, "pushed").await;
            sound(&there).await;
        } else {
            assert!(!here.exists("a").await.unwrap());
            let pulled = here.pull("again").frame("a").send().await.unwrap();
            assert!(objects(&pulled) < SEGMENTS.unsigned_abs(), "{pulled:?}");
            equal(&there, &here, "a").await;
            sound(&here).await;
        }
        other.stop().await;
    }
    one.stop().await;
}
