//! Checks one frame: its log, and everything that kept versions need.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::ObjectMeta;
use object_store::path::Path;
use shoots_proto::action::UnreferencedObject;

use super::findings::{Checked, Findings};
use super::history::{Needed, Walk};
use super::{PARALLEL_READS, Sample};
use crate::error::{Error, Result};
use crate::frame_log::FrameLog;
use crate::layout::FramePaths;
use crate::lineage::bundle;
use crate::log::checkpoint::Checkpoint;
use crate::log::commit::{SegmentRecord, State};
use crate::log::head::LogReader;
use crate::log::hidden::Vector;
use crate::objects::Objects;
use crate::plain;
use crate::schema;
use crate::segment::{ObjectReader, verify};
use crate::sync::promise::Promised;
use crate::time::Timestamp;

/// Younger objects may belong to a put that is under way.
const UNREFERENCED_SECONDS: u64 = 24 * 3600;
/// Shorter ones in a list of what is condemned are no names of objects.
const SHORTEST_NAME: usize = 16;

/// Checks a frame; none if there is nothing of this name.
///
/// What a sweep took while this went on was needed by a state that is no longer the newest. So what is missing or
/// damaged is told only if the newest state needs it still.
pub(super) async fn check(log: &FrameLog, sample: &Sample) -> Result<Option<Findings>> {
    let Some(first) = look(log, sample).await? else {
        return Ok(None);
    };
    let mut findings = first.findings;
    if findings.is_clean() {
        return Ok(Some(findings));
    }
    let nothing = Sample::nothing();
    let Some(again) = look(log, &nothing).await? else {
        return Ok(None);
    };
    findings.confirm(again.findings, &again.referenced);
    Ok(Some(findings))
}

/// What one look at everything finds.
async fn look<'a>(log: &'a FrameLog, sample: &'a Sample) -> Result<Option<FrameCheck<'a>>> {
    let objects = log.objects().uncached();
    let reader = LogReader {
        objects: objects.clone(),
        ..log.reader().clone()
    };
    let hint = reader.hint().await?;
    let listed = objects.list_all(&log.paths().folder()).await?;
    let listing: BTreeMap<Path, ObjectMeta> = listed
        .into_iter()
        .map(|object| (object.location.clone(), object))
        .collect();
    let mut check = FrameCheck {
        log,
        sample,
        objects,
        reader,
        hint,
        listing,
        findings: Findings::default(),
        referenced: HashSet::new(),
    };
    let found = check.run().await?;
    Ok(found.then_some(check))
}

/// The objects of a frame that nothing refers to, and that no put under way can have written. Only what is small is
/// read. None are told of a frame whose log or checkpoints cannot all be read.
pub(crate) async fn unreferenced(log: &FrameLog) -> Result<Vec<UnreferencedObject>> {
    let findings = check(log, &Sample::nothing()).await?;
    let sound = |findings: &Findings| findings.is_clean();
    let findings = findings.filter(sound);
    Ok(findings
        .map(|findings| findings.unreferenced)
        .unwrap_or_default())
}

struct FrameCheck<'a> {
    log: &'a FrameLog,
    sample: &'a Sample,
    /// Past every cache: what lies there is checked.
    objects: Objects,
    reader: LogReader,
    /// An entry that was published before the listing was made.
    hint: Option<u64>,
    /// Everything in the frame's folder.
    listing: BTreeMap<Path, ObjectMeta>,
    findings: Findings,
    /// What is needed, or has its place without being needed.
    referenced: HashSet<Path>,
}

impl FrameCheck<'_> {
    async fn run(&mut self) -> Result<bool> {
        let paths = self.log.paths().clone();
        let numbers = self.listing.keys().filter_map(FramePaths::sequence_of);
        let numbers: BTreeSet<u64> = numbers.collect();
        let Some(last) = numbers.last().copied() else {
            if self.unlisted().await? {
                return Ok(true);
            }
            let found = self.plain().await? || !self.listing.is_empty();
            self.list_unreferenced(&BTreeSet::new(), 0);
            return Ok(found);
        };
        self.findings.frames = 1;
        let Some((state, last)) = self.newest(&numbers, last).await? else {
            self.damaged_entries(&numbers).await?;
            return Ok(true);
        };
        let last = last.max(self.hint.unwrap_or(0));
        let walk = Walk::new(&self.reader, &state);
        let mut needed = walk.run(last, &numbers, &mut self.findings).await?;
        self.histories(&mut needed).await?;
        let lists = state.retained.condemned.iter();
        let lists: BTreeSet<String> = lists.map(|condemned| condemned.list.clone()).collect();
        self.referenced
            .extend(lists.iter().map(|list| paths.claim(list)));
        let tree = self.checkpoints(&needed.checkpoints).await?;
        self.schemas(&needed.schemas).await?;
        self.vectors(&needed.vectors).await?;
        let condemned = self.condemned(&lists).await?;
        let mut segments = needed.segments;
        self.promised(&state, &mut segments).await?;
        self.segments(&segments).await?;
        if !needed.unknown && tree {
            let entries = needed.entries.iter().map(|sequence| paths.entry(*sequence));
            self.referenced.extend(entries.chain([paths.hint()]));
            let first = match lists.is_empty() {
                true => 0,
                false => state.retained.first_entry,
            };
            self.list_unreferenced(&condemned, first);
        }
        Ok(true)
    }

    /// Whether a log without any entry in the listing has one that cannot be read: links that lead nowhere are not listed.
    async fn unlisted(&mut self) -> Result<bool> {
        let number = self.hint.unwrap_or(1);
        let Err(error) = self.reader.entry(number).await else {
            return Ok(false);
        };
        let checked = Checked::after(0, Err::<(), _>(error))?;
        self.findings.frames = 1;
        self.findings.note(&self.log.paths().entry(number), checked);
        Ok(true)
    }

    /// Whether a plain file stands for the frame.
    async fn plain(&mut self) -> Result<bool> {
        let Some((path, bytes)) = plain::place(self.log, &self.objects).await? else {
            return Ok(false);
        };
        let checked = Checked::after(bytes, plain::find(self.log).await)?;
        self.findings.frames = 1;
        self.findings.note(&path, checked);
        Ok(true)
    }

    /// The state after the newest entry that can be read, and the number of the newest one that there is.
    async fn newest(&self, numbers: &BTreeSet<u64>, last: u64) -> Result<Option<(State, u64)>> {
        for number in numbers.iter().rev() {
            let mut entry = match self.reader.entry(*number).await {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(error) if error.is_of_the_storage() => return Err(error),
                Err(_) => continue,
            };
            // What was published since the listing may refer to what is in it.
            while let Ok(Some(next)) = self.reader.entry(entry.header.sequence + 1).await {
                entry = next;
            }
            let last = last.max(entry.header.sequence);
            return Ok(Some((entry.state.clone(), last)));
        }
        Ok(None)
    }

    /// A log without an entry that can be read.
    async fn damaged_entries(&mut self, numbers: &BTreeSet<u64>) -> Result<()> {
        for number in numbers {
            let read = self.reader.entry(*number).await;
            let path = self.log.paths().entry(*number);
            self.findings.note(&path, Checked::after(0, read)?);
        }
        Ok(())
    }

    /// Checks small objects with what `check` says of the bytes of each; returns what it made of those that are sound.
    async fn small<K: Clone, T>(
        &mut self,
        objects: Vec<(K, Path)>,
        check: impl Fn(&K, &Path, &Bytes) -> Result<T>,
    ) -> Result<Vec<T>> {
        let source = &self.objects;
        let reads = objects.into_iter().map(|(key, path)| async move {
            let read = source.read(&path).await;
            (read, key, path)
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = stream::iter(reads).buffered(PARALLEL_READS);
        let mut sound = Vec::new();
        while let Some((read, key, path)) = reads.next().await {
            let checked = match read {
                Ok(None) => Checked::Missing,
                Ok(Some(bytes)) => {
                    let made = check(&key, &path, &bytes).map(|made| sound.push(made));
                    Checked::after(bytes.len() as u64, made)?
                }
                Err(error) => Checked::after(0, Err::<(), Error>(error))?,
            };
            self.findings.note(&path, checked);
            self.referenced.insert(path);
        }
        Ok(sound)
    }

    /// Checks whole trees; says whether all of them could be read.
    async fn checkpoints(&mut self, roots: &BTreeSet<String>) -> Result<bool> {
        let paths = self.log.paths().clone();
        let mut known: BTreeSet<String> = roots.clone();
        let mut next: Vec<String> = roots.iter().cloned().collect();
        let mut all = true;
        while !next.is_empty() {
            let count = next.len();
            let objects = next.into_iter().map(|hash| {
                let path = paths.checkpoint(&hash);
                (hash, path)
            });
            let nodes = self.small(objects.collect(), |hash, path, bytes| {
                Checkpoint::decode(path, hash, bytes)
            });
            let nodes = nodes.await?;
            all &= nodes.len() == count;
            let earlier = nodes.iter().flat_map(Checkpoint::earlier);
            next = earlier
                .filter(|hash| known.insert((*hash).clone()))
                .cloned()
                .collect();
        }
        Ok(all)
    }

    /// Checks bundles of commits, and adds what those name to what is needed.
    async fn histories(&mut self, needed: &mut Needed) -> Result<()> {
        let paths = self.log.paths().clone();
        let bundles = needed.histories.iter();
        let bundles: Vec<_> = bundles
            .map(|(hash, with_objects)| {
                let path = paths.history(hash);
                ((hash.clone(), *with_objects), path)
            })
            .collect();
        let count = bundles.len();
        let sound = self.small(bundles, |(hash, with_objects), path, bytes| {
            let kept = bundle::decode(path, hash, bytes)?;
            Ok(with_objects.then_some(kept).unwrap_or_default())
        });
        let sound = sound.await?;
        needed.unknown |= sound.len() != count;
        for kept in sound.iter().flatten() {
            match kept.gone {
                true => needed.list(&kept.record),
                false => needed.record(&kept.record),
            }
        }
        Ok(())
    }

    async fn schemas(&mut self, hashes: &BTreeSet<String>) -> Result<()> {
        let paths = self.log.paths().clone();
        let objects = hashes.iter().map(|hash| (hash.clone(), paths.schema(hash)));
        let checked = self.small(objects.collect(), |hash, _, bytes| {
            schema::decode(hash, bytes)
        });
        checked.await.map(drop)
    }

    async fn vectors(&mut self, vectors: &BTreeMap<String, (Vector, u64)>) -> Result<()> {
        let paths = self.log.paths().clone();
        let objects = vectors.values();
        let objects = objects.map(|known| (known.clone(), paths.vector(&known.0.id)));
        let checked = self.small(objects.collect(), |(vector, hidden), path, bytes| {
            let rows = vector.decode(path, bytes)?.len();
            if rows != *hidden {
                let problem = format!("it hides {rows} rows, {hidden} are recorded");
                return Err(Error::damaged(path, problem));
            }
            Ok(())
        });
        checked.await.map(drop)
    }

    /// Checks the lists of what the sweep is to remove; returns the names on them. However a list is written, objects
    /// have hexadecimal names.
    async fn condemned(&mut self, lists: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let paths = self.log.paths().clone();
        let objects = lists
            .iter()
            .map(|hash| (hash.clone(), paths.condemned(hash)));
        let names = self.small(objects.collect(), |hash, path, bytes| {
            if blake3::hash(bytes).to_hex().as_str() != hash.as_str() {
                return Err(Error::damaged(path, "its hash is not the one in its name"));
            }
            let words = bytes.split(|byte| !byte.is_ascii_hexdigit());
            let names = words.filter(|word| word.len() >= SHORTEST_NAME);
            let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
            Ok(names.collect::<Vec<String>>())
        });
        Ok(names.await?.into_iter().flatten().collect())
    }

    /// Leaves out segments that are not here because they stayed at a remote.
    async fn promised(
        &mut self,
        state: &State,
        segments: &mut BTreeMap<String, SegmentRecord>,
    ) -> Result<()> {
        let Some(promised) = Promised::of(state) else {
            return Ok(());
        };
        let paths = self.log.paths().clone();
        let path = promised.path(&paths);
        let ids = promised.ids(&self.objects, &paths).await;
        self.referenced.insert(path.clone());
        match ids {
            Ok(ids) => {
                self.findings.note(&path, Checked::Sound(0));
                let here = |id: &str| self.listing.contains_key(&paths.segment(id));
                segments.retain(|id, _| !ids.contains(id) || here(id));
            }
            Err(error) if error.is_missing() => self.findings.note(&path, Checked::Missing),
            Err(error) => {
                let checked = Checked::after(0, Err::<(), Error>(error))?;
                self.findings.note(&path, checked);
            }
        }
        Ok(())
    }

    async fn segments(&mut self, segments: &BTreeMap<String, SegmentRecord>) -> Result<()> {
        let (paths, this) = (self.log.paths(), &*self);
        let mut findings = Findings::default();
        let mut referenced = Vec::with_capacity(segments.len());
        let checks = segments.values().map(|record| async move {
            let path = paths.segment(&record.id);
            (this.segment(&path, record).await, path)
        });
        let checks: Vec<_> = checks.collect();
        let mut checks = stream::iter(checks).buffered(PARALLEL_READS);
        while let Some((checked, path)) = checks.next().await {
            findings.note(&path, checked?);
            referenced.push(path);
        }
        drop(checks);
        self.findings.add(findings);
        self.referenced.extend(referenced);
        Ok(())
    }

    async fn segment(&self, path: &Path, record: &SegmentRecord) -> Result<Checked> {
        let listed = self.listing.get(path).map(|object| object.size);
        let size = match listed {
            Some(size) => Some(size),
            None => self.objects.size(path).await?,
        };
        let Some(size) = size else {
            return Ok(Checked::Missing);
        };
        if size != record.bytes {
            let problem = format!("it has {size} bytes, {} were written", record.bytes);
            return Ok(Checked::Damaged(Error::damaged(path, problem).to_string()));
        }
        if !self.sample.takes(&record.id) {
            return Ok(Checked::Sound(0));
        }
        let store = self.objects.inner().clone();
        let file = ObjectReader::new(store, path.clone(), record.bytes)
            .counting(self.objects.segment_traffic());
        Checked::after(record.bytes, verify::verify(&file, record).await)
    }

    /// Lists what nothing refers to and the sweep does not know of, unless it may be too young to be referred to.
    /// Entries before `first` wait for the sweep.
    fn list_unreferenced(&mut self, condemned: &BTreeSet<String>, first: u64) {
        let now = self.log.cautious_now();
        for (path, object) in &self.listing {
            let name = path.filename().unwrap_or_default();
            let name = name.split_once('.').map_or(name, |(name, _)| name);
            let waits = FramePaths::sequence_of(path).is_some_and(|number| number < first);
            let modified = Timestamp::from(object.last_modified);
            if !self.referenced.contains(path)
                && !condemned.contains(name)
                && !waits
                && now.seconds_since(modified) >= UNREFERENCED_SECONDS
            {
                self.findings.unreferenced.push(UnreferencedObject {
                    object: path.to_string(),
                    bytes: object.size,
                });
            }
        }
    }
}
