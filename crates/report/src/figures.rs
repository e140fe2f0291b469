//! Figures as people read them: bytes, counts, shares, times, intervals.

use plimsoll_model::{Estimate, HumanBytes};

/// Stands for a figure that is not known, in tables.
pub(crate) const UNKNOWN: &str = "–";

/// An estimate whose parts can all be shown.
pub(crate) fn finite(estimate: Option<Estimate>) -> Option<Estimate> {
    estimate.filter(|it| it.estimate.is_finite() && it.low.is_finite() && it.high.is_finite())
}

/// `95 % interval 11.8 to 12.9 KiB`.
pub(crate) fn interval(estimate: &Estimate) -> String {
    format!("{} interval {}", share(estimate.confidence), range(estimate))
}

/// `11.8 to 12.9 KiB`: the unit once where both ends share it.
pub(crate) fn range(estimate: &Estimate) -> String {
    let (low, high) = (bytes(estimate.low), bytes(estimate.high));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((low, low_unit)), Some((_, high_unit))) if low_unit == high_unit => format!("{low} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

/// Bytes for people; a figure that is not finite is unknown.
pub(crate) fn bytes(value: f64) -> String {
    // + 0.0 turns the negative zero of a rounded estimate into a plain one.
    let rounded = if value.abs() < 0.5 { 0.0 } else { value + 0.0 };
    if value.is_finite() {
        HumanBytes(rounded).to_string()
    } else {
        UNKNOWN.to_owned()
    }
}

/// Bytes that may be unknown.
pub(crate) fn known_bytes(value: Option<u64>) -> String {
    value.map_or(UNKNOWN.to_owned(), |value| bytes(value as f64))
}

/// `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 job`, `1,000 jobs`.
pub(crate) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A real number in about two digits: `0.5`, `12`, `1,200`, `0.002`.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => UNKNOWN.to_owned(),
        size if size >= 100.0 => count(size.round() as u64),
        size if size >= 0.995 => trimmed(format!("{value:.1}")),
        size if size >= 0.0995 => trimmed(format!("{value:.2}")),
        size if size >= 0.000_995 => trimmed(format!("{value:.4}")),
        0.0 => "0".to_owned(),
        _ => format!("{value:.0e}"),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A share as percent: `0.4 %`.
pub(crate) fn share(value: f64) -> String {
    format!("{} %", number(value * 100.0))
}

/// Seconds for people: `12 ms`, `1.2 s`, `2 h 15 min`, `3 d 4 h`.
pub(crate) fn duration(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let whole = seconds.round().max(0.0) as u64;
    match seconds {
        _ if !seconds.is_finite() || seconds < 0.0 => UNKNOWN.to_owned(),
        0.0 => "0 s".to_owned(),
        _ if seconds < 0.000_999_5 => format!("{} µs", number(seconds * 1e6)),
        _ if seconds < 0.999_5 => format!("{} ms", number(seconds * 1e3)),
        _ if seconds < 9.95 => format!("{} s", number((seconds * 10.0).round() / 10.0)),
        _ if whole < 2 * MINUTE => format!("{whole} s"),
        _ if whole < 10 * MINUTE => two_units(whole, (MINUTE, "min"), (1, "s")),
        _ if whole < 2 * HOUR => format!("{} min", (whole + MINUTE / 2) / MINUTE),
        _ if whole < 2 * DAY => two_units(whole, (HOUR, "h"), (MINUTE, "min")),
        // Beyond a year a forecast is no plan.
        _ if whole < 365 * DAY => two_units(whole, (DAY, "d"), (HOUR, "h")),
        _ => "over a year".to_owned(),
    }
}

fn two_units(seconds: u64, (large, large_name): (u64, &str), (small, small_name): (u64, &str)) -> String {
    let rest = seconds % large / small;
    let head = format!("{} {large_name}", count(seconds / large));
    if rest == 0 {
        head
    } else {
        format!("{head} {rest} {small_name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.000_25, "250 µs"),
            (0.01, "10 ms"),
            (0.9996, "1 s"),
            (1.23, "1.2 s"),
            (61.2, "61 s"),
            (150.0, "2 min 30 s"),
            (2530.0, "42 min"),
            (8100.0, "2 h 15 min"),
            (259_200.0, "3 d"),
            (1e12, "over a year"),
            (f64::NAN, "–"),
            (-1.0, "–"),
        ] {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn counts_and_numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        for (value, expected) in [
            (0.5, "0.5"),
            (12.0, "12"),
            (0.333, "0.33"),
            (0.002, "0.002"),
            (1.67, "1.7"),
            (0.0, "0"),
            (1e-6, "1e-6"),
            (1234.5, "1,235"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn ranges_name_a_shared_unit_once() {
        let estimate = |low, high| Estimate {
            estimate: 0.0,
            low,
            high,
            confidence: 0.95,
        };
        assert_eq!(range(&estimate(12_100.0, 13_200.0)), "11.8 to 12.9 KiB");
        assert_eq!(range(&estimate(-12.0, 1300.0)), "-12 B to 1.3 KiB");
        assert_eq!(bytes(-0.2), "0 B");
        assert_eq!(bytes(f64::NAN), "–");
    }
}
