//! Days and times of day, UTC.

const DAY_SECONDS: i64 = 86_400;

/// The day of a moment: days since 1970-01-01.
pub fn day_of(unix_seconds: i64) -> i64 {
    unix_seconds.div_euclid(DAY_SECONDS)
}

/// Year, month and day (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `2026-03-01`
pub fn day_text(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-03-01 12:34:56`
pub fn time_text(unix_seconds: i64) -> String {
    let (day, second) = (day_of(unix_seconds), unix_seconds.rem_euclid(DAY_SECONDS));
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{} {hour:02}:{minute:02}:{second:02}", day_text(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_has_a_text() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
            (951_827_696, "2000-02-29 12:34:56"),
            (1_772_323_199, "2026-02-28 23:59:59"),
            (1_772_323_200, "2026-03-01 00:00:00"),
        ] {
            assert_eq!(time_text(seconds), text);
        }
        assert!(time_text(i64::MAX).starts_with("292277026596-12-04"));
        assert!(!time_text(i64::MIN).is_empty());
    }
}
