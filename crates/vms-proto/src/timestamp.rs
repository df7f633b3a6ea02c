//! Times and spans as the vendor writes them.

use domain::WallTime;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Milliseconds since 1970, in decimal.
pub(crate) fn from_ms(text: &str) -> Option<WallTime> {
    let ms: i64 = text.trim().parse().ok()?;
    ms.checked_mul(1000).map(WallTime::from_unix_us)
}

/// `yyyy-MM-ddTHH:mm:ss[.f…][Z|±hh:mm]`, with up to nine fraction digits; without a zone it is UTC. Nothing for the
/// year 1, which the vendor writes for "no time".
pub(crate) fn from_iso(text: &str) -> Option<WallTime> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = fraction(rest)?;
    let [year, month, day] = numbers::<3>(date, '-')?;
    let [hour, minute, second] = numbers::<3>(clock, ':')?;
    if year == 1 {
        return None;
    }
    let small = |number: u16| u8::try_from(number).ok();
    let month = Month::try_from(small(month)?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, small(day)?).ok()?;
    let time = Time::from_hms_micro(small(hour)?, small(minute)?, small(second)?, fraction).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_offset(offset(zone)?);
    i64::try_from(at.unix_timestamp_nanos() / 1000).ok().map(WallTime::from_unix_us)
}

/// The microseconds of a fraction, and what follows it.
fn fraction(rest: &str) -> Option<(u32, &str)> {
    let Some(digits) = rest.strip_prefix('.') else {
        return Some((0, rest));
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = digits.split_at_checked(count).filter(|(digits, _)| (1..=9).contains(&digits.len()))?;
    format!("{digits:0<9}").parse::<u32>().ok().map(|ns| (ns / 1000, zone))
}

fn offset(zone: &str) -> Option<UtcOffset> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(UtcOffset::UTC);
    }
    let sign = if zone.starts_with('+') { 1 } else { -1 };
    let [hours, minutes] = numbers::<2>(zone.strip_prefix(['+', '-'])?, ':')?;
    let small = |number: u16| i8::try_from(number).ok();
    UtcOffset::from_hms(sign * small(hours)?, sign * small(minutes)?, 0).ok()
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u16; N]> {
    let digits = |part: &str| if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None };
    let parts: Vec<u16> = text.split(separator).map(digits).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// `yyyy-MM-ddTHH:mm:ss.fffffffZ`, as the servers write it. A time outside the years 1 to 9999 becomes the year 1.
pub(crate) fn to_iso(at: WallTime) -> String {
    let nanos = i128::from(at.unix_us()) * 1000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().filter(|at| (1..=9999).contains(&at.year()));
    let Some(at) = at else {
        return NO_TIME.to_owned();
    };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, us) = at.to_hms_micro();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}0Z", u8::from(month))
}

/// What the servers write for "no time".
pub(crate) const NO_TIME: &str = "0001-01-01T00:00:00.0000000Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_release_are_read() {
        for (text, us) in [
            ("2026-01-01T00:00:00Z", Some(1_767_225_600_000_000)),
            ("2026-01-01T00:00:00.0400000Z", Some(1_767_225_600_040_000)),
            ("2022-05-23T09:24:58.9130000+02:00", Some(1_653_290_698_913_000)),
            ("2026-01-01T00:00:00.1234567", Some(1_767_225_600_123_456)),
            ("2025-12-31T18:30:00.5-05:30", Some(1_767_225_600_500_000)),
            ("1969-12-31T23:59:59.9999999Z", Some(-1)),
            ("0001-01-01T00:00:00.0000000", None),
            ("9999-12-31T23:59:59.9999999Z", Some(253_402_300_799_999_999)),
            ("2026-02-30T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00+2:99", None),
            ("2026-01-01", None),
            ("٢026-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(from_iso(text), us.map(WallTime::from_unix_us), "{text}");
        }
    }

    #[test]
    fn times_are_written_with_seven_digits_and_read_back() {
        for us in [0, 1_767_225_600_040_001, -62_135_596_800_000_000 + 366 * 86_400_000_000, 253_402_300_799_999_999] {
            let at = WallTime::from_unix_us(us);
            assert_eq!(from_iso(&to_iso(at)), Some(at), "{us}");
        }
        assert_eq!(to_iso(WallTime::from_unix_us(1_767_225_600_040_000)), "2026-01-01T00:00:00.0400000Z");
        assert_eq!(to_iso(WallTime::from_unix_us(i64::MAX)), NO_TIME);
    }
}
