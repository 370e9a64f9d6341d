//! Round two: making changes visible.
//!
//! Writers of a frame in this process queue; whoever comes while an entry is being created is published with the
//! next one, together with all others that wait ([`Publisher::submit`]). Between processes, creating the entry
//! decides ([`publish_group`]).

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoots_proto::name::FrameId;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::commit::{Base, Published};
use super::derive::{Derive, Step};
use super::entry::{self, Entry};
use super::head::Head;
use super::invariants;
use super::plan::{self, Answers, Basis, Next, Plan, Proposal, Wish, Worked};
use super::relist::relist;
use crate::error::{Cause, Error, Result};
use crate::frame_log::FrameLog;
use crate::objects::{CreateError, Created};
use crate::sync::promise;

/// Changes that one entry publishes at most.
const GROUP: usize = 32;
/// Entries of other processes that a group gives way to before it gives up.
const MAX_REBASES: u32 = 100;
/// Attempts to create one entry, or to learn what became of it, when replies are lost.
const MAX_ATTEMPTS: u32 = 5;
/// After so long, a head in memory is confirmed before an entry is created on top of it.
const CONFIRM_AFTER_SECONDS: u64 = 3600;
/// So long it is believed that a frame has no log, without another look, when its first entry is created.
const ABSENT_SECONDS: u64 = 60;
/// A clock that says a time before 1970, or one in the last year that can be written down (2262), is wrong.
const CLOCK_SAYS: Range<i64> = 0..i64::MAX - 365 * 86_400 * 1_000_000_000;

/// How long writers wait for one merge at most.
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// The queues of a store's frames.
#[derive(Debug, Default, Clone)]
pub(crate) struct Publisher {
    /// A frame is in here while a task publishes for it.
    queues: Arc<Mutex<HashMap<FrameId, VecDeque<Waiting>>>>,
    /// Frames of which only commits of other stores, and merges with them, are published.
    held: Arc<Mutex<HashSet<FrameId>>>,
    /// Something was queued for a held frame, or one was let go.
    stirred: Arc<Notify>,
}

/// Keeps the writers of a frame in this process waiting, so that what takes long to work out, a merge, is not out of date
/// each time that it is done. Dropping it lets them go on, and so does time.
#[derive(Debug)]
pub(crate) struct Hold {
    publisher: Publisher,
    frame: FrameId,
    timer: AbortHandle,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.timer.abort();
        self.publisher.let_go(&self.frame);
    }
}

/// Whose turn it is in a queue.
enum Turn {
    Group(Vec<Waiting>),
    /// Those who wait are held.
    Held,
    Nothing,
}

#[derive(Debug)]
struct Waiting {
    proposal: Proposal,
    answer: oneshot::Sender<Result<Option<Published>>>,
}

impl Publisher {
    /// Publishes one change, unless there is nothing to change. It is carried through even when the caller stops
    /// waiting.
    pub(crate) async fn submit(
        &self,
        log: &FrameLog,
        proposal: Proposal,
    ) -> Result<Option<Published>> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { proposal, answer };
        if self.enqueue(log.frame(), waiting) {
            tokio::spawn(self.clone().publish_all(log.clone()));
        }
        let lost = |_| Cause::OutcomeUnknown {
            problem: "the task that published it ended".to_owned(),
        };
        answered.await.map_err(lost)?
    }

    /// Whether nothing is being published, and every hint is written that belongs to what was.
    pub(crate) fn is_idle(&self) -> bool {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.is_empty()
    }

    /// Keeps writers of the frame waiting; none: somebody else does.
    pub(crate) fn hold(&self, frame: &FrameId) -> Option<Hold> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.insert(frame.clone()) {
            return None;
        }
        let (publisher, timed) = (self.clone(), frame.clone());
        let timer = tokio::spawn(async move {
            tokio::time::sleep(LONGEST_HOLD).await;
            publisher.let_go(&timed);
        });
        Some(Hold {
            publisher: self.clone(),
            frame: frame.clone(),
            timer: timer.abort_handle(),
        })
    }

    fn let_go(&self, frame: &FrameId) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(frame);
        drop(held);
        self.stirred.notify_waiters();
    }

    fn is_held(&self, frame: &FrameId) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.contains(frame)
    }

    /// Whether nobody publishes for the frame yet.
    fn enqueue(&self, frame: &FrameId, waiting: Waiting) -> bool {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get_mut(frame) {
            queue.push_back(waiting);
            self.stirred.notify_waiters();
            return false;
        }
        queues.insert(frame.clone(), VecDeque::from([waiting]));
        true
    }

    fn next(&self, frame: &FrameId) -> Turn {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queues.get_mut(frame).filter(|queue| !queue.is_empty()) else {
            queues.remove(frame);
            return Turn::Nothing;
        };
        // What is worked out from an entry is the first of the next one. What comes from another store fills it.
        let foreign = |waiting: &Waiting| matches!(waiting.proposal.wish, Wish::Foreign(_));
        if self.is_held(frame) {
            let first = queue.iter().position(foreign);
            let first = first.and_then(|first| queue.remove(first));
            return first.map_or(Turn::Held, |first| Turn::Group(vec![first]));
        }
        let worked = |waiting: &Waiting| {
            matches!(waiting.proposal.wish, Wish::Derived(_)) || foreign(waiting)
        };
        let count = match queue.front() {
            Some(first) if foreign(first) => 1,
            _ => {
                let next = queue.iter().skip(1).position(worked);
                next.map_or(queue.len(), |at| at + 1).min(GROUP)
            }
        };
        Turn::Group(queue.drain(..count).collect())
    }

    async fn publish_all(self, log: FrameLog) {
        let mut guard = AbandonOnPanic {
            publisher: &self,
            frame: log.frame(),
            finished: false,
        };
        loop {
            let mut stirred = std::pin::pin!(self.stirred.notified());
            stirred.as_mut().enable();
            let group = match self.next(log.frame()) {
                Turn::Group(group) => group,
                Turn::Held => {
                    stirred.await;
                    continue;
                }
                Turn::Nothing => break,
            };
            let (proposals, answers): (Vec<_>, Vec<_>) = group
                .into_iter()
                .map(|waiting| (waiting.proposal, waiting.answer))
                .unzip();
            let (outcomes, hint) = publish_group(&log, &proposals).await;
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Whoever stopped waiting reads the log to learn what became of it.
                answer.send(outcome).ok();
            }
            if let Some(sequence) = hint {
                log.write_hint(sequence).await;
            }
        }
        // The queue is gone, and the next one may have begun.
        guard.finished = true;
    }
}

/// Should the publishing task panic, those who wait hear that the outcome is unknown, and the frame goes on.
struct AbandonOnPanic<'a> {
    publisher: &'a Publisher,
    frame: &'a FrameId,
    finished: bool,
}

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let queues = &self.publisher.queues;
        let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.remove(self.frame);
    }
}

/// What became of each proposal, and the entry that the hint should name.
async fn publish_group(
    log: &FrameLog,
    proposals: &[Proposal],
) -> (Vec<Result<Option<Published>>>, Option<u64>) {
    match try_publish(log, proposals).await {
        Ok((outcomes, hint)) => (outcomes, hint),
        Err(error) => {
            let outcomes = proposals.iter().map(|_| Err(error.clone()));
            (outcomes.collect(), None)
        }
    }
}

async fn try_publish(
    log: &FrameLog,
    proposals: &[Proposal],
) -> Result<(Vec<Result<Option<Published>>>, Option<u64>)> {
    check_clock(log)?;
    let mut head = log.remembered_head();
    let stale = |head: &Head| log.now().seconds_since(head.confirmed) > CONFIRM_AFTER_SECONDS;
    let mut fresh = false;
    let unknown = match &head {
        Some(head) => stale(head),
        None => !seen_absent(log, proposals),
    };
    if unknown {
        head = log.newest().await?;
        fresh = true;
    } else if let Some(known) = head {
        head = log.attested(known).await?;
    }
    for _ in 0..MAX_REBASES {
        let before = head.as_ref().map(|head| head.entry.as_ref());
        let plan = plan_next(log, head.as_ref(), proposals).await?;
        let in_vain = |outcome: &Result<Option<Published>>| !matches!(outcome, Ok(Some(_)));
        if !fresh && plan.outcomes.iter().any(in_vain) {
            // That something is refused, or has nothing to change, must not rest on what may be old news.
            head = log.newest().await?;
            fresh = true;
            continue;
        }
        let Some(next) = plan.next else {
            return Ok((plan.outcomes, None));
        };
        let wrote_checkpoint = next.checkpoint.is_some();
        let entry = prepare(log, before, next).await?;
        match create(log, entry).await? {
            Outcome::Committed(entry) => {
                let sequence = entry.header.sequence;
                log.remember_head(entry);
                // A put writes at most three objects; the hint may be one behind.
                let hint = (!wrote_checkpoint).then_some(sequence);
                return Ok((plan.outcomes, hint));
            }
            Outcome::Conflict(winner) => {
                head = log.newest_from(winner).await?;
                fresh = true;
            }
        }
    }
    let problem = format!(
        "other writers of frame {} came first again and again",
        log.frame()
    );
    Err(Cause::Conflict(problem).into())
}

/// Times of a log only rise, so nothing could follow what is published at the last time that can be written down.
fn check_clock(log: &FrameLog) -> Result<()> {
    let now = log.now();
    if CLOCK_SAYS.contains(&now.nanoseconds()) {
        return Ok(());
    }
    let problem = format!("the clock of this machine says {now}: set it right, then try again");
    Err(Error::io(
        format!("publishing a change of frame {}", log.frame()),
        problem,
    ))
}

/// Whether one of those who wait has just seen that there is no log. Should there be one by now, creating its first
/// entry says so.
fn seen_absent(log: &FrameLog, proposals: &[Proposal]) -> bool {
    let now = log.now();
    let mut seen = proposals.iter().filter_map(|proposal| proposal.absent);
    seen.any(|at| now.seconds_since(at) <= ABSENT_SECONDS)
}

async fn plan_next(log: &FrameLog, head: Option<&Head>, proposals: &[Proposal]) -> Result<Plan> {
    let before = head.map(|head| head.entry.as_ref());
    let (schema, tip) = match before {
        Some(entry) => {
            entry.check_writable(&log.paths().entry(entry.header.sequence))?;
            let schema = log.schema(&entry.state.schema).await?;
            (Some(schema), log.tip(entry).await?)
        }
        None => (None, None),
    };
    let worked = match proposals.first() {
        Some(first) => work_out(log, before, first).await,
        None => None,
    };
    let answers = answers(log, head, proposals).await;
    let frame = log.frame().to_string();
    let basis = Basis {
        frame: &frame,
        before,
        schema: schema.as_ref(),
        tip,
    };
    Ok(plan::plan(basis, proposals, answers, worked, log.now()))
}

/// What callers heard whose changes were published before, and are now proposed again.
async fn answers(log: &FrameLog, head: Option<&Head>, proposals: &[Proposal]) -> Answers {
    let mut answers = Answers::new();
    let keys = proposals
        .iter()
        .filter_map(|proposal| proposal.request.as_ref());
    for (key, head) in keys.filter_map(|key| Some((key, head?))) {
        if let Ok(Some(version)) = head.entry.state.remembered.answered(key) {
            let answer = log.published(&head.entry, version).await;
            answers.insert(version, answer);
        }
    }
    answers
}

/// What a change comes to that is worked out from an entry, unless an earlier attempt of it took effect.
async fn work_out(
    log: &FrameLog,
    before: Option<&Entry>,
    proposal: &Proposal,
) -> Option<Result<Option<Worked>>> {
    let remembered = before.zip(proposal.request.as_ref());
    let known = remembered.map(|(entry, key)| entry.state.remembered.answered(key));
    if known.is_some_and(|known| !matches!(known, Ok(None))) {
        return None;
    }
    match &proposal.wish {
        Wish::Derived(change) => {
            let mut step = derive(log, before, change.as_ref()).await;
            if let (Err(error), Some(before)) = (&step, before)
                && error.is_missing()
            {
                step = Err(promise::explain(log, &before.state, error.clone()).await);
            }
            Some(step.map(|step| step.map(|step| Worked::Step(Box::new(step)))))
        }
        Wish::Foreign(foreign) => {
            let arrivals = foreign.arrive(log, before).await;
            Some(arrivals.map(|some| some.map(|some| Worked::Foreign(Box::new(some)))))
        }
        _ => None,
    }
}

async fn derive(
    log: &FrameLog,
    before: Option<&Entry>,
    change: &dyn Derive,
) -> Result<Option<Step>> {
    let mut step = change.derive(log, before).await?;
    if let (Some(before), Some(step)) = (before, &mut step) {
        relist(&log.checkpoints(), before, step).await?;
    }
    Ok(step)
}

/// An entry that is ready to be created, with its bytes.
struct Prepared {
    entry: Entry,
    bytes: Vec<u8>,
}

/// Writes the checkpoint that is due, if one is, and checks the invariants.
async fn prepare(log: &FrameLog, before: Option<&Entry>, next: Next) -> Result<Prepared> {
    let mut state = next.state;
    if let Some(changes) = next.checkpoint {
        let live = before.map_or(0, |entry| entry.state.segments);
        let list = Base {
            checkpoint: state.checkpoint.take(),
            changes,
        };
        state.checkpoint = Some(log.checkpoints().write_after(list, live).await?);
    }
    let bytes = entry::encode(&next.header, &next.lines, &state)?;
    let entry = Entry {
        header: next.header,
        commits: next.commits,
        state,
        encoded_bytes: bytes.len(),
    };
    if let Some(rule) = invariants::broken(before, &entry) {
        let (frame, rule) = (log.frame().to_string(), rule.to_owned());
        return Err(Cause::Invariant { frame, rule }.into());
    }
    Ok(Prepared { entry, bytes })
}

enum Outcome {
    Committed(Arc<Entry>),
    /// Another writer's entry has this number.
    Conflict(Arc<Entry>),
}

/// Creates the entry, and finds out what happened when the answer does not say.
async fn create(log: &FrameLog, prepared: Prepared) -> Result<Outcome> {
    let Prepared { entry, bytes } = prepared;
    let sequence = entry.header.sequence;
    let path = log.paths().entry(sequence);
    let bytes = bytes::Bytes::from(bytes);
    // What went wrong with an attempt that may have created it.
    let mut doubt: Option<String> = None;
    for _ in 0..MAX_ATTEMPTS {
        match log.objects().create(&path, bytes.clone()).await {
            Ok(Created::Yes) => return Ok(Outcome::Committed(Arc::new(entry))),
            Ok(Created::Exists) => {}
            Err(CreateError::NotKnownDurable(error)) => return Err(unknown(error.to_string())),
            Err(CreateError::Refused(error)) if doubt.is_none() => return Err(error),
            Err(CreateError::Refused(error) | CreateError::Ambiguous(error)) => {
                doubt = Some(error.to_string());
            }
        }
        match log.reader().entry(sequence).await {
            // Another store's commits are the same whoever publishes them, but what is said beside them is not.
            Ok(Some(found)) if is_ours(&found, &entry) => return Ok(Outcome::Committed(found)),
            Ok(Some(winner)) => return Ok(Outcome::Conflict(winner)),
            Ok(None) => {}
            Err(error) => {
                let before = doubt.unwrap_or_else(|| format!("{path} exists"));
                return Err(unknown(format!("{before}; reading it back: {error}")));
            }
        }
    }
    // An object store may say so of one that is only being written, which could be ours.
    let taken = || {
        format!(
            "{path} is said to exist and cannot be found; if it is a folder, or a link that leads nowhere, move it away"
        )
    };
    Err(unknown(doubt.unwrap_or_else(taken)))
}

/// Write ids are random, so an entry with ours is the one that we tried to create.
fn is_ours(found: &Entry, ours: &Entry) -> bool {
    found.commits == ours.commits
}

fn unknown(problem: String) -> Error {
    Cause::OutcomeUnknown { problem }.into()
}
