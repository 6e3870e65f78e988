//! Every kind of notice, as the inbox of a person says it: what happened and where to look, and no word
//! of the operations that programs call.

use super::browser::Browser;
use super::every_page::look_here;
use super::person::{act, agent, bring, join, make_channel, write};
use super::service::Service;
use super::shop_doubles::{ADDRESS, Doubles};
use super::signed::{pem, publish};
use serde_json::{Value, json};

/// An hour later by the service's clock: what was ordered has been shipped.
const LATER: u32 = 3_700;

/// Notices on the screen, the oldest first: subject, what it says, its sort, and where its link leads.
fn shown(browser: &Browser) -> Vec<[String; 4]> {
    let rows = browser.eval(
        "[...document.querySelectorAll('.notice')].reverse().map((el) => [
             el.querySelector('h3').firstChild.data.trim(), el.querySelector('h3 + p').textContent,
             el.querySelector('.meta span').textContent, el.querySelector('.meta a')?.getAttribute('href').split('/')[1] ?? '',
         ])",
    );
    serde_json::from_value(rows).expect("rows of texts")
}

/// Orders a shirt and pays it, by the page's scripts alone; how notices call the order.
fn buys(browser: &Browser, doubles: &Doubles) -> String {
    let address = json!({
        "first_name": "Ann", "last_name": "Lee", "address_line_1": "1 Way", "city": "Town", "post_code": "12345",
        "country": "DE", "email": "ann@example.com",
    });
    let order = json!({"product_id": "t-shirt", "options": {"size": "M", "color": "white"}, "shipping_address": address});
    let order = act(browser, "POST", "/api/order/product", &order)["order_id"].clone();
    let order = order.as_str().expect("an id").to_owned();
    let tx = doubles.pays(9, 800_000, &[(ADDRESS, 3_500_000)]);
    act(browser, "PUT", &format!("/api/order/{order}/payment"), &json!({ "tx_id": tx }));
    format!("ORD-{}", &order[..8])
}

#[test]
fn every_notice_is_said_for_people() {
    let doubles = Doubles::start();
    let mut service = Service::with(&doubles.options());
    let (ada, eve, olga) = (Browser::start(), Browser::start(), Browser::start());
    bring(&ada, &service, "Ada", &pem());
    join(&eve, &service, "Eve: GET /x");
    bring(&olga, &service, "Olga", &service.operator_pem());
    let id = agent(&ada);

    let post = write(&ada, &service, "Tides").trim_start_matches("/post/").to_owned();
    act(&eve, "POST", &format!("/api/posts/{post}/comments"), &json!({"body": "Well said."}));
    make_channel(&eve, &service, "Harbour", &id);
    let tx = doubles.pays(3, 800_000, &[(ADDRESS, 5_000_000)]);
    act(&eve, "PUT", "/api/balance/deposit", &json!({ "tx_id": tx }));
    let tip = json!({"to": id, "amount_bch": "0.001", "message": "for the tides", "post_id": post});
    act(&eve, "POST", "/api/balance/tip", &tip);
    act(&ada, "POST", "/api/balance/tip", &json!({"to": agent(&eve), "amount_bch": "0.0004"}));
    // A program of hers publishes what cannot take effect.
    publish(&service, 1101, &json!({"body": "Where?"}), vec![("post", vec!["nowhere"])]);
    ada.go(&service.url("/inbox"));
    ada.wait("document.querySelectorAll('.notice').length === 6");
    let order = buys(&ada, &doubles);
    act(
        &olga,
        "POST",
        &format!("/api/admin/agents/{id}/suspend"),
        &json!({"reason": "Noise", "freeze_balance": false}),
    );
    act(&olga, "POST", &format!("/api/admin/agents/{id}/unsuspend"), &Value::Null);
    doubles.world().shipped = true;
    service.restart_later(LATER);
    ada.wait("document.querySelectorAll('.notice').length === 11");

    let expected = [
        (
            "Welcome to Gather",
            "What concerns you arrives here. Read what others write, write something, or say who you are.",
            "welcome",
            "feed",
        ),
        ("New comment on \"Tides\"", "Eve: GET /x commented on your post.", "comment", "post"),
        (
            "Invited to the channel \"Harbour\"",
            "Eve: GET /x made you a member of \"Harbour\".",
            "invitation",
            "channel",
        ),
        ("Tip of 0.001 BCH received", "Eve: GET /x tipped you 0.001 BCH: for the tides", "tip", "post"),
        ("Tip of 0.0004 BCH sent", "You tipped Eve: GET /x 0.0004 BCH", "tip", ""),
        (
            "An event was not applied",
            "What a program of yours signed was refused, and nothing was changed: there is no such post.",
            "from the service",
            "",
        ),
        (&format!("{order} placed"), "The page of your order says what to pay, and where.", "order", "order"),
        (&format!("{order} is paid"), "The payment is confirmed; it is being made.", "order", "order"),
        ("Your agent is suspended", "Reason: Noise", "from the service", ""),
        ("Your agent is reinstated", "It may act again, and its balance is free.", "from the service", ""),
        (&format!("{order} has been shipped"), "It is on its way: https://track.example/1", "order", "order"),
    ];
    let welcome_link = ada.eval("document.querySelector('.notice:last-child p a').pathname");
    assert_eq!(welcome_link, "/feed");
    for (found, wanted) in shown(&ada).iter().zip(expected) {
        let link = if wanted.2 == "welcome" { "" } else { wanted.3 };
        assert_eq!(found.each_ref().map(String::as_str), [wanted.0, wanted.1, wanted.2, link]);
    }
    let mut findings = Vec::new();
    look_here(&ada, "member-inbox-full", &mut findings);
    // What the account was used for, too.
    ada.go(&service.url("/me"));
    ada.wait("document.querySelectorAll('[aria-labelledby=ledger-head] tbody tr').length === 2");
    let movements = ada.eval("[...document.querySelectorAll('[aria-labelledby=ledger-head] tbody td:nth-child(2)')].map((el) => el.textContent)");
    assert_eq!(movements, json!(["Tip to Eve: GET /x", "Tip from Eve: GET /x · the post"]));
    look_here(&ada, "member-me-full", &mut findings);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
