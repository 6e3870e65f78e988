//! What holds on every page: the keyboard reaches everything and one sees where it is, motion is reduced
//! for whoever asks for it, work can be cancelled, tokens are nowhere but in memory; and what the first
//! page prints works.

use super::browser::Browser;
use super::person::{act, agent, comment, join, make_channel, module, posts, token, told, write};
use super::service::Service;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";

/// Everything on the page that does something, each named by its place among all elements; of a group
/// of radio buttons one.
const TARGETS: &str =
    "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
    .filter((el) => el.checkVisibility({ checkVisibilityCSS: true }) && !el.disabled && el.tabIndex >= 0
        && el.type !== 'hidden' && !(el.type === 'radio' && !el.checked))
    .map((el) => [...document.querySelectorAll('*')].indexOf(el))";

/// What has the focus: its place, how it looks, and what is wrong with how it is seen.
const FOCUS: &str = "(() => {
    const el = document.activeElement;
    const style = getComputedStyle(el);
    const box = el.getBoundingClientRect();
    const around = [el, el.closest('label, .search, .choice, .say, .command')].filter(Boolean).map((each) => getComputedStyle(each));
    const marked = around.some((each) => each.outlineStyle !== 'none' && parseFloat(each.outlineWidth) >= 2);
    const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return { place: [...document.querySelectorAll('*')].indexOf(el), body: el === document.body,
        wrong: !marked ? `${el.outerHTML.slice(0, 90)}: no mark of the focus` : !seen ? `${el.outerHTML.slice(0, 90)}: out of sight` : '' };
})()";

/// Stops of a page, at most.
const STOPS_MAX: usize = 250;

#[test]
fn the_keyboard_reaches_everything_and_shows_where_it_is() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    let post = write(&ada, &service, "A post to walk through");
    comment(&ada, "A comment.");
    ada.wait("document.querySelector('.comment')");
    let channel = format!("/channel/{}", make_channel(&ada, &service, "Harbour", ""));
    let mut findings = Vec::new();
    for path in ["/", "/feed", &post, "/write", &channel, "/me", "/me/key", "/skills", "/shop", "/join"] {
        ada.go(&service.url(path));
        ada.wait("document.querySelector('.me')");
        let all = ada.eval(TARGETS);
        let mut left: BTreeSet<u64> =
            all.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
        assert!(left.len() > 10, "{path}: {left:?}");
        for stop in 0.. {
            assert!(stop < STOPS_MAX, "{path}: no end");
            ada.press(TAB);
            let focus = ada.eval(FOCUS);
            if focus["body"] == true {
                break;
            }
            let wrong = focus["wrong"].as_str().unwrap_or_default();
            findings.extend((!wrong.is_empty()).then(|| format!("{path}: {wrong}")));
            left.remove(&focus["place"].as_u64().expect("a place"));
            if left.is_empty() {
                break;
            }
        }
        let missed = left.iter().map(|place| {
            let html = ada.eval(&format!("document.querySelectorAll('*')[{place}].outerHTML.slice(0, 90)"));
            format!("{path}: never reached: {html}")
        });
        findings.extend(missed);
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    // It would have been noticed.
    ada.eval(
        "(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync('*:focus-visible { outline: none !important }');
            document.adoptedStyleSheets = [sheet]; })()",
    );
    ada.press(TAB);
    assert!(ada.eval(FOCUS)["wrong"].as_str().is_some_and(|wrong| wrong.contains("no mark")));

    // And it does what a mouse does: from the first Tab to a vote for somebody else's post.
    let ben = Browser::start();
    join(&ben, &service, "Ben");
    ben.go(&service.url(&post));
    ben.wait("document.querySelector('.me')");
    ben.press(TAB);
    assert_eq!(ben.eval("document.activeElement.className"), "skip");
    ben.press(ENTER);
    for _ in 0..STOPS_MAX {
        ben.press(TAB);
        if ben.eval("document.activeElement.getAttribute('aria-label')") == "Vote for this post" {
            break;
        }
    }
    ben.press(ENTER);
    ben.wait("document.querySelector('.vote output').textContent === '1'");
}

#[test]
fn nothing_moves_for_whoever_wants_it_still() {
    let service = Service::start();
    let browser = Browser::start();
    let longest = "Math.max(...[...document.querySelectorAll('*')].flatMap((el) => ['', '::before', '::after'].map((part) => {
        const style = getComputedStyle(el, part);
        const ms = (text) => Math.max(...text.split(',').map((one) => parseFloat(one) * (one.trim().endsWith('ms') ? 1 : 1000)));
        return Math.max(ms(style.transitionDuration), ms(style.animationDuration));
    })))";
    browser.go(&service.url("/docs/design"));
    assert!(browser.eval(longest).as_f64().expect("a time") > 50.0, "otherwise something moves");
    // As the pictures are made.
    browser.look(1280, false);
    assert!(browser.eval(longest).as_f64().expect("a time") < 1.0);
}

#[test]
fn work_is_shown_and_can_be_cancelled() {
    let service = Service::start();
    let browser = Browser::start();
    browser.go(&service.url("/join"));
    // More than anybody could ever do.
    browser.eval(
        "(() => { const real = window.fetch; window.fetch = async (path, ...rest) => {
            const answer = await real(path, ...rest);
            return path === '/api/pow/challenge' ? Response.json({ ...await answer.json(), difficulty: 60 }) : answer; }; })()",
    );
    browser.type_into("#name", "Ada");
    for way_out in ["button", "key"] {
        browser.click("form[data-action=join] button[type=submit]");
        browser.wait("document.querySelector('dialog#pow[open] progress')");
        match way_out {
            "button" => browser.click("#pow button"),
            _ => browser.press(ESCAPE),
        }
        browser.wait("!document.querySelector('dialog') && !document.querySelector('[aria-busy]')");
        assert_eq!(browser.eval("document.querySelector('.toast')"), Value::Null, "nothing went wrong");
        assert_eq!(browser.eval("location.pathname"), "/join");
    }
}

#[test]
fn tokens_and_private_keys_are_nowhere_to_be_read() {
    let service = Service::start();
    let browser = Browser::start();
    join(&browser, &service, "Ada");
    let token = token(&browser);
    assert!(token.len() > 100);
    let kept = browser.eval("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, document.documentElement.outerHTML, history.state])");
    assert!(!kept.as_str().expect("a text").contains(&token));
    let stored = browser.promise(&format!("{}.then(({{ load }}) => load()).then((key) => [JSON.stringify(key), Object.keys(key), key.privateKey.extractable])", module("keys")));
    assert!(!stored[0].as_str().expect("a text").contains(&token));
    assert_eq!(stored[2], false);
    let out = browser.promise(&format!(
        "{}.then(({{ load }}) => load()).then((key) => Promise.any(['pkcs8', 'jwk', 'raw'].map((form) => crypto.subtle.exportKey(form, key.privateKey))).then(() => 'out', () => 'in'))",
        module("keys")
    ));
    assert_eq!(out, "in");
}

/// What a feed holds is one answer, also a hundred posts.
#[test]
fn a_feed_of_a_hundred_posts_is_one_response() {
    let service = Service::start();
    let browser = Browser::start();
    join(&browser, &service, "Ada");
    posts(&browser, 100, "many");
    let (head, body) = service.ask("GET", "/feed?limit=100", "Accept: text/html\r\n");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(String::from_utf8_lossy(&body).matches("class=\"post-row\"").count(), 100);
}

/// What the first page tells agents to type brings one in.
#[test]
fn the_commands_on_the_first_page_work_as_printed() {
    let service = Service::start();
    let browser = Browser::start();
    browser.go(&service.url("/"));
    let lines: Vec<String> = (1..=3).map(|n| browser.text(&format!("#step-{n}"))).collect();
    let said = service.shell(&lines.join("\n"));
    assert!(said.contains("worker-7"), "{said}");
    browser.go(&service.url("/feed?sort=newest"));
    browser.click(".post-row h3 a");
    browser.wait("document.querySelector('h1').textContent === 'Hello, agents'");
    assert_eq!(browser.text(".by span:last-child"), "worker-7");
    let (head, body) = service.ask("GET", "/llms.txt", "");
    assert!(head.starts_with("http/1.1 200") && body.len() > 500, "{head}");
}

/// Too many pages at once are refused as calls are, with a page that says what to do.
#[test]
fn pages_are_limited_as_the_operations_are() {
    let service = Service::with("limit_addresses = \"on\"\n");
    let refused = (0..60).map(|_| service.ask("GET", "/feed", "Accept: text/html\r\n"));
    let (head, body) =
        refused.into_iter().find(|(head, _)| head.starts_with("http/1.1 429")).expect("a limit");
    assert!(head.contains("retry-after: "), "{head}");
    let page = String::from_utf8_lossy(&body).into_owned();
    assert!(page.contains("A little slower, please") && page.contains("then reload"), "{page}");
}

/// Which channels have something new is marked, live, until they are looked at.
#[test]
fn channels_with_something_new_are_marked_until_they_are_read() {
    let service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    let channel = make_channel(&ada, &service, "Harbour", &agent(&ben));
    let say = |text: &str| {
        act(&ada, "POST", &format!("/api/channels/{channel}/messages"), &json!({ "body": text }))
    };
    let unread = "document.querySelectorAll('.talk-row[data-unread]').length";
    ben.go(&service.url("/channels"));
    ben.wait("document.querySelector('.talk-row')");
    say("one");
    ben.wait(&format!("{unread} === 1"));
    ben.click(".talk-row");
    ben.wait("document.querySelector('.message') && document.getElementById('say')");
    ben.wait(&format!("{unread} === 0"));
    // What arrives in the open channel is read; and it is remembered.
    say("two");
    ben.wait("document.querySelectorAll('.message').length === 2");
    ben.go(&service.url("/channels"));
    ben.wait("document.querySelector('.talk-row')");
    assert_eq!(ben.eval(unread), 0);
    say("three");
    ben.wait(&format!("{unread} === 1"));
}

/// Who has no scripts reads everything that is public, finds and sorts, and is told why writing needs them.
#[test]
fn without_scripts_one_reads_and_is_told_what_needs_them() {
    let service = Service::start();
    let (ada, plain) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    let post = write(&ada, &service, "Read me");
    comment(&ada, "Read me, too.");
    ada.wait("document.querySelector('.comment')");
    act(&ada, "POST", "/api/skills", &json!({"id": "acme/pdf", "name": "acme/pdf"}));
    plain.tools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    let seen = |path: &str| {
        plain.open(&service.url(path));
        plain.eval("document.body.innerText").as_str().expect("a text").to_owned()
    };
    for (path, text) in [
        ("/", "Read me"),
        ("/feed?sort=newest", "Read me"),
        ("/feed?q=read", "with \u{201c}read\u{201d}"),
        (&post, "Read me, too."),
        (&post, "Writing needs them"),
        ("/agents?q=ad", "Ada"),
        ("/skills", "acme/pdf"),
        ("/skill/acme%2Fpdf", "Reviewing needs them"),
        ("/shop/mug", "Ceramic Mug"),
        ("/docs/protocol", "The wire specification"),
        ("/write", "Writing needs scripts"),
        ("/join", "Joining needs scripts"),
        ("/me", "Signing in needs scripts"),
        ("/channels", "Signing in needs scripts"),
    ] {
        assert!(seen(path).contains(text), "{path}: {text}");
        let dead = plain.eval("[...document.querySelectorAll('form[data-action]:not(.vote), button[data-action], button[data-copy]')].filter((el) => el.checkVisibility()).map((el) => el.outerHTML)");
        assert_eq!(dead, json!([]), "{path}: it would do nothing");
    }
    // Searching is a form, and going there a link.
    plain.open(&service.url("/feed"));
    plain.type_into("#q", "nothing-has-this\u{E007}");
    assert!(plain.text("main").contains("Nothing found"));
}

/// What is copied is in the clipboard; where the browser forbids that it is selected, and one is told.
#[test]
fn what_is_to_be_copied_is_copied_or_selected() {
    let service = Service::start();
    let browser = Browser::start();
    browser.tools(
        "Browser.grantPermissions",
        json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": service.url("")}),
    );
    browser.go(&service.url("/"));
    browser.click("[data-copy=step-2]");
    told(&browser, "Copied.");
    assert_eq!(browser.promise("navigator.clipboard.readText()"), "axon gather register --name worker-7");
    // As on a page that came over plain HTTP.
    browser.eval("void Object.defineProperty(navigator, 'clipboard', { value: undefined })");
    browser.click("[data-copy=step-2]");
    told(&browser, "copy it with the keyboard");
    assert_eq!(browser.eval("getSelection().toString()"), "axon gather register --name worker-7");
}

/// A mistake of ours is not told in the words of a script.
#[test]
fn what_breaks_is_said_in_words() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    write(&ada, &service, "A post");
    comment(&ada, "A comment.");
    ada.wait("document.querySelector('[data-action=reply]')");
    ada.eval("document.getElementById('compose').remove()");
    ada.click("[data-action=reply]");
    told(&ada, "Something on this page broke. Reload it, then try again.");
    // And a refusal without the operation that a program would call next.
    make_channel(&ada, &service, "Harbour", "");
    ada.click("details.members summary");
    ada.type_into("#agent_id", "nobody");
    ada.click("[data-action=invite] button[type=submit]");
    told(&ada, "There is no such agent.It may have been deleted, or its id has a mistake.");
}

/// What is wrong with an address is said in words.
#[test]
fn an_address_that_asks_too_much_is_answered_in_words() {
    let service = Service::start();
    let browser = Browser::start();
    browser.go(&service.url("/feed?limit=1000"));
    let said = browser.text("main");
    assert!(said.contains("limit must be at most 100"), "{said}");
    assert!(said.contains("Change what is named above"), "{said}");
}

/// A reader finds a post by its words, by its tag and by its age, without leaving the document.
#[test]
fn a_reader_searches_sorts_and_follows_a_tag() {
    let service = Service::start();
    let (ada, reader) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    posts(&ada, 2, "tides");
    let loud = write(&ada, &service, "A loud one");
    let id = loud.trim_start_matches("/post/");
    join(&reader, &service, "Ben");
    act(&reader, "POST", &format!("/api/posts/{id}/vote"), &json!({"value": 1}));
    let titles = "[...document.querySelectorAll('.post-row h3')].map((el) => el.textContent).join('|')";
    reader.click("a[href='/agents']");
    reader.click("a[href='/feed']");
    reader.wait(&format!("{titles}.startsWith('A loud one|')"));
    reader.eval("window.same = true");
    reader.type_into("#q", &format!("post 1{ENTER}"));
    reader.wait(&format!("{titles} === 'Post 1' && location.search === '?q=post+1'"));
    reader.click("main .soft a[href='/feed']");
    reader.wait(&format!("{titles}.split('|').length === 3"));
    reader.click(".tag-cloud a[href='/feed?tag=tides']");
    reader.wait("document.querySelector('h1').textContent === 'Posts about tides'");
    reader.click(".segments a:nth-child(2)");
    reader.wait(&format!("{titles} === 'Post 1|Post 0' && location.search.includes('sort=newest')"));
    reader.click("a[href='/agents']");
    reader.type_into("#q", &format!("ad{ENTER}"));
    reader.wait("document.querySelectorAll('.person').length === 1 && document.querySelector('.person h3').textContent === 'Ada'");
    assert_eq!(reader.eval("window.same"), true);
    reader.eval("history.back()");
    reader.wait("document.querySelectorAll('.person').length === 2");
}
