//! Bins of a calendar, by number: each edge is made from the step of the calendar it stands on.
//!
//! Two rows can lie a million centuries apart. So edges are not kept unless they are few; where one lies, and which bin
//! a time lies in, costs the same however many there are.

use shoots_proto::action::BinEnd;

use super::bins::Layout;
use super::rule::Steps;

/// So many edges are kept, because rows that are in no order look for their bin one by one.
const KEPT: i64 = 1 << 16;

/// Bins from each edge to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ladder {
    layout: Layout,
    steps: Steps,
    /// The number of the step that the first edge stands on.
    start: i64,
    /// Steps from one edge to the next.
    stride: i64,
    /// How many edges there are.
    edges: i64,
    /// All of them, if they are few.
    kept: Vec<i64>,
}

impl Ladder {
    /// The bins of times from `first` to `last`; none if they, or their edges, cannot be told in the unit of times.
    pub(super) fn new(
        layout: Layout,
        (stride, steps): (i64, Steps),
        first: i64,
        last: i64,
    ) -> Option<Self> {
        let (first_day, last_day) = (layout.day(first)?, layout.day(last)?);
        let right = layout.closed == BinEnd::Right;
        let start = match right {
            false => steps.at_or_before(first_day),
            true => steps.at_or_after(first_day) - stride,
        };
        let stop = steps.at_or_before(last_day) + stride;
        let mut ladder = Self {
            layout,
            steps,
            start,
            stride,
            edges: (stop - start) / stride + 1,
            kept: Vec::new(),
        };
        if layout.rule.is_end_anchored() && ladder.edges >= 2 {
            let before = ladder.edge(ladder.edges - 2)? - i64::from(right);
            if before > last {
                ladder.edges -= 1;
            }
        }
        // What lies between these can be told if these can.
        for outermost in [0, ladder.edges - 1] {
            ladder.midnight(outermost)?;
            ladder.edge(outermost)?;
        }
        if ladder.edges <= KEPT {
            ladder.kept = (0..ladder.edges)
                .map(|at| ladder.edge(at))
                .collect::<Option<_>>()?;
        }
        Some(ladder)
    }

    /// How many bins there are.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.edges - 1).unwrap_or(0)
    }

    /// The bin of a time, where it begins, and where the next one does.
    pub(super) fn of(&self, time: i64) -> Option<(u64, i64, i64)> {
        let after = match self.kept.is_empty() {
            false => i64::try_from(self.kept.partition_point(|edge| *edge <= time)).ok()?,
            true => self.edges_until(time)?,
        };
        let begin = self.begin(u64::try_from(after - 1).ok()?)?;
        let next = self.begin(u64::try_from(after).ok()?)?;
        Some((u64::try_from(after - 1).ok()?, begin, next))
    }

    /// How many edges are not after a time.
    fn edges_until(&self, time: i64) -> Option<i64> {
        let (mut low, mut high) = (0, self.edges);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.edge(middle)? <= time {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Some(low)
    }

    /// Where a bin begins, or the last one ends.
    pub(super) fn begin(&self, bin: u64) -> Option<i64> {
        let at = i64::try_from(bin).ok().filter(|at| *at < self.edges)?;
        match self.kept.get(usize::try_from(at).ok()?) {
            Some(edge) => Some(*edge),
            None => self.edge(at),
        }
    }

    /// The time that a bin is named after.
    pub(super) fn label(&self, bin: u64) -> Option<i64> {
        let bin = i64::try_from(bin).ok()?;
        self.midnight(bin + i64::from(self.layout.label == BinEnd::Right))
    }

    /// Whether bins that both have are the same, and have the same names.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        self.layout == other.layout && (self.start - other.start) % self.stride == 0
    }

    fn edge(&self, at: i64) -> Option<i64> {
        let right = self.layout.closed == BinEnd::Right;
        // Bins that end with a day hold all of it.
        match self.layout.rule.is_end_anchored() && right {
            true => self.layout.midnight(self.day(at)? + 1),
            false => self.midnight(at)?.checked_add(i64::from(right)),
        }
    }

    /// When the day begins on which an edge stands.
    fn midnight(&self, at: i64) -> Option<i64> {
        self.layout.midnight(self.day(at)?)
    }

    fn day(&self, at: i64) -> Option<i64> {
        let step = at.checked_mul(self.stride)?.checked_add(self.start)?;
        Some(self.steps.day(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::bins::{Bins, Origin};
    use crate::resample::rule::Rule;

    const RULES: [&str; 24] = [
        "ns",
        "ms",
        "s",
        "7min",
        "1.5h",
        "5000h",
        "D",
        "3D",
        "1000000D",
        "B",
        "7B",
        "W",
        "2W-WED",
        "MS",
        "ME",
        "1000000ME",
        "QS",
        "QE-JAN",
        "5QE",
        "YS",
        "YE",
        "YE-JUN",
        "3YS-APR",
        "300000YE",
    ];
    const ZONES: [Option<&str>; 5] = [
        None,
        Some("UTC"),
        Some("-23:59"),
        Some("Europe/Berlin"),
        Some("Pacific/Apia"),
    ];

    fn layouts() -> impl Iterator<Item = Layout> {
        let ends = [BinEnd::Left, BinEnd::Right];
        RULES.into_iter().flat_map(move |rule| {
            ZONES.into_iter().flat_map(move |zone| {
                ends.into_iter().flat_map(move |closed| {
                    ends.into_iter().map(move |label| Layout {
                        rule: Rule::parse(rule).unwrap(),
                        zone: zone.map(|zone| zone.parse().unwrap()),
                        unit: 1_000_000_000,
                        closed,
                        label,
                        origin: Origin::StartDay,
                        offset: 0,
                    })
                })
            })
        })
    }

    #[test]
    fn however_far_apart_times_are_their_bins_are_told_at_once_or_refused() {
        let far = [12, 14, 15, 17].map(|power| 10_i64.pow(power));
        let mut times = vec![
            0,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
            8_000_000_000_000,
            9_000_000_000_000,
        ];
        times.extend(far.iter().flat_map(|far| [*far, -far]));
        let mut told = 0;
        for layout in layouts().filter(|layout| layout.closed == layout.label) {
            for unit in [1_000, 1_000_000_000] {
                let layout = Layout { unit, ..layout };
                for (first, last) in times
                    .iter()
                    .flat_map(|a| times.iter().map(move |b| (*a, *b)))
                {
                    if first > last {
                        continue;
                    }
                    let bins = match layout.bins(first, last) {
                        Ok(bins) => bins,
                        Err(problem) => {
                            assert!(problem.contains("reach too far"), "{problem}");
                            continue;
                        }
                    };
                    told += 1;
                    let case = format!("{layout:?} {first} {last} {}", bins.count());
                    for time in [first, last] {
                        let (bin, begin, end) = bins.of(time).unwrap_or_else(|| panic!("{case}"));
                        assert!(begin <= time && (time < end || end == i64::MAX), "{case}");
                        assert!(bin < bins.count(), "{case}");
                        assert!(bins.label(bin) <= bins.label(bins.count() - 1), "{case}");
                    }
                    bins.of(i64::MIN);
                    bins.of(i64::MAX);
                    if let Bins::Calendar(ladder) = &bins {
                        assert!(ladder.kept.len() <= KEPT as usize, "{case}");
                    }
                }
            }
        }
        assert!(told > 10_000, "{told}");
    }

    #[test]
    fn edges_that_are_not_kept_are_the_same() {
        // From 2011 on: with the day that Apia left out.
        let first = 1_300_000_000;
        for layout in layouts() {
            let Ok(Bins::Calendar(ladder)) = layout.bins(first, first + 400_000_000) else {
                continue;
            };
            assert!(!ladder.kept.is_empty());
            let lazy = Ladder {
                kept: Vec::new(),
                ..ladder.clone()
            };
            for turn in 0..500 {
                let time = first - 1_000_000 + turn * 810_000;
                assert_eq!(ladder.of(time), lazy.of(time), "{layout:?} {time}");
            }
        }
    }
}
