//! An agent is a program on the relay and a person brings its key: what the program signs is on the
//! page, and the browser checks it itself.

use super::browser::Browser;
use super::person::{bring, comment, join, write};
use super::service::Service;
use axon::base::{Clock, Kind};
use axon::client::{Client, EventBuilder, KeyPair};
use axon::gather::rules::pow;
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

pub const SEED: [u8; 32] = [7; 32];

/// The key as a program writes it.
pub fn pem() -> String {
    pem_of(&SEED)
}

pub fn pem_of(seed: &[u8; 32]) -> String {
    let der = [hex::decode("302e020100300506032b657004220420").expect("hex"), seed.to_vec()].concat();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", Base64::encode_string(&der))
}

/// An event of the agent with this file's key, published on the relay; its id.
pub fn publish(service: &Service, kind: u16, content: &Value, tags: Vec<(&str, Vec<&str>)>) -> String {
    let owned = |(name, values): (&str, Vec<&str>)| {
        (name.to_owned(), values.into_iter().map(str::to_owned).collect())
    };
    let event = EventBuilder {
        kind: Kind(kind),
        created_at: Clock::new().unix_seconds(),
        content: content.to_string().into_bytes(),
        tags: tags.into_iter().map(owned).collect(),
    };
    let client = Client::new(&service.relay, KeyPair::from_seed(&SEED));
    let (id, wire) = client.key().sign_event(&event).expect("an event");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let publisher = client.publisher().await.expect("a login");
        publisher.publish(wire).await.expect("it is stored");
    });
    id.to_hex()
}

/// A post, with its work done.
fn publish_post(service: &Service, browser: &Browser) -> String {
    let challenge = browser.promise(
        "fetch('/api/pow/challenge', { method: 'POST', body: '{\"purpose\":\"post\"}', headers: { 'Content-Type': 'application/json' } })
         .then((answer) => answer.json())",
    );
    let text = challenge["challenge"].as_str().expect("a challenge");
    let difficulty =
        challenge["difficulty"].as_u64().and_then(|n| u8::try_from(n).ok()).expect("a difficulty");
    let nonce = (0u64..).map(|n| n.to_string()).find(|nonce| pow::solves(text, nonce, difficulty));
    let nonce = nonce.expect("there always is one");
    let content = json!({"title": "Signed at sea", "summary": "s", "body": "b", "tags": ["sea"]});
    publish(service, 1100, &content, vec![("pow", vec![text, &nonce]), ("t", vec!["sea"])])
}

#[test]
fn a_brought_key_signs_in_again_and_its_events_are_checked_in_the_browser() {
    let service = Service::start();
    let browser = Browser::start();
    bring(&browser, &service, "Sailor", &pem());
    let id = publish_post(&service, &browser);
    browser.wait("document.querySelector('.pill')");
    browser.click(".pill");
    browser.wait("document.querySelector('.post-row .badge')?.textContent === 'signed'");
    browser.click(".post-row h3 a");
    browser.click(".signature summary");
    browser.click("[data-action=verify]");
    browser.wait("document.querySelector('#verified .note.good')");
    assert!(browser.text(".signature").contains(&id));
    assert!(browser.text("#verified").contains("Signed at sea"));

    // Another browser, the same key: the same agent, and no second registration.
    let other = Browser::start();
    bring(&other, &service, "ignored", &pem());
    assert_eq!(other.text(".me-name"), "Sailor");
    // Before it registered, it asked whether the key is known.
    let said: Vec<String> =
        browser.log().into_iter().filter(|line| !line.contains("/api/agents/challenge")).collect();
    assert_eq!(said, Vec::<String>::new());
}

/// What a person writes is signed in the browser: the service only passes it on, and a reader's own
/// browser can tell. Where the relay cannot be reached from, the same is done by a call, unsigned.
#[test]
fn what_a_person_writes_is_signed_by_the_person() {
    let service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    let path = write(&ada, &service, "By my own hand");
    ben.go(&service.url(&path));
    ben.wait("document.querySelector('.me')");
    ben.click(".signature summary");
    ben.click("[data-action=verify]");
    ben.wait("document.querySelector('#verified .note.good')");
    assert!(ben.text("#verified").contains("By my own hand"));
    ben.click(".vote button[value='1']");
    ben.wait("document.querySelector('.vote output').textContent === '1'");
    comment(&ben, "So it is.");
    ben.wait("document.querySelector('.comment .badge')?.textContent === 'signed'");
    assert_eq!(ben.eval("document.querySelectorAll('.comment').length"), 1, "it is there once");
    ben.click(".comment [data-action=verify]");
    ben.wait("document.querySelector('.checked .note.good')");
    assert!(ben.text(".checked").contains("So it is."));
    // What was found stays when the page is made new.
    comment(&ben, "And again.");
    ben.wait("document.querySelectorAll('.comment').length === 2");
    assert!(ben.text(".checked .note.good").contains("Checked in this browser"));

    // And goes with it.
    assert!(ben.text("#verified .note.good").contains("Checked in this browser"));
    let other = write(&ada, &service, "Another one");
    ben.click("a[href='/feed']");
    ben.click(&format!("h3 a[href='{other}']"));
    ben.wait("document.querySelector('h1').textContent === 'Another one'");
    assert_eq!(ben.eval("document.querySelector('#verified .note')"), Value::Null);

    // What is refused is said where it is wrong.
    ada.go(&service.url("/write"));
    for field in ["#title", "#summary", "#body"] {
        ada.type_into(field, "x");
    }
    ada.type_into("#tags", "not,a/tag");
    ada.click("form[data-action=write] button[type=submit]");
    ada.wait("document.querySelector('.field-error')?.textContent.startsWith('Each has 1 to 30 characters') && document.getElementById('tags').getAttribute('aria-invalid') === 'true'");

    // The relay is out of reach: the post is made all the same, and does not claim a signature.
    ada.eval("document.getElementById('tags').value = ''");
    ada.type_into("#tags", "good");
    ada.eval("document.body.dataset.relay = 'ws://127.0.0.1:1'");
    ada.click("form[data-action=write] button[type=submit]");
    ada.wait("location.pathname.startsWith('/post/')");
    assert_eq!(ada.eval("document.querySelector('.signature')"), Value::Null);
}

/// Whoever has no account need not believe the page either; and a service that lies is found out.
#[test]
fn guests_check_signatures_and_are_not_taken_in() {
    let service = Service::start();
    let (ada, guest) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    let path = write(&ada, &service, "Ünsinkable \u{1f6a2}");
    comment(&ada, "So it is.");
    ada.wait("document.querySelector('.comment .badge')");

    guest.go(&service.url(&path));
    guest.click(".signature summary");
    guest.click(".signature [data-action=verify]");
    guest.wait("document.querySelector('#verified .note.good')");
    assert!(guest.text("#verified").contains("Ünsinkable \u{1f6a2}"));
    guest.click(".comment [data-action=verify]");
    guest.wait("document.querySelector('.checked .note.good')");
    assert_eq!(guest.eval("document.querySelector('dialog')"), Value::Null, "and is not asked to join");

    // What its author did not say, and what another agent said.
    let other = write(&ada, &service, "Another one");
    let lies = [
        ("told.content = told.content.replace('Ünsinkable', 'Sinkable')", "The id is not the hash"),
        ("told.sig = '00'.repeat(64)", "The signature is not the author\u{2019}s"),
        ("told.id = 'xyz'", "This is no event"),
        (&*format!("told = await (await ask('{}')).json()", event_of(&service, &other)), "another event"),
    ];
    for (lie, said) in lies {
        guest.go(&service.url(&path));
        guest.click(".signature summary");
        guest.eval(&format!(
            "(window.ask = window.fetch, window.fetch = async (path, ...rest) => {{
                 if (!String(path).includes('/api/events/')) return ask(path, ...rest);
                 let told = await (await ask(path, ...rest)).json();
                 {lie};
                 return new Response(JSON.stringify(told), {{ headers: {{ 'Content-Type': 'application/json' }} }});
             }}, null)"
        ));
        guest.click(".signature [data-action=verify]");
        let toast = guest.wait("document.querySelector('.toast.bad')?.textContent");
        assert!(toast.as_str().is_some_and(|toast| toast.contains(said)), "{toast}");
        assert_eq!(guest.eval("document.querySelector('#verified .note')"), Value::Null);
    }

    // Its author has changed or deleted it meanwhile.
    guest.go(&service.url(&path));
    guest.click(".signature summary");
    guest.eval("(window.fetch = async () => new Response('{\"detail\":\"none\"}', { status: 404 }), null)");
    guest.click(".signature [data-action=verify]");
    guest.wait("document.querySelector('.toast.bad')?.textContent.includes('not there any more')");

    // Where browsers hash nothing.
    guest.go(&service.url(&path));
    guest.click(".signature summary");
    guest.eval("Object.defineProperty(window, 'isSecureContext', { value: false }) && null");
    guest.click(".signature [data-action=verify]");
    guest.wait("document.querySelector('.toast.bad')?.textContent.includes('only over HTTPS')");
}

/// The address of the event of the post on this page.
fn event_of(service: &Service, page: &str) -> String {
    let (_, post) = service.ask("GET", &format!("/api/posts{}", page.trim_start_matches("/post")), "");
    let post: Value = serde_json::from_slice(&post).expect("JSON");
    format!("/api/events/{}", post["event_id"].as_str().expect("it is signed"))
}

/// A review that a program has signed, and a skill's page where a member and a guest check it.
#[test]
fn a_signed_review_is_checked_in_the_browser() {
    let service = Service::start();
    let (ada, guest) = (Browser::start(), Browser::start());
    bring(&ada, &service, "Ada", &pem());
    let review =
        json!({"skill_id": "acme/pdf", "task": "Read a report", "score": 8.5, "what_worked": "Fast"});
    let id = publish(&service, 111, &review, Vec::new());
    ada.promise(
        "(async () => {
             const here = async () => (await fetch('/api/skills/acme%2Fpdf')).ok;
             while (!(await here())) await new Promise((resolve) => { setTimeout(resolve, 20); });
         })().then(() => null)",
    );
    for browser in [&ada, &guest] {
        browser.go(&service.url("/skill/acme%2Fpdf"));
        browser.click("#reviews .signature summary");
        assert!(browser.text("#reviews .signature").contains(&id));
        browser.click("#reviews [data-action=verify]");
    }
    for browser in [&ada, &guest] {
        browser
            .wait("document.querySelector('#reviews .checked .note.good, #reviews .signature .note.good')");
        assert!(browser.text("#reviews .signature").contains("the signature is the author\u{2019}s."));
    }
}
