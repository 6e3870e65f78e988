//! What is taken away, and what everybody is told of it: retention with its marks, deletion by
//! the operator, events that may not come again, export and import.

use super::harness::*;
use axon::base::EventId;
use axon::filter::Filter;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn numbered(kind: u16, n: u64) -> (EventId, Vec<u8>) {
    event(&key(1), kind, &n.to_be_bytes(), &[("t", &["x"])])
}

fn resume(kinds: &[u16], after: u64) -> Filter {
    Filter { kinds: kinds.to_vec(), after: Some(after), ..Filter::default() }
}

const RULE: &str =
    "[retention]\ninterval_ms = 10\n[[retention.rules]]\nkinds = [\"1000-1999\"]\ncount_max = 20";

/// Setup: a rule keeps 20 events of kind 1000; kind 5000 has none. Action: 60 of the first and 30
/// of the second, mixed; then resumptions. Wrong would be: a gap without a word, or an Error for
/// whoever asks for what is whole.
#[test]
fn retention_keeps_to_its_rule_and_a_consumer_below_its_mark_is_told() {
    let mut relay = Setup::new(1..=2).section(RULE).start();
    let mut publisher = relay.client(&key(1));
    let first = numbered(1000, 0);
    for n in 0..30 {
        publisher.publish_ok(&if n == 0 { first.clone() } else { numbered(1000, 2 * n) });
        publisher.publish_ok(&numbered(5000, n));
        publisher.publish_ok(&numbered(1000, 2 * n + 1));
    }
    relay.wait_for_metric("axon_purged_events_total", |purged| purged == 40.0);
    for round in 0..2 {
        let mut reader = relay.client(&key(2));
        // 1000, 5000, 1000, and again: the 40th of kind 1000 stands at 60.
        reader.subscribe("below", resume(&[1000, 5000], 59));
        let Received::Error(400, text) = reader.answer() else { panic!("not 400") };
        let words = ["sub below: ", "first complete position is 61", "go on with after: 60"];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        reader.subscribe("all", Filter { after: Some(0), ..Filter::default() });
        assert!(matches!(reader.answer(), Received::Error(400, _)), "a filter without kinds can match them");
        let count = |reader: &mut Client, filter| reader.stored("s", filter).0.len();
        assert_eq!(count(&mut reader, resume(&[1000], 60)), 20, "at the mark all is there");
        assert_eq!(count(&mut reader, resume(&[5000], 0)), 30, "of other kinds nothing is gone");
        let plain = Filter { kinds: vec![1000], ..Filter::default() };
        assert_eq!(count(&mut reader, plain), 20, "without a position nobody is refused");
        if round == 0 {
            relay.crash_and_restart();
        }
    }
    let report = json(&relay.axon(&["check", "--deep", "--json"]));
    assert_eq!((&report["sound"], &report["events"]), (&Value::Bool(true), &Value::from(50)), "{report}");
    // What is gone does not come back.
    let mut publisher = relay.client(&key(1));
    publisher.publish(&first.1);
    let Received::Error(400, text) = publisher.answer() else { panic!("not 400") };
    assert!(text.contains("was deleted"), "{text}");
}

/// The command line says what to do; a changed rule is in force without a restart.
#[test]
fn the_rules_are_reloaded_and_the_command_line_says_where_to_go_on() {
    let address = free_address();
    let url = format!("ws://{address}");
    let setup = Setup::new(1..=2).section("[retention]\ninterval_ms = 3600000").listen(&address);
    let relay = Setup { urls: vec!["ws://test".to_owned(), url.clone()], ..setup }.start();
    let mut publisher = relay.client(&key(1));
    (0..10).for_each(|n| publisher.publish_ok(&numbered(1000, n)));
    let config = std::fs::read_to_string(relay.config()).expect("its configuration");
    let ruled = format!("{config}\n[[retention.rules]]\ncount_max = 4\n");
    std::fs::write(relay.config(), ruled).expect("its configuration");
    let reloaded = json(&relay.axon(&["reload", "--json"]));
    assert_eq!(reloaded["changed"], serde_json::json!(["retention.rules"]), "{reloaded}");
    relay.wait_for_metric("axon_purged_events_total", |purged| purged == 6.0);
    let pem = relay.config().with_file_name("reader.pem");
    axon::client::KeyPair::from_seed(&[2; 32]).save(&pem).expect("a key file");
    let output = Command::new(env!("CARGO_BIN_EXE_axon"))
        .args(["query", "--after", "2", "--url", &url, "--key"])
        .arg(&pem)
        .output()
        .expect("the axon binary");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("first complete position is 7") && text.contains("--after 6"), "{text}");
}

/// Setup: three authors' events on a running relay. Action: a trial, then the deletion of one
/// author's. Wrong would be: a row that stays, a position used twice, the event taken again.
#[test]
fn an_operator_deletes_what_a_filter_matches() {
    let mut relay = Setup::new(1..=3).fsync().start();
    let events: Vec<_> =
        (0..60u8).map(|n| event(&key(1 + n % 3), 1000 + u16::from(n % 2), &[n], &[("t", &["x"])])).collect();
    let mut client = relay.client(&key(1));
    events.iter().for_each(|event| client.publish_ok(event));
    let author = pubkey(&key(2)).to_hex();
    let trial = relay.axon(&["delete", "--author", &author, "--json"]);
    assert_eq!(trial.status.code(), Some(1), "nothing was done yet: {trial:?}");
    let trial = json(&trial);
    assert_eq!((&trial["events"], &trial["dry_run"], &trial["first"]), (&20.into(), &true.into(), &2.into()));
    assert_eq!(trial["kinds"].as_array().map(Vec::len), Some(2), "{trial}");
    let bytes: usize = events.iter().skip(1).step_by(3).map(|(_, wire)| wire.len()).sum();
    assert_eq!(trial["bytes"], bytes);
    let done = json(&relay.axon(&["delete", "--author", &author, "--yes", "--json"]));
    assert_eq!((&done["events"], &done["kinds"]), (&20.into(), &trial["kinds"]));
    let nothing = relay.axon(&["delete", "--author", &author, "--dry-run"]);
    assert_eq!(nothing.status.code(), Some(0));
    assert!(!relay.axon(&["delete", "--yes"]).status.success(), "not without a condition");

    for crashed in [false, true] {
        if crashed {
            relay.crash_and_restart();
        }
        let mut reader = relay.client(&key(3));
        let (stored, _) = reader.stored("all", Filter { after: Some(0), ..Filter::default() });
        let kept: Vec<&Vec<u8>> =
            events.iter().enumerate().filter(|(n, _)| n % 3 != 1).map(|(_, e)| &e.1).collect();
        assert_eq!(stored.iter().map(|(wire, _)| wire).collect::<Vec<_>>(), kept);
        client = relay.client(&key(1));
        client.publish(&events[1].1);
        let Received::Error(400, text) = client.answer() else { panic!("not 400") };
        assert!(text.starts_with(&events[1].0.to_hex()) && text.contains("was deleted"), "{text}");
        let report = json(&relay.axon(&["check", "--deep", "--json"]));
        assert_eq!((&report["sound"], &report["events"]), (&Value::Bool(true), &Value::from(40)), "{report}");
    }
    // The newest goes, too: the next event gets a position of its own all the same.
    json(&relay.axon(&["delete", "--all", "--yes", "--json"]));
    assert_eq!(relay.terminate(), Some(0));
    relay.restart();
    client = relay.client(&key(1));
    client.publish_ok(&numbered(1000, 99));
    let (stored, _) = client.stored("all", Filter { after: Some(0), ..Filter::default() });
    assert_eq!(stored[0].1.map(|seq| seq.0), Some(61));
}

/// Ids and bytes of everything stored.
fn everything(relay: &Relay) -> BTreeMap<String, Vec<u8>> {
    let (stored, _) = relay.client(&key(1)).stored("all", Filter { after: Some(0), ..Filter::default() });
    let id = |wire: &Vec<u8>| axon::event::scan_id(wire).expect("an event with an id").to_hex();
    stored.into_iter().map(|(wire, _)| (id(&wire), wire)).collect()
}

fn import(relay: &Relay, file: &Path, more: &[&str]) -> Output {
    let args = [&["import", file.to_str().expect("a path"), "--json"], more].concat();
    relay.axon(&args)
}

/// Setup: events of several authors, some private, some with large contents; the importing relay
/// allows none of them. Both formats, running and stopped, cut off and gone on.
#[test]
fn what_is_exported_is_imported_byte_for_byte() {
    let source = Setup::new(1..=3).start();
    let mut client = source.client(&key(1));
    for n in 0..250u16 {
        let content = vec![n as u8; usize::from(n % 50) * 1_000];
        let kind = [0, 1000, 2000, 5000][usize::from(n % 4)];
        let recipient = pubkey(&key(1)).to_hex();
        client.publish_ok(&event(
            &key((n % 3) as u8 + 1),
            kind,
            &content,
            &[("p", &[&recipient]), ("x", &["é"])],
        ));
    }
    let all = everything(&source);
    assert_eq!(all.len(), 250);
    for (format, running) in [("events", true), ("jsonl", true), ("events", false), ("jsonl", false)] {
        let file = source.config().with_file_name(format!("{format}-{running}"));
        let out = file.to_str().expect("a path");
        let report = json(&source.axon(&["export", "--out", out, "--format", format, "--json"]));
        assert_eq!((&report["events"], &report["position"]), (&250.into(), &250.into()), "{report}");
        // Cut off in the middle of an event: the same command goes on from there.
        let bytes = std::fs::read(&file).expect("the export");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("half of it");
        let mut target = Setup::new(1..=1).start();
        let cut = import(&target, &file, &[]);
        let text = String::from_utf8_lossy(&cut.stderr).into_owned();
        assert!(
            cut.status.code() == Some(1) && text.contains("middle of an event") && text.contains("--skip")
        );
        let again = json(&source.axon(&["export", "--out", out, "--format", format, "--json"]));
        assert!(again["events"].as_u64() > Some(100) && again["events"].as_u64() < Some(250), "{again}");
        assert_eq!(std::fs::read(&file).expect("the export"), bytes, "whole again, and the same");
        if !running {
            assert_eq!(target.terminate(), Some(0));
        }
        let report = json(&import(&target, &file, &[]));
        assert_eq!(report["events"], 250);
        assert_eq!(
            report["stored"].as_u64().zip(report["duplicates"].as_u64()).map(|(a, b)| a + b),
            Some(250)
        );
        let harmless = json(&import(&target, &file, &["--skip", "100"]));
        assert_eq!(harmless["duplicates"], 150, "{harmless}");
        if !running {
            target.restart();
        }
        let checked = json(&target.axon(&["check", "--deep", "--json"]));
        assert_eq!(
            (&checked["sound"], &checked["events"]),
            (&Value::Bool(true), &Value::from(250)),
            "{checked}"
        );
        assert_eq!(everything(&target), all);
    }
    assert_eq!(json(&source.axon(&["check", "--deep", "--json"]))["sound"], true);
    // Only some, and behind a position, to the standard output.
    let some = source.axon(&["export", "--kind", "5000", "--after", "100", "--format", "jsonl"]);
    let lines = String::from_utf8(some.stdout).expect("text");
    assert_eq!(lines.lines().count(), 37);
    assert!(String::from_utf8_lossy(&some.stderr).contains("--after 250"));
}

/// A forged signature, a changed byte, an ephemeral event and a deleted one do not get in; the
/// others do.
#[test]
fn an_import_refuses_what_is_not_sound() {
    let relay = Setup::new(1..=1).start();
    let (good, deleted) = (numbered(1000, 1), numbered(1000, 2));
    relay.client(&key(1)).publish_ok(&deleted);
    json(&relay.axon(&["delete", "--id", &deleted.0.to_hex(), "--yes", "--json"]));
    let mut forged = numbered(1000, 3).1;
    let sig = forged.windows(4).position(|w| w == b"\xa3sig").expect("a signature") + 10;
    forged[sig] ^= 1;
    let mut changed = numbered(1000, 4).1;
    let content = changed.windows(8).position(|w| w == 4u64.to_be_bytes()).expect("its content");
    changed[content] ^= 1;
    let ephemeral = numbered(3000, 5).1;
    let stream = [&forged, &changed, &good.1, &ephemeral, &deleted.1, &b"no event".to_vec()]
        .map(|wire| [&(wire.len() as u32).to_be_bytes()[..], wire].concat())
        .concat();
    let file = relay.config().with_file_name("mixed");
    std::fs::write(&file, stream).expect("a file");
    let output = import(&relay, &file, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = json(&output);
    let count = |name: &str| report[name].as_u64();
    assert_eq!(
        (count("events"), count("stored"), count("refused"), count("deleted")),
        (Some(6), Some(1), Some(5), Some(1))
    );
    let told: Vec<&str> =
        report["refusals"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for (told, word) in told.iter().zip(["event 1, ", "event 2, ", "event 4, ", "event 6, ", "event 5, "]) {
        assert!(told.starts_with(word), "{told:?}");
    }
    assert_eq!(everything(&relay).len(), 1);
}
