//! `/shop`, `/shop/{product}` and `/order/{id}`: what can be printed, choosing it, paying it.

use super::me::qr;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::deposits;
use crate::gather::rules::money::Sats;
use crate::gather::shop::catalogue::{self, Product};
use crate::gather::shop::designs;
use crate::gather::shop::orders::{self, OPEN_SECONDS, Order};
use crate::gather::{Db, Fault};
use askama::Template;

/// Own orders that are shown.
const ORDERS: i64 = 20;

#[derive(Template)]
#[template(path = "shop.html")]
struct Shop<'a> {
    visit: &'a Visit,
    goods: Vec<Good>,
    orders: Vec<Bought>,
    /// Whether it takes payments at all.
    open: bool,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage<'a> {
    visit: &'a Visit,
    good: Good,
    options: Vec<Choice>,
    open: bool,
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    visit: &'a Visit,
    order: &'a Order,
    product: &'a str,
    options: Vec<(String, String)>,
    /// Where its picture is here; `None`: a blank one.
    design: Option<&'a str>,
    /// The tracking page, if it is one of the web.
    tracking: Option<&'a str>,
    /// Amount and address, for a wallet.
    code: Option<Markup>,
    /// What a payment must say besides.
    memo: Option<String>,
    usd: String,
    /// Until when the price holds.
    until: String,
    /// How far it is, of [`STEPS`].
    step: usize,
}

/// A product, and what it costs.
struct Good {
    product: &'static Product,
    available: bool,
    bch: String,
    usd: String,
}

/// One of the own orders.
struct Bought {
    order: Order,
    product: &'static str,
    /// The status in words, and the kind of its badge.
    status: (&'static str, &'static str),
}

/// Something to choose.
struct Choice {
    name: String,
    /// Value, how people call it, and whether most choose it.
    values: Vec<(String, String, bool)>,
}

/// What an order passes: its statuses in order, in words.
const STEPS: [(&str, &str); 4] = [
    ("awaiting_payment", "To be paid"),
    ("confirmed", "Paid"),
    ("fulfilling", "Being made"),
    ("shipped", "On its way"),
];

/// Whether the page at this path shows what only services outside know.
pub(super) fn asks_outside(path: &str) -> bool {
    path.starts_with("/shop")
}

pub(super) fn list(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let mine = visit.viewer.as_ref().map(|viewer| orders::of_agent(db, &viewer.agent, ORDERS)).transpose()?;
    let bought = |order: Order| {
        let product = catalogue::product(&order.product_id).map_or("", |product| product.name);
        Bought { product, status: said(&order.status), order }
    };
    visit.render(&Shop {
        visit,
        goods: catalogue::products().iter().map(|product| good(db, visit, product)).collect(),
        orders: mine.into_iter().flatten().map(bought).collect(),
        open: takes_payments(db),
    })
}

pub(super) fn product(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let product = catalogue::product(visit.id()).ok_or_else(|| Fault::missing("there is no such product"))?;
    let choices = visit.stock.choices.as_ref();
    let choices = choices.into_iter().flat_map(|choices| &choices.options);
    let options = choices.map(|(name, values)| Choice {
        name: (*name).to_owned(),
        values: values
            .iter()
            .map(|value| (value.clone(), in_words(value), value == product.usual(name)))
            .collect(),
    });
    let options = options.collect();
    visit.render(&ProductPage { visit, good: good(db, visit, product), options, open: takes_payments(db) })
}

pub(super) fn order(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Your order") };
    let order = orders::get(db, &viewer.agent, visit.id())?;
    let due = order.status == "awaiting_payment";
    let scheme = if order.payment_address.contains(':') { "" } else { "bitcoincash:" };
    let uri = format!("{scheme}{}?amount={}", order.payment_address, order.total_bch);
    let path = order.design_url.strip_prefix(visit.public_url.as_str()).unwrap_or(&order.design_url);
    visit.render(&OrderPage {
        visit,
        product: catalogue::product(&order.product_id).map_or("", |product| product.name),
        options: order.product_options.iter().map(|(name, value)| (name.clone(), in_words(value))).collect(),
        design: Some(path)
            .filter(|path| path.starts_with(designs::PATH) && *path != designs::PLACEHOLDER_PATH),
        tracking: Some(order.tracking_url.as_str()).filter(|url| url.starts_with("https://")),
        code: if due { qr(&uri) } else { None },
        memo: deposits::needed_memo(db, &viewer.agent.id),
        usd: usd(db, &order.total_bch),
        until: format!(
            "{} UTC",
            order.created.plus_seconds(OPEN_SECONDS).to_string().get(..16).unwrap_or_default()
        ),
        step: STEPS.iter().position(|(status, _)| *status == order.status).unwrap_or(0),
        order: &order,
    })
}

fn takes_payments(db: &Db<'_>) -> bool {
    !db.context().options.bch_address.is_empty()
}

fn good(db: &Db<'_>, visit: &Visit, product: &'static Product) -> Good {
    let item = visit.stock.items.iter().find(|item| item.id == product.id && item.available);
    let bch = item.map(|item| item.base_price_bch.clone()).unwrap_or_default();
    Good { product, available: item.is_some() && takes_payments(db), usd: usd(db, &bch), bch }
}

/// What an amount is worth now, in dollars; empty if that cannot be said.
fn usd(db: &Db<'_>, bch: &str) -> String {
    let rate = db.context().rate.usd_per_bch(db.now());
    let worth = Sats::parse(bch).zip(rate).map(|(sats, rate)| sats.usd(Some(rate)));
    worth.unwrap_or_default()
}

/// A status in words, and the kind of its badge.
fn said(status: &str) -> (&'static str, &'static str) {
    match status {
        "shipped" => ("On its way", "good"),
        "expired" => ("Expired", ""),
        "cancelled" => ("Cancelled", "bad"),
        "awaiting_payment" => ("To be paid", "warn"),
        "fulfilling" => ("Being made", "good"),
        _ => ("Paid", "good"),
    }
}

/// How people call an option's value.
fn in_words(value: &str) -> String {
    let words = match value {
        "ver" => "upright".to_owned(),
        "hor" => "across".to_owned(),
        value => value.replace('-', " "),
    };
    let mut letters = words.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_an_order_has_words() {
        for (status, words) in STEPS {
            assert_eq!(said(status).0, words);
        }
        assert_eq!(said("cancelled"), ("Cancelled", "bad"));
        for (value, words) in [("11-oz", "11 oz"), ("ver", "Upright"), ("a3", "A3"), ("XL", "XL"), ("", "")] {
            assert_eq!(in_words(value), words);
        }
    }

    #[test]
    fn only_the_shop_asks_outside() {
        assert!(asks_outside("/shop") && asks_outside("/shop/mug"));
        assert!(!asks_outside("/order/x") && !asks_outside("/skills"));
    }
}
