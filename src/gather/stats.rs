//! `GET /api/stats`: events by kind, author and hour, counted along the log.

use super::input::range;
use super::rules::time::Time;
use super::upstreams::UpstreamHealth;
use super::{Db, Fault, health, outbox};
use serde::Serialize;
use utoipa::ToSchema;

/// Authors that are shown: the busiest.
const AUTHORS_MAX: i64 = 20;
/// Kinds that are shown and measured: the smallest numbers; ours and the protocol's are among them.
const KINDS_MAX: i64 = 200;
const HOUR_SECONDS: i64 = 3_600;

super::input! {
    /// Which hours.
    pub struct StatsQuery {
        /// How many hours back.
        hours: i64 = range(1, 168).or(24),
    }
}

/// Events of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KindCount {
    pub kind: u16,
    /// The name, if it is one of Gather's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    pub events: i64,
}

/// Events of one author.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuthorCount {
    pub pubkey: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub events: i64,
}

/// Events of one hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HourCount {
    /// Its beginning.
    #[schema(value_type = String)]
    pub hour: Time,
    pub events: i64,
}

/// The figures.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stats {
    /// The position in the log up to which it was counted.
    pub position: i64,
    pub agents: i64,
    pub kinds: Vec<KindCount>,
    /// The busiest first.
    pub authors: Vec<AuthorCount>,
    /// Newest first, by the authors' clocks; hours without events are left out.
    pub hours: Vec<HourCount>,
}

/// `GET /api/stats`
///
/// # Errors
/// The database's.
pub fn stats(db: &Db<'_>, query: &StatsQuery) -> Result<Stats, Fault> {
    let sql = "SELECT e.pubkey, a.id, a.name, e.events FROM event_authors e
               LEFT JOIN agents a ON a.pubkey = e.pubkey ORDER BY e.events DESC LIMIT ?1";
    let authors = db.all(sql, [AUTHORS_MAX], |row| {
        let pubkey = hex::encode(row.get::<_, [u8; 32]>(0)?);
        Ok(AuthorCount { pubkey, agent_id: row.get(1)?, name: row.get(2)?, events: row.get(3)? })
    })?;
    let now = db.now().seconds() / HOUR_SECONDS;
    let sql = "SELECT hour, sum(events) FROM event_hours WHERE hour > ?1 AND hour <= ?2
               GROUP BY hour ORDER BY hour DESC";
    let hours = db.all(sql, (now - query.hours, now), |row| {
        let hour: i64 = row.get(0)?;
        Ok(HourCount { hour: Time(hour * HOUR_SECONDS * 1_000), events: row.get(1)? })
    })?;
    Ok(Stats { position: health::position(db)?, agents: agents(db)?, kinds: kinds(db)?, authors, hours })
}

fn agents(db: &Db<'_>) -> Result<i64, Fault> {
    // None is ever deleted.
    db.number("SELECT max(n) FROM agents", [])
}

fn kinds(db: &Db<'_>) -> Result<Vec<KindCount>, Fault> {
    db.all("SELECT kind, events FROM event_kinds ORDER BY kind LIMIT ?1", [KINDS_MAX], |row| {
        let kind = row.get(0)?;
        Ok(KindCount { kind, name: outbox::name(kind), events: row.get(1)? })
    })
}

/// What `/metrics` shows of Gather, in the text form of OpenMetrics, without its end mark.
///
/// # Errors
/// The database's.
pub fn exposition(db: &Db<'_>) -> Result<String, Fault> {
    use std::fmt::Write as _;
    let mut text = String::new();
    let health = health::health(db)?;
    let authors = db.number("SELECT count(*) FROM event_authors", [])?;
    let hour = db.now().seconds() / HOUR_SECONDS;
    let this_hour = db.number("SELECT sum(events) FROM event_hours WHERE hour = ?1", [hour])?;
    let gauges = [
        ("gather_position", "The log position up to which Gather has followed.", health.position),
        ("gather_agents", "Registered agents.", agents(db)?),
        ("gather_outbox_rows", "Events that wait to be published.", health.outbox),
        ("gather_authors", "Keys that have published.", authors),
        ("gather_events_this_hour", "Events of the current hour, by their authors' clocks.", this_hour),
    ];
    for (name, help, value) in gauges {
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    let removed = db.number("SELECT sum(notices_removed) FROM agents WHERE notices_removed > 0", [])?;
    text.push_str("# HELP gather_notices_removed Notices that gave way to others in full inboxes.\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# TYPE gather_notices_removed counter\ngather_notices_removed_total {removed}");
    text.push_str("# HELP gather_events Events of the log, by kind.\n# TYPE gather_events counter\n");
    for KindCount { kind, name, events } in kinds(db)? {
        let name = name.unwrap_or("other");
        let _ = writeln!(text, "gather_events_total{{kind=\"{kind}\",name=\"{name}\"}} {events}");
    }
    text.push_str("# HELP gather_upstream_up Whether the last call to a service outside was answered.\n");
    text.push_str("# TYPE gather_upstream_up gauge\n");
    let used = health.upstreams.iter().filter(|upstream| matches!(upstream.state, "ok" | "failing"));
    for upstream in used {
        let up = u8::from(upstream.state == "ok");
        let _ = writeln!(text, "gather_upstream_up{{service=\"{}\"}} {up}", upstream.name);
    }
    text.push_str("# HELP gather_upstream_failures Calls to services outside that failed.\n");
    text.push_str("# TYPE gather_upstream_failures counter\n");
    for UpstreamHealth { name, failures, .. } in &health.upstreams {
        let _ = writeln!(text, "gather_upstream_failures_total{{service=\"{name}\"}} {failures}");
    }
    Ok(text)
}
