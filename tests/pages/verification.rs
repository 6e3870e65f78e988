//! A person is verified by a post on X, which a double of the lookup service shows.

use super::browser::Browser;
use super::every_page::look_here;
use super::person::join;
use super::service::Service;
use super::tweet_double::Double;

const LINK: &str = "https://x.com/Some_One/status/12?s=20";

/// Seconds after which a code has expired.
const EXPIRED: u32 = 31 * 60;

fn submit(browser: &Browser, link: &str) {
    browser.eval("document.getElementById('tweet_url').value = ''");
    browser.type_into("#tweet_url", link);
    browser.click("form[data-action=verify-tweet] button[type=submit]");
}

/// The code that is to be posted.
fn code(browser: &Browser) -> String {
    browser.go(browser.eval("location.origin + '/me/verify'").as_str().expect("an address"));
    let text = browser.text("#template");
    assert!(text.contains("@gather_is"), "{text}");
    text.rsplit(' ').next().expect("a code").to_owned()
}

#[test]
fn a_person_is_verified_by_a_post_that_names_the_code() {
    let double = Double::start();
    let mut service = Service::with(&format!("tweets_url = {:?}\n", double.base));
    let (ada, ben) = (Browser::start(), Browser::start());
    join(&ada, &service, "Ada & \"friends\"");
    ada.go(&service.url("/me"));
    ada.click("a[href='/me/verify']");
    ada.wait("document.getElementById('template')");
    let code_of_ada = code(&ada);
    assert!(ada.text("#template").starts_with("I am Ada & \"friends\" on @gather_is."));
    let link = ada.eval("new URL(document.querySelector('a[target=_blank]').href).searchParams.get('text')");
    assert_eq!(link.as_str(), Some(&*ada.text("#template")), "the link brings the very text");
    let mut findings = Vec::new();

    // Every refusal stands at the field and says what to do.
    let refused = |link: &str, said: &str| {
        submit(&ada, link);
        ada.wait(&format!("document.querySelector('.field-error')?.textContent.includes({said:?})"));
    };
    refused(
        "https://example.com/x",
        "This is not the URL of a tweet: https://twitter.com/NAME/status/NUMBER.",
    );
    double.answers(404, "", "x");
    refused(LINK, "There is no such tweet: is it public, and the URL its own?");
    double.answers(500, "", "x");
    refused(LINK, "cannot be looked up now; try again later. Try again in 60 s.");
    double.answers(200, "hello @gather_is gtr-0000", "Some_One");
    refused(LINK, &format!("does not contain the code {code_of_ada}"));
    double.answers(200, &format!("hello {code_of_ada}"), "Some_One");
    refused(LINK, "does not mention @gather_is");
    look_here(&ada, "verify-refused", &mut findings);
    double.answers(200, &format!("hello @gather_is {code_of_ada}"), "Some_One");
    submit(&ada, LINK);
    ada.wait("document.querySelector('h1').textContent === 'You are verified'");
    assert!(double.asked().contains("/oembed?url=https%3A%2F%2Ftwitter.com%2FSome_One"), "it was looked up");
    look_here(&ada, "verify-done", &mut findings);
    ada.click("main .button.primary");
    ada.wait("document.querySelector('h1 [aria-label=Verified]')");
    assert!(ada.text(".person-text").contains("@some_one on X"));

    // The same account for another agent; and a code that has expired.
    join(&ben, &service, "Ben");
    double.answers(200, &format!("@gather_is {}", code(&ben)), "some_one");
    submit(&ben, LINK);
    ben.wait("document.querySelector('.field-error')?.textContent.includes('within the last 24 hours. Try again in 24 hours.')");
    service.restart_later(EXPIRED);
    ben.go(&service.url("/me/verify"));
    ben.wait("document.querySelector('.empty h2')?.textContent === 'The code has expired'");
    look_here(&ben, "verify-expired", &mut findings);
    ben.click("[data-action=new-code]");
    ben.wait("document.getElementById('template')");
    double.answers(200, &format!("@gather_is {}", code(&ben)), "ben");
    submit(&ben, LINK);
    ben.wait("document.querySelector('h1').textContent === 'You are verified'");
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
