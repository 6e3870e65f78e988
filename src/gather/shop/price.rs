//! What goods cost: the print service's price in dollars, a margin, and the rate of the moment.

use super::catalogue::Product;
use crate::gather::Context;
use crate::gather::ports::{Attributes, PortError};
use crate::gather::rules::money::{Decimal, Sats};

/// Of the price in dollars: 140 %.
const PER_CENT: u32 = 140;
/// Prices have 6 decimals: they are whole multiples of this.
const GRAIN: i64 = 100;

/// A price, and what it is of.
#[derive(Debug, Clone)]
pub struct Offer {
    pub product_uid: String,
    pub price: Sats,
}

/// The price of a product's variant at the rate that is known; `None`: there is no such variant.
///
/// # Errors
/// The print service cannot be reached, or no rate is known.
pub async fn offer(
    context: &Context,
    product: &Product,
    variant: &Attributes,
) -> Result<Option<Offer>, PortError> {
    let print = &context.ports.print;
    let Some(product_uid) = print.product_uid(product.catalogue, variant).await? else {
        return Ok(None);
    };
    let cost = print.cost_usd(&product_uid).await?;
    let rate = context.rate.usd_per_bch(context.now()).ok_or(PortError::Unreachable("the exchange rate"))?;
    let price = price(cost, rate).ok_or(PortError::Unreachable("a price"))?;
    Ok(Some(Offer { product_uid, price }))
}

/// Cost with margin at this rate, rounded to 6 decimals; `None` if that is nothing, or too much.
fn price(cost_usd: Decimal, usd_per_bch: Decimal) -> Option<Sats> {
    let exact = Sats::of_usd(cost_usd.per_cent(PER_CENT)?, usd_per_bch)?;
    let rounded = (exact.0 + GRAIN / 2) / GRAIN * GRAIN;
    (rounded > 0).then_some(Sats(rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_cost_and_margin_at_the_rate() {
        let price = |cost, rate| price(Decimal::parse(cost).unwrap(), Decimal::parse(rate).unwrap());
        assert_eq!(price("10.00", "400"), Some(Sats(3_500_000)));
        assert_eq!(price("12.34", "456.78").map(Sats::price).as_deref(), Some("0.037821"));
        assert_eq!(price("0", "400"), None);
        assert_eq!(price("10", "0"), None);
    }
}
