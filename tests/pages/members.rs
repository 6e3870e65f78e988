//! What members do beside writing: they take back what they wrote, invite and leave, read and delete
//! notices, pay in and tip, take back tokens, sign out; and an operator takes away what others wrote.

use super::browser::Browser;
use super::person::{act, agent, agree, bring, comment, join, make_channel, token, told, write};
use super::service::Service;
use super::shop_doubles::{ADDRESS, Doubles};
use serde_json::{Value, json};

#[test]
fn what_one_wrote_one_takes_back() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    let path = write(&ada, &service, "Said too soon");
    comment(&ada, "And this.");
    ada.click("[data-action=delete-comment]");
    agree(&ada);
    ada.wait("!document.querySelector('.comment') && document.getElementById('comments').textContent === '0 comments'");
    ada.click("[data-action=delete-post]");
    ada.click("dialog[open] button[value=no]");
    assert_eq!(ada.text("h1"), "Said too soon");
    ada.click("[data-action=delete-post]");
    agree(&ada);
    ada.wait("location.pathname === '/feed' && document.querySelector('.empty')");
    let (head, _) = service.ask("GET", &path, "Accept: text/html\r\n");
    assert!(head.starts_with("http/1.1 404"), "{head}");
}

/// Where only the beginning of a text is shown, it is words: its marks would be noise.
#[test]
fn the_beginning_of_a_text_is_shown_without_its_marks() {
    const TEXT: &str = "See **the [list](https://a.example)**, or `grep` <it>\n\n- one\n- two";
    const WORDS: &str = "See the list, or grep <it> one two";
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    let post = write(&ada, &service, "A post");
    let comments = format!("/api/posts{}/comments", post.trim_start_matches("/post"));
    act(&ada, "POST", &comments, &json!({"body": TEXT}));
    ada.go(&service.url(&format!("/agent/{}", agent(&ada))));
    assert_eq!(ada.text("#said .summary"), WORDS);
    let channel = make_channel(&ada, &service, "Harbour watch", "");
    act(&ada, "POST", &format!("/api/channels/{channel}/messages"), &json!({"body": TEXT}));
    ada.go(&service.url("/channels"));
    ada.wait("document.querySelector('.talk-last')");
    assert_eq!(ada.text(".talk-last"), format!("Ada: {WORDS}"));
}

#[test]
fn members_invite_leave_and_read_their_notices() {
    let service = Service::start();
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    ben.go(&service.url("/inbox"));
    ben.wait("document.querySelectorAll('.notice').length === 1");
    make_channel(&ada, &service, "Harbour watch", "");
    ada.click("details.members summary");
    ada.type_into("#agent_id", "nobody");
    ada.click("[data-action=invite] button[type=submit]");
    ada.wait("document.querySelector('.toast.bad, .field-error')");
    ada.eval("document.getElementById('agent_id').value = ''");
    ada.type_into("#agent_id", &agent(&ben));
    ada.click("[data-action=invite] button[type=submit]");
    ada.wait("document.querySelectorAll('.popover li').length === 2");

    // The notice comes by itself; it is read, and deleted.
    ben.wait("document.querySelectorAll('.notice.unread').length === 2");
    ben.click(".notice.unread [data-action=read-notice]");
    ben.wait("document.querySelectorAll('.notice.unread').length === 1");
    ben.wait("document.querySelector('#account .dot').textContent === '1'");
    ben.click(".notice.unread [data-action=delete-notice]");
    ben.wait("document.querySelectorAll('.notice').length === 1 && !document.querySelector('#account .dot')");
    ben.click(".notice a[href^='/channel/']");
    ben.click("details.members summary");
    ben.click("[data-action=leave-channel]");
    agree(&ben);
    ben.wait("location.pathname === '/channels' && !document.querySelector('.talk-row')");
}

#[test]
fn money_comes_in_and_goes_to_another() {
    let doubles = Doubles::start();
    let service = Service::with(&doubles.options());
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    join(&ben, &service, "Ben");
    let tx = doubles.pays(3, 800_000, &[(ADDRESS, 5_000_000)]);
    ada.go(&service.url("/me"));
    assert_eq!(ada.eval("document.querySelector('.code svg').getAttribute('role')"), "img");
    ada.type_into("#tx_id", &tx);
    ada.click("[data-action=deposit] button[type=submit]");
    ada.wait("document.querySelector('.balance strong').textContent === '0.05000000'");
    ada.go(&service.url(&format!("/agent/{}", agent(&ben))));
    ada.type_into("#amount", "0.002");
    ada.type_into("#message", "For the tides");
    ada.click("[data-action=tip] button[type=submit]");
    agree(&ada);
    told(&ada, "Given.");
    for (browser, rows, first) in [(&ada, 2, "\u{2212}0.00200000"), (&ben, 1, "0.00200000")] {
        browser.go(&service.url("/me"));
        browser.wait(&format!(
            "document.querySelectorAll('[aria-labelledby=ledger-head] tbody tr').length === {rows}"
        ));
        let amount = browser.text("[aria-labelledby=ledger-head] tbody .num");
        assert_eq!(amount.replace('-', "\u{2212}"), first);
    }
    ben.wait("document.querySelector('.balance strong').textContent === '0.00200000'");
}

#[test]
fn tokens_are_taken_back_and_the_key_is_removed() {
    let service = Service::start();
    let ada = Browser::start();
    join(&ada, &service, "Ada");
    ada.go(&service.url("/me"));
    let token = token(&ada);
    let with_old = format!(
        "fetch('/api/agents/me', {{ headers: {{ Authorization: 'Bearer {token}' }} }}).then(({{ status }}) => status)"
    );
    assert_eq!(ada.promise(&with_old), 200);
    ada.click("[data-action=revoke]");
    agree(&ada);
    told(&ada, "All older tokens are void.");
    assert_eq!(ada.promise(&with_old), 401);
    // The page goes on with a new one, in the very second.
    ada.click("a[href='/inbox']");
    ada.wait("document.querySelector('.notice')");

    ada.go(&service.url("/me"));
    ada.click("[data-action=sign-out]");
    agree(&ada);
    ada.wait("location.pathname === '/' && document.querySelector('[data-guest]')");
    ada.go(&service.url("/me"));
    assert_eq!(ada.eval("document.querySelector('.me')"), Value::Null);
    ada.wait("document.querySelector('[data-private]')");
}

#[test]
fn an_operator_takes_away_what_others_wrote() {
    let service = Service::start();
    let (ada, olga) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada");
    bring(&olga, &service, "Olga", &service.operator_pem());
    let path = write(&ada, &service, "Shouting");
    let post = path.trim_start_matches("/post/").to_owned();
    let comment = act(&ada, "POST", &format!("/api/posts/{post}/comments"), &json!({"body": "MORE"}));
    let comment = comment["id"].as_str().or(comment["comment"]["id"].as_str()).expect("an id").to_owned();
    olga.go(&service.url("/operator"));
    for (id, button) in [(comment, "comments"), (post, "posts")] {
        olga.wait("document.getElementById('thing')?.value === ''");
        olga.type_into("#thing", &id);
        olga.click(&format!("[data-action=moderate] button[value={button}]"));
        agree(&olga);
        olga.wait(&format!("document.querySelector('#journal tbody')?.textContent.includes({id:?})"));
    }
    let (head, _) = service.ask("GET", &path, "Accept: text/html\r\n");
    assert!(head.starts_with("http/1.1 404"), "{head}");
}
