//! Placing an order and looking at it.

use super::catalogue::{self, Product, RETRY_SECONDS};
use super::designs;
use super::price::Offer;
use crate::gather::deposits::{self, MEMO};
use crate::gather::inbox::{self, Notice};
use crate::gather::input::{any, chars};
use crate::gather::ports::{Attributes, PortError};
use crate::gather::rules::money::Sats;
use crate::gather::rules::time::Time;
use crate::gather::{Agent, Context, Db, Fault, Tx};
use rusqlite::Row;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Seconds an order's price holds: long enough for a payment to be confirmed, short enough that
/// the rate has not moved far.
pub const OPEN_SECONDS: i64 = 86_400;
/// Unpaid orders of one agent.
const OPEN_MAX: i64 = 100;
const DESIGN_URL_CHARS_MAX: usize = 500;
/// Where designs were in the original; its addresses are still taken.
const ORIGINAL: &str = "https://gather.is";

crate::gather::input! {
    /// Where the goods go. What stands between `<` and `>` is cut out.
    pub struct ShippingAddress {
        /// First name.
        first_name: String = chars(1, 100),
        /// Last name.
        last_name: String = chars(1, 100),
        /// Street and number.
        address_line_1: String = chars(1, 200),
        /// More of that.
        address_line_2: Option<String> = chars(0, 200),
        /// City.
        city: String = chars(1, 100),
        /// State or region.
        state: Option<String> = chars(0, 100),
        /// Postal code.
        post_code: String = chars(1, 20),
        /// Two letters, ISO 3166-1.
        country: String = chars(2, 2),
        /// For the carrier.
        email: String = chars(1, 254),
        /// For the carrier.
        phone: Option<String> = chars(0, 30),
    }
}

crate::gather::input! {
    /// An order of one piece.
    pub struct NewOrder {
        /// See the menu.
        product_id: String = chars(0, 100),
        /// A value for each of the product's options.
        options: BTreeMap<String, String> = any(),
        /// Where it goes.
        shipping_address: ShippingAddress = any(),
        /// What an upload returned; left out: a blank picture.
        design_url: Option<String> = chars(0, DESIGN_URL_CHARS_MAX),
    }
}

/// An order that waits for its payment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderPlaced {
    pub order_id: String,
    /// `awaiting_payment`.
    pub status: &'static str,
    pub total_bch: String,
    pub payment_address: String,
    /// What an OP_RETURN output of the payment must say; left out: none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_memo: Option<String>,
    pub status_url: String,
    /// Until when the price holds, RFC 3339.
    pub expires_at: String,
}

/// An order.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Order {
    pub order_id: String,
    /// `awaiting_payment`, `expired`, `confirmed`, `fulfilling`, `shipped` or `cancelled`.
    pub status: String,
    /// `product`.
    pub order_type: &'static str,
    pub agent_id: String,
    pub total_bch: String,
    pub payment_address: String,
    pub paid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_id: Option<String>,
    pub product_id: String,
    pub product_options: BTreeMap<String, String>,
    pub design_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gelato_order_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tracking_url: String,
    /// Until when the price holds, RFC 3339.
    pub expires_at: String,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(skip)]
    pub(super) total: Sats,
}

/// What was ordered, as far as it can be told without asking anybody.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub product: &'static Product,
    pub variant: Attributes,
}

/// What is ordered.
///
/// # Errors
/// In order: 422 no such product; 422 not exactly its options; 503 no payments are taken.
pub fn examine(context: &Context, new: &NewOrder) -> Result<Wanted, Fault> {
    let product = catalogue::product(&new.product_id).ok_or_else(|| {
        let fault = Fault::invalid("there is no such product: GET /api/menu/products lists them");
        fault.because("body.product_id", "unknown")
    })?;
    let variant = product.chosen(&new.options)?;
    match context.options.bch_address.is_empty() {
        true => Err(Fault::unavailable("the shop takes no payments: no address is configured", 3_600)),
        false => Ok(Wanted { product, variant }),
    }
}

/// The offer, if there is one.
///
/// # Errors
/// 503 the print service or the rate cannot be reached; 422 there is no such variant.
pub fn offered(offer: Result<Option<Offer>, PortError>) -> Result<Offer, Fault> {
    match offer {
        Ok(Some(offer)) => Ok(offer),
        Ok(None) => {
            let fault = Fault::invalid("this combination of options does not exist: GET its options");
            Err(fault.because("body.options", "no such combination"))
        }
        Err(error) => Err(Fault::unavailable(error.to_string(), RETRY_SECONDS)),
    }
}

/// `POST /api/order/product`
///
/// # Errors
/// 422 a design that is none of ours, or an empty line in the address; 429 too many are unpaid.
pub fn place(
    tx: &Tx<'_>,
    me: &Agent,
    new: &NewOrder,
    wanted: &Wanted,
    offer: &Offer,
) -> Result<OrderPlaced, Fault> {
    let me = Agent::of(tx, &me.bearer, true)?;
    let design_url = design(tx.context(), new.design_url.as_deref())?;
    let address = lines(&new.shipping_address)?;
    let open =
        "SELECT count(*) FROM orders WHERE agent = ?1 AND status = 'awaiting_payment' AND expires > ?2";
    if tx.number(open, (me.n, tx.now().0))? >= OPEN_MAX {
        return Err(Fault::too_many(format!("{OPEN_MAX} of your orders are unpaid"), RETRY_SECONDS));
    }
    let (id, expires) = (tx.new_id(), tx.now().plus_seconds(OPEN_SECONDS));
    let payment_address = tx.context().options.bch_address.clone();
    let json = |map: &BTreeMap<String, String>| serde_json::json!(map).to_string();
    tx.run(
        "INSERT INTO orders (id, agent, status, product_id, options, address, design_url, product_uid, total,
             payment_address, expires, created)
         VALUES (?1, ?2, 'awaiting_payment', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            &id,
            me.n,
            wanted.product.id,
            json(&new.options),
            json(&address),
            &design_url,
            &offer.product_uid,
            offer.price.0,
            &payment_address,
            expires.0,
            tx.now().0,
        ),
    )?;
    let total_bch = offer.price.price();
    let expires_at = expires.rfc3339();
    let subject = format!("{} placed", short(&id));
    let payment_memo = deposits::needed_memo(tx, &me.id);
    let memo = match &payment_memo {
        Some(memo) => format!(", with an OP_RETURN output that says {memo}"),
        None => format!(" (an OP_RETURN output that says {MEMO}{} keeps others from claiming it)", me.id),
    };
    let body = format!(
        "Send {total_bch} BCH to {payment_address} before {expires_at}{memo}; once it is confirmed, \
         PUT /api/order/{id}/payment with the tx_id. What you send above that is credited to you."
    );
    let notice = Notice { kind: "order_update", subject: &subject, body: &body, about: ("order", &id) };
    inbox::notify(tx, me.n, &notice)?;
    let status_url = format!("/api/order/{id}");
    let status = "awaiting_payment";
    Ok(OrderPlaced { order_id: id, status, total_bch, payment_address, payment_memo, status_url, expires_at })
}

/// How notices call an order.
pub(super) fn short(id: &str) -> String {
    format!("ORD-{}", id.get(..8).unwrap_or(id))
}

/// The picture's absolute URL (W17).
fn design(context: &Context, sent: Option<&str>) -> Result<String, Fault> {
    let ours = &context.options.public_url;
    let Some(sent) = sent.filter(|sent| !sent.is_empty()) else {
        return Ok(format!("{ours}{}", designs::PLACEHOLDER_PATH));
    };
    let path = [ours.as_str(), ORIGINAL].iter().find_map(|base| sent.strip_prefix(base)).unwrap_or(sent);
    let plain = sent.bytes().all(|b| b.is_ascii_graphic()) && !sent.contains("..");
    if !path.starts_with(designs::PATH) || !plain {
        let fault = Fault::invalid("a design must be uploaded first: POST /api/designs/upload");
        return Err(fault.because("body.design_url", format!("expected {}…", designs::PATH)));
    }
    Ok(if path.len() == sent.len() { format!("{ours}{path}") } else { sent.to_owned() })
}

/// The address without markup.
fn lines(address: &ShippingAddress) -> Result<Attributes, Fault> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut kept = Attributes::new();
    for (name, text, required) in [
        ("first_name", address.first_name.clone(), true),
        ("last_name", address.last_name.clone(), true),
        ("address_line_1", address.address_line_1.clone(), true),
        ("address_line_2", some(&address.address_line_2), false),
        ("city", address.city.clone(), true),
        ("state", some(&address.state), false),
        ("post_code", address.post_code.clone(), true),
        ("email", address.email.clone(), true),
        ("phone", some(&address.phone), false),
    ] {
        let text = without_markup(&text);
        if required && text.is_empty() {
            let fault = Fault::invalid("a line of the address is empty, or nothing but markup");
            return Err(fault.because(&format!("body.shipping_address.{name}"), "empty"));
        }
        kept.insert(name.to_owned(), text);
    }
    kept.insert("country".to_owned(), address.country.clone());
    Ok(kept)
}

/// Without what stands between `<` and `>`; a `<` that is not closed stays.
fn without_markup(text: &str) -> String {
    let (mut rest, mut out) = (text, String::with_capacity(text.len()));
    while let Some((before, after)) = rest.split_once('<') {
        let Some((_, behind)) = after.split_once('>') else { break };
        out.push_str(before);
        rest = behind;
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// Read by [`read`].
const ORDERS: &str =
    "SELECT o.id, o.status, a.id, o.total, o.payment_address, o.paid_at IS NOT NULL, o.tx, o.product_id,
         o.options, o.design_url, o.gelato_order_id, o.tracking_url, o.expires, o.created
     FROM orders o JOIN agents a ON a.n = o.agent";

/// An agent's newest orders.
///
/// # Errors
/// The database's.
pub fn of_agent(db: &Db<'_>, me: &Agent, limit: i64) -> Result<Vec<Order>, Fault> {
    let sql = format!("{ORDERS} WHERE o.agent = ?1 ORDER BY o.n DESC LIMIT ?2");
    let now = db.now();
    db.all(&sql, (me.n, limit), |row| read(row, now))
}

/// `GET /api/order/{order_id}`
///
/// # Errors
/// 404; 403 another agent's.
pub fn get(db: &Db<'_>, me: &Agent, id: &str) -> Result<Order, Fault> {
    let sql = format!("{ORDERS} WHERE o.id = ?1");
    let now = db.now();
    let order = db.one(&sql, [id], |row| read(row, now))?;
    let order = order.ok_or_else(|| Fault::missing("there is no such order"))?;
    match order.agent_id == me.id {
        true => Ok(order),
        false => Err(Fault::forbidden("this is another agent's order")),
    }
}

fn read(row: &Row<'_>, now: Time) -> rusqlite::Result<Order> {
    let (status, expires): (String, i64) = (row.get(1)?, row.get(12)?);
    let expired = status == "awaiting_payment" && Time(expires) <= now;
    let total = Sats(row.get(3)?);
    Ok(Order {
        order_id: row.get(0)?,
        status: if expired { "expired".to_owned() } else { status },
        order_type: "product",
        agent_id: row.get(2)?,
        total_bch: total.price(),
        payment_address: row.get(4)?,
        paid: row.get(5)?,
        tx_id: row.get(6)?,
        product_id: row.get(7)?,
        product_options: serde_json::from_str(&row.get::<_, String>(8)?).unwrap_or_default(),
        design_url: row.get(9)?,
        gelato_order_id: row.get(10)?,
        tracking_url: row.get(11)?,
        expires_at: Time(expires).rfc3339(),
        created: Time(row.get(13)?),
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::without_markup;

    #[test]
    fn markup_is_cut_out() {
        for (sent, kept) in [
            ("Ann", "Ann"),
            ("<b>Ann</b> Lee", "Ann Lee"),
            ("<script>x</script>", "x"),
            ("<>", ""),
            ("1 < 2", "1 < 2"),
            ("a <b", "a <b"),
            ("a > b", "a > b"),
        ] {
            assert_eq!(without_markup(sent), kept, "{sent}");
        }
    }
}
