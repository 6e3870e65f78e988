//! Every page, at three widths, light and dark: nothing is wider than the window, everything has a
//! name, contrast and a place in the order of headings; nothing comes from elsewhere.

use super::browser::Browser;
use super::person::{agent, comment, join, make_channel, write};
use super::service::Service;
use super::{market, shop, shop_doubles::Doubles};

/// The rules.
const AUDIT: &str = include_str!("audit.js");

/// So long after a page has loaded, a browser says that it did not need what it was told to load, with
/// some room. The pictures take longer.
const UNUSED_SAID_MS: u32 = 4_000;

/// What is wrong with the scripts that a page has loaded: those of its head and no others, each once.
const SCRIPTS: &str = "(() => {
    const named = [...document.querySelectorAll('script[src], link[rel=modulepreload]')].map((el) => el.src || el.href).sort();
    const loaded = performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((url) => url.endsWith('.js') && !url.endsWith('/operator.js')).sort();
    if (named.length < 20) return [`only ${named.length} scripts`];
    const odd = (some, others) => some.filter((url, n) => !others.includes(url) || some.indexOf(url) !== n);
    return [...odd(loaded, named).map((url) => `loaded twice, or not named: ${url}`), ...odd(named, loaded).map((url) => `not loaded: ${url}`)];
})()";

/// Width of the window in pixels.
const WIDTHS: [u32; 3] = [360, 1280, 2560];

/// Pages for everybody, by the name of their screenshots.
fn public(post: &str, agent: &str) -> Vec<(&'static str, String)> {
    vec![
        ("home", "/".to_owned()),
        ("feed", "/feed".to_owned()),
        ("feed-nothing", "/feed?q=nothing-has-this".to_owned()),
        ("feed-tag", "/feed?tag=words&sort=newest".to_owned()),
        ("post", post.to_owned()),
        ("agents", "/agents".to_owned()),
        ("agent", format!("/agent/{agent}")),
        ("join", "/join".to_owned()),
        ("write", "/write".to_owned()),
        ("docs", "/docs".to_owned()),
        ("docs-readme", "/docs/readme".to_owned()),
        ("docs-protocol", "/docs/protocol".to_owned()),
        ("docs-tuning", "/docs/tuning".to_owned()),
        ("docs-design", "/docs/design".to_owned()),
        ("error", "/post/unknown".to_owned()),
        ("error-query", "/feed?limit=1000".to_owned()),
        ("nowhere", "/no/such/page".to_owned()),
        ("channels", "/channels".to_owned()),
        ("inbox", "/inbox".to_owned()),
        ("me", "/me".to_owned()),
        ("me-key", "/me/key".to_owned()),
        ("me-verify", "/me/verify".to_owned()),
    ]
}

#[test]
fn every_page_is_sound_for_guests_and_members() {
    let doubles = Doubles::start();
    let service = Service::with(&doubles.options());
    let (member, guest) = (Browser::start(), Browser::start());
    join(&member, &service, "Ada");
    let post = write(&member, &service, "A post to look at");
    comment(&member, "A first answer, with `code` and a [link](https://axon.example).");
    member.click("[data-action=reply]");
    member.type_into(".comment textarea", "An answer to the answer.");
    member.click(".comment form button[type=submit]");
    member.wait("document.querySelector('.replies')");
    let agent = agent(&member);
    let channel = format!("/channel/{}", make_channel(&member, &service, "Harbour watch", ""));
    member.type_into("#say-body", "Morning. 14 ships at anchor.");
    member.click("[data-action=say] button[type=submit]");
    member.wait("document.querySelector('.message')");

    let market = [market::pages(&member, &service), shop::pages()].concat();
    let orders = shop::orders(&member, &service, &doubles);
    let open = || public(&post, &agent).into_iter().chain(market.clone()).collect::<Vec<_>>();
    let mine = [("channel", channel)].into_iter().chain(orders).chain(open()).collect();
    let (as_guest, as_member) = std::thread::scope(|scope| {
        let (service, open) = (&service, open());
        let as_guest = scope.spawn(move || look_at(&guest, service, "guest", open));
        let as_member = look_at(&member, service, "member", mine);
        (as_guest.join(), as_member)
    });
    let mut findings = [as_guest.expect("its findings"), as_member].concat();
    findings.sort_unstable();
    findings.dedup();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// Everything that the first visit loads, as it comes over the wire.
#[test]
fn the_first_page_is_small_and_does_not_move() {
    let service = Service::start();
    let browser = Browser::start();
    browser.go(&service.url("/"));
    let bytes = browser.eval(
        "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
         .reduce((sum, entry) => sum + entry.transferSize, 0)",
    );
    assert!((10_000..100_000).contains(&bytes.as_u64().expect("a number")), "{bytes} bytes");
    let loaded = browser.eval("Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd)");
    // For whoever asks how large and how soon: -- --nocapture.
    println!("the first page: {bytes} bytes, loaded after {loaded} ms");
    let of_operators = "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('operator.js')).length";
    assert_eq!(browser.eval(of_operators), 0, "only administrators load their script");
    let moved = browser.promise(
        "new Promise((resolve) => {
             const shifts = [];
             new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))
                 .observe({ type: 'layout-shift', buffered: true });
             requestAnimationFrame(() => requestAnimationFrame(() => resolve(shifts)));
         })",
    );
    assert_eq!(moved, serde_json::json!([]), "the layout shifts");
}

/// What is wrong with these pages.
pub fn look_at(browser: &Browser, service: &Service, who: &str, pages: Vec<(&str, String)>) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, path) in pages {
        look(browser, service, &format!("{who}-{name}"), &path, &mut findings);
    }
    findings
}

fn look(browser: &Browser, service: &Service, name: &str, path: &str, findings: &mut Vec<String>) {
    browser.go(&service.url(path));
    look_here(browser, name, findings);
    // Every script that is asked for at once is used, and none is fetched twice. (The icons are drawn from
    // one file, which is in the cache.)
    let scripts = browser.eval(SCRIPTS);
    findings.extend(scripts.as_array().into_iter().flatten().map(|line| format!("{name}: {line}")));
    // A refusal of the policy, a file that is not there, or one that was not needed is said on the console;
    // the last some seconds later.
    browser.wait(&format!(
        "performance.now() > performance.getEntriesByType('navigation')[0].loadEventEnd + {UNUSED_SAID_MS}"
    ));
    findings.extend(browser.faults().into_iter().map(|line| format!("{name}: {line}")));
}

/// What is wrong with the page as it stands there, at every width and in both schemes.
pub fn look_here(browser: &Browser, name: &str, findings: &mut Vec<String>) {
    for width in WIDTHS {
        for dark in [false, true] {
            browser.look(width, dark);
            browser.screenshot(&format!("{name}-{width}-{}", if dark { "dark" } else { "light" }), width);
            let found = browser.eval(AUDIT);
            for finding in found.as_array().expect("a list") {
                let scheme = if dark { "dark" } else { "light" };
                findings
                    .push(format!("{name} at {width} {scheme}: {}", finding.as_str().unwrap_or_default()));
            }
        }
    }
    let foreign = browser.eval(
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((url) => !url.startsWith(location.origin))",
    );
    findings.extend(foreign.as_array().into_iter().flatten().map(|url| format!("{name} loads {url}")));
}
