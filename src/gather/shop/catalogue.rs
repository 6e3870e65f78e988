//! What the shop has: three products, in this order (contract 4.8).

use crate::gather::Fault;
use crate::gather::input::range;
use crate::gather::ports::{Attributes, PrintService};
use crate::gather::rules::money::Sats;
use crate::gather::rules::text;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The only category.
pub const CATEGORY: &str = "products";
const PER_PAGE: usize = 5;
/// Code points of an option's value; no attribute of a catalogue is longer.
const VALUE_CHARS_MAX: usize = 100;
/// Seconds after which somebody may ask an unreachable service again.
pub(super) const RETRY_SECONDS: u32 = 60;

/// A product.
#[derive(Debug)]
pub struct Product {
    pub id: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub catalogue: &'static str,
    /// What all its variants have.
    fixed: &'static [(&'static str, &'static str)],
    /// What is to be chosen, and the attribute that it is.
    options: &'static [(&'static str, &'static str)],
    /// The variant whose price is shown.
    reference: &'static [&'static str],
}

const PRODUCTS: [Product; 3] = [
    Product {
        id: "t-shirt",
        name: "T-Shirt",
        description: "Unisex crewneck, printed front",
        catalogue: "t-shirts",
        fixed: &[
            ("GarmentCut", "unisex"),
            ("GarmentSubcategory", "crewneck"),
            ("GarmentQuality", "classic"),
            ("GarmentPrint", "4-0"),
            ("ProductStatus", "activated"),
        ],
        options: &[("size", "GarmentSize"), ("color", "GarmentColor")],
        reference: &["M", "white"],
    },
    Product {
        id: "mug",
        name: "Ceramic Mug",
        description: "White ceramic, printed wrap",
        catalogue: "mugs",
        fixed: &[("MugMaterial", "ceramic-white"), ("ProductStatus", "activated")],
        options: &[("size", "MugSize")],
        reference: &["11-oz"],
    },
    Product {
        id: "framed-print",
        name: "Framed Print",
        description: "Black wood frame, plexiglass front",
        catalogue: "framed-posters",
        fixed: &[("FrameColor", "black"), ("FrameMaterial", "wood"), ("ProductStatus", "activated")],
        options: &[("size", "PaperFormat"), ("orientation", "Orientation")],
        reference: &["a3", "ver"],
    },
];

crate::gather::input! {
    /// Which page.
    pub struct ItemsQuery {
        /// From 1; past the end: the last.
        page: i64 = range(1, i64::MAX).or(1),
    }
}

/// The menu.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Menu {
    pub categories: Vec<MenuCategory>,
}

/// A category of goods.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MenuCategory {
    pub id: &'static str,
    pub name: &'static str,
    pub count: usize,
    pub href: String,
}

/// Goods.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MenuItems {
    pub category: &'static str,
    pub items: Vec<MenuItem>,
    pub page: usize,
    pub total_pages: usize,
    pub next: Option<String>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MenuItem {
    pub id: &'static str,
    pub name: String,
    /// Whether it can be ordered now.
    pub available: bool,
    /// Of the reference variant; `0.000000` if it cannot be told.
    pub base_price_bch: String,
}

/// What is to be chosen.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProductOptions {
    pub product_id: &'static str,
    pub product_name: &'static str,
    /// Values by option.
    pub options: BTreeMap<&'static str, Vec<String>>,
}

/// All products.
pub fn products() -> &'static [Product] {
    &PRODUCTS
}

/// The product of this id.
pub fn product(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

/// `GET /api/menu`
pub fn menu() -> Menu {
    let href = format!("/api/menu/{CATEGORY}");
    Menu { categories: vec![MenuCategory { id: CATEGORY, name: "Products", count: PRODUCTS.len(), href }] }
}

/// The products of a page and the page's number, of how many.
///
/// # Errors
/// 404 no such category.
pub fn page(category: &str, page: i64) -> Result<(&'static [Product], usize, usize), Fault> {
    if category != CATEGORY {
        return Err(Fault::missing("there is no such category: GET /api/menu lists them"));
    }
    let pages = PRODUCTS.len().div_ceil(PER_PAGE);
    let page = usize::try_from(page).unwrap_or(usize::MAX).clamp(1, pages);
    let from = (page - 1) * PER_PAGE;
    Ok((&PRODUCTS[from..PRODUCTS.len().min(from + PER_PAGE)], page, pages))
}

impl MenuItems {
    /// `GET /api/menu/{category}`, of [`page`] and what each product costs.
    pub fn new(items: Vec<MenuItem>, page: usize, pages: usize) -> MenuItems {
        let next = (page < pages).then(|| format!("/api/menu/{CATEGORY}?page={}", page + 1));
        MenuItems { category: CATEGORY, items, page, total_pages: pages, next }
    }
}

impl Product {
    /// The product in the menu at this price, if there is one.
    pub fn item(&self, price: Option<Sats>) -> MenuItem {
        MenuItem {
            id: self.id,
            name: format!("{} — {}", self.name, self.description),
            available: price.is_some(),
            base_price_bch: price.unwrap_or_default().price(),
        }
    }

    /// The attributes of the variant whose price is shown.
    pub fn reference(&self) -> Attributes {
        let chosen = self.options.iter().zip(self.reference);
        self.attributes(chosen.map(|((_, attribute), value)| (*attribute, *value)))
    }

    /// The attributes of a variant that was chosen.
    ///
    /// # Errors
    /// 422 unless there is exactly one value for each option.
    pub fn chosen(&self, options: &BTreeMap<String, String>) -> Result<Attributes, Fault> {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| *name).collect();
        let detail = format!("{} needs exactly these options: {}", self.id, names.join(", "));
        let missing =
            names.iter().filter(|name| !options.contains_key(**name)).map(|name| (*name, "missing"));
        let unknown = options.keys().map(String::as_str).filter(|name| !names.contains(name));
        let long = options.iter().filter(|(_, value)| text::chars(value) > VALUE_CHARS_MAX);
        let wrong = missing.chain(unknown.map(|name| (name, "unknown")));
        let wrong: Vec<_> = wrong.chain(long.map(|(name, _)| (name.as_str(), "too long"))).collect();
        if !wrong.is_empty() {
            let fault = |fault: Fault, (name, why): &(&str, &str)| {
                fault.because(&format!("body.options.{name}"), why)
            };
            return Err(wrong.iter().fold(Fault::invalid(detail), fault));
        }
        let chosen = self.options.iter().map(|(name, attribute)| (*attribute, options[*name].as_str()));
        Ok(self.attributes(chosen))
    }

    /// The value of an option that most will want: the one whose price is shown.
    pub fn usual(&self, option: &str) -> &'static str {
        let found = self.options.iter().zip(self.reference).find(|((name, _), _)| *name == option);
        found.map_or("", |(_, value)| *value)
    }

    fn attributes<'a>(&self, chosen: impl Iterator<Item = (&'a str, &'a str)>) -> Attributes {
        let fixed = self.fixed.iter().copied();
        fixed.chain(chosen).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// `GET /api/products/{product_id}/options`
    ///
    /// # Errors
    /// 503 the print service cannot be reached.
    pub async fn choices(&self, print: &dyn PrintService) -> Result<ProductOptions, Fault> {
        let fixed = self.attributes(std::iter::empty());
        let mut options = BTreeMap::new();
        for (name, attribute) in self.options {
            let values = print.values(self.catalogue, &fixed, attribute).await;
            let mut values = values.map_err(|error| Fault::unavailable(error.to_string(), RETRY_SECONDS))?;
            if *attribute == "GarmentSize" {
                values.sort_by_key(|size| garment_order(size));
            }
            options.insert(*name, values);
        }
        Ok(ProductOptions { product_id: self.id, product_name: self.name, options })
    }
}

/// Small before large; sizes that are not known come last.
fn garment_order(size: &str) -> usize {
    const SIZES: [&str; 9] = ["XS", "S", "M", "L", "XL", "2XL", "3XL", "4XL", "5XL"];
    SIZES.iter().position(|known| known.eq_ignore_ascii_case(size)).unwrap_or(SIZES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_has_the_fixed_attributes_and_exactly_the_options() {
        let shirt = product("t-shirt").unwrap();
        let chosen = |pairs: &[(&str, &str)]| {
            shirt.chosen(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        let attributes = chosen(&[("size", "M"), ("color", "white")]).unwrap();
        assert_eq!(attributes, shirt.reference());
        assert_eq!((attributes["GarmentSize"].as_str(), attributes.len()), ("M", 7));
        for (pairs, places) in [
            (&[("size", "M")][..], vec!["body.options.color"]),
            (&[("size", "M"), ("color", "x"), ("more", "y")], vec!["body.options.more"]),
            (&[], vec!["body.options.size", "body.options.color"]),
        ] {
            let fault = chosen(pairs).unwrap_err();
            assert_eq!(fault.flaws.iter().map(|f| f.location.as_str()).collect::<Vec<_>>(), places);
        }
    }

    #[test]
    fn pages_are_clamped_and_sizes_in_order() {
        let (items, page_number, pages) = page(CATEGORY, 99).unwrap();
        assert_eq!((items.len(), page_number, pages), (3, 1, 1));
        assert!(page("food", 1).is_err());
        let mut sizes = vec!["5XL", "L", "one", "XS", "2XL", "M"];
        sizes.sort_by_key(|size| garment_order(size));
        assert_eq!(sizes, ["XS", "M", "L", "2XL", "5XL", "one"]);
    }
}
