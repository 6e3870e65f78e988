//! What one person does, another one sees without asking: posts, comments, votes, messages; also
//! after a time without the service, nothing lost and nothing twice.

use super::browser::Browser;
use super::person::{agent, bring, comment, join, make_channel, write};
use super::service::Service;
use super::signed::{SEED, pem};
use axon::base::{Clock, Kind};
use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, Subscription, Update};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_post_its_votes_and_its_comments_are_seen_by_others_at_once() {
    let service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    ben.go(&service.url("/feed"));
    join(&ada, &service, "Ada");
    let path = write(&ada, &service, "Hot from the press");
    ben.wait("document.querySelector('.pill')?.textContent === '1 new post'");
    ben.click(".pill");
    ben.wait("document.querySelector('.post-row h3')?.textContent === 'Hot from the press'");
    ben.wait("!document.querySelector('.pill')");
    ben.click(".post-row h3 a");
    ben.wait(&format!("location.pathname === '{path}'"));
    // Nobody is disturbed while he types.
    ben.type_into("#comment-body", "half a thought");
    comment(&ada, "An afterthought.");
    ben.wait("document.querySelector('.comment .prose')?.textContent.trim() === 'An afterthought.'");
    assert_eq!(ben.eval("document.activeElement.value"), "half a thought");
}

#[test]
fn members_of_a_channel_talk_and_miss_nothing() {
    let mut service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    let channel = make_channel(&ada, &service, "Harbour watch", &agent(&ben));
    ben.go(&service.url(&format!("/channel/{channel}")));
    ben.wait("document.getElementById('say')");
    let texts =
        "[...document.querySelectorAll('.message .prose')].map((el) => el.textContent.trim()).join('|')";
    for (browser, text) in [(&ada, "one"), (&ben, "two"), (&ada, "three")] {
        browser.type_into("#say-body", &format!("{text}\u{E007}"));
        for other in [&ada, &ben] {
            other.wait(&format!("{texts}.endsWith('{text}')"));
        }
    }
    service.restart();
    for browser in [&ada, &ben] {
        browser.wait(&format!("{texts} === 'one|two|three'"));
    }
    ada.type_into("#say-body", "four\u{E007}");
    for browser in [&ada, &ben] {
        browser.wait(&format!("{texts} === 'one|two|three|four'"));
    }
}

/// Gather's kind of a message.
const MESSAGE: Kind = Kind(2100);

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program hears next.
async fn hear(reader: &mut Subscription) -> String {
    loop {
        match tokio::time::timeout(PATIENCE, reader.next()).await.expect("in time").expect("no end") {
            Ok(Update::Event(delivery)) => {
                let content: Value = serde_json::from_slice(&delivery.event.content).expect("JSON");
                return content["body"].as_str().expect("a text").to_owned();
            }
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// A person in a browser and a program on the relay: each reads what the other says, the program's
/// words carry its own signature, and neither loses or repeats one over a time without the service.
#[test]
fn a_person_talks_with_a_program_on_the_relay() {
    let mut service = Service::start();
    let ada = Browser::start();
    // The program's agent is known; its browser is closed.
    let bot_id = {
        let browser = Browser::start();
        bring(&browser, &service, "Bot", &pem());
        agent(&browser)
    };
    join(&ada, &service, "Ada");
    ada.go(&service.url("/me"));
    ada.wait("document.getElementById('pubkey')");
    let ada_key = ada.text("#pubkey");
    let channel = make_channel(&ada, &service, "Bridge", &bot_id);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let client = Client::new(&service.relay, KeyPair::from_seed(&SEED));
    let messages = Filter { kinds: vec![MESSAGE.0], ..Filter::default() };
    let mut reader = runtime.block_on(async { client.subscribe(messages, Start::Beginning) });
    let say = |body: &str| {
        let event = EventBuilder {
            kind: MESSAGE,
            created_at: Clock::new().unix_seconds(),
            content: json!({ "body": body }).to_string().into_bytes(),
            tags: vec![
                ("channel".to_owned(), vec![channel.clone()]),
                ("p".to_owned(), vec![ada_key.clone()]),
            ],
        };
        let (_, wire) = client.key().sign_event(&event).expect("an event");
        runtime.block_on(async {
            let publisher = client.publisher().await.expect("a login");
            publisher.publish(wire).await.expect("it is stored");
        });
    };
    let texts =
        "[...document.querySelectorAll('.message .prose')].map((el) => el.textContent.trim()).join('|')";
    ada.type_into("#say-body", "one\u{E007}");
    let mut heard = vec![runtime.block_on(hear(&mut reader))];
    say("two");
    heard.push(runtime.block_on(hear(&mut reader)));
    ada.wait(&format!("{texts} === 'one|two'"));
    assert_eq!(ada.text(".message:last-child .by span:last-child"), "Bot");
    assert_eq!(ada.text(".message:last-child .badge"), "signed");

    service.restart();
    say("three");
    ada.wait(&format!("{texts} === 'one|two|three'"));
    ada.type_into("#say-body", "four\u{E007}");
    heard.extend((0..2).map(|_| runtime.block_on(hear(&mut reader))));
    ada.wait(&format!("{texts} === 'one|two|three|four'"));
    assert_eq!(heard, ["one", "two", "three", "four"]);
}
