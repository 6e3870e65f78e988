//! `[gather]`: its keys, and what they set.

use super::Config;
use super::keys::{Key, Shape, choice, filled, number, switch, text};
use super::source::Value;
use crate::base::limits::NAME_BYTES_MAX;
use crate::gather::rules::jwt::SECRET_BYTES_MIN;
use crate::gather::rules::money::{FEE_USD_MAX, is_fee_usd};
use crate::gather::rules::pow::DIFFICULTY_MAX;
use crate::gather::{Options, Registration};
use std::net::IpAddr;

/// `[gather]`.
#[derive(Debug, Clone)]
pub struct GatherConfig {
    pub enabled: bool,
    /// `None`: as the listeners' addresses say.
    pub registration: Option<Registration>,
    /// Empty: from the listening address.
    pub public_url: String,
    /// `None`: as the listener's address says.
    pub limit_addresses: Option<bool>,
    /// `None`: as the listeners' addresses and the public URL say.
    pub deposit_memo: Option<bool>,
    pub trusted_proxies: Vec<IpAddr>,
    pub chain_url: String,
    /// Empty: the explorer at `chain_url` is asked.
    pub node_url: String,
    pub node_user: String,
    pub node_password: String,
    pub rate_url: String,
    pub gelato_api_key: String,
    pub gelato_product_url: String,
    pub gelato_order_url: String,
    pub tweets_url: String,
    /// The rest, as it is handed on.
    pub options: Options,
}

impl GatherConfig {
    /// What the sample overwrites, key by key.
    pub(super) fn blank() -> GatherConfig {
        GatherConfig {
            enabled: false,
            registration: None,
            public_url: String::new(),
            limit_addresses: None,
            deposit_memo: None,
            trusted_proxies: Vec::new(),
            chain_url: String::new(),
            node_url: String::new(),
            node_user: String::new(),
            node_password: String::new(),
            rate_url: String::new(),
            gelato_api_key: String::new(),
            gelato_product_url: String::new(),
            gelato_order_url: String::new(),
            tweets_url: String::new(),
            options: Options {
                registration: Registration::Closed,
                post_fee_usd: String::new(),
                comment_fee_usd: String::new(),
                free_posts_per_week: 0,
                free_comments_per_day: 0,
                pow_register: 0,
                pow_post: 0,
                pow_min: 0,
                pow_max: 0,
                pow_calm_per_minute: 0,
                jwt_key: None,
                admin: None,
                clock_offset_seconds: 0,
                reader_threads: 0,
                public_url: String::new(),
                relay_url: String::new(),
                bch_address: String::new(),
                deposit_memo: false,
                channel_members_max: 0,
            },
        }
    }
}

/// Free posts and comments: more is no quota.
const QUOTA_MAX: i64 = 1_000_000;
/// A hundred years.
const OFFSET_SECONDS_MAX: i64 = 100 * 365 * 86_400;
const PROXIES_MAX: usize = 64;

const fn key(
    path: &'static str,
    shape: Shape,
    alias: Option<&'static str>,
    set: fn(&mut Config, &Value) -> Result<(), String>,
) -> Key {
    Key { path, shape, alias, secret: false, set }
}

const fn secret(key: Key) -> Key {
    Key { secret: true, ..key }
}

/// A key that holds a number in the given range and sets that option.
macro_rules! int {
    ($path:literal, $range:expr, $field:ident) => {
        key($path, Shape::Int, None, |c, v| number(v, $range).map(|n| c.gather.options.$field = n))
    };
}

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("gather.enabled", Shape::Bool, None, |c, v| switch(v).map(|on| c.gather.enabled = on)),
    key("gather.registration", Shape::Text, None, |c, v| {
        let choices = [
            ("", None), ("closed", Some(Registration::Closed)),
            ("invite", Some(Registration::Invite)), ("open", Some(Registration::Open)),
        ];
        choice(v, &choices).map(|r| c.gather.registration = r)
    }),
    key("gather.public_url", Shape::Text, None, |c, v| url(v).map(|u| c.gather.public_url = u)),
    key("gather.post_fee_usd", Shape::Text, Some("POSTING_FEE_USD"), |c, v| usd(v).map(|u| c.gather.options.post_fee_usd = u)),
    key("gather.comment_fee_usd", Shape::Text, Some("COMMENT_FEE_USD"), |c, v| usd(v).map(|u| c.gather.options.comment_fee_usd = u)),
    int!("gather.free_posts_per_week", 0..=QUOTA_MAX, free_posts_per_week),
    int!("gather.free_comments_per_day", 0..=QUOTA_MAX, free_comments_per_day),
    int!("gather.pow_register", 1..=DIFFICULTY_MAX as i64, pow_register),
    int!("gather.pow_post", 1..=DIFFICULTY_MAX as i64, pow_post),
    int!("gather.pow_min", 1..=DIFFICULTY_MAX as i64, pow_min),
    int!("gather.pow_max", 1..=DIFFICULTY_MAX as i64, pow_max),
    int!("gather.pow_calm_per_minute", 1..=1_000_000, pow_calm_per_minute),
    secret(key("gather.jwt_key", Shape::Text, Some("JWT_SIGNING_KEY"), |c, v| jwt_key(v).map(|k| c.gather.options.jwt_key = k))),
    key("gather.admin_email", Shape::Text, Some("POCKETBASE_ADMIN_EMAIL"), |c, v| {
        let email = short(v)?;
        let password = c.gather.options.admin.take().map(|(_, password)| password).unwrap_or_default();
        c.gather.options.admin = admin(email, password);
        Ok(())
    }),
    secret(key("gather.admin_password", Shape::Text, Some("POCKETBASE_ADMIN_PASSWORD"), |c, v| {
        let password = short(v)?;
        let email = c.gather.options.admin.take().map(|(email, _)| email).unwrap_or_default();
        c.gather.options.admin = admin(email, password);
        Ok(())
    })),
    key("gather.bch_address", Shape::Text, Some("BCH_ADDRESS"), |c, v| short(v).map(|a| c.gather.options.bch_address = a)),
    key("gather.deposit_memo", Shape::Text, None, |c, v| automatic(v).map(|memo| c.gather.deposit_memo = memo)),
    key("gather.chain_url", Shape::Text, None, |c, v| filled(v).and_then(|_| url(v)).map(|u| c.gather.chain_url = u)),
    key("gather.node_url", Shape::Text, None, |c, v| url(v).map(|u| c.gather.node_url = u)),
    key("gather.node_user", Shape::Text, None, |c, v| short(v).map(|t| c.gather.node_user = t)),
    secret(key("gather.node_password", Shape::Text, None, |c, v| short(v).map(|t| c.gather.node_password = t))),
    key("gather.rate_url", Shape::Text, None, |c, v| filled(v).and_then(|_| url(v)).map(|u| c.gather.rate_url = u)),
    int!("gather.channel_members_max", 2..=10_000, channel_members_max),
    key("gather.limit_addresses", Shape::Text, None, |c, v| {
        automatic(v).map(|limit| c.gather.limit_addresses = limit)
    }),
    key("gather.trusted_proxies", Shape::List, None, |c, v| addresses(v).map(|a| c.gather.trusted_proxies = a)),
    int!("gather.reader_threads", 1..=64, reader_threads),
    secret(key("gather.gelato_api_key", Shape::Text, Some("GELATO_API_KEY"), |c, v| short(v).map(|k| c.gather.gelato_api_key = k))),
    key("gather.gelato_product_url", Shape::Text, None, |c, v| filled(v).and_then(|_| url(v)).map(|u| c.gather.gelato_product_url = u)),
    key("gather.gelato_order_url", Shape::Text, None, |c, v| filled(v).and_then(|_| url(v)).map(|u| c.gather.gelato_order_url = u)),
    key("gather.tweets_url", Shape::Text, None, |c, v| filled(v).and_then(|_| url(v)).map(|u| c.gather.tweets_url = u)),
    int!("gather.clock_offset_seconds", -OFFSET_SECONDS_MAX..=OFFSET_SECONDS_MAX, clock_offset_seconds),
];

/// `None`: where it listens decides.
fn automatic(value: &Value) -> Result<Option<bool>, String> {
    choice(value, &[("auto", None), ("on", Some(true)), ("off", Some(false))])
}

/// The login, as far as it is known; used only when both are there.
fn admin(email: String, password: String) -> Option<(String, String)> {
    (!email.is_empty() || !password.is_empty()).then_some((email, password))
}

fn short(value: &Value) -> Result<String, String> {
    match text(value) {
        Ok(text) if text.len() <= NAME_BYTES_MAX => Ok(text.to_owned()),
        _ => Err(format!("must be a string of at most {NAME_BYTES_MAX} bytes")),
    }
}

fn url(value: &Value) -> Result<String, String> {
    let text = short(value)?;
    let formed = text.is_empty() || text.starts_with("http://") || text.starts_with("https://");
    formed.then_some(text).ok_or_else(|| "must begin with http:// or https://".to_owned())
}

fn usd(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let fee = is_fee_usd(text).then(|| text.to_owned());
    fee.ok_or_else(|| format!("must be a decimal number of dollars below {FEE_USD_MAX}, such as \"0.02\""))
}

fn jwt_key(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match text(value)? {
        "" => Ok(None),
        key if key.len() >= SECRET_BYTES_MIN => Ok(Some(key.as_bytes().to_vec())),
        _ => Err(format!("must have at least {SECRET_BYTES_MIN} bytes")),
    }
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, String> {
    let read = match value {
        Value::List(items) if items.len() <= PROXIES_MAX => {
            items.iter().map(|item| item.parse().ok()).collect::<Option<Vec<IpAddr>>>()
        }
        _ => None,
    };
    read.ok_or_else(|| format!("must be a list of at most {PROXIES_MAX} IP addresses"))
}
