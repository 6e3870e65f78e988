//! kill −9 between any two steps of post, tip, deposit, order and payment. Whoever asked asks again
//! with the same `Idempotency-Key`: then everything has been done once, the ledger adds up, and what
//! is told of it is on the relay once. (Posts on both faces: `signed.rs`.)
//!
//! Nothing in the service knows of this. Its steps are seen from outside: a double of a service it
//! calls ends it when the call comes in, when it has taken effect there, or when it is answered; and
//! a burst of requests is cut off behind its first, second, … answer, wherever the others then are.

use super::harness::*;
use super::shop::{order, place, shop, status, text, wait_for};
use super::shop_doubles::{ADDRESS, Doubles, Moment, Trap};
use serde_json::{Value, json};
use std::io::Read as _;
use std::net::TcpStream;

const MOMENTS: [Moment; 3] = [Moment::Asked, Moment::Done, Moment::Answered];
const RATE: &str = "/api/v3/simple/price";
const PRICE_SATS: i64 = 3_500_000;

/// A shop in which every post costs, and two agents; the first one has a deposit of a BCH.
fn house() -> (Doubles, Service, Agent, Agent) {
    let doubles = Doubles::start();
    let service = shop(&doubles).gather("free_posts_per_week = 0").start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    let tx = doubles.pays(255, 800_000, &[(ADDRESS, 100_000_000)]);
    ann.put(&service, "/api/balance/deposit", json!({ "tx_id": tx })).expect(200);
    (doubles, service, ann, bob)
}

/// A request that may be sent again.
fn repeatable(agent: &Agent, method: &str, path: &str, body: Value, key: &str) -> Request {
    let request = Request::new(method, path).header("Authorization", &agent.token);
    request.header("Idempotency-Key", key).json(body)
}

fn deposit(agent: &Agent, tx: &str) -> Request {
    repeatable(agent, "PUT", "/api/balance/deposit", json!({ "tx_id": tx }), tx)
}

fn payment(agent: &Agent, order: &str, tx: &str) -> Request {
    repeatable(agent, "PUT", &format!("/api/order/{order}/payment"), json!({ "tx_id": tx }), order)
}

/// Sends a request during which the process is killed, at this moment of its call of this path, and
/// starts a new one.
fn interrupt(service: &mut Service, doubles: &Doubles, request: &Request, path: &str, moment: Moment) {
    doubles.world().trap = Some(Trap { path: path.to_owned(), moment });
    doubles.world().victim = Some(service.pid());
    let mut stream = service.begin(request.clone());
    // An answer, or what there is of one.
    let _ = stream.read_to_end(&mut Vec::new());
    service.restart_when_dead();
    assert!(doubles.world().trap.is_none(), "{path} was never asked for");
}

/// Sends it again, and once more: the same answer.
#[track_caller]
fn again(service: &Service, request: &Request, status: u16) -> Value {
    let (first, second) = (service.ask(request.clone()), service.ask(request.clone()));
    assert_eq!(second.header("idempotency-replayed"), Some("true"), "{}", second.text);
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    first.expect(status)
}

/// Every account is the sum of its transfers and all of them together are nothing; every row of the
/// outbox is one event of the relay's log, and every notice is told of by one of them.
fn adds_up(service: &Service) {
    for _ in 0..6_000 {
        if service.number("SELECT count(*) FROM outbox WHERE seq IS NULL") == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
    let sums = "SELECT count(*) FROM accounts a WHERE balance <> (SELECT coalesce(sum(
                CASE payee WHEN a.n THEN amount ELSE -amount END), 0) FROM transfers WHERE a.n IN (payer, payee))";
    assert_eq!(service.number(sums), 0);
    let log = service.axon(&["export", "--format", "jsonl"]);
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let tagged = |event: &Value, name: &str| {
        let mut tags = event["tags"].as_array().expect("tags").iter();
        tags.find(|tag| tag[0] == name).map(|tag| text(&tag[1]))
    };
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts
    };
    let published = events.iter().filter_map(|event| tagged(event, "n")).collect();
    assert_eq!(sorted(published), sorted(service.texts("SELECT CAST(n AS TEXT) FROM outbox")));
    let told = events.iter().filter(|event| event["kind"] == 2_101);
    let told = told.map(|event| text(&json!(event["content"]))).map(|content| {
        let content: Value = serde_json::from_str(&content).expect("JSON");
        text(&content["id"])
    });
    assert_eq!(sorted(told.collect()), sorted(service.texts("SELECT id FROM inbox")));
}

#[test]
fn a_deposit_that_was_cut_off_is_credited_once() {
    let (doubles, mut service, ann, bob) = house();
    for (n, moment) in (1..).zip(MOMENTS) {
        let tx = doubles.pays(n, 800_000, &[(ADDRESS, 1_000)]);
        let path = format!("/bitcoin-cash/dashboards/transaction/{tx}");
        interrupt(&mut service, &doubles, &deposit(&bob, &tx), &path, moment);
        let credited = again(&service, &deposit(&bob, &tx), 200);
        assert_eq!(credited["new_balance_bch"], format!("0.0000{n}000"), "{moment:?}");
        service.ask(deposit(&ann, &tx)).refused(409);
    }
    adds_up(&service);
}

#[test]
fn a_post_that_was_cut_off_is_written_and_paid_once() {
    let (doubles, mut service, ann, _) = house();
    // A new process knows no rate, and asks for it before it takes the fee.
    service.crash_and_restart();
    for (n, moment) in (1..).zip(MOMENTS) {
        let draft = ann.draft(&service, &format!("{moment:?}"));
        let post = repeatable(&ann, "POST", "/api/posts", draft, &format!("post-{n}"));
        interrupt(&mut service, &doubles, &post, RATE, moment);
        let written = again(&service, &post, 201);
        assert_eq!(written["title"], format!("{moment:?}"));
        assert_eq!(service.number("SELECT count(*) FROM posts"), n);
        assert_eq!(service.number("SELECT sum(amount) FROM transfers WHERE kind = 'fee'"), n * 5_000);
        // That one asked for the rate.
        service.crash_and_restart();
    }
    adds_up(&service);
}

#[test]
fn an_order_that_was_cut_off_is_placed_once() {
    let (doubles, mut service, ann, _) = house();
    let paths = [RATE, "/v3/catalogs/t-shirts/products:search", "/v3/products/uid-xl/prices"];
    let cases: Vec<_> = paths.iter().flat_map(|path| MOMENTS.map(|moment| (*path, moment))).collect();
    for (n, (path, moment)) in (1..).zip(cases) {
        service.crash_and_restart();
        let request = repeatable(&ann, "POST", "/api/order/product", order(), &format!("order-{n}"));
        interrupt(&mut service, &doubles, &request, path, moment);
        again(&service, &request, 201);
        assert_eq!(service.number("SELECT count(*) FROM orders"), n, "{path} {moment:?}");
        assert_eq!(service.number("SELECT count(*) FROM inbox WHERE type = 'order_update'"), n);
    }
    adds_up(&service);
}

/// Before its transaction, and after it while the print service is asked: what was taken stays
/// taken, the answer is the one that was kept with it, and one piece is made.
#[test]
fn a_payment_that_was_cut_off_is_taken_once_and_made_once() {
    let (doubles, mut service, ann, _) = house();
    let mut later = 0;
    for n in 1..=6u8 {
        let moment = MOMENTS[usize::from(n - 1) % 3];
        let order = place(&service, &ann);
        let tx = doubles.pays(n, 800_000, &[(ADDRESS, PRICE_SATS + 7)]);
        let chain = format!("/bitcoin-cash/dashboards/transaction/{tx}");
        let (path, taken) = if n <= 3 { (chain.as_str(), false) } else { ("/v4/orders", true) };
        interrupt(&mut service, &doubles, &payment(&ann, &order, &tx), path, moment);
        if taken || moment != Moment::Answered {
            assert_eq!(status(&service, &ann, &order)["paid"], taken, "{path} {moment:?}");
        }
        let paid = again(&service, &payment(&ann, &order, &tx), 200);
        assert_eq!((&paid["order_id"], &paid["tx_id"]), (&json!(order), &json!(tx)));
        assert_eq!(paid["credited_bch"], "0.00000007", "{path} {moment:?}");
        let other_key =
            repeatable(&ann, "PUT", &format!("/api/order/{order}/payment"), json!({ "tx_id": tx }), "x");
        service.ask(other_key).refused(409);
        later += 61;
        service.restart_later(later);
        wait_for(&service, &ann, &order, "fulfilling");
        let printed = doubles.world().printed.iter().filter(|made| made["orderReferenceId"] == order).count();
        assert_eq!(printed, 1, "{path} {moment:?}");
    }
    assert_eq!(service.number("SELECT sum(amount) FROM transfers WHERE kind = 'order'"), 6 * PRICE_SATS);
    assert_eq!(service.number("SELECT sum(amount) FROM transfers WHERE kind = 'credit'"), 6 * 7);
    adds_up(&service);
}

/// The second try of an errand first asks whether the first one arrived; it may be cut off there, too.
#[test]
fn an_errand_that_is_cut_off_again_and_again_makes_one_piece() {
    let (doubles, mut service, ann, _) = house();
    let order = place(&service, &ann);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, PRICE_SATS)]);
    interrupt(&mut service, &doubles, &payment(&ann, &order, &tx), "/v4/orders", Moment::Done);
    // Each try waits twice as long as the one before.
    let mut later = 0;
    for (doublings, moment) in MOMENTS.into_iter().enumerate() {
        // For the new process, which looks for errands at once.
        doubles.world().trap = Some(Trap { path: "/v4/orders:search".to_owned(), moment });
        later += (60 << doublings) + 1;
        service.restart_later(later);
        doubles.world().victim = Some(service.pid());
        service.restart_when_dead();
    }
    service.restart_later(later + (60 << 3) + 1);
    let made = wait_for(&service, &ann, &order, "fulfilling");
    assert_eq!(made["gelato_order_id"], "g-1");
    assert_eq!(doubles.world().printed.len(), 1);
    adds_up(&service);
}

/// What the print service will not make is paid back, once, also if the look at it is cut off.
#[test]
fn an_order_that_is_cancelled_is_paid_back_once() {
    let (doubles, mut service, _, bob) = house();
    let order = place(&service, &bob);
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, PRICE_SATS + 3)]);
    service.ask(payment(&bob, &order, &tx)).expect(200);
    doubles.world().cancelled = true;
    for moment in MOMENTS {
        doubles.world().trap = Some(Trap { path: "/v4/orders/g-1".to_owned(), moment });
        doubles.world().victim = Some(service.pid());
        service.sql("UPDATE calls SET due = 0");
        service.restart_when_dead();
    }
    // The last one may have been settled before its process ended.
    service.sql("UPDATE calls SET due = 0");
    wait_for(&service, &bob, &order, "cancelled");
    let balance = bob.get(&service, "/api/balance").expect(200)["balance_bch"].clone();
    assert_eq!(balance, "0.03500003");
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'credit'"), 2);
    assert_eq!(service.number("SELECT count(*) FROM calls"), 0);
    let inbox = bob.get(&service, "/api/inbox").expect(200);
    assert!(text(&inbox["messages"][0]["body"]).contains("0.03500000 BCH were credited"), "{inbox}");
    adds_up(&service);
}

/// Everything at once, cut off behind the first answer, the second, …; the rest of the burst is
/// then anywhere. All of it is asked again.
#[test]
fn a_burst_that_is_cut_off_anywhere_is_done_once() {
    let (doubles, mut service, ann, bob) = house();
    let (mut posts, mut orders) = (0, 0);
    for round in 0..6u8 {
        let mut burst = Vec::new();
        for i in 0..4u8 {
            let key = format!("{round}.{i}");
            let tip = json!({"to": bob.id, "amount_bch": "0.00000100"});
            burst.push((200, repeatable(&ann, "POST", "/api/balance/tip", tip, &key)));
            let tx = doubles.pays(round * 8 + i, 800_000, &[(ADDRESS, 10)]);
            burst.push((200, deposit(&bob, &tx)));
            let draft = ann.draft(&service, &key);
            burst.push((201, repeatable(&ann, "POST", "/api/posts", draft, &key)));
            posts += 1;
        }
        let paid = place(&service, &bob);
        let tx = doubles.pays(round * 8 + 4, 800_000, &[(ADDRESS, PRICE_SATS)]);
        burst.push((200, payment(&bob, &paid, &tx)));
        burst.push((201, repeatable(&bob, "POST", "/api/order/product", order(), &format!("{round}"))));
        orders += 2;
        let mut asked: Vec<TcpStream> =
            burst.iter().map(|(_, request)| service.begin(request.clone())).collect();
        for stream in asked.iter_mut().rev().take(usize::from(round)) {
            assert!(Answer::from_stream(stream).status < 300);
        }
        service.crash_and_restart();
        for (status, request) in &burst {
            again(&service, request, *status);
        }
    }
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'tip'"), 6 * 4);
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'deposit'"), 1 + 6 * 4);
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'order'"), 6);
    assert_eq!(service.number("SELECT count(*) FROM posts"), posts);
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'fee'"), posts);
    assert_eq!(service.number("SELECT count(*) FROM orders"), orders);
    let balance = service.number("SELECT balance FROM accounts WHERE agent = 2");
    assert_eq!(balance, 6 * 4 * (100 + 10));
    service.restart_later(61);
    let waiting = "SELECT count(*) FROM orders WHERE status = 'confirmed'";
    for _ in 0..600 {
        if service.number(waiting) == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(service.number(waiting), 0);
    assert_eq!(doubles.world().printed.len(), 6);
    adds_up(&service);
}
