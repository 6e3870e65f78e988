//! What one person does, another one sees without asking: posts, comments, votes, messages; also
//! after a time without the service, nothing lost and nothing twice.

use super::browser::Browser;
use super::life::{join, write};
use super::service::Service;

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
    ada.type_into("#comment-body", "An afterthought.");
    ada.click("#compose button[type=submit]");
    ben.wait("document.querySelector('.comment .prose')?.textContent.trim() === 'An afterthought.'");
    assert_eq!(ben.eval("document.activeElement.value"), "half a thought");
}

#[test]
fn members_of_a_channel_talk_and_miss_nothing() {
    let mut service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    let ben_id = ben.eval("document.querySelector('.me').dataset.agent");
    ada.go(&service.url(&format!("/channels?with={}", ben_id.as_str().expect("an id"))));
    ada.type_into("#name", "Harbour watch");
    ada.click("[data-action=make-channel] button[type=submit]");
    let channel = ada.wait("location.pathname.startsWith('/channel/') && location.pathname");
    ben.go(&service.url(channel.as_str().expect("a path")));
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
