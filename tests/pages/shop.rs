//! Buying something: a picture, an address, a payment on the chain, and a page that says by itself
//! how far it is.

use super::browser::Browser;
use super::person::{act, agent, join};
use super::service::Service;
use super::shop_doubles::{ADDRESS, Doubles};
use serde_json::json;

/// A picture with a script in it, as a file.
const PICTURE: &[u8] =
    b"<svg xmlns='http://www.w3.org/2000/svg' width='60' height='60' onload='window.hit=1'>\
    <script>window.hit=1</script><circle cx='30' cy='30' r='28' fill='#0d6758'/>\
    <path d='M18 38 30 14l12 24' fill='none' stroke='#fff' stroke-width='4'/></svg>";

/// Orders what is on the screen, with what was chosen; the browser is at the order then.
fn order(browser: &Browser) -> String {
    for (field, text) in [
        ("#first_name", "Ann"),
        ("#last_name", "Lee"),
        ("#address_line_1", "1 Way"),
        ("#post_code", "12345"),
        ("#city", "Town"),
        ("#country", "de"),
        ("#email", "ann@example.com"),
    ] {
        browser.type_into(field, text);
    }
    browser.click("[data-action=order] button[type=submit]");
    browser.wait("location.pathname.startsWith('/order/') && document.getElementById('journey')");
    browser.eval("location.pathname").as_str().expect("a path").to_owned()
}

fn step(browser: &Browser, words: &str) {
    browser.wait(&format!("document.querySelector('#journey [aria-current]')?.textContent === '{words}'"));
}

/// Pages for everybody, for whoever looks at all of them.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("shop", "/shop".to_owned()),
        ("product", "/shop/t-shirt".to_owned()),
        ("product-mug", "/shop/mug".to_owned()),
        ("product-none", "/shop/none".to_owned()),
    ]
}

/// An order that is to be paid, and one that is being made.
pub fn orders(browser: &Browser, service: &Service, doubles: &Doubles) -> Vec<(&'static str, String)> {
    let order_one = || {
        browser.go(&service.url("/shop/framed-print"));
        browser.wait("document.querySelector('.me')");
        browser.type_into("#design", &service.file("picture.svg", PICTURE));
        browser.wait("document.querySelector('#print img')");
        order(browser)
    };
    let paid = order_one();
    browser.type_into("#tx_id", &doubles.pays(9, 800_000, &[(ADDRESS, 3_500_000)]));
    browser.click("[data-action=pay] button[type=submit]");
    step(browser, "Being made");
    vec![("order", order_one()), ("order-paid", paid)]
}

#[test]
fn a_person_orders_with_a_picture_pays_and_watches() {
    let doubles = Doubles::start();
    let mut service = Service::with(&format!("{}deposit_memo = \"on\"\n", doubles.options()));
    let browser = Browser::start();
    join(&browser, &service, "Ada");
    browser.go(&service.url("/shop"));
    browser.wait("document.querySelector('.me')");
    assert_eq!(browser.text("#good-t-shirt .price strong"), "0.035000");
    browser.click("#good-t-shirt h3 a");
    browser.wait("document.getElementById('design')");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('select')].map((el) => el.value).join()"),
        "white,S"
    );
    // What is no picture is not taken; what is one is shown on the shirt, and runs nothing.
    browser.type_into("#design", &service.file("broken.png", b"no picture"));
    browser.wait("document.querySelector('.toast.bad') && document.getElementById('design').value === ''");
    browser.type_into("#design", &service.file("My logo.svg", PICTURE));
    browser.wait("document.querySelector('#print img')?.naturalWidth === 60");
    browser.screenshot("member-product-picture-1280-light", 1280);
    let path = order(&browser);
    assert!(browser.eval("window.hit").is_null(), "a picture's script ran");
    step(&browser, "To be paid");
    assert_eq!(browser.text("#amount"), "0.035000");
    assert_eq!(browser.text("#address"), format!("bitcoincash:{ADDRESS}"));
    assert_eq!(browser.eval("document.querySelector('.code svg').getAttribute('role')"), "img");
    assert_eq!(
        browser.eval("document.querySelector('.mockup .print img').naturalWidth"),
        60,
        "it was sent and is served"
    );
    let agent = agent(&browser);
    assert_eq!(browser.text("#memo"), format!("gather:{agent}"));

    // Too little is refused with what to do; enough is taken, and the printer gets it.
    browser.type_into("#tx_id", &doubles.pays_for(1, 3_400_000, &agent));
    browser.click("[data-action=pay] button[type=submit]");
    browser.wait(
        "[...document.querySelectorAll('.toast.bad')].some((el) => el.textContent.includes('are due'))",
    );
    browser.eval("document.getElementById('tx_id').value = ''");
    browser.type_into("#tx_id", &doubles.pays_for(2, 3_500_001, &agent).to_uppercase());
    browser.click("[data-action=pay] button[type=submit]");
    step(&browser, "Being made");
    browser.wait("[...document.querySelectorAll('.toast')].some((el) => el.textContent.includes('0.00000001 BCH above'))");
    let printed = doubles.world().printed.clone();
    assert_eq!((printed.len(), &printed[0]["shippingAddress"]["country"]), (1, &json!("DE")));
    let url = printed[0]["items"][0]["files"][0]["url"].as_str().expect("a picture").to_owned();
    assert!(url.contains("my_logo_") && url.ends_with(".svg"), "{url}");

    // An hour later it is shipped. The page that was left open finds out, over a restart.
    doubles.world().shipped = true;
    service.restart_later(3_700);
    step(&browser, "On its way");
    assert_eq!(
        browser.eval("document.querySelector('a.button[href^=https]').href"),
        "https://track.example/1"
    );
    browser.go(&service.url("/shop"));
    browser.wait("document.querySelector('.later tbody tr')");
    assert_eq!(browser.text(".later tbody .badge"), "On its way");
    assert_eq!(browser.eval("document.querySelector('.later tbody a').pathname"), path);
}

/// Paid elsewhere, by the person's own program: the page in the browser changes, nothing is pressed.
#[test]
fn an_order_is_watched_and_belongs_to_one() {
    let doubles = Doubles::start();
    let service = Service::with(&doubles.options());
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    ada.go(&service.url("/shop/mug"));
    let path = order(&ada);
    step(&ada, "To be paid");
    let tx = doubles.pays(1, 800_000, &[(ADDRESS, 3_500_000)]);
    act(&ada, "PUT", &format!("/api{path}/payment"), &json!({ "tx_id": tx }));
    step(&ada, "Being made");

    ben.go(&service.url(&path));
    ben.wait("document.querySelector('.me')");
    assert_eq!(ben.text("h1"), "Not allowed");
    let (_, page) = service.ask("GET", &path, "Accept: text/html\r\n");
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains("data-private") && !page.contains(&tx), "{page}");
}

#[test]
fn a_shop_that_cannot_sell_says_so() {
    let doubles = Doubles::start();
    doubles.world().print_down = true;
    let mut service = Service::with(&doubles.options());
    let page = |service: &Service, path: &str| {
        let (head, body) = service.ask("GET", path, "Accept: text/html\r\n");
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        String::from_utf8_lossy(&body).into_owned()
    };
    assert!(page(&service, "/shop").contains("not available now"));
    let shirt = page(&service, "/shop/t-shirt");
    assert!(shirt.contains("Reload in a minute") && !shirt.contains("data-action=\"order\""), "{shirt}");
    doubles.world().print_down = false;
    // What failed is not asked for again at once.
    service.restart_later(0);
    assert!(page(&service, "/shop/t-shirt").contains("data-action=\"order\""));
    let closed = Service::with("");
    assert!(page(&closed, "/shop").contains("The shop is closed"));
    let (head, _) = closed.ask("GET", "/shop/hat", "Accept: text/html\r\n");
    assert!(head.starts_with("http/1.1 404"), "{head}");
}
