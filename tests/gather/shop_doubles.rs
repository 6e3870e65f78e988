//! Doubles of the services the shop needs: the chain, the rate, the print service.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Where payments go.
pub const ADDRESS: &str = "qshop";

/// When a process is ended: a call of it has come in, has taken effect, or has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Asked,
    Done,
    Answered,
}

/// kill −9, once, when a path is asked for.
#[derive(Debug, Clone)]
pub struct Trap {
    pub path: String,
    pub moment: Moment,
}

/// What the doubles say.
#[derive(Default)]
pub struct World {
    pub trap: Option<Trap>,
    /// Whom the trap is for; it waits until that is known.
    pub victim: Option<u32>,
    /// Whether the print service, the chain and the rate answer.
    pub print_down: bool,
    pub chain_down: bool,
    pub rate_down: bool,
    /// The print service takes an order and the answer is lost.
    pub print_loses_answers: bool,
    pub print_tells_no_id: bool,
    /// Answers of the chain by transaction.
    transactions: HashMap<String, Value>,
    /// Orders that arrived at the print service.
    pub printed: Vec<Value>,
    pub shipped: bool,
    pub cancelled: bool,
    pub searches: usize,
}

pub struct Doubles {
    pub base: String,
    world: Arc<Mutex<World>>,
}

impl Doubles {
    pub fn start() -> Doubles {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let world: Arc<Mutex<World>> = Arc::default();
        let seen = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                thread::spawn(move || serve(stream, &seen));
            }
        });
        Doubles { base, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("the world")
    }

    /// The lines of `[gather]` by which a service finds them.
    pub fn options(&self) -> String {
        let mut lines = format!("bch_address = \"bitcoincash:{ADDRESS}\"\ngelato_api_key = \"secret\"\n");
        for name in ["chain_url", "rate_url", "gelato_product_url", "gelato_order_url"] {
            lines.push_str(&format!("{name} = {:?}\n", self.base));
        }
        lines
    }

    /// A confirmed transaction that pays so much and says that it is for this agent; its id.
    pub fn pays_for(&self, n: u8, sats: i64, agent: &str) -> String {
        let id = self.pays(n, 800_000, &[(ADDRESS, sats)]);
        let memo = format!("gather:{agent}");
        let script = format!("6a{:02x}{}", memo.len(), hex::encode(&memo));
        let mut world = self.world();
        let outputs = &mut world.transactions.get_mut(&id).expect("it")["data"][&id]["outputs"];
        let output = json!({"recipient": "", "value": 0, "script_hex": script});
        outputs.as_array_mut().expect("a list").push(output);
        id
    }

    /// A confirmed transaction with these outputs; its id.
    pub fn pays(&self, n: u8, block: i64, outputs: &[(&str, i64)]) -> String {
        let id = hex::encode([n; 32]);
        let outputs: Vec<Value> =
            outputs.iter().map(|(to, value)| json!({"recipient": to, "value": value})).collect();
        let data = json!({ id.clone(): {"transaction": {"block_id": block}, "outputs": outputs} });
        self.world().transactions.insert(id.clone(), json!({ "data": data }));
        id
    }
}

/// kill −9.
fn spring(world: &Mutex<World>) {
    for _ in 0..6_000 {
        if let Some(pid) = world.lock().expect("the world").victim.take() {
            let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
            return assert!(killed.expect("kill").success());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn serve(stream: TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(&stream);
    let mut head = Vec::new();
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        head.push(line.to_lowercase());
    }
    let length =
        head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let line = head.first().cloned().unwrap_or_default();
    let keyed = head.iter().any(|line| line == "x-api-key: secret");
    let asked = |trap: &Trap| line.split([' ', '?']).nth(1) == Some(trap.path.as_str());
    let trap = world.lock().expect("the world").trap.take_if(|trap| asked(trap));
    let at = |moment| trap.as_ref().is_some_and(|trap| trap.moment == moment);
    if at(Moment::Asked) {
        return spring(world);
    }
    let answer = answer(&mut world.lock().expect("the world"), &line, &body, keyed);
    if at(Moment::Done) {
        return spring(world);
    }
    let (status, body) = answer.unwrap_or((500, json!("out of order")));
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Whoever asked may be gone.
    let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
    if at(Moment::Answered) {
        spring(world);
    }
}

fn answer(world: &mut World, line: &str, body: &Value, keyed: bool) -> Option<(u16, Value)> {
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    if path.starts_with("/api/v3/simple/price") {
        return (!world.rate_down).then(|| (200, json!({"bitcoin-cash": {"usd": 400}})));
    }
    if let Some(id) = path.strip_prefix("/bitcoin-cash/dashboards/transaction/") {
        let unknown = json!({"data": {}});
        return (!world.chain_down).then(|| (200, world.transactions.get(id).cloned().unwrap_or(unknown)));
    }
    if world.print_down || !keyed {
        return None;
    }
    match (method, path) {
        ("post", path) if path.ends_with("products:search") => Some((200, products(body))),
        ("get", path) if path.ends_with("/prices") => Some((200, json!([{"price": 10.00}]))),
        ("post", "/v4/orders:search") => {
            world.searches += 1;
            let wanted = &body["orderReferenceIds"][0];
            let found = world.printed.iter().filter(|order| &order["orderReferenceId"] == wanted);
            let found: Vec<Value> = found
                .map(|order| json!({"id": "g-1", "orderReferenceId": order["orderReferenceId"]}))
                .collect();
            Some((200, json!({ "orders": found })))
        }
        ("post", "/v4/orders") => {
            world.printed.push(body.clone());
            let answer = if world.print_tells_no_id { json!({}) } else { json!({"id": "g-1"}) };
            (!world.print_loses_answers).then_some((201, answer))
        }
        ("get", path) if world.shipped && path.ends_with("/g-1") => {
            let shipment = json!({"packages": [{"trackingUrl": "https://track.example/1"}]});
            Some((200, json!({"fulfillmentStatus": "shipped", "shipment": shipment})))
        }
        ("get", path) if path.ends_with("/g-1") => {
            let state = if world.cancelled { "canceled" } else { "printed" };
            Some((200, json!({ "fulfillmentStatus": state })))
        }
        _ => None,
    }
}

/// Two sizes of everything on one page; nothing in pink.
fn products(body: &Value) -> Value {
    let filters = &body["attributeFilters"];
    if body["offset"] != 0 || filters["GarmentColor"] == json!(["pink"]) {
        return json!({"products": []});
    }
    let product = |size: &str| {
        json!({"productUid": format!("uid-{size}"), "attributes": {
            "GarmentSize": size, "GarmentColor": "white", "MugSize": "11-oz", "PaperFormat": "a3", "Orientation": "ver",
        }})
    };
    json!({"products": [product("XL"), product("S")]})
}
