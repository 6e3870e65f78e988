//! What the shop has: three products, in this order (contract 4.8).

use crate::gather::Fault;
use crate::gather::input::range;
use crate::gather::list::{Page, Paged, Paging};
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
        /// From 1, five each; past the end: the last. With a cursor it is ignored.
        page: i64 = range(1, i64::MAX).or(1),
    }
}

/// The menu.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Menu {
    #[schema(value_type = Vec<MenuCategory>)]
    pub categories: Page<MenuCategory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
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
    #[schema(value_type = Vec<MenuItem>)]
    pub items: Page<MenuItem>,
    /// Of the first item.
    pub page: usize,
    pub total_pages: usize,
    /// The cursor of what comes next.
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
///
/// # Errors
/// 422 a cursor that is none.
pub fn menu(paging: &Paging) -> Result<Menu, Fault> {
    let href = format!("/api/menu/{CATEGORY}");
    let all = MenuCategory { id: CATEGORY, name: "Products", count: PRODUCTS.len(), href };
    let rows = match place(paging)? {
        None | Some(0) => vec![(all, [1])],
        Some(_) => Vec::new(),
    };
    let (categories, next) = Page::fit(rows, 1, paging)?;
    Ok(Menu { categories, next })
}

/// The number in a cursor of ours: how many rows came before.
fn place(paging: &Paging) -> Result<Option<usize>, Fault> {
    Ok(paging.after::<1>()?.map(|[before]| usize::try_from(before).unwrap_or(0)))
}

/// Some products of the catalogue, in its order.
#[derive(Debug)]
pub struct Shelf {
    pub products: &'static [Product],
    /// How many come before them.
    before: usize,
}

/// The products of the page that is asked for.
///
/// # Errors
/// 404 no such category; 422 a cursor that is none.
pub fn page(category: &str, asked: &Paged<ItemsQuery>) -> Result<Shelf, Fault> {
    if category != CATEGORY {
        return Err(Fault::missing("there is no such category: GET /api/menu lists them"));
    }
    let page = usize::try_from(asked.query.page).unwrap_or(usize::MAX).clamp(1, pages());
    let before = place(&asked.page)?.unwrap_or((page - 1) * PER_PAGE).min(PRODUCTS.len());
    Ok(Shelf { products: &PRODUCTS[before..PRODUCTS.len().min(before + PER_PAGE)], before })
}

fn pages() -> usize {
    PRODUCTS.len().div_ceil(PER_PAGE)
}

impl MenuItems {
    /// `GET /api/menu/{category}`, of [`page`] and what each product costs.
    ///
    /// # Errors
    /// Ours, if an item is no JSON.
    pub fn new(shelf: &Shelf, items: Vec<MenuItem>, paging: &Paging) -> Result<MenuItems, Fault> {
        let Shelf { products, before } = *shelf;
        let rows = items.into_iter().zip(before as i64 + 1..).map(|(item, place)| (item, [place]));
        let (items, cut) = Page::fit(rows.collect(), PER_PAGE as i64, paging)?;
        let after = before + products.len();
        let next = cut.or_else(|| (after < PRODUCTS.len()).then(|| after.to_string()));
        let page = (before / PER_PAGE + 1).min(pages());
        Ok(MenuItems { category: CATEGORY, items, page, total_pages: pages(), next })
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
        let asked = |page, cursor: Option<&str>| Paged {
            query: ItemsQuery { page },
            page: Paging { cursor: cursor.map(str::to_owned), ..Paging::default() },
        };
        let found = |asked: &Paged<ItemsQuery>| page(CATEGORY, asked).map(|shelf| shelf.products.len());
        assert_eq!(found(&asked(99, None)).unwrap(), 3);
        for (cursor, left) in [("0", 3), ("2", 1), ("3", 0), ("9223372036854775807", 0), ("-1", 3)] {
            assert_eq!(found(&asked(1, Some(cursor))).unwrap(), left, "{cursor}");
        }
        assert!(found(&asked(1, Some("x"))).is_err());
        assert!(page("food", &asked(1, None)).is_err());
        let mut sizes = vec!["5XL", "L", "one", "XS", "2XL", "M"];
        sizes.sort_by_key(|size| garment_order(size));
        assert_eq!(sizes, ["XS", "M", "L", "2XL", "5XL", "one"]);
    }
}
