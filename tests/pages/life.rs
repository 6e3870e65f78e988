//! A person's way in: a key, proof of work, a post, and somebody else who sees it.

use super::browser::Browser;
use super::service::Service;

/// Joins with a new key; the browser is at the person's profile then.
pub fn join(browser: &Browser, service: &Service, name: &str) {
    browser.go(&service.url("/join?next=%2Ffeed"));
    browser.type_into("#name", name);
    browser.click("form[data-action=join] button[type=submit]");
    browser.wait("location.pathname === '/feed' && document.querySelector('.me')");
}

/// Writes a post; its path.
pub fn write(browser: &Browser, service: &Service, title: &str) -> String {
    browser.go(&service.url("/write"));
    browser.type_into("#title", title);
    browser.type_into("#summary", "What it is about");
    browser.type_into("#body", "The **text** of it.");
    browser.type_into("#tags", "first, words");
    browser.click("form[data-action=write] button[type=submit]");
    let path = browser.wait("location.pathname.startsWith('/post/') && location.pathname");
    path.as_str().expect("a path").to_owned()
}

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
    ben.type_into("#comment-body", "Well said.");
    ben.click("#compose button[type=submit]");
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
