//! What ends a command before its time, for those that have something to end or to remove then.

use std::{fs, io};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From when it is made, these signals end nothing by themselves.
pub(super) struct Ending {
    interrupt: Signal,
    terminate: Signal,
    /// Nothing, if whoever started us wants the end of the terminal to be ignored, as `nohup` does.
    hangup: Option<Signal>,
}

impl Ending {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new() -> io::Result<Ending> {
        let hangup = SignalKind::hangup();
        Ok(Ending {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if is_ignored(hangup)? { None } else { Some(signal(hangup)?) },
        })
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether this process ignores a signal: the kernel shows the ignored ones as the bits of a number.
fn is_ignored(signal: SignalKind) -> io::Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    Ok(ignored >> (signal.as_raw_value() - 1) & 1 == 1)
}
