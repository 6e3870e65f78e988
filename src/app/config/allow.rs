//! The configuration file's part of the allowlist.

use super::source::Value;
use super::violation::{Place, Violation};
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::{KeyLimit, KeyOverrides, PubKey};
use crate::log::Role;
use std::collections::HashMap;

/// A key that may connect and publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowEntry {
    pub pubkey: PubKey,
    pub role: Role,
    /// A name for people; may be empty.
    pub name: String,
    /// What it says instead of its role's limits.
    pub limits: KeyOverrides,
}

/// One `[[allow]]` table as it was written, every field with its place.
pub(super) struct RawAllow {
    pub place: Place,
    pub pubkey: Option<(Value, Place)>,
    pub role: Option<(Value, Place)>,
    pub name: Option<(Value, Place)>,
    pub limits: Vec<(KeyLimit, Value, Place)>,
}

/// The good entries; what is wrong with the others is added to `violations`.
pub(super) fn check(raw: Vec<RawAllow>, violations: &mut Vec<Violation>) -> Vec<AllowEntry> {
    let mut first_place: HashMap<PubKey, Place> = HashMap::new();
    let mut entries = Vec::new();
    for RawAllow { place, pubkey, role, name, limits } in raw {
        let pubkey = match pubkey {
            Some((value, at)) => {
                field(&value, &at, "allow.pubkey", pubkey_of, violations).map(|k| (k, value, at))
            }
            None => {
                let (key, value) = ("allow.pubkey".to_owned(), String::new());
                violations.push(Violation { place, key, value, limit: "must be given".to_owned() });
                None
            }
        };
        let role = role
            .map_or(Some(Role::Member), |(value, at)| field(&value, &at, "allow.role", role_of, violations));
        let name = name
            .map_or(Some(String::new()), |(value, at)| field(&value, &at, "allow.name", name_of, violations));
        let limits = overrides(limits, violations);
        let (Some((pubkey, value, at)), Some(role), Some(name)) = (pubkey, role, name) else { continue };
        if let Some(first) = first_place.get(&pubkey) {
            let limit = format!("listed before, at {first}");
            violations.push(Violation {
                place: at,
                key: "allow.pubkey".to_owned(),
                value: value.to_string(),
                limit,
            });
            continue;
        }
        first_place.insert(pubkey, at);
        entries.push(AllowEntry { pubkey, role, name, limits });
    }
    entries
}

/// The limits of one entry; a wrong one is left out and reported.
fn overrides(raw: Vec<(KeyLimit, Value, Place)>, violations: &mut Vec<Violation>) -> KeyOverrides {
    let mut overrides = KeyOverrides::default();
    for (limit, value, place) in raw {
        let most = limit.value_max();
        let number = match value {
            Value::Int(n) => u64::try_from(n).ok().filter(|n| *n <= most),
            _ => None,
        };
        match number {
            Some(n) => overrides.set(limit, n),
            None => violations.push(Violation {
                place,
                key: format!("allow.{limit}"),
                value: value.to_string(),
                limit: format!("must be an integer from 0 to {most}"),
            }),
        }
    }
    overrides
}

fn field<T>(
    value: &Value,
    place: &Place,
    key: &str,
    read: impl Fn(&str) -> Result<T, String>,
    violations: &mut Vec<Violation>,
) -> Option<T> {
    let result = match value {
        Value::Text(text) => read(text),
        _ => Err("must be a string".to_owned()),
    };
    result
        .map_err(|limit| {
            let (place, key, value) = (place.clone(), key.to_owned(), value.to_string());
            violations.push(Violation { place, key, value, limit });
        })
        .ok()
}

fn pubkey_of(text: &str) -> Result<PubKey, String> {
    PubKey::from_hex(text).ok_or_else(|| "must be 64 hex digits".to_owned())
}

fn role_of(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| {
        format!("must be one of {}", Role::ALL.map(|role| format!("\"{}\"", role.name())).join(", "))
    })
}

fn name_of(text: &str) -> Result<String, String> {
    if text.len() <= NAME_BYTES_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("must be at most {NAME_BYTES_MAX} bytes"))
    }
}
