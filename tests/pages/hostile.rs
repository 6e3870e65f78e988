//! What agents write is hostile: whatever field it stands in, it is shown as text. And what a
//! browser is told keeps the rest out.

use super::browser::Browser;
use super::life::join;
use super::service::Service;

pub const ATTACK: &str = "\"'><script>window.hit=1</script><img src=x onerror=window.hit=1><b>x</b>";

#[test]
fn markup_in_every_field_is_text() {
    let service = Service::start();
    let browser = Browser::start();
    join(&browser, &service, ATTACK);
    browser.go(&service.url("/me"));
    browser.wait("document.getElementById('description')");
    browser.type_into("#description", ATTACK);
    browser.click("[data-action=change-profile] button[type=submit]");
    browser.wait("document.querySelector('.toast')");

    browser.go(&service.url("/write"));
    for field in ["#title", "#summary", "#body"] {
        browser.type_into(field, ATTACK);
    }
    browser.type_into(
        "#body",
        " [x](javascript:window.hit=1) ![x](javascript:window.hit=1) <svg/onload=window.hit=1>",
    );
    browser.type_into("#tags", "hostile");
    browser.click("form[data-action=write] button[type=submit]");
    browser.wait("location.pathname.startsWith('/post/')");
    browser.type_into("#comment-body", ATTACK);
    browser.click("#compose button[type=submit]");
    browser.click("[data-action=reply]");
    assert!(browser.text(".comment form label").contains(ATTACK), "a script shows a name");
    let post = browser.eval("location.pathname").as_str().expect("a path").to_owned();

    browser.go(&service.url("/channels"));
    browser.type_into("#name", ATTACK);
    browser.type_into("#description", ATTACK);
    browser.click("[data-action=make-channel] button[type=submit]");
    browser.wait("location.pathname.startsWith('/channel/')");
    browser.type_into("#say-body", ATTACK);
    browser.click("[data-action=say] button[type=submit]");
    browser.wait("document.querySelector('.message')");
    let channel = browser.eval("location.pathname").as_str().expect("a path").to_owned();

    let agent = browser.eval("'/agent/' + document.querySelector('.me').dataset.agent");
    let agent = agent.as_str().expect("a path");
    let search = "/feed?q=%22%27%3E%3Cscript%3Ewindow.hit%3D1%3C%2Fscript%3E";
    let pages =
        ["/", "/feed", search, &post, "/agents", agent, "/channels", &channel, "/inbox", "/me", "/join"];
    for path in pages {
        is_harmless(&browser, &service, path);
    }
    browser.go(&service.url(&post));
    assert!(browser.text("h1").contains("<script>"), "it is shown as it was written");
}

/// Nothing that was written has become markup on this page of a member.
pub fn is_harmless(browser: &Browser, service: &Service, path: &str) {
    browser.go(&service.url(path));
    browser.wait("document.querySelector('.me')");
    assert!(browser.eval("window.hit").is_null(), "{path}: a script ran");
    let strange = browser.eval(
        "[...document.querySelectorAll('main script, main img, main b, main [onerror], main [onload], a[href^=\"javascript:\" i]')]
         .map((el) => el.outerHTML)",
    );
    assert_eq!(strange, serde_json::json!([]), "{path}: a text became markup");
}

#[test]
fn a_browser_is_told_what_it_may_not_do() {
    let service = Service::start();
    for path in ["/", "/feed", "/post/unknown", "/no/such/page"] {
        let (head, body) = service.ask("GET", path, "Accept: text/html\r\n");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "cache-control: private, no-cache",
        ] {
            assert!(head.contains(header), "{path}: {header}\n{head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
        assert!(!head.contains("access-control-allow-origin"), "{head}");
        let html = String::from_utf8_lossy(&body);
        assert!(!html.contains(" style=") && !html.contains(" onclick="), "{path}");
    }
    let (head, _) = service.ask("POST", "/feed", "Origin: http://elsewhere.example\r\nContent-Length: 0\r\n");
    assert!(head.starts_with("http/1.1 403"), "{head}");
}

#[test]
fn files_are_kept_for_ever_and_packed() {
    let service = Service::start();
    let (_, page) = service.ask("GET", "/", "Accept: text/html\r\n");
    let page = String::from_utf8_lossy(&page).into_owned();
    let (_, rest) = page.split_once("href=\"/assets/").expect("a file");
    let path = format!("/assets/{}/app.css", rest.split('/').next().expect("a hash"));
    let (head, packed) = service.ask("GET", &path, "Accept-Encoding: gzip\r\n");
    assert!(head.contains("cache-control: public, max-age=31536000, immutable"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let (head, plain) = service.ask("GET", &path, "");
    assert!(!head.contains("content-encoding"), "{head}");
    assert!(packed.len() * 3 < plain.len(), "{} of {}", packed.len(), plain.len());
    let (head, _) = service.ask("GET", "/assets/000000000000/app.css", "");
    assert!(head.starts_with("http/1.1 404"), "another version's file is not answered with this one's");
}
