//! Pages that are open while the service is away go on by themselves when it is back: nobody reloads, and
//! nothing that was written meanwhile is missing.

use super::browser::Browser;
use super::every_page::look_here;
use super::person::{act, agent, bring, join, member, module, posts, write};
use super::service::Service;
use super::signed::pem;
use serde_json::{Value, json};

const SUBJECTS: &str =
    "[...document.querySelectorAll('.notice h3')].map((el) => el.firstChild.data.trim()).join('|')";
const FIGURES: &str = "[...document.querySelectorAll('#figures dd')].map((el) => el.textContent).join()";

/// As if another window were in front of this one, or not any more.
fn hide(browser: &Browser, hidden: bool) {
    browser.eval(&format!(
        "(() => {{ Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
             document.dispatchEvent(new Event('visibilitychange')); }})()"
    ));
}

#[test]
fn open_pages_go_on_after_an_outage() {
    let mut service = Service::start();
    let (feed, home, olga) = (Browser::start(), Browser::start(), Browser::start());
    let (ada, ben) = (member(&service, "Ada"), member(&service, "Ben"));
    let post = write(&ada, &service, "Before");
    ada.go(&service.url("/inbox"));
    ada.wait("document.querySelectorAll('.notice').length === 1");
    feed.go(&service.url("/feed?sort=newest"));
    home.go(&service.url("/"));
    assert_eq!(home.eval(FIGURES), "2,1,0,0");
    bring(&olga, &service, "Olga", &service.operator_pem());
    olga.go(&service.url("/operator"));
    olga.wait("document.querySelector('[data-figure=memory]')?.textContent.includes('B')");

    service.end();
    olga.wait("document.getElementById('live-fault').textContent.includes('The service cannot be reached.')");
    assert_eq!(olga.text("[data-figure=memory]"), "–", "what is not known is not claimed");
    let mut findings = Vec::new();
    look_here(&olga, "operator-away", &mut findings);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    // Whoever acts now is told what to do, and what stood there stands there.
    ada.click(".notice [data-action=read-notice]");
    ada.wait("document.querySelector('.toast.bad')?.textContent.includes('The service cannot be reached.Check the connection, then try again.')");
    feed.click("a[href='/agents']");
    feed.wait("document.querySelector('.toast.bad')?.textContent.includes('Check the connection')");
    assert_eq!(feed.text("h1"), "Feed");
    service.begin();

    posts(&ben, 1, "after");
    act(
        &ben,
        "POST",
        &format!("/api/posts{}/comments", post.trim_start_matches("/post")),
        &json!({"body": "So it is."}),
    );
    feed.wait("document.querySelector('.pill')?.textContent === '1 new post'");
    home.wait("document.querySelector('.post-row h3')?.textContent === 'Post 0'");
    home.wait(&format!("{FIGURES} === '3,2,1,0'"));
    ada.wait(&format!("{SUBJECTS} === 'New comment on \"Before\"|Welcome to Gather'"));
    ada.wait("document.querySelector('#account .dot').textContent === '2'");
    olga.wait("document.querySelector('[data-figure=memory]').textContent.includes('B') && document.getElementById('live-fault').hidden");
    // And the next thing that one does works.
    ada.click(".notice [data-action=read-notice]");
    ada.wait("document.querySelector('#account .dot').textContent === '1'");
}

/// A page comes to the front while the service is away; another one was opened behind the others.
#[test]
fn a_page_that_comes_to_the_front_listens_as_soon_as_it_can() {
    let mut service = Service::start();
    let (feed, behind) = (Browser::start(), Browser::start());
    let ada = member(&service, "Ada");
    feed.go(&service.url("/feed"));
    hide(&feed, true);
    behind.tools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"}),
    );
    behind.go(&service.url("/feed"));
    hide(&behind, false);
    service.end();
    feed.eval("(() => { const real = window.fetch; window.failed = 0; window.fetch = (...all) => real(...all).catch((error) => { window.failed += 1; throw error; }); })()");
    hide(&feed, false);
    feed.wait("window.failed > 0");
    service.begin();
    posts(&ada, 1, "news");
    // It was there before the page was made new, or came afterwards: in any case it is seen.
    feed.wait("document.querySelector('.pill, .post-row')");
    posts(&ada, 1, "news");
    for browser in [&feed, &behind] {
        browser.wait("document.querySelector('.pill')");
    }
}

/// Tokens that were taken back elsewhere are replaced by the key, whatever the page does next.
#[test]
fn a_token_that_was_taken_back_elsewhere_is_replaced() {
    let mut service = Service::start();
    let (ada, other, ben) = (Browser::start(), Browser::start(), member(&service, "Ben"));
    bring(&ada, &service, "Ada", &pem());
    bring(&other, &service, "ignored", &pem());
    other.go(&service.url("/inbox"));
    other.wait("document.querySelector('.notice')");
    act(&ada, "POST", "/api/agents/tokens/revoke", &json!({"all": true}));
    other.click("a[href='/me']");
    other.wait("location.pathname === '/me' && document.querySelector('.me-name')?.textContent === 'Ada'");
    assert_eq!(other.eval("document.querySelector('.toast.bad')"), Value::Null);
    // The stream of an open page, too, when it has to begin anew.
    other.click("a[href='/inbox']");
    other.wait("document.querySelector('.notice')");
    act(&ada, "POST", "/api/agents/tokens/revoke", &json!({"all": true}));
    service.restart();
    act(&ben, "POST", "/api/channels", &json!({"name": "Harbour", "members": [agent(&ada)]}));
    other.wait("document.querySelectorAll('.notice').length === 2");
}

/// News that comes while somebody is on the way to another page does not hold them back.
#[test]
fn whoever_leaves_arrives() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    ada.go(&service.url("/"));
    ada.wait("document.querySelector('.me')");
    ada.eval(
        "(() => { const real = window.fetch; window.fetch = async (path, ...rest) => {
            if (String(path).endsWith('/agents') && !window.leaving) { window.leaving = true; await new Promise((resolve) => { window.arrive = resolve; }); }
            return real(path, ...rest); }; })()",
    );
    ada.click("a[href='/agents']");
    ada.wait("window.leaving");
    let renewed = ada.promise(&format!("{}.then(({{ reload }}) => reload())", module("navigate")));
    assert_eq!(renewed, false, "it is done later");
    ada.eval("window.arrive()");
    ada.wait("location.pathname === '/agents' && document.querySelector('h1').textContent === 'Agents'");
    assert_eq!(ada.promise(&format!("{}.then(({{ reload }}) => reload())", module("navigate"))), true);
}
