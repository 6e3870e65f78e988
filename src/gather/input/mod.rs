//! What operations take: each input is declared once, with [`input!`](crate::gather::input!),
//! and from that come the struct, the check of what was sent, and the OpenAPI schema. So none of
//! the three can differ from the others.
//!
//! ```
//! use axon::gather::input::{Input, chars, range};
//!
//! axon::gather::input! {
//!     /// The body of an example.
//!     pub struct Example {
//!         /// A name. `String`: required; code points are counted.
//!         name: String = chars(1, 100),
//!         /// `Option`: may be left out, or be null.
//!         note: Option<String> = chars(0, 500),
//!         /// With a default: may be left out and is there nevertheless.
//!         limit: i64 = range(1, 100).or(20),
//!     }
//! }
//!
//! let sent = serde_json::json!({ "Name": "x", "$schema": "ignored" });
//! let example: Example = axon::gather::input::read_body(&sent).unwrap();
//! assert_eq!((example.name.as_str(), example.note, example.limit), ("x", None, 20));
//! ```

mod check;
mod field;

pub use check::{check_body, check_query, read_body, take};
pub use field::{Field, Kind, Limit, Takes, any, chars, one_of, range};

use serde::de::DeserializeOwned;

/// A declared input.
pub trait Input: DeserializeOwned + Send + 'static {
    /// Its name in the OpenAPI document; empty: it has no fields.
    const NAME: &'static str;
    /// Its fields, as declared.
    fn fields() -> Vec<Field>;
}

/// No query or no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct Nothing {}

impl Input for Nothing {
    const NAME: &'static str = "";

    fn fields() -> Vec<Field> {
        Vec::new()
    }
}

/// Declares an [`Input`]. See the [module](mod@crate::gather::input).
#[macro_export]
macro_rules! gather_input {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident : $type:ty = $limit:expr),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, serde::Deserialize)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type),* }

        impl $crate::gather::input::Input for $name {
            const NAME: &'static str = stringify!($name);

            fn fields() -> Vec<$crate::gather::input::Field> {
                vec![$($crate::gather::input::Field::new::<$type>(
                    stringify!($field),
                    concat!($($doc),+),
                    $limit,
                )),*]
            }
        }
    };
}
