//! The process that tries inputs on a target until its time is over or one of them is a defect.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::MEMORY;
use crate::found;
use crate::input::{self, Input};
use crate::mutation;
use crate::panics;
use crate::random::Random;
use crate::watch::Watch;

/// How many inputs are remembered as starts for others.
const CORPUS: usize = 4_000;

/// Something that takes inputs.
pub(crate) trait Target: Sized {
    /// What the test, and the folder of what was found, are called.
    const NAME: &'static str;

    async fn begin() -> Self;

    /// Real inputs, which all others are made from.
    async fn seeds(&mut self) -> Vec<Input>;

    /// Takes an input.
    async fn run(&mut self, input: &Input) -> Verdict;
}

/// What became of an input.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What was answered. Inputs that are answered in another way than all before are worth changing further.
    pub(crate) told: String,
    /// What must not be.
    pub(crate) defect: Option<String>,
}

impl Verdict {
    pub(crate) fn told(told: impl Into<String>) -> Self {
        Self {
            told: told.into(),
            defect: None,
        }
    }

    pub(crate) fn defect(defect: impl Into<String>) -> Self {
        Self {
            told: String::new(),
            defect: Some(defect.into()),
        }
    }
}

/// What a run is told by its parent.
pub(crate) struct Order {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) memory_bytes: usize,
}

/// Tries inputs. In `folder`, `current` is the one at hand, `verdict` is what is wrong with it, and `executions` how
/// many there were.
pub(crate) fn run<T: Target>(folder: &Path, order: &Order) {
    panics::watch();
    let watch = Watch::start(&folder.join("verdict"));
    in_a_runtime(async {
        let mut target = T::begin().await;
        let mut corpus = found::inputs(T::NAME);
        let found = corpus.len();
        let mut random = Random(order.seed);
        corpus.extend(random.shuffled(target.seeds().await));
        let mut known = HashSet::new();
        let first = corpus.len();
        let time = Duration::from_secs_f64(order.seconds);
        let (halftime, deadline) = (Instant::now() + time / 2, Instant::now() + time);
        let mut as_they_are = 0;
        let mut executions = 0;
        let mut slowest = Duration::ZERO;
        // What was found is tried always; real inputs, in another order each time, for half of the time.
        while as_they_are < found || Instant::now() < deadline {
            let is_real = as_they_are < found || (as_they_are < first && Instant::now() < halftime);
            let input = if is_real {
                as_they_are += 1;
                corpus[as_they_are - 1].clone()
            } else {
                mutation::mutated(&mut random, &corpus)
            };
            input::write(&input, &folder.join("current"));
            let started = Instant::now();
            watch.begin();
            let verdict = bounded(&mut target, &input, order.memory_bytes).await;
            watch.end();
            slowest = slowest.max(started.elapsed());
            executions += 1;
            if let Some(defect) = verdict.defect {
                std::fs::write(folder.join("verdict"), defect).unwrap();
                break;
            }
            let is_new = known.insert(shape(&verdict.told));
            if is_new && !is_real && corpus.len() < CORPUS {
                corpus.push(input);
            }
        }
        let report = format!("{executions} {} {}", known.len(), slowest.as_millis());
        std::fs::write(folder.join("executions"), report).unwrap();
    });
}

/// Takes an input within a bound of memory, beyond which the process ends.
async fn bounded<T: Target>(target: &mut T, input: &Input, bytes: usize) -> Verdict {
    MEMORY.set_limit(MEMORY.allocated() + bytes).unwrap();
    let verdict = target.run(input).await;
    MEMORY.set_limit(usize::MAX).unwrap();
    match panics::seen() {
        Some(panic) => Verdict::defect(panic),
        None => verdict,
    }
}

/// Runs on threads as the server has them.
fn in_a_runtime(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(work);
    runtime.shutdown_background();
}

/// An answer without what differs from one to the next of its kind.
fn shape(told: &str) -> String {
    let mut shape = String::new();
    let mut quoted = None;
    for character in told.chars() {
        if shape.len() > 160 {
            break;
        }
        match quoted {
            Some(quote) => {
                if character == quote {
                    quoted = None;
                }
            }
            None if matches!(character, '"' | '`' | '\'') => {
                quoted = Some(character);
                shape.push(character);
            }
            None if character.is_ascii_digit() => {
                if !shape.ends_with('0') {
                    shape.push('0');
                }
            }
            None => shape.push(character),
        }
    }
    shape
}

#[test]
fn answers_of_one_kind_have_one_shape() {
    assert_eq!(shape("row 12 of `a`: 7.5"), "row 0 of `: 0.0");
    assert_eq!(shape("row 3 of `bc`: 1.25"), shape("row 12 of `a`: 7.5"));
    assert_ne!(shape("no such frame"), shape("no such bucket"));
}
