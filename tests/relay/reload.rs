//! A running relay takes a changed configuration without dropping a connection, and takes
//! nothing of one that is wrong.

use super::harness::*;
use axon::client::KeyPair;
use axon::filter::Filter;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Replaces text in the relay's configuration file.
fn edit(relay: &Relay, from: &str, to: &str) {
    let text = std::fs::read_to_string(relay.config()).expect("its configuration");
    assert!(text.contains(from), "{from:?} is not in {text}");
    std::fs::write(relay.config(), text.replacen(from, to, 1)).expect("its configuration");
}

/// `axon reload`, which must succeed; what it says.
fn reload(relay: &Relay) -> Value {
    let out = relay.axon(&["reload", "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

/// `axon reload`, which must fail; what it says.
fn refused(relay: &Relay) -> String {
    let out = relay.axon(&["reload"]);
    assert_eq!((out.status.code(), &out.stdout[..]), (Some(1), &b""[..]));
    String::from_utf8(out.stderr).expect("text")
}

fn allow_table(n: u8, role: &str) -> String {
    format!("[[allow]]\npubkey = \"{}\"\nrole = \"{role}\"\n", pubkey(&key(n)))
}

#[test]
fn limits_count_at_once_for_connections_that_are_open() {
    let relay =
        Setup::new(1..=1).section("[limits]\ncontent_bytes_max = 1000\nsubscriptions_max = 1").start();
    let mut open = relay.client(&key(1));
    open.publish_ok(&event(&key(1), 1000, &[1; 900], &[]));
    edit(
        &relay,
        "content_bytes_max = 1000\nsubscriptions_max = 1",
        "content_bytes_max = 500\nsubscriptions_max = 2",
    );
    let said = reload(&relay);
    assert_eq!(said["changed"], json!(["limits.content_bytes_max", "limits.subscriptions_max"]));
    assert_eq!(said["restart_needed"], json!([]));
    open.publish(&event(&key(1), 1000, &[2; 900], &[]).1);
    assert!(matches!(open.recv(), Received::Error(413, _)));
    for sub_id in ["one", "two"] {
        assert!(matches!(open.stored(sub_id, Filter::default()).1, Received::Eose { .. }));
    }
    open.subscribe("three", Filter::default());
    assert!(matches!(open.recv(), Received::Error(..)));
    assert!(relay.get(&relay.address(), "/").contains("\"content_bytes_max\":500"));
    assert_eq!(reload(&relay)["changed"], json!([]), "nothing new");
}

#[test]
fn what_roles_and_keys_may_do_counts_at_once_and_what_they_use_stays_counted() {
    let relay = Setup::new(1..=2).section("[roles.member]\nconnections_max = 9").start();
    let mut open = [relay.client(&key(1)), relay.client(&key(1))];
    let refused_login = |n: u8| {
        let mut client = Client::upgrade(&relay.address());
        client.login(&key(n), "ws://test");
        client.expect_end(429, 1008);
    };
    edit(&relay, "connections_max = 9", "connections_max = 2\nkinds = [\"1000\"]");
    let said = reload(&relay);
    assert_eq!(said["changed"], json!(["roles.member.connections_max", "roles.member.kinds"]));
    assert_eq!(said["restart_needed"], json!([]));
    assert_eq!(said["allowlist"], json!({ "added": 0, "changed": 2, "removed": 0 }));
    for (n, client) in open.iter_mut().enumerate() {
        client.publish(&event(&key(1), 1001, b"another kind", &[]).1);
        assert!(matches!(client.recv(), Received::Error(403, text) if text.contains("kind 1001")));
        client.publish_ok(&event(&key(1), 1000, &[n as u8], &[]));
    }
    // The two that were open before count.
    refused_login(1);
    // One key of the role gets its own limit.
    let table = allow_table(1, "member");
    edit(&relay, &table, &format!("{table}connections_max = 3\n"));
    assert_eq!(reload(&relay)["allowlist"], json!({ "added": 0, "changed": 1, "removed": 0 }));
    let third = relay.client(&key(1));
    refused_login(1);
    drop(third);
    assert_eq!(reload(&relay)["allowlist"]["changed"], 0, "nothing new");
}

#[test]
fn bounds_on_addresses_and_on_connections_without_a_login_count_from_the_next_one_on() {
    let setup = Setup::new(1..=1).section("[limits]\nhalf_open_max = 1000\nexempt_loopback = true");
    let relay = Setup { relay: setup.relay.replace("shards = 2", "shards = 1"), ..setup }.start();
    let mut open = relay.client(&key(1));
    let mut strangers: Vec<Client> = (0..3).map(|_| Client::upgrade(&relay.address())).collect();
    edit(&relay, "half_open_max = 1000", "half_open_max = 2");
    assert_eq!(reload(&relay)["changed"], json!(["limits.half_open_max"]));
    let newest = Client::upgrade(&relay.address());
    // Of four the two oldest made room.
    let youngest = strangers.pop().expect("the third");
    for mut stranger in strangers {
        stranger.rest();
    }
    edit(&relay, "exempt_loopback = true", "exempt_loopback = false\nconnections_per_address_max = 1");
    reload(&relay);
    // Those that were not counted when they came are not counted now.
    let counted = Client::upgrade(&relay.address());
    let refused = String::from_utf8(converse(&relay.address(), UPGRADE)).expect("text");
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("connections_per_address_max"),
        "{refused}"
    );
    open.publish_ok(&event(&key(1), 1000, b"still here", &[]));
    drop((newest, youngest, counted));
}

#[test]
fn keys_come_and_go_and_only_they_are_closed() {
    let relay = Setup::new(1..=2).start();
    let (mut stays, mut goes) = (relay.client(&key(1)), relay.client(&key(2)));
    edit(&relay, &allow_table(2, "member"), &allow_table(3, "member"));
    assert_eq!(reload(&relay)["allowlist"], json!({ "added": 1, "changed": 0, "removed": 1 }));
    goes.expect_end(403, 1008);
    stays.publish_ok(&event(&key(1), 1000, b"still here", &[]));
    relay.client(&key(3)).publish_ok(&event(&key(3), 1000, b"new", &[]));
    // A key that the command line has removed stays removed, whatever the file says.
    assert!(relay.axon(&["allow", "remove", &pubkey(&key(3)).to_hex()]).status.success());
    assert_eq!(reload(&relay)["allowlist"], json!({ "added": 0, "changed": 0, "removed": 0 }));
    let mut removed = Client::upgrade(&relay.address());
    removed.login(&key(3), "ws://test");
    removed.expect_end(401, 1008);
}

#[test]
fn a_role_and_the_private_kinds_change_for_open_subscriptions() {
    let mut setup = Setup::new(1..=3);
    setup.relay.push_str("private_kinds = true\n");
    let relay = setup.start();
    let mut author = relay.client(&key(1));
    let (mut auditor, mut other) = (relay.client(&key(2)), relay.client(&key(3)));
    for reader in [&mut auditor, &mut other] {
        assert!(reader.stored("live", Filter::default()).0.is_empty());
    }
    edit(&relay, &allow_table(2, "member"), &allow_table(2, "auditor"));
    assert_eq!(reload(&relay)["allowlist"]["changed"], 1);
    let private = event(&key(1), 2000, b"private", &[]);
    author.publish_ok(&private);
    assert!(matches!(auditor.recv(), Received::Event { wire, .. } if wire == private.1));
    edit(&relay, "private_kinds = true", "private_kinds = false");
    assert_eq!(reload(&relay)["changed"], json!(["relay.private_kinds"]));
    let open = event(&key(1), 2000, b"for all", &[]);
    author.publish_ok(&open);
    for reader in [&mut auditor, &mut other] {
        assert!(matches!(reader.recv(), Received::Event { wire, .. } if wire == open.1));
    }
}

#[test]
fn a_renewed_certificate_is_for_new_connections() {
    let relay = Setup::new(1..=1).tls().start();
    let shown = |client: &Client| match &client.stream {
        Stream::Tls(stream) => {
            stream.conn.peer_certificates().expect("a certificate")[0].clone().into_owned()
        }
        Stream::Plain(_) => panic!("no TLS"),
    };
    let [first, renewed] = ["relay", "renewed"].map(|name| {
        let path = format!("{}/tests/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        CertificateDer::from_pem_file(path).expect("a certificate")
    });
    let mut open = relay.client(&key(1));
    assert_eq!(shown(&open), first);
    put_certificate(relay.dir.path(), "renewed");
    assert_eq!(shown(&relay.client(&key(1))), first, "not before it is told");
    assert_eq!(reload(&relay)["certificate"], true);
    assert_eq!(shown(&relay.client(&key(1))), renewed);
    open.publish_ok(&event(&key(1), 1000, b"still here", &[]));
    // A certificate without its key: nothing changes, and the answer names the files.
    edit(&relay, "[http]", "max_future_seconds = 7\n[http]");
    let cert = relay.dir.path().join("tls.pem");
    std::fs::copy(format!("{}/tests/tls/relay.pem", env!("CARGO_MANIFEST_DIR")), &cert).expect("a file");
    let text = refused(&relay);
    assert!(text.contains("tls.pem") && text.contains("tls.key"), "{text}");
    std::fs::remove_file(&cert).expect("a file");
    assert!(refused(&relay).contains("tls.pem"));
    assert_eq!(shown(&relay.client(&key(1))), renewed);
    assert!(relay.get_tls("/").contains("\"max_future_seconds\":900"));
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let relay = Setup::new(1..=1).section("[limits]\ncontent_bytes_max = 1000").start();
    let mut open = relay.client(&key(1));
    edit(&relay, "content_bytes_max = 1000", "content_bytes_max = 10\nlinger_ms = -1\nnonsense = 1");
    edit(&relay, &allow_table(1, "member"), "");
    let text = refused(&relay);
    assert!(text.contains("limits.linger_ms") && text.contains("limits.nonsense"), "{text}");
    relay.signal(Signal::HUP);
    wait_until(|| relay.log().contains("limits.nonsense"), "the log says why");
    open.publish_ok(&event(&key(1), 1000, &[1; 900], &[]));
    relay.client(&key(1)).publish_ok(&event(&key(1), 1000, &[2; 900], &[]));
}

#[test]
fn sighup_reloads_and_what_needs_a_restart_is_named() {
    let relay =
        Setup::new(1..=1).section("[limits]\ncontent_bytes_max = 1000\n[log]\nlevel = \"info\"").start();
    let mut open = relay.client(&key(1));
    edit(&relay, "shards = 2", "shards = 3");
    edit(&relay, "level = \"info\"", "level = \"warn\"");
    edit(&relay, "content_bytes_max = 1000", "content_bytes_max = 999");
    relay.signal(Signal::HUP);
    wait_until(|| relay.get(&relay.address(), "/").contains("\"content_bytes_max\":999"), "reloaded");
    // Asking again waits for the first one, and the shards still need a restart.
    let said = reload(&relay);
    assert_eq!(said["restart_needed"], json!(["relay.shards"]));
    let text = String::from_utf8(relay.axon(&["reload"]).stdout).expect("text");
    assert!(text.contains("restart needed: relay.shards"), "{text}");
    open.publish_ok(&event(&key(1), 1000, b"still here", &[]));
    // At level warn nothing is said of a reload that went well.
    assert_eq!(relay.log().matches("configuration reloaded").count(), 0, "{}", relay.log());
    edit(&relay, "level = \"warn\"", "level = \"info\"");
    assert_eq!(reload(&relay)["changed"], json!(["log.level"]));
    assert_eq!(relay.log().matches("configuration reloaded").count(), 1);
}

/// Each shard in turn is kept from looking at what it is told, while the other one goes by it already:
/// the answer waits for both. The request behind the answer meets the new terms.
#[test]
fn a_reload_is_answered_when_every_shard_goes_by_it() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let plug = Plug::at(&dir.path().join("relay.log"));
    let mut setup = Setup::new(1..=6).allow(&key(7), "admin");
    setup.sections.push_str("admin = true\n");
    let sections = "[limits]\nsubscriptions_max = 1\n[roles.member]\nsubscriptions_max = 9\n\
                    [log]\nlevel = \"off,axon::shard=info\"";
    let relay = setup.section(sections).start_in(dir);
    plug.unlink();
    let admin_key = relay.dir.path().join("admin.pem");
    KeyPair::from_seed(&[7; 32]).save(&admin_key).expect("a key file");
    let (http, admin_key) = (format!("http://{}", relay.http_address()), admin_key.to_string_lossy());
    let elsewhere = ["--at", &http, "--relay-url", "ws://test", "--admin-key", &admin_key];

    // By shard: one that asks, and two that go.
    let mut clients: [Vec<Client>; 2] = Default::default();
    for n in 1..=6 {
        let client = relay.client(&key(n));
        clients[shard_of(&relay, n)].push(client);
    }
    for clients in &mut clients {
        assert_eq!(clients.len(), 3, "a connection goes to the shard that has the fewest");
        assert!(matches!(clients[0].stored("one", Filter::default()).1, Received::Eose { .. }));
        assert!(!has_room(&mut clients[0]));
    }
    let mut round = |held: usize, (section, from, to): (&str, u8, u8), wanted: bool, how: &[&str]| {
        let closed = relay.metric("axon_connections_closed_total");
        plug.fill();
        drop(clients[held].pop());
        // It is counted before the line is written on which the shard now waits.
        relay.wait_for_metric("axon_connections_closed_total", |now| now > closed);
        let line = |n| format!("{section}\nsubscriptions_max = {n}\n");
        edit(&relay, &line(from), &line(to));
        let mut command = relay.command(&[&["reload"], how].concat());
        let mut asked = command.stdout(Stdio::null()).spawn().expect("the axon binary");
        let free = &mut clients[1 - held][0];
        wait_until(|| has_room(free) == wanted, "the other shard goes by it");
        // Time enough for an answer that does not wait.
        (0..500).for_each(|_| free.settle());
        assert_eq!(asked.try_wait().expect("its state"), None, "answered too early");
        plug.empty();
        assert!(asked.wait().expect("its end").success());
        assert_eq!(has_room(&mut clients[held][0]), wanted);
    };
    round(0, ("[limits]", 1, 2), true, &[]);
    round(1, ("[roles.member]", 9, 1), false, &[]);
    round(0, ("[roles.member]", 1, 9), true, &elsewhere);
    round(1, ("[limits]", 2, 1), false, &elsewhere);
}

/// The shard of the key's one connection.
fn shard_of(relay: &Relay, n: u8) -> usize {
    let out = relay.axon(&["connections", "--json", "--key", &pubkey(&key(n)).to_hex()]);
    let one: Value = serde_json::from_slice(&out.stdout).expect("one connection");
    let id = one["id"].as_str().expect("its id");
    id.split('-').next().and_then(|shard| shard.parse().ok()).expect("its shard")
}

/// Whether the connection may have one subscription more.
fn has_room(client: &mut Client) -> bool {
    match client.stored("more", Filter::default()).1 {
        Received::Eose { .. } => {
            client.unsubscribe("more");
            true
        }
        Received::Error(..) => false,
        other => panic!("{other:?}"),
    }
}

/// A pipe in the place of the relay's log: who writes a line waits while it is full.
struct Plug {
    pipe: File,
    path: PathBuf,
}

impl Plug {
    fn at(path: &Path) -> Plug {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let mut options = File::options();
        options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        Plug { pipe: options.open(path).expect("a pipe"), path: path.to_owned() }
    }

    /// Whoever has it open keeps it; whoever reads the log now finds nothing, and does not wait.
    fn unlink(&self) {
        std::fs::remove_file(&self.path).and_then(|()| std::fs::write(&self.path, "")).expect("a file");
    }

    fn fill(&self) {
        for piece in [&[b'.'; 4_096][..], b"."] {
            while (&self.pipe).write_all(piece).is_ok() {}
        }
    }

    fn empty(&self) {
        while matches!((&self.pipe).read(&mut [0; 4_096]), Ok(n) if n > 0) {}
    }
}

#[test]
fn without_a_relay_there_is_nothing_to_reload() {
    let mut relay = Setup::new(1..=1).start();
    assert_eq!(relay.terminate(), Some(0));
    assert!(refused(&relay).contains("no relay is running"));
}
