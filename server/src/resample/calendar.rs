//! Days, and what they are in a zone.
//!
//! Days are counted from 1970-01-01. The steps of a calendar are numbered, so that adding `n` steps to a day is adding
//! to a number: what pandas' offsets do, without their objects. Conversion of dates: Howard Hinnant,
//! "chrono-Compatible Low-Level Date Algorithms".

use std::str::FromStr;

use chrono::{DateTime, Duration, FixedOffset, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::rule::Steps;

pub(super) const DAY_SECONDS: i64 = 86_400;

impl Steps {
    /// The number of the last step that is not after a day.
    pub(super) fn at_or_before(self, day: i64) -> i64 {
        match self {
            Self::Day => day,
            Self::BusinessDay => {
                let (week, weekday) = (monday_based(day).div_euclid(7), weekday(day));
                week * 5 + weekday.min(4)
            }
            Self::Week(on) => (monday_based(day) - i64::from(on)).div_euclid(7),
            Self::Month { every, anchor, .. } => {
                let month = month_of(day);
                let step = (month - i64::from(anchor)).div_euclid(i64::from(every));
                if self.day(step) > day { step - 1 } else { step }
            }
        }
    }

    /// The number of the first step that is not before a day.
    pub(super) fn at_or_after(self, day: i64) -> i64 {
        let step = self.at_or_before(day);
        if self.day(step) < day { step + 1 } else { step }
    }

    /// The day of a step.
    pub(super) fn day(self, step: i64) -> i64 {
        match self {
            Self::Day => step,
            Self::BusinessDay => step.div_euclid(5) * 7 + step.rem_euclid(5) - 3,
            Self::Week(on) => step * 7 + i64::from(on) - 3,
            Self::Month {
                every,
                anchor,
                last_day,
            } => {
                let month = step * i64::from(every) + i64::from(anchor);
                match last_day {
                    true => first_of(month + 1) - 1,
                    false => first_of(month),
                }
            }
        }
    }
}

/// Days since the Monday before 1970-01-01, which was a Thursday.
fn monday_based(day: i64) -> i64 {
    day + 3
}

fn weekday(day: i64) -> i64 {
    monday_based(day).rem_euclid(7)
}

/// The first day of a month, which is counted from January of year 0.
fn first_of(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12));
    // Years begin with March here, so that the leap day is the last.
    let year = if month < 2 { year - 1 } else { year };
    let of_march = (month + 10) % 12;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * of_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The month of a day, counted from January of year 0.
fn month_of(day: i64) -> i64 {
    let day = day + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let of_march = (5 * of_year + 2) / 153;
    // January and February belong to the year that began in the March before.
    (era * 400 + year) * 12 + of_march + 2
}

/// Whose days and hours count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Always so far from UTC.
    Fixed(FixedOffset),
    /// A place, with its daylight saving.
    Place(Tz),
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = FixedOffset::from_str(text) {
            return Ok(Self::Fixed(offset));
        }
        Tz::from_str(text).map(Self::Place).map_err(|_| {
            format!("`{text}` is no time zone; give a name such as Europe/Berlin, UTC, or a shift such as +05:30")
        })
    }
}

impl Zone {
    /// What has to be added to a moment, in seconds since 1970-01-01 in UTC, to get what clocks show.
    fn offset(self, seconds: i64) -> Option<i64> {
        let utc = DateTime::from_timestamp(seconds, 0)?.naive_utc();
        let offset = match self {
            Self::Fixed(offset) => offset,
            Self::Place(zone) => zone.offset_from_utc_datetime(&utc).fix(),
        };
        Some(i64::from(offset.local_minus_utc()))
    }

    /// The day of a moment.
    pub(super) fn day(self, seconds: i64) -> Option<i64> {
        Some((seconds + self.offset(seconds)?).div_euclid(DAY_SECONDS))
    }

    /// When a day begins: the first of two midnights, or the first moment after a midnight that is left out.
    pub(super) fn midnight(self, day: i64) -> Option<i64> {
        let local = DateTime::from_timestamp(day.checked_mul(DAY_SECONDS)?, 0)?.naive_utc();
        match self {
            Self::Fixed(offset) => Some(utc(local) - i64::from(offset.local_minus_utc())),
            Self::Place(zone) => {
                let moment = |later: i64| {
                    let local = local.checked_add_signed(Duration::seconds(later))?;
                    match zone.offset_from_local_datetime(&local) {
                        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => {
                            Some(utc(local) - i64::from(offset.fix().local_minus_utc()))
                        }
                        LocalResult::None => None,
                    }
                };
                moment(0).or_else(|| moment(first_shown(|later| moment(later).is_some())))
            }
        }
    }
}

/// How many seconds after a midnight that clocks do not show they show something again: a whole day may be left out.
fn first_shown(shown: impl Fn(i64) -> bool) -> i64 {
    let (mut left_out, mut there) = (0, 2 * DAY_SECONDS);
    while there - left_out > 1 {
        let middle = i64::midpoint(left_out, there);
        match shown(middle) {
            true => there = middle,
            false => left_out = middle,
        }
    }
    there
}

fn utc(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp()
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};

    use super::*;

    fn day(year: i32, month: u32, day: u32) -> i64 {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        i64::from(date.to_epoch_days())
    }

    fn month(every: u8, anchor: u8, last_day: bool) -> Steps {
        Steps::Month {
            every,
            anchor,
            last_day,
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for number in (-800_000..800_000).step_by(37) {
            let date = NaiveDate::from_epoch_days(number).unwrap();
            let expected = i64::from(date.year()) * 12 + i64::from(date.month0());
            assert_eq!(month_of(i64::from(number)), expected);
            let first = first_of(expected);
            assert_eq!(first, i64::from(number) - i64::from(date.day0()));
        }
    }

    #[test]
    fn steps_fall_on_their_days() {
        for (steps, from, expected) in [
            (Steps::Week(6), day(2024, 1, 10), day(2024, 1, 7)),
            (Steps::Week(2), day(2024, 1, 10), day(2024, 1, 10)),
            (Steps::BusinessDay, day(2024, 1, 14), day(2024, 1, 12)),
            (month(1, 0, true), day(2024, 3, 30), day(2024, 2, 29)),
            (month(1, 0, true), day(2024, 3, 31), day(2024, 3, 31)),
            (month(3, 0, false), day(2024, 3, 31), day(2024, 1, 1)),
            (month(3, 2, true), day(2024, 1, 1), day(2023, 12, 31)),
            (month(12, 5, true), day(2024, 6, 29), day(2023, 6, 30)),
        ] {
            assert_eq!(steps.day(steps.at_or_before(from)), expected);
        }
    }

    #[test]
    fn every_step_is_found_from_its_own_day_and_the_days_around() {
        let all = [
            Steps::Day,
            Steps::BusinessDay,
            Steps::Week(3),
            month(1, 0, true),
            month(3, 1, false),
            month(12, 5, true),
        ];
        for steps in all {
            for step in -5_000..5_000 {
                let day = steps.day(step);
                assert_eq!(steps.at_or_before(day), step, "{steps:?}");
                assert_eq!(steps.at_or_after(day), step, "{steps:?}");
                assert_eq!(steps.at_or_before(day - 1), step - 1, "{steps:?}");
                assert_eq!(steps.at_or_after(day + 1), step + 1, "{steps:?}");
            }
        }
    }

    #[test]
    fn midnights_follow_daylight_saving() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let before = berlin.midnight(day(2024, 3, 31)).unwrap();
        let after = berlin.midnight(day(2024, 4, 1)).unwrap();
        assert_eq!(after - before, 23 * 3600);
        let paulo: Zone = "America/Sao_Paulo".parse().unwrap();
        let skipped = paulo.midnight(day(2018, 11, 4)).unwrap();
        assert_eq!(skipped, day(2018, 11, 4) * DAY_SECONDS + 3 * 3600);
        let havana: Zone = "America/Havana".parse().unwrap();
        let twice = havana.midnight(day(2023, 11, 5)).unwrap();
        assert_eq!(twice, day(2023, 11, 5) * DAY_SECONDS + 4 * 3600);
        assert!("Mars/Olympus".parse::<Zone>().is_err());
    }
}
