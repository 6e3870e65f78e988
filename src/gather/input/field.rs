//! One field of an input: its type, and the limits its value must keep.

use super::Input;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The type of a value.
#[derive(Debug, Clone)]
pub enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    /// A list; the limit's `chars` count its items' code points, `items` the items.
    List(Box<Kind>),
    /// An object with declared properties, and its name in the OpenAPI document.
    Object(&'static str, Vec<Field>),
    /// An object whose values are texts.
    Texts,
    /// Any object.
    Any,
}

/// What a value must keep to.
#[derive(Debug, Clone, Default)]
pub struct Limit {
    /// Code points of a text.
    pub chars: Option<(usize, usize)>,
    /// Items of a list.
    pub items: Option<(usize, usize)>,
    /// Least and greatest number.
    pub range: Option<(f64, f64)>,
    /// The only values there are.
    pub choices: &'static [&'static str],
    /// Taken if nothing is sent.
    pub default: Option<Value>,
}

impl Limit {
    /// What is taken if nothing is sent.
    #[must_use]
    pub fn or(self, default: impl Into<Value>) -> Limit {
        Limit { default: Some(default.into()), ..self }
    }

    /// How many items a list may have.
    #[must_use]
    pub fn items(self, min: usize, max: usize) -> Limit {
        Limit { items: Some((min, max)), ..self }
    }
}

/// No limit but the request's size.
pub fn any() -> Limit {
    Limit::default()
}

/// A text of `min` to `max` code points.
pub fn chars(min: usize, max: usize) -> Limit {
    Limit { chars: Some((min, max)), ..Limit::default() }
}

/// A number from `min` to `max`.
pub fn range(min: i64, max: i64) -> Limit {
    Limit { range: Some((min as f64, max as f64)), ..Limit::default() }
}

/// One of these texts.
pub fn one_of(choices: &'static [&'static str]) -> Limit {
    Limit { choices, ..Limit::default() }
}

/// A declared field.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: &'static str,
    /// What it means, for the OpenAPI document.
    pub about: &'static str,
    pub required: bool,
    pub kind: Kind,
    pub limit: Limit,
}

impl Field {
    /// A field of type `T`.
    pub fn new<T: Takes>(name: &'static str, about: &'static str, limit: Limit) -> Field {
        let required = T::REQUIRED && limit.default.is_none();
        Field { name, about: about.trim(), required, kind: T::kind(), limit }
    }
}

/// A Rust type that a field can have.
pub trait Takes {
    const REQUIRED: bool = true;
    fn kind() -> Kind;
}

macro_rules! takes {
    ($($type:ty => $kind:expr;)*) => { $(impl Takes for $type { fn kind() -> Kind { $kind } })* };
}

takes! {
    String => Kind::Text;
    i64 => Kind::Integer;
    f64 => Kind::Number;
    bool => Kind::Boolean;
    BTreeMap<String, String> => Kind::Texts;
    Map<String, Value> => Kind::Any;
}

impl<T: Takes> Takes for Option<T> {
    const REQUIRED: bool = false;

    fn kind() -> Kind {
        T::kind()
    }
}

impl<T: Takes> Takes for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
}

impl<T: Input> Takes for T {
    fn kind() -> Kind {
        Kind::Object(T::NAME, T::fields())
    }
}
