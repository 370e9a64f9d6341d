//! Lengths of time as text: `5min`, `2s`, `1h30min`, `0.5s`.

use std::str::FromStr;

/// The length in nanoseconds; `None` for what is no length of time.
///
/// Numbers with units, one after the other, as pandas writes fixed lengths: `W`, `D`, `h`, `min`, `s`, `ms`, `us`, `ns`.
pub(super) fn nanoseconds(text: &str) -> Option<i128> {
    let mut rest = text.trim();
    let (sign, unsigned) = match rest.strip_prefix('-') {
        Some(unsigned) => (-1, unsigned),
        None => (1, rest),
    };
    rest = unsigned;
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (digits, behind) = rest.split_at(number);
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_alphabetic());
        let (unit, behind) = behind.split_at(end.unwrap_or(behind.len()));
        total = total.checked_add(count(digits, length(unit)?)?)?;
        rest = behind.trim_start();
    }
    Some(sign * total)
}

/// So many units, which may be a decimal fraction.
fn count(digits: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let number = |digits: &str| match digits {
        "" => Some(0),
        digits => i128::from_str(digits).ok(),
    };
    let tenths = u32::try_from(fraction.len()).ok()?;
    let part = number(fraction)?.checked_mul(unit)? / 10_i128.checked_pow(tenths)?;
    number(whole)?.checked_mul(unit)?.checked_add(part)
}

fn length(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" | "N" => 1,
        "us" | "µs" | "U" => 1_000,
        "ms" | "L" => 1_000_000,
        "s" | "S" => 1_000_000_000,
        "min" | "m" | "T" => 60_000_000_000,
        "h" | "H" => 3_600_000_000_000,
        "D" | "d" => 86_400_000_000_000,
        "W" | "w" => 604_800_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn lengths_are_read_with_one_unit_or_several() {
        for (text, length) in [
            ("5min", 300_000_000_000),
            ("2s", 2_000_000_000),
            ("1h30min", 5_400_000_000_000),
            ("1 D 2 h", 93_600_000_000_000),
            ("0.5s", 500_000_000),
            ("1.25us", 1_250),
            ("-3ns", -3),
        ] {
            assert_eq!(nanoseconds(text), Some(length), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_is_none() {
        for text in ["", "5", "min", "5 parsecs", "1.2.3s", ".s", "5min-", "1ME"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
