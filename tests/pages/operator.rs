//! The operator's window: figures that move every second, changes that count at once, and an agent
//! that is suspended is off the relay.

use super::browser::Browser;
use super::every_page::{look_at, look_here};
use super::service::Service;
use super::signed::{SEED, bring, pem};
use axon::client::{Client, Filter, KeyPair, Start, TagFilter, Update};
use futures_util::StreamExt as _;

/// What stands in a place of the live figures.
fn figure(name: &str) -> String {
    format!("document.querySelector('[data-figure=\"{name}\"]').textContent")
}

/// What its console says but for answers that are refusals: whether a key is known is asked by one.
fn faults(browser: &Browser) -> Vec<String> {
    browser.log().into_iter().filter(|line| !line.contains("status of 4")).collect()
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
    let agent = ada.eval("document.querySelector('.me').dataset.agent").as_str().expect("an id").to_owned();
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
    assert_eq!(faults(&olga), Vec::<String>::new());
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
    assert_eq!(faults(&olga), Vec::<String>::new());
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
    olga.click(&format!("#key-{key} button"));
    olga.click("dialog .danger");
    olga.wait(&format!("!document.getElementById('key-{key}')"));
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
