//! The door against the vectors, in its order of checks, and the administration of keys.

use super::*;
use crate::base::{
    EventId, KeyLimit, KeyOverrides, Kind, Limits, LogId, Now, PubKey, Reason, Signature, Stopwatch,
};
use crate::codec::Reader;
use crate::event::{EventBuilder, EventFields};
use crate::log::{Append, CommitSink, CommittedBatch, KeyRow, KeyStore, LogClient, MemLog, Role, Submission};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;
use std::sync::{Arc, Mutex};

const NOW: i64 = 1_760_000_000;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn pubkey(n: u8) -> PubKey {
    PubKey(key(n).verifying_key().to_bytes())
}

fn grant(pubkey: PubKey, role: Role) -> Grant {
    Grant { pubkey, role, name: String::new(), limits: KeyOverrides::default() }
}

/// Keys 1 to 8 are members.
fn gate_with(limits: Limits) -> Arc<Gate> {
    let config = (1..=8).map(|n| grant(pubkey(n), Role::Member)).collect();
    Arc::new(Gate::new(Arc::new(Allowlist::new(Rules::default(), config, Vec::new())), limits, Vec::new()))
}

fn builder(kind: u16, created_at: i64, content: &[u8]) -> EventBuilder {
    EventBuilder { kind: Kind(kind), created_at, content: content.to_vec(), tags: Vec::new() }
}

/// The event signed by key `n`.
fn sign(event: &EventBuilder, n: u8) -> Vec<u8> {
    sign_as(event, &key(n))
}

/// The same, with a signature that does not hold.
fn forge(event: &EventBuilder, n: u8) -> Vec<u8> {
    event.finish(&pubkey(n), |_| Signature(key(n).sign(b"something else").to_bytes())).unwrap().1
}

fn at(unix_seconds: i64) -> Now {
    Now { unix_seconds, ..Now::default() }
}

fn judge(door: &mut Door, now: i64, wires: &[Vec<u8>]) -> Vec<Verdict> {
    let arrivals: Vec<_> = wires.iter().map(|wire| Arrival { wire, suspect: false }).collect();
    let mut verdicts = Vec::new();
    door.judge(&Stopwatch::sampling(Arc::default()), at(now), &arrivals, &mut verdicts);
    assert_eq!(verdicts.len(), wires.len());
    verdicts
}

fn judge_one(door: &mut Door, now: i64, wire: Vec<u8>) -> Result<&'static str, Reason> {
    word(&judge(door, now, &[wire])[0])
}

fn word(verdict: &Verdict) -> Result<&'static str, Reason> {
    match verdict {
        Verdict::Refused { reason, .. } => Err(*reason),
        Verdict::Ephemeral(_) => Ok("ephemeral"),
        Verdict::Stored(_) => Ok("stored"),
    }
}

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// The event of a case that gives its large content by a repeated byte instead of its bytes.
fn repeated(case: &Value) -> (SigningKey, EventBuilder) {
    let byte = hex_of(&case["content_repeat"][0])[0];
    let count = case["content_repeat"][1].as_u64().unwrap() as usize;
    let kind = u16::try_from(case["kind"].as_u64().unwrap()).unwrap();
    let seed = hex_of(&case["seed"]).try_into().unwrap();
    let created_at = case["created_at"].as_i64().unwrap();
    (SigningKey::from_bytes(&seed), builder(kind, created_at, &vec![byte; count]))
}

fn sign_as(event: &EventBuilder, key: &SigningKey) -> Vec<u8> {
    let pubkey = PubKey(key.verifying_key().to_bytes());
    event.finish(&pubkey, |id| Signature(key.sign(&id.0).to_bytes())).unwrap().1
}

#[test]
fn every_event_vector_is_accepted_as_received() {
    let file = vectors(include_str!("../../tests/vectors/events.json"));
    let cases = file.as_array().unwrap();
    let authors =
        cases.iter().map(|case| grant(PubKey(hex_of(&case["pubkey"]).try_into().unwrap()), Role::Member));
    let allowlist = Arc::new(Allowlist::new(Rules::default(), authors.collect(), Vec::new()));
    for wire_key in ["wire", "wire_other_key_order"] {
        let gate = Gate::new(Arc::clone(&allowlist), Limits::default(), Vec::new());
        let mut door = Door::new(Arc::new(gate));
        for case in cases {
            let wire = if case[wire_key].is_null() {
                let (key, event) = repeated(case);
                let wire = sign_as(&event, &key);
                assert!(wire.windows(64).any(|bytes| bytes == hex_of(&case["sig"])), "{}", case["name"]);
                wire
            } else {
                hex_of(&case[wire_key])
            };
            let now = case["created_at"].as_i64().unwrap();
            let verdict = judge(&mut door, now, std::slice::from_ref(&wire)).remove(0);
            let envelope = match verdict {
                Verdict::Stored(envelope) if !envelope.kind().is_ephemeral() => envelope,
                Verdict::Ephemeral(envelope) if envelope.kind().is_ephemeral() => envelope,
                other => panic!("{}: {other:?}", case["name"]),
            };
            assert_eq!(envelope.wire(), wire);
            assert_eq!(envelope.id().to_hex(), case["id"].as_str().unwrap());
        }
    }
}

/// The bytes where the event should stand in `[7, {"event": ...}]`: the event if it is a whole
/// value, else everything from there on; `None` if the message does not get that far.
fn event_bytes(message: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    let publish = reader.array_len() == Ok(2)
        && reader.uint() == Ok(7)
        && reader.map_len() == Ok(1)
        && reader.str() == Ok("event");
    if !publish || reader.is_empty() {
        return None;
    }
    let rest = reader.rest();
    let event = reader.skip().ok().filter(|_| reader.is_empty());
    Some(event.unwrap_or(rest))
}

#[test]
fn every_event_of_the_reject_vectors_is_refused_with_its_code() {
    let file = vectors(include_str!("../../tests/vectors/reject.json"));
    let seed: [u8; 32] = hex_of(&file["author_seed"]).try_into().unwrap();
    let author = PubKey(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
    let allowlist = Allowlist::new(Rules::default(), vec![grant(author, Role::Member)], Vec::new());
    let mut door = Door::new(Arc::new(Gate::new(Arc::new(allowlist), Limits::default(), Vec::new())));
    let (mut events, mut with_id) = (0, 0);
    for case in file["cases"].as_array().unwrap() {
        let wire = if case["publish"].is_null() {
            let (key, event) = repeated(case);
            sign_as(&event, &key)
        } else {
            let message = hex_of(&case["publish"]);
            let Some(wire) = event_bytes(&message) else { continue };
            wire.to_vec()
        };
        events += 1;
        match judge(&mut door, NOW, &[wire]).remove(0) {
            Verdict::Refused { id, reason } => {
                assert_eq!(u64::from(reason.code()), case["code"].as_u64().unwrap(), "{}", case["name"]);
                with_id += usize::from(id.is_some());
            }
            other => panic!("{}: {other:?}", case["name"]),
        }
    }
    assert!(events >= 45 && with_id >= 30, "{events} {with_id}");
}

#[test]
fn the_checks_come_in_the_protocols_order() {
    let limits = Limits { content_bytes_max: 10, ..Limits::default() };
    let mut door = Door::new(gate_with(limits));
    let tag = |name: &str| (name.to_owned(), Vec::new());
    let stranger = 99;
    // Each event has one fault fewer than the one before, the earliest one.
    let mut event = builder(3000, NOW + 901, b"longer than ten");
    let mut wire = forge(&event, stranger);
    wire.push(0);
    assert_eq!(judge_one(&mut door, NOW, wire.clone()).unwrap_err().code(), 400);
    wire.pop();
    let too_large = Reason::ContentTooLarge { have: 15, limit: 10 };
    assert_eq!(judge_one(&mut door, NOW, wire), Err(too_large));
    event.content = b"short".to_vec();
    let ahead = Reason::TooFarAhead { ahead_seconds: 901, limit: 900 };
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(ahead));
    event.created_at = NOW - 901;
    let too_old = Reason::TooOld { age_seconds: 901, limit: 900 };
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(too_old));
    event.created_at = NOW;
    event.tags = vec![tag("a"), tag("b")];
    let mut twice = forge(&event, stranger);
    let b = twice.windows(2).position(|pair| pair == [0xa1, b'b']).unwrap();
    twice[b + 1] = b'a';
    assert_eq!(judge_one(&mut door, NOW, twice.clone()), Err(Reason::DuplicateTag));
    twice[b + 1] = b'c';
    assert_eq!(judge_one(&mut door, NOW, twice), Err(Reason::IdMismatch));
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(Reason::AuthorNotAllowed));
    assert_eq!(judge_one(&mut door, NOW, forge(&event, 1)), Err(Reason::BadSignature));
    assert_eq!(judge_one(&mut door, NOW, sign(&event, 1)), Ok("ephemeral"));
    assert_eq!(judge_one(&mut door, NOW, sign(&event, 1)), Err(Reason::Duplicate));
    // A known id is answered before its signature is looked at.
    assert_eq!(judge_one(&mut door, NOW, forge(&event, 1)), Err(Reason::Duplicate));
}

#[test]
fn a_bad_signature_does_not_mark_its_id_as_seen() {
    let mut door = Door::new(gate_with(Limits::default()));
    let event = builder(3000, NOW, b"x");
    let verdicts = judge(&mut door, NOW, &[forge(&event, 1), sign(&event, 1), sign(&event, 1)]);
    assert_eq!(word(&verdicts[0]), Err(Reason::BadSignature));
    assert_eq!(word(&verdicts[1]), Ok("ephemeral"));
    assert_eq!(word(&verdicts[2]), Err(Reason::Duplicate));
}

#[test]
fn copies_of_a_stored_event_both_go_on() {
    let mut door = Door::new(gate_with(Limits::default()));
    let wire = sign(&builder(1000, NOW - 1_000_000, b"old, but stored"), 1);
    let verdicts = judge(&mut door, NOW, &[wire.clone(), wire]);
    assert!(verdicts.iter().all(|verdict| word(verdict) == Ok("stored")));
}

#[test]
fn two_doors_of_one_gate_pass_an_ephemeral_event_once() {
    let gate = gate_with(Limits::default());
    let mut doors = [Door::new(Arc::clone(&gate)), Door::new(gate)];
    let wire = sign(&builder(3999, NOW + 900, b"x"), 2);
    assert_eq!(judge_one(&mut doors[1], NOW, wire.clone()), Ok("ephemeral"));
    assert_eq!(judge_one(&mut doors[0], NOW, wire), Err(Reason::Duplicate));
}

#[test]
fn suspects_and_others_get_their_own_verdicts_in_order() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut wires = Vec::new();
    for i in 0..40u16 {
        let event = builder(if i % 5 == 0 { 3000 } else { 1000 }, NOW, &i.to_be_bytes());
        let n = 1 + (i % 8) as u8;
        wires.push(match i % 7 {
            0 => forge(&event, n),
            1 => vec![0xc0],
            _ => sign(&event, n),
        });
    }
    let arrivals: Vec<_> =
        wires.iter().enumerate().map(|(i, wire)| Arrival { wire, suspect: i % 3 == 0 }).collect();
    let mut verdicts = vec![Verdict::Refused { id: None, reason: Reason::Duplicate }];
    door.judge(&Stopwatch::sampling(Arc::default()), at(NOW), &arrivals, &mut verdicts);
    assert_eq!(verdicts.len(), 40);
    for (i, (verdict, wire)) in verdicts.iter().zip(&wires).enumerate() {
        match (i % 7, verdict) {
            (0, Verdict::Refused { id: Some(_), reason: Reason::BadSignature }) => {}
            (1, Verdict::Refused { id: None, reason: Reason::Malformed { .. } }) => {}
            (2.., Verdict::Ephemeral(envelope)) => assert!(i % 5 == 0 && envelope.wire() == wire),
            (2.., Verdict::Stored(envelope)) => assert!(i % 5 != 0 && envelope.wire() == wire),
            _ => panic!("{i}: {verdict:?}"),
        }
    }
}

#[test]
fn no_cut_or_flipped_byte_is_accepted_or_panics() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut event = builder(1000, NOW, b"content");
    event.tags = vec![("p".to_owned(), vec!["x".to_owned(), String::new()]), ("t".to_owned(), Vec::new())];
    let wire = sign(&event, 1);
    let cuts: Vec<Vec<u8>> = (0..wire.len()).map(|n| wire[..n].to_vec()).collect();
    let flips = (0..wire.len() * 8).map(|bit| {
        let mut flipped = wire.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    let mutants: Vec<Vec<u8>> = cuts.into_iter().chain(flips).collect();
    for batch in mutants.chunks(128) {
        for (verdict, mutant) in judge(&mut door, NOW, batch).iter().zip(batch) {
            assert!(word(verdict).is_err(), "{}", hex::encode(mutant));
        }
    }
    assert_eq!(judge_one(&mut door, NOW, wire), Ok("stored"));
}

#[test]
fn a_hostile_batch_leaves_no_memory_behind() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut event = builder(1000, NOW, b"");
    event.tags = vec![("t".to_owned(), vec![String::new(); 60_000]); 4];
    for (n, tag) in event.tags.iter_mut().enumerate() {
        tag.1[0] = n.to_string();
    }
    assert_eq!(judge(&mut door, NOW, &vec![sign(&event, 1); 8]).len(), 8);
    assert!(door.arena_bytes() < 1 << 20, "{}", door.arena_bytes());
}

#[test]
fn logins_follow_the_vectors() {
    for case in vectors(include_str!("../../tests/vectors/auth.json")).as_array().unwrap() {
        let pubkey = PubKey(hex_of(&case["pubkey"]).try_into().unwrap());
        let nonce: [u8; 32] = hex_of(&case["nonce"]).try_into().unwrap();
        let sig = Signature(hex_of(&case["sig"]).try_into().unwrap());
        let url = case["relay_url"].as_str().unwrap().to_owned();
        let door = |url: &str, allowed: &[PubKey]| {
            let config = allowed.iter().map(|key| grant(*key, Role::Auditor)).collect();
            let urls = vec!["ws://elsewhere".to_owned(), url.to_owned()];
            let allowlist = Arc::new(Allowlist::new(Rules::default(), config, Vec::new()));
            Door::new(Arc::new(Gate::new(allowlist, Limits::default(), urls)))
        };
        let mut open = door(&url, &[pubkey]);
        let login = |door: &mut Door, nonce| door.login(nonce, &pubkey, &sig).map(|seat| seat.pass().role());
        assert_eq!(login(&mut open, &nonce), Ok(Role::Auditor));
        assert_eq!(login(&mut open, &[0; 32]), Err(Reason::BadLogin));
        assert_eq!(login(&mut door("ws://other", &[pubkey]), &nonce), Err(Reason::BadLogin));
        assert_eq!(login(&mut door(&url, &[]), &nonce), Err(Reason::KeyNotAllowed));
        assert_eq!(login(&mut door(&url, &[]), &[0; 32]), Err(Reason::BadLogin));
    }
}

/// Writes down, in order, everything administration does to its neighbours.
#[derive(Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    allowlist: Mutex<Option<Arc<Allowlist>>>,
    fail_writes: bool,
    log_stopped: bool,
}

impl Diary {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn allowed(&self, pubkey: &PubKey) -> bool {
        self.allowlist.lock().unwrap().as_ref().unwrap().role(pubkey).is_some()
    }
}

impl KeyStore for Diary {
    fn keys(&self) -> Result<Vec<KeyRow>, String> {
        Ok(Vec::new())
    }
    fn put_key(&self, row: &KeyRow) -> Result<(), String> {
        if self.fail_writes {
            return Err("disk full".to_owned());
        }
        self.note(format!("row {:?}, allowed before: {}", row.role, self.allowed(&row.pubkey)));
        Ok(())
    }
}

impl Publishers for Diary {
    fn quiesce(&self) {
        self.note(format!("quiesce, key 1 allowed: {}", self.allowed(&pubkey(1))));
    }
    fn keys_changed(&self, changes: &Arc<KeyChanges>) {
        let number = |key: &PubKey| (1..=9).find(|n| pubkey(*n) == *key).unwrap();
        let told = changes.iter().map(|(key, pass)| (number(key), pass.as_ref().map(|pass| pass.role())));
        let told: std::collections::BTreeMap<u8, Option<Role>> = told.collect();
        let told: Vec<String> = told.iter().map(|(n, role)| format!("{n} {role:?}")).collect();
        self.note(format!("changed {}", told.join(", ")));
    }
}

impl CommitSink for Diary {
    fn committed(&self, _: &Arc<CommittedBatch>) {}
}

/// A log whose barrier is noted, and answered from another thread.
struct NotingLog(MemLog, Arc<Diary>);

impl Append for NotingLog {
    fn submit(&self, client: &Arc<dyn LogClient>, batch: Vec<Submission>) {
        self.0.submit(client, batch);
    }
    fn barrier(&self, done: Box<dyn FnOnce() + Send>) {
        let diary = Arc::clone(&self.1);
        std::thread::spawn(move || {
            diary.note("barrier".to_owned());
            if !diary.log_stopped {
                done();
            }
        });
    }
}

fn keys_over(diary: Diary) -> (Keys, Arc<Diary>, Arc<Allowlist>) {
    let config = vec![grant(pubkey(1), Role::Member), grant(pubkey(2), Role::Auditor)];
    let allowlist = Arc::new(Allowlist::new(Rules::default(), config, Vec::new()));
    let diary = Arc::new(diary);
    *diary.allowlist.lock().unwrap() = Some(Arc::clone(&allowlist));
    let log = MemLog::new(LogId([1; 16]), Arc::clone(&diary) as Arc<dyn CommitSink>);
    let log = Arc::new(NotingLog(log, Arc::clone(&diary)));
    let store = Arc::clone(&diary) as Arc<dyn KeyStore>;
    let publishers = Arc::clone(&diary) as Arc<dyn Publishers>;
    (Keys::new(Arc::clone(&allowlist), store, log, publishers), diary, allowlist)
}

#[test]
fn a_removal_is_written_then_in_force_then_settled_then_told() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    assert_eq!(keys.remove(&pubkey(1)), Ok(true));
    assert_eq!(
        diary.take(),
        [
            "row None, allowed before: true",
            "quiesce, key 1 allowed: false",
            "barrier",
            "changed 1 None",
            "quiesce, key 1 allowed: false",
        ]
    );
    assert_eq!(allowlist.role(&pubkey(1)), None);
    assert_eq!(keys.remove(&pubkey(1)), Ok(false));
    assert_eq!(keys.remove(&pubkey(9)), Ok(false));
    assert!(diary.take().is_empty());
}

#[test]
fn an_added_key_is_allowed_and_a_changed_role_is_told() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    keys.add(pubkey(3), Role::Member, "three", KeyOverrides::default()).unwrap();
    assert_eq!(diary.take(), ["row Some(Member), allowed before: false", "changed 3 Some(Member)"]);
    keys.add(pubkey(3), Role::Member, "drei", KeyOverrides::default()).unwrap();
    assert_eq!(diary.take(), ["row Some(Member), allowed before: true"]);
    keys.add(pubkey(2), Role::Admin, "two", KeyOverrides::default()).unwrap();
    let told = ["row Some(Admin), allowed before: true", "changed 2 Some(Admin)"];
    assert_eq!(diary.take(), [&told[..], &["quiesce, key 1 allowed: true"]].concat(), "and it has arrived");
    let list = keys.list();
    assert!(list.is_sorted_by_key(|entry| entry.pubkey) && list.len() == allowlist.len());
    let three = list.iter().find(|entry| entry.pubkey == pubkey(3)).unwrap();
    assert_eq!((three.name.as_str(), three.source), ("drei", Source::Database));
    let one = list.iter().find(|entry| entry.pubkey == pubkey(1)).unwrap();
    assert_eq!((one.role, one.source), (Role::Member, Source::Config));
}

#[test]
fn a_failed_write_changes_nothing() {
    let (keys, diary, allowlist) = keys_over(Diary { fail_writes: true, ..Diary::default() });
    let failed = Err(KeysError::Store("disk full".to_owned()));
    assert_eq!(keys.remove(&pubkey(1)).map(|_| ()), failed);
    assert_eq!(keys.add(pubkey(3), Role::Member, "", KeyOverrides::default()), failed);
    assert_eq!(
        keys.add(pubkey(3), Role::Member, &"x".repeat(257), KeyOverrides::default()),
        Err(KeysError::NameTooLong { have: 257 })
    );
    assert!(diary.take().is_empty());
    assert!(allowlist.role(&pubkey(1)).is_some() && allowlist.role(&pubkey(3)).is_none());
}

#[test]
fn a_log_that_stops_is_reported_and_the_key_is_out_nevertheless() {
    let (keys, diary, allowlist) = keys_over(Diary { log_stopped: true, ..Diary::default() });
    assert_eq!(keys.remove(&pubkey(1)), Err(KeysError::LogStopped));
    assert!(diary.take().contains(&"changed 1 None".to_owned()));
    assert_eq!(allowlist.role(&pubkey(1)), None);
}

#[test]
fn a_removal_in_the_database_wins_over_the_file() {
    let removal =
        KeyRow { pubkey: pubkey(1), role: None, name: String::new(), limits: KeyOverrides::default() };
    let config = vec![grant(pubkey(1), Role::Member), grant(pubkey(2), Role::Member)];
    let allowlist = Allowlist::new(Rules::default(), config, vec![removal]);
    assert_eq!(allowlist.role(&pubkey(1)), None);
    assert_eq!(allowlist.role(&pubkey(2)), Some(Role::Member));
}

#[test]
fn a_removed_author_is_refused_from_the_next_batch_on() {
    let (keys, _, allowlist) = keys_over(Diary::default());
    let mut door = Door::new(Arc::new(Gate::new(allowlist, Limits::default(), Vec::new())));
    let wire = sign(&builder(1000, NOW, b"x"), 1);
    assert_eq!(judge_one(&mut door, NOW, wire.clone()), Ok("stored"));
    keys.remove(&pubkey(1)).unwrap();
    assert_eq!(judge_one(&mut door, NOW, wire.clone()), Err(Reason::AuthorNotAllowed));
    let id = match judge(&mut door, NOW, std::slice::from_ref(&wire)).remove(0) {
        Verdict::Refused { id, .. } => id,
        other => panic!("{other:?}"),
    };
    assert!(id.is_some_and(|EventId(id)| wire.windows(32).any(|bytes| bytes == id)));
}

/// Rules under which members have these limits.
fn members_may(limits: &[(KeyLimit, u64)]) -> Rules {
    let mut rules = Rules::default();
    limits.iter().for_each(|(limit, value)| rules.of_mut(Role::Member).limits.set(*limit, *value));
    rules
}

fn member(n: u8) -> Grant {
    grant(pubkey(n), Role::Member)
}

#[test]
fn a_role_signs_its_kinds_and_no_other() {
    let mut rules = Rules::default();
    rules.of_mut(Role::Agent).kinds = Arc::from([(0, 999), (2000, 2000)]);
    let config = vec![grant(pubkey(1), Role::Agent), member(2)];
    let allowlist = Arc::new(Allowlist::new(rules, config, Vec::new()));
    let mut door = Door::new(Arc::new(Gate::new(allowlist, Limits::default(), Vec::new())));
    let mut said = |kind, n| judge_one(&mut door, NOW, sign(&builder(kind, NOW, b"x"), n));
    assert_eq!((said(999, 1), said(2000, 1)), (Ok("stored"), Ok("stored")));
    assert_eq!(said(1000, 1), Err(Reason::KindNotAllowed { kind: 1000 }));
    assert_eq!(Reason::KindNotAllowed { kind: 1000 }.code(), 403);
    assert_eq!(said(1000, 2), Ok("stored"));
}

#[test]
fn all_doors_and_seats_of_a_key_share_its_budget_and_bytes_that_do_not_fit_cost_no_publish() {
    let rules = members_may(&[(KeyLimit::PublishesPerSecond, 3), (KeyLimit::BytesPerSecond, 1_000)]);
    let allowlist = Allowlist::new(rules, vec![member(1), member(2)], Vec::new());
    let passes = [allowlist.pass(&pubkey(1)).unwrap(), allowlist.pass(&pubkey(1)).unwrap()];
    assert_eq!(passes[0].charge_publish(0, 400), Ok(()));
    assert_eq!(passes[1].charge_publish(0, 400), Ok(()));
    let over = Reason::OverRate { limit: KeyLimit::BytesPerSecond, value: 1_000, retry_ms: 200 };
    assert_eq!(passes[0].charge_publish(0, 400), Err(over));
    assert_eq!(passes[0].charge_publish(0, 200), Ok(()), "the publish was given back");
    let over = Reason::OverRate { limit: KeyLimit::PublishesPerSecond, value: 3, retry_ms: 334 };
    assert_eq!(passes[1].charge_publish(0, 0), Err(over));
    assert_eq!(over.code(), 429);
    let text = over.to_string();
    assert!(["publishes_per_s", "3", "334 ms"].iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(allowlist.pass(&pubkey(2)).unwrap().charge_publish(0, 1_000), Ok(()));
}

#[test]
fn a_changed_entry_goes_on_with_what_was_used() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    let mut overrides = KeyOverrides::default();
    overrides.set(KeyLimit::PublishesPerSecond, 2);
    keys.add(pubkey(1), Role::Member, "", overrides).unwrap();
    assert_eq!(diary.take()[1], "changed 1 Some(Member)", "new limits are told");
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    assert!((0..2).all(|_| pass.charge_publish(0, 1).is_ok()));
    keys.add(pubkey(1), Role::Auditor, "", overrides).unwrap();
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    assert_eq!(pass.role(), Role::Auditor);
    assert!(pass.charge_publish(0, 1).is_err());
    keys.add(pubkey(1), Role::Auditor, "", KeyOverrides::default()).unwrap();
    assert!(allowlist.pass(&pubkey(1)).unwrap().charge_publish(0, 1).is_ok());
    let listed = keys.list();
    let one = listed.iter().find(|entry| entry.pubkey == pubkey(1)).unwrap();
    assert_eq!(one.limits, KeyOverrides::default());
}

/// Every connection is looked at once, however many keys have a role whose limits are changed.
#[test]
fn what_a_configuration_changes_is_told_at_once_for_all_keys() {
    let (keys, diary, _) = keys_over(Diary::default());
    let config = vec![member(1), member(2), member(3)];
    let changes = keys.replace_grants(members_may(&[(KeyLimit::PublishesPerSecond, 2)]), config).unwrap();
    assert_eq!(changes, GrantChanges { added: 1, changed: 2, removed: 0 });
    let told = ["changed 1 Some(Member), 2 Some(Member)", "quiesce, key 1 allowed: true"];
    assert_eq!(diary.take(), told);
    let changes = keys.replace_grants(Rules::default(), vec![member(3)]).unwrap();
    assert_eq!(changes, GrantChanges { added: 0, changed: 1, removed: 2 });
    let quiesce = "quiesce, key 1 allowed: false";
    let told = ["changed 3 Some(Member)", quiesce, quiesce, "barrier", "changed 1 None, 2 None", quiesce];
    assert_eq!(diary.take(), told);
}

#[test]
fn connections_and_subscriptions_of_a_key_are_counted_over_all_seats() {
    let rules = members_may(&[(KeyLimit::Connections, 2), (KeyLimit::Subscriptions, 3)]);
    let allowlist = Allowlist::new(rules, vec![member(1)], Vec::new());
    let seat = || Seat::take(allowlist.pass(&pubkey(1)).unwrap());
    let (mut first, mut second) = (seat().unwrap(), seat().unwrap());
    assert_eq!(seat().err(), Some(Reason::KeyConnections { limit: 2 }));
    assert!(first.open_subscription().is_ok() && second.open_subscription().is_ok());
    assert!(second.open_subscription().is_ok());
    assert_eq!(first.open_subscription().unwrap_err().code(), 400);
    first.close_subscription();
    assert!(first.open_subscription().is_err());
    first.close_subscription();
    drop(second);
    let mut third = seat().unwrap();
    assert!(third.open_subscription().is_ok() && third.open_subscription().is_ok());
    assert!(third.open_subscription().is_err());
}

#[test]
fn a_reader_in_debt_waits_and_a_look_that_finds_nothing_is_counted_too() {
    let rules = members_may(&[(KeyLimit::ReplayBytesPerSecond, 8_192)]);
    let allowlist = Allowlist::new(rules, vec![member(1)], Vec::new());
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    pass.charge_replay(0, 0);
    pass.charge_replay(0, 0);
    assert!(pass.may_replay(0));
    pass.charge_replay(0, 100_000);
    assert!(!pass.may_replay(12_000_000_000) && pass.may_replay(13_000_000_000));
}

/// An answer of key `n` in a thread.
fn answer(kind: u16, n: u8, thread: u8, content: usize) -> Vec<u8> {
    let root = EventId([thread; 32]).to_hex();
    let tags = vec![("e".to_owned(), vec![root, "root".to_owned()])];
    sign(&EventBuilder { tags, ..builder(kind, NOW, content.to_string().as_bytes()) }, n)
}

#[test]
fn a_storm_in_a_thread_is_broken_and_nothing_else() {
    let rules = members_may(&[(KeyLimit::ThreadPublishesPerMinute, 60)]);
    let config = vec![member(1), member(2), grant(pubkey(3), Role::Admin)];
    let allowlist = Arc::new(Allowlist::new(rules, config, Vec::new()));
    let gate = Arc::new(Gate::new(allowlist, Limits::default(), Vec::new()));
    let mut doors = [Door::new(Arc::clone(&gate)), Door::new(gate)];
    // Forged answers do not count against their author.
    let mut forged = answer(1000, 1, 1, 0);
    let at = forged.windows(4).position(|bytes| bytes == b"\xa3sig").unwrap();
    forged[at + 10] ^= 1;
    assert!((0..100).all(|_| judge_one(&mut doors[0], NOW, forged.clone()) == Err(Reason::BadSignature)));
    let mut passed = |n, thread, kind| {
        let said = (0..40).map(|i| judge_one(&mut doors[i % 2], NOW, answer(kind, n, thread, i)));
        said.filter(Result::is_ok).count()
    };
    assert_eq!(passed(1, 1, 1000), 30);
    assert_eq!(passed(1, 1, 3000), 0, "ephemeral kinds are answers, too");
    assert_eq!((passed(1, 2, 3000), passed(2, 1, 1000), passed(3, 1, 1000)), (30, 30, 40));
    let storm = judge_one(&mut doors[0], NOW, answer(3000, 1, 1, 99)).unwrap_err();
    assert_eq!(storm, Reason::ThreadStorm { value: 60, retry_ms: 1_000 });
    // What was refused was not marked as seen: it passes later.
    let later = Now { ms: crate::base::Millis(1_000), unix_seconds: NOW, ..Now::default() };
    let mut verdicts = Vec::new();
    let wire = answer(3000, 1, 1, 99);
    let arrivals = [Arrival { wire: &wire, suspect: false }];
    doors[1].judge(&Stopwatch::sampling(Arc::default()), later, &arrivals, &mut verdicts);
    assert_eq!(word(&verdicts[0]), Ok("ephemeral"));
    let (first, other) = (builder(1000, NOW, b"first of a thread"), answer(1000, 2, 9, 0));
    assert!(judge_one(&mut doors[0], NOW, sign(&first, 1)).is_ok());
    assert!(judge_one(&mut doors[0], NOW, other).is_ok());
}
