//! The four places a value can come from, each read into assignments.

use super::allow::RawAllow;
use super::keys::{self, Key, Shape};
use super::retention::{self, RawRule};
use super::violation::{Place, Violation};
use crate::base::KeyLimit;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of a configuration file: some 100 000 `[[allow]]` entries.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Characters of a refused value that are repeated in the message.
const SHOWN_CHARS_MAX: usize = 80;

/// The environment's sections; a variable of one of these that is no key is probably a mistake.
const ENV_SECTIONS: [&str; 9] = [
    "AXON_RELAY_",
    "AXON_HTTP_",
    "AXON_TLS_",
    "AXON_LIMITS_",
    "AXON_ROLES_",
    "AXON_STORE_",
    "AXON_RETENTION_",
    "AXON_LOG_",
    "AXON_GATHER_",
];

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    List(Vec<String>),
    /// Anything else, as it was written; no key takes it.
    Other(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(n) => n.fmt(f),
            Value::Bool(on) => on.fmt(f),
            Value::Text(text) => f.write_str(&quoted(text)),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::Other(text) => f.write_str(text),
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A value for a key that exists.
pub(super) struct Assignment {
    pub key: &'static Key,
    pub value: Value,
    pub place: Place,
}

/// What a file says.
#[derive(Default)]
pub(super) struct FileContent {
    pub assignments: Vec<Assignment>,
    pub allow: Vec<RawAllow>,
    pub retention: Vec<RawRule>,
}

/// Reads a configuration file.
pub(super) fn read_file(path: &Path, violations: &mut Vec<Violation>) -> FileContent {
    let place = Place::File { path: path.to_owned(), line: 0 };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    let limit = match read {
        Ok(bytes) if bytes as u64 <= FILE_BYTES_MAX => return read_text(&place, &text, violations),
        Ok(_) => format!("longer than {FILE_BYTES_MAX} bytes"),
        Err(error) => format!("cannot be read: {error}"),
    };
    violations.push(Violation { place, key: String::new(), value: String::new(), limit });
    FileContent::default()
}

/// Reads TOML text. Syntax errors are violations like any other; what could be read beside
/// them is read.
pub(super) fn read_text(place: &Place, text: &str, violations: &mut Vec<Violation>) -> FileContent {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = TextReader { place, text, content: FileContent::default(), violations: Vec::new() };
    reader.table(table.get_ref());
    let broken: Vec<Violation> = errors
        .iter()
        .map(|error| Violation {
            place: reader.at(&error.span().unwrap_or_default()),
            key: String::new(),
            value: String::new(),
            limit: format!("not TOML: {}", error.message()),
        })
        .collect();
    // What the parser made up for a broken line says nothing new.
    reader.violations.retain(|violation| broken.iter().all(|b| b.place != violation.place));
    reader.content.assignments.retain(|assignment| broken.iter().all(|b| b.place != assignment.place));
    violations.extend(broken);
    violations.append(&mut reader.violations);
    reader.content
}

struct TextReader<'a> {
    place: &'a Place,
    text: &'a str,
    content: FileContent,
    violations: Vec<Violation>,
}

impl TextReader<'_> {
    fn table(&mut self, table: &DeTable<'_>) {
        for (section, entry) in table {
            let name = section.get_ref().as_ref();
            let known = keys::all().any(|key| key.path.split('.').next() == Some(name));
            match entry.get_ref() {
                DeValue::Array(entries) if name == "allow" => {
                    entries.iter().for_each(|entry| self.allow(entry));
                }
                DeValue::Table(keys) if known => self.section(name, keys),
                _ if name == "allow" => {
                    self.refuse("allow", entry, "must be written as [[allow]] tables");
                }
                _ if known => self.refuse(name, entry, "must be a table"),
                _ => {
                    let at = self.at(&section.span());
                    self.unknown(at, name.to_owned());
                }
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, entry) in table {
            let path = format!("{section}.{}", name.get_ref());
            let place = self.at(&name.span());
            let inside = format!("{path}.");
            match (keys::find(&path), entry.get_ref()) {
                (Some(key), _) => {
                    let value = self.value(entry);
                    self.content.assignments.push(Assignment { key, value, place });
                }
                (None, DeValue::Table(keys)) if keys::all().any(|key| key.path.starts_with(&inside)) => {
                    self.section(&path, keys);
                }
                (None, DeValue::Array(rules)) if path == "retention.rules" => {
                    rules.iter().for_each(|rule| self.rule(rule));
                }
                (None, _) => self.unknown(place, path),
            }
        }
    }

    fn rule(&mut self, entry: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = entry.get_ref() else {
            return self.refuse("retention.rules", entry, "must be written as [[retention.rules]] tables");
        };
        let mut rule = RawRule { place: self.at(&entry.span()), fields: Vec::new() };
        for (name, entry) in table {
            let (field, place) = (name.get_ref().to_string(), self.at(&name.span()));
            if retention::FIELDS.contains(&field.as_str()) {
                rule.fields.push((field, self.value(entry), place));
            } else {
                self.unknown(place, format!("retention.rules.{field}"));
            }
        }
        self.content.retention.push(rule);
    }

    fn allow(&mut self, entry: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = entry.get_ref() else {
            return self.refuse("allow", entry, "must be written as [[allow]] tables");
        };
        let place = self.at(&entry.span());
        let mut raw = RawAllow { place, pubkey: None, role: None, name: None, limits: Vec::new() };
        for (name, entry) in table {
            let field = match name.get_ref().as_ref() {
                "pubkey" => &mut raw.pubkey,
                "role" => &mut raw.role,
                "name" => &mut raw.name,
                other if KeyLimit::from_name(other).is_some() => {
                    let limit = KeyLimit::from_name(other);
                    let (value, place) = (self.value(entry), self.at(&name.span()));
                    raw.limits.extend(limit.map(|limit| (limit, value, place)));
                    continue;
                }
                other => {
                    let (place, path) = (self.at(&name.span()), format!("allow.{other}"));
                    self.unknown(place, path);
                    continue;
                }
            };
            *field = Some((self.value(entry), self.at(&name.span())));
        }
        self.content.allow.push(raw);
    }

    fn value(&self, entry: &Spanned<DeValue<'_>>) -> Value {
        let written = || Value::Other(self.written(&entry.span()));
        match entry.get_ref() {
            DeValue::Integer(n) => {
                i64::from_str_radix(n.as_str(), n.radix()).map_or_else(|_| written(), Value::Int)
            }
            DeValue::Boolean(on) => Value::Bool(*on),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map_or_else(written, Value::List)
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => written(),
        }
    }

    fn refuse(&mut self, key: &str, entry: &Spanned<DeValue<'_>>, limit: &str) {
        let span = entry.span();
        self.violations.push(Violation {
            place: self.at(&span),
            key: key.to_owned(),
            value: self.written(&span),
            limit: limit.to_owned(),
        });
    }

    fn unknown(&mut self, place: Place, key: String) {
        let limit = "unknown key; `axon config` lists all".to_owned();
        self.violations.push(Violation { place, key, value: String::new(), limit });
    }

    fn at(&self, span: &Range<usize>) -> Place {
        match self.place {
            Place::File { path, .. } => {
                let before = self.text.as_bytes().iter().take(span.start);
                Place::File { path: path.clone(), line: 1 + before.filter(|b| **b == b'\n').count() }
            }
            other => other.clone(),
        }
    }

    /// The first line of what stands in the file, shortened.
    fn written(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        text.lines().next().unwrap_or_default().chars().take(SHOWN_CHARS_MAX).collect()
    }
}

/// Reads `AXON_<SECTION>_<KEY>` variables, sorted by name, and warns of those that look like
/// one and are none (which a container platform may set on its own, so it is no error).
pub(super) fn read_env(
    env: impl IntoIterator<Item = (OsString, OsString)>,
    violations: &mut Vec<Violation>,
) -> (Vec<Assignment>, Vec<String>) {
    let mut named: Vec<(String, OsString)> = env
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| {
            let aliased = keys::all().any(|key| key.alias == Some(name));
            aliased || ENV_SECTIONS.iter().any(|section| name.starts_with(section))
        })
        .collect();
    named.sort();
    let (mut assignments, mut warnings) = (Vec::new(), Vec::new());
    for (name, value) in named {
        let named = |key: &&Key| env_name(key.path) == name || key.alias == Some(name.as_str());
        let Some(key) = keys::all().find(named) else {
            warnings.push(format!("environment variable {name} names no configuration key"));
            continue;
        };
        if key.alias == Some(name.as_str()) && value.is_empty() {
            // As with those who know it by that name: set to nothing is not set.
            continue;
        }
        let place = Place::Env(name);
        match value.to_str() {
            Some(text) => assignments.push(Assignment { key, value: parse(text, key.shape), place }),
            None => violations.push(Violation {
                place,
                key: key.path.to_owned(),
                value: value.to_string_lossy().into_owned(),
                limit: "must be UTF-8".to_owned(),
            }),
        }
    }
    (assignments, warnings)
}

/// Reads pairs of `section.key` and value.
pub(super) fn read_overrides(
    overrides: &[(String, String)],
    violations: &mut Vec<Violation>,
) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (path, text) in overrides {
        match keys::find(path) {
            Some(key) => {
                assignments.push(Assignment { key, value: parse(text, key.shape), place: Place::Flag });
            }
            None => violations.push(Violation {
                place: Place::Flag,
                key: path.clone(),
                value: text.clone(),
                limit: "unknown key; `axon config` lists all".to_owned(),
            }),
        }
    }
    assignments
}

/// The variable that overrides a key.
pub(super) fn env_name(path: &str) -> String {
    format!("AXON_{}", path.replace('.', "_").to_uppercase())
}

/// Text from outside a TOML file; lists are separated by commas.
fn parse(text: &str, shape: Shape) -> Value {
    let other = || Value::Other(text.chars().take(SHOWN_CHARS_MAX).collect());
    match shape {
        Shape::Int => text.parse().map_or_else(|_| other(), Value::Int),
        Shape::Bool => text.parse().map_or_else(|_| other(), Value::Bool),
        Shape::Text => Value::Text(text.to_owned()),
        Shape::List => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::List(items.map(str::to_owned).collect())
        }
    }
}
