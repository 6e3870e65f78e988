//! The shop.

use super::session::Session;
use super::show::{Shown, answer, list, properties};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Request, path};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  axon gather order menu
  axon gather order options t-shirt
  axon gather order place t-shirt --option size=M --option color=white --to address.json --design logo.png
  axon gather order pay ORDER TX             # once the payment has a confirmation
  axon gather order show ORDER

address.json: {\"first_name\", \"last_name\", \"address_line_1\", \"city\", \"post_code\", \"country\": two letters,
\"email\"}, and if you like \"address_line_2\", \"state\", \"phone\".";

/// An address is a few lines.
const ADDRESS_BYTES_MAX: u64 = 64 << 10;
/// What Gather takes of a picture.
const DESIGN_BYTES_MAX: u64 = 20 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum OrderCommand {
    /// Show what there is, and what it costs
    Menu {
        /// The page to show
        #[arg(long, default_value_t = 1)]
        page: u32,
    },
    /// Show what is to be chosen of a product
    Options {
        /// The product's id, as the menu has it
        product: String,
    },
    /// Order one piece; the answer says what to pay, and where
    Place {
        /// The product's id, as the menu has it
        product: String,
        /// One of its options; give each
        #[arg(long, value_name = "NAME=VALUE", value_parser = option)]
        option: Vec<(String, String)>,
        /// Where it goes: a file of JSON
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The picture to print: png, jpg, webp or svg
        #[arg(long, value_name = "FILE")]
        design: Option<PathBuf>,
    },
    /// Say with which transaction it was paid
    Pay {
        /// The order's id
        order: String,
        /// The transaction's id
        tx: String,
    },
    /// Show an order
    Show {
        /// The order's id
        order: String,
    },
}

fn option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE, for example size=M")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(
    session: &mut Session,
    command: &OrderCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    let request = match command {
        OrderCommand::Menu { page } => {
            let request = Request::get("/api/menu/products").query("page", Some(page)).public();
            let menu = session.send(&request).await?;
            answer(output, &menu, |shown| list(shown, "items", item))?;
            return Ok(());
        }
        OrderCommand::Options { product } => {
            Request::get(path(&["api", "products", product, "options"])).public()
        }
        OrderCommand::Place { product, option, to, design } => {
            let design_url = match design {
                Some(file) => Some(upload(session, file).await?),
                None => None,
            };
            let options: Map<String, Value> =
                option.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let order = json!({
                "product_id": product, "options": options, "shipping_address": address(to)?,
                "design_url": design_url,
            });
            Request::post("/api/order/product", &order)
        }
        OrderCommand::Pay { order, tx } => {
            Request::put(path(&["api", "order", order, "payment"]), &json!({ "tx_id": tx }))
        }
        OrderCommand::Show { order } => Request::get(path(&["api", "order", order])),
    };
    let found = session.send(&request).await?;
    answer(output, &found, properties)?;
    Ok(())
}

async fn upload(session: &mut Session, file: &Path) -> Result<Value, Failure> {
    let bytes = read(file, DESIGN_BYTES_MAX)?;
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let design = session.send(&Request::upload("/api/designs/upload", &name, &bytes)).await?;
    Ok(design["design_url"].clone())
}

fn address(file: &Path) -> Result<Value, Failure> {
    let bytes = read(file, ADDRESS_BYTES_MAX)?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| format!("{}: not JSON: {error}", file.display()))?)
}

fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let named = |error: std::io::Error| format!("{}: {error}", file.display());
    let length = std::fs::metadata(file).map_err(named)?.len();
    if length > bytes_max {
        return Err(format!("{}: {length} bytes, at most {bytes_max}", file.display()).into());
    }
    Ok(std::fs::read(file).map_err(named)?)
}

fn item(item: Shown<'_>) -> String {
    let price = if item.is_true("available") {
        item.text("base_price_bch") + " BCH"
    } else {
        "not available".to_owned()
    };
    format!("{}  {}  {price}", item.text("id"), item.text("name"))
}
