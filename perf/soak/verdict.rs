//! Whether something grows: a line through the seconds after the warm-up.

use super::Second;
use serde::Serialize;
use std::fmt;

/// What a flat line may rise by from its first to its last second: memory by a twentieth and
/// [`RSS_RISE_BYTES`], which is what an allocator and a cache move by chance.
const RSS_RISE_SHARE: f64 = 0.05;
const RSS_RISE_BYTES: f64 = (8 << 20) as f64;

/// Descriptors, but for tables: those of files that a merge writes at the time, and of visitors. If
/// each of these left one behind it would be four a second.
const DESCRIPTORS_RISE: f64 = 8.0;

/// A fitted line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// At the first second looked at.
    pub from: f64,
    /// Per hour.
    pub slope_per_hour: f64,
    /// From the first second to the last.
    pub rise: f64,
    pub rise_max: f64,
}

/// What has grown.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub seconds: usize,
    pub rss_bytes: Trend,
    pub descriptors: Trend,
}

impl Verdict {
    /// Of the seconds after the warm-up.
    pub fn of(rows: &[Second]) -> Verdict {
        let rss: Vec<(f64, f64)> = rows.iter().map(|row| (row.at, row.rss_bytes as f64)).collect();
        let descriptors: Vec<(f64, f64)> = rows.iter().map(|row| (row.at, row.descriptors as f64)).collect();
        Verdict {
            seconds: rows.len(),
            rss_bytes: Trend::of(&rss, |from| RSS_RISE_BYTES + RSS_RISE_SHARE * from),
            descriptors: Trend::of(&descriptors, |_| DESCRIPTORS_RISE),
        }
    }

    pub fn has_grown(&self) -> bool {
        self.rss_bytes.is_up() || self.descriptors.is_up()
    }
}

impl Trend {
    /// Least squares.
    fn of(points: &[(f64, f64)], rise_max: impl Fn(f64) -> f64) -> Trend {
        let n = points.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let common: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let slope = if spread > 0.0 { common / spread } else { 0.0 };
        let (first, last) = match points {
            [first, .., last] => (first.0, last.0),
            _ => (x, x),
        };
        let from = y + slope * (first - x);
        Trend {
            from,
            slope_per_hour: 3_600.0 * slope,
            rise: slope * (last - first),
            rise_max: rise_max(from),
        }
    }

    fn is_up(&self) -> bool {
        self.rise > self.rise_max
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let Trend { from, slope_per_hour, rise, rise_max } = self.rss_bytes;
        writeln!(
            f,
            "memory: from {:.1} MiB by {:+.2} MiB in {} s ({:+.2} MiB per hour, {:.1} allowed)",
            mib(from),
            mib(rise),
            self.seconds,
            mib(slope_per_hour),
            mib(rise_max)
        )?;
        let Trend { from, rise, rise_max, .. } = self.descriptors;
        writeln!(f, "descriptors: from {from:.0} by {rise:+.1} ({rise_max:.0} allowed)")?;
        write!(f, "{}", if self.has_grown() { "it grows" } else { "nothing grows" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rss: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> u64) -> Vec<Second> {
        let row = |at: u64| Second {
            at: at as f64,
            rss_bytes: rss(at),
            descriptors: descriptors(at),
            tables: at % 40,
            threads: 9,
            disk_bytes: 0,
            published: 0,
            delivered: 0,
            errors: 0,
            ack_us_p50: 0.0,
            ack_us_p99: 0.0,
            delivery_us_p50: 0.0,
            delivery_us_p99: 0.0,
        };
        (0..600).map(row).collect()
    }

    #[test]
    fn a_leak_is_told_from_a_saw_tooth() {
        let tooth = |at: u64| (200 << 20) + (at % 60) * (1 << 20);
        assert!(!Verdict::of(&rows(tooth, |at| 40 + at % 7)).has_grown());
        let leak = Verdict::of(&rows(|at| tooth(at) + at * (64 << 10), |_| 40));
        assert!(leak.has_grown() && leak.rss_bytes.slope_per_hour > (200 << 20) as f64, "{leak}");
        let descriptors = Verdict::of(&rows(tooth, |at| 40 + at / 30));
        assert!(descriptors.has_grown() && descriptors.to_string().ends_with("it grows"), "{descriptors}");
    }
}
