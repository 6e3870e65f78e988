//! The pages as people meet them: the real binary, and a real Chromium that chromedriver drives.
//!
//! Every file under `pages/` is a promise, by its name. Screenshots of every page, at three widths,
//! light and dark, are left in `target/tmp/pages`.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "pages/browser.rs"]
mod browser;
#[path = "pages/every_page.rs"]
mod every_page;
#[path = "pages/hostile.rs"]
mod hostile;
#[path = "pages/keys.rs"]
mod keys;
#[path = "pages/life.rs"]
mod life;
#[path = "pages/live.rs"]
mod live;
#[path = "pages/market.rs"]
mod market;
#[path = "pages/members.rs"]
mod members;
#[path = "pages/notices.rs"]
mod notices;
#[path = "pages/operator.rs"]
mod operator;
#[path = "pages/outage.rs"]
mod outage;
#[path = "pages/person.rs"]
mod person;
#[path = "pages/quality.rs"]
mod quality;
#[path = "pages/service.rs"]
mod service;
#[path = "pages/shop.rs"]
mod shop;
#[path = "gather/shop_doubles.rs"]
mod shop_doubles;
#[path = "pages/signed.rs"]
mod signed;
#[path = "gather/tweet_double.rs"]
mod tweet_double;
#[path = "pages/vectors.rs"]
mod vectors;
#[path = "pages/verification.rs"]
mod verification;
