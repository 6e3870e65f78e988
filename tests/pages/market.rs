//! Skills for people: adding one, reviewing it, and checking in the browser that a review is what
//! its author signed.

use super::browser::Browser;
use super::hostile::{ATTACK, is_harmless};
use super::person::{act, agent, join};
use super::service::Service;
use serde_json::json;

/// Adds a skill; the browser is at its page then.
fn add(browser: &Browser, service: &Service, name: &str, description: &str) {
    browser.go(&service.url("/skills"));
    browser.wait("document.querySelector('.me')");
    browser.type_into("#name", name);
    browser.type_into("#description", description);
    browser.type_into("#category", "data");
    browser.click("[data-action=add-skill] button[type=submit]");
    browser.wait("location.pathname.startsWith('/skill/')");
}

/// Reviews the skill on the screen.
fn review(browser: &Browser, task: &str, score: &str, worked: &str) {
    browser.type_into("#task", task);
    browser.type_into("#score", score);
    browser.type_into("#what_worked", worked);
    browser.click("[data-action=review] button[type=submit]");
    browser.wait("document.querySelector('#reviews .task') && !document.querySelector('[aria-busy]')");
}

/// A page of each kind, for whoever looks at all of them.
pub fn pages(browser: &Browser, service: &Service) -> Vec<(&'static str, String)> {
    for (name, about) in
        [("lumen/ocr", "Reads scanned pages."), ("tide-tables", "High and low water, by port.")]
    {
        add(browser, service, name, about);
    }
    review(browser, "Asked for a week of tides at Brest", "4", "The format is clean.");
    add(browser, service, "acme/pdf", "Turns PDF into text, tables and pictures, page by page, offline.");
    review(
        browser,
        "Turned a 40-page report into a table of contents",
        "8.5",
        "Fast, and the headings were right.",
    );
    let skill = browser.eval("location.pathname").as_str().expect("a path").to_owned();
    let proof = browser.eval("document.querySelector('#reviews a.badge').getAttribute('href')");
    vec![
        ("skills", "/skills".to_owned()),
        ("skills-nothing", "/skills?q=nothing-has-this".to_owned()),
        ("skill", skill),
        ("skill-new", "/skill/lumen%2Focr".to_owned()),
        ("leaderboard", "/leaderboard".to_owned()),
        ("proof", proof.as_str().expect("a path").to_owned()),
    ]
}

/// What a service that lies could change in its answers; each is noticed.
const LIES: [(&str, &str); 4] = [
    ("score", "if (path.startsWith('/api/reviews/')) answer.score = 10;"),
    ("task", "if (path.startsWith('/api/reviews/')) answer.task += '!';"),
    (
        "signature",
        "if (path.startsWith('/api/proofs/') && answer.signatures) answer.signatures[0] = btoa('x'.repeat(64));",
    ),
    (
        "key",
        "if (path.startsWith('/api/agents/') || path === '/api/proofs/key') answer.pubkey = '00'.repeat(32);",
    ),
];

/// Presses the button; what it came to.
fn verdict(browser: &Browser) -> (bool, String) {
    browser.click("[data-action=verify-proof]");
    browser.wait("document.querySelector('#verdict .note') && !document.querySelector('[aria-busy]')");
    let good = browser.eval("document.querySelector('#verdict .note').classList.contains('good')");
    (good == true, browser.text("#verdict"))
}

/// The proof on the screen holds, and does not when the service changes anything of it.
fn holds_unless_changed(browser: &Browser) {
    let (good, said) = verdict(browser);
    assert!(good, "{said}");
    assert_eq!(browser.eval("document.querySelectorAll('#verdict .checks .good').length"), 3);
    browser.eval("window.honest = window.fetch");
    for (what, lie) in LIES {
        browser.eval(&format!(
            "window.fetch = async (path, request) => {{
                 const answer = await (await window.honest(path, request)).json(); {lie} return Response.json(answer);
             }}"
        ));
        let (good, said) = verdict(browser);
        assert!(!good && said.contains("does not hold"), "{what}: {said}");
        browser.eval("window.fetch = window.honest");
    }
    assert!(verdict(browser).0, "it was the answers");
}

#[test]
fn a_person_reviews_a_skill_and_anybody_checks_it() {
    let service = Service::start();
    let (ada, guest) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    add(&ada, &service, "acme/pdf", "Reads PDF");
    assert_eq!(ada.text("h1"), "acme/pdf");
    assert_eq!(ada.text(".mark.large"), "Average score\n\u{2013}");
    review(&ada, "Read a report", "8.5", "The tables: \"1 < 2\" & more");
    assert_eq!(ada.text("#reviews .mark"), "Score\n8.5");
    assert_eq!(
        ada.eval(
            "[...document.querySelectorAll('.chart rect')].map((bar) => bar.getAttribute('height')).join()"
        ),
        "0,0,0,0,0,0,0,0,96,0"
    );
    assert_eq!(ada.text("#reviews a.badge"), "proved by its author");
    // It stands on the profile.
    guest.go(&service.url(&format!("/agent/{}", agent(&ada))));
    assert!(guest.text("#standing").contains("Reviews\n1\nof them proved by its key\n1"));
    let skills = guest.text("#skills");
    assert_eq!(skills.matches("acme/pdf").count(), 2, "added and reviewed: {skills}");
    assert!(skills.contains("1 review · 8.5"), "{skills}");
    ada.click("#reviews a.badge");
    ada.wait("location.pathname.startsWith('/proof/')");
    holds_unless_changed(&ada);
    ada.screenshot("member-proof-checked-1280-light", 1280);

    // A second review takes the first one's place in the figures; the platform vouches for one
    // without a proof.
    let body = json!({
        "skill_id": "acme/pdf", "task": "do <b>", "score": 7.5, "what_worked": "w& \u{2028}", "what_failed": "f",
        "cli_output": "out", "execution_time_ms": 1200.5,
    });
    let proof = act(&ada, "POST", "/api/reviews/submit", &body)["proof_id"].clone();
    guest.go(&service.url("/skill/acme%2Fpdf"));
    assert_eq!(guest.text("#reviews li:last-child .badge"), "replaced by a later one");
    assert_eq!(guest.text(".mark.large"), "Average score\n7.5");
    guest.go(&service.url(&format!("/proof/{}", proof.as_str().expect("an id"))));
    assert!(guest.text("#main").contains("the platform"));
    holds_unless_changed(&guest);

    // Somebody else's signature is kept as what it is, and refused by the browser, too.
    let forged = json!({"id": "x", "execution_hash": "00", "signature": "AAAA", "public_key": "none"});
    let body = json!({"skill_id": "other", "task": "t", "score": 10, "proof": forged});
    let proof = act(&ada, "POST", "/api/reviews/submit", &body)["proof_id"].clone();
    guest.go(&service.url(&format!("/proof/{}", proof.as_str().expect("an id"))));
    assert!(guest.text("h1 + .meta").contains("not verified"));
    assert!(!verdict(&guest).0);
    guest.screenshot("guest-proof-refused-1280-light", 1280);

    guest.go(&service.url("/leaderboard"));
    assert_eq!(guest.eval("document.querySelectorAll('.board tbody tr').length"), 2);
    // What is not there yet or not allowed is said there, too; a script that fails is not.
    for browser in [&ada, &guest] {
        assert_eq!(browser.faults(), Vec::<String>::new());
    }
}

#[test]
fn skills_are_found_and_read_without_scripts() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    for (name, category) in [("alpha", "data"), ("beta", "design"), ("gamma/x", "data")] {
        let body = json!({"id": name, "name": name, "category": category, "description": format!("What {name} is for")});
        act(&ada, "POST", "/api/skills", &body);
    }
    let body = json!({"skill_id": "beta", "task": "t", "score": 3, "security_score": 9});
    act(&ada, "POST", "/api/reviews/submit", &body);
    let names = |path: &str| {
        let (head, body) = service.ask("GET", path, "Accept: text/html\r\n");
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        let page = String::from_utf8_lossy(&body).into_owned();
        let rows = page.split("<h3><a href=\"/skill/").skip(1);
        rows.map(|row| row.split('"').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/skills"), ["beta", "gamma%2Fx", "alpha"]);
    assert_eq!(names("/skills?category=data"), ["gamma%2Fx", "alpha"]);
    assert_eq!(names("/skills?q=gam"), ["gamma%2Fx"]);
    assert_eq!(names("/skills?sort=security&limit=1"), ["beta"]);
    assert!(names("/skills?q=delta").is_empty());
    let (_, page) = service.ask("GET", "/skill/beta", "Accept: text/html\r\n");
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains("What beta is for") && page.contains("class=\"chart\""), "{page}");
    for (path, status) in [
        ("/skill/none", 404),
        ("/proof/none", 404),
        ("/leaderboard?from=x", 422),
        ("/skill/beta?cursor=x", 422),
    ] {
        let (head, _) = service.ask("GET", path, "Accept: text/html\r\n");
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
    }
    // By hand: a category, then another order, keeps both.
    ada.go(&service.url("/skills"));
    ada.click("aside .tag[href*='category=data']");
    ada.wait("document.querySelector('h1').textContent === 'Skills for data'");
    ada.click(".segments a:nth-child(2)");
    ada.wait("location.search.includes('sort=reviews') && location.search.includes('category=data')");
}

#[test]
fn markup_in_skills_and_reviews_is_text() {
    let service = Service::start();
    let browser = Browser::start();
    join(&browser, &service, ATTACK);
    add(&browser, &service, ATTACK, ATTACK);
    for field in ["#what_failed", "#skill_feedback"] {
        browser.type_into(field, ATTACK);
    }
    review(&browser, ATTACK, "1", &format!("{ATTACK} [x](javascript:window.hit=1)"));
    let skill = browser.eval("location.pathname").as_str().expect("a path").to_owned();
    let proof = browser.eval("document.querySelector('#reviews a.badge').getAttribute('href')");
    let proof = proof.as_str().expect("a path");
    let search = "/skills?q=%22%27%3E%3Cscript%3Ewindow.hit%3D1%3C%2Fscript%3E";
    let strange = "/skills?category=%22%3E%3Cb%3Ex%3C/b%3E&sort=%22%3E%3Cb%3Ex";
    for path in ["/skills", search, strange, "/leaderboard", &skill, proof] {
        is_harmless(&browser, &service, path);
    }
    let (good, said) = verdict(&browser);
    assert!(good, "{said}");
    assert!(browser.text("#main").contains(ATTACK), "it is shown as it was written");
}
