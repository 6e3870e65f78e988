//! Lists that fit into an agent's context: a cursor beside the offset (W40), a selection of
//! fields, and a bound in tokens.

use super::input::{self, Field, Input, chars, range};
use super::rules::text;
use super::{Fault, FaultKind, Flaw};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::marker::PhantomData;

super::input! {
    /// What every list takes beside its own query.
    pub struct Paging {
        /// The `next` of the page before: goes on after it, whatever was added meanwhile. With it `offset` is ignored.
        cursor: Option<String> = chars(0, 200),
        /// Only so many items as cost about this many tokens (bytes of JSON / 4); at least one.
        max_tokens: Option<i64> = range(1, 1_000_000),
        /// Only these properties of each item, separated by commas.
        fields: Option<String> = chars(0, 500),
    }
}

/// A list's own query `Q` and the [`Paging`].
#[derive(Debug, Clone)]
pub struct Paged<Q> {
    pub query: Q,
    pub page: Paging,
}

impl<Q: Input> Input for Paged<Q> {
    const NAME: &'static str = Q::NAME;

    fn fields() -> Vec<Field> {
        Q::fields().into_iter().chain(Paging::fields()).collect()
    }
}

impl<'de, Q: Input> Deserialize<'de> for Paged<Q> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Map::<String, Value>::deserialize(deserializer)?;
        let read = |fault: Fault| D::Error::custom(fault.detail);
        Ok(Paged { query: input::take(all.clone()).map_err(read)?, page: input::take(all).map_err(read)? })
    }
}

impl Default for Paging {
    /// Everything.
    fn default() -> Paging {
        Paging { cursor: None, max_tokens: None, fields: None }
    }
}

impl Paging {
    /// The properties that are wanted; `None`: all.
    fn names(&self) -> Option<Vec<&str>> {
        self.fields.as_ref().map(|fields| fields.split(',').map(str::trim).collect())
    }

    /// What the items may cost.
    pub(super) fn budget(&self) -> usize {
        self.max_tokens.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX)
    }

    /// The cursor's numbers: the sort keys of the last row seen, as the operation wrote them.
    ///
    /// # Errors
    /// 422 if it is not one of this list's.
    pub fn after<const N: usize>(&self) -> Result<Option<[i64; N]>, Fault> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let numbers: Option<Vec<i64>> = cursor.split('.').map(|part| part.parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok()).map(Some).ok_or_else(|| {
            let message = "expected the `next` of a page of this list".to_owned();
            let (location, value) = ("query.cursor".to_owned(), Some(cursor.as_str().into()));
            Fault::flawed(FaultKind::Invalid, vec![Flaw { message, location, value }])
        })
    }
}

/// The rows of a page, each as JSON. In the answer's struct it is declared as what it holds:
/// `#[schema(value_type = Vec<T>)]`.
#[derive(Debug, Clone)]
pub struct Page<T> {
    items: Vec<Value>,
    of: PhantomData<T>,
}

impl<T: Serialize> Page<T> {
    /// The rows that fit: of at most `limit + 1` rows read, with each one's sort keys. The second
    /// value is the cursor of the next page, if there is one.
    ///
    /// # Errors
    /// Ours, if a row is no JSON object.
    pub fn fit<const N: usize>(
        rows: Vec<(T, [i64; N])>,
        limit: i64,
        paging: &Paging,
    ) -> Result<(Page<T>, Option<String>), Fault> {
        let (names, mut budget) = (paging.names(), paging.budget());
        let (count, limit) = (rows.len(), usize::try_from(limit).unwrap_or(0));
        let (mut items, mut last) = (Vec::new(), None);
        for (row, keys) in rows.into_iter().take(limit) {
            let mut item = serde_json::to_value(row).map_err(Fault::internal)?;
            if let (Some(names), Value::Object(properties)) = (&names, &mut item) {
                properties.retain(|name, _| names.contains(&name.as_str()));
            }
            let cost = if budget == usize::MAX { 0 } else { text::tokens(item.to_string().len()) };
            if cost > budget && !items.is_empty() {
                break;
            }
            budget = budget.saturating_sub(cost);
            items.push(item);
            last = Some(keys);
        }
        let more = items.len() < count;
        let next = last.filter(|_| more).map(|keys| keys.map(|key| key.to_string()).join("."));
        Ok((Page { items, of: PhantomData }, next))
    }
}

impl<T> Page<T> {
    /// Rows in it.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.items.serialize(serializer)
    }
}

/// The pattern of a search for `text` as it stands: `%` and `_` are ordinary characters (W24).
/// To be used with `LIKE ?n ESCAPE '\'`.
pub fn like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
