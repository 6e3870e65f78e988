//! A person changes the key: the account goes on with the new one, in the browser, over HTTP and on the
//! relay; the old one opens nothing, what it signed stays signed, and no interruption loses both.

use super::browser::Browser;
use super::every_page::look_here;
use super::person::{act, agent, agree, bring, join, told, write};
use super::service::Service;
use super::signed::{SEED, pem, pem_of};
use axon::client::gather::{Gather, Request};
use axon::client::{Client, KeyPair, Roots};
use serde_json::{Value, json};

const NEW_SEED: [u8; 32] = [8; 32];

/// Fills in the form at `/me/key` and agrees.
fn change(browser: &Browser, service: &Service, pem: Option<&str>) {
    browser.go(&service.url("/me/key"));
    if let Some(pem) = pem {
        browser.click("input[value=bring]");
        browser.type_into("#pem", pem);
    }
    browser.click("form[data-action=change-key] button[type=submit]");
    browser.click("dialog .danger");
}

/// The key that the open profile names.
fn pubkey(browser: &Browser) -> String {
    browser.wait("location.pathname === '/me' && document.getElementById('pubkey')");
    browser.text("#pubkey")
}

#[test]
fn a_person_changes_the_key_and_goes_on_with_the_new_one() {
    let service = Service::start();
    let (ada, other) = (Browser::start(), Browser::start());
    let (old, new) = (KeyPair::from_seed(&SEED), KeyPair::from_seed(&NEW_SEED));
    bring(&ada, &service, "Ada", &pem());
    bring(&other, &service, "ignored", &pem());
    let (id, before) = (agent(&ada), write(&ada, &service, "With the old key"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let open = runtime.block_on(Client::new(&service.relay, old).publisher()).expect("a login");

    ada.go(&service.url("/me"));
    ada.click("a[href='/me/key']");
    ada.wait("document.querySelector('form[data-action=change-key]')");
    change(&ada, &service, Some(&pem_of(&NEW_SEED)));
    told(&ada, "Your key is changed");
    assert_eq!(pubkey(&ada), new.pubkey().to_hex());

    // After a reload, in the browser: a post that the new key signs, and a call.
    let after = write(&ada, &service, "With the new key");
    assert_eq!(agent(&ada), id);
    for (path, said) in [(&before, "replaced since"), (&after, "is the author’s.")] {
        ada.go(&service.url(path));
        ada.click(".signature summary");
        ada.click("[data-action=verify]");
        ada.wait("document.querySelector('#verified .note')");
        assert!(ada.text("#verified .note.good").contains(said), "{path}");
    }
    assert!(ada.text("#verified").contains(&new.pubkey().to_hex()));
    act(&ada, "PATCH", "/api/agents/me", &json!({"description": "goes on"}));
    // Others see which key was before.
    ada.go(&service.url(&format!("/agent/{id}")));
    assert!(ada.text(".keys").contains(&KeyPair::from_seed(&SEED).pubkey().to_hex()));

    // A program with the new key: on the relay and over HTTP. With the old one: nowhere.
    runtime.block_on(Client::new(&service.relay, new).publisher()).expect("the new key is let in");
    let new = KeyPair::from_seed(&NEW_SEED);
    let mut gather = Gather::new(&service.url(""), new, &Roots::public()).expect("a client");
    let me = runtime.block_on(gather.send(&Request::get("/api/agents/me"))).expect("its profile");
    assert_eq!((&me["agent_id"], &me["description"]), (&json!(id), &json!("goes on")));
    let old = || KeyPair::from_seed(&SEED);
    assert!(runtime.block_on(Client::new(&service.relay, old()).publisher()).is_err());
    let mut gather = Gather::new(&service.url(""), old(), &Roots::public()).expect("a client");
    assert!(runtime.block_on(gather.send(&Request::get("/api/agents/me"))).is_err());
    drop(open);

    // A page that was open with the old key says so, and does not go on as somebody.
    other.click("a[href='/me']");
    other.wait(
        "document.querySelector('.toast.bad')?.textContent.includes('has no account any more')
        || document.querySelector('[data-private]')",
    );
}

/// What happens to the request that changes the key.
const LOST_ANSWER: &str = "(() => { const real = window.fetch; window.fetch = async (path, ...rest) => {
    const answer = await real(path, ...rest);
    if (path === '/api/agents/me/key') throw new TypeError('lost');
    return answer; }; })()";
const LOST_REQUEST: &str = "(() => { const real = window.fetch; window.fetch = async (path, ...rest) => {
    if (path === '/api/agents/me/key') throw new TypeError('lost');
    return real(path, ...rest); }; })()";

/// The same with the request that is sent from this page.
fn change_through(browser: &Browser, service: &Service, fault: &str) {
    browser.go(&service.url("/me/key"));
    browser.wait("document.querySelector('form[data-action=change-key]')");
    browser.eval(fault);
    browser.click("form[data-action=change-key] button[type=submit]");
    browser.click("dialog .danger");
    browser.wait("document.querySelector('#unfinished .note')");
    told(browser, "cannot be reached");
}

#[test]
fn an_interrupted_change_of_the_key_loses_nothing() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    ada.go(&service.url("/me"));
    let (id, first) = (agent(&ada), pubkey(&ada));

    // It never arrived, and the person thinks again; or finishes it.
    change_through(&ada, &service, LOST_REQUEST);
    ada.go(&service.url("/me"));
    assert_eq!(pubkey(&ada), first);
    ada.click("[data-action=drop-key]");
    ada.wait("!document.querySelector('#unfinished .note')");
    ada.go(&service.url("/me"));
    assert_eq!((agent(&ada), pubkey(&ada)), (id.clone(), first.clone()));
    change_through(&ada, &service, LOST_REQUEST);
    // No second one before the first has an end.
    change(&ada, &service, None);
    told(&ada, "was begun before");
    ada.go(&service.url("/me/key"));
    ada.click("[data-action=finish-key]");
    let second = pubkey(&ada);
    assert_ne!(second, first);
    assert_eq!(ada.eval("document.querySelector('#unfinished .note')"), Value::Null);

    // It was done, and the answer never came: the browser finds out by itself.
    change_through(&ada, &service, LOST_ANSWER);
    ada.go(&service.url("/me"));
    let third = pubkey(&ada);
    assert!(![&first, &second].contains(&&third));
    assert_eq!(agent(&ada), id);
    assert_eq!(ada.eval("document.querySelector('#unfinished .note')"), Value::Null);
    write(&ada, &service, "Still here");

    // A key that is somebody's is refused, and nothing is left of the attempt.
    bring(&Browser::start(), &service, "Ben", &pem());
    change(&ada, &service, Some(&pem()));
    told(&ada, "This key is or was an agent");
    ada.go(&service.url("/me"));
    assert_eq!(pubkey(&ada), third);
    assert_eq!(ada.eval("document.querySelector('#unfinished .note')"), Value::Null);
}

/// What an administrator may hangs on the key: the page says so to them alone, and who does what it says
/// stays one.
#[test]
fn an_administrator_is_warned_and_keeps_the_way_to_the_operators_page() {
    let service = Service::start();
    let (ada, olga) = (Browser::start(), Browser::start());
    let new = KeyPair::from_seed(&NEW_SEED).pubkey().to_hex();
    join(&ada, &service, "Ada");
    bring(&olga, &service, "Olga", &service.operator_pem());
    for (browser, warned) in [(&ada, 0), (&olga, 1)] {
        browser.go(&service.url("/me/key"));
        browser.wait("document.querySelector('form[data-action=change-key]')");
        assert_eq!(browser.eval("document.querySelectorAll('main .note.bad').length"), warned);
    }
    let warning = olga.text("main .note.bad");
    assert!(
        warning.contains("administrator\u{2019}s") && warning.contains("Allow the new one as admin first"),
        "{warning}"
    );
    let mut findings = Vec::new();
    look_here(&olga, "operator-key", &mut findings);
    assert!(findings.is_empty(), "{}", findings.join("\n"));

    olga.click("main .note.bad a");
    olga.wait("document.getElementById('allowlist')");
    olga.type_into("#pubkey", &new);
    olga.eval("document.getElementById('role').value = 'admin'");
    olga.click("[data-action=allow-key] button[type=submit]");
    agree(&olga);
    olga.wait(&format!("document.querySelector('#key-{new} .badge')?.textContent === 'admin'"));
    change(&olga, &service, Some(&pem_of(&NEW_SEED)));
    told(&olga, "Your key is changed");
    assert_eq!(pubkey(&olga), new);
    olga.click("a[href='/operator']");
    olga.wait(&format!("document.querySelector('#key-{new} .badge')?.textContent === 'admin'"));
}
