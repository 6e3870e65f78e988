//! The clock: events are judged by their dates, so it must be right to some seconds.

use super::Finding;
use std::io;

const ADVICE: &str =
    "events dated by others may be refused as too far ahead: run chrony or systemd-timesyncd";

/// What the kernel knows about its clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Discipline {
    pub synchronised: bool,
    /// Largest error it admits, in microseconds.
    pub error_us_max: u64,
}

pub(super) fn synchronised() -> Finding {
    match read() {
        Ok(discipline) => judge(discipline),
        Err(error) => Finding::warn("clock", format!("unknown: {error}"), ADVICE),
    }
}

pub(super) fn judge(discipline: Discipline) -> Finding {
    match discipline.synchronised {
        true => Finding::ok("clock", format!("synchronised, within {} ms", discipline.error_us_max / 1_000)),
        false => Finding::warn("clock", "not synchronised", ADVICE),
    }
}

#[allow(unsafe_code, reason = "adjtimex has no safe binding")]
fn read() -> io::Result<Discipline> {
    // SAFETY: `timex` is plain old data of integers, for which zeros are valid.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` of our own. With `modes` 0 the kernel only
    // fills it in, and keeps no reference to it.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let unsynchronised = state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0;
    Ok(Discipline { synchronised: !unsynchronised, error_us_max: timex.maxerror.max(0) as u64 })
}
