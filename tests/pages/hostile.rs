//! What agents write is hostile: whatever field it stands in, it is shown as text. And what a
//! browser is told keeps the rest out.

use super::browser::Browser;
use super::person::{act, agent, bring, comment, join, module, token, write};
use super::service::Service;
use super::shop_doubles::{ADDRESS, Doubles};
use serde_json::json;

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
    comment(&browser, ATTACK);
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

    let agent = format!("/agent/{}", agent(&browser));
    let search = "/feed?q=%22%27%3E%3Cscript%3Ewindow.hit%3D1%3C%2Fscript%3E";
    let pages = [
        "/",
        "/feed",
        search,
        &post,
        "/agents",
        &agent,
        "/channels",
        &channel,
        "/inbox",
        "/me",
        "/me/key",
        "/me/verify",
        "/join",
    ];
    for path in pages {
        is_harmless(&browser, &service, path);
    }
    browser.go(&service.url(&post));
    assert!(browser.text("h1").contains("<script>"), "it is shown as it was written");
}

/// What reaches others by notices, orders, suspensions and links that are not their own.
#[test]
fn markup_that_others_send_is_text() {
    let doubles = Doubles::start();
    let service = Service::with(&doubles.options());
    let (ada, eve, olga) = (Browser::start(), Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&eve, &service, ATTACK);
    bring(&olga, &service, "Olga", &service.operator_pem());
    let (ada_id, eve_id) = (agent(&ada), agent(&eve));

    let post = write(&ada, &service, "Plain");
    act(
        &eve,
        "POST",
        &format!("/api/posts{}/comments", post.trim_start_matches("/post")),
        &json!({"body": ATTACK}),
    );
    act(&eve, "POST", "/api/channels", &json!({"name": ATTACK, "description": ATTACK, "members": [ada_id]}));
    let tx = doubles.pays(3, 800_000, &[(ADDRESS, 5_000_000)]);
    act(&eve, "PUT", "/api/balance/deposit", &json!({"tx_id": tx}));
    act(&eve, "POST", "/api/balance/tip", &json!({"to": ada_id, "amount_bch": "0.001", "message": ATTACK}));
    for path in ["/inbox", "/me", "/channels", "/", &post] {
        is_harmless(&ada, &service, path);
    }
    ada.go(&service.url("/inbox"));
    // A comment, an invitation, a tip; and the welcome.
    ada.wait("document.querySelectorAll('.notice').length === 4");
    assert!(ada.text("#main").contains(ATTACK), "it is shown as it was written");

    // A skill's own address may only be one of the web, and a plain one.
    let skill = |url: &str| {
        json!({
            "id": "evil", "name": ATTACK, "description": ATTACK, "category": ATTACK, "source": ATTACK, "url": url,
        })
    };
    for url in
        ["javascript:window.hit=1", "https://x.example/\"><script>window.hit=1</script>", "data:text/html,x"]
    {
        let refused = eve.promise(&format!(
            "{}.then(({{ act }}) => act('POST', '/api/skills', {}))
             .then(() => 'taken', (error) => error.flaws[0].location)",
            module("session"),
            skill(url)
        ));
        assert_eq!(refused, "body.url", "{url}");
    }
    act(&eve, "POST", "/api/skills", &skill("https://x.example/'onmouseover='window.hit=1'"));
    let address = json!({
        "first_name": "\"' onerror=window.hit=1", "last_name": "&lt;b&gt;x", "address_line_1": "javascript:window.hit=1",
        "city": "\" onload=window.hit=1 x=\"", "post_code": "\"'&lt;", "country": "DE", "email": "a@example.com",
    });
    let order = json!({"product_id": "t-shirt", "options": {"size": "M", "color": "white"}, "shipping_address": address});
    let order = act(&eve, "POST", "/api/order/product", &order)["order_id"].clone();
    let order = format!("/order/{}", order.as_str().expect("an id"));
    act(
        &olga,
        "POST",
        &format!("/api/admin/agents/{eve_id}/suspend"),
        &json!({"reason": ATTACK, "freeze_balance": false}),
    );
    for path in [&order, "/shop", "/me", "/skills", "/skill/evil", &format!("/agent/{eve_id}")] {
        is_harmless(&eve, &service, path);
    }
    for path in ["/operator", "/operator?agent=%22%3E%3Cb%3Ex&q=%22%3E%3Cb%3Ex", "/agents"] {
        is_harmless(&olga, &service, path);
    }
    olga.go(&service.url("/operator"));
    olga.wait("document.getElementById('suspended')");
    assert!(olga.text("#suspended").contains(ATTACK), "it is shown as it was written");
}

/// Whatever stands in a link that somebody is given: it comes back as text, or not at all.
#[test]
fn markup_in_addresses_is_text() {
    let service = Service::start();
    let olga = Browser::start();
    bring(&olga, &service, "Olga", &service.operator_pem());
    let headers = format!("Accept: text/html\r\nAuthorization: Bearer {}\r\n", token(&olga));
    let attack =
        "%22%27%3E%3Cscript%3Ewindow.hit%3D1%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D1%3E";
    let paths = [
        "/",
        "/feed",
        "/agents",
        "/channels",
        "/skills",
        "/leaderboard",
        "/shop",
        "/shop/mug",
        "/inbox",
        "/me",
        "/me/key",
        "/me/verify",
        "/write",
        "/join",
        "/operator",
        "/docs",
        "/docs/readme",
        "/docs/design",
        "/no/such/page",
    ];
    let names = [
        "q",
        "tag",
        "sort",
        "cursor",
        "with",
        "agent",
        "category",
        "from",
        "limit",
        "page",
        "unread_only",
        "next",
        "fields",
    ];
    let targets =
        paths.iter().flat_map(|path| names.iter().map(move |name| format!("{path}?{name}={attack}")));
    let below =
        ["/post/", "/agent/", "/channel/", "/skill/", "/proof/", "/shop/", "/order/", "/docs/", "/assets/"];
    let mut asked = 0;
    for target in targets.chain(below.iter().map(|path| format!("{path}{attack}"))) {
        let (head, body) = service.ask("GET", &target, &headers);
        let page = String::from_utf8_lossy(&body).into_owned();
        assert!(!page.contains("<script>window") && !page.contains("<img src=x"), "{target}: {page}");
        // Nor has a quotation mark ended an attribute.
        assert!(!page.contains("\"'>") && !page.contains("\"&#39;&gt;"), "{target}: {page}");
        asked += usize::from(head.contains("content-type: text/html"));
    }
    assert!(asked > 150, "only {asked} of them are pages");
    // Where one goes after joining is a page of ours, and no script.
    for next in [
        "javascript:window.hit%3D1",
        "%2F%2Fevil.example%2Fx",
        "https:%2F%2Fevil.example%2Fx",
        "data:text/html,x",
    ] {
        let guest = Browser::start();
        guest.go(&service.url(&format!("/join?next={next}")));
        guest.type_into("#name", "Guest");
        guest.click("form[data-action=join] button[type=submit]");
        guest.wait("location.pathname === '/me' && document.querySelector('.me')");
        assert!(guest.eval("window.hit").is_null(), "{next}: a script ran");
    }
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

/// The viewer is somebody else's program: it works under a policy that lets it load nothing foreign.
#[test]
fn the_viewer_of_operations_works_under_its_policy() {
    let service = Service::start();
    let (head, _) = service.ask("GET", "/docs", "Accept: application/json\r\n");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (head, _) = service.ask("GET", "/docs/index.html", "Accept: text/html\r\n");
    assert!(head.contains("script-src 'self';") && head.contains("frame-ancestors 'none'"), "{head}");
    let browser = Browser::start();
    browser.open(&service.url("/docs/index.html"));
    browser.wait("document.querySelectorAll('.opblock').length > 50");
    browser.click("#operations-Feed-list-posts .opblock-summary-control, .opblock-summary-control");
    browser.wait("document.querySelector('.opblock.is-open .opblock-body')");
    assert_eq!(browser.log(), Vec::<String>::new());
    let foreign = browser.eval(
        "performance.getEntriesByType('resource').map((entry) => entry.name).filter((url) => !url.startsWith(location.origin) && !url.startsWith('data:'))",
    );
    assert_eq!(foreign, json!([]));
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
