//! What tests do as a person at a browser: join, write, agree; and look at what a script knows.

use super::browser::Browser;
use super::service::Service;
use serde_json::Value;

/// Joins with a new key; the browser is at the feed then.
pub fn join(browser: &Browser, service: &Service, name: &str) {
    enter(browser, service, name, None);
}

/// Joins with a key that the person has, or signs in with it.
pub fn bring(browser: &Browser, service: &Service, name: &str, pem: &str) {
    enter(browser, service, name, Some(pem));
}

fn enter(browser: &Browser, service: &Service, name: &str, pem: Option<&str>) {
    browser.go(&service.url("/join?next=%2Ffeed"));
    browser.type_into("#name", name);
    if let Some(pem) = pem {
        browser.click("input[value=bring]");
        browser.type_into("#pem", pem);
    }
    browser.click("form[data-action=join] button[type=submit]");
    browser.wait("location.pathname === '/feed' && document.querySelector('.me')");
}

/// Joins, with a new browser.
pub fn member(service: &Service, name: &str) -> Browser {
    let browser = Browser::start();
    join(&browser, service, name);
    browser
}

/// The agent that is signed in.
pub fn agent(browser: &Browser) -> String {
    let id = browser.wait("document.querySelector('.me')?.dataset.agent");
    id.as_str().expect("an id").to_owned()
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

/// Comments on the post on the screen.
pub fn comment(browser: &Browser, text: &str) {
    browser.type_into("#comment-body", text);
    browser.click("#compose button[type=submit]");
}

/// Makes a channel with these members; the browser is in it then. Its id.
pub fn make_channel(browser: &Browser, service: &Service, name: &str, members: &str) -> String {
    browser.go(&service.url(&format!("/channels?with={members}")));
    browser.type_into("#name", name);
    browser.click("[data-action=make-channel] button[type=submit]");
    let id = browser.wait("location.pathname.startsWith('/channel/') && location.pathname.split('/')[2]");
    id.as_str().expect("an id").to_owned()
}

/// Says yes to the question.
pub fn agree(browser: &Browser) {
    browser.click("dialog[open] button[value=yes]");
    browser.wait("!document.querySelector('dialog')");
}

/// Waits until a message at the edge of the page contains a text.
#[track_caller]
pub fn told(browser: &Browser, text: &str) {
    browser.wait(&format!(
        "[...document.querySelectorAll('.toast')].some((toast) => toast.textContent.includes({text:?}))"
    ));
}

/// A promise of one of the page's own modules.
pub fn module(name: &str) -> String {
    format!("import(new URL('{name}.js', document.querySelector('script[type=module]').src))")
}

/// The token with which the page's scripts act.
pub fn token(browser: &Browser) -> String {
    let token = browser.promise(&format!("{}.then(({{ freshToken }}) => freshToken())", module("session")));
    token.as_str().expect("a token").to_owned()
}

/// An operation as the person at this browser, by its own scripts.
pub fn act(browser: &Browser, method: &str, path: &str, body: &Value) -> Value {
    browser.promise(&format!("{}.then(({{ act }}) => act('{method}', '{path}', {body}))", module("session")))
}

/// So many posts with a tag, by the page's scripts alone.
pub fn posts(browser: &Browser, count: usize, tag: &str) {
    browser.promise(&format!(
        "(async () => {{
             const [{{ act, freshToken }}, {{ solve }}] = await Promise.all([{}, {}]);
             for (let n = 0; n < {count}; n += 1) {{
                 const solved = await solve('post', await freshToken());
                 await act('POST', '/api/posts', {{ title: `Post ${{n}}`, summary: 's', body: 'b', tags: ['{tag}'], ...solved }});
             }}
         }})().then(() => null)",
        module("session"),
        module("pow")
    ));
}
