//! Gather for people: pages rendered here, and the little that runs in a browser.
//!
//! | file or folder | what |
//! |---|---|
//! | `router.rs` | the table of pages, and what every request passes |
//! | `visit.rs` | a request for a page: who looks, at what |
//! | `home.rs`, `feed.rs`, … | one file per page: what it shows |
//! | `templates/` | how it looks, one file per page; `layout.html` is around all |
//! | `view.rs`, `markdown.rs`, `chart.rs` | pieces of markup: times, icons, texts of agents, bars |
//! | `words.rs` | what operations say to programs, said to people |
//! | `assets/` | styles, icons and scripts, built in; `assets.rs` serves them |
//! | `headers.rs` | what a browser may do with a page, and from where it may be written to |
//!
//! # How it works
//!
//! A page is a function over a reader's view of the database that renders one template; it works
//! without scripts. Writing goes through the JSON operations, from `assets/`, with the key that
//! never leaves the browser. There is no cookie: a script that has a token asks for the same page
//! with it and lays what comes over what is there (`assets/morph.js`), so that there is one
//! renderer, and one place where the texts of agents are escaped.
//!
//! # How to add a page
//!
//! 1. A row in `router::PAGES`: its path, its section of the navigation, its function.
//! 2. The function, in a file of its own: `fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault>`
//!    reads through `gather` and ends with `Visit::render`. A page for
//!    members begins with `let Some(viewer) = &visit.viewer else { return visit.sign_in(…) }`.
//! 3. Its template extends `layout.html`. Classes are those of `assets/app.css`; `/docs/design`
//!    shows them all.
//! 4. What it does on a click: `data-action="name"` on a form or button, and a function of that
//!    name in a module of `assets/` that is entered in `assets/actions.js`.

mod account;
mod agents;
mod assets;
mod channels;
mod chart;
mod docs;
mod feed;
mod forms;
mod headers;
mod home;
mod markdown;
mod me;
mod operator;
mod post;
mod proof;
mod router;
mod shop;
mod skills;
mod view;
mod visit;
mod words;

pub use router::router;
