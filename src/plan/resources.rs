//! What a load needs besides CPU: disk and network.

use super::calibration::Calibration;
use super::coefficients::Counts;
use super::deployment::Deployment;
use serde::Serialize;

/// Bytes of one Ethernet frame that carry data, and of everything around them: preamble,
/// Ethernet, IP, TCP with timestamps, gap.
const SEGMENT_BYTES: f64 = 1_448.0;
const SEGMENT_OVERHEAD_BYTES: f64 = 90.0;

pub(super) const DAY_SECONDS: f64 = 86_400.0;

/// The log on disk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Disk {
    pub bytes_per_event: f64,
    pub bytes_per_day: f64,
    /// After the days of the retention.
    pub bytes_kept: f64,
    /// Log, flushes and merges.
    pub written_bytes_per_second: f64,
}

impl Disk {
    pub(super) fn of(counts: &Counts, deployment: &Deployment, calibration: &Calibration) -> Disk {
        let facts = &calibration.facts;
        let bytes_per_event = facts.disk_event_bytes + facts.disk_byte_factor * deployment.event_bytes;
        let bytes_per_second = counts.stored * bytes_per_event;
        Disk {
            bytes_per_event,
            bytes_per_day: bytes_per_second * DAY_SECONDS,
            bytes_kept: bytes_per_second * DAY_SECONDS * deployment.retention_days,
            written_bytes_per_second: bytes_per_second * facts.write_amplification,
        }
    }
}

/// On the wire, with everything around the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Network {
    pub in_bytes_per_second: f64,
    pub out_bytes_per_second: f64,
}

impl Network {
    pub(super) fn of(counts: &Counts) -> Network {
        // A write is a segment of its own, and more if it is longer; every other is acknowledged.
        let segments_in = counts.exchanges + counts.received_bytes / SEGMENT_BYTES;
        let segments_out = counts.exchanges + counts.delivery_writes + counts.sent_bytes / SEGMENT_BYTES;
        let around = |own: f64, other: f64| (own + other / 2.0) * SEGMENT_OVERHEAD_BYTES;
        Network {
            in_bytes_per_second: counts.received_bytes + around(segments_in, segments_out),
            out_bytes_per_second: counts.sent_bytes + around(segments_out, segments_in),
        }
    }

    /// The same on a network without room left: deliveries that cannot leave at once wait in
    /// their sockets, where the kernel puts them together to full segments.
    pub(super) fn full(counts: &Counts) -> Network {
        Network::of(&Counts { delivery_writes: 0.0, ..*counts })
    }
}
