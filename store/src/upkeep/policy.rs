//! Which segments are worth being written anew, together.
//!
//! Reading many small segments costs more than reading one large one, hidden rows are read past, and segments that
//! overlap must be merged by every reader. But writing rows anew costs, too, and a frame that gets a hundred rows a
//! second must not be written anew every second. So small segments are joined in **tiers**, as in a log-structured
//! merge tree (O'Neil et al., 1996): only when [`RUN`] neighbours of about the same size have come together, or
//! enough rows for a full segment. A row is written anew about once for each tier, however long a frame grows.
//!
//! What is joined always follows each other in the list of segments (or nothing between overlaps it), so that no row
//! changes its place among those with equal keys.

use crate::index::{KeyRange, arrange};
use crate::log::change::Segment;
use crate::segment::Limits;

/// Small neighbours that are joined.
const RUN: usize = 32;
/// Each tier's segments have up to so many times the rows of the tier below.
const TIER_FACTOR: u64 = 16;
/// The largest of small neighbours has at most this part of their rows.
const BALANCE: u64 = 16;
/// Overlapping segments that are merged.
const OVERLAPPING: usize = 8;
/// Rows in overlapping segments that are merged at once, as full segments.
const MERGED_SEGMENTS: u64 = 32;

/// Segments that are to be written anew together, by their places in the list, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) places: Vec<usize>,
    pub(crate) reason: Reason,
}

/// Why segments are written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    Small,
    Hidden,
    Overlap,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "many small segments",
            Self::Hidden => "many hidden rows",
            Self::Overlap => "overlapping segments",
        }
    }
}

/// How eager compaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zeal {
    /// What pays for itself, by and by.
    Background,
    /// All that makes reading cheaper, now.
    Complete,
}

/// Whether two neighbours cannot become one segment.
pub(crate) type Apart<'a> = &'a dyn Fn(&Segment, &Segment) -> bool;

/// What is to be done with a list of segments. No segment is in two jobs.
pub(crate) fn jobs(
    segments: &[Segment],
    limits: Limits,
    zeal: Zeal,
    apart_for_good: Apart<'_>,
) -> Vec<Job> {
    let mut taken = vec![false; segments.len()];
    let mut jobs = Vec::new();
    let mut add = |job: Option<Job>, jobs: &mut Vec<Job>| {
        let Some(job) = job.filter(|job| job.places.iter().all(|place| !taken[*place])) else {
            return;
        };
        job.places.iter().for_each(|place| taken[*place] = true);
        jobs.push(job);
    };
    let merges = overlapping(segments).into_iter();
    let merges = merges.filter_map(|group| merge_job(segments, group, limits, zeal));
    for job in apart(segments, merges) {
        add(Some(job), &mut jobs);
    }
    for run in small_runs(segments, limits, zeal, apart_for_good) {
        let reason = Reason::Small;
        add(
            Some(Job {
                places: run,
                reason,
            }),
            &mut jobs,
        );
    }
    for (place, segment) in segments.iter().enumerate() {
        let many = match zeal {
            Zeal::Background => segment.hidden_rows() * 3 >= segment.record.rows,
            Zeal::Complete => segment.hidden_rows() > 0,
        };
        let job = Job {
            places: vec![place],
            reason: Reason::Hidden,
        };
        add(Some(job).filter(|_| many), &mut jobs);
    }
    jobs.sort_by_key(|job| job.places[0]);
    jobs
}

/// Whether joining a segment with others gains little.
fn is_full(segment: &Segment, limits: Limits) -> bool {
    let (rows, bytes) = (segment.visible_rows(), segment.record.bytes);
    rows * 2 >= limits.max_rows as u64 || bytes * 2 >= limits.max_bytes as u64
}

fn tier(segment: &Segment) -> u32 {
    segment.visible_rows().max(1).ilog(TIER_FACTOR)
}

/// Neighbours in the list that are small.
fn small_runs(
    segments: &[Segment],
    limits: Limits,
    zeal: Zeal,
    apart: Apart<'_>,
) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let highest = segments.iter().map(tier).max().unwrap_or(0);
    let mut taken = vec![false; segments.len()];
    let tiers = match zeal {
        Zeal::Background => 0..=highest,
        Zeal::Complete => highest..=highest,
    };
    for below in tiers {
        let mut run: Vec<usize> = Vec::new();
        for place in 0..=segments.len() {
            let joins = segments.get(place).is_some_and(|segment| {
                !taken[place] && tier(segment) <= below && !is_full(segment, limits)
            });
            let goes_on = joins
                && run
                    .last()
                    .is_none_or(|last| !apart(&segments[*last], &segments[place]));
            if goes_on {
                run.push(place);
                continue;
            }
            let next = if joins { vec![place] } else { Vec::new() };
            let run = std::mem::replace(&mut run, next);
            if run.len() > 1 && pays(segments, &run, limits, zeal) {
                run.iter().for_each(|place| taken[*place] = true);
                runs.push(run);
            }
        }
    }
    runs
}

fn pays(segments: &[Segment], run: &[usize], limits: Limits, zeal: Zeal) -> bool {
    let rows: u64 = run
        .iter()
        .map(|place| segments[*place].visible_rows())
        .sum();
    let bytes: u64 = run.iter().map(|place| segments[*place].record.bytes).sum();
    let largest = run
        .iter()
        .map(|place| segments[*place].visible_rows())
        .max();
    let largest = largest.unwrap_or(0);
    let fills = rows >= limits.max_rows as u64 || bytes >= limits.max_bytes as u64;
    // A large segment is not written anew for a few small ones.
    let balanced = largest * BALANCE <= rows;
    zeal == Zeal::Complete || (run.len() >= RUN && balanced) || (fills && largest * 2 <= rows)
}

/// Groups of segments that readers merge, as places in the list.
fn overlapping(segments: &[Segment]) -> Vec<Vec<usize>> {
    let ranges: Option<Vec<_>> = segments
        .iter()
        .map(|segment| segment.record.range.clone())
        .collect();
    let groups = ranges.map(|ranges| arrange(&ranges)).unwrap_or_default();
    groups.into_iter().filter(|group| group.len() > 1).collect()
}

fn merge_job(segments: &[Segment], group: Vec<usize>, limits: Limits, zeal: Zeal) -> Option<Job> {
    let rows = |place: &usize| segments[*place].visible_rows();
    let total: u64 = group.iter().map(rows).sum();
    if zeal == Zeal::Background {
        let disjoint = total - beside_others(segments, &group);
        let few = group.len() < OVERLAPPING;
        let costly = total > MERGED_SEGMENTS * limits.max_rows as u64;
        // A little that overlaps a lot is left until there is more of it.
        let little = (total - disjoint) * 4 < total;
        if few || costly || little {
            return None;
        }
    }
    let mut places = group;
    places.sort_unstable();
    Some(Job {
        places: closed(segments, places),
        reason: Reason::Overlap,
    })
}

/// Jobs that would move rows with equal keys past each other become one: each of them alone keeps the order, but the
/// second would begin where the first has put rows.
fn apart(segments: &[Segment], jobs: impl Iterator<Item = Job>) -> Vec<Job> {
    let mut apart: Vec<Job> = Vec::new();
    for mut job in jobs {
        let cross = |job: &Job, other: &Job| cross(segments, &job.places, &other.places);
        while let Some(at) = apart.iter().position(|other| cross(&job, other)) {
            job.places.extend(apart.remove(at).places);
            job.places.sort_unstable();
            job.places.dedup();
            job.places = closed(segments, job.places);
        }
        apart.push(job);
    }
    apart
}

/// Whether some places lie between others, and the segments there share keys.
fn cross(segments: &[Segment], one: &[usize], other: &[usize]) -> bool {
    let whole = |places: &[usize]| {
        let ranges = places.iter();
        let ranges = ranges.filter_map(|place| segments[*place].record.range.clone());
        ranges.reduce(KeyRange::union)
    };
    let between = one.first() <= other.last() && other.first() <= one.last();
    let ranges = whole(one).zip(whole(other));
    between && ranges.is_none_or(|(one, other)| one.overlaps(&other))
}

/// Rows of a group beyond those of its largest segments that do not overlap each other.
fn beside_others(segments: &[Segment], group: &[usize]) -> u64 {
    let mut by_rows = group.to_vec();
    by_rows.sort_by_key(|place| std::cmp::Reverse(segments[*place].visible_rows()));
    let mut apart: Vec<usize> = Vec::new();
    let mut beside = 0;
    for place in by_rows {
        let range = segments[place].record.range.as_ref();
        let meets = |other: &usize| {
            let other = segments[*other].record.range.as_ref();
            range
                .zip(other)
                .is_none_or(|(one, other)| one.overlaps(other))
        };
        if apart.iter().any(meets) {
            beside += segments[place].visible_rows();
        } else {
            apart.push(place);
        }
    }
    beside
}

/// The places, and those between them of segments that share keys with them: their rows may not change sides.
fn closed(segments: &[Segment], mut places: Vec<usize>) -> Vec<usize> {
    loop {
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
            return places;
        };
        let ranges = places
            .iter()
            .filter_map(|place| segments[*place].record.range.clone());
        let Some(whole) = ranges.reduce(KeyRange::union) else {
            return places;
        };
        let between = (first..last).filter(|place| !places.contains(place));
        let more: Vec<usize> = between
            .filter(|place| {
                let range = segments[*place].record.range.as_ref();
                range.is_none_or(|range| range.overlaps(&whole))
            })
            .collect();
        if more.is_empty() {
            return places;
        }
        places.extend(more);
        places.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::KeyValue;
    use crate::log::commit::SegmentRecord;

    const LIMITS: Limits = Limits {
        max_rows: 100_000,
        max_bytes: 100_000_000,
    };

    fn segment(rows: u64) -> Segment {
        Segment {
            record: SegmentRecord {
                id: "aa".into(),
                rows,
                bytes: rows * 8,
                hash: String::new(),
                range: None,
                footer: None,
            },
            schema: Arc::from("ab"),
            version: 1,
            hidden: None,
        }
    }

    fn between(min: i64, max: i64) -> Segment {
        let mut segment = segment(3);
        segment.record.range = Some(KeyRange {
            min: vec![KeyValue::int(min)],
            max: vec![KeyValue::int(max)],
        });
        segment
    }

    #[test]
    fn groups_that_share_a_key_and_lie_between_each_other_are_merged_together() {
        // Key 2 of the second segment would come to lie behind key 2 of the last one.
        let ranges = [(-6, -4), (-3, 2), (3, 3), (-6, -6), (-6, -3), (2, 3)];
        let segments = ranges.map(|(min, max)| between(min, max));
        let found = jobs(&segments, LIMITS, Zeal::Complete, &joinable);
        assert_eq!(places(&found), [(0..ranges.len()).collect::<Vec<_>>()]);
    }

    fn places(jobs: &[Job]) -> Vec<Vec<usize>> {
        jobs.iter().map(|job| job.places.clone()).collect()
    }

    #[test]
    fn appends_are_joined_when_enough_of_a_size_have_come() {
        let small = |count| vec![segment(100); count];
        assert!(jobs(&small(RUN - 1), LIMITS, Zeal::Background, &joinable).is_empty());
        let found = jobs(&small(RUN), LIMITS, Zeal::Background, &joinable);
        assert_eq!(places(&found), [(0..RUN).collect::<Vec<_>>()]);
        assert_eq!(found[0].reason, Reason::Small);
    }

    #[test]
    fn a_growing_frame_writes_a_row_anew_only_a_few_times() {
        let mut segments: Vec<Segment> = Vec::new();
        let (mut appended, mut rewritten) = (0, 0);
        for _ in 0..10_000 {
            segments.push(segment(100));
            appended += 100;
            while let Some(job) = jobs(&segments, LIMITS, Zeal::Background, &joinable)
                .first()
                .cloned()
            {
                let (first, last) = (job.places[0], job.places[job.places.len() - 1]);
                let rows: u64 = segments[first..=last]
                    .iter()
                    .map(Segment::visible_rows)
                    .sum();
                rewritten += rows;
                segments.splice(first..=last, [segment(rows)]);
            }
        }
        assert!(rewritten <= 5 * appended, "{rewritten} of {appended}");
        assert!(segments.len() <= 10 + 3 * RUN, "{} left", segments.len());
    }

    fn joinable(_: &Segment, _: &Segment) -> bool {
        false
    }

    #[test]
    fn runs_end_where_neighbours_cannot_be_joined() {
        let mut segments = vec![segment(100); 3 * RUN];
        segments[RUN].record.id = "bb".into();
        let apart = |_: &Segment, right: &Segment| right.record.id == "bb";
        let found = jobs(&segments, LIMITS, Zeal::Background, &apart);
        let expected = [(0..RUN).collect::<Vec<_>>(), (RUN..3 * RUN).collect()];
        assert_eq!(places(&found), expected);
        let found = jobs(&segments[1..RUN + 2], LIMITS, Zeal::Background, &apart);
        assert!(found.is_empty(), "neither part is long enough");
    }

    #[test]
    fn full_segments_are_left_alone_and_separate_runs() {
        let mut segments = vec![segment(100); 3];
        segments.push(segment(90_000));
        segments.extend(vec![segment(100); 2]);
        let found = jobs(&segments, LIMITS, Zeal::Complete, &joinable);
        assert_eq!(places(&found), [vec![0, 1, 2], vec![4, 5]]);
        assert!(jobs(&segments[3..4], LIMITS, Zeal::Complete, &joinable).is_empty());
    }
}
