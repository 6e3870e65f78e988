//! Deleting: the store against a simple model under seeded random publishes, deletions,
//! retention and reopenings; crashes in between; what may come again and what not.

use super::oracle::{random_event, random_filter, random_query};
use super::upkeep::{check_now, how};
use super::*;
use crate::event::EventFields as _;
use crate::log::PurgeMarks;
use families::Family;
use purge::look_now;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::path::Path;

/// Nothing rests, and the background thread leaves the work to the test.
fn eager(dir: &Path) -> StoreOptions {
    let retention = Retention { interval_ms: 0, share_percent: 100, ..Retention::default() };
    StoreOptions { retention, ..small(dir) }
}

fn rule(kinds: &[(u16, u16)]) -> Rule {
    Rule { kinds: kinds.to_vec(), age_seconds_max: None, bytes_max: None, count_max: None }
}

/// Removes what the filter matches, step by step; how many events that were.
fn remove_all(store: &Store, filter: &Filter, dry_run: bool) -> u64 {
    let mut removal = Removal { filter: filter.clone(), after: Seq::ZERO, to: Seq(u64::MAX), dry_run };
    let mut events = 0;
    loop {
        let step = store.remove(&removal).unwrap();
        events += step.kinds.values().map(|(events, _)| events).sum::<u64>();
        if step.covered == step.to {
            return events;
        }
        (removal.after, removal.to) = (step.covered, step.to);
    }
}

/// What a log with deletions must be.
#[derive(Default)]
struct Model {
    log: Vec<Option<Envelope>>,
    deleted: BTreeSet<EventId>,
    marks: PurgeMarks,
}

impl Model {
    fn append(&mut self, batch: &[Envelope]) -> Vec<Outcome> {
        let outcome = |event: &Envelope| {
            if self.deleted.contains(event.id()) {
                return Outcome::Deleted;
            }
            if self.log.iter().flatten().any(|stored| stored.id() == event.id()) {
                return Outcome::Duplicate;
            }
            self.log.push(Some(event.clone()));
            Outcome::Stored(Seq(self.log.len() as u64))
        };
        batch.iter().map(outcome).collect()
    }

    fn delete(&mut self, matches: impl Fn(&Envelope) -> bool) -> u64 {
        let mut events = 0;
        for slot in &mut self.log {
            if let Some(event) = slot.take_if(|event| matches(event)) {
                self.deleted.insert(*event.id());
                events += 1;
            }
        }
        events
    }

    fn retain(&mut self, rule: &Rule) {
        let governs =
            |event: &Envelope| rule.kinds.iter().any(|(lo, hi)| (*lo..=*hi).contains(&event.kind().0));
        let (mut events, mut bytes, mut last) = (0, 0, 0);
        for (n, slot) in self.log.iter_mut().enumerate().rev() {
            let Some(event) = slot.as_ref().filter(|event| governs(event)) else { continue };
            events += 1;
            bytes += event.wire_len() as u64;
            let over = rule.count_max.is_some_and(|max| events > max)
                || rule.bytes_max.is_some_and(|max| bytes > max)
                || rule.age_seconds_max == Some(0);
            // The first that is over takes all that are older with it.
            if over || last > 0 {
                last = last.max(n + 1);
                self.deleted.insert(*event.id());
                *slot = None;
            }
        }
        if last > 0 {
            rule.kinds.iter().for_each(|(lo, hi)| self.marks.raise(*lo, *hi, Seq(last as u64)));
        }
    }

    fn answer(&self, query: &Query) -> Result<Vec<(Seq, Vec<u8>)>, QueryError> {
        let purged = self.marks.reaching(&query.filter).filter(|purged| query.after < *purged);
        if let (Some(_), Some(purged)) = (query.filter.after, purged) {
            return Err(QueryError::Purged(purged));
        }
        let all = (1..).map(Seq).zip(&self.log).filter(|(seq, _)| query.after < *seq && *seq <= query.to);
        let there = all.filter_map(|(seq, slot)| Some((seq, slot.as_ref()?)));
        let matching =
            there.filter(|(_, event)| query.filter.matches(*event) && query.access.may_read(*event));
        let found: Vec<_> = matching.map(|(seq, event)| (seq, event.wire().to_vec())).collect();
        Ok(match query.span {
            Span::Ascending => found,
            Span::Last(n) => found[found.len().saturating_sub(n as usize)..].to_vec(),
        })
    }
}

fn ask(store: &Store, asker: &Asker, query: &Query) -> Result<Vec<(Seq, Vec<u8>)>, QueryError> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        store.query(&asker.client, Ticket(0), query.clone());
        let page = asker.pages.recv().unwrap()?;
        found.extend(page.iter().map(|(seq, wire)| (seq, wire.to_vec())));
        if page.covered == query.to {
            return Ok(found);
        }
        (query.after, query.span) = (page.covered, Span::Ascending);
    }
}

/// A check of the running store, as an operator does it.
fn sound(store: &Store, options: &StoreOptions, seed: u64) -> CheckReport {
    let checkpoint = store.checkpoint().unwrap();
    let report = check(options, &checkpoint, &how()).unwrap();
    store.remove_checkpoint(checkpoint.file_name().unwrap().to_str().unwrap()).unwrap();
    assert_eq!(report.findings, [], "seed {seed}");
    report
}

fn random_rule(rng: &mut SmallRng) -> Rule {
    let kinds: &[(u16, u16)] = match rng.random_range(0..4) {
        0 => &[(0, u16::MAX)],
        1 => &[(1000, 1999)],
        2 => &[(0, 1), (2000, 7000)],
        _ => &[(7000, 7000), (65_535, 65_535)],
    };
    let some = |rng: &mut SmallRng, most: u64| rng.random_bool(0.5).then(|| rng.random_range(0..most));
    let age_seconds_max = rng.random_bool(0.05).then_some(0);
    Rule { count_max: some(rng, 40), bytes_max: some(rng, 9_000), age_seconds_max, ..rule(kinds) }
}

#[test]
fn agrees_with_a_simple_model_under_random_operations() {
    let (mut removed, mut purged, mut refused, mut whole) = (0, 0, 0, 0);
    for seed in 0..10 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            index_run_events: rng.random_range(1..40),
            ring_events_max: rng.random_range(1..60),
            index_flush_events: rng.random_range(15..150),
            ..eager(dir.path())
        };
        let (asker, mut model) = (Asker::new(), Model::default());
        let mut sent: Vec<Envelope> = Vec::new();
        let mut store = open(&options).unwrap();
        for step in 0..40 {
            match rng.random_range(0..10) {
                0..5 => {
                    let copy = |rng: &mut SmallRng, sent: &Vec<Envelope>| {
                        sent[rng.random_range(0..sent.len())].clone()
                    };
                    let batch: Vec<Envelope> = (0..rng.random_range(1..30))
                        .map(|_| {
                            if sent.is_empty() || rng.random_bool(0.8) {
                                sent.push(random_event(&mut rng, sent.len() as u64));
                                return sent[sent.len() - 1].clone();
                            }
                            copy(&mut rng, &sent)
                        })
                        .collect();
                    let outcomes = asker.append(&store, &batch);
                    assert_eq!(outcomes, model.append(&batch), "seed {seed}, step {step}");
                    refused += outcomes.iter().filter(|outcome| **outcome == Outcome::Deleted).count();
                }
                5..7 => {
                    let filter = random_filter(&mut rng, &sent);
                    let found = remove_all(&store, &filter, true);
                    assert_eq!(remove_all(&store, &filter, false), found, "seed {seed}, step {step}");
                    assert_eq!(model.delete(|event| filter.matches(event)), found, "seed {seed}: {filter:?}");
                    removed += found;
                }
                7..9 => {
                    let rule = random_rule(&mut rng);
                    let rules = vec![rule.clone()];
                    store.shared.set_retention(Retention { rules, ..options.retention.clone() });
                    let before = model.deleted.len();
                    look_now(&store.shared, step % 4 == 0);
                    model.retain(&rule);
                    purged += model.deleted.len() - before;
                    store.shared.set_retention(options.retention.clone());
                }
                _ => {
                    drop(store);
                    store = open(&options).unwrap();
                }
            }
            assert_eq!(store.tail().head(), Seq(model.log.len() as u64), "seed {seed}, step {step}");
            assert_eq!(*store.tail().purged(), model.marks, "seed {seed}, step {step}");
            for _ in 0..6 {
                let mut query = random_query(&mut rng, &sent, store.tail().head());
                if rng.random_bool(0.3) {
                    query.span = Span::Ascending;
                    let filter = Filter { after: Some(query.after.0), ..(*query.filter).clone() };
                    query.filter = Arc::new(filter);
                }
                let (found, expected) = (ask(&store, &asker, &query), model.answer(&query));
                whole += usize::from(found.is_err());
                assert_eq!(found, expected, "seed {seed}, step {step}: {query:?}");
            }
        }
        let report = sound(&store, &options, seed);
        let there = model.log.iter().flatten();
        assert_eq!(report.events, there.clone().count() as u64);
        assert_eq!(report.bytes, there.map(|event| event.wire_len() as u64).sum::<u64>());
        drop(store);
        assert_eq!(check_now(&options).findings, [], "seed {seed}, closed");
    }
    assert!(
        removed > 400 && purged > 400 && refused > 40 && whole > 15,
        "{removed} {purged} {refused} {whole}"
    );
}

fn numbered(n: u64) -> Envelope {
    let topic = format!("t{}", n % 7);
    event((n % 5) as u8, 1000 + (n % 3) as u16, n as i64, &[("t", &topic)], &n.to_string())
}

/// Every row that a store of these families has, but for the few that stand for the whole log.
fn rows(store: &Store) -> Vec<(Family, u64)> {
    let db = store.shared.database().unwrap();
    let families = [Family::Log, Family::Ids, Family::Author, Family::Kind, Family::AuthorKind, Family::Tag];
    let count = |family| {
        let rows = db.raw().iterator_cf(db.cf(family), rocksdb::IteratorMode::Start);
        rows.map(|row| row.unwrap()).filter(|(key, _)| **key != families::MARK_KEY).count() as u64
    };
    families.map(|family| (family, count(family))).to_vec()
}

#[test]
fn a_deleted_event_leaves_no_row_and_its_position_is_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = eager(dir.path());
    let (store, asker) = (open(&options).unwrap(), Asker::new());
    asker.append(&store, &(0..300).map(numbered).collect::<Vec<_>>());
    assert_eq!(remove_all(&store, &Filter::default(), false), 300);
    assert!(rows(&store).iter().all(|(_, rows)| *rows == 0), "{:?}", rows(&store));
    drop(store);
    let store = open(&options).unwrap();
    assert_eq!(store.tail().head(), Seq(300), "the head stays");
    assert_eq!(asker.append(&store, &[numbered(300)]), [Outcome::Stored(Seq(301))]);
    let [old, copy] = [numbered(7), numbered(7)];
    assert_eq!(asker.append(&store, &[old, copy]), [Outcome::Deleted, Outcome::Deleted]);
    sound(&store, &options, 0);
}

#[test]
fn tombstones_are_bounded_and_forgotten_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { tombstones_max: 10, ..eager(dir.path()).retention };
    let options = StoreOptions { retention: retention.clone(), ..eager(dir.path()) };
    let (store, asker) = (open(&options).unwrap(), Asker::new());
    asker.append(&store, &(0..50).map(numbered).collect::<Vec<_>>());
    remove_all(&store, &Filter::default(), false);
    look_now(&store.shared, true);
    assert_eq!(store.shared.ledger().tombstones, 10);
    sound(&store, &options, 0);
    let again: Vec<Envelope> = (0..50).map(numbered).collect();
    let outcomes = asker.append(&store, &again);
    let deleted: Vec<u64> = (0..50).filter(|n| outcomes[*n as usize] == Outcome::Deleted).collect();
    assert_eq!(deleted, (40..50).collect::<Vec<_>>(), "the last ones are remembered");
    store.shared.set_retention(Retention { tombstones_max: 0, ..retention });
    look_now(&store.shared, true);
    assert_eq!(store.shared.ledger().tombstones, 0);
    assert!(matches!(asker.append(&store, &again[45..46])[..], [Outcome::Stored(_)]));
    sound(&store, &options, 0);
}

/// A gap that no deletion explains, an event that counts as deleted, an id of both sorts.
#[test]
fn the_check_tells_a_deletion_from_a_loss() {
    type Fault = (fn(&Database), &'static str, &'static str);
    let faults: [Fault; 4] = [
        (
            |db| db.delete_synced(Family::Log, &8u64.to_be_bytes()).unwrap(),
            "log",
            "positions 8 to 8 hold no event",
        ),
        (
            |db| db.put_synced(Family::Log, &7u64.to_be_bytes(), numbered(6).wire()).unwrap(),
            "deleted",
            "is there",
        ),
        (
            |db| db.put_synced(Family::Ids, &numbered(6).id().0, &7u64.to_be_bytes()).unwrap(),
            "deleted",
            "as stored",
        ),
        (
            |db| {
                let row = purge::encode_gone([5, 1, 3]);
                db.put_synced(Family::Meta, purge::LEDGER_GONE, &row).unwrap();
            },
            "deleted",
            "are counted as 3",
        ),
    ];
    for (plant, about, what) in faults {
        let dir = tempfile::tempdir().unwrap();
        let (store, asker) = (open(&eager(dir.path())).unwrap(), Asker::new());
        asker.append(&store, &(0..100).map(numbered).collect::<Vec<_>>());
        let filter = Filter { ids: vec![*numbered(6).id()], ..Filter::default() };
        assert_eq!(remove_all(&store, &filter, false), 1);
        sound(&store, &eager(dir.path()), 0);
        drop(store);
        let db = Database::open(&eager(dir.path())).unwrap();
        plant(&db);
        drop(db);
        let findings = check_now(&eager(dir.path())).findings;
        assert!(findings.iter().any(|f| f.about == about && f.what.contains(what)), "{what}: {findings:?}");
    }
}

/// A failed store is opened again though the newest answered events were deleted.
#[test]
fn a_store_with_deletions_is_opened_again_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (store, asker) = (open(&eager(dir.path())).unwrap(), Asker::new());
    asker.append(&store, &(0..20).map(numbered).collect::<Vec<_>>());
    let filter = Filter { kinds: vec![1001], ..Filter::default() };
    remove_all(&store, &filter, false);
    let before = store.shared.ledger().clone();
    let found = store.shared.reopen(|| mend::open_again(&store.shared, Seq(20))).unwrap();
    assert!(found.unanswered.is_none());
    let after = store.shared.ledger().clone();
    assert_eq!((before.floor, before.first, before.tombstones), (after.floor, after.first, after.tombstones));
}

#[test]
fn a_repaired_log_keeps_what_is_known_of_deletions() {
    let dir = tempfile::tempdir().unwrap();
    let options = eager(dir.path());
    let (store, asker) = (open(&options).unwrap(), Asker::new());
    asker.append(&store, &(0..200).map(numbered).collect::<Vec<_>>());
    remove_all(&store, &Filter { kinds: vec![1001], ..Filter::default() }, false);
    drop(store);
    let db = Database::open(&options).unwrap();
    db.put_synced(Family::Log, &151u64.to_be_bytes(), b"no event").unwrap();
    drop(db);
    let report = repair(&options, &how(), false).unwrap();
    assert_eq!((report.head, report.log_id.is_some()), (Seq(150), true), "{report:?}");
    assert_eq!(check_now(&options).findings, []);
    let store = open(&options).unwrap();
    assert_eq!(asker.append(&store, &[numbered(1)]), [Outcome::Deleted]);
}

const CHILD_DIR: &str = "AXON_PURGE_CRASH_DIR";
const CHILD_SEED: &str = "AXON_PURGE_CRASH_SEED";

/// Does nothing unless this process was started by the test below: publishes, deletes and keeps
/// to a rule, all at once, until it is killed.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let seed: u64 = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let mut rng = SmallRng::seed_from_u64(seed);
    let rules = vec![Rule { count_max: Some(60), ..rule(&[(1001, 1001)]) }];
    let retention =
        Retention { rules, interval_ms: 1, share_percent: 100, tombstones_max: 100, ..Retention::default() };
    let options = StoreOptions { retention, ..small(Path::new(&dir)) };
    let store = open(&options).unwrap();
    let events = rng.random_range(1..2_500);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let asker = Asker::new();
            let from = store.tail().head().0;
            for chunk in (from..from + events).map(numbered).collect::<Vec<_>>().chunks(7) {
                asker.append(&store, chunk);
            }
            std::process::abort();
        });
        loop {
            let filter = Filter { authors: vec![PubKey([rng.random_range(0..3); 32])], ..Filter::default() };
            remove_all(&store, &filter, false);
        }
    });
}

#[test]
fn killed_while_events_are_being_deleted() {
    let mut deleted = 0;
    for run in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..4 {
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::tests::deletion::child", "--nocapture"])
                .env(CHILD_DIR, dir.path())
                .env(CHILD_SEED, (run * 4 + round).to_string())
                .stderr(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            assert!(!status.success(), "the child must die, not end");
            assert_eq!(
                check_now(&eager(dir.path())).findings,
                [],
                "run {run}, round {round}: as it was left"
            );
            let store = open(&eager(dir.path())).unwrap();
            let report = sound(&store, &eager(dir.path()), run);
            deleted += report.head.0 - report.events;
        }
    }
    assert!(deleted > 1_000, "{deleted}");
}

/// Of everything, of the oldest part, of every third event: what is gone takes no room.
#[test]
fn the_room_of_deleted_events_is_given_back() {
    let content = "x".repeat(2_000);
    let large = |n: u64| {
        let random = SmallRng::seed_from_u64(n).random::<u64>().to_string();
        event(1, 1000 + (n % 3) as u16, n as i64, &[("t", &random)], &format!("{random}{content}"))
    };
    let filters = [
        (Filter::default(), 0.0),
        (Filter { until: Some(1_999), ..Filter::default() }, 0.33),
        (Filter { kinds: vec![1001, 1002], ..Filter::default() }, 0.33),
    ];
    for (filter, left) in filters {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { index_flush_events: 1_000, ..eager(dir.path()) };
        let (store, asker) = (open(&options).unwrap(), Asker::new());
        asker.append(&store, &(0..3_000).map(large).collect::<Vec<_>>());
        drop(store);
        let store = open(&options).unwrap();
        let bytes = || -> Vec<u64> {
            let families = store.stats().families.into_iter();
            families
                .filter(|f| ["log", "ids", "author", "tag"].contains(&f.name))
                .map(|f| f.disk_bytes)
                .collect()
        };
        let before = bytes();
        remove_all(&store, &filter, false);
        store.reclaim_now().unwrap();
        for (after, before) in bytes().into_iter().zip(before) {
            let most = before as f64 * left + 4_096.0;
            assert!((after as f64) < most * 1.2, "{filter:?}: {after} of {before}");
        }
        sound(&store, &options, 0);
    }
}
