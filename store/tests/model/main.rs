//! Random histories of a frame, done to a store and to a model of it that fits on a few pages.
//!
//! The model ([`reference`]) is a list of versions, each a plain table. A history ([`op`]) is a list of what can be
//! done to a frame, by two writers that take turns or overlap; after each change the newest state is compared, and in
//! the end every version, every tag and the history.
//!
//! `SHOOTS_MODEL_CASES` says how many histories are tried on each kind of place, `SHOOTS_MODEL_SEED` repeats a run
//! that printed this seed.

// Everything here is a test to the lints, functions without `#[test]` too.
#![cfg(test)]

mod batches;
mod clock;
mod comparison;
mod meaning;
mod op;
mod reference;
mod retained;
mod table;
mod world;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use shoots_store::{SegmentLimits, Store, StoreBuilder};
use tempfile::TempDir;

use crate::clock::Clock;
use crate::op::{History, Setup, histories};
use crate::world::World;

/// A place that several stores can be opened on.
enum Place {
    Disk(TempDir),
    Memory(Arc<InMemory>),
}

impl Place {
    fn builder(&self) -> StoreBuilder {
        match self {
            Self::Disk(folder) => Store::builder(folder.path().to_str().unwrap()),
            Self::Memory(objects) => Store::builder("memory://").object_store(objects.clone()),
        }
    }

    /// What lies there, past any store.
    fn objects(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Disk(folder) => {
                Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())
            }
            Self::Memory(objects) => objects.clone(),
        }
    }

    async fn open(&self, setup: Setup, clock: &Arc<Clock>) -> Store {
        let limits = SegmentLimits {
            max_rows: setup.segment_rows,
            ..SegmentLimits::default()
        };
        let memory = if setup.little_memory { 1 } else { 1 << 20 };
        let builder = self.builder().environment(clock.clone());
        let builder = builder.segment_limits(limits).put_memory_bytes(memory);
        builder.open().await.unwrap()
    }
}

async fn check(place: Place, (setup, ops): History) {
    let clock = Arc::new(Clock::new());
    let stores = [
        place.open(setup, &clock).await,
        place.open(setup, &clock).await,
    ];
    let mut world = World::new(&stores, place.objects(), clock.clone());
    for (who, op) in &ops {
        world.run(*who, op).await;
    }
    world.compare_all(&place.open(setup, &clock).await).await;
    world.sweep_all().await;
    world.compare_all(&place.open(setup, &clock).await).await;
}

/// Tries so many random histories, unless the environment says another number.
fn try_histories(cases: u32, place: fn() -> Place) {
    // Without optimization, the futures of a history with changes inside changes are large.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let tried = thread.spawn(move || run_histories(cases, place)).unwrap();
    if let Err(panic) = tried.join() {
        std::panic::resume_unwind(panic);
    }
}

fn run_histories(cases: u32, place: fn() -> Place) {
    let cases = std::env::var("SHOOTS_MODEL_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let seed = std::env::var("SHOOTS_MODEL_SEED").unwrap_or_else(|_| fresh_seed());
    println!("SHOOTS_MODEL_SEED={seed}");
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let hash: [u8; 32] = std::array::from_fn(|place| {
        let bytes = seed.as_bytes();
        bytes[place % bytes.len()]
    });
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &hash);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = TestRunner::new_with_rng(config, rng).run(&histories(), |history| {
        runtime.block_on(check(place(), history));
        TestCaseResult::Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}\nrepeat with SHOOTS_MODEL_SEED={seed}");
    }
}

/// The names of temporary folders are random.
fn fresh_seed() -> String {
    let folder = TempDir::new().unwrap();
    let name = folder.path().file_name().unwrap();
    name.to_str().unwrap().trim_start_matches('.').to_owned()
}

#[test]
fn histories_in_memory_are_as_the_model_has_them() {
    try_histories(80, || Place::Memory(Arc::new(InMemory::new())));
}

#[test]
fn histories_on_disk_are_as_the_model_has_them() {
    try_histories(12, || Place::Disk(TempDir::new().unwrap()));
}
