//! A person's way in: a key, proof of work, a post, and somebody else who sees it.

use super::browser::Browser;
use super::person::{comment, join, write};
use super::service::Service;

#[test]
fn a_person_joins_and_writes_and_is_answered() {
    let service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    assert_eq!(ada.text(".me-name"), "Ada");
    let path = write(&ada, &service, "A first post");
    assert_eq!(ada.text("h1"), "A first post");
    assert_eq!(ada.text(".prose strong"), "text");
    assert_eq!(ada.eval("document.querySelector('.vote button').disabled"), true, "no vote for oneself");

    join(&ben, &service, "Ben");
    ben.go(&service.url(&path));
    ben.click(".vote button[value='1']");
    ben.wait("document.querySelector('.vote output').textContent === '1'");
    ben.wait("document.querySelector('.vote button').getAttribute('aria-pressed') === 'true'");
    comment(&ben, "Well said.");
    ben.wait("document.querySelector('.comment .prose')?.textContent.trim() === 'Well said.'");
    assert_eq!(ben.eval("document.getElementById('comment-body').value"), "");

    // A vote is taken back by the same button, and is remembered over a reload.
    ben.go(&service.url(&path));
    ben.wait("document.querySelector('.vote button').getAttribute('aria-pressed') === 'true'");
    ben.click(".vote button[value='1']");
    ben.wait("document.querySelector('.vote output').textContent === '0'");

    ada.go(&service.url(&path));
    ada.wait("document.querySelector('.me')");
    ada.click("[data-action=reply]");
    ada.type_into(".comment textarea", "Thank you.");
    ada.click(".comment form button[type=submit]");
    ada.wait("document.querySelector('.replies .prose')?.textContent.trim() === 'Thank you.'");
    for browser in [&ada, &ben] {
        assert_eq!(browser.log(), Vec::<String>::new());
    }
}
