//! The shop, against doubles of the chain, the rate and the print service.

use super::harness::*;
use super::shop_doubles::{ADDRESS, Doubles};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

pub fn shop(doubles: &Doubles) -> Setup {
    doubles.options().lines().fold(Setup::new(), Setup::gather)
}

pub fn order() -> Value {
    json!({
        "product_id": "t-shirt", "options": {"size": "M", "color": "white"},
        "shipping_address": {
            "first_name": "<b>Ann</b>", "last_name": "Lee", "address_line_1": "1 Way", "city": "Town",
            "post_code": "12345", "country": "DE", "email": "a@example.com",
        },
    })
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

pub fn place(service: &Service, agent: &Agent) -> String {
    text(&agent.post(service, "/api/order/product", order()).expect(201)["order_id"])
}

fn pay(service: &Service, agent: &Agent, order: &str, tx: &str) -> Answer {
    let request = Request::new("PUT", &format!("/api/order/{order}/payment"));
    agent.ask(service, request.json(json!({ "tx_id": tx })))
}

pub fn status(service: &Service, agent: &Agent, order: &str) -> Value {
    agent.get(service, &format!("/api/order/{order}")).expect(200)
}

/// The errands' thread looks every two seconds; it is waited for up to a minute.
pub fn wait_for(service: &Service, agent: &Agent, order: &str, wanted: &str) -> Value {
    for _ in 0..600 {
        let seen = status(service, agent, order);
        if seen["status"] == wanted {
            return seen;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("it never was {wanted}: {}", status(service, agent, order));
}

#[test]
fn the_menu_and_the_options() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let menu = service.get("/api/menu").expect(200);
    assert_eq!(menu["categories"][0]["count"], 3);
    assert_eq!(menu["categories"][0]["href"], "/api/menu/products");
    let items = service.get("/api/menu/products?page=9").expect(200);
    assert_eq!((&items["page"], &items["total_pages"], &items["next"]), (&json!(1), &json!(1), &json!(null)));
    // 10 dollars · 1.4 / 400.
    assert_eq!(
        items["items"][0],
        json!({"id": "t-shirt", "name": "T-Shirt — Unisex crewneck, printed front", "available": true, "base_price_bch": "0.035000"})
    );
    service.get("/api/menu/products?page=0").refused(422);
    service.get("/api/menu/food").refused(404);
    let options = service.get("/api/products/t-shirt/options").expect(200);
    assert_eq!(options["options"], json!({"size": ["S", "XL"], "color": ["white"]}));
    assert_eq!(options["product_name"], "T-Shirt");
    service.get("/api/products/hat/options").refused(404);
    doubles.world().print_down = true;
    // What was asked before is kept.
    service.get("/api/products/t-shirt/options").expect(200);
    service.get("/api/products/mug/options").refused(503);
    // Without a key nothing is available.
    let service = Setup::new().start();
    let items = service.get("/api/menu/products").expect(200);
    assert_eq!(
        (&items["items"][2]["available"], &items["items"][2]["base_price_bch"]),
        (&json!(false), &json!("0.000000"))
    );
}

#[test]
fn orders_are_refused_in_order() {
    let doubles = Doubles::start();
    // The rate is asked for once in a while; now it is away.
    doubles.world().rate_down = true;
    let mut service = shop(&doubles).start();
    let agent = service.agent(1);
    let order_with = |service: &Service, changes: &[(&str, Value)]| {
        let mut body = order();
        for (path, value) in changes {
            *body.pointer_mut(path).expect("a place") = value.clone();
        }
        agent.post(service, "/api/order/product", body)
    };
    let with = |changes: &[(&str, Value)]| order_with(&service, changes);
    assert_eq!(with(&[("/product_id", json!("hat"))]).refused(422), ["body.product_id"]);
    assert_eq!(with(&[("/options", json!({"size": "M"}))]).refused(422), ["body.options.color"]);
    assert_eq!(with(&[("/options/color", json!("c".repeat(101)))]).refused(422), ["body.options.color"]);
    assert_eq!(with(&[("/options/color", json!("pink"))]).refused(422), ["body.options"]);
    with(&[]).refused(503);
    doubles.world().rate_down = false;
    service.restart_later(20);
    let with = |changes: &[(&str, Value)]| order_with(&service, changes);
    assert_eq!(
        with(&[("/shipping_address/country", json!("DEU"))]).refused(422),
        ["body.shipping_address.country"]
    );
    assert_eq!(
        with(&[("/shipping_address/city", json!("<i>"))]).refused(422),
        ["body.shipping_address.city"]
    );
    let mut foreign = order();
    foreign["design_url"] = json!("https://evil.example/x.png");
    assert_eq!(agent.post(&service, "/api/order/product", foreign).refused(422), ["body.design_url"]);
    let placed = with(&[]).expect(201);
    assert_eq!((&placed["status"], &placed["total_bch"]), (&json!("awaiting_payment"), &json!("0.035000")));
    assert_eq!(placed["payment_address"], format!("bitcoincash:{ADDRESS}"));
    assert_eq!(placed["status_url"], format!("/api/order/{}", text(&placed["order_id"])));
    let other = service.agent(2);
    let path = text(&placed["status_url"]);
    other.get(&service, &path).refused(403);
    agent.get(&service, "/api/order/none").refused(404);
    let seen = agent.get(&service, &path).expect(200);
    assert_eq!(
        (&seen["paid"], &seen["order_type"], &seen["product_options"]["size"]),
        (&json!(false), &json!("product"), &json!("M"))
    );
    assert!(seen.get("tx_id").is_none() && seen.get("gelato_order_id").is_none());
    let unconfigured = Setup::new().start();
    unconfigured.agent(1).post(&unconfigured, "/api/order/product", order()).refused(503);
}

#[test]
fn payments_are_refused_in_order_and_the_surplus_is_credited() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let (agent, other) = (service.agent(1), service.agent(2));
    let order = place(&service, &agent);
    let good = doubles.pays(1, 800_000, &[("someone", 9), (ADDRESS, 3_400_000), (ADDRESS, 100_001)]);
    let try_tx = |tx: &str| pay(&service, &agent, &order, tx);
    pay(&service, &agent, "none", &good).refused(404);
    pay(&service, &other, &order, &good).refused(403);
    assert_eq!(try_tx("ab").refused(422), ["body.tx_id"]);
    try_tx(&good.to_uppercase().replace('0', "G")).refused(402);
    doubles.world().chain_down = true;
    let away = try_tx(&good);
    assert!(away.header("retry-after").is_some());
    away.refused(503); // W19
    doubles.world().chain_down = false;
    try_tx(&hex::encode([7; 32])).refused(402); // unknown
    try_tx(&doubles.pays(2, -1, &[(ADDRESS, 3_500_000)])).refused(402); // unconfirmed
    try_tx(&doubles.pays(3, 800_000, &[("someone", 3_500_000)])).refused(402);
    try_tx(&doubles.pays(4, 800_000, &[(ADDRESS, 3_499_999)])).refused(402);
    let paid = try_tx(&good).expect(200);
    assert_eq!((&paid["status"], &paid["credited_bch"]), (&json!("fulfilling"), &json!("0.00000001")), "W21");
    assert_eq!((&paid["tx_id"], &paid["total_bch"]), (&json!(good), &json!("0.035000")));
    try_tx(&good).refused(409);
    let second = place(&service, &agent);
    pay(&service, &agent, &second, &good).refused(409);
    let seen = status(&service, &agent, &order);
    assert_eq!((&seen["paid"], &seen["gelato_order_id"]), (&json!(true), &json!("g-1")));
    let printed = doubles.world().printed.clone();
    assert_eq!(printed.len(), 1);
    assert_eq!(
        (&printed[0]["orderReferenceId"], &printed[0]["items"][0]["productUid"]),
        (&json!(order), &json!("uid-XL"))
    );
    assert_eq!(printed[0]["shippingAddress"]["firstName"], "Ann");
    assert!(text(&printed[0]["items"][0]["files"][0]["url"]).starts_with("http://127.0.0.1"), "W17");
}

#[test]
fn one_transaction_for_eight_orders_at_once_pays_one() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let agents: Vec<Agent> = (1..=8).map(|n| service.agent(n)).collect();
    let orders: Vec<String> = agents.iter().map(|agent| place(&service, agent)).collect();
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 9_000_000)]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = |(agent, order): (&Agent, &String)| pay(&service, agent, order, &tx).status;
        let threads: Vec<_> = agents.iter().zip(&orders).map(|pair| scope.spawn(move || ask(pair))).collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "W32: {statuses:?}");
    assert_eq!(statuses.iter().filter(|s| **s == 409).count(), 7, "{statuses:?}");
    assert_eq!(doubles.world().printed.len(), 1);
}

/// W2: what paid an order is no deposit, and what was deposited pays no order.
#[test]
fn a_transaction_is_an_order_or_a_deposit() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let (agent, other) = (service.agent(1), service.agent(2));
    let deposit = |agent: &Agent, tx: &str| agent.put(&service, "/api/balance/deposit", json!({"tx_id": tx}));
    let (one, two) = (place(&service, &agent), place(&service, &agent));
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    pay(&service, &agent, &one, &tx).expect(200);
    deposit(&other, &tx).refused(409);
    deposit(&agent, &tx).refused(409);
    let tx = doubles.pays(2, 800_000, &[(ADDRESS, 3_500_000)]);
    deposit(&other, &tx).expect(200);
    pay(&service, &agent, &two, &tx).refused(409);
    // Both at once, each sixteen times: one of all is credited.
    let tx = doubles.pays(3, 800_000, &[(ADDRESS, 3_500_000)]);
    let answers = service.at_once(|service, i| match i % 2 {
        0 => pay(service, &agent, &two, &tx),
        _ => other.put(service, "/api/balance/deposit", json!({"tx_id": tx})),
    });
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 15));
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
}

/// A payment that says for whom it is pays nobody else's order.
#[test]
fn a_memo_binds_a_payment_to_its_agent() {
    let doubles = Doubles::start();
    let service = shop(&doubles).gather("deposit_memo = \"on\"").start();
    let (agent, other) = (service.agent(1), service.agent(2));
    let order = place(&service, &agent);
    let inbox = agent.get(&service, "/api/inbox").expect(200);
    let placed = text(&inbox["messages"][0]["body"]);
    assert!(placed.contains(&format!("gather:{}", agent.id)), "{placed}");
    pay(&service, &agent, &order, &doubles.pays_for(1, 3_500_000, &other.id)).refused(402);
    pay(&service, &agent, &order, &doubles.pays(2, 800_000, &[(ADDRESS, 3_500_000)])).refused(402);
    pay(&service, &agent, &order, &doubles.pays_for(3, 3_500_000, &agent.id)).expect(200);
    // Where none is needed it is told of nevertheless, and binds.
    let service = shop(&doubles).start();
    let (agent, other) = (service.agent(1), service.agent(2));
    let order = place(&service, &agent);
    let inbox = agent.get(&service, "/api/inbox").expect(200);
    let placed = text(&inbox["messages"][0]["body"]);
    assert!(placed.contains(&format!("gather:{}", agent.id)), "{placed}");
    pay(&service, &agent, &order, &doubles.pays_for(4, 3_500_000, &other.id)).refused(402);
}

#[test]
fn orders_payments_and_uploads_are_not_done_twice() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let agent = service.agent(1);
    let twice = |request: Request| {
        let ask = || agent.ask(&service, request.clone().header("Idempotency-Key", "once"));
        let (first, again) = (ask(), ask());
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text);
        assert_eq!((first.status, &first.text), (again.status, &again.text));
        let answer: Value = serde_json::from_str(&first.text).expect("JSON");
        answer
    };
    let placed = twice(Request::new("POST", "/api/order/product").json(order()));
    assert_eq!(service.number("SELECT count(*) FROM orders"), 1);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    let path = format!("/api/order/{}/payment", text(&placed["order_id"]));
    assert_eq!(twice(Request::new("PUT", &path).json(json!({ "tx_id": tx })))["status"], "fulfilling");
    assert_eq!(doubles.world().printed.len(), 1);
    twice(upload_request("a.svg", b"<svg/>"));
    assert_eq!(service.number("SELECT count(*) FROM designs"), 1);
    let files = std::fs::read_dir(service.data_dir().join("designs")).expect("the folder").count();
    assert_eq!(files, 1, "the second one's bytes are not kept");
}

/// W42: whoever asks again before the first answer has come is not told that it was done already.
#[test]
fn a_payment_that_is_sent_eight_times_at_once_is_answered_eight_times() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let agent = service.agent(1);
    let path = format!("/api/order/{}/payment", place(&service, &agent));
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    let request = Request::new("PUT", &path).header("Idempotency-Key", "once").json(json!({ "tx_id": tx }));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let ask = || scope.spawn(|| agent.ask(&service, request.clone()));
        let threads: Vec<_> = (0..8).map(|_| ask()).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(count(&answers, 200), 8, "{answers:?}");
    assert_eq!(doubles.world().printed.len(), 1);
    assert_eq!(service.number("SELECT sum(amount) FROM transfers"), 3_500_000);
}

#[test]
fn fulfilment_is_retried_over_a_crash_and_never_doubled() {
    let doubles = Doubles::start();
    let mut service = shop(&doubles).start();
    let agent = service.agent(1);
    let order = place(&service, &agent);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    doubles.world().print_loses_answers = true;
    assert_eq!(pay(&service, &agent, &order, &tx).expect(200)["status"], "confirmed");
    assert_eq!(doubles.world().printed.len(), 1, "it arrived, and nobody knows");
    service.restart_later(61);
    let seen = wait_for(&service, &agent, &order, "fulfilling");
    assert_eq!(seen["gelato_order_id"], "g-1");
    let printed = doubles.world().printed.len();
    let searches = doubles.world().searches;
    assert_eq!((printed, searches), (1, 1), "it was found, not sent again");
    // And one that did not arrive is sent.
    let second = place(&service, &agent);
    let tx = doubles.pays(2, 800_000, &[(ADDRESS, 3_500_000)]);
    doubles.world().print_down = true;
    assert_eq!(pay(&service, &agent, &second, &tx).expect(200)["status"], "confirmed");
    doubles.world().print_down = false;
    doubles.world().print_loses_answers = false;
    service.restart_later(125);
    wait_for(&service, &agent, &second, "fulfilling");
    assert_eq!(doubles.world().printed.len(), 2);
    doubles.world().shipped = true;
    service.restart_later(3_800);
    let fresh = Agent { key: key(1), id: agent.id.clone(), token: service.log_in(&key(1)) };
    let seen = wait_for(&service, &fresh, &order, "shipped");
    assert_eq!(seen["tracking_url"], "https://track.example/1");
}

/// The print service takes an order and does not say under which id: our reference finds it.
#[test]
fn an_order_without_an_id_there_is_followed_nevertheless() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let agent = service.agent(1);
    let order = place(&service, &agent);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    doubles.world().print_tells_no_id = true;
    assert_eq!(pay(&service, &agent, &order, &tx).expect(200)["status"], "fulfilling");
    assert_eq!(status(&service, &agent, &order)["gelato_order_id"], "unknown");
    doubles.world().shipped = true;
    service.sql("UPDATE calls SET due = 0");
    wait_for(&service, &agent, &order, "shipped");
}

/// An order that the print service lost is looked at for three months, whatever it says to that.
#[test]
fn an_order_that_is_lost_is_not_followed_for_ever() {
    let doubles = Doubles::start();
    let service = shop(&doubles).start();
    let agent = service.agent(1);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    pay(&service, &agent, &place(&service, &agent), &tx).expect(200);
    doubles.world().print_down = true;
    service.sql("UPDATE calls SET attempts = 24 * 90, due = 0");
    for _ in 0..600 {
        if service.number("SELECT count(*) FROM calls") == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("it is followed for ever");
}

#[test]
fn a_price_expires() {
    let doubles = Doubles::start();
    let mut service = shop(&doubles).start();
    let agent = service.agent(1);
    let order = place(&service, &agent);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    service.restart_later(DAY + 1);
    let agent = Agent { key: key(1), id: agent.id.clone(), token: service.log_in(&key(1)) };
    assert_eq!(status(&service, &agent, &order)["status"], "expired", "W21");
    let refused = pay(&service, &agent, &order, &tx);
    assert!(refused.text.contains("deposit"), "{}", refused.text);
    refused.refused(409);
    // The transaction is not used up by that.
    let next = place(&service, &agent);
    pay(&service, &agent, &next, &tx).expect(200);
}

fn upload_request(name: &str, bytes: &[u8]) -> Request {
    let head = format!("--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let body = [head.as_bytes(), bytes, b"\r\n--XX--\r\n"].concat();
    let request = Request::new("POST", "/api/designs/upload");
    request.header("Content-Type", "multipart/form-data; boundary=XX").body(body)
}

pub fn upload(service: &Service, token: Option<&str>, name: &str, bytes: &[u8]) -> Answer {
    let request = upload_request(name, bytes);
    service.ask(match token {
        Some(token) => request.header("Authorization", token),
        None => request,
    })
}

#[test]
fn designs_are_checked_kept_and_served_harmlessly() {
    let doubles = Doubles::start();
    let mut service = shop(&doubles).start();
    let agent = service.agent(1);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let done = upload(&service, Some(&agent.token), "My Cat.SVG", svg).expect(201);
    let url = text(&done["design_url"]);
    assert!(url.starts_with(&format!("/api/files/designs/{}/my_cat_", text(&done["design_id"]))), "{url}");
    upload(&service, None, "a.svg", svg).refused(401);
    upload(&service, Some("nonsense"), "a.svg", svg).refused(401);
    upload(&service, Some(&agent.token), "a.png", svg).refused(400);
    upload(&service, Some(&agent.token), "a.gif", b"GIF89a").refused(400);
    let limited = upload(&service, Some(&agent.token), "a.svg", svg);
    assert!(limited.header("retry-after").is_some());
    limited.refused(429);
    let other = service.agent(2);
    let plain = Request::new("POST", "/api/designs/upload").json(json!({}));
    other.ask(&service, plain).refused(400);
    let large = [svg.as_slice(), &vec![b' '; 20 << 20]].concat();
    upload(&service, Some(&other.token), "a.svg", &large).refused(413); // D23, W26
    // What an upload leaves behind that a crash cuts off.
    let folder = service.data_dir().join("designs");
    std::fs::write(folder.join("aaaaaaaaaaaaaaa"), b"half a pict").expect("a file");
    service.crash_and_restart();
    let left: Vec<_> = std::fs::read_dir(folder).expect("the folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let served = service.get(&url);
    assert_eq!((served.status, served.text.as_bytes()), (200, svg.as_slice()));
    assert_eq!(served.header("content-type"), Some("image/svg+xml"));
    assert_eq!(served.header("content-disposition"), Some("attachment"));
    assert!(served.header("content-security-policy").is_some_and(|p| p.contains("sandbox")));
    assert!(served.header("cache-control").is_some_and(|c| c.contains("max-age=2592000")));
    for unknown in [
        "/api/files/designs/none/x.png",
        "/api/files/designs/..%2f..%2f/gather.sqlite",
        "/api/files/designs/%ff/x.png",
        "/api/files/designs/x.png",
    ] {
        service.get(unknown).refused(404);
    }
    service.get("/api/designs/upload").refused(405); // W27
    let help = service.get("/help").expect(200);
    assert!(each(&help, "endpoints", "path").contains(&json!("/api/designs/upload")));
    service.ask(Request::new("DELETE", &url)).refused(405);
    assert_eq!(service.ask(Request::new("HEAD", &url)).status, 200);
    assert_eq!(
        service.get("/api/files/designs/placeholder/blank.png").header("content-type"),
        Some("image/png")
    );
    // The address that the upload returned can be ordered (W17).
    let mut body = order();
    body["design_url"] = json!(url);
    let placed = agent.post(&service, "/api/order/product", body).expect(201);
    let seen = status(&service, &agent, &text(&placed["order_id"]));
    let absolute = text(&seen["design_url"]);
    assert!(absolute.starts_with("http://") && absolute.ends_with(&url), "{absolute}");
}
