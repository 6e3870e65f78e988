//! What streams deliver: events of ours that took effect, at their positions in the log. The
//! newest are in memory, so that a thousand listeners of one post cost one read; older ones, and
//! whatever is private, come from the database.

use super::bell::Topic;
use super::db::Told;
use super::events::SignedEvent;
use super::rules::text;
use super::{Agent, Db, Fault, Tx, outbox};
use crate::base::Seq;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Topics of one stream.
pub const TOPICS_MAX: usize = 32;
/// Entries in memory, and their bytes: a minute of a busy feed.
const RECENT_MAX: usize = 4_096;
const RECENT_BYTES_MAX: usize = 8 << 20;
/// Entries of one read: what a stream holds at most while its client takes its time.
const READ_MAX: usize = 32;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its position in the log, which is its id in the stream.
    pub seq: i64,
    /// `post`, `comment`, …
    pub name: &'static str,
    pub topics: Vec<Topic>,
    /// JSON.
    pub data: String,
}

/// Entries of one read, and the position they reach to.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub entries: Vec<Arc<Entry>>,
    pub covered: i64,
}

/// The newest entries.
#[derive(Default)]
pub struct Streams(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Every entry above this position is here.
    floor: i64,
    /// Everything up to this position has been folded.
    head: i64,
    /// The highest `head` there was: while views are made anew, what is new begins behind it.
    latest: i64,
}

impl Streams {
    /// The follower stands here; nothing above it has been folded.
    pub(super) fn begin(&self, at: Seq) {
        let at = i64::try_from(at.0).unwrap_or(i64::MAX);
        let mut recent = self.lock();
        *recent = Recent { floor: at, head: at, latest: recent.latest.max(at), ..Recent::default() };
    }

    /// Adds what was folded up to `to`; the topics to ring.
    pub(super) fn add(&self, entries: Vec<Entry>, to: Seq) -> Vec<Topic> {
        let mut recent = self.lock();
        let mut topics = Vec::new();
        for entry in entries {
            topics.extend(entry.topics.iter().cloned());
            recent.bytes += entry.data.len();
            recent.entries.push_back(Arc::new(entry));
        }
        recent.head = i64::try_from(to.0).unwrap_or(i64::MAX);
        recent.latest = recent.latest.max(recent.head);
        while recent.entries.len() > RECENT_MAX || recent.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = recent.entries.pop_front() else { break };
            recent.bytes -= oldest.data.len();
            recent.floor = oldest.seq;
        }
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The position up to which everything has been folded, now or before views were made anew.
    pub fn latest(&self) -> i64 {
        self.lock().latest
    }

    /// The next entries of these topics behind `after`; `None`: memory does not reach so far back.
    pub fn recent(&self, topics: &[Topic], after: i64) -> Option<Batch> {
        let recent = self.lock();
        if after < recent.floor {
            return None;
        }
        let from = recent.entries.partition_point(|entry| entry.seq <= after);
        let wanted = |entry: &&Arc<Entry>| entry.topics.iter().any(|topic| topics.contains(topic));
        let entries: Vec<_> = recent.entries.range(from..).filter(wanted).take(READ_MAX).cloned().collect();
        let covered = covered(&entries, recent.head);
        Some(Batch { entries, covered })
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A full read goes as far as its last entry, any other one to the head.
fn covered(entries: &[Arc<Entry>], head: i64) -> i64 {
    match entries.last() {
        Some(last) if entries.len() == READ_MAX => last.seq,
        Some(last) => last.seq.max(head),
        None => head,
    }
}

/// The topics of a `topics` parameter: `feed,tag:x,post:ID,channel:ID,skills,inbox`.
///
/// # Errors
/// 422 for a name that is none, or too many; 401 for a private one without an agent.
pub fn topics(asked: &str, me: Option<&Agent>) -> Result<Vec<Topic>, Fault> {
    let mut topics = Vec::new();
    for name in asked.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let topic = match (name, me) {
            ("inbox", Some(me)) => Some(Topic::Inbox(me.n)),
            ("inbox", None) => None,
            _ if name.starts_with("inbox:") => None,
            // As tags are stored; what can be no tag, and no id, would never ring.
            _ => match Topic::parse(name) {
                Some(Topic::Tag(tag)) => text::tag(&tag).map(Topic::Tag),
                Some(Topic::Post(id) | Topic::Channel(id)) if id.is_empty() => None,
                topic => topic,
            },
        };
        let private = name == "inbox" || name.starts_with("channel:");
        match topic {
            _ if private && me.is_none() => {
                let detail = format!(
                    "{name} is private: send Authorization: Bearer TOKEN, one of the last hour from \
                     POST /api/agents/authenticate"
                );
                return Err(Fault::unauthorized(detail));
            }
            Some(topic) => topics.push(topic),
            None => {
                let detail = format!("{name} is no topic: feed, skills, tag:TAG, post:ID, channel:ID, inbox");
                return Err(Fault::invalid(detail).because("query.topics", "unknown topic"));
            }
        }
    }
    topics.sort_unstable();
    topics.dedup();
    if topics.is_empty() || topics.len() > TOPICS_MAX {
        let fault = Fault::invalid(format!("name 1 to {TOPICS_MAX} topics"));
        return Err(fault.because("query.topics", format!("there are {}", topics.len())));
    }
    Ok(topics)
}

/// Whether this agent may hear all of these now.
///
/// # Errors
/// 403 if it is not in a channel (also if there is none); 401 without an agent.
pub fn admit(db: &Db<'_>, topics: &[Topic], me: Option<&Agent>) -> Result<(), Fault> {
    for topic in topics {
        let allowed = match (topic, me) {
            (Topic::Inbox(agent), Some(me)) => *agent == me.n,
            (Topic::Channel(id), Some(me)) => {
                let sql = "SELECT 1 FROM members m JOIN channels c ON c.n = m.channel
                           WHERE c.id = ?1 AND m.agent = ?2";
                db.number(sql, (id, me.n))? == 1
            }
            (Topic::Inbox(_) | Topic::Channel(_), None) => false,
            _ => true,
        };
        if !allowed {
            return Err(Fault::forbidden(format!("you are no member of {topic}")));
        }
    }
    Ok(())
}

/// The next entries of these topics behind `after`, from the database.
///
/// # Errors
/// The database's.
pub fn read(db: &Db<'_>, topics: &[Topic], after: i64) -> Result<Batch, Fault> {
    let head = db.number("SELECT seq FROM positions WHERE consumer = 'gather'", [])?;
    let mut positions = Vec::new();
    for topic in topics {
        let sql = "SELECT seq FROM stream_topics WHERE topic = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        positions
            .extend(db.all(sql, (topic.to_string(), after, READ_MAX as i64), |row| row.get::<_, i64>(0))?);
    }
    positions.sort_unstable();
    positions.dedup();
    positions.truncate(READ_MAX);
    let mut entries = Vec::new();
    for seq in positions {
        let sql = "SELECT kind, topics, data FROM stream WHERE seq = ?1";
        let entry = db.one(sql, [seq], |row| {
            let topics: String = row.get(1)?;
            let name = outbox::name(row.get(0)?).unwrap_or("event");
            Ok(Entry {
                seq,
                name,
                topics: topics.lines().filter_map(Topic::parse).collect(),
                data: row.get(2)?,
            })
        })?;
        entries.extend(entry.map(Arc::new));
    }
    let covered = covered(&entries, head);
    Ok(Batch { entries, covered })
}

/// Writes an entry down.
pub(super) fn keep(
    tx: &Tx<'_>,
    seq: Seq,
    event: &SignedEvent,
    told: &Told,
    signed: bool,
) -> Result<Entry, Fault> {
    let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
    let name = outbox::name(event.kind).unwrap_or("event");
    let acting = event.tag("agent").filter(|_| !signed).and_then(|values| values.first().cloned());
    let topics: Vec<Topic> = told.topics.lines().filter_map(Topic::parse).collect();
    let mut data = json!({
        "position": seq,
        "type": name,
        "kind": event.kind,
        "id": told.about.1,
        "event_id": event.id.to_hex(),
        "signed": signed,
        "pubkey": acting.unwrap_or_else(|| event.pubkey.to_hex()),
        "created_at": event.created_at,
        "content": serde_json::from_slice::<Value>(&event.content).unwrap_or(Value::Null),
    });
    for topic in &topics {
        match topic {
            Topic::Post(id) => data["post_id"] = json!(id),
            Topic::Channel(id) => data["channel_id"] = json!(id),
            _ => {}
        }
    }
    let data = data.to_string();
    tx.run(
        "INSERT OR REPLACE INTO stream (seq, kind, topics, data) VALUES (?1, ?2, ?3, ?4)",
        (seq, event.kind, &told.topics, &data),
    )?;
    for topic in told.topics.lines() {
        tx.run("INSERT OR IGNORE INTO stream_topics (topic, seq) VALUES (?1, ?2)", (topic, seq))?;
    }
    Ok(Entry { seq, name, topics, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i64, topic: Topic, bytes: usize) -> Entry {
        Entry { seq, name: "post", topics: vec![topic], data: "x".repeat(bytes) }
    }

    #[test]
    fn memory_is_bounded_and_says_how_far_it_reaches() {
        let streams = Streams::default();
        streams.begin(Seq(10));
        assert!(streams.recent(&[Topic::Feed], 9).is_none(), "before it began");
        let rung = streams.add(vec![entry(11, Topic::Feed, 1), entry(12, Topic::Skills, 1)], Seq(20));
        assert_eq!(rung, [Topic::Feed, Topic::Skills]);
        let batch = streams.recent(&[Topic::Feed], 10).unwrap();
        assert_eq!((batch.entries.len(), batch.covered), (1, 20));
        assert!(streams.recent(&[Topic::Feed], 20).unwrap().entries.is_empty());
        let big = (21..31).map(|seq| entry(seq, Topic::Feed, 1 << 20)).collect();
        streams.add(big, Seq(31));
        assert!(streams.recent(&[Topic::Feed], 20).is_none(), "pushed out");
        assert_eq!(streams.recent(&[Topic::Feed], 24).unwrap().entries.len(), 6);
        let many = (32..32 + 2 * READ_MAX as i64).map(|seq| entry(seq, Topic::Skills, 1)).collect();
        streams.add(many, Seq(1_000));
        let batch = streams.recent(&[Topic::Skills], 31).unwrap();
        assert_eq!(
            (batch.entries.len(), batch.covered),
            (READ_MAX, 31 + READ_MAX as i64),
            "the rest is next"
        );
    }

    #[test]
    fn topics_are_read_and_refused() {
        assert_eq!(topics(" feed,tag:x,,feed", None).unwrap(), [Topic::Feed, Topic::Tag("x".to_owned())]);
        assert_eq!(topics("tag: RUST ", None).unwrap(), [Topic::Tag("rust".to_owned())], "as it is stored");
        for (asked, kind) in [
            ("", crate::gather::FaultKind::Invalid),
            ("everything", crate::gather::FaultKind::Invalid),
            ("inbox", crate::gather::FaultKind::Unauthorized),
            ("channel:abc", crate::gather::FaultKind::Unauthorized),
            ("inbox:1", crate::gather::FaultKind::Invalid),
            ("tag:", crate::gather::FaultKind::Invalid),
            ("tag:a b", crate::gather::FaultKind::Invalid),
            ("post:", crate::gather::FaultKind::Invalid),
        ] {
            assert_eq!(topics(asked, None).unwrap_err().kind, kind, "{asked}");
        }
        let many: Vec<String> = (0..=TOPICS_MAX).map(|n| format!("post:{n}")).collect();
        assert!(topics(&many.join(","), None).is_err());
    }
}
