//! Points in time, in the two formats of the contract.
//!
//! | where | form |
//! |---|---|
//! | `created`, `joined` | `2026-03-01 12:34:56.789Z` |
//! | `expires_at`, `generated` | `2026-03-01T12:34:56.789Z` (RFC 3339) |
//! | `since` | both are read, so that whatever was sent can be sent back |

use crate::base::calendar::civil_from_days;
use serde::{Serialize, Serializer};
use std::fmt;

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// This instant, `seconds` later.
    pub fn plus_seconds(self, seconds: i64) -> Time {
        Time(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// Whole seconds since the epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The point `days` before this.
    pub fn minus_days(self, days: i64) -> Time {
        Time(self.0.saturating_sub(days.saturating_mul(DAY_MS)))
    }

    /// The form of `expires_at` and `generated`.
    pub fn rfc3339(self) -> String {
        self.to_string().replacen(' ', "T", 1)
    }

    /// Reads RFC 3339 (any offset, any number of decimals) or the form of `created`.
    ///
    /// ```
    /// use axon::gather::rules::time::Time;
    /// assert_eq!(Time::parse("2026-03-01T13:00:00+01:00"), Time::parse("2026-03-01 12:00:00.000Z"));
    /// assert_eq!(Time::parse("yesterday"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Time> {
        let bytes = text.as_bytes();
        let separated = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
        let timed = bytes.get(13) == Some(&b':') && bytes.get(16) == Some(&b':');
        if !text.is_ascii() || !separated || !timed || !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
            return None;
        }
        let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
        let (hour, minute, second) = (number(text, 11, 13)?, number(text, 14, 16)?, number(text, 17, 19)?);
        let dated = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
        // RFC 3339 allows a leap second; it counts as the second after.
        if !dated || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (ms, zone) = fraction(&text[19..])?;
        let offset = offset_minutes(zone)?;
        let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset;
        Some(Time((minutes * 60 + second) * 1_000 + ms))
    }
}

/// The form of `created`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        let ms = ms % 1_000;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let digits = text.get(from..to)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Milliseconds of `.789Z`, and what stands behind the fraction.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ms = format!("{:0<3}", &rest[..digits]);
    if digits == 0 { None } else { Some((ms[..3].parse().ok()?, &rest[digits..])) }
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1, 3)?, number(zone, 4, 6)?);
    let formed = zone.len() == 6 && zone.as_bytes()[3] == b':' && hours <= 23 && minutes <= 59;
    formed.then_some(sign * (hours * 60 + minutes))
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted in eras of 400 years that begin in March (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_written_and_read_back() {
        for (ms, created) in [
            (0, "1970-01-01 00:00:00.000Z"),
            (951_782_400_000, "2000-02-29 00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14 22:13:20.123Z"),
            (4_102_444_799_999, "2099-12-31 23:59:59.999Z"),
        ] {
            assert_eq!(Time(ms).to_string(), created);
            assert_eq!(Time::parse(created), Some(Time(ms)));
            assert_eq!(Time::parse(&Time(ms).rfc3339()), Some(Time(ms)));
        }
    }

    #[test]
    fn every_day_of_four_centuries_has_one_number() {
        let mut day = days_from_civil(1900, 1, 1);
        for year in 1900..2300 {
            for month in 1..=12 {
                for of_month in 1..=days_of(year, month) {
                    assert_eq!(days_from_civil(year, month, of_month), day);
                    assert_eq!(civil_from_days(day), (year, month, of_month));
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn offsets_and_decimals_name_the_same_instant() {
        let same = Time(1_700_000_000_100);
        for text in [
            "2023-11-14T22:13:20.1Z",
            "2023-11-14t22:13:20.100z",
            "2023-11-14T22:13:20.1009999Z",
            "2023-11-15T00:13:20.1+02:00",
            "2023-11-14T16:43:20.1-05:30",
        ] {
            assert_eq!(Time::parse(text), Some(same), "{text}");
        }
        for text in ["", "2023-11-14", "2023-02-29T00:00:00Z", "2023-11-14T22:13:20", "2023-11-14T24:00:00Z"]
        {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        for text in ["2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+0200", "2023-11-14T22:13:20Zé"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
