//! Flags, lines, and whole commands against a relay double.

use super::args::Command;
use super::*;
use crate::base::{Kind, LogId, PubKey, Reason, Seq};
use crate::client::relay_double::{Quirks, RelayDouble};
use crate::client::{Position, TagFilter};
use crate::doctor::{Finding, State};
use clap::CommandFactory;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    let args = std::iter::once(&"axon").chain(args).map(|arg| (*arg).into());
    Cli::try_parse_from(super::settings::first(args))
}

#[test]
fn a_setting_counts_wherever_it_stands() {
    let args = ["--set", "relay.shards=2", "allow", "--set=http.listen=", "list", "--set", "log.level=warn"];
    let overrides = parse(&args).unwrap().settings().overrides;
    let keys: Vec<&str> = overrides.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["relay.shards", "http.listen", "log.level"]);
    assert!(parse(&["serve", "--set"]).unwrap_err().to_string().contains("--set <KEY=VALUE>"));
    let cli = parse(&["pub", "--", "--set"]).unwrap();
    let Command::Pub(flags) = &cli.command else { panic!("{:?}", cli.command) };
    assert_eq!(flags.content.as_deref(), Some("--set"), "what comes behind -- is no option");
}

/// An allowlist in memory; nothing else of a relay is asked for here.
#[derive(Default)]
struct Keys(RefCell<Vec<AllowedKey>>);

impl Administrator for Keys {
    fn keys(&self, _: &Settings) -> Result<Vec<AllowedKey>, OperatorError> {
        Ok(self.0.borrow().clone())
    }
    fn allow(&self, _: &Settings, key: &AllowedKey) -> Result<(), OperatorError> {
        self.0.borrow_mut().push(key.clone());
        Ok(())
    }
    fn disallow(&self, _: &Settings, pubkey: &PubKey) -> Result<bool, OperatorError> {
        let before = self.0.borrow().len();
        self.0.borrow_mut().retain(|key| key.pubkey != *pubkey);
        Ok(self.0.borrow().len() < before)
    }
    fn connections(&self, _: &Settings, key: Option<&PubKey>) -> Result<Value, OperatorError> {
        let one = json!({
            "id": "0-1-2", "address": "127.0.0.1:9", "pubkey": key.map(|key| key.to_hex()), "name": "w\u{1b}[2J",
            "since": 0, "queued_bytes": 5, "in_flight_bytes": 0, "subscriptions": 1, "behind": 1,
            "follows": [{ "sub_id": "a\n0-9-9  b", "filter": "kind 1000" }],
        });
        Ok(json!({ "open": 7, "matching": 1, "connections": [one] }))
    }
    fn disconnect(&self, settings: &Settings, id: &str) -> Result<Option<Value>, OperatorError> {
        let listed = self.connections(settings, None)?["connections"][0].clone();
        Ok((listed["id"] == id).then_some(listed))
    }
    fn reload(&self, _: &Settings) -> Result<Value, OperatorError> {
        Ok(json!({ "changed": ["log.level"], "restart_needed": ["relay.shards"] }))
    }
    fn info(&self, _: &Settings) -> Result<Value, OperatorError> {
        Ok(json!({ "head": 7 }))
    }
}

impl Operator for Keys {
    fn serve(&self, settings: &Settings, json: bool) -> Result<(), OperatorError> {
        Err(OperatorError(format!("{settings:?} {json}")))
    }
    fn check(&self, _: &Settings, deep: bool, _: &Progress<'_>) -> Result<Value, OperatorError> {
        let findings = json!([{ "about": "tag", "seq": 7, "what": "the event's row is missing" }]);
        Ok(json!({ "sound": !deep, "findings": if deep { findings } else { json!([]) } }))
    }
    fn stat(
        &self,
        _: &Settings,
        top: usize,
        events_max: Option<u64>,
        _: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        let row = |key: &str, value: Value| json!({ key: value, "events": 3, "bytes": 2_048 });
        let others = json!({ "events": 1, "bytes": 5 });
        Ok(json!({
            "log_id": "ab", "head": top, "exact": events_max.is_none(), "events_read": 3, "events": 4, "bytes": 2_053,
            "kinds": [row("kind", json!(1000))], "authors": [row("author", json!("cd"))],
            "days": [row("day", json!("2026-03-01"))],
            "others": { "kinds": others, "authors": others, "days": others },
            "families": [{ "name": "log", "rows": 4, "disk_bytes": 5u64 << 30 }],
        }))
    }
    fn delete(&self, _: &Settings, what: &Deletion, _: &Progress<'_>) -> Result<Value, OperatorError> {
        let kinds = json!([{ "kind": 1000, "events": 2, "bytes": 500 }]);
        Ok(json!({ "dry_run": what.dry_run, "events": 2, "up_to": what.up_to.0, "kinds": kinds }))
    }
    fn export(
        &self,
        _: &Settings,
        what: &Export,
        out: &mut dyn Write,
        _: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        let _ = out;
        Ok(json!({ "events": 0, "position": what.after.map(|after| after.0) }))
    }
    fn import(
        &self,
        _: &Settings,
        stream: ImportStream<'_>,
        _: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        Ok(json!({ "events": 3, "refused": stream.skip, "refusals": ["event 1: no"] }))
    }
    fn repair(&self, _: &Settings, yes: bool, _: &Progress<'_>) -> Result<Value, OperatorError> {
        Ok(json!({ "dry_run": !yes, "losses": ["the events from 5 to 9"] }))
    }
    fn backup(&self, _: &Settings, to: &Path, _: bool, _: &Progress<'_>) -> Result<Value, OperatorError> {
        Ok(json!({ "position": 5, "to": to }))
    }
    fn restore(
        &self,
        _: &Settings,
        from: &Path,
        to: &Path,
        _: &Progress<'_>,
    ) -> Result<Value, OperatorError> {
        Err(OperatorError(format!("{from:?} {to:?}")))
    }
    fn config(&self, settings: &Settings, json: bool) -> Result<String, OperatorError> {
        Ok(format!("{:?} {json}", settings.config))
    }
    fn doctor(&self, _: &Settings) -> Result<Vec<Finding>, OperatorError> {
        let finding = |name, state, advice: &str| Finding {
            name,
            state,
            value: "7".to_owned(),
            advice: advice.to_owned(),
        };
        Ok(vec![finding("swap", State::Ok, ""), finding("disk sync", State::Fail, "buy one")])
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the buffer").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("the buffer").clone()).expect("text")
    }
    fn json(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).expect("an object per line")).collect()
    }
}

/// Runs one command; what it printed and how it ended.
fn axon(args: &[&str], operator: &dyn Operator) -> (Captured, Result<Outcome, Failure>) {
    let cli = parse(args).unwrap_or_else(|e| panic!("{e}"));
    let captured = Captured::default();
    let mut output = Output::to(Box::new(captured.clone()), cli.json);
    let outcome = execute(cli, operator, &mut output);
    (captured, outcome)
}

/// A relay double that lives beside the commands, and a key file for them.
struct Bench {
    runtime: tokio::runtime::Runtime,
    relay: RelayDouble,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(quirks: Quirks) -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let relay = runtime.block_on(RelayDouble::start(quirks));
        let dir = tempfile::tempdir().expect("a directory");
        let bench = Bench { runtime, relay, dir };
        let (_, outcome) = axon(&["keygen", "--out", &bench.file("key.pem")], &Keys::default());
        assert_eq!(outcome.expect("a key"), Outcome::Done);
        bench
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("text").to_owned()
    }

    fn axon(&self, args: &[&str]) -> (Captured, Result<Outcome, Failure>) {
        let key = self.file("key.pem");
        let place = ["--json", args[0], "--url", &self.relay.url, "--key", &key];
        axon(&[&place, &args[1..]].concat(), &Keys::default())
    }

    /// `axon pub --json` with these lines on stdin.
    fn publish(&self, lines: &str) -> (Vec<Value>, Outcome) {
        let key = self.file("key.pem");
        let cli = parse(&["pub", "--url", &self.relay.url, "--key", &key, "--tag", "t=x"]).expect("flags");
        let Command::Pub(flags) = cli.command else { panic!("pub is pub") };
        let captured = Captured::default();
        let mut output = Output::to(Box::new(captured.clone()), true);
        let client = flags.relay.client().expect("a client");
        let outcome = self.runtime.block_on(publish::lines(&flags, &client, lines.as_bytes(), &mut output));
        (captured.json(), outcome.expect("published"))
    }
}

#[test]
fn the_flags_are_consistent_and_the_help_teaches() {
    Cli::command().debug_assert();
    let help = parse(&["--help"]).expect_err("help").to_string();
    for step in ["axon serve", "axon sub", "axon pub", "Exit codes"] {
        assert!(help.contains(step), "{step}");
    }
}

/// Of every command and every argument the help says what it is.
#[test]
fn nothing_is_left_unexplained() {
    fn unexplained(path: &str, command: &clap::Command, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none() {
            found.push(path.clone());
        }
        let silent = command.get_arguments().filter(|arg| arg.get_help().is_none());
        found.extend(silent.map(|arg| format!("{path} {}", arg.get_id())));
        command.get_subcommands().for_each(|inner| unexplained(&path, inner, found));
    }
    let mut found = Vec::new();
    unexplained("", &Cli::command(), &mut found);
    assert!(found.is_empty(), "without help: {found:#?}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let key = "ab".repeat(32);
    for args in [
        &["pub", "--kind", "65536", "x"][..],
        &["pub", "--tag", "=x", "y"],
        &["sub", "--kind", "9-5"],
        &["sub", "--author", "abc"],
        &["sub", "--live-only", "--after", "3"],
        &["sub", "--count", "0"],
        &["query", "--limit", "0"],
        &["allow", "add", &key, "--role", "king"],
        &["check", "--at", "http://127.0.0.1:1"],
        &["fly"],
    ] {
        let args = std::iter::once(&"axon").chain(args).map(OsString::from);
        assert_eq!(run(args, &Keys::default()), ExitCode::from(2));
    }
}

#[test]
fn filter_flags_become_a_filter() {
    let (author, id) = ("ab".repeat(32), "cd".repeat(32));
    let args = ["query", "--kind", "1000", "--kind", "5000-5999", "--author", &author, "--id", &id];
    let more = ["--tag", "t=a,b", "--tag", "p", "--since", "5", "--until", "9"];
    let Command::Query(flags) = parse(&[&args[..], &more].concat()).expect("flags").command else {
        panic!("query is query")
    };
    let filter = flags.filter.filter();
    assert_eq!((filter.kinds, filter.kind_ranges), (vec![1000], vec![(5000, 5999)]));
    assert_eq!((filter.authors[0].0, filter.ids[0].0), ([0xab; 32], [0xcd; 32]));
    let tag = |name: &str, values: &[&str]| TagFilter {
        name: name.to_owned(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    };
    assert_eq!(filter.tags, [tag("t", &["a", "b"]), tag("p", &[])]);
    assert_eq!((filter.since, filter.until), (Some(5), Some(9)));
}

#[test]
fn a_line_gives_content_in_one_of_three_ways() {
    let Command::Pub(flags) = parse(&["pub", "--kind", "7", "--tag", "t=x,y"]).expect("flags").command else {
        panic!("pub is pub")
    };
    let event = |text: &str| -> Result<crate::client::EventBuilder, Failure> {
        serde_json::from_str::<publish::Line>(text)?.event(&flags)
    };
    for (line, content) in [
        (r#"{"content":"ä"}"#, "ä".as_bytes()),
        (r#"{"content_hex":"00ff"}"#, &[0, 255]),
        (r#"{"content_base64":"AP8="}"#, &[0, 255]),
        ("{}", &[]),
    ] {
        let event = event(line).expect(line);
        assert_eq!((event.kind, event.content.as_slice()), (Kind(7), content));
        assert_eq!(event.tags, [("t".to_owned(), vec!["x".to_owned(), "y".to_owned()])]);
    }
    let full = event(r#"{"kind":1,"created_at":5,"tags":[["a"],["b","c","d"]]}"#).expect("a line");
    assert_eq!((full.kind, full.created_at), (Kind(1), 5));
    let tags = vec![("a".to_owned(), vec![]), ("b".to_owned(), vec!["c".to_owned(), "d".to_owned()])];
    assert_eq!(full.tags, tags);
    for line in [
        r#"{"content":"a","content_hex":"00"}"#,
        r#"{"content_hex":"0"}"#,
        r#"{"content_base64":"AP8"}"#,
        r#"{"tags":[[]]}"#,
        r#"{"kind":65536}"#,
        r#"{"colour":1}"#,
    ] {
        assert!(event(line).is_err(), "{line}");
    }
}

#[test]
fn a_kept_position_survives_and_garbage_is_not_taken_for_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("state");
    let state = state::State::at(&path);
    assert_eq!(state.load().expect("nothing is fine"), None);
    for seq in [5, 9] {
        let position = Position { seq: Seq(seq), log: LogId([3; 16]) };
        state.save(position).expect("saved");
        assert_eq!(state.load().expect("loaded"), Some(position));
    }
    for garbage in ["", "{}", r#"{"seq":1,"log":"00"}"#] {
        std::fs::write(&path, garbage).expect("written");
        assert!(state.load().is_err(), "{garbage}");
    }
}

#[test]
fn the_allowlist_is_kept_through_the_operator() {
    let (keys, key) = (Keys::default(), "ab".repeat(32));
    let (printed, outcome) =
        axon(&["--json", "allow", "add", &key, "--role", "auditor", "--name", "eve"], &keys);
    assert_eq!(outcome.expect("added"), Outcome::Done);
    let entry = json!({ "pubkey": key, "role": "auditor", "name": "eve", "limits": {} });
    assert_eq!(printed.json(), std::slice::from_ref(&entry));
    assert_eq!(axon(&["--json", "allow", "list"], &keys).0.json(), [entry]);
    assert_eq!(axon(&["allow", "remove", &key], &keys).1.expect("removed"), Outcome::Done);
    assert_eq!(axon(&["allow", "remove", &key], &keys).1.expect("an answer"), Outcome::Refused);
}

#[test]
fn what_is_published_is_found_and_followed() {
    let bench = Bench::new(Quirks { refused_kind: Some(13), ..Quirks::default() });
    let (printed, outcome) = bench.axon(&["pub", "--tag", "t=a,b", "hello"]);
    assert_eq!(outcome.expect("published"), Outcome::Done);
    let first = printed.json()[0].clone();
    assert_eq!(first["code"], 200);

    let (printed, outcome) =
        bench.publish("{\"content_hex\":\"ff\"}\n\nnonsense\n{\"kind\":13}\n{\"content\":\"last\"}");
    assert_eq!(outcome, Outcome::Refused);
    let codes: Vec<_> = printed.iter().map(|line| line["code"].as_u64()).collect();
    assert_eq!(codes, [Some(200), Some(403), Some(200)]);
    assert!(printed[1]["message"].as_str().is_some_and(|m| m == Reason::AuthorNotAllowed.to_string()));

    let (printed, outcome) = bench.axon(&["query", "--after", "0"]);
    assert_eq!(outcome.expect("found"), Outcome::Done);
    let found = printed.json();
    assert_eq!(found.len(), 4);
    assert_eq!((&found[0]["id"], &found[0]["seq"]), (&first["id"], &json!(1)));
    assert_eq!((&found[0]["content"], &found[0]["tags"]), (&json!("hello"), &json!([["t", "a", "b"]])));
    assert_eq!(found[1]["content_base64"], "/w==");
    assert_eq!(found[3]["eose"]["seq"], 3);

    // Twice with a state file: the second goes on behind the first.
    let state = bench.file("state.json");
    let seqs = |count: &str| -> Vec<u64> {
        let (printed, outcome) = bench.axon(&["sub", "--state", &state, "--count", count]);
        assert_eq!(outcome.expect("followed"), Outcome::Done);
        printed.json().iter().filter_map(|line| line["seq"].as_u64()).collect()
    };
    assert_eq!(seqs("1"), [1]);
    assert_eq!(seqs("2"), [2, 3]);
}

#[test]
fn text_is_one_line_per_event_and_cannot_drive_a_terminal() {
    let bench = Bench::new(Quirks::default());
    bench.axon(&["pub", "red\u{1b}[31m\nalert"]).1.expect("published");
    let key = bench.file("key.pem");
    let args = ["query", "--url", &bench.relay.url, "--key", &key];
    let text = axon(&args, &Keys::default()).0.text();
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("red\\u{1b}[31m\\nalert"), "{text}");
}

#[test]
fn a_missing_key_says_what_to_do() {
    let (_, outcome) = axon(&["pub", "--key", "/nowhere/key.pem", "x"], &Keys::default());
    let failure = outcome.expect_err("no key").to_string();
    assert!(failure.contains("axon keygen --out /nowhere/key.pem"), "{failure}");
}

#[test]
fn stat_prints_tables_and_marks_estimates() {
    let (text, _) = axon(&["stat", "--top", "7"], &Keys::default());
    for part in
        ["head 7, ~4 events, ~2.0 KiB", "1000 ", "~3", "2026-03-01", "others", "column family", "5.0 GiB"]
    {
        assert!(text.text().contains(part), "{part}: {}", text.text());
    }
    let exact = axon(&["stat", "--sample", "all"], &Keys::default()).0.text();
    assert!(exact.contains(" 4 events") && !exact.contains("~4 events,"), "{exact}");
    assert_eq!(axon(&["stat", "--json"], &Keys::default()).0.json()[0]["exact"], false);
}

#[test]
fn tail_shows_the_newest_then_what_is_new() {
    let bench = Bench::new(Quirks::default());
    bench.publish("{\"content\":\"one\"}\n{\"content\":\"two\"}\n{\"content\":\"three\"}\n");
    let key = bench.file("key.pem");
    let tail = |args: &[&str]| {
        axon(
            &[&["tail", "--url", &bench.relay.url, "--key", &key, "-n", "2", "--count", "2"], args].concat(),
            &Keys::default(),
        )
    };
    let text = tail(&["--color", "never"]).0.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].ends_with("t=x two") && lines[1].ends_with("t=x three"), "{text}");
    assert!(lines[0].contains(" Message ") && !text.contains('\u{1b}'), "{text}");
    assert!(tail(&["--color", "always"]).0.text().contains("\u{1b}[32mMessage"), "coloured on demand");
    assert_eq!(tail(&["--json"]).0.json()[0]["content"], "two");
}

/// Without a condition nothing is even looked for; without --yes it is a trial.
#[test]
fn a_deletion_is_a_trial_until_it_is_meant() {
    let operator = Keys::default();
    let run = |args: &[&str]| axon(args, &operator);
    assert!(run(&["delete", "--yes"]).1.is_err());
    for (args, outcome, dry_run) in [
        (&["delete", "--kind", "7", "--json"][..], Outcome::Refused, true),
        (&["delete", "--kind", "7", "--dry-run", "--json"], Outcome::Done, true),
        (&["delete", "--all", "--yes", "--json"], Outcome::Done, false),
    ] {
        let (output, done) = run(args);
        assert_eq!(done.unwrap(), outcome, "{args:?}");
        assert!(output.text().contains(&format!("\"dry_run\":{dry_run}")), "{args:?}");
    }
    assert!(run(&["delete", "--all"]).0.text().contains("- bytes 500, events 2, kind 1000"));
    assert_eq!(run(&["import", "/dev/null"]).1.unwrap(), Outcome::Done);
    assert_eq!(run(&["import", "/dev/null", "--skip", "1"]).1.unwrap(), Outcome::Refused);
}
