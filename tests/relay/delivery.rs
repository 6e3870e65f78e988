//! Protocol §4 to §6 and §8: who gets what, in which order, how often.

use super::harness::*;
use axon::base::{Kind, Seq};
use axon::event::EventView;
use axon::filter::{Filter, TagFilter};
use bumpalo::Bump;
use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn kinds(kinds: &[u16]) -> Filter {
    Filter { kinds: kinds.to_vec(), ..Filter::default() }
}

fn after(filter: Filter, seq: u64) -> Filter {
    Filter { after: Some(seq), ..filter }
}

#[test]
fn several_publishers_at_full_speed_and_everyone_sees_one_order_exactly_once() {
    const PUBLISHERS: u8 = 4;
    const EVENTS: usize = 3_000;
    let relay = Setup::new(1..=8).start();
    let total = usize::from(PUBLISHERS) * EVENTS;
    let histories: Vec<Vec<(Vec<u8>, Seq)>> = thread::scope(|scope| {
        for p in 1..=PUBLISHERS {
            let mut client = relay.client(&key(p));
            scope.spawn(move || {
                let expect_ok = |client: &mut Client| assert!(matches!(client.recv(), Received::Ok(_)));
                for n in 0..EVENTS {
                    client.publish(&event(&key(p), 1000, format!("{p}/{n}").as_bytes(), &[]).1);
                    if n >= 64 {
                        expect_ok(&mut client);
                    }
                }
                (0..64).for_each(|_| expect_ok(&mut client));
            });
        }
        // Readers come while it goes on; one of them leaves in the middle and resumes twice.
        let readers: Vec<_> = (0..4u64)
            .map(|r| {
                let relay = &relay;
                scope.spawn(move || {
                    let mut history: Vec<(Vec<u8>, Seq)> = Vec::new();
                    let pauses = if r == 3 { vec![total / 3, total / 2, total] } else { vec![total] };
                    for pause in pauses {
                        let mut client = relay.client(&key(5 + r as u8));
                        let position = history.last().map_or(0, |(_, seq)| seq.0);
                        client.subscribe("s", after(kinds(&[1000]), position));
                        while history.len() < pause {
                            match client.recv() {
                                Received::Event { wire, seq, .. } => {
                                    history.push((wire, seq.expect("a seq")))
                                }
                                Received::Eose { .. } => {}
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                    history
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader")).collect()
    });
    for history in &histories {
        assert_eq!(history.len(), total);
        let seqs: Vec<u64> = history.iter().map(|(_, seq)| seq.0).collect();
        assert_eq!(seqs, (1..=total as u64).collect::<Vec<_>>());
        assert_eq!(history, &histories[0]);
    }
    // Events of one connection have ascending positions in the order sent.
    let arena = Bump::new();
    let mut last: HashMap<u8, usize> = HashMap::new();
    for (wire, _) in &histories[0] {
        let content = EventView::parse(wire, &arena).expect("an event").content;
        let text = String::from_utf8(content.to_vec()).expect("text");
        let (p, n) = text.split_once('/').expect("publisher/number");
        let (p, n) = (p.parse().expect("a number"), n.parse::<usize>().expect("a number"));
        assert_eq!(last.insert(p, n).map_or(0, |before| before + 1), n, "publisher {p}");
    }
}

#[test]
fn an_event_sent_over_two_connections_at_once_is_stored_once() {
    let relay = Setup::new(1..=3).start();
    let events: Vec<_> = (0..500).map(|n| event(&key(1), 1000, format!("{n}").as_bytes(), &[])).collect();
    let answers: Vec<Vec<Received>> = thread::scope(|scope| {
        let senders: Vec<_> = (1..=2)
            .map(|p| {
                let (relay, events) = (&relay, &events);
                scope.spawn(move || {
                    let mut client = relay.client(&key(p));
                    events.iter().for_each(|e| client.publish(&e.1));
                    events.iter().map(|_| client.recv()).collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().map(|s| s.join().expect("a sender")).collect()
    });
    for (i, (id, _)) in events.iter().enumerate() {
        let ok = Received::Ok(id.to_hex());
        let duplicate = Received::Error(409, format!("{id}: duplicate"));
        let mut pair = [&answers[0][i], &answers[1][i]];
        pair.sort_by_key(|a| matches!(a, Received::Error(..)));
        assert_eq!(pair, [&ok, &duplicate], "event {i}");
    }
    let (stored, _) = relay.client(&key(3)).stored("all", Filter::default());
    assert_eq!(stored.len(), events.len());
}

#[test]
fn an_ephemeral_event_is_forwarded_once_whatever_shard_it_comes_from() {
    let relay = Setup::new(1..=5).start();
    let mut readers: Vec<Client> = (3..=5).map(|n| relay.client(&key(n))).collect();
    for reader in &mut readers {
        let (stored, _) = reader.stored("s", kinds(&[3000]));
        assert!(stored.is_empty());
    }
    let mut publishers = [relay.client(&key(1)), relay.client(&key(2))];
    let events: Vec<_> = (0..200).map(|n| event(&key(1), 3000, format!("{n}").as_bytes(), &[])).collect();
    for e in &events {
        publishers.iter_mut().for_each(|p| p.publish(&e.1));
    }
    let mut codes: HashMap<String, (u32, u32)> = HashMap::new();
    for publisher in &mut publishers {
        for _ in &events {
            match publisher.recv() {
                Received::Ok(id) => codes.entry(id).or_default().0 += 1,
                Received::Error(409, text) => codes.entry(text[..64].to_owned()).or_default().1 += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(codes.len() == events.len() && codes.values().all(|c| *c == (1, 1)));
    let sent: HashSet<&[u8]> = events.iter().map(|e| &e.1[..]).collect();
    for reader in &mut readers {
        let mut got = HashSet::new();
        for _ in &events {
            let Received::Event { wire, seq: None, .. } = reader.recv() else { panic!("no event") };
            assert!(sent.contains(&wire[..]) && got.insert(wire));
        }
        reader.settle();
    }
}

#[test]
fn replies_come_in_the_order_of_the_publishes_though_ephemerals_overtake() {
    let relay = Setup::new(1..=2).fsync().start();
    let mut reader = relay.client(&key(2));
    let (stored, _) = reader.stored("s", Filter::default());
    assert!(stored.is_empty());
    let mut client = relay.client(&key(1));
    let mut expected = Vec::new();
    let mut order = Vec::new();
    for n in 0..300u32 {
        let content = n.to_be_bytes();
        match n % 5 {
            0 => {
                client.send(&frame(1, b"text"));
                expected.push("400".to_owned());
            }
            4 => {
                let (id, mut wire) = event(&key(1), 1000, &content, &[]);
                let at = wire.windows(4).position(|w| w == content).expect("the content");
                wire[at] ^= 1;
                client.publish(&wire);
                expected.push(format!("400 {id}"));
            }
            k => {
                let (id, wire) = event(&key(1), if k == 1 { 3000 } else { 1000 }, &content, &[]);
                client.publish(&wire);
                expected.push(format!("ok {id}"));
                order.push((k == 1, wire));
            }
        }
    }
    let answers: Vec<String> = expected
        .iter()
        .map(|_| match client.recv() {
            Received::Ok(id) => format!("ok {id}"),
            Received::Error(400, text) if text.starts_with("text frame") => "400".to_owned(),
            Received::Error(400, text) => format!("400 {}", &text[..64]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, expected);
    let mut got = Vec::new();
    for _ in &order {
        let Received::Event { wire, .. } = reader.recv() else { panic!("no event") };
        got.push(wire);
    }
    for ephemeral in [true, false] {
        let sent: Vec<&Vec<u8>> = order.iter().filter(|(e, _)| *e == ephemeral).map(|(_, w)| w).collect();
        let got: Vec<&Vec<u8>> = got.iter().filter(|w| sent.contains(w)).collect();
        assert_eq!(got, sent, "ephemeral: {ephemeral}");
    }
}

/// One gigabyte goes past readers that take nothing; then they read on, and miss nothing.
#[test]
fn a_stalled_reader_costs_no_memory_and_gets_every_event_once_it_reads() {
    const CONTENT: usize = 60_000;
    const EVENTS: usize = (1 << 30) / CONTENT;
    let relay = Setup::new(1..=4).start();
    let mut stalled: Vec<Client> = [2, 3].map(|n| relay.client(&key(n))).into();
    for client in &mut stalled {
        client.subscribe("s", after(kinds(&[1000]), 0));
        assert!(matches!(client.recv(), Received::Eose { .. }));
    }
    let mut publisher = relay.client(&key(1));
    let mut content = vec![0; CONTENT];
    let mut sent = Vec::new();
    let mut publish = |n: usize, publisher: &mut Client| {
        // Not compressible, so that the bytes really pass.
        let mut state = n as u64 + 1;
        for chunk in content.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&state.to_be_bytes());
        }
        let (id, wire) = event(&key(1), 1000, &content, &[]);
        publisher.publish(&wire);
        sent.push(id);
    };
    // A tenth first, so that caches and memtables have their size.
    let mut warm = 0;
    for n in 0..EVENTS {
        publish(n, &mut publisher);
        if n >= 16 {
            assert!(matches!(publisher.recv(), Received::Ok(_)));
        }
        if n == EVENTS / 2 {
            warm = relay.memory();
        }
    }
    (0..16).for_each(|_| assert!(matches!(publisher.recv(), Received::Ok(_))));
    let grown = relay.memory().saturating_sub(warm);
    assert!(grown < 64 << 20, "memory grew by {grown} bytes while 512 MiB passed two stalled readers");
    for client in &mut stalled {
        for (n, id) in sent.iter().enumerate() {
            match client.recv() {
                Received::Event { wire, seq, .. } => {
                    let arena = Bump::new();
                    let event = EventView::parse(&wire, &arena).expect("an event");
                    assert_eq!((event.id, seq), (*id, Some(Seq(n as u64 + 1))), "event {n}");
                }
                other => panic!("event {n}: {other:?}"),
            }
        }
        client.settle();
    }
}

#[test]
fn a_stalled_reader_does_not_hold_up_others() {
    let relay = Setup::new(1..=3).start();
    let mut stalled = relay.client(&key(2));
    stalled.subscribe("s", kinds(&[1000]));
    let mut reader = relay.client(&key(3));
    let (stored, _) = reader.stored("s", kinds(&[1000]));
    assert!(stored.is_empty());
    let mut publisher = relay.client(&key(1));
    for n in 0..2_000u32 {
        let content = [n.to_be_bytes().as_slice(), &[7; 20_000]].concat();
        let (_, wire) = event(&key(1), 1000, &content, &[]);
        publisher.publish(&wire);
        assert!(matches!(publisher.recv(), Received::Ok(_)));
        let Received::Event { wire: got, .. } = reader.recv() else { panic!("no event {n}") };
        assert!(got == wire, "event {n}");
    }
}

#[test]
fn a_removed_key_is_gone_when_the_command_returns() {
    let relay = Setup::new(1..=3).fsync().start();
    let mut reader = relay.client(&key(2));
    reader.subscribe("s", after(Filter::default(), 0));
    assert!(matches!(reader.recv(), Received::Eose { .. }));
    let mut client = relay.client(&key(1));
    let stop = AtomicBool::new(false);
    let (oks, removed) = thread::scope(|scope| {
        let mut sender = client.sender();
        let stop = &stop;
        scope.spawn(move || {
            for n in 0u64.. {
                let publish = raw_publish(&event(&key(1), 1000, &n.to_be_bytes(), &[]).1);
                if stop.load(Ordering::Relaxed) || sender.write_all(&publish).is_err() {
                    break;
                }
            }
        });
        for _ in 0..50 {
            assert!(matches!(client.recv(), Received::Ok(_)));
        }
        let out = relay.axon(&["allow", "remove", &pubkey(&key(1)).to_hex()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        // What is published now comes behind the removal.
        let marker = event(&key(3), 1000, b"marker", &[]);
        relay.client(&key(3)).publish_ok(&marker);
        let mut oks = 50;
        let removed = loop {
            match client.recv() {
                Received::Ok(_) => oks += 1,
                Received::Error(403, _) => {}
                Received::Close(_) => break true,
                other => panic!("{other:?}"),
            }
        };
        stop.store(true, Ordering::Relaxed);
        (oks, removed)
    });
    assert!(removed);
    let mut authors = Vec::new();
    loop {
        let Received::Event { wire, .. } = reader.recv() else { panic!("no event") };
        let arena = Bump::new();
        let event = EventView::parse(&wire, &arena).expect("an event");
        if event.content == b"marker" {
            break;
        }
        authors.push(event.pubkey);
    }
    assert_eq!(
        authors.len(),
        oks,
        "every committed event was answered, every answered one is before the marker"
    );
    reader.settle();
    let mut again = Client::upgrade(&relay.address());
    again.login(&key(1), "ws://test");
    assert!(matches!(again.recv(), Received::Error(401, _)));
}

#[test]
fn private_kinds_reach_their_author_their_recipients_and_auditors_only() {
    let auditor = key(9);
    let relay = Setup::new(1..=3).allow(&auditor, "auditor").start();
    let mut author = relay.client(&key(1));
    let recipient = pubkey(&key(2)).to_hex();
    let private = event(&key(1), 2000, b"secret", &[("p", &[&recipient])]);
    let public = event(&key(1), 1000, b"public", &[]);
    let mut live: Vec<Client> = [&key(1), &key(2), &key(3), &auditor].map(|k| relay.client(k)).into();
    for client in &mut live {
        let (stored, _) = client.stored("live", Filter::default());
        assert!(stored.is_empty());
    }
    author.publish_ok(&private);
    author.publish_ok(&public);
    let sees = [true, true, false, true];
    for (client, sees) in live.iter_mut().zip(sees) {
        let Received::Event { wire, .. } = client.recv() else { panic!("no event") };
        assert_eq!(wire, if sees { &private.1 } else { &public.1 }[..]);
    }
    for (who, sees) in [&key(1), &key(2), &key(3), &auditor].into_iter().zip(sees) {
        let expected = if sees { 2 } else { 1 };
        for filter in [
            Filter::default(),
            kinds(&[1000, 2000]),
            Filter { limit: Some(2), ..Filter::default() },
            Filter { authors: vec![pubkey(&key(1))], ..Filter::default() },
        ] {
            let (stored, _) = relay.client(who).stored("stored", filter.clone());
            assert_eq!(stored.len(), expected, "{filter:?}");
        }
        let by_tag = Filter {
            tags: vec![TagFilter { name: "p".to_owned(), values: vec![recipient.clone()] }],
            ..Filter::default()
        };
        assert_eq!(relay.client(who).stored("tag", by_tag).0.len(), usize::from(sees));
    }
    assert!(Kind(2000).is_private());
}

#[test]
fn pages_of_the_log_leave_no_gap() {
    let relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let events: Vec<_> = (0..25u8).map(|n| event(&key(1), 1000 + u16::from(n % 2), &[n], &[])).collect();
    events.iter().for_each(|e| publisher.publish_ok(e));
    let mut reader = relay.client(&key(2));
    let (mut position, mut got) = (0, Vec::new());
    let log = loop {
        let filter = Filter { limit: Some(5), ..after(kinds(&[1000]), position) };
        let (page, end) = reader.stored("page", filter);
        got.extend(page.into_iter().map(|(wire, _)| wire));
        match end {
            Received::Eose { more, position: Some((seq, log)), .. } => {
                position = seq.0;
                if !more {
                    break log;
                }
            }
            other => panic!("{other:?}"),
        }
    };
    let expected: Vec<_> = events.iter().step_by(2).map(|e| e.1.clone()).collect();
    assert!(got == expected, "{} of {} events", got.len(), expected.len());
    assert_eq!(position, 25, "the last page covers the log to its head");
    reader.subscribe("beyond", after(Filter::default(), 26));
    assert!(matches!(reader.recv(), Received::Error(400, text) if text.starts_with("sub beyond: ")));
    let mut other = log;
    other.0[0] ^= 1;
    reader.subscribe("other", Filter { log: Some(other), ..after(Filter::default(), 1) });
    assert!(matches!(reader.recv(), Received::Error(400, text) if text.starts_with("sub other: ")));
    let (rest, _) = reader.stored("same", Filter { log: Some(log), ..after(Filter::default(), 24) });
    assert_eq!(rest.len(), 1);
}

#[test]
fn a_subscribe_with_an_open_sub_id_replaces_it() {
    let relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let mut reader = relay.client(&key(2));
    assert!(reader.stored("s", kinds(&[1000])).0.is_empty());
    assert!(reader.stored("other", kinds(&[1002])).0.is_empty());
    let old = event(&key(1), 1000, b"for the old filter", &[]);
    let new = event(&key(1), 1001, b"for the new filter", &[]);
    publisher.publish_ok(&old);
    publisher.publish_ok(&new);
    assert!(matches!(reader.recv(), Received::Event { wire, .. } if wire == old.1));
    let (stored, end) = reader.stored("s", kinds(&[1001]));
    assert_eq!(stored, [(new.1, None)]);
    assert!(matches!(end, Received::Eose { sub_id, .. } if sub_id == "s"));
    for kind in [1000, 1001, 1002] {
        publisher.publish_ok(&event(&key(1), kind, b"live", &[]));
    }
    let got: Vec<String> = (0..2)
        .map(|_| match reader.recv() {
            Received::Event { sub_id, .. } => sub_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(got, ["s", "other"], "the old filter is gone, the other subscription untouched");
    reader.settle();
    assert_eq!(relay.metric("axon_subscriptions"), 2.0);
}

#[test]
fn unsubscribing_ends_deliveries_and_of_an_unknown_id_is_no_error() {
    let relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let mut reader = relay.client(&key(2));
    reader.unsubscribe("unknown");
    assert!(reader.stored("ends", kinds(&[1000])).0.is_empty());
    assert!(reader.stored("stays", kinds(&[1000])).0.is_empty());
    reader.unsubscribe("ends");
    reader.unsubscribe("ends");
    reader.settle();
    publisher.publish_ok(&event(&key(1), 1000, b"live", &[]));
    assert!(matches!(reader.recv(), Received::Event { sub_id, .. } if sub_id == "stays"));
    reader.unsubscribe("stays");
    reader.settle();
    publisher.publish_ok(&event(&key(1), 1000, b"nobody's", &[]));
    // It may subscribe again, and gets what it did not see as stored events.
    let (stored, _) = reader.stored("ends", kinds(&[1000]));
    assert_eq!(stored.len(), 2);
    reader.settle();
}

#[test]
fn limit_gives_the_last_ones_in_ascending_order_and_does_not_bind_the_live_phase() {
    let relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let events: Vec<_> = (0..40u8).map(|n| event(&key(1), 1000 + u16::from(n % 2), &[n], &[])).collect();
    events.iter().for_each(|e| publisher.publish_ok(e));
    let mut reader = relay.client(&key(2));
    let limit = |limit, filter| Filter { limit: Some(limit), ..filter };
    for (n, filter, step) in [(7, kinds(&[1000]), 2), (7, Filter::default(), 1), (100, kinds(&[1000]), 2)] {
        let (stored, end) = reader.stored("s", limit(n, filter));
        let mut expected: Vec<_> = events.iter().step_by(step).map(|e| (e.1.clone(), None)).collect();
        expected.drain(..expected.len().saturating_sub(n as usize));
        assert_eq!(stored, expected);
        assert_eq!(end, Received::Eose { sub_id: "s".to_owned(), more: false, position: None });
    }
    let (stored, _) = reader.stored("s", limit(1, kinds(&[1001])));
    assert_eq!(stored.len(), 1);
    let live: Vec<_> = (0..3u8).map(|n| event(&key(1), 1001, &[100 + n], &[])).collect();
    live.iter().for_each(|e| publisher.publish_ok(e));
    for e in &live {
        assert!(matches!(reader.recv(), Received::Event { wire, seq: None, .. } if wire == e.1));
    }
}

#[test]
fn an_event_comes_once_for_each_subscription_it_matches() {
    let relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let mut reader = relay.client(&key(2));
    let tag = |values: &[&str]| Filter {
        tags: vec![TagFilter {
            name: "t".to_owned(),
            values: values.iter().map(|v| v.to_string()).collect(),
        }],
        ..Filter::default()
    };
    // Most filters match by several of their entries at once.
    let filters = [
        ("all", Filter::default(), true),
        ("kinds", Filter { kind_ranges: vec![(999, 1001), (1000, 2000)], ..kinds(&[1000, 1001]) }, true),
        ("author", Filter { authors: vec![pubkey(&key(1))], ..Filter::default() }, true),
        ("tags", tag(&["a", "b"]), true),
        ("second value", tag(&["second"]), false),
        ("kind", kinds(&[1001]), false),
    ];
    let tags: &[(&str, &[&str])] = &[("t", &["a", "second"]), ("t", &["b"])];
    for (name, filter, _) in &filters {
        assert!(reader.stored(name, filter.clone()).0.is_empty());
    }
    publisher.publish_ok(&event(&key(1), 1000, b"", tags));
    let mut got: Vec<String> = (0..4)
        .map(|_| match reader.recv() {
            Received::Event { sub_id, .. } => sub_id,
            other => panic!("{other:?}"),
        })
        .collect();
    got.sort();
    assert_eq!(got, ["all", "author", "kinds", "tags"]);
    // The same for the stored phase.
    for (name, filter, matches) in filters {
        assert_eq!(reader.stored(name, filter).0.len(), usize::from(matches), "{name}");
    }
    reader.settle();
}

/// One publisher, one bad event after the other: each is refused with its code, names its id,
/// is neither stored nor delivered, and the connection goes on.
#[test]
fn what_may_not_be_published_is_refused_for_its_reason_and_the_connection_goes_on() {
    let limits = "[limits]\ncontent_bytes_max = 1000\nseen_window_seconds = 60";
    let relay = Setup::new(1..=3).section(limits).start();
    let mut reader = relay.client(&key(2));
    assert!(reader.stored("s", Filter::default()).0.is_empty());
    let mut client = relay.client(&key(1));
    let now = unix_now();
    let mut forged = event(&key(1), 1000, b"forged", &[]);
    let sig_at = forged.1.windows(5).position(|w| w == b"sig\xc4\x40");
    forged.1[sig_at.expect("the signature") + 20] ^= 1;
    let mut changed = event(&key(1), 1000, b"changed", &[]);
    let content_at = changed.1.windows(7).position(|w| w == b"changed").expect("the content");
    changed.1[content_at] ^= 1;
    let twice: &[(&str, &[&str])] = &[("t", &["a"]), ("t", &["a", "b"])];
    let twice = unchecked_event(&key(1), twice);
    for (name, (id, wire), code, says) in [
        ("far ahead", event_at(&key(1), 1000, b"", &[], now + 3_600), 400, "created_at"),
        ("an old ephemeral", event_at(&key(1), 3000, b"", &[], now - 3_600), 400, "created_at"),
        ("an ephemeral far ahead", event_at(&key(1), 3000, b"", &[], now + 3_600), 400, "created_at"),
        ("long content", event(&key(1), 1000, &[0; 1_001], &[]), 413, "1000"),
        ("a stranger's event", event(&key(7), 1000, b"", &[]), 403, "allowlist"),
        ("a bad signature", forged, 400, "sig"),
        ("changed content", changed, 400, "id"),
        ("a repeated tag", twice, 400, "tags"),
    ] {
        client.publish(&wire);
        match client.recv() {
            Received::Error(c, text) => {
                assert_eq!(c, code, "{name}: {text}");
                assert!(text.starts_with(&format!("{id}: ")) && text[66..].contains(says), "{name}: {text}");
            }
            other => panic!("{name}: {other:?}"),
        }
        let good = event(&key(1), 1000, name.as_bytes(), &[]);
        client.publish_ok(&good);
        assert!(matches!(reader.recv(), Received::Event { wire, .. } if wire == good.1), "{name}");
    }
    // Within the bounds: an old event of a stored kind, a forwarded one, the longest content.
    for (name, (id, wire)) in [
        ("old", event_at(&key(1), 1000, b"", &[], 0)),
        ("a little ahead", event_at(&key(1), 1000, b"", &[], now + 600)),
        ("forwarded", event(&key(3), 1000, b"another allowed key signed this", &[])),
        ("longest", event(&key(1), 1000, &[0; 1_000], &[])),
    ] {
        client.publish(&wire);
        assert_eq!(client.recv(), Received::Ok(id.to_hex()), "{name}");
        assert!(matches!(reader.recv(), Received::Event { wire: w, .. } if w == wire), "{name}");
    }
}

/// The event of a signer that does not look at its tags: (id, wire).
fn unchecked_event(
    key: &ed25519_dalek::SigningKey,
    tags: &[(&str, &[&str])],
) -> (axon::base::EventId, Vec<u8>) {
    // Two tags that differ, then the second is given the first value of the first.
    let (_, wire) = event(key, 1000, b"", &[tags[0], (tags[1].0, &["b", "b"])]);
    let id = axon::event::scan_id(&wire).expect("an id");
    let at = wire.windows(5).rposition(|w| w == b"\x92\xa1b\xa1b").expect("the second tag");
    let mut twice = wire;
    twice[at + 2] = b'a';
    (id, twice)
}

#[test]
fn publishes_beyond_the_bound_in_flight_are_answered_in_order() {
    let limits = "[limits]\nin_flight_max = 8\nmessage_bytes_max = 70000\nin_flight_bytes_max = 70000";
    let relay = Setup::new(1..=1).fsync().section(limits).start();
    let mut client = relay.client(&key(1));
    let events: Vec<_> = (0..2_000u32).map(|n| event(&key(1), 1000, &n.to_be_bytes(), &[])).collect();
    let mut sender = client.sender();
    thread::scope(|scope| {
        let events = &events;
        scope.spawn(move || {
            for (_, wire) in events {
                sender.write_all(&raw_publish(wire)).expect("sent");
            }
        });
        for (id, _) in events {
            assert_eq!(client.recv(), Received::Ok(id.to_hex()));
        }
    });
    client.settle();
}

#[test]
fn a_subscribe_over_a_limit_is_refused_with_the_limits_name() {
    let limits = "[limits]\nsubscriptions_max = 3\nfilter_entries_max = 4\nfilter_tags_max = 2";
    let relay = Setup::new(1..=1).section(limits).start();
    let mut client = relay.client(&key(1));
    let tag = |name: &str, values: &[&str]| TagFilter {
        name: name.to_owned(),
        values: values.iter().map(|v| v.to_string()).collect(),
    };
    let tags = |tags: Vec<TagFilter>| Filter { tags, ..Filter::default() };
    for (name, filter, limit) in [
        ("kinds", kinds(&[1, 2, 3, 4, 5]), 4),
        ("kind_ranges", Filter { kind_ranges: (0..5).map(|n| (n, n)).collect(), ..Filter::default() }, 4),
        (
            "authors",
            Filter { authors: (0..5).map(|n| axon::base::PubKey([n; 32])).collect(), ..Filter::default() },
            4,
        ),
        (
            "ids",
            Filter { ids: (0..5).map(|n| axon::base::EventId([n; 32])).collect(), ..Filter::default() },
            4,
        ),
        ("tags", tags(vec![tag("a", &[]), tag("b", &[]), tag("c", &[])]), 2),
        ("tags", tags(vec![tag("a", &["1", "2", "3"]), tag("b", &["4", "5"])]), 4),
    ] {
        client.subscribe("over", filter);
        match client.recv() {
            Received::Error(400, text) => assert!(
                text.starts_with("sub over: ")
                    && text.contains(name)
                    && text.contains(&format!("limit of {limit}")),
                "{text}"
            ),
            other => panic!("{name}: {other:?}"),
        }
    }
    for sub_id in ["a", "b", "c"] {
        assert!(matches!(client.stored(sub_id, kinds(&[1, 2, 3, 4])).1, Received::Eose { .. }));
    }
    client.subscribe("d", Filter::default());
    let refused = client.recv();
    assert!(
        matches!(&refused, Received::Error(400, text) if text.starts_with("sub d: subscriptions") && text.contains("limit of 3")),
        "{refused:?}"
    );
    // Replacing one is no further one, and one that was ended makes room.
    assert!(matches!(client.stored("c", Filter::default()).1, Received::Eose { .. }));
    client.unsubscribe("a");
    assert!(matches!(client.stored("d", Filter::default()).1, Received::Eose { .. }));
}

/// Of a mixed stream a slow reader may miss ephemeral events, never a stored one; what it gets
/// comes in order, each once.
#[test]
fn a_slow_reader_of_a_mixed_stream_loses_no_stored_event() {
    const EVENTS: u32 = 4_000;
    let limits = "[limits]\nmessage_bytes_max = 70000\nqueue_bytes_max = 80000";
    let relay = Setup::new(1..=2).section(limits).start();
    let mut reader = relay.client(&key(2));
    assert!(reader.stored("s", Filter { kind_ranges: vec![(1000, 3999)], ..Filter::default() }).0.is_empty());
    let mut publisher = relay.client(&key(1));
    let mut sent: HashMap<Vec<u8>, (bool, u32)> = HashMap::new();
    for n in 0..EVENTS {
        let ephemeral = n % 2 == 1;
        let content = [&n.to_be_bytes()[..], &[7; 8_000]].concat();
        let (id, wire) = event(&key(1), if ephemeral { 3000 } else { 1000 }, &content, &[]);
        publisher.publish(&wire);
        assert_eq!(publisher.recv(), Received::Ok(id.to_hex()));
        sent.insert(wire, (ephemeral, n));
    }
    let last = event(&key(1), 1000, b"last", &[]);
    publisher.publish_ok(&last);
    let (mut stored, mut ephemeral) = (Vec::new(), Vec::new());
    loop {
        let Received::Event { wire, .. } = reader.recv() else { panic!("no event") };
        if wire == last.1 {
            break;
        }
        let (is_ephemeral, n) = sent[&wire];
        if is_ephemeral { ephemeral.push(n) } else { stored.push(n) }
    }
    assert_eq!(stored, (0..EVENTS).step_by(2).collect::<Vec<_>>());
    assert!(ephemeral.is_sorted_by(|a, b| a < b), "ephemeral events come once, in the order sent");
    let missed = EVENTS as usize / 2 - ephemeral.len();
    assert!(missed > 0, "the reader was slow enough to fall back");
    reader.settle();
    assert_eq!(relay.metric("axon_ephemerals_skipped_total"), missed as f64);
    // It is live again.
    let live = event(&key(1), 3000, b"live again", &[]);
    publisher.publish_ok(&live);
    assert!(matches!(reader.recv(), Received::Event { wire, .. } if wire == live.1));
}

#[test]
fn a_change_of_role_counts_for_subscriptions_that_are_open() {
    let relay = Setup::new(1..=2).start();
    let mut author = relay.client(&key(1));
    let mut reader = relay.client(&key(2));
    let (stored, _) = reader.stored("s", Filter::default());
    assert!(stored.is_empty());
    let reader_key = pubkey(&key(2)).to_hex();
    for (n, (role, sees)) in [("member", false), ("auditor", true), ("member", false)].into_iter().enumerate()
    {
        let out = relay.axon(&["allow", "add", &reader_key, "--role", role]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let private = event(&key(1), 2000, &[n as u8], &[]);
        let public = event(&key(1), 1000, &[n as u8], &[]);
        author.publish_ok(&private);
        author.publish_ok(&public);
        let expected = if sees { vec![&private.1, &public.1] } else { vec![&public.1] };
        for wire in expected {
            let Received::Event { wire: got, .. } = reader.recv() else { panic!("no event as {role}") };
            assert!(got == *wire, "step {n}: as {role}");
        }
    }
}
