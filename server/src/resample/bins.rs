//! Bins: from a time to the bin it lies in, and from a bin to the time it is named after.
//!
//! As in pandas, where the bins lie follows from the first and the last time: days before which nothing lies have no
//! bins, and fixed lengths are counted from the first day, unless an origin is given. Times are whole numbers in the
//! unit of their column. A bin that holds its right end is stored as one that holds its left end, one unit later.

use shoots_proto::Time;
use shoots_proto::action::BinEnd;

use super::calendar::{DAY_SECONDS, Zone};
use super::ladder::Ladder;
use super::rule::{Rule, Steps};

/// Where fixed lengths are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Epoch,
    Start,
    StartDay,
    End,
    EndDay,
    /// Nanoseconds since 1970-01-01 in UTC.
    At(i128),
}

impl Origin {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "epoch" => Self::Epoch,
            "start" => Self::Start,
            "start_day" => Self::StartDay,
            "end" => Self::End,
            "end_day" => Self::EndDay,
            text => {
                let time: Time = text.parse().map_err(|_| {
                    format!(
                        "must be epoch, start, start_day, end, end_day or a time (got `{text}`)"
                    )
                })?;
                let seconds = i128::from(time.0.timestamp()) * 1_000_000_000;
                Self::At(seconds + i128::from(time.0.timestamp_subsec_nanos()))
            }
        })
    }
}

/// What says where bins lie, besides the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) rule: Rule,
    /// The zone of the times; none: they have none.
    pub(crate) zone: Option<Zone>,
    /// Nanoseconds of the unit of times.
    pub(crate) unit: i64,
    pub(crate) closed: BinEnd,
    pub(crate) label: BinEnd,
    pub(crate) origin: Origin,
    /// Nanoseconds.
    pub(crate) offset: i128,
}

/// The bins between a first and a last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bins {
    /// Bins of one length.
    Fixed {
        /// Where the first begins.
        start: i64,
        length: i64,
        count: u64,
        /// What has to be added to where a bin begins for its name.
        label: i64,
    },
    /// Bins of a calendar.
    Calendar(Ladder),
}

impl Layout {
    /// The bins of times from `first` to `last`; the error says what does not work.
    pub(crate) fn bins(&self, first: i64, last: i64) -> Result<Bins, String> {
        let bins = match self.rule {
            Rule::Fixed(length) => self.fixed(length, first, last),
            Rule::Calendar(days, Steps::Day) if self.zone.is_none() => {
                let length = i128::from(days) * i128::from(DAY_SECONDS) * 1_000_000_000;
                self.fixed(length, first, last)
            }
            Rule::Calendar(stride, steps) => {
                Ladder::new(*self, (stride, steps), first, last).map(Bins::Calendar)
            }
        };
        bins.ok_or_else(|| {
            "the times reach too far, or the rule is finer than the unit of the times".to_owned()
        })
    }

    fn per_second(&self) -> i64 {
        1_000_000_000 / self.unit
    }

    /// The day of a time.
    pub(super) fn day(&self, time: i64) -> Option<i64> {
        let seconds = time.div_euclid(self.per_second());
        match self.zone {
            Some(zone) => zone.day(seconds),
            None => Some(seconds.div_euclid(DAY_SECONDS)),
        }
    }

    /// When a day begins.
    pub(super) fn midnight(&self, day: i64) -> Option<i64> {
        let seconds = match self.zone {
            Some(zone) => zone.midnight(day)?,
            None => day.checked_mul(DAY_SECONDS)?,
        };
        seconds.checked_mul(self.per_second())
    }

    /// Nanoseconds in the unit of times, if that is a whole number.
    fn in_units(&self, nanoseconds: i128) -> Option<i64> {
        let unit = i128::from(self.unit);
        if nanoseconds % unit != 0 {
            return None;
        }
        i64::try_from(nanoseconds / unit).ok()
    }

    fn fixed(&self, length: i128, first: i64, last: i64) -> Option<Bins> {
        let length = self.in_units(length)?;
        let right = self.closed == BinEnd::Right;
        let origin = match self.origin {
            Origin::Epoch => self.midnight(0)?,
            Origin::Start => first,
            Origin::StartDay => self.midnight(self.day(first)?)?,
            Origin::At(nanoseconds) => {
                i64::try_from(nanoseconds.div_euclid(i128::from(self.unit))).ok()?
            }
            // Only where it lies relative to bins counts, so the end does as well as what is whole lengths before.
            Origin::End => last,
            Origin::EndDay => {
                let day = self.day(last)?;
                let midnight = self.midnight(day)?;
                if midnight == last {
                    last
                } else {
                    self.midnight(day + 1)?
                }
            }
        };
        let origin = i128::from(origin) + i128::from(self.in_units(self.offset)?);
        let wide = i128::from(length);
        // The beginning of the bin of a time: a time on an edge belongs to the bin that ends there if that is closed.
        let begin = |time: i128| {
            let over = (time - origin).rem_euclid(wide);
            time - if over == 0 && right { wide } else { over }
        };
        let last_begin = begin(i128::from(last));
        let begins_with = match self.origin {
            // Counted from the end, bins start with the one that `first` moved to a whole number of lengths lies in.
            Origin::End | Origin::EndDay => {
                let end = origin - i128::from(self.in_units(self.offset)?);
                let mut lengths = (end - i128::from(first)).div_euclid(wide);
                if !right {
                    lengths += 1;
                }
                // An offset may have moved the bins away from `first`.
                begin(end - lengths * wide).min(begin(i128::from(first)))
            }
            _ => begin(i128::from(first)),
        };
        let count = u64::try_from((last_begin - begins_with) / wide + 1).ok()?;
        let start = i64::try_from(begins_with).ok()?;
        let shift = i64::from(right);
        let label = match self.label {
            BinEnd::Left => 0,
            BinEnd::Right => length,
        };
        // The name of the last bin is the farthest time of all.
        start.checked_add(i64::try_from(count).ok()?.checked_mul(length)?)?;
        Some(Bins::Fixed {
            start: start.checked_add(shift)?,
            length,
            count,
            label: label - shift,
        })
    }
}

impl Bins {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Fixed { count, .. } => *count,
            Self::Calendar(ladder) => ladder.count(),
        }
    }

    /// The bin of a time, where it begins, and where the next one does.
    pub(crate) fn of(&self, time: i64) -> Option<(u64, i64, i64)> {
        match self {
            Self::Fixed {
                start,
                length,
                count,
                ..
            } => {
                let bin = time.checked_sub(*start)?.div_euclid(*length);
                let number = u64::try_from(bin).ok().filter(|bin| bin < count)?;
                let begin = start + bin * length;
                Some((number, begin, begin.saturating_add(*length)))
            }
            Self::Calendar(ladder) => ladder.of(time),
        }
    }

    /// Where a bin begins, or the last one ends; the end of time if that is farther.
    pub(crate) fn begin(&self, bin: u64) -> i64 {
        match self {
            Self::Fixed { start, length, .. } => {
                let bin = i64::try_from(bin).unwrap_or(i64::MAX);
                start.saturating_add(bin.saturating_mul(*length))
            }
            Self::Calendar(ladder) => ladder.begin(bin).unwrap_or(i64::MAX),
        }
    }

    /// The time that a bin is named after.
    pub(crate) fn label(&self, bin: u64) -> i64 {
        match self {
            Self::Fixed {
                start,
                length,
                label,
                ..
            } => {
                let bin = i64::try_from(bin).unwrap_or(i64::MAX);
                bin.wrapping_mul(*length)
                    .wrapping_add(*start)
                    .wrapping_add(*label)
            }
            Self::Calendar(ladder) => ladder.label(bin).unwrap_or(0),
        }
    }

    /// Whether bins that both have are the same, and have the same names.
    pub(crate) fn agree(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Fixed {
                    start,
                    length,
                    label,
                    ..
                },
                Self::Fixed {
                    start: other_start,
                    length: other_length,
                    label: other_label,
                    ..
                },
            ) => {
                let apart = i128::from(*start) - i128::from(*other_start);
                length == other_length && label == other_label && apart % i128::from(*length) == 0
            }
            (Self::Calendar(one), Self::Calendar(other)) => one.agrees(other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(rule: &str, zone: Option<&str>) -> Layout {
        let rule = Rule::parse(rule).unwrap();
        let end = match rule.is_end_anchored() {
            true => BinEnd::Right,
            false => BinEnd::Left,
        };
        Layout {
            rule,
            zone: zone.map(|zone| zone.parse().unwrap()),
            unit: 1_000_000_000,
            closed: end,
            label: end,
            origin: Origin::StartDay,
            offset: 0,
        }
    }

    fn at(text: &str) -> i64 {
        text.parse::<Time>().unwrap().0.timestamp()
    }

    fn labels(bins: &Bins) -> Vec<i64> {
        (0..bins.count()).map(|bin| bins.label(bin)).collect()
    }

    #[test]
    fn lengths_that_do_not_divide_a_day_are_counted_from_the_first_one() {
        let bins = layout("7h", None).bins(at("2024-01-02T05:00"), at("2024-01-03T02:00"));
        let bins = bins.unwrap();
        let expected = [
            "2024-01-02T00:00",
            "2024-01-02T07:00",
            "2024-01-02T14:00",
            "2024-01-02T21:00",
        ];
        assert_eq!(labels(&bins), expected.map(at));
        assert_eq!(bins.of(at("2024-01-02T07:00")).map(|bin| bin.0), Some(1));
        assert_eq!(bins.of(at("2024-01-03T09:00")), None);
    }

    #[test]
    fn the_closed_end_decides_where_a_time_on_an_edge_lies() {
        let right = Layout {
            closed: BinEnd::Right,
            ..layout("5min", None)
        };
        let bins = right
            .bins(at("2024-01-01T00:05"), at("2024-01-01T00:10"))
            .unwrap();
        assert_eq!(
            labels(&bins),
            ["2024-01-01T00:00", "2024-01-01T00:05"].map(at)
        );
        assert_eq!(bins.of(at("2024-01-01T00:05")).map(|bin| bin.0), Some(0));
    }

    #[test]
    fn months_hold_the_whole_of_their_last_day() {
        let bins = layout("ME", None)
            .bins(at("2024-01-15"), at("2024-02-29T12:00"))
            .unwrap();
        assert_eq!(labels(&bins), ["2024-01-31", "2024-02-29"].map(at));
        assert_eq!(bins.of(at("2024-01-31T23:59:59")).map(|bin| bin.0), Some(0));
        assert_eq!(bins.of(at("2024-02-01")).map(|bin| bin.0), Some(1));
    }

    #[test]
    fn days_of_a_place_are_as_long_as_its_clocks_say() {
        let bins = layout("D", Some("Europe/Berlin"));
        let bins = bins
            .bins(at("2024-03-30T12:00"), at("2024-04-01T12:00"))
            .unwrap();
        let expected = ["2024-03-29T23:00", "2024-03-30T23:00", "2024-03-31T22:00"];
        assert_eq!(labels(&bins), expected.map(at));
    }

    #[test]
    fn bins_counted_from_the_end_end_there() {
        let end = Layout {
            origin: Origin::End,
            closed: BinEnd::Right,
            label: BinEnd::Right,
            ..layout("7min", None)
        };
        let bins = end
            .bins(at("2024-01-01T00:01"), at("2024-01-01T00:20"))
            .unwrap();
        let expected = ["2024-01-01T00:06", "2024-01-01T00:13", "2024-01-01T00:20"];
        assert_eq!(labels(&bins), expected.map(at));
    }

    #[test]
    fn an_offset_from_the_end_leaves_no_time_without_a_bin() {
        let (first, last) = (at("2024-01-01T00:01"), at("2024-01-01T00:20"));
        for closed in [BinEnd::Left, BinEnd::Right] {
            for offset in -400..400 {
                let end = Layout {
                    origin: Origin::End,
                    closed,
                    offset: offset * 1_000_000_000,
                    ..layout("7min", None)
                };
                let bins = end.bins(first, last).unwrap();
                assert!(bins.of(first).is_some(), "{offset}");
                assert_eq!(bins.of(last).map(|bin| bin.0), Some(bins.count() - 1));
            }
        }
    }
}
