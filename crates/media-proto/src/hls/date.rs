//! Dates as RFC 3339 writes them.

use domain::WallTime;

/// RFC 3339 in UTC with milliseconds; the civil date by the usual days-from-epoch arithmetic.
pub(super) fn rfc3339(time: WallTime) -> String {
    let ms = time.unix_us().div_euclid(1000);
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}.{:03}Z", ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        for (s, want) in [
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (-1, "1969-12-31"),
            (1_735_689_599, "2024-12-31"),
        ] {
            assert!(rfc3339(WallTime::from_unix_us(s * 1_000_000)).starts_with(want), "{s}");
        }
    }
}
