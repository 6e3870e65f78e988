//! Connections per second: TCP, upgrade, challenge, login, close.

use crate::bench::Stage;
use crate::failure::{Failure, Result};
use crate::machine;
use crate::process::thread_cpu_nanos;
use crate::readers::histogram;
use crate::report::{Figures, Report};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The plan's number of connections is open at a time, until its count is reached.
///
/// # Errors
/// The relay did not let one in.
pub fn connect(stage: &Stage) -> Result<Report> {
    let next = AtomicUsize::new(0);
    let mut meter = stage.meter()?;
    meter.start()?;
    let mut latency = histogram();
    let mut cpu = 0;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..stage.plan.connections).map(|_| scope.spawn(|| visit(stage, &next))).collect();
        for thread in threads {
            let visits =
                thread.join().map_err(|_| Failure::Usage("a connecting thread panicked".to_owned()))?;
            let (times, nanos) = visits?;
            // The same bounds everywhere, so that adding cannot fail.
            let _ = latency.add(&times);
            cpu += nanos;
        }
        Ok(())
    })?;
    meter.stop()?;
    let mut measured = meter.settle()?;
    let cores = stage.setting.client_cores.len() as f64;
    measured.client_busy = cpu as f64 / 1e9 / measured.seconds.max(1e-9) / cores;
    let count = latency.len();
    let figures = Figures { unit: "connection", count, deliveries: 0, count_all: count, measured };
    let mut report = stage.report(figures);
    report.time("login", &latency);
    Ok(report)
}

/// Connects again and again; the times, and the CPU this thread took.
fn visit(stage: &Stage, next: &AtomicUsize) -> Result<(Histogram<u64>, u64)> {
    machine::pin(&stage.setting.client_cores)?;
    let mut times = histogram();
    let start = stage.clock.nanos();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let before = stage.clock.nanos();
        if number >= stage.plan.count || before - start > stage.plan.seconds * 1_000_000_000 {
            return Ok((times, thread_cpu_nanos()));
        }
        drop(stage.open(number)?);
        times.saturating_record(stage.clock.nanos() - before);
    }
}
