//! One page of the log as one transaction: events of agents are applied, events of the platform
//! are noted at their rows, all of them go to the streams, and the position moves on.

use super::figures::Figures;
use super::handlers::Handlers;
use super::signed::SignedEvent;
use crate::base::{LogId, PubKey, Seq};
use crate::gather::auth::Bearer;
use crate::gather::db::{Origin, Told};
use crate::gather::inbox::{self, Notice};
use crate::gather::rules::jwt::Claims;
use crate::gather::stream::{self, Entry};
use crate::gather::{Agent, Db, Fault, FaultKind, Tx, outbox};
use std::fmt::Write as _;
use std::sync::Arc;

/// The name of our position.
const CONSUMER: &str = "gather";

/// What one transaction folds.
#[derive(Clone)]
pub(super) struct Fold {
    pub log: LogId,
    /// The position before, and after.
    pub from: Seq,
    pub to: Seq,
    pub events: Arc<Vec<(Seq, SignedEvent)>>,
    pub figures: Figures,
    pub handlers: Arc<Handlers>,
    pub platform: PubKey,
    /// Nothing is applied: the events failed by a fault of ours.
    pub skip: bool,
}

/// The log and the position the database stands at.
pub(super) fn position(db: &Db<'_>) -> Result<Option<(LogId, Seq)>, Fault> {
    let sql = "SELECT log_id, seq FROM positions WHERE consumer = ?1";
    db.one(sql, [CONSUMER], |row| Ok((LogId(row.get(0)?), Seq(row.get::<_, i64>(1)?.unsigned_abs()))))
}

/// Forgets the views and begins at the start of this log; what was applied stays applied.
///
/// # Errors
/// The database's.
pub(super) fn begin(tx: &Tx<'_>, log: LogId) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM stream",
        "DELETE FROM stream_topics",
        "DELETE FROM event_hours",
        "DELETE FROM event_kinds",
        "DELETE FROM event_authors",
        // What this log does not hold any more is published again.
        "UPDATE outbox SET seq = NULL WHERE seq > 0",
    ] {
        tx.run(sql, [])?;
    }
    let sql = "INSERT OR REPLACE INTO positions (consumer, log_id, seq) VALUES (?1, ?2, 0)";
    tx.run(sql, (CONSUMER, log.0)).map(drop)
}

/// Has the follower begin again at the start of the log; see [`begin`].
///
/// # Errors
/// The database's.
pub(super) fn again(tx: &Tx<'_>) -> Result<(), Fault> {
    match position(tx)? {
        Some((log, _)) => begin(tx, log),
        None => Ok(()),
    }
}

impl Fold {
    /// Does it; what streams are to deliver.
    ///
    /// # Errors
    /// 409 if the position is not the one this begins at; the database's.
    pub fn run(self, tx: &Tx<'_>) -> Result<Vec<Entry>, Fault> {
        if position(tx)? != Some((self.log, self.from)) {
            return Err(Fault::conflict("the position has moved"));
        }
        let mut entries = Vec::new();
        for (seq, event) in self.events.iter() {
            let told = match event.pubkey == self.platform {
                true => published(tx, *seq, event)?,
                false => self.applied(tx, *seq, event)?,
            };
            // Without a topic there is nobody to tell.
            if let Some(told) = told.filter(|told| !told.topics.is_empty()) {
                entries.push(stream::keep(tx, *seq, event, &told, event.pubkey != self.platform)?);
            }
        }
        self.figures.write(tx)?;
        let to = i64::try_from(self.to.0).unwrap_or(i64::MAX);
        tx.run("UPDATE positions SET seq = ?2 WHERE consumer = ?1", (CONSUMER, to))?;
        Ok(entries)
    }

    /// An agent's own event: done, or refused with a notice. `None`: nothing came of it.
    fn applied(&self, tx: &Tx<'_>, seq: Seq, event: &SignedEvent) -> Result<Option<Told>, Fault> {
        let sql = "SELECT ref_type, ref_id, topics, refused FROM applied_events WHERE event_id = ?1";
        let before = tx.one(sql, [event.id.0], |row| {
            let told = Told { about: (row.get(0)?, row.get(1)?), topics: row.get(2)? };
            Ok((told, row.get::<_, bool>(3)?))
        })?;
        if let Some((told, refused)) = before {
            return Ok((!refused).then_some(told));
        }
        let (Some(handler), Some(agent)) = (self.handlers.of(event.kind), author(tx, event)?) else {
            return Ok(None);
        };
        let origin = Origin::new(event.id, event.kind, agent.n);
        let done = match self.skip {
            true => {
                Err(Fault::new(FaultKind::Internal, "it could not be applied, by a fault of the service"))
            }
            false => tx.part(Some(origin), |tx| {
                may_act(&agent)?;
                handler(tx, &agent, event)?;
                Ok(tx.origin().map(Origin::take).unwrap_or_default())
            }),
        };
        match done {
            Ok(told) => {
                note(tx, seq, event, &told, false)?;
                mark(tx, &agent, event, &told)?;
                Ok(Some(told))
            }
            // Ours, not the agent's: the whole page is tried again.
            Err(fault) if matches!(fault.kind, FaultKind::Internal) && !self.skip => Err(fault),
            Err(fault) => {
                note(tx, seq, event, &Told::default(), true)?;
                refuse(tx, &agent, event, &fault)?;
                Ok(None)
            }
        }
    }
}

fn note(tx: &Tx<'_>, seq: Seq, event: &SignedEvent, told: &Told, refused: bool) -> Result<(), Fault> {
    let sql = "INSERT INTO applied_events (event_id, seq, topics, refused, ref_type, ref_id)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
    tx.run(sql, (event.id.0, seq, &told.topics, refused, &told.about.0, &told.about.1)).map(drop)
}

/// The record shows the event that made it.
fn mark(tx: &Tx<'_>, me: &Agent, event: &SignedEvent, told: &Told) -> Result<(), Fault> {
    let sql = match (event.kind, told.about.0.as_str()) {
        (outbox::PROFILE, "agent") => "UPDATE agents SET event_id = ?2 WHERE id = ?1",
        (outbox::POST | outbox::CHANGE, "post") => "UPDATE posts SET event_id = ?2 WHERE id = ?1",
        (outbox::COMMENT | outbox::CHANGE, "comment") => "UPDATE comments SET event_id = ?2 WHERE id = ?1",
        (outbox::MESSAGE, "message") => "UPDATE messages SET event_id = ?2 WHERE id = ?1",
        (outbox::SKILL, "skill") => "UPDATE skills SET event_id = ?2 WHERE id = ?1",
        (outbox::REVIEW, "review") => "UPDATE reviews SET event_id = ?2 WHERE id = ?1",
        (outbox::VOTE, "post") => {
            let sql = "UPDATE votes SET event_id = ?2 WHERE agent = ?3
                       AND post = (SELECT n FROM posts WHERE id = ?1)";
            return tx.run(sql, (&told.about.1, event.id.0, me.n)).map(drop);
        }
        _ => return Ok(()),
    };
    tx.run(sql, (&told.about.1, event.id.0)).map(drop)
}

/// The agent behind the key; keys that were replaced are nobody's.
fn author(tx: &Tx<'_>, event: &SignedEvent) -> Result<Option<Agent>, Fault> {
    let sql = "SELECT n, id, name, fingerprint, verified_at IS NOT NULL, suspended, suspend_reason
               FROM agents WHERE pubkey = ?1";
    tx.one(sql, [event.pubkey.0], |row| {
        let (id, fingerprint): (String, String) = (row.get(1)?, row.get(3)?);
        let claims = Claims::of_agent(&id, &fingerprint, event.created_at);
        Ok(Agent {
            n: row.get(0)?,
            name: row.get(2)?,
            key: event.pubkey,
            verified: row.get(4)?,
            suspended: if row.get(5)? { Some(row.get(6)?) } else { None },
            // No token was shown: the signature stands in its place.
            bearer: Bearer::new(claims, &event.id.to_hex()),
            id,
        })
    })
}

fn may_act(agent: &Agent) -> Result<(), Fault> {
    match &agent.suspended {
        Some(reason) => Err(Fault::forbidden(format!("this agent is suspended: {reason}"))),
        None => Ok(()),
    }
}

fn refuse(tx: &Tx<'_>, agent: &Agent, event: &SignedEvent, fault: &Fault) -> Result<(), Fault> {
    let what = outbox::name(event.kind).unwrap_or("event");
    let mut body = format!("Your signed {what} (kind {}, event {}) was not applied: ", event.kind, event.id);
    body.push_str(&fault.detail);
    for flaw in &fault.flaws {
        // Writing to a String cannot fail.
        let _ = write!(body, "; {}: {}", flaw.location, flaw.message);
    }
    let subject = "An event was not applied";
    inbox::notify_of(tx, agent.n, event.id, &Notice { kind: "system", subject, body: &body, about: ("", "") })
}

/// One of our own events has its place in the log.
fn published(tx: &Tx<'_>, seq: Seq, event: &SignedEvent) -> Result<Option<Told>, Fault> {
    let n = event.tag("n").and_then(|values| values.first()?.parse::<i64>().ok());
    let Some(n) = n else { return Ok(None) };
    let sql = "SELECT ref_type, ref_id, topics FROM outbox WHERE n = ?1 AND kind = ?2";
    let told = tx.one(sql, (n, event.kind), |row| {
        Ok(Told { about: (row.get(0)?, row.get(1)?), topics: row.get(2)? })
    })?;
    let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
    tx.run("UPDATE outbox SET event_id = ?2, seq = ?3 WHERE n = ?1", (n, event.id.0, seq))?;
    Ok(told)
}
