use std::{fmt, time::Duration};

const TICKS_PER_S: u128 = 10_000_000;

/// A span as .NET writes it: `[d.]HH:mm:ss[.fffffff]`, hours below 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

impl TimeSpan {
    /// Reads one; nothing when it is negative, unreadable, or a part is above its limit.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(':');
        let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (days, hours) = first.split_once('.').unwrap_or(("0", first));
        let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let below = |text: &str, limit: u64| digits(text).filter(|number| *number < limit);
        let hours = digits(days)?.checked_mul(24)?.checked_add(below(hours, 24)?)?;
        let s = hours.checked_mul(3600)?.checked_add(below(minutes, 60)? * 60 + below(seconds, 60)?)?;
        let ticks: u64 = if fraction.len() <= 7 { digits(&format!("{fraction:0<7}"))? } else { return None };
        Duration::from_secs(s).checked_add(Duration::from_nanos(ticks * 100)).map(Self)
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

impl fmt::Display for TimeSpan {
    /// Always with days, so that a span of a day is `1.00:00:00` and not the 24 hours that no server reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0.as_secs();
        let (days, hours, minutes, seconds) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
        write!(f, "{days}.{hours:02}:{minutes:02}:{seconds:02}")?;
        let ticks = self.0.as_nanos() / 100 % TICKS_PER_S;
        if ticks > 0 { write!(f, ".{ticks:07}") } else { Ok(()) }
    }
}
