//! The operator's list of connections, and the end of one: over the control socket, as it is typed.

use super::harness::*;
use axon::filter::Filter;
use serde_json::Value;

/// `axon connections --json` with these flags.
fn listed(relay: &Relay, flags: &[&str]) -> Vec<Value> {
    let out = relay.axon(&[&["connections", "--json"], flags].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn id(connection: &Value) -> &str {
    connection["id"].as_str().expect("an id")
}

fn kinds(kind: u16) -> Filter {
    Filter { kinds: vec![kind], ..Filter::default() }
}

#[test]
fn an_operator_sees_who_follows_what_and_closes_one_connection_alone() {
    let relay = Setup::new([1, 2]).start();
    let (mut one, mut same_key) = (relay.client(&key(1)), relay.client(&key(1)));
    let (mut other, _stranger) = (relay.client(&key(2)), Client::upgrade(&relay.address()));
    one.stored("mine\u{1b}[2J", kinds(1500));
    one.stored("all", Filter::default());
    same_key.settle();

    let all = listed(&relay, &[]);
    assert_eq!(all.len(), 4);
    assert_eq!(all.iter().filter(|one| one["pubkey"].is_null()).count(), 1, "it has not logged in");
    let of_one = listed(&relay, &["--key", &pubkey(&key(1)).to_hex()]);
    assert_eq!(of_one.len(), 2);
    let (following, idle): (Vec<_>, Vec<_>) = of_one.iter().partition(|one| one["subscriptions"] == 2);
    assert_eq!((following.len(), idle.len()), (1, 1));
    let follows: Vec<&Value> = following[0]["follows"].as_array().expect("a list").iter().collect();
    assert_eq!(follows[0]["filter"], "kind 1500");
    assert_eq!(follows[1]["filter"], "everything");
    assert!(following[0]["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")));
    let text = String::from_utf8(relay.axon(&["connections"]).stdout).expect("text");
    assert!(
        text.contains("4 shown, 4 matching, 4 open") && text.contains("mine\\u{1b}[2J: kind 1500"),
        "{text}"
    );

    let closed = relay.axon(&["disconnect", id(following[0]), "--json"]);
    let said: Value = serde_json::from_slice(&closed.stdout).expect("JSON");
    assert_eq!((&said["closed"], &said["connection"]["pubkey"]), (&true.into(), &following[0]["pubkey"]));
    assert_eq!(one.rest(), [Received::Close(1001)], "no Error: it has done nothing wrong");
    drop(one);
    same_key.settle();
    other.settle();
    wait_until(|| listed(&relay, &[]).len() == 3, "the connection is gone");
    // Its place may be another's by now.
    let mut again = relay.client(&key(1));
    assert_eq!(relay.axon(&["disconnect", id(following[0])]).status.code(), Some(1));
    again.settle();
    assert!(relay.get(&relay.http_address(), "/metrics").contains("reason=\"dismissed\"} 1"));
    for bad in ["", "7", "0-0-0", "99-0-1", "a/b"] {
        assert_ne!(relay.axon(&["disconnect", bad]).status.code(), Some(0), "{bad}");
    }
    assert_eq!(listed(&relay, &[]).len(), 4);
}

/// A reader that takes nothing is what the list is for: it stands first, whoever came later, and
/// closing it a second time does not wait for it.
#[test]
fn the_slowest_reader_stands_first_and_can_be_cut_off() {
    let relay =
        Setup::new([1, 2]).section("[limits]\nmessage_bytes_max = 70000\nqueue_bytes_max = 80000").start();
    let mut slow = relay.client(&key(2));
    slow.subscribe("s", kinds(1000));
    let mut publisher = relay.client(&key(1));
    for n in 0..400u32 {
        let content = [n.to_be_bytes().as_slice(), &[7; 60_000]].concat();
        publisher.publish_ok(&event(&key(1), 1000, &content, &[]));
    }
    let _later: Vec<Client> = (0..5).map(|_| relay.client(&key(1))).collect();
    let of_slow = pubkey(&key(2)).to_hex();
    let mut first = Value::Null;
    let is_it = |one: &Value| {
        one["pubkey"] == of_slow && one["queued_bytes"].as_u64() > Some(0) && one["behind"] == 1
    };
    wait_until(
        || {
            first = listed(&relay, &[])[0].clone();
            is_it(&first)
        },
        "the slow reader stands first",
    );
    let gone = || !listed(&relay, &[]).iter().any(|one| one["pubkey"] == of_slow);
    assert!(relay.axon(&["disconnect", id(&first)]).status.success());
    assert!(!gone(), "what is queued for it is not thrown away");
    assert!(relay.axon(&["disconnect", id(&first)]).status.success());
    wait_until(gone, "it is cut off");
}

#[test]
fn the_list_is_bounded_and_says_how_many_there_are() {
    let relay = Setup::new([1, 2]).start();
    let _old = relay.client(&key(2));
    let _many: Vec<Client> = (0..210).map(|_| relay.client(&key(1))).collect();
    let shown = listed(&relay, &[]);
    assert_eq!(shown.len(), 200);
    assert!(shown.iter().all(|one| one["pubkey"] == pubkey(&key(1)).to_hex()), "the newest are shown");
    let text = String::from_utf8(relay.axon(&["connections", "--key", &pubkey(&key(1)).to_hex()]).stdout);
    assert!(text.expect("text").contains("200 shown, 210 matching, 211 open"));
}
