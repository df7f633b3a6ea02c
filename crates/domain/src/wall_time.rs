use std::time::Duration;

/// A point in UTC, in microseconds since 1970-01-01T00:00:00Z. Media time is another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// The seconds between the NTP epoch (1900) and the Unix epoch (1970), RFC 5905 section 6.
    const NTP_OFFSET_S: i64 = 2_208_988_800;

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_us(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_us(self) -> i64 {
        self.0
    }

    /// From a 64-bit NTP timestamp (32.32 fixed point), as in RTCP sender reports (RFC 3550 section 4).
    #[must_use]
    pub const fn from_ntp(ntp: u64) -> Self {
        let seconds = (ntp >> 32) as i64 - Self::NTP_OFFSET_S;
        let us = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
        Self(seconds * 1_000_000 + us as i64)
    }

    /// As a 64-bit NTP timestamp.
    #[must_use]
    pub const fn to_ntp(self) -> u64 {
        let seconds = self.0.div_euclid(1_000_000) + Self::NTP_OFFSET_S;
        let us = self.0.rem_euclid(1_000_000) as u64;
        // Rounded up, so that a timestamp survives the way there and back.
        ((seconds as u64) << 32) | ((us << 32).div_ceil(1_000_000))
    }

    /// This instant moved by a signed number of microseconds; it stays at the ends of the range.
    #[must_use]
    pub const fn plus_us(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// Microseconds from `earlier` to this instant; negative when it is the later one.
    #[must_use]
    pub const fn us_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.us_since(earlier)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_time_survives_the_way_there_and_back() {
        for us in [0, 1, 999_999, 1_700_000_000_123_456] {
            let time = WallTime::from_unix_us(us);
            assert_eq!(WallTime::from_ntp(time.to_ntp()), time);
        }
        assert_eq!(WallTime::from_unix_us(0).to_ntp() >> 32, 2_208_988_800);
    }
}
