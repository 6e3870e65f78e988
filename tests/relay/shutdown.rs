//! Stopping and starting: what was answered stays, nobody is left hanging, and two relays never
//! share what only one may have.

use super::harness::*;
use axon::filter::Filter;
use std::collections::HashSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What became of one publisher's events.
#[derive(Default)]
struct Fate {
    stored: HashSet<String>,
    refused: HashSet<String>,
}

#[test]
fn sigterm_under_load_answers_what_was_taken_refuses_the_rest_and_exits_with_0() {
    let mut relay = Setup::new(1..=4).fsync().start();
    let fates: Vec<Fate> = thread::scope(|scope| {
        let publishers: Vec<_> = (1..=3u8)
            .map(|p| {
                let client = relay.client(&key(p));
                scope.spawn(move || publish_until_closed(client, p))
            })
            .collect();
        let mut watcher = relay.client(&key(4));
        watcher.subscribe("w", Filter::default());
        let mut seen = 0;
        while seen < 500 {
            seen += usize::from(matches!(watcher.recv(), Received::Event { .. }));
        }
        relay.signal_term();
        let end = watcher.rest();
        assert_eq!(end.last(), Some(&Received::Close(1001)), "readers are told, too");
        publishers.into_iter().map(|p| p.join().expect("a publisher")).collect()
    });
    assert_eq!(relay.wait(), Some(0));
    relay.restart();
    let (log, _) = relay.client(&key(4)).stored("log", Filter { after: Some(0), ..Filter::default() });
    let ids: HashSet<String> =
        log.iter().map(|(wire, _)| axon::event::scan_id(wire).expect("an id").to_hex()).collect();
    assert_eq!(ids.len(), log.len(), "nothing is stored twice");
    for fate in &fates {
        assert!(!fate.stored.is_empty());
        assert!(fate.stored.is_subset(&ids), "what was answered Ok is there");
        assert!(fate.refused.is_disjoint(&ids), "what was answered 503 is not");
    }
    let answered: usize = fates.iter().map(|fate| fate.stored.len()).sum();
    assert_eq!(answered, ids.len(), "whatever was stored was answered");
}

/// Publishes at full speed until the relay says that it goes.
fn publish_until_closed(mut client: Client, p: u8) -> Fate {
    let mut sender = client.sender();
    let stop = AtomicBool::new(false);
    let mut fate = Fate::default();
    thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || {
            for n in 0u64.. {
                let wire = event(&key(p), 1000, &n.to_be_bytes(), &[]).1;
                if stop.load(Ordering::Relaxed) || sender.write_all(&raw_publish(&wire)).is_err() {
                    break;
                }
            }
        });
        loop {
            match client.recv() {
                Received::Ok(id) => assert!(fate.stored.insert(id)),
                Received::Error(503, text) => assert!(fate.refused.insert(text[..64].to_owned())),
                Received::Close(1001) => break,
                other => panic!("{other:?}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert_eq!(client.recv(), Received::End);
    });
    fate
}

#[test]
fn an_idle_relay_stops_at_once_and_tells_everybody() {
    let mut relay = Setup::new(1..=1).start();
    let mut open = relay.client(&key(1));
    let mut stranger = Client::upgrade(&relay.address());
    assert!(matches!(stranger.recv(), Received::Challenge(_)));
    relay.signal_term();
    assert_eq!(open.rest(), [Received::Close(1001)]);
    assert_eq!(stranger.rest(), [Received::Close(1001)]);
    assert_eq!(relay.wait(), Some(0));
}

#[test]
fn a_reader_that_takes_nothing_does_not_keep_the_relay_from_stopping() {
    let mut relay = Setup::new(1..=2).start();
    let mut stalled = relay.client(&key(2));
    assert!(stalled.stored("s", Filter::default()).0.is_empty());
    let mut publisher = relay.client(&key(1));
    let events: Vec<_> = (0..400u32)
        .map(|n| event(&key(1), 1000, &[&n.to_be_bytes()[..], &[7; 60_000]].concat(), &[]))
        .collect();
    events.iter().for_each(|e| publisher.publish_ok(e));
    assert_eq!(relay.terminate(), Some(0));
    assert!(!relay.log().contains("did not finish"), "it did not wait for the whole time");
    // What it had been sent is still there for it to read.
    let got = stalled.rest();
    assert!(
        !got.is_empty()
            && got
                .iter()
                .zip(&events)
                .all(|(r, e)| matches!(r, Received::Event { wire, .. } if *wire == e.1))
    );
    relay.restart();
    assert_eq!(relay.client(&key(2)).stored("s", Filter::default()).0.len(), events.len());
}

/// A reader that takes nothing keeps the relay stopping for a while; meanwhile others come.
#[test]
fn a_stopping_relay_takes_no_connection_and_dismisses_those_under_way() {
    let mut relay = Setup::new(1..=2).start();
    let mut publisher = relay.client(&key(1));
    let stalled: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = relay.client(&key(2));
            client.subscribe("s", Filter { after: Some(0), ..Filter::default() });
            client
        })
        .collect();
    for n in 0..400u32 {
        publisher.publish_ok(&event(&key(1), 1000, &[&n.to_be_bytes()[..], &[7; 60_000]].concat(), &[]));
    }
    relay.wait_for_metric("axon_queue_bytes", |bytes| bytes > 4e6);
    let mut half: Vec<_> = (0..4).map(|_| connect(&relay.address())).collect();
    // Who comes behind them has been let in: so they are accepted, too.
    drop(relay.client(&key(1)));
    relay.signal_term();
    assert_eq!(publisher.rest(), [Received::Close(1001)]);
    assert!(TcpStream::connect(relay.address()).is_err(), "nobody is accepted");
    for stream in half.drain(..) {
        let mut late = Client::upgrade_over(Stream::Plain(stream), &[]);
        assert!(matches!(late.recv(), Received::Challenge(_)));
        assert_eq!(late.rest(), [Received::Close(1001)]);
    }
    assert_eq!(relay.wait(), Some(0));
    drop(stalled);
    assert!(!relay.log().contains("did not finish"), "{}", relay.log());
}

#[test]
fn a_second_relay_on_the_same_data_is_refused_and_the_first_goes_on() {
    let relay = Setup::new(1..=1).start();
    let elsewhere = ["--set", "relay.listen=127.0.0.1:0", "--set", "http.listen=127.0.0.1:0"];
    let out = relay.axon(&[&["serve"][..], &elsewhere].concat());
    let text = refused(&out);
    assert!(text.contains(&relay.data_dir().display().to_string()) && text.contains("another"), "{text}");
    still_serves(&relay);
}

#[test]
fn a_second_relay_on_the_same_port_is_refused_and_the_first_goes_on() {
    let relay = Setup::new(1..=1).start();
    let data = format!("relay.data_dir={}", relay.dir.path().join("other").display());
    for (key, address) in [("relay.listen", relay.address()), ("http.listen", relay.http_address())] {
        let taken = format!("{key}={address}");
        let out = relay.axon(&["serve", "--set", &data, "--set", &taken]);
        let text = refused(&out);
        assert!(text.contains(&address) && text.contains(&format!("--set {key}=")), "{text}");
    }
    still_serves(&relay);
}

fn refused(out: &Output) -> String {
    assert_eq!(out.status.code(), Some(1));
    assert!(out.stdout.is_empty(), "it does not say that it serves");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn still_serves(relay: &Relay) {
    relay.client(&key(1)).publish_ok(&event(&key(1), 1000, b"undisturbed", &[]));
    let out = relay.axon(&["allow", "list"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains(&pubkey(&key(1)).to_hex()));
}
