//! Some of the bins: which ones a change of the frame touches, and how they alone are computed.
//!
//! Where bins lie follows from the first and the last time of the frame, so these are remembered with what was computed
//! before ([`Grid`]). As long as the bins that both states have are the same bins, only those have to be computed again
//! that hold a touched time, and those between the old and the new ends. Bins that are filled from their neighbours
//! take in the nearest rows on both sides. Everything else, such as bins counted from the last time, or groups whose
//! empty bins are filled, is computed as a whole: [`Plan::All`].
//!
//! A query that wants only bins with certain names gets them in the same way ([`Resample::named`]).

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::error::Result;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use shoots_proto::Closed;
use shoots_store::{Changed, ChangedRange, ReadOptions, time_bound};

use super::Resample;
use super::bins::{Bins, Origin};
use super::exec::external;
use super::fill::Method;
use super::gather::times;
use super::spec;

/// More pieces than this are not worth their reads.
const MAX_PIECES: usize = 64;

/// From which time to which the rows that take part reach, in the unit of their column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grid {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Bins next to each other.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// All bins of the frame.
    pub(super) bins: Arc<Bins>,
    /// Which of them.
    pub(super) wanted: Range<u64>,
}

/// What has to be computed after a change.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Nothing.
    Nothing,
    /// All bins.
    All,
    /// These pieces, in order of time; what lies between them stays.
    Pieces(Vec<Piece>),
}

/// Neighbouring bins that are computed anew.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The least and the greatest name of a bin that was there before or is there now.
    pub(crate) names: (i64, i64),
    /// What they hold now; none: the frame does not reach there any more.
    pub(crate) rows: Option<Resample>,
}

/// What is to be computed of `resample` if it was computed before for the times of `old`, and this has changed since.
pub(crate) async fn plan(
    resample: &Resample,
    old: Option<Grid>,
    new: Option<Grid>,
    changed: &Changed,
) -> Result<Plan> {
    let ranges = match changed {
        Changed::Nothing => return Ok(Plan::Nothing),
        Changed::Everything => return Ok(Plan::All),
        Changed::Ranges(ranges) => ranges,
    };
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(Plan::All);
    };
    if !resample.is_divisible() {
        return Ok(Plan::All);
    }
    let new_bins = Arc::new(resample.bins(new.first, new.last)?);
    let bins = match resample.bins(old.first, old.last) {
        Ok(old_bins) if old_bins.agree(&new_bins) => (old_bins, new_bins),
        _ => return Ok(Plan::All),
    };
    let touched = touched(ranges, old, new)?;
    let mut pieces: Vec<(Range<u64>, (i64, i64))> = Vec::new();
    for (from, to) in touched {
        let (from, to) = resample
            .with_neighbours(&bins.1, (from, to), old, new)
            .await?;
        let before = covered(&bins.0, old, from, to);
        let now = covered(&bins.1, new, from, to);
        let names = [
            before.as_ref().map(|range| names(&bins.0, range)),
            now.as_ref().map(|range| names(&bins.1, range)),
        ];
        let names = names.into_iter().flatten();
        let Some(names) = names.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
            continue;
        };
        let wanted = now.unwrap_or(0..0);
        match pieces.last_mut() {
            Some((last, of)) if names.0 <= of.1 => {
                of.1 = of.1.max(names.1);
                of.0 = of.0.min(names.0);
                *last = match (last.is_empty(), wanted.is_empty()) {
                    (true, _) => wanted,
                    (_, true) => last.clone(),
                    _ => last.start.min(wanted.start)..last.end.max(wanted.end),
                };
            }
            _ => pieces.push((wanted, names)),
        }
    }
    if pieces.len() > MAX_PIECES {
        return Ok(Plan::All);
    }
    let pieces = pieces.into_iter().map(|(wanted, names)| Piece {
        names,
        rows: (!wanted.is_empty()).then(|| resample.windowed(&bins.1, wanted, new)),
    });
    Ok(Plan::Pieces(pieces.collect()))
}

impl Resample {
    /// From where to where the rows reach; none if there are none.
    pub(crate) async fn grid(&self) -> Result<Option<Grid>> {
        let bounded = self.range.start.is_some() || self.range.stop.is_some();
        if self.is_in_order() && !bounded {
            let bounds = self.snapshot.index_bounds().await.map_err(external)?;
            if let Some(bounds) = bounds {
                let ends = (times(&bounds.least)?, times(&bounds.greatest)?);
                return Ok(Some(Grid {
                    first: ends.0.value(0),
                    last: ends.1.value(0),
                }));
            }
        }
        let extent = self.extent().await?;
        Ok(extent.map(|(first, last)| Grid { first, last }))
    }

    /// Whether some bins can be computed without the others.
    fn is_divisible(&self) -> bool {
        let schema = self.snapshot.schema();
        let of = schema.field(self.time).data_type();
        let from_end = matches!(self.layout.origin, Origin::End | Origin::EndDay);
        let groups_are_filled = !self.by.is_empty() && self.fill.method != Method::Drop;
        self.is_in_order()
            && matches!(of, DataType::Timestamp(..))
            && !from_end
            && !groups_are_filled
    }

    /// Some of the bins.
    fn windowed(&self, bins: &Arc<Bins>, wanted: Range<u64>, grid: Grid) -> Self {
        let begin = bins.begin(wanted.start).max(grid.first);
        let stop = bins.begin(wanted.end);
        let stop = stop.min(grid.last.saturating_add(1)).max(begin);
        let mut some = self.clone();
        some.range = spec::Range {
            start: Some(time_bound(begin)),
            stop: Some(time_bound(stop)),
            closed: Closed::Left,
        };
        some.window = Some(Window {
            bins: Arc::clone(bins),
            wanted,
        });
        some
    }

    /// The same with only those bins that are named after a time in a range, both ends included; none if there are none.
    /// Where bins cannot be computed without the others, all stay.
    pub(super) async fn named(self, from: Option<i64>, to: Option<i64>) -> Result<Option<Self>> {
        let alone = matches!(self.fill.method, Method::Constant | Method::Drop);
        if !alone || !self.is_divisible() || self.window.is_some() {
            return Ok(Some(self));
        }
        let Some(grid) = self.grid().await? else {
            return Ok(None);
        };
        let bins = Arc::new(self.bins(grid.first, grid.last)?);
        let begin = from.map_or(0, |from| first(&bins, |name| name >= from));
        let end = to.map_or(bins.count(), |to| first(&bins, |name| name > to));
        if begin >= end {
            return Ok(None);
        }
        Ok(Some(self.windowed(&bins, begin..end, grid)))
    }

    /// Touched times with the nearest rows before and after their bins, if empty bins are filled from these.
    async fn with_neighbours(
        &self,
        bins: &Bins,
        touched: (i64, i64),
        old: Grid,
        new: Grid,
    ) -> Result<(i64, i64)> {
        let fills = matches!(
            self.fill.method,
            Method::Forward | Method::Backward | Method::Linear
        );
        if !fills {
            return Ok(touched);
        }
        let (first, last) = (old.first.min(new.first), old.last.max(new.last));
        let from = bins.of(touched.0).map_or(touched.0, |bin| bin.1);
        let to = bins
            .of(touched.1)
            .map_or(touched.1.saturating_add(1), |bin| bin.2);
        let mut before = self.read_options(&[self.time]);
        before.start = Some(time_bound(new.first.min(from)));
        before.stop = Some(time_bound(from));
        before.closed = Closed::Left;
        before.tail = Some(1);
        let mut after = self.read_options(&[self.time]);
        after.start = Some(time_bound(to));
        after.stop = Some(time_bound(new.last.max(to)));
        after.closed = Closed::Both;
        after.limit = Some(1);
        let before = self.one_time(before).await?.unwrap_or(first);
        let after = self.one_time(after).await?.unwrap_or(last);
        Ok((before.min(touched.0), after.max(touched.1)))
    }

    async fn one_time(&self, options: ReadOptions) -> Result<Option<i64>> {
        let mut rows = self.snapshot.read(options).await.map_err(external)?;
        while let Some(batch) = rows.try_next().await.map_err(external)? {
            if batch.num_rows() > 0 {
                return Ok(Some(times(batch.column(0))?.value(0)));
            }
        }
        Ok(None)
    }
}

/// The touched times, those between the old and the new ends too, in order and apart from each other.
fn touched(ranges: &[ChangedRange], old: Grid, new: Grid) -> Result<Vec<(i64, i64)>> {
    let (first, last) = (old.first.min(new.first), old.last.max(new.last));
    let mut touched = Vec::with_capacity(ranges.len() + 2);
    for range in ranges {
        let least = range.least.as_ref().map(times).transpose()?;
        let greatest = range.greatest.as_ref().map(times).transpose()?;
        let from = least.map_or(first, |least| least.value(0)).max(first);
        let to = greatest
            .map_or(last, |greatest| greatest.value(0))
            .min(last);
        if from <= to {
            touched.push((from, to));
        }
    }
    if old.first != new.first {
        touched.push((first, old.first.max(new.first)));
    }
    if old.last != new.last {
        touched.push((old.last.min(new.last), last));
    }
    touched.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::with_capacity(touched.len());
    for (from, to) in touched {
        match apart.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = (*end).max(to),
            _ => apart.push((from, to)),
        }
    }
    Ok(apart)
}

/// The bins of the rows between two times. To the first and the last one belong those beyond them.
fn covered(bins: &Bins, grid: Grid, from: i64, to: i64) -> Option<Range<u64>> {
    let (from, to) = (from.max(grid.first), to.min(grid.last));
    if from > to {
        return None;
    }
    let (low, high) = (bins.of(from)?.0, bins.of(to)?.0);
    let low = if low <= bins.of(grid.first)?.0 {
        0
    } else {
        low
    };
    let end = if high >= bins.of(grid.last)?.0 {
        bins.count()
    } else {
        high + 1
    };
    Some(low..end)
}

fn names(bins: &Bins, range: &Range<u64>) -> (i64, i64) {
    (
        bins.label(range.start),
        bins.label(range.end.saturating_sub(1)),
    )
}

/// The first bin whose name lies there, where those of all later ones do too; one more than there are if there is none.
fn first(bins: &Bins, there: impl Fn(i64) -> bool) -> u64 {
    let (mut low, mut high) = (0, bins.count());
    while low < high {
        let middle = low + (high - low) / 2;
        if there(bins.label(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests;
