//! The shop, and feedback.

use super::buckets::AgentBucket;
use super::call::{Anyone, Call};
use super::operation::{Operation, get, post, put};
use super::serve::{ask, change};
use crate::gather::feedback::{self, NewFeedback};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::shop::catalogue::{self, ItemsQuery, MenuItem, MenuItems, Product, ProductOptions};
use crate::gather::shop::fulfilment;
use crate::gather::shop::orders::{self, NewOrder};
use crate::gather::shop::payment::{self, Payment};
use crate::gather::shop::price;
use crate::gather::{Agent, Fault, Gather, rate};
use futures_util::future::{join, join_all};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const MENU: &str = "Menu";
const ORDERS: &str = "Orders";

/// Between two looks for errands that are due.
const ROUND: Duration = Duration::from_secs(2);
/// So long a page waits for the services it asks.
const PAGE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = goods();
    operations.extend(ordering());
    operations.push(
        post("/api/feedback", "submit-feedback", "Feedback", "Say what you think of Gather")
            .status(201)
            .write(|tx, call: Call<Anyone, Nothing, NewFeedback>| feedback::submit(tx, &call.body)),
    );
    operations
}

fn goods() -> Vec<Operation> {
    vec![
        get("/api/menu", "list-menu", MENU, "What the shop has")
            .read(|_, call: Call<Anyone, Paged<Nothing>>| catalogue::menu(&call.query.page)),
        get("/api/menu/{category}", "list-category-items", MENU, "Goods, and what they cost")
            .refuses(&[404])
            .run(|at, call: Call<Anyone, Paged<ItemsQuery>>| async move {
                let shelf = catalogue::page(call.id(), &call.query)?;
                let gather = Arc::clone(&at.api().gather);
                rate::refresh(gather.context()).await;
                let items = join_all(shelf.products.iter().map(|product| item(&gather, product))).await;
                at.answer(&MenuItems::new(&shelf, items, &call.query.page)?)
            }),
        get("/api/products/{product_id}/options", "product-options", "Products", "What is to be chosen")
            .refuses(&[404])
            .run(|at, call: Call<Anyone>| async move {
                let product = catalogue::product(call.id())
                    .ok_or_else(|| Fault::missing("there is no such product: GET /api/menu/products"))?;
                let gather = Arc::clone(&at.api().gather);
                let choices = product.choices(&*gather.context().ports.print).await?;
                at.answer(&choices)
            }),
    ]
}

/// A product, and what it costs now.
async fn item(gather: &Gather, product: &Product) -> MenuItem {
    let offer = price::offer(gather.context(), product, &product.reference()).await;
    product.item(offer.ok().flatten().map(|offer| offer.price))
}

/// What a page of the shop shows that only services outside know.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    pub items: Vec<MenuItem>,
    /// What is to be chosen; `None` if it was not asked for, or cannot be told.
    pub choices: Option<ProductOptions>,
}

/// All products, or this one and its options. What is not told in time is shown as not available.
pub async fn stock(gather: &Gather, id: Option<&str>) -> Stock {
    let products = || catalogue::products().iter().filter(|product| id.is_none_or(|id| product.id == id));
    let look = async {
        rate::refresh(gather.context()).await;
        let items = join_all(products().map(|product| item(gather, product)));
        let choices =
            async { Some(id.and_then(catalogue::product)?.choices(&*gather.context().ports.print).await) };
        let (items, choices) = join(items, choices).await;
        Stock { items, choices: choices.and_then(Result::ok) }
    };
    let unknown = |_| Stock { items: products().map(|product| product.item(None)).collect(), choices: None };
    timeout(PAGE_PATIENCE, look).await.unwrap_or_else(unknown)
}

fn ordering() -> Vec<Operation> {
    vec![
        post("/api/order/product", "place-product-order", ORDERS, "Order one piece")
            .status(201)
            .bucket(AgentBucket::High)
            .run(|at, call: Call<Agent, Nothing, NewOrder>| async move {
                let gather = Arc::clone(&at.api().gather);
                let wanted = orders::examine(gather.context(), &call.body)?;
                rate::refresh(gather.context()).await;
                let offer = price::offer(gather.context(), wanted.product, &wanted.variant).await;
                let offer = orders::offered(offer)?;
                at.write(move |tx| orders::place(tx, &call.who, &call.body, &wanted, &offer)).await
            }),
        put("/api/order/{order_id}/payment", "submit-payment", ORDERS, "Pay an order with a transaction")
            .refuses(&[402, 404, 409])
            .bucket(AgentBucket::High)
            .run(|at, call: Call<Agent, Nothing, Payment>| async move {
                let gather = Arc::clone(&at.api().gather);
                let call = Arc::new(call);
                let asked = Arc::clone(&call);
                let due = ask(&gather, move |db| payment::due(db, &asked.who, asked.id(), &asked.body));
                due.await?;
                let found = gather.context().ports.chain.transaction(&call.body.tx_id).await;
                let paying = Arc::clone(&call);
                let paid =
                    at.begin(move |tx| payment::settle(tx, &paying.who, paying.id(), &paying.body, found));
                let paid = match paid.await? {
                    ControlFlow::Continue(paid) => paid,
                    ControlFlow::Break(before) => return Ok(before),
                };
                // From here on it is paid, and the errand is promised: this is only the first try.
                if let Err(fault) = first_try(&gather, call.id().to_owned()).await {
                    tracing::warn!(detail = fault.detail, "an order's first errand");
                }
                at.finish(paid, move |tx, paid| paid.now(tx, &call.who)).await
            }),
        get("/api/order/{order_id}", "check-order", ORDERS, "Where your order stands")
            .refuses(&[404])
            .read(|db, call: Call<Agent>| orders::get(db, &call.who, call.id())),
    ]
}

async fn first_try(gather: &Gather, order: String) -> Result<(), Fault> {
    match ask(gather, move |db| fulfilment::of_order(db, &order)).await? {
        Some(errand) => run(gather, errand).await,
        None => Ok(()),
    }
}

/// Carries out the errands that are due, for ever. It may be dropped at any moment: what is under
/// way is due again later.
pub async fn errands(gather: Arc<Gather>) {
    loop {
        let due = ask(&gather, fulfilment::due).await.unwrap_or_default();
        for errand in due {
            if let Err(fault) = run(&gather, errand).await {
                tracing::warn!(detail = fault.detail, "an errand to the print service");
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}

async fn run(gather: &Gather, errand: i64) -> Result<(), Fault> {
    let Some(errand) = change(gather, move |tx| fulfilment::claim(tx, errand)).await? else {
        return Ok(());
    };
    let outcome = fulfilment::carry_out(&gather.context().ports, &errand).await;
    change(gather, move |tx| fulfilment::settle(tx, &errand, &outcome)).await
}
