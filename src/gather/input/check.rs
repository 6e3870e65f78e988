//! The check of what was sent against the declaration: contract 1.1 and 1.3.

use super::{Field, Input, Kind};
use crate::gather::fault::{Fault, FaultKind, Flaw};
use crate::gather::rules::text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::num::{IntErrorKind, ParseIntError};

/// Flaws reported at once; a body full of unknown names need not be answered in full.
const FLAWS_MAX: usize = 100;
/// Beside those declared, this name is always tolerated.
const SCHEMA: &str = "$schema";

/// Checks a body and puts it in order: names in lower case, defaults filled in, nulls gone.
/// Flaws come by property name.
pub fn check_body(fields: &[Field], sent: &Value, flaws: &mut Vec<Flaw>) -> Map<String, Value> {
    let mut found = Vec::new();
    let clean = object(fields, sent, "body", &mut found);
    found.sort_by(|a: &Flaw, b: &Flaw| a.location.cmp(&b.location));
    found.truncate(FLAWS_MAX);
    flaws.append(&mut found);
    clean
}

/// Checks query parameters; unknown ones are ignored, of repeated ones the first counts.
pub fn check_query(
    fields: &[Field],
    sent: &BTreeMap<String, String>,
    flaws: &mut Vec<Flaw>,
) -> Map<String, Value> {
    let mut clean = Map::new();
    for field in fields {
        let location = format!("query.{}", field.name);
        let Some(text) = sent.get(field.name).filter(|text| !text.is_empty()) else {
            match &field.limit.default {
                Some(default) => drop(clean.insert(field.name.to_owned(), default.clone())),
                None if field.required => {
                    flaws.push(flaw("required query parameter is missing", &location, None))
                }
                None => {}
            }
            continue;
        };
        match from_text(&field.kind, text) {
            Ok(value) => {
                let value = checked(field, &field.kind, &value, &location, flaws);
                clean.insert(field.name.to_owned(), value);
            }
            Err(message) => flaws.push(flaw(message, &location, Some(text.as_str().into()))),
        }
    }
    clean
}

/// Checks and reads a body, for callers without a query.
///
/// # Errors
/// Every flaw.
pub fn read_body<T: Input>(sent: &Value) -> Result<T, Fault> {
    let mut flaws = Vec::new();
    let clean = check_body(&T::fields(), sent, &mut flaws);
    if flaws.is_empty() { take(clean) } else { Err(Fault::flawed(FaultKind::Invalid, flaws)) }
}

/// The struct of values that were checked.
///
/// # Errors
/// None for checked values; ours if the declaration and the struct's types disagree.
pub fn take<T: Input>(clean: Map<String, Value>) -> Result<T, Fault> {
    T::deserialize(Value::Object(clean)).map_err(Fault::internal)
}

fn flaw(message: impl Into<String>, location: &str, value: Option<Value>) -> Flaw {
    Flaw { message: message.into(), location: location.to_owned(), value }
}

fn object(fields: &[Field], sent: &Value, at: &str, flaws: &mut Vec<Flaw>) -> Map<String, Value> {
    let mut clean = Map::new();
    let Value::Object(properties) = sent else {
        flaws.push(flaw("expected object", at, Some(sent.clone())));
        return clean;
    };
    let mut given: BTreeMap<String, &Value> = BTreeMap::new();
    for (name, value) in properties {
        let lower = name.to_lowercase();
        if fields.iter().any(|field| field.name == lower) {
            given.insert(lower, value);
        } else if name != SCHEMA {
            flaws.push(flaw("unexpected property", &format!("{at}.{name}"), Some(value.clone())));
        }
    }
    for field in fields {
        let location = format!("{at}.{}", field.name);
        let value = match given.get(field.name) {
            // A required list may be null, and is empty then.
            Some(Value::Null) if field.required && matches!(field.kind, Kind::List(_)) => {
                checked(field, &field.kind, &Value::Array(Vec::new()), &location, flaws)
            }
            Some(Value::Null) if !field.required => match &field.limit.default {
                Some(default) => default.clone(),
                None => continue,
            },
            Some(value) => checked(field, &field.kind, value, &location, flaws),
            None => match &field.limit.default {
                Some(default) => default.clone(),
                None if field.required => {
                    let message = format!("expected required property {} to be present", field.name);
                    flaws.push(flaw(message, &location, Some(sent.clone())));
                    continue;
                }
                None => continue,
            },
        };
        clean.insert(field.name.to_owned(), value);
    }
    clean
}

/// The value, in order; what is wrong with it is added to `flaws`.
fn checked(field: &Field, kind: &Kind, value: &Value, at: &str, flaws: &mut Vec<Flaw>) -> Value {
    let limit = &field.limit;
    let wrong = match (kind, value) {
        (Kind::Text, Value::String(text)) => {
            let have = text::chars(text);
            match limit.chars {
                _ if !limit.choices.is_empty() && !limit.choices.contains(&text.as_str()) => {
                    Some(format!("expected one of {}", limit.choices.join(", ")))
                }
                Some((min, _)) if have < min => Some(format!("expected length >= {min}, it is {have}")),
                Some((_, max)) if have > max => Some(format!("expected length <= {max}, it is {have}")),
                _ => None,
            }
        }
        (Kind::Integer, Value::Number(n)) => match n.as_i64().or_else(|| whole(n.as_f64()?)) {
            Some(integer) => match range_flaw(limit.range, integer as f64) {
                None => return integer.into(),
                some => some,
            },
            None => Some("expected integer".to_owned()),
        },
        (Kind::Number, Value::Number(n)) => range_flaw(limit.range, n.as_f64().unwrap_or(f64::NAN)),
        (Kind::Boolean, Value::Bool(_)) | (Kind::Any, Value::Object(_)) => None,
        (Kind::List(of), Value::Array(items)) => return list(field, of, items, at, flaws),
        (Kind::Object(_, fields), Value::Object(_)) => return object(fields, value, at, flaws).into(),
        (Kind::Texts, Value::Object(entries)) => {
            let texts = |(name, value): (&String, &Value)| (!value.is_string()).then(|| name.clone());
            let strange: Vec<String> = entries.iter().filter_map(texts).collect();
            for name in &strange {
                let value = entries.get(name).cloned();
                flaws.push(flaw("expected string", &format!("{at}.{name}"), value));
            }
            None
        }
        (kind, _) => Some(format!("expected {}", type_name(kind))),
    };
    if let Some(message) = wrong {
        flaws.push(flaw(message, at, Some(value.clone())));
    }
    value.clone()
}

fn list(field: &Field, of: &Kind, items: &[Value], at: &str, flaws: &mut Vec<Flaw>) -> Value {
    match field.limit.items {
        Some((min, _)) if items.len() < min => {
            flaws.push(flaw(format!("expected at least {min} items"), at, Some(items.into())));
        }
        Some((_, max)) if items.len() > max => {
            flaws.push(flaw(format!("expected at most {max} items"), at, Some(items.into())));
        }
        _ => {}
    }
    let each = items.iter().enumerate();
    each.map(|(i, item)| checked(field, of, item, &format!("{at}[{i}]"), flaws)).collect::<Vec<_>>().into()
}

/// `1.0` is an integer in JSON Schema's eyes, `1.5` is not.
fn whole(n: f64) -> Option<i64> {
    (n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0).then_some(n as i64)
}

fn range_flaw(range: Option<(f64, f64)>, n: f64) -> Option<String> {
    match range {
        Some((min, _)) if n < min => Some(format!("expected number >= {min}")),
        Some((_, max)) if n > max => Some(format!("expected number <= {max}")),
        _ if n.is_nan() => Some("expected a number".to_owned()),
        _ => None,
    }
}

fn from_text(kind: &Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Integer => integer(text).map(Value::from).ok_or("invalid integer"),
        Kind::Number => text.parse::<f64>().map(Value::from).map_err(|_| "invalid number"),
        Kind::Boolean => match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
            _ => Err("invalid boolean"),
        },
        // What an index's expression cannot hold; bytes that are no UTF-8 have become the same.
        _ => Ok(text.replace('\0', "\u{fffd}").into()),
    }
}

/// One beyond our integers is the last of them: an offset behind every end, or out of a range.
fn integer(text: &str) -> Option<i64> {
    text.parse()
        .or_else(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Ok(i64::MAX),
            IntErrorKind::NegOverflow => Ok(i64::MIN),
            _ => Err(error),
        })
        .ok()
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::List(_) => "array",
        Kind::Object(..) | Kind::Texts | Kind::Any => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{any, chars, one_of, range};
    use super::*;
    use serde_json::json;

    crate::gather::input! {
        /// Something inside.
        pub struct Inner {
            /// Two letters.
            country: String = chars(2, 2),
        }
    }

    crate::gather::input! {
        /// One field of each type.
        pub struct All {
            /// Text.
            name: String = chars(1, 3),
            /// Text that may be left out.
            note: Option<String> = chars(0, 2),
            /// Whole.
            rating: i64 = range(1, 5),
            /// With fractions.
            score: Option<f64> = range(1, 10),
            /// Texts in a list.
            tags: Vec<String> = chars(0, 4).items(1, 2),
            /// One of two.
            sort: String = one_of(&["a", "b"]).or("a"),
            /// Inside.
            inner: Option<Inner> = any(),
            /// Text by name.
            options: BTreeMap<String, String> = any(),
            /// Yes or no.
            on: bool = any().or(false),
        }
    }

    fn flaws(body: Value) -> Vec<String> {
        match read_body::<All>(&body) {
            Ok(_) => Vec::new(),
            Err(fault) => fault.flaws.into_iter().map(|f| f.location).collect(),
        }
    }

    fn with(changes: Value) -> Value {
        let mut body = json!({"name": "abc", "rating": 3, "tags": ["x"], "options": {}});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn every_rule_of_section_1_1() {
        for (changes, expected) in [
            (json!({}), vec![]),
            (json!({"$schema": "x", "note": null, "score": null, "inner": null, "on": null}), vec![]),
            (json!({"NAME": "xyz", "Note": "ab"}), vec![]),
            (json!({"name": "äöü"}), vec![]),
            (json!({"name": "äöüß"}), vec!["body.name"]),
            (json!({"name": ""}), vec!["body.name"]),
            (json!({"name": null}), vec!["body.name"]),
            (json!({"name": 5, "unknown": 1, "note": "abc"}), vec!["body.name", "body.note", "body.unknown"]),
            (json!({"rating": 1.5}), vec!["body.rating"]),
            (json!({"rating": 2.0}), vec![]),
            (json!({"rating": "3"}), vec!["body.rating"]),
            (json!({"rating": 6}), vec!["body.rating"]),
            (json!({"score": 7.5}), vec![]),
            (json!({"score": 0.5}), vec!["body.score"]),
            (json!({"tags": null}), vec!["body.tags"]),
            (json!({"tags": ["a", "abcde"]}), vec!["body.tags[1]"]),
            (json!({"tags": ["a", 1, "b"]}), vec!["body.tags", "body.tags[1]"]),
            (json!({"sort": "c"}), vec!["body.sort"]),
            (json!({"inner": {"country": "DEU", "x": 1}}), vec!["body.inner.country", "body.inner.x"]),
            (json!({"options": {"a": 1}}), vec!["body.options.a"]),
            (json!({"on": "true"}), vec!["body.on"]),
        ] {
            assert_eq!(flaws(with(changes.clone())), expected, "{changes}");
        }
        let missing = ["body.name", "body.options", "body.rating", "body.tags"];
        assert_eq!(flaws(json!({})), missing, "all at once, in order");
        assert_eq!(flaws(json!([])), ["body"]);
    }

    #[test]
    fn what_is_read_is_what_was_sent() {
        let body = json!({
            "Name": "abc", "note": "n", "rating": 3.0, "score": 7.5, "tags": ["x"], "sort": "b",
            "inner": {"country": "DE"}, "options": {"k": "v"}, "on": true,
        });
        let all: All = read_body(&body).unwrap();
        assert_eq!((all.name.as_str(), all.note.as_deref(), all.sort.as_str()), ("abc", Some("n"), "b"));
        assert_eq!((all.rating, all.score, all.on), (3, Some(7.5), true));
        assert_eq!((all.tags.len(), all.options["k"].as_str()), (1, "v"));
        assert_eq!(all.inner.unwrap().country, "DE");
    }

    #[test]
    fn queries_are_read_strictly() {
        crate::gather::input! {
            /// A list's query.
            pub struct Query {
                /// How many.
                limit: i64 = range(1, 100).or(20),
                /// How many to pass over.
                offset: i64 = range(0, i64::MAX).or(0),
                /// Only those.
                unread: bool = any().or(false),
                /// Search.
                q: Option<String> = any(),
            }
        }
        let run = |pairs: &[(&str, &str)]| {
            let sent = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let mut flaws = Vec::new();
            let clean = check_query(&Query::fields(), &sent, &mut flaws);
            if flaws.is_empty() { Ok(take::<Query>(clean).unwrap()) } else { Err(flaws.len()) }
        };
        let query = run(&[("strange", "1"), ("q", "%")]).unwrap();
        assert_eq!((query.limit, query.unread, query.q.as_deref()), (20, false, Some("%")));
        for yes in ["1", "t", "T", "true", "TRUE", "True"] {
            assert!(run(&[("unread", yes)]).unwrap().unread, "{yes}");
        }
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "x"),
            ("limit", "1.5"),
            ("unread", "yes"),
            ("unread", "tRUE"),
        ] {
            assert_eq!(run(&[(name, value)]).err(), Some(1), "{name}={value}");
        }
        assert_eq!(run(&[("offset", "99999999999999999999")]).unwrap().offset, i64::MAX);
        assert_eq!(run(&[("offset", "-99999999999999999999")]).err(), Some(1));
        assert_eq!(run(&[("limit", "99999999999999999999")]).err(), Some(1));
    }
}
