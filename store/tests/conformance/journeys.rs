//! Random histories on stores that travel to each other: with clocks that are wrong, with upkeep on every side, and with
//! transfers that are cut, doubled and refused on the way, against a model in plain Rust.
//!
//! The model knows of each commit what it was asked to do, when it was made and by its id, and of each store which commits
//! it has. A store's rows are those changes, done one after the other in the order of (time, id). Where one side has
//! expired what a merge needs, a conflict of the kind `expired` is allowed, and nothing else: no row more, no row less.
//! What a store can tell of another one's rows, it tells right, however rows lie at either of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::memory::InMemory;
use shoots_proto::RemoteName;
use shoots_proto::action::{Retention, SyncOutcome, SyncedFrame};
use shoots_proto::as_of::AsOf;
use shoots_proto::name::{BucketName, FrameId, FrameName};
use shoots_proto::put::PutMode::{self, Append, Error as Create, Replace, Update, Upsert};
use shoots_store::{
    ByteStream, Environment, Error, ErrorKind, Frame, HistoryStream, ListedSegment, LocalPeer,
    ObjectName, Peer, PeerHead, ProgressSink, Publish, PublishOutcome, PullOptions, PutOptions,
    ReadOptions, RemoteEnd, RowsToDelete, SentObject, Store, SystemEnvironment, Timestamp,
    Travellers,
};

use crate::faults::scramble;
use crate::rows::{frame, id, try_put_with};
use crate::sync::{assert_sound, only};
use crate::sync_expiry::give_up;

const KEYS: i64 = 12;
const STEPS: u64 = 24;
const ATTEMPTS: u64 = 40;
const SECOND: i64 = 1_000_000_000;

/// A clock that is so many seconds wrong, and goes on when it is told to.
#[derive(Debug)]
struct Skewed(AtomicI64);

impl Environment for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanoseconds(self.0.load(Ordering::SeqCst))
    }

    fn unique(&self) -> u128 {
        SystemEnvironment::default().unique()
    }
}

/// What a commit was asked to do; rows are keys and values.
#[derive(Debug, Clone)]
enum Meaning {
    Begin(Vec<(i64, i64)>),
    Append(Vec<(i64, i64)>),
    Upsert(Vec<(i64, i64)>),
    /// Rows in a range go, these come.
    Update(i64, i64, Vec<(i64, i64)>),
}

/// A commit by (time, id).
type Place = (shoots_proto::Time, String);

/// What has happened anywhere.
type Told = BTreeMap<String, (Place, Meaning)>;

/// The rows after some commits, as they are read.
fn replay(told: &Told, known: &BTreeSet<String>) -> Vec<(i64, i64)> {
    let mut all: Vec<&(Place, Meaning)> = known.iter().map(|commit| &told[commit]).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let mut rows: Vec<(i64, i64)> = Vec::new();
    for (_, meaning) in all {
        match meaning {
            Meaning::Begin(new) => rows.clone_from(new),
            Meaning::Append(new) => rows.extend(new),
            Meaning::Upsert(new) => {
                rows.retain(|(key, _)| new.iter().all(|(own, _)| own != key));
                rows.extend(new);
            }
            Meaning::Update(start, stop, new) => {
                rows.retain(|(key, _)| !(start..stop).contains(&key));
                rows.extend(new);
            }
        }
    }
    rows.sort_by_key(|(key, _)| *key);
    rows
}

/// An end of a transfer on a bad line: streams of bytes break off, and replies are lost.
#[derive(Debug)]
struct BadLine {
    there: LocalPeer,
    seed: u64,
    calls: AtomicU64,
}

impl BadLine {
    fn dice(&self) -> u64 {
        scramble(self.seed, self.calls.fetch_add(1, Ordering::SeqCst))
    }

    fn cut() -> Error {
        Error::elsewhere(ErrorKind::Io, "the line was cut")
    }

    /// Breaks off before the call, or after it took effect.
    async fn fragile<T: Send>(
        &self,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        match self.dice() % 16 {
            0 => Err(Self::cut()),
            1 => call.await.and_then(|_| Err(Self::cut())),
            _ => call.await,
        }
    }
}

#[async_trait]
impl Peer for BadLine {
    fn location(&self) -> &str {
        "bad line"
    }

    async fn buckets(&self) -> Result<Vec<BucketName>, Error> {
        self.there.buckets().await
    }

    async fn frames(&self, bucket: Option<&BucketName>) -> Result<Vec<FrameName>, Error> {
        self.there.frames(bucket).await
    }

    async fn head(&self, frame: &FrameId) -> Result<Option<PeerHead>, Error> {
        self.fragile(self.there.head(frame)).await
    }

    async fn history(&self, frame: &FrameId, from: &str) -> Result<HistoryStream, Error> {
        let history = self.there.history(frame, from).await?;
        let until = self.dice() % 64;
        let records = history
            .enumerate()
            .map(move |(place, record)| match record {
                Ok(_) if place as u64 == until => Err(Self::cut()),
                record => record,
            });
        Ok(records.boxed())
    }

    async fn list(
        &self,
        frame: &FrameId,
        commit: &str,
    ) -> Result<Option<Vec<ListedSegment>>, Error> {
        self.fragile(self.there.list(frame, commit)).await
    }

    async fn have(
        &self,
        frame: &FrameId,
        objects: &[ObjectName],
    ) -> Result<Vec<Option<u64>>, Error> {
        self.fragile(self.there.have(frame, objects)).await
    }

    async fn read(&self, frame: &FrameId, object: &ObjectName) -> Result<ByteStream, Error> {
        let pieces: Vec<Bytes> = self.there.read(frame, object).await?.try_collect().await?;
        let bytes = Bytes::from(pieces.concat());
        let whole = bytes.len() as u64;
        Ok(match self.dice() % 8 {
            0 => {
                let sent = self.dice() % (whole + 1);
                let sent = bytes.slice(..usize::try_from(sent).unwrap());
                stream::iter([Ok(sent), Err(Self::cut())]).boxed()
            }
            // It comes twice: the receiving end must not take that for the object.
            1 => stream::iter([Ok(bytes.clone()), Ok(bytes)]).boxed(),
            _ => stream::iter([Ok(bytes)]).boxed(),
        })
    }

    async fn write(
        &self,
        frame: &FrameId,
        object: &SentObject,
        bytes: ByteStream,
    ) -> Result<(), Error> {
        self.fragile(self.there.write(frame, object, bytes)).await
    }

    async fn publish(&self, frame: &FrameId, request: Publish) -> Result<PublishOutcome, Error> {
        self.fragile(self.there.publish(frame, request)).await
    }
}

/// A store, and what the model knows of it.
struct Site {
    store: Store,
    clock: Arc<Skewed>,
    known: BTreeSet<String>,
}

impl Site {
    async fn open(skew: i64) -> Self {
        let begin = 1_717_200_000 + skew;
        let clock = Arc::new(Skewed(AtomicI64::new(begin * SECOND)));
        let builder = Store::builder("memory://").object_store(Arc::new(InMemory::new()));
        let builder = builder.environment(clock.clone()).sweep_grace_seconds(0);
        Self {
            store: builder.open().await.unwrap(),
            clock,
            known: BTreeSet::new(),
        }
    }

    fn frame(&self) -> Frame {
        frame(&self.store, "f")
    }

    async fn put(&mut self, told: &mut Told, mode: PutMode, meaning: Meaning) {
        let (rows, span) = match &meaning {
            Meaning::Begin(rows) | Meaning::Append(rows) | Meaning::Upsert(rows) => (rows, None),
            Meaning::Update(start, stop, rows) => (rows, Some((*start, *stop))),
        };
        if rows.is_empty()
            && let Some((start, stop)) = span
        {
            let rows = RowsToDelete {
                start: Some(start.into()),
                stop: Some(stop.into()),
                ..RowsToDelete::default()
            };
            let deleted = self.frame().delete_rows(rows).await.unwrap();
            return self.note(told, deleted.commit, meaning).await;
        }
        let mut options = PutOptions::mode(mode).index(["k"]);
        options.start = span.map(|(start, _)| start.into());
        options.stop = span.map(|(_, stop)| stop.into());
        let keys: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
        let values: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([("k", keys), ("v", values)]).unwrap();
        let published = try_put_with(&self.frame(), options, batch).await.unwrap();
        self.note(told, Some(published.commit), meaning).await;
    }

    async fn note(&mut self, told: &mut Told, commit: Option<String>, meaning: Meaning) {
        let Some(commit) = commit else {
            return;
        };
        let log = self.frame().history(1, None).await.unwrap();
        let place = (log.commits[0].time, commit.clone());
        told.insert(commit.clone(), (place, meaning));
        self.known.insert(commit);
    }

    async fn rows(&self) -> Vec<(i64, i64)> {
        self.rows_as_of(None).await.unwrap()
    }

    async fn rows_as_of(&self, as_of: Option<&AsOf>) -> Result<Vec<(i64, i64)>, Error> {
        let snapshot = self.frame().snapshot(as_of).await?;
        let rows = snapshot.read(ReadOptions::default()).await?;
        let batches = rows.collect().await?;
        let pairs = batches.iter().flat_map(|batch| {
            let column = |name| batch[name].as_primitive::<Int64Type>().values().to_vec();
            column("k").into_iter().zip(column("v"))
        });
        Ok(pairs.collect())
    }

    async fn tip(&self) -> String {
        let peer = LocalPeer::new(&self.store, "here");
        peer.head(&id("f")).await.unwrap().unwrap().tip
    }

    async fn change(&mut self, told: &mut Told, dice: u64, number: u64) {
        let start = (dice >> 8) as i64 % KEYS;
        let length = 1 + (dice >> 16) as i64 % 4;
        let row = |key: i64| (key % KEYS, (number * 100) as i64 + key);
        let rows: Vec<(i64, i64)> = (start..start + length).map(row).collect();
        match dice % 12 {
            0..=3 => self.put(told, Append, Meaning::Append(rows)).await,
            4..=6 => self.put(told, Upsert, Meaning::Upsert(rows)).await,
            7 | 8 => {
                let inside = rows.into_iter().filter(|row| row.0 >= start).collect();
                let meaning = Meaning::Update(start, start + length, inside);
                self.put(told, Update, meaning).await;
            }
            9 | 10 => {
                let meaning = Meaning::Update(start, start + length, Vec::new());
                self.put(told, Update, meaning).await;
            }
            _ => self.put(told, Replace, Meaning::Begin(rows)).await,
        }
    }

    /// Compacts, expires, sweeps.
    async fn look_after(&self, keep: Keep, dice: u64) {
        let keep_versions = match keep {
            Keep::All => 1_000,
            Keep::Little if dice.is_multiple_of(2) => return give_up(&self.store).await,
            Keep::Little => 1 + dice % 3,
        };
        let rule = Retention {
            keep_versions: Some(keep_versions),
            keep_seconds: None,
            keep_tagged: true,
        };
        let frame = self.frame();
        frame.compact(false).await.unwrap();
        frame.set_retention(Some(rule)).await.unwrap();
        frame.expire(false).await.unwrap();
        frame.sweep(false).await.unwrap();
    }
}

/// Which versions are kept.
#[derive(Debug, Clone, Copy)]
enum Keep {
    All,
    /// The newest few, or just the newest one.
    Little,
}

/// What became of a journey.
#[derive(Debug, PartialEq)]
enum End {
    Together,
    /// One side had given up what the merge needs.
    Expired,
}

struct Journey {
    seed: u64,
    keep: Keep,
    rolled: u64,
    sites: Vec<Site>,
    told: Told,
}

impl Journey {
    fn dice(&mut self) -> u64 {
        self.rolled += 1;
        scramble(self.seed, self.rolled)
    }

    async fn travel(
        &self,
        here: usize,
        there: usize,
        push: bool,
        line: Option<u64>,
    ) -> Result<SyncedFrame, Error> {
        let direct = LocalPeer::new(&self.sites[there].store, "there");
        let bad = line.map(|seed| BadLine {
            there: direct.clone(),
            seed,
            calls: AtomicU64::new(0),
        });
        let name = format!("site{there}");
        let remote = RemoteEnd {
            name: &name,
            peer: bad.as_ref().map_or(&direct as &dyn Peer, |bad| bad),
        };
        let (frames, store) = (Travellers::one(&id("f")), &self.sites[here].store);
        if push {
            only(
                store
                    .push(remote, &frames, &ProgressSink::default())
                    .await?,
            )
        } else {
            only(store.pull(remote, &frames, &PullOptions::default()).await?)
        }
    }

    /// Moves what is new from one site to another, perhaps on a bad line, until it has arrived.
    async fn exchange(&mut self, here: usize, there: usize, push: bool) -> Result<(), End> {
        let bad = self.dice();
        let mut line = bad.is_multiple_of(3).then_some(bad);
        for attempt in 0..ATTEMPTS {
            match self.travel(here, there, push, line).await {
                Ok(done) => {
                    let (from, to) = if push { (here, there) } else { (there, here) };
                    let known = self.sites[from].known.clone();
                    self.sites[to].known.extend(known);
                    assert_ne!(done.outcome, SyncOutcome::Diverged);
                    self.check(to).await;
                    self.check_told(here, there).await;
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Diverged if push => return Ok(()),
                    ErrorKind::MergeConflict => {
                        assert!(error.to_string().contains("expired"), "{error}");
                        self.check(here).await;
                        return Err(End::Expired);
                    }
                    ErrorKind::Io | ErrorKind::Damaged if line.is_some() => {
                        let here = &self.sites[here];
                        if here.frame().exists().await.unwrap() {
                            assert_sound(&here.store, "f").await;
                        }
                        line = (attempt < ATTEMPTS / 2).then(|| bad + attempt + 1);
                    }
                    kind => panic!("{kind:?}: {error}"),
                },
            }
        }
        panic!("it never arrived");
    }

    async fn check(&self, site: usize) {
        let site = &self.sites[site];
        assert_eq!(site.rows().await, replay(&self.told, &site.known));
        assert_sound(&site.store, "f").await;
    }

    /// What is known here of the rows there, right after a look at them. A merge may have brought what is there from a third
    /// site, and what it takes to know its rows may have expired.
    async fn check_told(&self, here: usize, there: usize) {
        let remote = RemoteName::parse(&format!("site{there}")).unwrap();
        let as_of = AsOf::Remote(remote);
        match self.sites[here].rows_as_of(Some(&as_of)).await {
            Ok(told) => assert_eq!(told, self.sites[there].rows().await),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                let always = self.sites.len() == 2 && matches!(self.keep, Keep::All);
                assert!(!always, "{error}");
            }
        }
    }

    async fn run(mut self) -> End {
        for number in 1..=STEPS {
            let dice = self.dice();
            let count = self.sites.len() as u64;
            let here = usize::try_from(dice % count).unwrap();
            let there = usize::try_from((dice % count + 1 + (dice >> 8) % (count - 1)) % count);
            let step = self.dice();
            let tick = (step >> 32) as i64 % 3;
            self.sites[here]
                .clock
                .0
                .fetch_add(tick * SECOND, Ordering::SeqCst);
            match step % 10 {
                0..=5 => {
                    let change = self.dice();
                    let site = &mut self.sites[here];
                    site.change(&mut self.told, change, number).await;
                }
                6 => self.sites[here].look_after(self.keep, step >> 8).await,
                direction => {
                    let push = direction == 9;
                    if let Err(end) = self.exchange(here, there.unwrap(), push).await {
                        return end;
                    }
                }
            }
        }
        self.meet().await
    }

    /// Brings all together.
    async fn meet(&mut self) -> End {
        for _ in 0..2 {
            for site in 1..self.sites.len() {
                for (here, there) in [(site, 0), (0, site)] {
                    if let Err(end) = self.exchange(here, there, false).await {
                        return end;
                    }
                }
            }
        }
        let tip = self.sites[0].tip().await;
        for site in 0..self.sites.len() {
            self.check(site).await;
            assert_eq!(self.sites[site].tip().await, tip);
            assert_eq!(self.sites[site].known, self.sites[0].known);
        }
        assert_eq!(self.sites[0].known.len(), self.told.len());
        End::Together
    }
}

/// Stores that begin with the same frame.
async fn begin(seed: u64, keep: Keep) -> Journey {
    let mut told = Told::new();
    let mut sites = Vec::new();
    for site in 0..2 + seed % 2 {
        let skew = scramble(seed, 1_000 + site) as i64 % 20;
        sites.push(Site::open(skew).await);
    }
    let rows = (0..KEYS).map(|key| (key, key)).collect();
    sites[0].put(&mut told, Create, Meaning::Begin(rows)).await;
    let mut journey = Journey {
        seed,
        keep,
        rolled: 0,
        sites,
        told,
    };
    for site in 1..journey.sites.len() {
        journey.exchange(site, 0, false).await.unwrap();
    }
    journey
}

/// The seeds of the environment, or a few.
fn seeds() -> std::ops::Range<u64> {
    let seeds = std::env::var("SHOOTS_JOURNEY_SEEDS").unwrap_or_else(|_| "0..24".to_owned());
    let (first, end) = seeds.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

async fn journeys(keep: Keep) -> (u64, u64) {
    let (mut together, mut expired) = (0, 0);
    for seed in seeds() {
        println!("SHOOTS_JOURNEY_SEEDS={seed}..{}", seed + 1);
        let journey = begin(seed, keep).await;
        match Box::pin(journey.run()).await {
            End::Together => together += 1,
            End::Expired => expired += 1,
        }
    }
    println!("{together} journeys ended together, {expired} in a conflict about what had expired");
    (together, expired)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_keep_their_versions_always_come_together() {
    let (_, expired) = journeys(Keep::All).await;
    assert_eq!(expired, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_keep_little_come_together_or_say_what_has_expired() {
    let (together, _) = journeys(Keep::Little).await;
    assert!(together > 0);
}
