//! Durations and sizes as the configuration writes them: `"1h0m0s"`, `"200ms"`, `"1d"`, `"50M"`.

use std::time::Duration;

/// Nanoseconds of each unit; the longer name first where one begins with another.
const DURATION_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Bytes of each unit.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KB", 1 << 10),
    ("M", 1 << 20),
    ("MB", 1 << 20),
    ("G", 1 << 30),
    ("GB", 1 << 30),
    ("T", 1 << 40),
];

/// A duration of one or more numbers with units; no sign.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let (number, after) = split_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        let (_, ns) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(Duration::try_from_secs_f64(number * *ns as f64 / 1e9).ok()?)?;
        rest = next;
        if rest.is_empty() {
            return Some(total);
        }
    }
}

/// A size in bytes, with a binary unit.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let unit = unit.to_ascii_uppercase();
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let total = number * *bytes as f64;
    (total < 9e15).then_some(total as u64)
}

fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, ms) in [
            ("10s", Some(10_000)),
            ("200ms", Some(200)),
            ("1h0m0s", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("1.5s", Some(1_500)),
            ("0s", Some(0)),
            ("", None),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1x", None),
            ("1e99s", None),
            ("999999999999999999999999d", None),
        ] {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [
            ("50M", Some(50 << 20)),
            ("1K", Some(1024)),
            ("7", Some(7)),
            ("1GB", Some(1 << 30)),
            ("M", None),
            ("1X", None),
        ] {
            assert_eq!(size(text), bytes, "{text:?}");
        }
    }
}
