//! Lists that fit into an agent's context: a cursor beside the offset (W40), a selection of
//! fields, and a bound in tokens.

use super::input::{self, Field, Input, chars, range};
use super::rules::text;
use super::{Fault, FaultKind, Flaw};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

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
    fn names(&self) -> Option<Vec<String>> {
        let list = |names: &String| names.split(',').map(|name| name.trim().to_owned()).collect();
        self.fields.as_ref().map(list)
    }

    /// What the items may cost; `None`: anything.
    fn budget(&self) -> Option<usize> {
        self.max_tokens.map(|max| usize::try_from(max).unwrap_or(usize::MAX))
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

/// The rows of a page. In the answer's struct it is declared as what it holds:
/// `#[schema(value_type = Vec<T>)]`.
#[derive(Debug, Clone)]
pub struct Page<T> {
    rows: Vec<T>,
    /// The properties that are shown; `None`: all.
    names: Option<Vec<String>>,
}

impl<T: Serialize> Page<T> {
    /// The rows that fit: of at most `limit + 1` rows read, with each one's sort keys. The second
    /// value is the cursor of the next page, if there is one.
    ///
    /// # Errors
    /// Ours, if a row is no JSON.
    pub fn fit<const N: usize>(
        rows: Vec<(T, [i64; N])>,
        limit: i64,
        paging: &Paging,
    ) -> Result<(Page<T>, Option<String>), Fault> {
        let mut page = Page { rows: Vec::new(), names: paging.names() };
        let mut budget = paging.budget();
        let (count, limit) = (rows.len(), usize::try_from(limit).unwrap_or(0));
        let mut last = None;
        for (row, keys) in rows.into_iter().take(limit) {
            if let Some(left) = &mut budget {
                let cost = text::tokens(page.item(&row).map_err(Fault::internal)?.to_string().len());
                if cost > *left && !page.rows.is_empty() {
                    break;
                }
                *left = left.saturating_sub(cost);
            }
            page.rows.push(row);
            last = Some(keys);
        }
        let more = page.rows.len() < count;
        let next = last.filter(|_| more).map(|keys| keys.map(|key| key.to_string()).join("."));
        Ok((page, next))
    }

    /// A row as it is shown.
    fn item(&self, row: &T) -> serde_json::Result<Value> {
        let mut item = serde_json::to_value(row)?;
        if let (Some(names), Value::Object(properties)) = (&self.names, &mut item) {
            properties.retain(|name, _| names.contains(name));
        }
        Ok(item)
    }
}

impl<T> Page<T> {
    /// Rows in it.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, whole.
    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The rows, whole.
    pub fn into_rows(self) -> Vec<T> {
        self.rows
    }
}

impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.names.is_none() {
            return self.rows.serialize(serializer);
        }
        let items: serde_json::Result<Vec<Value>> = self.rows.iter().map(|row| self.item(row)).collect();
        items.map_err(S::Error::custom)?.serialize(serializer)
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
