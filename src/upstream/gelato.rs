//! Goods, by Gelato's API. What changes rarely is kept for a while; an answer that is too old is
//! still given when Gelato cannot be reached.

use super::Client;
use super::cache::Cache;
use crate::base::Clock;
use crate::gather::ports::{Attributes, Later, PortError, PrintOrder, PrintService, PrintState, UNKNOWN_ID};
use crate::gather::rules::money::Decimal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const SERVICE: &str = "the print service";
const SEARCH_LIMIT: Duration = Duration::from_secs(15);
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
const ORDER_LIMIT: Duration = Duration::from_secs(15);

const OPTIONS_KEPT_MS: u64 = 60 * 60_000;
const UID_KEPT_MS: u64 = 60 * 60_000;
const PRICE_KEPT_MS: u64 = 30 * 60_000;

/// Products of one page of a search.
const PAGE: usize = 100;
/// Pages of a search: more products than a catalogue has.
const PAGES_MAX: usize = 50;

/// Where Gelato is, and our key.
#[derive(Debug, Clone)]
pub struct GelatoOptions {
    /// `https://product.gelatoapis.com`, or a double of it.
    pub product_url: String,
    /// `https://order.gelatoapis.com`, or a double of it.
    pub order_url: String,
    /// Empty: nothing is asked, everything is unavailable.
    pub key: String,
}

/// The print service.
pub struct Gelato {
    client: Client,
    options: GelatoOptions,
    values: Cache<Vec<String>>,
    uids: Cache<Option<String>>,
    prices: Cache<Decimal>,
}

impl Gelato {
    pub fn new(client: Client, options: GelatoOptions, clock: Clock) -> Gelato {
        let base = |url: &str| url.trim_end_matches('/').to_owned();
        Gelato {
            client,
            options: GelatoOptions {
                product_url: base(&options.product_url),
                order_url: base(&options.order_url),
                key: options.key,
            },
            values: Cache::new(clock, OPTIONS_KEPT_MS),
            uids: Cache::new(clock, UID_KEPT_MS),
            prices: Cache::new(clock, PRICE_KEPT_MS),
        }
    }

    /// One call; its answer if it succeeded.
    async fn call(
        &self,
        method: Method,
        url: String,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Value, PortError> {
        if self.options.key.is_empty() {
            return Err(PortError::Unreachable(SERVICE));
        }
        let mut request = self.client.http().request(method, url).header("X-API-KEY", &self.options.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let (status, answer) = self.client.json(SERVICE, request, limit).await?;
        match status {
            StatusCode::OK | StatusCode::CREATED => Ok(answer),
            status => {
                tracing::warn!(service = SERVICE, %status, "an upstream call was refused");
                Err(PortError::Unreachable(SERVICE))
            }
        }
    }

    async fn search(
        &self,
        catalogue: &str,
        filters: &Attributes,
        (limit, offset): (usize, usize),
        time: Duration,
    ) -> Result<Vec<Value>, PortError> {
        let url = format!("{}/v3/catalogs/{catalogue}/products:search", self.options.product_url);
        let filters: Value = filters.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
        let body = json!({ "attributeFilters": filters, "limit": limit, "offset": offset });
        let mut answer = self.call(Method::POST, url, Some(&body), time).await?;
        match answer["products"].take() {
            Value::Array(products) => Ok(products),
            _ => Err(PortError::Unreachable(SERVICE)),
        }
    }
}

impl PrintService for Gelato {
    fn values<'a>(
        &'a self,
        catalogue: &'a str,
        filters: &'a Attributes,
        attribute: &'a str,
    ) -> Later<'a, Vec<String>> {
        let fetch = async move {
            let mut values = BTreeSet::new();
            for page in 0..PAGES_MAX {
                let products = self.search(catalogue, filters, (PAGE, page * PAGE), SEARCH_LIMIT).await?;
                if products.is_empty() {
                    break;
                }
                let each = products.iter().filter_map(|product| product["attributes"][attribute].as_str());
                values.extend(each.map(str::to_owned));
            }
            Ok(values.into_iter().collect())
        };
        Box::pin(self.values.get(format!("{catalogue} {attribute} {filters:?}"), fetch))
    }

    fn product_uid<'a>(&'a self, catalogue: &'a str, filters: &'a Attributes) -> Later<'a, Option<String>> {
        let fetch = async move {
            let products = self.search(catalogue, filters, (1, 0), LOOKUP_LIMIT).await?;
            Ok(products.first().and_then(|product| product["productUid"].as_str()).map(str::to_owned))
        };
        Box::pin(self.uids.get(format!("{catalogue} {filters:?}"), fetch))
    }

    fn cost_usd<'a>(&'a self, product_uid: &'a str) -> Later<'a, Decimal> {
        let fetch = async move {
            let url = format!("{}/v3/products/{}/prices", self.options.product_url, escaped(product_uid));
            let answer = self.call(Method::GET, url, None, LOOKUP_LIMIT).await?;
            let first = answer.get(0).unwrap_or(&answer);
            // A number as it was written: a price must not pass through a float's arithmetic.
            let price = match &first["price"] {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => String::new(),
            };
            let price = Decimal::parse(&price).filter(|price| price.is_positive());
            price.ok_or(PortError::Unreachable(SERVICE))
        };
        Box::pin(self.prices.get(product_uid.to_owned(), fetch))
    }

    fn place<'a>(&'a self, order: &'a PrintOrder) -> Later<'a, String> {
        Box::pin(async move {
            let PrintOrder { reference, product_uid, design_url, address } = order;
            let line = |name: &str| address.get(name).cloned().unwrap_or_default();
            let body = json!({
                "orderType": "order", "orderReferenceId": reference, "customerReferenceId": reference,
                "currency": "USD",
                "items": [{
                    "itemReferenceId": format!("{reference}-item-1"), "productUid": product_uid,
                    "files": [{ "type": "default", "url": design_url }], "quantity": 1,
                }],
                "shippingAddress": {
                    "firstName": line("first_name"), "lastName": line("last_name"),
                    "addressLine1": line("address_line_1"), "addressLine2": line("address_line_2"),
                    "city": line("city"), "state": line("state"), "postCode": line("post_code"),
                    "country": line("country"), "email": line("email"), "phone": line("phone"),
                },
            });
            let url = format!("{}/v4/orders", self.options.order_url);
            let answer = self.call(Method::POST, url, Some(&body), ORDER_LIMIT).await?;
            let id = ["id", "orderId"].iter().find_map(|name| answer[name].as_str());
            Ok(id.unwrap_or(UNKNOWN_ID).to_owned())
        })
    }

    fn placed<'a>(&'a self, reference: &'a str) -> Later<'a, Option<String>> {
        Box::pin(async move {
            let url = format!("{}/v4/orders:search", self.options.order_url);
            let body = json!({ "orderReferenceIds": [reference], "limit": 1, "offset": 0 });
            let answer = self.call(Method::POST, url, Some(&body), ORDER_LIMIT).await?;
            let found = answer["orders"].as_array().into_iter().flatten();
            let mut ours = found.filter(|order| order["orderReferenceId"] == reference);
            Ok(ours.find_map(|order| order["id"].as_str().map(str::to_owned)))
        })
    }

    fn state<'a>(&'a self, id: &'a str) -> Later<'a, PrintState> {
        Box::pin(async move {
            let url = format!("{}/v4/orders/{}", self.options.order_url, escaped(id));
            let answer = self.call(Method::GET, url, None, LOOKUP_LIMIT).await?;
            Ok(match answer["fulfillmentStatus"].as_str().unwrap_or_default() {
                "shipped" | "in_transit" | "delivered" => {
                    let url = answer["shipment"]["packages"][0]["trackingUrl"].as_str();
                    PrintState::Shipped { tracking_url: url.unwrap_or_default().to_owned() }
                }
                "canceled" | "cancelled" => PrintState::Cancelled,
                _ => PrintState::Working,
            })
        })
    }
}

/// One segment of a path.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
