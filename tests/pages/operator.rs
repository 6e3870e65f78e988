//! The operator's window: figures that move every second, changes that count at once, and an agent
//! that is suspended is off the relay.

use super::browser::Browser;
use super::every_page::look_at;
use super::service::Service;
use super::signed::{SEED, bring, pem};
use axon::client::{Client, KeyPair};

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
    assert_eq!(olga.log(), Vec::<String>::new());
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
