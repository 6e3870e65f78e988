//! The effective configuration for `axon config`: every key with its value, where that was
//! said, its default, meaning and cost. The texts are the sample file's comments.

use super::source::{Value, env_name};
use super::{Config, SAMPLE, keys};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;

/// Every key, in the order of the sample file. `Display` is for people, `Serialize` for agents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    pub keys: Vec<KeyDescription>,
    /// The `[[allow]]` entries of the file.
    pub allow: Vec<AllowDescription>,
    /// The `[[retention.rules]]` entries of the file.
    pub retention_rules: Vec<RuleDescription>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyDescription {
    /// `section.key`.
    pub key: &'static str,
    pub value: serde_json::Value,
    pub default: serde_json::Value,
    /// `default`, `file`, `env` or `flag`.
    pub origin: &'static str,
    /// Where exactly, for people: file and line, or the variable's name.
    pub place: String,
    /// The environment variable that overrides it.
    pub env: String,
    pub meaning: String,
    /// What raising or changing it costs.
    pub cost: String,
}

/// One `[[retention.rules]]` entry; what is not given is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleDescription {
    pub kinds: Vec<(u16, u16)>,
    pub age_seconds_max: Option<u64>,
    pub bytes_max: Option<u64>,
    pub count_max: Option<u64>,
}

/// One `[[allow]]` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllowDescription {
    pub pubkey: String,
    pub role: &'static str,
    pub name: String,
}

impl Config {
    /// What is in force, and why.
    pub fn describe(&self) -> Description {
        let docs = docs(SAMPLE);
        let defaults = defaults();
        let keys = keys::all().filter_map(|key| {
            let (value, place) = self.effective.get(key.path)?;
            let doc = docs.get(key.path).cloned().unwrap_or_default();
            Some(KeyDescription {
                key: key.path,
                value: if key.secret { hidden(value) } else { json(value) },
                default: defaults.get(key.path).map_or(serde_json::Value::Null, json),
                origin: place.origin(),
                place: place.to_string(),
                env: env_name(key.path),
                meaning: doc.meaning,
                cost: doc.cost,
            })
        });
        let allow = self.allow.iter().map(|entry| AllowDescription {
            pubkey: entry.pubkey.to_hex(),
            role: entry.role.name(),
            name: entry.name.clone(),
        });
        let rules = self.store.retention.rules.iter().map(|rule| RuleDescription {
            kinds: rule.kinds.clone(),
            age_seconds_max: rule.age_seconds_max,
            bytes_max: rule.bytes_max,
            count_max: rule.count_max,
        });
        Description { keys: keys.collect(), allow: allow.collect(), retention_rules: rules.collect() }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.keys {
            writeln!(f, "{} = {}", key.key, key.value)?;
            writeln!(f, "    from {}; default {}; {}", key.place, key.default, key.env)?;
            writeln!(f, "    {}", key.meaning)?;
            writeln!(f, "    Cost: {}\n", key.cost)?;
        }
        for entry in &self.allow {
            writeln!(f, "allow {} {} {}", entry.pubkey, entry.role, entry.name)?;
        }
        for rule in &self.retention_rules {
            write!(f, "retain")?;
            rule.kinds.iter().try_for_each(|(lo, hi)| write!(f, " {lo}-{hi}"))?;
            let bounds = [(rule.age_seconds_max, "s"), (rule.bytes_max, "bytes"), (rule.count_max, "events")];
            for (bound, unit) in bounds.iter().filter_map(|(bound, unit)| Some((bound.as_ref()?, unit))) {
                write!(f, ", at most {bound} {unit}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(n) => (*n).into(),
        Value::Bool(on) => (*on).into(),
        Value::Text(text) | Value::Other(text) => text.as_str().into(),
        Value::List(items) => items.as_slice().into(),
    }
}

/// Whether a secret is set, and no more.
fn hidden(value: &Value) -> serde_json::Value {
    if *value == Value::Text(String::new()) { "" } else { "(set, not shown)" }.into()
}

/// The sample's own values.
fn defaults() -> HashMap<&'static str, Value> {
    let sample = super::source::read_text(&super::Place::Default, SAMPLE, &mut Vec::new());
    sample.assignments.into_iter().map(|a| (a.key.path, a.value)).collect()
}

/// What the sample says about one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Doc {
    meaning: String,
    cost: String,
}

/// The comment directly above each key, by `section.key`; from `Cost:` on it is the cost. A key
/// without one says the same as the first of its name in its group of sections (`[roles.*]`).
fn docs(sample: &str) -> HashMap<String, Doc> {
    let mut docs = HashMap::new();
    let mut first: HashMap<(String, &str), Doc> = HashMap::new();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in sample.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((name, _)) = line.split_once('=') {
            let group = section.split('.').next().unwrap_or_default().to_owned();
            let text = comment.join(" ");
            let (meaning, cost) = text.split_once("Cost: ").unwrap_or((&text, ""));
            let doc = Doc { meaning: meaning.trim().to_owned(), cost: cost.to_owned() };
            let first = first.entry((group, name.trim())).or_insert_with(|| doc.clone());
            let doc = if comment.is_empty() { first.clone() } else { doc };
            docs.insert(format!("{section}.{}", name.trim()), doc);
        }
        comment.clear();
    }
    docs
}
