//! The shop: goods with a print, made and shipped by a print service, paid in BCH.
//!
//! | file | what |
//! |---|---|
//! | `catalogue.rs` | what there is |
//! | `price.rs` | what it costs now: cost, margin, rate |
//! | `orders.rs` | placing an order, looking at it |
//! | `payment.rs` | paying one: a transaction is used up once (W2, W32), a surplus is credited |
//! | `fulfilment.rs` | the durable outbox to the print service, with retries (W21) |
//! | `designs.rs` | pictures that were uploaded |
//!
//! An order goes `awaiting_payment` → `confirmed` → `fulfilling` → `shipped`. One that is not paid
//! within [`orders::OPEN_SECONDS`] is `expired`, one that the print service refuses to make is
//! `cancelled`.

pub mod catalogue;
pub mod designs;
pub mod fulfilment;
pub mod orders;
pub mod payment;
pub mod price;
