//! What administrators see of the relay, and what they change on its allowlist.

use super::faces::{PATIENCE, client, publish};
use super::harness::*;
use axon::base::PubKey;
use axon::client::{Filter, Start, Subscription, Update};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

const KEYS: &str = "/api/admin/relay/keys";

fn hex_of(n: u8) -> String {
    PubKey(key(n).verifying_key().to_bytes()).to_hex()
}

fn sum(figures: &Value, name: &str) -> u64 {
    let shards = figures["shards"].as_array().expect("the shards");
    shards.iter().map(|shard| shard[name].as_u64().expect(name)).sum()
}

fn values(spread: &Value) -> u64 {
    let (bounds, counts) = (spread["bounds"].as_array(), spread["counts"].as_array().expect("counts"));
    assert_eq!(bounds.expect("bounds").len() + 1, counts.len());
    counts.iter().filter_map(Value::as_u64).sum()
}

/// Until the next event has come.
async fn next(reader: &mut Subscription) {
    loop {
        match tokio::time::timeout(PATIENCE, reader.next()).await.expect("in time").expect("no end") {
            Ok(Update::Event(_)) => return,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn the_figures_move_with_what_the_relay_does() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (admin, ann) = (service.agent(9), service.agent(1));
    for path in ["", "/storage", "/kinds", "/keys"] {
        let path = format!("/api/admin/relay{path}");
        ann.get(&service, &path).refused(401);
        assert_eq!(service.get(&path).refused(422), ["header.Authorization"]);
    }
    let before = admin.get(&service, "/api/admin/relay").expect(200);
    let all = Filter { kinds: vec![1_500], ..Filter::default() };
    let mut reader = client(&service, 9).subscribe(all, Start::Beginning);
    for n in 0..20 {
        publish(&service, 9, 1_500, &json!({ "n": n }), &[]).await;
        next(&mut reader).await;
    }
    let after = admin.get(&service, "/api/admin/relay").expect(200);
    let moved = |name: &str| sum(&after, name) - sum(&before, name);
    assert!(moved("accepted") >= 20 && moved("deliveries") >= 20, "{after}");
    assert!(moved("received_bytes") > 0 && moved("sent_bytes") > 0);
    assert_eq!(sum(&after, "subscriptions"), 1);
    for name in ["publish_ms", "fanout_ms", "verify_batch", "commit_ms", "commit_batch"] {
        assert!(values(&after[name]) > values(&before[name]), "{name}: {}", after[name]);
    }
    assert!(after["log"]["head"].as_u64() >= before["log"]["head"].as_u64().map(|head| head + 20));
    assert!(after["at_ms"].as_u64() > before["at_ms"].as_u64());
    assert!(after["cpu_seconds"].as_f64() > before["cpu_seconds"].as_f64());

    let storage = admin.get(&service, "/api/admin/relay/storage").expect(200);
    assert!(each(&storage, "families", "name").contains(&json!("log")), "{storage}");
    let kinds = admin.get(&service, "/api/admin/relay/kinds").expect(200);
    let mine = kinds["kinds"].as_array().and_then(|kinds| kinds.iter().find(|kind| kind["kind"] == 1_500));
    assert_eq!(mine.map(|kind| &kind["events"]), Some(&json!(20)), "{kinds}");
}

#[tokio::test]
async fn a_connection_is_listed_and_closed_and_the_journal_says_whose() {
    let service = Setup::new().allow(&key(9), "admin").allow(&key(2), "member").start();
    let (admin, ann) = (service.agent(9), service.agent(1));
    const PATH: &str = "/api/admin/relay/connections";
    ann.get(&service, PATH).refused(401);
    assert_eq!(admin.get(&service, &format!("{PATH}?key=abc")).refused(422), ["query.key"]);
    assert_eq!(admin.get(&service, &format!("{PATH}?limit=201")).refused(422), ["query.limit"]);
    let kinds = Filter { kinds: vec![1_500], ..Filter::default() };
    let mut reader = client(&service, 2).subscribe(kinds, Start::Beginning);
    publish(&service, 9, 1_500, &json!(1), &[]).await;
    next(&mut reader).await;
    let of_two = format!("{PATH}?key={}", hex_of(2));
    let listed = admin.get(&service, &of_two).expect(200);
    assert_eq!(
        (&listed["matching"], &listed["connections"][0]["follows"][0]["filter"]),
        (&json!(1), &json!("kind 1500; after 0"))
    );
    let id = listed["connections"][0]["id"].as_str().expect("an id").to_owned();
    // A list like every other.
    let kinds = Filter { kinds: vec![1_500], ..Filter::default() };
    let mut other = client(&service, 9).subscribe(kinds, Start::Beginning);
    next(&mut other).await;
    let all = each(&admin.get(&service, PATH).expect(200), "connections", "id");
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&service, &format!("{PATH}?max_tokens=1&fields=id{cursor}")).expect(200);
        assert_eq!(page["connections"][0].as_object().map(serde_json::Map::len), Some(1), "{page}");
        read.extend(each(&page, "connections", "id"));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(all.len() > 1, "two readers");
    read.sort_by_key(|id| id.to_string());
    let mut sorted = all;
    sorted.sort_by_key(|id| id.to_string());
    assert_eq!(read, sorted);
    let close = || admin.delete(&service, &format!("{PATH}/{id}"));
    assert_eq!(close().expect(200)["pubkey"], json!(hex_of(2)));
    // The subscriber comes back by itself, as another connection, and misses nothing.
    publish(&service, 9, 1_500, &json!(2), &[]).await;
    next(&mut reader).await;
    let again = admin.get(&service, &of_two).expect(200);
    assert_ne!(again["connections"][0]["id"], json!(id));
    let newest = &admin.get(&service, "/api/admin/audit").expect(200)["entries"][0];
    assert_eq!((&newest["action"], &newest["target"]), (&json!("close connection"), &json!(hex_of(2))));
    admin.delete(&service, &format!("{PATH}/0-0-0")).refused(404);
    admin.delete(&service, &format!("{PATH}/x")).refused(404);
}

#[tokio::test]
async fn a_change_of_the_allowlist_counts_at_once_and_is_in_the_journal() {
    let service = Setup::new().allow(&key(9), "admin").start();
    let (admin, ann) = (service.agent(9), service.agent(1));
    let grant = |pubkey: &str, role: &str| json!({"pubkey": pubkey, "role": role, "name": "watcher"});
    ann.post(&service, KEYS, grant(&hex_of(2), "member")).refused(401);
    assert_eq!(admin.post(&service, KEYS, grant(&"x".repeat(64), "member")).refused(422), ["body.pubkey"]);
    assert_eq!(admin.post(&service, KEYS, grant(&hex_of(2), "king")).refused(422), ["body.role"]);
    assert!(client(&service, 2).publisher().await.is_err(), "nobody let it in yet");
    let made = admin.post(&service, KEYS, grant(&hex_of(2), "member")).expect(200);
    assert_eq!((&made["pubkey"], &made["role"]), (&json!(hex_of(2)), &json!("member")));
    publish(&service, 2, 1_500, &json!("I am in"), &[]).await;
    admin.post(&service, KEYS, grant(&hex_of(2), "auditor")).expect(200);
    let found = admin.get(&service, &format!("{KEYS}?q=WATCH")).expect(200);
    assert_eq!(each(&found, "keys", "role"), ["auditor"]);
    assert_eq!((&found["matching"], &found["keys"][0]["pubkey"]), (&json!(1), &json!(hex_of(2))));
    // A list like every other.
    let all = each(&admin.get(&service, KEYS).expect(200), "keys", "pubkey");
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&service, &format!("{KEYS}?max_tokens=1&fields=pubkey{cursor}")).expect(200);
        let shown = page["keys"][0].as_object().map(|key| key.len());
        assert_eq!((&page["matching"], shown), (&json!(4), Some(1)));
        read.extend(each(&page, "keys", "pubkey"));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((read.len(), &read), (4, &all));
    assert_eq!(admin.get(&service, &format!("{KEYS}?cursor=1.2.3.4")).refused(422), ["query.cursor"]);

    let gone = |pubkey: &str| admin.delete(&service, &format!("{KEYS}/{pubkey}"));
    let open = client(&service, 2).publisher().await.expect("a login");
    gone(&hex_of(2)).expect(200);
    gone(&hex_of(2)).refused(404);
    drop(open);
    assert!(client(&service, 2).publisher().await.is_err(), "it is removed");
    // Nobody shuts himself out, or the platform.
    gone(&hex_of(9)).refused(403);
    admin.post(&service, KEYS, grant(&hex_of(9), "member")).refused(403);

    let journal = admin.get(&service, "/api/admin/audit").expect(200);
    assert_eq!(each(&journal, "entries", "action"), ["remove key", "allow key", "allow key"]);
    assert_eq!(each(&journal, "entries", "target"), vec![json!(hex_of(2)); 3]);
    assert_eq!(journal["entries"][1]["detail"], "auditor watcher");
    assert_eq!(journal["entries"][0]["actor"], json!(admin.id));
}
