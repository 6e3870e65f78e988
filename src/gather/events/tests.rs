//! Both ways between database and log, on a log in memory.

use super::port::Talk;
use super::*;
use crate::base::{EventId, KeyOverrides, Kind, Limits, LogId, PubKey, Signature, Stopwatch};
use crate::event::{EventBuilder, EventView};
use crate::gather::tests::{options, ports, read, write};
use crate::gather::{Agent, Gather, Tx, outbox, stats, stream};
use crate::ingest::{Allowlist, Arrival, Door, Gate, Grant, Rules, Verdict};
use crate::log::{MemLog, Outcome, Role, Submission, Ticket};
use bumpalo::Bump;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn pubkey(n: u8) -> PubKey {
    PubKey(key(n).verifying_key().to_bytes())
}

/// A log in memory that lets a platform and the agents 1 to 3 in.
struct Log {
    port: LogPort,
    mem: Arc<MemLog>,
}

impl Log {
    fn new(id: u8, platform: PubKey) -> Log {
        let bell = Arc::new(Nudge::default());
        let mem = Arc::new(MemLog::new(LogId([id; 16]), Arc::clone(&bell) as _));
        let grant = |pubkey| Grant {
            pubkey,
            role: Role::Member,
            name: String::new(),
            limits: KeyOverrides::default(),
        };
        let grants = [platform, pubkey(1), pubkey(2), pubkey(3)].into_iter().map(grant).collect();
        let allowlist = Arc::new(Allowlist::new(Rules::default(), grants, Vec::new()));
        let gate = Arc::new(Gate::new(allowlist, Limits::default(), Vec::new()));
        let (append, read) = (Arc::clone(&mem) as _, Arc::clone(&mem) as _);
        let port = LogPort { append, read, tail: Arc::clone(mem.tail()), gate, bell };
        Log { port, mem }
    }

    /// The same log, for another process.
    fn again(&self) -> LogPort {
        LogPort { bell: Arc::new(Nudge::default()), ..self.port.clone() }
    }

    fn publish(&self, n: u8, kind: u16, content: &serde_json::Value) -> EventId {
        let builder = EventBuilder {
            kind: Kind(kind),
            created_at: crate::base::Clock::new().unix_seconds(),
            content: content.to_string().into_bytes(),
            tags: Vec::new(),
        };
        let sign = |id: &EventId| Signature(key(n).sign(&id.0).to_bytes());
        let (id, wire) = builder.finish(&pubkey(n), sign).unwrap();
        let mut verdicts = Vec::new();
        let arrival = Arrival { wire: &wire, suspect: false };
        let now = crate::base::Clock::new().read();
        let watch = Stopwatch::sampling(Arc::default());
        Door::new(Arc::clone(&self.port.gate)).judge(&watch, now, &[arrival], &mut verdicts);
        let Some(Verdict::Stored(envelope)) = verdicts.pop() else { panic!("refused: {verdicts:?}") };
        let outcomes = Talk::new(self.port.clone()).submit(vec![Submission { ticket: Ticket(1), envelope }]);
        assert!(matches!(outcomes[0], Outcome::Stored(_)));
        id
    }

    /// Every event: author, kind, content, and the tags `agent` and `n`.
    fn events(&self) -> Vec<(PubKey, u16, String, Option<String>)> {
        let page = Talk::new(self.port.clone()).page(crate::base::Seq::ZERO, self.mem.tail().head()).unwrap();
        let arena = Bump::new();
        let read = |(_, wire)| {
            let view = EventView::parse(wire, &arena).unwrap();
            let agent = view.tags.iter().find(|tag| tag.name == "agent").and_then(|tag| tag.first());
            let content = String::from_utf8(view.content.to_vec()).unwrap();
            (view.pubkey, view.kind.0, content, agent.map(str::to_owned))
        };
        page.iter().map(read).collect()
    }
}

fn start(dir: &Path) -> Gather {
    Gather::start(dir, options(), ports(), crate::base::Clock::new()).unwrap()
}

fn enrol(gather: &Gather) {
    write(gather, |tx| {
        for n in 1..=3u8 {
            let sql = "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, created)
                       VALUES (?1, ?1, '', ?2, ?1, 0)";
            tx.run(sql, (format!("agent{n}"), pubkey(n).0))?;
        }
        Ok(())
    })
    .unwrap();
}

/// Waits until the follower has been at the end of the log, and the outbox is empty.
fn settled(gather: &Gather, log: &Log) {
    for _ in 0..60_000 {
        let waiting =
            read(gather, |db| db.number("SELECT count(*) FROM outbox WHERE seq IS NULL", [])).unwrap();
        let head = log.mem.tail().head().0 as i64;
        if waiting == 0 && read(gather, |db| stream::read(db, &[], 0)).unwrap().covered == head {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it does not settle");
}

/// A post without any rule but one; what a merged operation does through the same table.
fn double(tx: &Tx<'_>, me: &Agent, event: &SignedEvent) -> Result<(), Fault> {
    let body = event.object()?;
    let title = body.get("title").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let id = tx.new_id();
    tx.run(
        "INSERT INTO posts (id, author, title, summary, body, tags, paid, weight, created)
         VALUES (?1, ?2, ?3, '', '', '[]', 0, 0, ?4)",
        (&id, me.n, &title, tx.now().0),
    )?;
    match title.as_str() {
        "forbidden" => {
            Err(Fault::forbidden("this title is not allowed").because("body.title", "choose another"))
        }
        "bug" => panic!("a bug"),
        _ => outbox::emit(tx, outbox::POST, Some(me.n), &json!({ "title": title }), [], ("post", &id)),
    }
}

#[test]
fn what_is_written_is_published_once_in_order_and_signed_by_the_platform() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    enrol(&gather);
    let platform = gather.context().secrets.platform_key();
    let log = Log::new(1, platform);
    let emit = |tx: &Tx<'_>, value: i64| {
        outbox::emit(tx, outbox::VOTE, Some(1), &json!({ "value": value }), [], ("post", "p"))
    };
    // The same content thrice: three events nevertheless.
    for value in [1, -1, 1] {
        write(&gather, move |tx| emit(tx, value)).unwrap();
    }
    write(&gather, move |tx| emit(tx, 9).and(Err::<(), _>(Fault::bad("taken back")))).unwrap_err();
    gather.follow(&log.port, Handlers::default()).unwrap();
    settled(&gather, &log);
    write(&gather, move |tx| emit(tx, 0)).unwrap();
    settled(&gather, &log);
    let events = log.events();
    let contents: Vec<&str> = events.iter().map(|(_, _, content, _)| content.as_str()).collect();
    assert_eq!(contents, [r#"{"value":1}"#, r#"{"value":-1}"#, r#"{"value":1}"#, r#"{"value":0}"#]);
    assert!(events.iter().all(|(author, kind, _, _)| *author == platform && *kind == outbox::VOTE));
    assert_eq!(events[0].3.as_deref(), Some(pubkey(1).to_hex().as_str()));
    let rows = |db: &crate::gather::Db<'_>| {
        db.all("SELECT seq FROM outbox ORDER BY n", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(read(&gather, rows).unwrap(), [1, 2, 3, 4], "the rows have their positions");
    // A crash between publishing and noting it: published again, stored once.
    write(&gather, |tx| tx.run("UPDATE outbox SET seq = NULL, event_id = NULL WHERE n > 2", [])).unwrap();
    write(&gather, |tx| tx.run("UPDATE positions SET seq = 2", [])).unwrap();
    gather.close();
    let gather = start(dir.path());
    gather.follow(&log.again(), Handlers::default()).unwrap();
    settled(&gather, &log);
    assert_eq!(log.events().len(), 4);
    assert_eq!(read(&gather, rows).unwrap(), [1, 2, 3, 4]);
    gather.close();
}

#[test]
fn an_agents_own_event_is_done_once_and_what_breaks_a_rule_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    enrol(&gather);
    let log = Log::new(1, gather.context().secrets.platform_key());
    let handlers = Handlers::default().with(outbox::POST, double);
    gather.follow(&log.port, handlers.clone()).unwrap();
    let good = log.publish(1, outbox::POST, &json!({"title": "good"}));
    log.publish(2, outbox::POST, &json!({"title": "forbidden"}));
    log.publish(2, outbox::POST, &json!("no object"));
    log.publish(3, outbox::POST, &json!({"title": "bug"}));
    log.publish(1, outbox::PROFILE, &json!({"name": "new name"}));
    log.publish(1, outbox::PROFILE, &json!({"name": "", "colour": "red"}));
    log.publish(1, outbox::SUMMARY, &json!({}));
    settled(&gather, &log);
    let posts = |db: &crate::gather::Db<'_>| {
        db.all("SELECT id, title, event_id FROM posts", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<[u8; 32]>>(2)?))
        })
    };
    let found = read(&gather, posts).unwrap();
    assert_eq!(found.len(), 1, "what was refused left nothing: {found:?}");
    let id = crate::gather::db::Origin::new(good, outbox::POST, 1).record_id();
    assert_eq!(
        (found[0].0.as_str(), found[0].2),
        (id.as_str(), Some(good.0)),
        "its id follows from the event"
    );
    let names =
        |db: &crate::gather::Db<'_>| db.one("SELECT name FROM agents WHERE n = 1", [], |row| row.get(0));
    assert_eq!(read(&gather, names).unwrap(), Some("new name".to_owned()));
    let notices = |db: &crate::gather::Db<'_>| {
        db.all("SELECT agent, body FROM inbox ORDER BY n", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
    };
    let told = read(&gather, notices).unwrap();
    let agents: Vec<i64> = told.iter().map(|(agent, _)| *agent).collect();
    assert_eq!(agents, [2, 2, 3, 1], "{told:?}");
    assert!(told[0].1.contains("this title is not allowed; body.title: choose another"), "{told:?}");
    assert!(told[3].1.contains("body.colour") && told[3].1.contains("body.name"), "{told:?}");
    // The post is the agent's event; nothing of the platform's repeats it.
    let twins = log
        .events()
        .into_iter()
        .filter(|(_, kind, content, _)| *kind == outbox::POST && content.contains("good"));
    assert_eq!(twins.count(), 1);
    let feed = read(&gather, |db| stream::read(db, &[crate::gather::bell::Topic::Feed], 0)).unwrap();
    assert_eq!(feed.entries.len(), 1);
    assert!(feed.entries[0].data.contains(r#""signed":true"#) && feed.entries[0].data.contains(&id));
    // From the start again: nothing is done twice, and the views end with the same answers.
    let figures = |db: &crate::gather::Db<'_>| {
        let query = crate::gather::input::read_body(&json!({})).unwrap();
        stats::stats(db, &query).map(|stats| (stats.kinds, stats.position))
    };
    let before = read(&gather, figures).unwrap();
    write(&gather, fold_again).unwrap();
    gather.close();
    let gather = start(dir.path());
    gather.follow(&log.again(), handlers).unwrap();
    settled(&gather, &log);
    assert_eq!(read(&gather, posts).unwrap(), found);
    assert_eq!(read(&gather, notices).unwrap(), told);
    gather.close();
    let gather = start(dir.path());
    assert_eq!(read(&gather, figures).unwrap(), before);
    let again = read(&gather, |db| stream::read(db, &[crate::gather::bell::Topic::Feed], 0)).unwrap();
    assert_eq!(again.entries, feed.entries);
    gather.close();
}

/// No operation that an event asks for changes the allowlist today; one that did would not have to
/// wait for the next change over HTTP.
#[test]
fn the_door_is_told_of_what_an_event_changed() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    enrol(&gather);
    let log = Log::new(1, gather.context().secrets.platform_key());
    let leave = |tx: &Tx<'_>, me: &Agent, _: &SignedEvent| {
        tx.then_door()?;
        tx.run("UPDATE agents SET suspended = 1, door_pending = 1 WHERE n = ?1", [me.n]).map(drop)
    };
    gather.follow(&log.port, Handlers::default().with(outbox::PROFILE, leave)).unwrap();
    log.publish(1, outbox::PROFILE, &json!({}));
    // The door is told after the commit, so the end of the log says nothing of it.
    let sql = "SELECT count(*) FROM agents WHERE n = 1 AND suspended = 1 AND door_pending = 0";
    for _ in 0..30_000 {
        if read(&gather, |db| db.number(sql, [])).unwrap() == 1 {
            return gather.close();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the door is not told");
}

#[test]
fn a_log_that_lost_its_end_gets_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    enrol(&gather);
    let platform = gather.context().secrets.platform_key();
    let log = Log::new(1, platform);
    write(&gather, |tx| outbox::emit(tx, outbox::PROFILE, Some(1), &json!({}), [], ("agent", "agent1")))
        .unwrap();
    gather.follow(&log.port, Handlers::default()).unwrap();
    settled(&gather, &log);
    gather.close();
    let restored = Log::new(2, platform);
    let gather = start(dir.path());
    gather.follow(&restored.port, Handlers::default()).unwrap();
    settled(&gather, &restored);
    assert_eq!(restored.events().len(), 1);
    gather.close();
}
