//! Setup: a file in a temporary directory, an environment and flags of the test's choice.

use super::*;
use crate::base::KeyLimit;
use crate::log::Role;
use std::fs;

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("axon.toml");
    fs::write(&path, file).unwrap();
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let flags: Vec<_> = flags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::load_from(Some(&path), env, &flags)
}

/// `line: key` of every violation in a file, or `env`/`flag` instead of the line.
fn refused(result: Result<Config, ConfigErrors>) -> Vec<String> {
    let errors = result.expect_err("the configuration should be refused");
    let place = |place: &Place| match place {
        Place::File { line, .. } => line.to_string(),
        other => other.origin().to_owned(),
    };
    errors.0.iter().map(|v| format!("{}: {}", place(&v.place), v.key)).collect()
}

#[test]
fn the_sample_sets_every_key_and_is_the_code_s_own_default() {
    let config = Config::load_from(None, [], &[]).unwrap();
    for key in keys::all() {
        assert!(config.effective.contains_key(key.path), "{} is not in the sample", key.path);
    }
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.store, StoreOptions::default());
    assert_eq!(config.relay.listen.to_string(), "127.0.0.1:7447");
    assert_eq!(config.http.listen.map(|a| a.port()), Some(8090));
    assert_eq!((config.relay.durability, config.relay.private_kinds), (Durability::Fsync, true));
    assert!(config.allow.is_empty() && config.warnings.is_empty());
}

#[test]
fn every_key_has_a_meaning_and_a_cost() {
    let description = Config::load_from(None, [], &[]).unwrap().describe();
    assert_eq!(description.keys.len(), keys::all().count());
    for key in &description.keys {
        assert!(!key.meaning.is_empty() && !key.cost.is_empty(), "{} is not documented", key.key);
        assert_eq!(key.value, key.default, "{}", key.key);
        assert_eq!(key.origin, "default", "{}", key.key);
    }
}

#[test]
fn file_env_and_flags_override_in_this_order() {
    let file = "[relay]\nlisten = \"127.0.0.1:1\"\nshards = 1\ndurability = \"os\"\n";
    let env = [("AXON_RELAY_SHARDS", "2"), ("AXON_RELAY_DURABILITY", "fsync"), ("PATH", "/bin")];
    let config = load(file, &env, &[("relay.shards", "3"), ("relay.urls", "ws://a, wss://b")]).unwrap();
    assert_eq!(config.relay.listen.port(), 1);
    assert_eq!(config.relay.durability, Durability::Fsync);
    assert_eq!(config.relay.shards, 3);
    assert_eq!(config.relay.urls, ["ws://a", "wss://b"]);

    let description = config.describe();
    let origin = |path| description.keys.iter().find(|key| key.key == path).map(|key| key.origin);
    assert_eq!(origin("relay.listen"), Some("file"));
    assert_eq!(origin("relay.durability"), Some("env"));
    assert_eq!(origin("relay.shards"), Some("flag"));
    assert_eq!(origin("relay.name"), Some("default"));
    let text = description.to_string();
    assert!(text.contains("relay.listen = \"127.0.0.1:1\"") && text.contains("axon.toml:2"), "{text}");
    assert_eq!(serde_json::to_value(&description).unwrap()["keys"][0]["value"], "127.0.0.1:1");
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let file = r#"
[relay]
listen = "localhost"
shards = 65
colour = "red"
durability = "maybe"
max_future_seconds = 1.5
private_kinds = "yes"
urls = ["http://a"]
[limits]
message_bytes_max = 1
[elsewhere]
key = 1
"#;
    let env = [("AXON_STORE_READER_THREADS", "many"), ("AXON_LOG_FORMAT", "xml")];
    let mut found = refused(load(file, &env, &[("relay.nothing", "1"), ("http.listen", "x")]));
    found.sort();
    let mut expected = [
        "3: relay.listen",
        "4: relay.shards",
        "5: relay.colour",
        "6: relay.durability",
        "7: relay.max_future_seconds",
        "8: relay.private_kinds",
        "9: relay.urls",
        "11: limits.message_bytes_max",
        "12: elsewhere",
        "env: store.reader_threads",
        "env: log.format",
        "flag: relay.nothing",
        "flag: http.listen",
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_violation_says_file_line_key_value_and_limit() {
    let errors = load("[relay]\n\nshards = 65\n", &[], &[]).unwrap_err();
    let text = errors.to_string();
    assert!(text.starts_with("the configuration has 1 problem:\n"), "{text}");
    assert!(text.ends_with("axon.toml:3: relay.shards = 65: must be an integer from 0 to 64"), "{text}");
}

#[test]
fn broken_toml_is_reported_with_its_line_beside_the_rest() {
    let found = refused(load("[relay]\nshards = \nlisten = \"x\"\nname = \"a\"\nname = \"b\"\n", &[], &[]));
    assert_eq!(found, ["2: ", "5: ", "3: relay.listen"]);
}

#[test]
fn relations_between_limits_are_checked() {
    let cases = [
        ("message_bytes_max = 65536", "message_bytes_max"),
        ("message_bytes_max = 4000000", "queue_bytes_max"),
        ("message_bytes_max = 1048576\nin_flight_bytes_max = 1048575", "in_flight_bytes_max"),
        ("shard_in_flight_bytes_max = 4194303", "shard_in_flight_bytes_max"),
        ("shard_queue_bytes_max = 2097151", "shard_queue_bytes_max"),
        ("ping_interval_ms = 30001", "idle_timeout_ms"),
    ];
    let in_limits = cases.map(|(lines, key)| (format!("[limits]\n{lines}\n"), format!("limits.{key}")));
    let in_store =
        [("index_run_events = 65537", "ring_events_max"), ("index_run_bytes = 67108865", "ring_bytes_max")]
            .map(|(lines, key)| (format!("[store]\n{lines}\n"), format!("store.{key}")));
    for (file, key) in in_limits.into_iter().chain(in_store) {
        let errors = load(&file, &[], &[]).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert_eq!(errors.0[0].key, key);
        assert_eq!(errors.0[0].place.origin(), "file", "{errors}");
    }
    let same_port = load("[http]\nlisten = \"127.0.0.1:7447\"\n", &[], &[]);
    assert_eq!(refused(same_port), ["2: http.listen"]);
}

#[test]
fn allow_entries_are_read_and_checked() {
    let (a, b) = ("a".repeat(64), "B".repeat(64));
    let good = format!(
        "[[allow]]\npubkey = \"{a}\"\n[[allow]]\npubkey = \"{b}\"\nrole = \"auditor\"\nname = \"Eve\"\n"
    );
    let allow = load(&good, &[], &[]).unwrap().allow;
    assert_eq!(allow.len(), 2);
    assert_eq!((allow[0].role, allow[0].name.as_str()), (crate::log::Role::Member, ""));
    assert_eq!((allow[1].role, allow[1].name.as_str()), (crate::log::Role::Auditor, "Eve"));
    assert_eq!(allow[1].pubkey.to_hex(), "b".repeat(64));

    let bad = format!(
        "{good}[[allow]]\nrole = \"king\"\n[[allow]]\npubkey = \"{a}\"\n[[allow]]\npubkey = 1\nage = 2\n"
    );
    let expected =
        ["13: allow.age", "7: allow.pubkey", "8: allow.role", "10: allow.pubkey", "12: allow.pubkey"];
    assert_eq!(refused(load(&bad, &[], &[])), expected);
    assert_eq!(refused(load("allow = 1\n", &[], &[])), ["1: allow"]);
}

#[test]
fn a_variable_that_names_no_key_is_a_warning() {
    let config = load("", &[("AXON_RELAY_LISTENS", "x"), ("AXON_KEY", "y")], &[]).unwrap();
    assert_eq!(config.warnings, ["environment variable AXON_RELAY_LISTENS names no configuration key"]);
}

#[test]
fn a_log_level_is_a_level_or_names_a_module() {
    let level = |text: &str| load(&format!("[log]\nlevel = \"{text}\"\n"), &[], &[]);
    for good in ["error", "debug", "info,axon::store=trace", "axon=warn"] {
        assert_eq!(level(good).unwrap().log.level, good);
    }
    for bad in ["", "verbose", "info,loud", "axon=loud"] {
        assert_eq!(refused(level(bad)), ["2: log.level"], "{bad}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_violation() {
    let missing = Config::load_from(Some(Path::new("/nonexistent/axon.toml")), [], &[]).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/axon.toml: cannot be read"), "{missing}");
}

#[test]
fn urls_are_derived_from_the_bound_address() {
    let mut relay = Config::load_from(None, [], &[]).unwrap().relay;
    let url = |relay: &RelayConfig, bound: &str| relay.urls_for(bound.parse().unwrap(), false);
    assert_eq!(url(&relay, "127.0.0.1:7447"), ["ws://127.0.0.1:7447"]);
    assert_eq!(url(&relay, "0.0.0.0:80"), ["ws://127.0.0.1:80"]);
    assert_eq!(url(&relay, "[::1]:9"), ["ws://[::1]:9"]);
    relay.urls = vec!["wss://relay.example".to_owned()];
    assert_eq!(url(&relay, "127.0.0.1:7447"), ["wss://relay.example"]);
}

#[test]
fn no_damaged_file_can_do_worse_than_be_refused() {
    let key = "ab".repeat(32);
    let text = format!(
        r#"[relay]
listen = "127.0.0.1:1" # é
urls = ["ws://a", 'wss://b']
name = """a
b"""
limits.x = {{ a = 0x10, b = [1, [2]] }}
[limits]
in_flight_max = 1_000
seen_ids_max = 1979-05-27
[[allow]]
pubkey = "{key}"
role = "admin"
"#
    );
    let damage = ["", "[", "]", "\"", "=", "\n", "\0", "é", "9", "{", "'''", "\\u"];
    let place = Place::File { path: PathBuf::from("x"), line: 0 };
    let mut refused = 0;
    for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
        for insert in damage {
            for tail in [&text[at..], ""] {
                let damaged = format!("{}{insert}{tail}", &text[..at]);
                let mut violations = Vec::new();
                let content = source::read_text(&place, &damaged, &mut violations);
                Config::blank().apply(content.assignments, &mut violations);
                allow::check(content.allow, &mut violations);
                refused += usize::from(!violations.is_empty());
            }
        }
    }
    assert!(refused > text.len(), "only {refused} of the damaged files were refused");
}

#[test]
fn roles_have_limits_and_kinds_and_an_entry_may_say_its_own() {
    let file = format!(
        "[roles.agent]\npublishes_per_s = 5\nkinds = [\"7\", \"10-12\"]\n\
         [[allow]]\npubkey = \"{}\"\nrole = \"agent\"\nbytes_per_s = 0\n",
        "ab".repeat(32)
    );
    let env = [("AXON_ROLES_MEMBER_SUBSCRIPTIONS_MAX", "9")];
    let config = load(&file, &env, &[("roles.member.kinds", "1, 2-3")]).unwrap();
    let (agent, member) = (config.rules.of(Role::Agent), config.rules.of(Role::Member));
    assert_eq!(
        (agent.limits.get(KeyLimit::PublishesPerSecond), &agent.kinds[..]),
        (5, &[(7, 7), (10, 12)][..])
    );
    assert_eq!((member.limits.get(KeyLimit::Subscriptions), &member.kinds[..]), (9, &[(1, 1), (2, 3)][..]));
    let limits = agent.limits.with(&config.allow[0].limits);
    assert_eq!((limits.get(KeyLimit::BytesPerSecond), limits.get(KeyLimit::PublishesPerSecond)), (0, 5));
    let described = config.describe();
    let key = described.keys.iter().find(|key| key.key == "roles.agent.publishes_per_s").unwrap();
    assert!(key.meaning.starts_with("Publishes per second") && key.default == 10, "{key:?}");
}

#[test]
fn a_wrong_limit_or_kind_is_reported_with_its_place() {
    let file = format!(
        "[roles.agent]\npublishes_per_s = -1\nkinds = [\"9-3\"]\nthread_publishes_per_min = 60001\ncolour = 1\n\
         [roles.guest]\nkinds = []\n\
         [[allow]]\npubkey = \"{}\"\npublishes_per_s = \"many\"\nlimit = 3\n",
        "ab".repeat(32)
    );
    let expected = [
        "2: roles.agent.publishes_per_s",
        "3: roles.agent.kinds",
        "4: roles.agent.thread_publishes_per_min",
        "5: roles.agent.colour",
        "6: roles.guest",
        "10: allow.publishes_per_s",
        "11: allow.limit",
    ];
    let mut found = refused(load(&file, &[], &[]));
    found.sort_by_key(|line| line.split(':').next().and_then(|n| n.parse::<u32>().ok()));
    assert_eq!(found, expected);
}

#[test]
fn tls_needs_both_files_and_its_absence_is_warned_of_where_others_reach_the_relay() {
    let wrong = load("[tls]\ncert = \"a.pem\"\n", &[], &[]).unwrap_err().to_string();
    assert!(wrong.contains("tls.key"), "{wrong}");
    let wrong = load("", &[("AXON_TLS_KEY", "a.key")], &[]).unwrap_err().to_string();
    assert!(wrong.contains("tls.cert"), "{wrong}");
    let open = load("[relay]\nlisten = \"0.0.0.0:1\"\n", &[], &[]).unwrap();
    assert!(open.tls.files().is_none() && open.warnings[0].contains("has no TLS"), "{:?}", open.warnings);
    let flags = [("tls.cert", "a.pem"), ("tls.key", "a.key")];
    let closed = load("[relay]\nlisten = \"0.0.0.0:1\"\n", &[], &flags).unwrap();
    assert!(closed.tls.files().is_some() && closed.warnings.is_empty());
    assert_eq!(closed.relay.urls_for("127.0.0.1:9".parse().unwrap(), true), ["wss://127.0.0.1:9"]);
    assert!(load("", &[], &[]).unwrap().warnings.is_empty());
}

#[test]
fn changes_are_told_from_what_stays_and_from_what_needs_a_restart() {
    let before = load("[limits]\nlinger_ms = 5\n", &[], &[]).unwrap();
    assert_eq!(before.changes(&before), []);
    let after =
        load("[relay]\nshards = 3\nprivate_kinds = false\n[log]\nlevel = \"warn\"\n", &[], &[]).unwrap();
    let changes = after.changes(&before);
    let changed = |live: bool| changes.iter().filter(|c| c.live == live).map(|c| c.path).collect::<Vec<_>>();
    assert_eq!(changed(true), ["relay.private_kinds", "limits.linger_ms", "log.level"]);
    assert_eq!(changed(false), ["relay.shards"]);
}

#[test]
fn retention_rules_are_read_and_every_fault_is_named() {
    let file = "[retention]\ninterval_ms = 500\n[[retention.rules]]\nkinds = [\"1000-1999\", \"5\"]\n\
        age_max = \"90m\"\ncount_max = 7\n[[retention.rules]]\nkinds = [\"7000\"]\nbytes_max = 1\n";
    let retention = load(file, &[], &[]).unwrap().store.retention;
    assert_eq!(retention.interval_ms, 500);
    let found: Vec<_> =
        retention.rules.iter().map(|r| (&r.kinds[..], r.age_seconds_max, r.bytes_max, r.count_max)).collect();
    let first = (&[(5, 5), (1000, 1999)][..], Some(5_400), None, Some(7));
    assert_eq!(found, [first, (&[(7000, 7000)][..], None, Some(1), None)]);
    let all = load("[[retention.rules]]\ncount_max = 0\n", &[], &[]).unwrap().store.retention;
    assert_eq!(all.rules[0].kinds, [(0, u16::MAX)]);

    let file = "[[retention.rules]]\nkinds = [\"1-5\"]\nage_max = \"5\"\ncount_max = -1\n[[retention.rules]]\n\
        kinds = [\"9\"]\n[[retention.rules]]\ncount_max = 1\nweight = 2\n[[retention.rules]]\nkinds = [\"7-9\"]\n\
        count_max = 1\n";
    let expected = [
        "9: retention.rules.weight",
        "3: retention.rules.age_max",
        "4: retention.rules.count_max",
        "5: retention.rules.kinds",
        "10: retention.rules.kinds",
    ];
    let found = refused(load(file, &[], &[]));
    assert_eq!(found, expected, "{found:?}");
}

/// Contract 3.7: an empty variable of the old names is none; and a fee is one that an administrator
/// could set, too.
#[test]
fn old_names_of_variables_may_be_empty_and_fees_are_bounded() {
    let names = ["POSTING_FEE_USD", "COMMENT_FEE_USD", "JWT_SIGNING_KEY", "BCH_ADDRESS", "GELATO_API_KEY"];
    let config = load("", &names.map(|name| (name, "")), &[]).unwrap();
    let options = &config.gather.options;
    assert_eq!((options.post_fee_usd.as_str(), options.comment_fee_usd.as_str()), ("0.02", "0.005"));
    let config = load("", &[("POSTING_FEE_USD", "0.5")], &[]).unwrap();
    assert_eq!(config.gather.options.post_fee_usd, "0.5");
    for wrong in ["1000", "-1", "x", "1e-2", "99999999999999999999"] {
        let found = refused(load("", &[("POSTING_FEE_USD", wrong)], &[]));
        assert_eq!(found, ["env: gather.post_fee_usd"], "{wrong}");
    }
}
