//! Balance, fees, deposits, tips: contract 3.7, 4.10, and the money rows of section 9.

use super::double::Double;
use super::harness::*;
use serde_json::{Value, json};

const ADDRESS: &str = "qhouse";

fn setup(double: &Double) -> Setup {
    Setup::new().gather(&format!(
        "bch_address = \"bitcoincash:{ADDRESS}\"\nchain_url = {base:?}\nrate_url = {base:?}",
        base = double.base
    ))
}

fn tx(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn deposit(service: &Service, agent: &Agent, id: &str) -> Answer {
    agent.put(service, "/api/balance/deposit", json!({ "tx_id": id }))
}

#[test]
fn fees_follow_the_rate_and_survive_its_loss() {
    let double = Double::start();
    double.price(json!(400));
    let mut service = setup(&double).start();
    let fees = |service: &Service| service.get("/api/balance/fees").expect(200);
    assert_eq!(
        fees(&service),
        json!({"post_fee_usd": "0.02", "post_fee_bch": "0.00005000", "post_free_weekly": 1,
               "comment_free_daily": 10, "comment_fee_usd": "0.005", "comment_fee_bch": "0.00001250",
               "deposit_address": format!("bitcoincash:{ADDRESS}")})
    );
    let ann = service.agent(1);
    service.fund(&ann, 150_000_000);
    let purse = ann.get(&service, "/api/balance").expect(200);
    assert_eq!(
        purse,
        json!({"balance_bch": "1.50000000", "balance_usd_approx": "600.00", "posting_fee_bch": "0.00005000",
               "comment_fee_bch": "0.00001250", "free_comments_remaining": 10,
               "free_posts_remaining_this_week": 1, "suspended": false})
    );
    assert_eq!(double.asked("/api/v3/simple/price").len(), 1, "kept for five minutes");
    // No rate, or one that is none: the fixed fees (W45).
    for price in [json!(0), json!(-5), json!("400"), json!(null)] {
        double.price(price.clone());
        service.crash_and_restart();
        let fees = fees(&service);
        assert_eq!(
            (&fees["post_fee_bch"], &fees["comment_fee_bch"]),
            (&json!("0.00005000"), &json!("0.00001200")),
            "{price}"
        );
    }
    assert_eq!(ann.get(&service, "/api/balance").expect(200)["balance_usd_approx"], "0.00");
    ann.ask(&service, Request::new("GET", "/api/balance")).expect(200);
    service.get("/api/balance").refused(422); // no token
}

#[test]
fn a_deposit_is_credited_once() {
    let double = Double::start();
    let service = setup(&double).start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    double.transaction(&tx(1), &[("bitcoincash:qhouse", 1_000), ("qother", 5), (ADDRESS, 234)]);
    let credited = deposit(&service, &ann, &tx(1)).expect(200);
    assert_eq!(
        (&credited["amount_bch"], &credited["new_balance_bch"]),
        (&json!("0.00001234"), &json!("0.00001234")),
        "the sum of its outputs"
    );
    deposit(&service, &ann, &tx(1)).refused(409);
    deposit(&service, &bob, &tx(1)).refused(409);
    let path = |n| format!("/bitcoin-cash/dashboards/transaction/{}", tx(n));
    assert_eq!(double.asked(&path(1)).len(), 1, "what is known is not asked for");

    assert_eq!(deposit(&service, &ann, &tx(1)[1..]).refused(422), ["body.tx_id"]);
    assert_eq!(deposit(&service, &ann, &tx(0xab).to_uppercase()).refused(400), ["body.tx_id"]);
    deposit(&service, &ann, &tx(2)).refused(400); // 404 there
    double.answers(&path(2), 200, json!({"data": null}));
    deposit(&service, &ann, &tx(2)).refused(400);
    double.transaction_of(&tx(2), -1, vec![json!({"recipient": ADDRESS, "value": 5})]);
    deposit(&service, &ann, &tx(2)).refused(400); // no block
    double.transaction(&tx(2), &[("qother", 5), (ADDRESS, 0)]);
    deposit(&service, &ann, &tx(2)).refused(400); // nothing to the house
    for (status, body) in [(500, ""), (200, "garbage"), (429, "{}"), (200, "{\"data\":{}"), (402, "{}")] {
        double.answers(&path(2), status, body);
        let answer = deposit(&service, &ann, &tx(2));
        assert!(answer.header("retry-after").is_some(), "{status} {body}");
        answer.refused(503); // their trouble is no verdict (W19)
    }
    double.transaction(&tx(2), &[(ADDRESS, 1)]);
    deposit(&service, &ann, &tx(2)).expect(200);

    // An output that paid an order is no deposit (W2).
    double.transaction(&tx(3), &[(ADDRESS, 50), (ADDRESS, 7)]);
    service.sql(&format!("INSERT INTO consumed_outputs VALUES ('{}', 0, 'order', 'x', 0)", tx(3)));
    assert_eq!(deposit(&service, &bob, &tx(3)).expect(200)["amount_bch"], "0.00000007", "only what is left");
    double.transaction(&tx(4), &[(ADDRESS, 50)]);
    service.sql(&format!("INSERT INTO consumed_outputs VALUES ('{}', 0, 'order', 'x', 0)", tx(4)));
    deposit(&service, &bob, &tx(4)).refused(409);
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
    assert_eq!(service.number("SELECT count(*) FROM transfers WHERE kind = 'deposit'"), 3);

    // Sixteen at once, by two agents (W34).
    double.transaction(&tx(5), &[(ADDRESS, 10_000)]);
    let answers =
        service.at_once(|service, i| deposit(service, if i % 2 == 0 { &ann } else { &bob }, &tx(5)));
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 15));
    assert_eq!(
        service.number("SELECT sum(balance) FROM accounts WHERE agent IS NOT NULL"),
        1_234 + 1 + 7 + 10_000
    );
}

/// W2: the payment itself can say for whom it is.
#[test]
fn a_memo_binds_a_deposit_to_its_agent() {
    let double = Double::start();
    let with_memo = |id: &str, agent: &str| {
        let text = format!("gather:{agent}");
        let script = format!("6a{:02x}{}", text.len(), hex::encode(&text));
        let outputs = vec![
            json!({"index": 0, "recipient": ADDRESS, "value": 9, "script_hex": "76"}),
            json!({"index": 1, "recipient": "", "value": 0, "script_hex": script}),
        ];
        double.transaction_of(id, 1, outputs);
    };
    let service = setup(&double).start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    with_memo(&tx(1), &ann.id);
    deposit(&service, &bob, &tx(1)).refused(400);
    deposit(&service, &ann, &tx(1)).expect(200);

    let service = setup(&double).gather("deposit_memo = \"on\"").start();
    let ann = service.agent(1);
    double.transaction(&tx(2), &[(ADDRESS, 9)]);
    let refused = deposit(&service, &ann, &tx(2));
    assert!(refused.text.contains(&format!("gather:{}", ann.id)), "{}", refused.text);
    refused.refused(400);
    with_memo(&tx(3), &ann.id);
    deposit(&service, &ann, &tx(3)).expect(200);

    let needed = format!("gather:{}", ann.id);
    assert_eq!(ann.get(&service, "/api/balance").expect(200)["deposit_memo"], json!(needed));

    // Whoever serves others than himself gets it without asking: strangers see every payment.
    let service = setup(&double).gather("public_url = \"https://gather.example\"").start();
    let ann = service.agent(1);
    deposit(&service, &ann, &tx(2)).refused(400);
    assert_eq!(service.get("/api/balance/fees").expect(200)["deposit_memo"], "gather:AGENT_ID");
    let service =
        setup(&double).gather("public_url = \"https://gather.example\"\ndeposit_memo = \"off\"").start();
    deposit(&service, &service.agent(1), &tx(2)).expect(200);

    let none = Setup::new().start();
    let ann = none.agent(1);
    deposit(&none, &ann, &tx(1)).refused(400); // takes no payments
}

#[test]
fn the_operators_own_node_is_asked_instead() {
    let double = Double::start();
    let service = setup(&double)
        .gather(&format!("node_url = \"{}/rpc\"\nnode_user = \"u\"\nnode_password = \"p\"", double.base))
        .start();
    let ann = service.agent(1);
    let answer = |status: u16, body: Value| double.answers("/rpc", status, body);
    answer(500, json!({"result": null, "error": {"code": -5, "message": "No such transaction"}}));
    deposit(&service, &ann, &tx(1)).refused(400);
    let chain = || service.get("/api/auth/health").expect(200)["upstreams"][0]["state"].clone();
    assert_eq!(chain(), "ok", "whoever names a transaction that is none does not make it fail");
    answer(500, json!({"result": null, "error": {"code": -28, "message": "Loading block index"}}));
    deposit(&service, &ann, &tx(1)).refused(503);
    assert_eq!(chain(), "failing");
    answer(401, json!(null));
    deposit(&service, &ann, &tx(1)).refused(503);
    let verbose = |confirmations: i64| {
        json!({"error": null, "result": {"confirmations": confirmations, "vout": [
            {"n": 0, "value": 0.00000057, "scriptPubKey": {"addresses": ["bitcoincash:qhouse"], "hex": "76"}},
            {"n": 1, "value": 1.1, "scriptPubKey": {"address": "bitcoincash:qother", "hex": "76"}},
        ]}})
    };
    answer(200, verbose(0));
    deposit(&service, &ann, &tx(1)).refused(400);
    answer(200, verbose(1));
    assert_eq!(deposit(&service, &ann, &tx(1)).expect(200)["amount_bch"], "0.00000057");
    let asked: Value = serde_json::from_str(&double.asked("/rpc")[0]).expect("JSON");
    assert_eq!((&asked["method"], &asked["params"]), (&json!("getrawtransaction"), &json!([tx(1), true])));
}

#[test]
fn tips_move_whole_satoshi() {
    let double = Double::start();
    let service = setup(&double).start();
    let (ann, bob) = (service.agent(1), service.agent(2));
    service.fund(&ann, 1_000);
    let tip = |body: Value| ann.post(&service, "/api/balance/tip", body);
    let to_bob = |amount: &str| tip(json!({"to": bob.id, "amount_bch": amount}));
    // W3
    for odd in [
        "0",
        "0.000000005",
        "1e-5",
        "1/1000",
        "-1",
        "+1",
        "",
        ".5",
        "5.",
        "abc",
        "0.00000000",
        "22000000",
        " 1",
    ] {
        to_bob(odd).refused(422);
    }
    assert_eq!(tip(json!({"to": bob.id, "amount_bch": 1})).refused(422), ["body.amount_bch"]);
    assert_eq!(tip(json!({"to": ann.id, "amount_bch": "0.000001"})).refused(422), ["body.to"]);
    assert_eq!(
        tip(json!({"to": bob.id, "amount_bch": "0.1", "message": "x".repeat(201)})).refused(422),
        ["body.message"]
    );
    tip(json!({"to": "nobody", "amount_bch": "0.000001"})).refused(404);
    to_bob("0.00001001").refused(402);
    let note = json!({"to": bob.id, "amount_bch": "0.0000010", "post_id": "p1", "message": "well said"});
    let tipped = tip(note).expect(200);
    assert_eq!(
        (&tipped["from_balance_bch"], &tipped["to_balance_bch"], &tipped["amount_bch"]),
        (&json!("0.00000900"), &json!("0.00000100"), &json!("0.0000010")),
    );
    let received = bob.get(&service, "/api/inbox").expect(200)["messages"][0].clone();
    assert_eq!(
        (&received["type"], &received["ref_type"], &received["ref_id"]),
        (&json!("tip_received"), &json!("post"), &json!("p1"))
    );
    assert!(
        received["body"].as_str().is_some_and(|b| b.contains("well said") && b.contains("0.0000010")),
        "{received}"
    );
    assert_eq!(ann.get(&service, "/api/inbox").expect(200)["messages"][0]["type"], "tip_sent");
    assert_eq!(service.number("SELECT spent FROM accounts WHERE agent = 1"), 100);

    // W35: sixteen at once, each way.
    service.fund(&bob, 10_000);
    let answers = service.at_once(|service, i| match i % 2 {
        0 => ann.post(service, "/api/balance/tip", json!({"to": bob.id, "amount_bch": "0.00000500"})),
        _ => bob.post(service, "/api/balance/tip", json!({"to": ann.id, "amount_bch": "0.00000001"})),
    });
    assert_eq!((count(&answers, 200), count(&answers, 402)), (9, 7), "one of 500 fits into 900, all of 1 do");
    assert_eq!(service.number("SELECT balance FROM accounts WHERE agent = 1"), 900 - 500 + 8);
    assert_eq!(service.number("SELECT sum(balance) FROM accounts"), 0);
    // W12
    service.sql("UPDATE accounts SET frozen = 1 WHERE agent = 2");
    to_bob("0.00000001").refused(403);
    bob.post(&service, "/api/balance/tip", json!({"to": ann.id, "amount_bch": "0.00000001"})).refused(403);
    assert_eq!(bob.get(&service, "/api/balance").expect(200)["suspended"], true);
}

#[test]
fn money_survives_a_crash() {
    let double = Double::start();
    let mut service = setup(&double).start();
    let ann = service.agent(1);
    double.transaction(&tx(1), &[(ADDRESS, 10_000)]);
    deposit(&service, &ann, &tx(1)).expect(200);
    service.crash_and_restart();
    deposit(&service, &ann, &tx(1)).refused(409);
    assert_eq!(ann.get(&service, "/api/balance").expect(200)["balance_bch"], "0.00010000");
}
