//! Merging histories that real edits made, against a model that replays them in plain Rust.
//!
//! Stores begin with the same frame (the folder is copied), change it apart from each other, and are merged in random
//! order: [`site`] holds the stores ([`parts`] is what they are built with), [`op`] what happens to them, [`model`] what must come out.

mod cases;
mod given_up;
mod model;
mod op;
mod parts;
mod site;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRng, TestRunner};

use self::model::{Replayed, replay};
use self::op::{Op, any_ops};
use self::site::{Site, union};
use super::{Kind, Merged};
use crate::log::change;
use crate::log::commit::CommitId;

impl Merged {
    fn rows(&self) -> u64 {
        change::totals(&self.segments).rows
    }
}

/// What happens before the stores go apart, and then in each.
#[derive(Debug, Clone)]
struct Plan {
    indexed: bool,
    before: Vec<Op>,
    apart: [Vec<Op>; 3],
    /// What happens in the first two after they were merged.
    after: [Vec<Op>; 2],
    /// Whether the first two are not merged: the side of one of them is taken.
    settle: Option<bool>,
    /// By how many milliseconds the clocks are ahead.
    skews: [i64; 3],
    /// How many of its first commits the second has given up when the first is merged with it.
    lost: usize,
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let apart = [any_ops(1..4), any_ops(1..4), any_ops(1..4)];
    let after = [any_ops(0..3), any_ops(0..3)];
    let skew = || prop_oneof![Just(0_i64), -3..4_i64, Just(50)];
    let skews = [skew(), skew(), skew()];
    let settle = proptest::option::weighted(0.2, any::<bool>());
    (
        any::<bool>(),
        any_ops(0..4),
        apart,
        after,
        settle,
        skews,
        0..4_usize,
    )
        .prop_map(
            |(indexed, before, apart, after, settle, skews, lost)| Plan {
                indexed,
                before,
                apart,
                after,
                settle,
                skews,
                lost,
            },
        )
}

/// Merges both ways: the frames and the commits must be the same, those that the model has, or both have a conflict of
/// the kind that the model has.
async fn merge_both_ways(one: &mut Site, other: &mut Site) -> bool {
    let expected = replay(&union(one, other));
    one.fetch(other).await;
    other.fetch(one).await;
    let (ours, theirs) = (one.merge(other).await, other.merge(one).await);
    let (ours, theirs) = match (ours, theirs, expected) {
        (Ok(ours), Ok(theirs), Ok(expected)) => {
            compare(one, &ours, &expected).await;
            compare(other, &theirs, &expected).await;
            (ours, theirs)
        }
        (Err(ours), Err(theirs), Err(expected)) => {
            assert_eq!((ours.kind, theirs.kind), (expected, expected));
            assert_eq!((&ours.ours, &ours.theirs), (&theirs.theirs, &theirs.ours));
            return false;
        }
        (ours, theirs, expected) => {
            let expected = expected.map(|_| "rows");
            panic!("{:?} {:?} {expected:?}", ours.err(), theirs.err())
        }
    };
    publish_both(one, *ours, other, *theirs, None).await;
    assert_eq!(one.read().await, other.read().await);
    true
}

/// Without the rows of some commits the outcome is the same, or a conflict where what is left does not tell it.
async fn merge_without(one: &Site, other: &Site, lost: usize) {
    one.fetch(other).await;
    let Some(without) = one.merge_without(other, lost).await else {
        return;
    };
    let expected = replay(&union(one, other));
    match (without.outcome, expected) {
        (Ok(merged), Ok(expected)) => {
            compare(one, &merged, &expected).await;
            one.log().discard(&merged.written).await.unwrap();
        }
        (Err(conflict), Err(kind)) => {
            assert!(
                [kind, Kind::Expired].contains(&conflict.kind),
                "{conflict:?}"
            );
        }
        (Err(conflict), Ok(_)) => {
            assert_eq!(conflict.kind, Kind::Expired, "{conflict:?}");
            assert!(without.interleaved, "{conflict:?}");
        }
        (Ok(_), Err(kind)) => panic!("merged, where there is a conflict of {kind:?}"),
    }
}

/// Takes the side of the first.
async fn settle(one: &mut Site, other: &mut Site) {
    one.fetch(other).await;
    other.fetch(one).await;
    let (state, taken) = (one.state().await, one.head().clone());
    publish_both(one, state.clone(), other, state, Some(&taken)).await;
}

async fn publish_both(
    one: &mut Site,
    ours: Merged,
    other: &mut Site,
    theirs: Merged,
    settled: Option<&CommitId>,
) {
    let heads = [one.parent(), other.parent()];
    one.learn(other);
    other.learn(one);
    one.publish(ours, &heads, settled).await;
    other.publish(theirs, &heads, settled).await;
    assert_eq!(one.head(), other.head());
}

async fn compare(site: &Site, merged: &Merged, expected: &Replayed) {
    assert_eq!(merged.deleted, expected.deleted);
    assert_eq!(merged.index, expected.index);
    let names: Vec<&String> = merged
        .schema
        .schema
        .fields()
        .iter()
        .map(|f| f.name())
        .collect();
    let wanted: Vec<&String> = expected.columns.iter().map(|(name, _)| name).collect();
    assert_eq!(names, wanted);
    let rows = site.rows_of(merged).await;
    assert_eq!(rows, expected.named_rows());
    assert_eq!(merged.rows(), rows.len() as u64);
}

async fn check(plan: Plan) {
    let [skew, ..] = plan.skews;
    let mut first = Site::begin(plan.indexed, skew).await;
    first.run(&plan.before).await;
    let mut sites = [
        first.fork(1, plan.skews[1]).await,
        first.fork(2, plan.skews[2]).await,
    ];
    first.run(&plan.apart[0]).await;
    for (site, ops) in sites.iter_mut().zip(&plan.apart[1..]) {
        site.run(ops).await;
    }
    let [mut second, mut third] = sites;
    merge_without(&first, &second, plan.lost).await;
    match plan.settle {
        Some(true) => settle(&mut first, &mut second).await,
        Some(false) => settle(&mut second, &mut first).await,
        None if merge_both_ways(&mut first, &mut second).await => {}
        None => settle(&mut first, &mut second).await,
    }
    first.run(&plan.after[0]).await;
    second.run(&plan.after[1]).await;
    // Whichever of them is merged with the third first, in the end all have the same rows.
    let all = [&first, &second, &third];
    let everything: Vec<_> = all.iter().flat_map(|site| site.told()).cloned().collect();
    let expected = replay(&model::sorted(everything));
    if !merge_both_ways(&mut third, &mut second).await {
        return;
    }
    if first.knows(&third) || third.knows(&first) {
        return;
    }
    if merge_both_ways(&mut first, &mut third).await {
        let expected = expected.unwrap();
        if !expected.deleted {
            assert_eq!(first.read().await, expected.named_rows());
        }
    } else {
        assert!(expected.is_err());
    }
}

#[test]
fn merged_histories_are_as_the_model_has_them_whichever_way_they_are_merged() {
    let cases = std::env::var("SHOOTS_MERGE_CASES").map_or(60, |cases| cases.parse().unwrap());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 600,
        ..Config::default()
    };
    // Without optimization, the futures of a history with changes inside changes are large.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let tried = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed());
        let mut runner = TestRunner::new_with_rng(config, rng);
        let outcome = runner.run(&any_plan(), |plan| {
            runtime.block_on(check(plan));
            TestCaseResult::Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    });
    if let Err(panic) = tried.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// Printed with what fails: `SHOOTS_MERGE_SEED` repeats it.
fn seed() -> [u8; 32] {
    let own = || {
        blake3::hash(
            &crate::Environment::unique(&crate::SystemEnvironment::default()).to_le_bytes(),
        )
    };
    let seed = std::env::var("SHOOTS_MERGE_SEED");
    let seed = seed.unwrap_or_else(|_| own().to_hex()[..16].to_owned());
    println!("SHOOTS_MERGE_SEED={seed}");
    *blake3::hash(seed.as_bytes()).as_bytes()
}
