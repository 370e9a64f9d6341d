//! Rules: how long a bin is, as pandas' offset aliases say it.
//!
//! A rule is a count and an alias (`5min`, `2W-FRI`, `QE-JAN`), or several counts of fixed lengths one after the other
//! (`1h30min`). Fixed lengths are hours and what is shorter; a day and what is longer follows the calendar.

/// The aliases that are known, for messages.
pub(crate) const KNOWN: &str = "ns, us, ms, s, min, h, D, B, W (W-SUN to W-SAT), MS, ME, QS, QE, YS, YE (QE-JAN to \
     QE-DEC and so on), each with a count before it, such as 5min; lengths up to h can be joined, such as 1h30min";

/// How long a bin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// So many nanoseconds.
    Fixed(i128),
    /// So many steps of a calendar.
    Calendar(i64, Steps),
}

/// The days on which bins of a calendar can begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// Every day.
    Day,
    /// Every day from Monday to Friday.
    BusinessDay,
    /// Every week, on a day counted from Monday.
    Week(u8),
    /// The first or last day of every so many months, of which one is `anchor`, counted from January.
    Month {
        every: u8,
        anchor: u8,
        last_day: bool,
    },
}

impl Rule {
    /// Reads a rule; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let mut rule = None;
        while !rest.is_empty() {
            let (count, alias, after) = split(rest).ok_or_else(|| unknown(text))?;
            let part = part(count, alias).ok_or_else(|| unknown(text))?;
            rule = match (rule, part) {
                (None, part) => Some(part),
                (Some(Self::Fixed(one)), Self::Fixed(other)) => Some(Self::Fixed(
                    one.checked_add(other).ok_or_else(|| unknown(text))?,
                )),
                _ => return Err(unknown(text)),
            };
            rest = after;
        }
        match rule {
            Some(Self::Fixed(length)) if !(1..=i128::from(i64::MAX)).contains(&length) => {
                Err(count_out_of_range(text))
            }
            Some(Self::Calendar(count, _)) if !(1..=1_000_000).contains(&count) => {
                Err(count_out_of_range(text))
            }
            Some(rule) => Ok(rule),
            None => Err(unknown(text)),
        }
    }

    /// Whether bins are named after the day with which they end, which then belongs to them.
    pub(crate) fn is_end_anchored(self) -> bool {
        matches!(
            self,
            Self::Calendar(_, Steps::Week(_) | Steps::Month { last_day: true, .. })
        )
    }
}

fn unknown(text: &str) -> String {
    format!("`{text}` is no rule; the rules are {KNOWN}")
}

fn count_out_of_range(text: &str) -> String {
    format!("the length of `{text}` must be positive, and at most 292 years")
}

/// A count, an alias, and what follows them.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let alias = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))?;
    let (count, rest) = text.split_at(alias);
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !(c.is_ascii_alphabetic() || c == '-'))
        .unwrap_or(rest.len());
    let (alias, after) = rest.split_at(end);
    Some((count.trim(), alias, after.trim_start()))
}

fn part(count: &str, alias: &str) -> Option<Rule> {
    if let Some(unit) = fixed_unit(alias) {
        return decimal(count, unit).map(Rule::Fixed);
    }
    let count = match count {
        "" => 1,
        count => count.parse().ok()?,
    };
    Some(Rule::Calendar(count, steps(alias)?))
}

/// Nanoseconds of a fixed length.
fn fixed_unit(alias: &str) -> Option<i128> {
    Some(match alias {
        "ns" | "N" => 1,
        "us" | "U" => 1_000,
        "ms" | "L" => 1_000_000,
        "s" | "S" => 1_000_000_000,
        "min" | "T" => 60_000_000_000,
        "h" | "H" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `count` times `unit`; the count may have decimals as long as the product has none.
fn decimal(count: &str, unit: i128) -> Option<i128> {
    if count.is_empty() {
        return Some(unit);
    }
    let (whole, decimals) = count.split_once('.').unwrap_or((count, ""));
    if decimals.len() > 18 || decimals.starts_with(['-', '+']) {
        return None;
    }
    let digits: i128 = format!("{whole}{decimals}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(decimals.len()).ok()?);
    let scaled = digits.checked_mul(unit)?;
    (scaled % scale == 0).then_some(scaled / scale)
}

fn steps(alias: &str) -> Option<Steps> {
    let (name, anchor) = match alias.split_once('-') {
        Some((name, anchor)) => (name, Some(anchor)),
        None => (alias, None),
    };
    let month = |every: u8, usual: u8, last_day| {
        let anchor = match anchor {
            Some(anchor) => month_number(anchor)?,
            None => usual,
        };
        let anchor = anchor % every;
        Some(Steps::Month {
            every,
            anchor,
            last_day,
        })
    };
    match (name, anchor) {
        ("D", None) => Some(Steps::Day),
        ("B", None) => Some(Steps::BusinessDay),
        ("W", None) => Some(Steps::Week(6)),
        ("W", Some(day)) => {
            let days = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
            let day = days.iter().position(|name| *name == day)?;
            u8::try_from(day).ok().map(Steps::Week)
        }
        ("MS", None) => month(1, 0, false),
        ("ME" | "M", None) => month(1, 0, true),
        ("QS", _) => month(3, 0, false),
        ("QE" | "Q", _) => month(3, 11, true),
        ("YS", _) => month(12, 0, false),
        ("YE" | "Y" | "A", _) => month(12, 11, true),
        _ => None,
    }
}

fn month_number(name: &str) -> Option<u8> {
    let months = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let month = months.iter().position(|known| *known == name)?;
    u8::try_from(month).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_aliases_and_anchors_are_read() {
        let month = |every, anchor, last_day| Steps::Month {
            every,
            anchor,
            last_day,
        };
        for (text, rule) in [
            ("s", Rule::Fixed(1_000_000_000)),
            ("5min", Rule::Fixed(300_000_000_000)),
            ("1h30min", Rule::Fixed(5_400_000_000_000)),
            ("1.5h", Rule::Fixed(5_400_000_000_000)),
            ("250L", Rule::Fixed(250_000_000)),
            ("2D", Rule::Calendar(2, Steps::Day)),
            ("B", Rule::Calendar(1, Steps::BusinessDay)),
            ("W", Rule::Calendar(1, Steps::Week(6))),
            ("2W-WED", Rule::Calendar(2, Steps::Week(2))),
            ("M", Rule::Calendar(1, month(1, 0, true))),
            ("3MS", Rule::Calendar(3, month(1, 0, false))),
            ("QE", Rule::Calendar(1, month(3, 2, true))),
            ("QS-NOV", Rule::Calendar(1, month(3, 1, false))),
            ("A-JUN", Rule::Calendar(1, month(12, 5, true))),
            ("YS", Rule::Calendar(1, month(12, 0, false))),
        ] {
            assert_eq!(Rule::parse(text), Ok(rule), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_is_known() {
        for text in [
            "",
            "5",
            "5 parsecs",
            "1D12h",
            "W-ABC",
            "ME-JAN",
            "QE-FOO",
            "min5",
            "h-",
            "0.3ns",
            "1e3s",
            "1h-MON",
        ] {
            let error = Rule::parse(text).unwrap_err();
            assert!(error.contains("the rules are ns, us"), "{text}: {error}");
        }
        for text in ["0s", "-5min", "0D", "-1ME", "99999999999h"] {
            let error = Rule::parse(text).unwrap_err();
            assert!(error.contains("must be positive"), "{text}: {error}");
        }
    }
}
