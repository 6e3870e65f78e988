//! The operator's window: figures that move every second, changes that count at once, and an agent
//! that is suspended is off the relay.

use super::browser::Browser;
use super::every_page::{look_at, look_here};
use super::person::{act, agent, bring};
use super::service::Service;
use super::signed::{SEED, pem};
use axon::base::{Clock, Kind};
use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, TagFilter, Update};
use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

/// Events that a busy agent publishes at once.
const BURST: u8 = 50;

/// What stands in a place of the live figures.
fn figure(name: &str) -> String {
    format!("document.querySelector('[data-figure=\"{name}\"]').textContent")
}

fn as_operator(service: &Service) -> Browser {
    let browser = Browser::start();
    bring(&browser, service, "Olga", &service.operator_pem());
    browser.click("a[href='/operator']");
    browser.wait("document.getElementById('relay-live')");
    browser
}

#[test]
fn an_operator_suspends_an_agent_and_sees_its_connection_close() {
    let service = Service::start();
    let (ada, olga) = (Browser::start(), as_operator(&service));
    bring(&ada, &service, "Ada", &pem());
    let agent = agent(&ada);
    // Nobody else gets in, or is shown the way.
    assert_eq!(ada.eval("document.querySelector('a[href=\"/operator\"]')"), serde_json::Value::Null);
    ada.go(&service.url("/operator"));
    ada.wait("document.querySelector('h1').textContent === 'Not allowed'");

    olga.wait(&format!("{} === '0'", figure("connections")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let client = Client::new(&service.relay, KeyPair::from_seed(&SEED));
    let open = runtime.block_on(client.publisher()).expect("a login");
    olga.wait(&format!("{} === '1'", figure("connections")));

    olga.type_into("#agent_id", &agent);
    olga.type_into("#reason", "It shouts at night");
    olga.click("[data-action=suspend] button[type=submit]");
    olga.wait("document.getElementById('suspended')?.textContent.includes('It shouts at night')");
    olga.wait(&format!(
        "{} === '0' && {}.includes('key removed 1')",
        figure("connections"),
        figure("closed")
    ));
    olga.wait("document.querySelector('#journal td + td').textContent === 'suspend'");
    drop(open);
    assert!(runtime.block_on(client.publisher()).is_err(), "it is not let in again");

    olga.click("[data-action=unsuspend]");
    olga.wait("!document.getElementById('suspended')");
    runtime.block_on(client.publisher()).expect("it is let in again");
    assert_eq!(olga.faults(), Vec::<String>::new());
}

#[test]
fn an_operator_sees_who_is_connected_and_closes_a_connection() {
    let service = Service::start();
    let (ada, olga) = (Browser::start(), as_operator(&service));
    bring(&ada, &service, "Ada", &pem());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let client = Client::new(&service.relay, KeyPair::from_seed(&SEED));
    let tag = TagFilter { name: "<img src=x onerror=alert(1)>".to_owned(), values: Vec::new() };
    let filter = Filter { kinds: vec![1500], tags: vec![tag], ..Filter::default() };
    let mut reader = runtime.block_on(async { client.subscribe(filter, Start::Beginning) });
    let caught_up = async { while !matches!(reader.next().await, Some(Ok(Update::CaughtUp(_)))) {} };
    runtime.block_on(caught_up);

    olga.click("[data-action=list-connections] button");
    olga.wait("document.querySelector('#connections').textContent.includes('kind 1500; tag <img src=x')");
    assert_eq!(olga.eval("document.querySelectorAll('#connections img').length"), 0);
    assert!(olga.text("#connections").contains("1 of 1 shown; 1 open in all."));
    let mut findings = Vec::new();
    look_here(&olga, "operator-connections", &mut findings);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    olga.click("[data-action=close-connection]");
    olga.click("dialog .danger");
    olga.wait("document.querySelector('#journal td + td').textContent === 'close connection'");
    olga.wait(&format!("{}.includes('dismissed 1')", figure("closed")));
    assert_eq!(olga.faults(), Vec::<String>::new());
}

#[test]
fn an_operator_changes_the_allowlist_and_the_fees() {
    let service = Service::start();
    let olga = as_operator(&service);
    let key = "ab".repeat(32);
    olga.type_into("#pubkey", &key);
    olga.type_into("#key-name", "<b>Watch</b>");
    olga.click("[data-action=allow-key] button[type=submit]");
    olga.wait(&format!("document.getElementById('key-{key}')?.textContent.includes('<b>Watch</b>')"));
    // The same form changes its role.
    olga.type_into("#pubkey", &key);
    olga.eval("document.getElementById('role').value = 'auditor'");
    olga.click("[data-action=allow-key] button[type=submit]");
    olga.wait(&format!("document.querySelector('#key-{key} .badge')?.textContent === 'auditor'"));
    olga.click(&format!("#key-{key} button"));
    olga.click("dialog .danger");
    olga.wait(&format!("!document.getElementById('key-{key}')"));
    olga.eval("document.getElementById('post_fee_usd').value = 'a lot'");
    olga.click("[data-action=change-fees] button[type=submit]");
    olga.wait("document.querySelector('.field-error')?.textContent === 'This must be a decimal number.'");
    olga.eval("document.getElementById('post_fee_usd').value = '0.5'");
    olga.click("[data-action=change-fees] button[type=submit]");
    olga.wait("document.querySelector('#journal td + td').textContent === 'fees'");
    assert_eq!(olga.eval("document.getElementById('post_fee_usd').value"), "0.5");
    olga.click("[data-action=count-kinds]");
    olga.wait("document.querySelector('#kinds table')");
    olga.wait(&format!("{} !== '–'", figure("cpu")));
    let findings = look_at(&olga, &service, "operator", vec![("operator", "/operator".to_owned())]);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// Every figure of the window moves when the relay works.
#[test]
fn the_figures_show_what_the_relay_does() {
    let service = Service::start();
    let olga = as_operator(&service);
    let pubkey = KeyPair::from_seed(&SEED).pubkey().to_hex();
    act(
        &olga,
        "POST",
        "/api/admin/relay/keys",
        &json!({"pubkey": pubkey, "name": "worker", "role": "member"}),
    );
    olga.eval(
        "(() => { window.seen = new Set(); new MutationObserver(() => {
            for (const el of document.querySelectorAll('[data-figure]')) if (!['–', '0', '0.0', '0 B', 'none'].includes(el.textContent)) window.seen.add(el.dataset.figure);
         }).observe(document.getElementById('main'), { subtree: true, childList: true, characterData: true }); })()",
    );
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (done, relay) = (&done, service.relay.as_str());
        scope.spawn(move || publish_until(done, relay));
        let names = [
            "in",
            "out",
            "connections",
            "subscriptions",
            "cpu",
            "memory",
            "head",
            "commits",
            "publish_ms.50",
            "publish_ms.99",
            "commit_ms.50",
            "fanout_ms.90",
            "query_ms.50",
            "verify_batch.50",
            "verify_batch.99",
            "commit_batch.50",
            "connections.0",
            "subscriptions.0",
            "in.0",
            "out.0",
            "verify.0",
            "commit.log",
        ];
        olga.wait(&format!(
            "[{}].filter((name) => !window.seen.has(name)).length === 0",
            json!(names).to_string().trim_matches(['[', ']'])
        ));
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(olga.faults(), Vec::<String>::new());
}

/// Subscribes again and again, and publishes in bursts, as a busy agent.
fn publish_until(done: &AtomicBool, relay: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let client = Client::new(relay, KeyPair::from_seed(&SEED));
        let publisher = client.publisher().await.expect("a login");
        while !done.load(Ordering::Relaxed) {
            let mut reader = client.subscribe(Filter::default(), Start::Beginning);
            while !matches!(reader.next().await, Some(Ok(Update::CaughtUp(_)))) {}
            for n in 0..BURST {
                let event = EventBuilder {
                    kind: Kind(1500),
                    created_at: Clock::new().unix_seconds(),
                    content: vec![n; 100],
                    tags: Vec::new(),
                };
                let (_, wire) = client.key().sign_event(&event).expect("an event");
                // At its limit it is told to wait.
                let _ = publisher.publish(wire).await;
            }
        }
    });
}

/// After a start with other shards the tables have their rows and columns, and all of them live.
#[test]
fn the_window_follows_a_relay_that_has_more_shards_than_before() {
    let mut service = Service::start();
    let olga = as_operator(&service);
    let tables = "[document.querySelectorAll('[aria-labelledby=shards-head] tbody tr').length,
        document.querySelectorAll('[aria-labelledby=stages-head] th').length].join()";
    let alive = |shard: usize| {
        format!(
            "{} !== '–' && {} !== '–'",
            figure(&format!("in.{shard}")),
            figure(&format!("verify.{shard}"))
        )
    };
    olga.wait(&alive(0));
    assert_eq!(olga.eval(tables), "1,3");
    olga.type_into("#reason", "half a thought");
    for (shards, wanted) in [(2, "2,4"), (1, "1,3")] {
        service.restart_with_shards(shards);
        olga.wait(&format!("{tables} === '{wanted}'"));
        olga.wait(&alive(shards - 1));
        olga.wait("document.getElementById('live-fault').hidden");
    }
    assert_eq!(olga.eval("document.getElementById('reason').value"), "half a thought");
}

/// The same where no request fell into the time without the relay: what was before has no such shard.
#[test]
fn a_start_between_two_refreshes_is_no_fault() {
    let service = Service::start();
    let olga = as_operator(&service);
    olga.wait(&format!("{} !== '–'", figure("in.0")));
    olga.eval(
        "(() => { const real = window.fetch; window.faults = []; window.fetch = async (path, ...rest) => {
            const answer = await real(path, ...rest);
            if (path !== '/api/admin/relay') return answer;
            const body = await answer.json();
            window.asked = (window.asked ?? 0) + 1;
            if (window.asked < 4) body.shards.push(structuredClone(body.shards[0]));
            return Response.json(body); };
            new MutationObserver(() => window.faults.push(document.getElementById('live-fault').textContent))
                .observe(document.getElementById('live-fault'), { childList: true, characterData: true, subtree: true }); })()",
    );
    olga.wait("window.asked > 5");
    olga.wait(&format!("{} !== '–'", figure("in.0")));
    assert_eq!(olga.eval("window.faults.filter(Boolean)"), json!([]));
}

/// A page that is shown costs under a hundredth of a core: it asks once a second, and so that is ten
/// milliseconds of the relay's CPU time for each refresh, whatever else the process does meanwhile.
#[test]
fn the_window_costs_the_relay_under_a_hundredth_of_a_core() {
    const REFRESHES: f64 = 10.0;
    let service = Service::start();
    let olga = as_operator(&service);
    olga.wait(&format!("{} !== '–'", figure("cpu")));
    olga.eval(
        "(() => { const real = window.fetch; window.used = []; window.fetch = async (path, ...rest) => {
            const answer = await real(path, ...rest);
            if (path === '/api/admin/relay') window.used.push((await answer.clone().json()).cpu_seconds);
            return answer; }; })()",
    );
    olga.wait(&format!("window.used.length > {REFRESHES}"));
    let used = olga.eval("window.used[window.used.length - 1] - window.used[0]").as_f64().expect("seconds");
    let refreshes = olga.eval("window.used.length - 1").as_f64().expect("a number");
    // For whoever asks: -- --nocapture.
    println!("{:.2} ms of CPU a refresh", used / refreshes * 1_000.0);
    assert!(used > 0.0 && used / refreshes < 0.01, "{used} s for {refreshes}");
}
