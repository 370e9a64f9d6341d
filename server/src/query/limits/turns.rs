//! Whose turn it is to compute, or to be planned.
//!
//! So many queries compute at the same time; the others wait, and so do those that are planned. The queue is fair between askers, not between
//! queries: each asker (a connection) has a line of its own, and a place that becomes free goes to the next line. So an
//! asker with hundreds of queries keeps another one waiting for one of them, not for all.
//!
//! How many wait, and for how long, is bounded, so that a server that cannot follow says so. A query that has begun
//! and gave its place back while its rows were not taken is not subject to these bounds: it waits until its deadline.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shoots_proto::ErrorKind;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::config::Config;
use crate::status::Failure;

/// Who asks: a connection, or nobody in particular.
pub(crate) type Asker = Option<SocketAddr>;

/// The places for queries that compute at the same time, and who waits for one.
#[derive(Debug, Clone)]
pub(in crate::query) struct Turns {
    queue: Arc<Mutex<Queue>>,
    places: usize,
    most_waiting: usize,
    longest_wait: Duration,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// Nobody waits while a place is free.
    lines: VecDeque<Line>,
}

/// Those of one asker who wait, the first at the front.
#[derive(Debug)]
struct Line {
    asker: Asker,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    place: oneshot::Sender<Place>,
    /// Whether its query has not begun yet.
    begins: bool,
}

/// A place, until it is dropped.
#[derive(Debug)]
struct Place {
    /// Nothing once it was passed on.
    queue: Option<Arc<Mutex<Queue>>>,
}

impl Turns {
    /// To compute.
    pub(in crate::query) fn new(config: &Config) -> Self {
        Self::of(size(config.queries_at_once), config)
    }

    /// For something that so many do at the same time.
    pub(in crate::query) fn of(places: usize, config: &Config) -> Self {
        let places = places.max(1);
        let queue = Queue {
            free: places,
            lines: VecDeque::new(),
        };
        Self {
            queue: Arc::new(Mutex::new(queue)),
            places,
            most_waiting: size(config.queries_waiting),
            longest_wait: config.query_wait(),
        }
    }

    /// Waits for a turn to begin.
    pub(in crate::query) async fn begin(&self, asker: Asker) -> Result<Turn, Failure> {
        let coming = self.queue(asker, true)?;
        let place = timeout(self.longest_wait, coming).await;
        let place = place.map_err(|_| self.waited_too_long())?;
        Ok(Turn {
            place: Some(place.map_err(|_| Failure::stopping())?),
            turns: self.clone(),
            asker,
        })
    }

    /// Joins the queue, unless too many wait already.
    fn queue(&self, asker: Asker, begins: bool) -> Result<oneshot::Receiver<Place>, Failure> {
        let (place, coming) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if queue.free > 0 {
            queue.free -= 1;
            // The other end is at hand.
            let _ = place.send(Place::of(&self.queue));
            return Ok(coming);
        }
        if begins && queue.waiting_to_begin() >= self.most_waiting {
            return Err(self.too_many());
        }
        queue.join(asker, Waiting { place, begins });
        Ok(coming)
    }

    fn too_many(&self) -> Failure {
        let problem = format!(
            "queries_waiting is {}, and as many queries wait for their turn; try again later",
            self.most_waiting
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    fn waited_too_long(&self) -> Failure {
        let problem = format!(
            "query_wait_seconds is {}, and the query's turn did not come in that time; try again later",
            self.longest_wait.as_secs()
        );
        Failure::new(ErrorKind::LimitError, problem)
    }

    /// How many places are free.
    #[cfg(test)]
    pub(in crate::query) fn free(&self) -> usize {
        lock(&self.queue).free
    }

    /// How many places are taken.
    pub(in crate::query) fn running(&self) -> usize {
        self.places - lock(&self.queue).free
    }

    /// How many queries wait to begin.
    pub(in crate::query) fn waiting(&self) -> usize {
        lock(&self.queue).waiting_to_begin()
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn join(&mut self, asker: Asker, waiting: Waiting) {
        match self.lines.iter_mut().find(|line| line.asker == asker) {
            Some(line) => line.waiting.push_back(waiting),
            None => self.lines.push_back(Line {
                asker,
                waiting: VecDeque::from([waiting]),
            }),
        }
    }

    /// The next one to get a place; the next line comes first after that.
    fn next(&mut self) -> Option<Waiting> {
        let mut line = self.lines.pop_front()?;
        let next = line.waiting.pop_front();
        if !line.waiting.is_empty() {
            self.lines.push_back(line);
        }
        next
    }

    /// How many wait to begin. Those who left are forgotten.
    fn waiting_to_begin(&mut self) -> usize {
        for line in &mut self.lines {
            line.waiting.retain(|waiting| !waiting.place.is_closed());
        }
        self.lines.retain(|line| !line.waiting.is_empty());
        let waiting = self.lines.iter().flat_map(|line| &line.waiting);
        waiting.filter(|waiting| waiting.begins).count()
    }
}

impl Place {
    fn of(queue: &Arc<Mutex<Queue>>) -> Self {
        Self {
            queue: Some(Arc::clone(queue)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else {
            return;
        };
        loop {
            let next = {
                let mut waiting = lock(&queue);
                let next = waiting.next();
                if next.is_none() {
                    waiting.free += 1;
                }
                next
            };
            let Some(next) = next else {
                return;
            };
            match next.place.send(Self::of(&queue)) {
                Ok(()) => return,
                // Who left needs no place: it goes to the one behind.
                Err(mut unwanted) => unwanted.queue = None,
            }
        }
    }
}

/// Since when a query waits for its turn, if it does. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(in crate::query) struct Wait(Arc<Mutex<Option<Instant>>>);

impl Wait {
    /// Waits for something, and lets others know of it meanwhile.
    pub(in crate::query) async fn during<T>(&self, coming: impl Future<Output = T>) -> T {
        self.note(Some(Instant::now()));
        let came = coming.await;
        self.note(None);
        came
    }

    pub(in crate::query) fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// One of the places for queries that compute at the same time.
#[derive(Debug)]
pub(in crate::query) struct Turn {
    turns: Turns,
    asker: Asker,
    place: Option<Place>,
}

impl Turn {
    /// Leaves the place to others.
    pub(in crate::query) fn pause(&mut self) {
        self.place = None;
    }

    /// Waits for a place again.
    pub(in crate::query) async fn resume(&mut self) -> Result<(), Failure> {
        let coming = self.turns.queue(self.asker, false)?;
        self.place = Some(coming.await.map_err(|_| Failure::stopping())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn turns(waiting: u64) -> Turns {
        Turns::new(&Config {
            queries_at_once: 1,
            queries_waiting: waiting,
            ..Config::default()
        })
    }

    fn asker(port: u16) -> Asker {
        Some(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[tokio::test]
    async fn a_free_place_goes_to_the_next_asker_and_not_to_the_next_query() {
        let turns = turns(100);
        let first = turns.begin(asker(1)).await.unwrap();
        let many: Vec<_> = (0..3)
            .map(|_| turns.queue(asker(1), true).unwrap())
            .collect();
        let one = turns.queue(asker(2), true).unwrap();
        drop(first);
        let mut order = Vec::new();
        let mut left: Vec<_> = many
            .into_iter()
            .enumerate()
            .map(|(n, coming)| (format!("many {n}"), coming))
            .chain([("one".to_owned(), one)])
            .collect();
        while !left.is_empty() {
            let ready = left.iter_mut().position(|(_, coming)| {
                coming
                    .now_or_never()
                    .is_some_and(|place| place.map(drop).is_ok())
            });
            order.push(left.remove(ready.unwrap()).0);
        }
        assert_eq!(order, ["many 0", "one", "many 1", "many 2"]);
        assert_eq!(turns.free(), 1);
    }

    #[tokio::test]
    async fn who_left_the_queue_takes_no_place_and_counts_no_more() {
        let turns = turns(2);
        let first = turns.begin(asker(1)).await.unwrap();
        let left = turns.queue(asker(1), true).unwrap();
        let stays = turns.queue(asker(1), true).unwrap();
        let error = turns.begin(asker(2)).await.unwrap_err().to_string();
        assert!(error.contains("queries_waiting is 2"), "{error}");
        drop(left);
        let last = turns.queue(asker(2), true).unwrap();
        drop(first);
        drop(stays.await.unwrap());
        drop(last.await.unwrap());
        assert_eq!((turns.free(), turns.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn a_query_that_has_begun_gets_its_place_again_however_many_wait() {
        let turns = turns(1);
        let mut first = turns.begin(asker(1)).await.unwrap();
        first.pause();
        let second = turns.begin(asker(2)).await.unwrap();
        let third = turns.queue(asker(3), true).unwrap();
        let resumed = async {
            first.resume().await.unwrap();
            drop(first);
        };
        let others = async {
            drop(second);
            drop(third.await.unwrap());
        };
        futures::join!(resumed, others);
        assert_eq!(turns.free(), 1);
    }

    #[tokio::test]
    async fn waiting_ends_when_it_takes_too_long() {
        let turns = Turns::new(&Config {
            queries_at_once: 1,
            query_wait_seconds: 0,
            ..Config::default()
        });
        let first = turns.begin(None).await.unwrap();
        let error = turns.begin(None).await.unwrap_err().to_string();
        assert!(error.contains("query_wait_seconds is 0"), "{error}");
        drop(first);
        assert_eq!(turns.free(), 1);
    }
}
