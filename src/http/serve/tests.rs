//! Setup: the thread with both doors, on port 0 and in a temporary directory; the allowlist is
//! a map. Every request goes over a real socket.

use super::*;
use crate::base::counters::{LogCounters, ShardCounters};
use crate::base::{KeyLimit, KeyOverrides, PubKey};
use crate::http::{ControlClient, ControlError, Health, KeyAdmin, KeyEntry, Status};
use crate::log::Role;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

#[derive(Default)]
struct MapKeys(Mutex<BTreeMap<PubKey, KeyEntry>>);

impl KeyAdmin for MapKeys {
    fn list(&self) -> Result<Vec<KeyEntry>, String> {
        Ok(self.0.lock().unwrap().values().cloned().collect())
    }
    fn add(&self, entry: &KeyEntry) -> Result<(), String> {
        if entry.name == "disk full" {
            return Err("no space left".to_owned());
        }
        self.0.lock().unwrap().insert(entry.pubkey, entry.clone());
        Ok(())
    }
    fn remove(&self, pubkey: &PubKey) -> Result<bool, String> {
        Ok(self.0.lock().unwrap().remove(pubkey).is_some())
    }
}

struct NoStore;

impl crate::http::ConnectionAdmin for NoStore {
    fn list(&self, key: Option<&PubKey>) -> serde_json::Value {
        serde_json::json!({ "of": key.map(|key| key.to_hex()) })
    }
    fn close(&self, id: &str) -> Option<serde_json::Value> {
        (id == "0-1-2").then(|| serde_json::json!({ "id": id }))
    }
}

impl control::Checkpoints for NoStore {
    fn make(&self) -> Result<PathBuf, String> {
        Ok("/data/log.checkpoint-0".into())
    }
    fn remove(&self, name: &str) -> Result<(), String> {
        Err(format!("{name} stays"))
    }
}

impl control::EventAdmin for NoStore {
    fn remove(&self, request: &serde_json::Value) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({ "asked": request }))
    }
    fn reclaim(&self) {}
    fn import(&self, batch: &[u8]) -> Result<serde_json::Value, String> {
        if batch.is_empty() { Err("batch: nothing".to_owned()) } else { Ok(batch.len().into()) }
    }
}

fn control_options() -> ControlOptions {
    let info = Arc::new(|| serde_json::json!({ "head": 7 }));
    let refused = || -> Result<serde_json::Value, String> { Err("relay.shards: wrong".to_owned()) };
    let reload = Arc::new(refused);
    let (checkpoints, events, connections) = (Arc::new(NoStore), Arc::new(NoStore), Arc::new(NoStore));
    let keys = Arc::new(MapKeys::default());
    ControlOptions { keys, connections, checkpoints, info, reload, events }
}

struct PublicDoor {
    thread: HttpThread,
    address: SocketAddr,
    health: Arc<Health>,
    shards: Vec<Arc<ShardCounters>>,
    log: Arc<LogCounters>,
}

/// Of the public door in these tests.
const CONNECTIONS: usize = 64;

fn public_door() -> PublicDoor {
    let thread = HttpThread::start().unwrap();
    let shards = vec![Arc::new(ShardCounters::default()), Arc::new(ShardCounters::default())];
    let log = Arc::new(LogCounters::default());
    let health = Arc::new(Health::new(Arc::clone(&log)));
    let options = PublicOptions {
        health: Arc::clone(&health),
        shards: shards.clone(),
        log: Arc::clone(&log),
        refusals: Arc::default(),
        connections_max: CONNECTIONS,
        admin: None,
        beside: None,
    };
    let address = thread.serve_public("127.0.0.1:0".parse().unwrap(), options).unwrap();
    PublicDoor { thread, address, health, shards, log }
}

/// Status line and body of a GET.
fn get(address: SocketAddr, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn on_runtime<F: Future>(work: F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn entry(byte: u8, role: Role, name: &str) -> KeyEntry {
    KeyEntry { pubkey: PubKey([byte; 32]), role, name: name.to_owned(), limits: KeyOverrides::default() }
}

#[test]
fn healthz_says_why_the_relay_does_not_serve() {
    let door = public_door();
    let check = |status: &str, word: &str| {
        let (line, body) = get(door.address, "/healthz");
        assert_eq!(line, format!("HTTP/1.1 {status}"), "{body}");
        assert!(body.contains(word), "{body}");
    };
    check("503 Service Unavailable", "\"status\":\"starting\"");
    door.health.set(Status::Starting("indexing events 5 to 9".to_owned()));
    check("503 Service Unavailable", "indexing events 5 to 9");
    door.health.set(Status::Serving);
    door.log.head.set(42);
    check("200 OK", "\"log_head\":42");
    door.log.failure.set(Some("disk gone".to_owned()));
    check("503 Service Unavailable", "disk gone");
    door.health.set(Status::Stopping);
    check("503 Service Unavailable", "\"status\":\"stopping\"");
    assert_eq!(get(door.address, "/elsewhere").0, "HTTP/1.1 404 Not Found");
    door.thread.shutdown();
}

#[test]
fn metrics_show_every_counter() {
    let door = public_door();
    door.shards[1].connections.set(3);
    door.shards[0].count_publish(409);
    door.shards[0].fanout_nanos.record(20_000, 4);
    door.shards[0].verify_batch.record(100, 1);
    door.log.head.set(99);
    door.log.commit_nanos.record(70_000_000_000, 2);
    let (line, body) = get(door.address, "/metrics");
    assert_eq!(line, "HTTP/1.1 200 OK");
    for expected in [
        "axon_serving 0\n",
        "axon_connections{shard=\"0\"} 0\n",
        "axon_connections{shard=\"1\"} 3\n",
        "axon_publishes_total{shard=\"0\",code=\"409\"} 1\n",
        "axon_publishes_total{shard=\"1\",code=\"409\"} 0\n",
        "axon_fanout_seconds_count{shard=\"0\"} 4\n",
        "axon_fanout_seconds_bucket{le=\"0.00001\",shard=\"0\"} 0\n",
        "axon_fanout_seconds_bucket{le=\"0.000025\",shard=\"0\"} 4\n",
        "axon_verify_batch_events_bucket{le=\"64.0\",shard=\"0\"} 0\n",
        "axon_verify_batch_events_bucket{le=\"128.0\",shard=\"0\"} 1\n",
        "axon_log_head 99\n",
        "axon_commit_seconds_bucket{le=\"10.0\"} 0\n",
        "axon_commit_seconds_bucket{le=\"+Inf\"} 2\n",
        "# TYPE process_cpu_seconds counter\n",
        "process_resident_memory_bytes ",
        "# EOF\n",
    ] {
        assert!(body.contains(expected), "{expected:?} is missing in\n{body}");
    }
    door.thread.shutdown();
}

#[test]
fn keys_change_through_the_control_socket() {
    let dir = tempfile::tempdir().unwrap();
    let thread = HttpThread::start().unwrap();
    thread.serve_control(dir.path(), control_options()).unwrap();
    let client = ControlClient::new(dir.path());
    let (member, auditor) = (entry(1, Role::Member, "agent ü"), entry(2, Role::Auditor, ""));
    on_runtime(async {
        assert_eq!(client.keys().await.unwrap(), []);
        client.add_key(&member).await.unwrap();
        client.add_key(&auditor).await.unwrap();
        assert_eq!(client.keys().await.unwrap(), [member.clone(), auditor.clone()]);
        assert!(client.remove_key(&member.pubkey).await.unwrap());
        assert!(!client.remove_key(&member.pubkey).await.unwrap());
        assert_eq!(client.keys().await.unwrap(), [auditor]);
        assert_eq!(client.info().await.unwrap()["head"], 7);
        let mut limited = entry(5, Role::Agent, "limited");
        limited.limits.set(KeyLimit::PublishesPerSecond, 7);
        limited.limits.set(KeyLimit::Subscriptions, 0);
        client.add_key(&limited).await.unwrap();
        assert!(client.keys().await.unwrap().contains(&limited));
        assert!(client.remove_key(&limited.pubkey).await.unwrap());
        let full = client.add_key(&entry(3, Role::Admin, "disk full")).await.unwrap_err();
        assert!(
            matches!(&full, ControlError::Refused { status: 500, message } if message == "no space left"),
            "{full:?}"
        );
        let long = client.add_key(&entry(4, Role::Member, &"x".repeat(257))).await.unwrap_err();
        assert!(matches!(long, ControlError::Refused { status: 400, .. }), "{long:?}");
    });
    thread.shutdown();
    let gone = on_runtime(client.keys()).unwrap_err();
    assert!(matches!(gone, ControlError::NotRunning(_)), "{gone:?}");
    assert!(!dir.path().join(CONTROL_SOCKET).exists());
}

#[test]
fn malformed_control_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let thread = HttpThread::start().unwrap();
    let path = thread.serve_control(dir.path(), control_options()).unwrap();
    let key = "0".repeat(64);
    let cases = [
        ("POST", "/keys".to_owned(), "{".to_owned()),
        ("POST", "/keys".to_owned(), format!("{{\"pubkey\":\"{key}\",\"role\":\"king\"}}")),
        ("POST", "/keys".to_owned(), format!("{{\"pubkey\":\"{key}\",\"role\":\"member\",\"age\":1}}")),
        ("POST", "/keys".to_owned(), "{\"pubkey\":\"00\",\"role\":\"member\"}".to_owned()),
        (
            "POST",
            "/keys".to_owned(),
            format!("{{\"pubkey\":\"{key}\",\"role\":\"member\",\"limits\":{{\"x\":1}}}}"),
        ),
        (
            "POST",
            "/keys".to_owned(),
            format!(
                "{{\"pubkey\":\"{key}\",\"role\":\"member\",\"limits\":{{\"thread_publishes_per_min\":60001}}}}"
            ),
        ),
        ("DELETE", "/keys/xyz".to_owned(), String::new()),
    ];
    for (method, target, body) in cases {
        let mut stream = UnixStream::connect(&path).unwrap();
        let head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let body_head = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body_head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{method} {target} {body}: {answer}");
        assert!(answer.contains("{\"error\":"), "{answer}");
    }
    thread.shutdown();
}

/// Whatever stands in the body of a request, the answer is one of its three.
#[test]
fn no_body_can_do_worse_than_be_refused() {
    let (keys, options) = (Arc::new(MapKeys::default()), control_options());
    let router = control::router(ControlOptions { keys: Arc::clone(&keys) as Arc<dyn KeyAdmin>, ..options });
    let mut random = crate::mutate::Random(0xb0d7);
    let key = "ab".repeat(32);
    let specimens = [
        format!(r#"{{"pubkey":"{key}","role":"member","name":"a\u00e9","limits":{{"connections_max":3}}}}"#),
        format!(r#"{{"pubkey":"{key}","role":"agent","limits":{{"bytes_per_s":18446744073709551615}}}}"#),
        r#"{"role":{"member":[[[[1e999,-0.0,null]]]]}}"#.to_owned(),
    ]
    .map(String::into_bytes);
    let mut taken = 0;
    on_runtime(async {
        for n in 0..3_000 {
            let body = random.mutate(&specimens[n % specimens.len()], &specimens);
            let request = hyper::Request::post("/keys").header("content-type", "application/json");
            let request = request.body(axum::body::Body::from(body.clone())).unwrap();
            let status = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap().status().as_u16();
            assert!(matches!(status, 204 | 400), "{status} to {}", String::from_utf8_lossy(&body));
            taken += u32::from(status == 204);
        }
    });
    assert!(taken > 0, "some of the changed bodies are well");
    for entry in keys.list().unwrap() {
        assert!(entry.name.len() <= crate::base::limits::NAME_BYTES_MAX);
        assert!(entry.limits.iter().all(|(limit, value)| value <= limit.value_max()), "{entry:?}");
    }
}

#[test]
fn only_the_owner_may_open_the_control_socket() {
    let dir = tempfile::tempdir().unwrap();
    let thread = HttpThread::start().unwrap();
    let path = thread.serve_control(dir.path(), control_options()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    thread.shutdown();
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CONTROL_SOCKET);
    // A killed relay leaves its file: nobody listens on it any more.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let thread = HttpThread::start().unwrap();
    thread.serve_control(dir.path(), control_options()).unwrap();
    let second = thread.serve_control(dir.path(), control_options()).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::AddrInUse, "{second}");
    assert!(path.exists(), "the live socket must stay");
    thread.shutdown();

    std::fs::write(&path, "not a socket").unwrap();
    let thread = HttpThread::start().unwrap();
    let in_the_way = thread.serve_control(dir.path(), control_options()).unwrap_err();
    assert_eq!(in_the_way.kind(), io::ErrorKind::AddrInUse, "{in_the_way}");
    assert!(path.exists(), "what is no socket is not ours to remove");
    thread.shutdown();
}

#[test]
fn connections_beyond_the_bound_are_closed_and_places_come_back() {
    let door = public_door();
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(door.address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        // An answer proves that the connection has its place.
        assert!(stream.read(&mut [0; 16]).unwrap() > 0);
        held.push(stream);
    }
    let mut refused = TcpStream::connect(door.address).unwrap();
    assert_eq!(refused.read(&mut [0; 1]).unwrap_or(0), 0);
    drop(held);
    let served = || {
        let mut stream = TcpStream::connect(door.address).unwrap();
        let sent = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        sent.is_ok() && stream.read(&mut [0; 16]).unwrap_or(0) > 0
    };
    // The server learns of the closed connections in its own time; each attempt is a round trip.
    assert!((0..10_000).any(|_| served()), "no place came back");
    door.thread.shutdown();
}

#[test]
fn shutdown_finishes_while_an_idle_connection_is_open() {
    let door = public_door();
    let mut idle = TcpStream::connect(door.address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 16]).unwrap() > 0);
    door.thread.shutdown();
    let mut rest = Vec::new();
    // The end of the answer, then the end of the stream.
    idle.read_to_end(&mut rest).unwrap();
    assert!(TcpStream::connect(door.address).is_err());
}
