//! A state of a frame in numbers and names.
//!
//! Everything but the first and the last key is in the log. Those are what the log says of the segments, too, except
//! where that is only a bound: the outermost rows are hidden, or their text is too long for the log. Then the one row
//! is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use futures::TryStreamExt;
use shoots_proto::Time;
use shoots_proto::action::{Column, ColumnType, FrameDescription, Retention, VersionRange};
use shoots_proto::as_of::AsOf;

use super::{index_types, readable};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::frame_log::{FrameLog, Freshness};
use crate::history;
use crate::index::{Index, KeyRange, KeyValue, arrange, compare_keys};
use crate::log::change::Segment;
use crate::log::commit::State;
use crate::log::entry::Entry;
use crate::read::{Files, Piece, Source};
use crate::schema::type_name;
use crate::upkeep;

/// One value for each column of the index.
type Key = Vec<KeyValue>;

impl Frame {
    /// What there is to say about a state; none: the newest.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such frame or version.
    pub async fn describe(&self, as_of: Option<&AsOf>) -> Result<FrameDescription> {
        let snapshot = self.snapshot(as_of).await?;
        let source = snapshot.source().await?;
        let types = index_types(&source.schema, &source.index)?;
        let ends = Ends::of(&source).await?;
        let head = self.frame_log().newest_for(Freshness::Tolerant).await?;
        let head = head
            .map(|head| head.entry)
            .filter(|_| snapshot.version().is_some());
        let versions = head.as_ref().map(|entry| kept(entry));
        let created = match (&head, versions) {
            (Some(head), Some(versions)) => Some(self.published(head, versions.first).await?),
            _ => None,
        };
        let version = snapshot.version();
        let tags = head.as_ref().zip(version);
        let tags = tags.map(|(head, version)| history::tags_of(&head.state, version));
        let index = source.index.iter().zip(&types);
        Ok(FrameDescription {
            name: self.id().name.clone(),
            bucket: self.id().bucket.clone(),
            version,
            commit: snapshot.commit(),
            published: snapshot.published().map(history::time),
            created,
            operation: snapshot
                .place()
                .map(|(_, commit)| commit.operation.name().to_owned()),
            message: snapshot.message().map(str::to_owned),
            author: snapshot.author().map(str::to_owned),
            metadata: snapshot.metadata().cloned(),
            rows: snapshot.rows(),
            bytes: snapshot.bytes(),
            segments: snapshot.segment_count(),
            overlapping_segments: overlapping(&source),
            hidden_rows: snapshot.hidden_rows(),
            index: index
                .map(|(name, data_type)| ColumnType {
                    name: name.clone(),
                    r#type: type_name::name(data_type),
                })
                .collect(),
            index_min: ends.first.map(|key| readable(&key, &types)),
            index_max: ends.last.map(|key| readable(&key, &types)),
            columns: columns(&snapshot.schema()),
            versions,
            tags: tags.unwrap_or_default(),
            retention: self
                .kept_for(head.as_ref().map(|entry| &entry.state))
                .await?,
            remotes: match &head {
                Some(_) => self.tracking().await?,
                None => Vec::new(),
            },
        })
    }

    async fn kept_for(&self, state: Option<&State>) -> Result<Retention> {
        let bucket = self.id().bucket.as_ref();
        upkeep::retention::effective(self.frame_log().shared(), bucket, state).await
    }

    /// When a version that is kept was published.
    async fn published(&self, head: &Arc<Entry>, version: u64) -> Result<Time> {
        let reader = self.frame_log().reader();
        let version = AsOf::Version(i64::try_from(version).unwrap_or(i64::MAX));
        let found = reader.seek(Arc::clone(head), &version).await?;
        Ok(history::time(found.entry.header.published))
    }
}

fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Column {
            name: field.name().clone(),
            r#type: type_name::name(field.data_type()),
            nullable: field.is_nullable(),
        })
        .collect()
}

/// The versions that can be read.
fn kept(head: &Entry) -> VersionRange {
    let (state, last) = (&head.state, head.last_version());
    let oldest = state.retained.oldest.max(1);
    let forgotten: BTreeSet<u64> = state.retained.forgotten.iter().copied().collect();
    let marked = state.marks().map(|mark| mark.version);
    let exceptions: BTreeSet<u64> = marked
        .filter(|version| *version < oldest || forgotten.contains(version))
        .collect();
    let gone = forgotten.range(oldest..=last).count() as u64;
    let regular = (oldest..=last).find(|version| !forgotten.contains(version));
    let first = exceptions.first().copied().into_iter().chain(regular).min();
    VersionRange {
        first: first.unwrap_or(last),
        last,
        count: (last + 1).saturating_sub(oldest + gone) + exceptions.len() as u64,
    }
}

/// How many segments must be merged with others to be read in order.
fn overlapping(source: &Source) -> u64 {
    let Files::Segments(segments) = &source.files else {
        return 0;
    };
    if source.index.is_empty() {
        return 0;
    }
    let ranges = segments.iter().filter_map(|s| s.record.range.clone());
    let groups = arrange(&ranges.collect::<Vec<KeyRange>>());
    let merged = groups.iter().map(Vec::len).filter(|members| *members > 1);
    merged.sum::<usize>() as u64
}

/// Which end of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

impl End {
    /// No visible key of the segment lies beyond this.
    fn bound(self, range: &KeyRange) -> &Key {
        match self {
            Self::First => &range.min,
            Self::Last => &range.max,
        }
    }

    /// Whether one key lies further out than another.
    fn is_further(self, one: &Key, other: &Key) -> bool {
        match self {
            Self::First => compare_keys(one, other).is_lt(),
            Self::Last => compare_keys(one, other).is_gt(),
        }
    }
}

/// The first and the last key of a state.
#[derive(Debug, Default)]
struct Ends {
    first: Option<Key>,
    last: Option<Key>,
}

impl Ends {
    async fn of(source: &Source) -> Result<Self> {
        let Files::Segments(segments) = &source.files else {
            return Ok(Self::default());
        };
        if source.index.is_empty() {
            return Ok(Self::default());
        }
        let keys = IndexColumns::of(source)?;
        Ok(Self {
            first: keys.end(&source.log, segments, End::First).await?,
            last: keys.end(&source.log, segments, End::Last).await?,
        })
    }
}

/// The columns of the index alone.
struct IndexColumns {
    schema: SchemaRef,
    index: Index,
}

impl IndexColumns {
    fn of(source: &Source) -> Result<Self> {
        let index = Index::new(&source.schema, &source.index)?;
        let schema = source
            .schema
            .project(index.columns())
            .map_err(|error| Error::io("finding the index", error))?;
        let index = Index::new(&schema, &source.index)?;
        let schema = Arc::new(schema);
        Ok(Self { schema, index })
    }

    /// The outermost visible key. Segments are looked at from the outermost bound inwards, until none can reach
    /// further than what was found.
    async fn end(&self, log: &FrameLog, segments: &[Segment], end: End) -> Result<Option<Key>> {
        let visible = segments.iter().filter(|segment| segment.visible_rows() > 0);
        let mut bounds: Vec<(&Key, &Segment)> = visible
            .filter_map(|segment| Some((end.bound(segment.record.range.as_ref()?), segment)))
            .collect();
        bounds.sort_by(|(one, _), (other, _)| match end {
            End::First => compare_keys(one, other),
            End::Last => compare_keys(other, one),
        });
        let mut found: Option<Key> = None;
        for (bound, segment) in bounds {
            if found
                .as_ref()
                .is_some_and(|found| !end.is_further(bound, found))
            {
                break;
            }
            let is_exact = segment.hidden.is_none() && !bound.iter().any(KeyValue::is_inexact);
            let key = match is_exact {
                true => Some(bound.clone()),
                false => self.read(log, segment, end).await?,
            };
            let further = key.filter(|key| {
                found
                    .as_ref()
                    .is_none_or(|found| end.is_further(key, found))
            });
            found = further.or(found);
        }
        Ok(found)
    }

    /// The key of a segment's first or last visible row.
    async fn read(&self, log: &FrameLog, segment: &Segment, end: End) -> Result<Option<Key>> {
        let mut piece = Piece::whole(log, segment).await?;
        let skipped = match end {
            End::First => 0,
            End::Last => piece.visible().saturating_sub(1),
        };
        piece.cut(skipped, 1);
        let mut batches = piece.read(&self.schema, 1);
        while let Some(batch) = batches.try_next().await? {
            if batch.num_rows() > 0 {
                return self.index.key_of(&batch, 0).map(Some);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::commit::{Mark, Retained};
    use crate::log::entry::Header;
    use crate::time::Timestamp;

    #[test]
    fn kept_versions_are_those_from_the_oldest_on_and_the_marked_ones() {
        let mark = |version| Mark {
            version,
            sequence: version,
        };
        let kept = |last: u64, oldest: u64, forgotten: Vec<u64>, tags: &[u64]| {
            let retained = Retained {
                oldest,
                forgotten,
                ..Retained::default()
            };
            let tags = tags
                .iter()
                .map(|version| (version.to_string(), mark(*version)));
            let state = State {
                retained,
                tags: tags.collect(),
                ..State::default()
            };
            let entry = Entry {
                header: Header::new(last, last, Timestamp::from_nanoseconds(0), &state, false),
                commits: Vec::new(),
                state,
                encoded_bytes: 0,
            };
            let range = kept(&entry);
            let listed: Vec<u64> = (1..=last).filter(|v| entry.state.keeps(*v)).collect();
            let expected = (listed[0], *listed.last().unwrap(), listed.len() as u64);
            assert_eq!((range.first, range.last, range.count), expected);
        };
        kept(5, 0, vec![], &[]);
        kept(9, 4, vec![], &[2, 6]);
        kept(9, 4, vec![4, 7], &[7]);
        kept(9, 9, vec![], &[1]);
    }
}
