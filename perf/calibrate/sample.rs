//! One run in the planner's terms: how much work, and how much CPU by part.

use crate::options::Command;
use crate::plan::Plan;
use crate::report::Report;
use axon::base::Kind;
use axon::plan::{Counts, Part, doublings};
use std::collections::BTreeMap;

/// Inbox, topics and skill of an agent that runs jobs.
const AGENT_SUBSCRIPTIONS: usize = 3;

/// From before the first event until the relay was quiet.
pub struct Sample {
    /// Events, or what is counted instead.
    pub units: f64,
    pub counts: Counts,
    /// CPU microseconds.
    pub cpu_us: BTreeMap<Part, f64>,
}

impl Sample {
    /// What a report tells. Where the relay does not count something, it follows from how the
    /// generator works: publishers, authors and topics take turns.
    pub fn of(report: &Report) -> Sample {
        let plan = &report.plan;
        let whole = report.server.as_ref().map(|server| server.whole.clone()).unwrap_or_default();
        let counted = |name: &str| whole.counters.get(name).copied().unwrap_or(0.0);
        let events = counted("axon_publishes_total");
        let turns = counted("axon_verify_batch_events_count");
        let replayed = match plan.command {
            Command::Replay => report.count as f64,
            _ => report.further.get("replayed events").copied().unwrap_or(0.0),
        };
        let deliveries = (counted("axon_deliveries_total") - replayed).max(0.0);
        let writes = counted("axon_writes_total");
        let stored = if plan.kinds.iter().all(|kind| Kind(*kind).is_ephemeral()) {
            0.0
        } else {
            counted("axon_commit_batch_events_sum")
        };
        let doublings = doublings(subscriptions(plan) as f64);
        let commits = counted("axon_commits_total");
        // A reader's writes are its own; the one publisher beside readers is answered once for
        // each turn or commit.
        let exchanges = if deliveries > 0.0 {
            writes.min(if stored > 0.0 { counted("axon_wakeups_total") } else { turns })
        } else if plan.command == Command::Replay {
            0.0
        } else {
            writes
        };
        let counts = Counts {
            events,
            turns,
            authors: turns * (plan.authors as f64).min(events / turns.max(1.0)),
            received_bytes: if events > 0.0 { counted("axon_received_bytes_total") } else { 0.0 },
            exchanges,
            stored,
            stored_bytes: stored * plan.size as f64,
            stored_tags: stored * plan.tags as f64,
            wakeups: if events > 0.0 { counted("axon_wakeups_total") } else { 0.0 },
            matched: if deliveries > 0.0 { events * doublings } else { 0.0 },
            routed: if deliveries > 0.0 { stored * doublings } else { 0.0 },
            deliveries,
            delivery_writes: if deliveries > 0.0 { writes - exchanges } else { 0.0 },
            sent_bytes: counted("axon_sent_bytes_total"),
            commits,
            syncs: if report.relay.durability == "fsync" { commits } else { 0.0 },
            replayed,
            replayed_bytes: replayed * plan.size as f64,
        };
        Sample {
            units: (report.count_all as f64).max(1.0),
            counts,
            cpu_us: by_part(&whole.threads, plan.command),
        }
    }
}

/// How many there are while a run is measured.
pub fn subscriptions(plan: &Plan) -> usize {
    match plan.command {
        Command::Mixed => plan.connections * AGENT_SUBSCRIPTIONS,
        _ => plan.subscriptions.max(plan.subscribers),
    }
}

fn by_part(threads: &BTreeMap<String, f64>, command: Command) -> BTreeMap<Part, f64> {
    let mut out: BTreeMap<Part, f64> = Part::ALL.iter().map(|part| (*part, 0.0)).collect();
    for (name, us) in threads {
        let part = Part::of_thread(name);
        // Merges during a replay are of the events stored before it.
        let is_late = command == Command::Replay && part == Some(Part::Compaction);
        if let Some(part) = part.filter(|_| !is_late) {
            *out.entry(part).or_default() += us;
        }
    }
    out
}
