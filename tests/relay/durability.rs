//! Protocol §7 and §9: what Ok means, and what is never written.

use super::harness::*;
use axon::event::EventView;
use axon::filter::Filter;
use bumpalo::Bump;
use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;
use std::thread;

/// Kill −9 in mid-load, again and again: whatever was answered is there, once, in its order,
/// and every index finds it.
#[test]
fn every_answered_event_survives_kill_9() {
    for setup in [Setup::new(1..=4), Setup::new(1..=4).fsync()] {
        let mut relay = setup.start();
        let mut answered: Vec<HashSet<String>> = vec![HashSet::new(); 4];
        for round in 0..4u64 {
            let results: Vec<HashSet<String>> = thread::scope(|scope| {
                let publishers: Vec<_> = (1..=3u8)
                    .map(|p| {
                        let mut client = relay.client(&key(p));
                        scope.spawn(move || publish_until_killed(&mut client, p, round))
                    })
                    .collect();
                // The kill comes while thousands of publishes are under way.
                let mut watcher = relay.client(&key(4));
                let position = answered.iter().map(HashSet::len).sum::<usize>() as u64;
                watcher.subscribe("w", Filter { after: Some(position), ..Filter::default() });
                let mut seen = 0;
                while seen < 700 {
                    seen += usize::from(matches!(watcher.recv(), Received::Event { .. }));
                }
                relay.crash_and_restart();
                publishers.into_iter().map(|p| p.join().expect("a publisher")).collect()
            });
            for (p, ids) in results.into_iter().enumerate() {
                answered[p].extend(ids);
            }
            check(&relay, &answered);
        }
    }
}

fn publish_until_killed(client: &mut Client, p: u8, round: u64) -> HashSet<String> {
    let mut sender = client.sender();
    let mut answered = HashSet::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0u64.. {
                let content = [round.to_be_bytes(), n.to_be_bytes()].concat();
                let wire = event(&key(p), 1000 + u16::from(p), &content, &[("t", &["x"])]).1;
                if sender.write_all(&raw_publish(&wire)).is_err() {
                    break;
                }
            }
        });
        while let Received::Ok(id) = client.recv() {
            answered.insert(id);
        }
    });
    answered
}

fn check(relay: &Relay, answered: &[HashSet<String>]) {
    let mut reader = relay.client(&key(4));
    let arena = Bump::new();
    let (log, _) = reader.stored("log", Filter { after: Some(0), ..Filter::default() });
    let mut ids = HashSet::new();
    for (n, (wire, seq)) in log.iter().enumerate() {
        assert_eq!(seq.map(|s| s.0), Some(n as u64 + 1), "positions have no gap");
        let view = EventView::parse(wire, &arena).expect("a whole event");
        assert!(ids.insert(view.id.to_hex()), "stored twice");
    }
    for (p, answered) in answered.iter().enumerate() {
        assert!(answered.is_subset(&ids), "an answered event of publisher {} is missing", p + 1);
        let author = Filter { authors: vec![pubkey(&key(p as u8 + 1))], ..Filter::default() };
        let kind = Filter { kinds: vec![1001 + p as u16], ..Filter::default() };
        let by_author = reader.stored("author", author).0;
        let by_kind = reader.stored("kind", kind).0;
        assert_eq!(by_author, by_kind, "both indexes are complete");
        assert!(by_author.len() >= answered.len());
    }
    let tag = axon::filter::TagFilter { name: "t".to_owned(), values: vec!["x".to_owned()] };
    let by_tag = reader.stored("tag", Filter { tags: vec![tag], ..Filter::default() }).0;
    assert_eq!(by_tag.len(), log.len());
}

#[test]
fn a_restart_keeps_the_log_and_its_name() {
    let mut relay = Setup::new(1..=2).fsync().start();
    let mut client = relay.client(&key(1));
    let first = event(&key(1), 1000, b"before", &[]);
    client.publish_ok(&first);
    let (_, end) = client.stored("s", Filter { after: Some(0), ..Filter::default() });
    let Received::Eose { position: Some((head, log)), .. } = end else { panic!("{end:?}") };
    relay.crash_and_restart();
    let mut client = relay.client(&key(1));
    client.publish(&first.1);
    assert!(matches!(client.recv(), Received::Error(409, _)));
    client.publish_ok(&event(&key(1), 1000, b"after", &[]));
    let resumed = Filter { after: Some(head.0), log: Some(log), ..Filter::default() };
    let (events, _) = client.stored("s", resumed);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1.map(|s| s.0), Some(head.0 + 1));
}

#[test]
fn ephemeral_events_are_written_nowhere() {
    const MARK: &[u8] = b"never-on-any-disk-4711";
    let mut relay = Setup::new(1..=2).fsync().start();
    let mut reader = relay.client(&key(2));
    let (stored, _) = reader.stored("s", Filter::default());
    assert!(stored.is_empty());
    let mut client = relay.client(&key(1));
    for n in 0..200u32 {
        let content = [MARK, &n.to_be_bytes()].concat();
        client.publish_ok(&event(
            &key(1),
            3000 + (n % 1000) as u16,
            &content,
            &[("t", &["never-on-any-disk-tag"])],
        ));
        client.publish_ok(&event(&key(1), 1000, &n.to_be_bytes(), &[("t", &["stored-mark"])]));
    }
    for _ in 0..400 {
        assert!(matches!(reader.recv(), Received::Event { .. }));
    }
    assert_eq!(relay.terminate(), Some(0));
    let mut found = 0;
    search(&relay.data_dir(), &mut |path, bytes| {
        assert!(!contains(bytes, b"never-on-any-disk"), "an ephemeral event lies in {}", path.display());
        found += usize::from(contains(bytes, b"stored-mark"));
    });
    assert!(found > 0, "the search finds what was stored, so it would find what must not be");
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|w| w == text)
}

fn search(dir: &Path, on: &mut impl FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, on);
        } else if path.is_file() {
            on(&path, &std::fs::read(&path).expect("a file"));
        }
    }
}
