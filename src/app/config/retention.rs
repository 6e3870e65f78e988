//! `[[retention.rules]]`: how much of which kinds stays.

use super::keys;
use super::source::Value;
use super::violation::{Place, Violation};
use crate::store::Rule;

/// Rules; each is looked at by itself.
const RULES_MAX: usize = 64;

/// A century: more is a mistaken unit.
const AGE_SECONDS_MAX: u64 = 36_525 * 86_400;

/// One table as it was written: field, value and place.
pub(super) struct RawRule {
    pub place: Place,
    pub fields: Vec<(String, Value, Place)>,
}

/// The fields of a rule.
pub(super) const FIELDS: [&str; 4] = ["kinds", "age_max", "bytes_max", "count_max"];

/// The good rules; what is wrong with the others is added to `violations`.
pub(super) fn check(raw: Vec<RawRule>, violations: &mut Vec<Violation>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for RawRule { place, fields } in raw {
        let before = violations.len();
        let mut rule = Rule { kinds: Vec::new(), age_seconds_max: None, bytes_max: None, count_max: None };
        for (name, value, place) in fields {
            if let Err(limit) = set(&mut rule, &name, &value) {
                let key = format!("retention.rules.{name}");
                violations.push(Violation { place, key, value: value.to_string(), limit });
            }
        }
        if rule.kinds.is_empty() {
            rule.kinds.push((0, u16::MAX));
        }
        rule.kinds.sort_unstable();
        if violations.len() == before
            && let Some((value, limit)) = wrong(&rule, &rules)
        {
            violations.push(Violation { place, key: "retention.rules.kinds".to_owned(), value, limit });
        }
        if violations.len() == before {
            rules.push(rule);
        }
    }
    rules
}

/// What is wrong with a rule as a whole, beside those before it: the value, and what is allowed.
fn wrong(rule: &Rule, before: &[Rule]) -> Option<(String, String)> {
    let mut all: Vec<(u16, u16)> = before.iter().chain([rule]).flat_map(|rule| rule.kinds.clone()).collect();
    all.sort_unstable();
    if let Some(pair) = all.windows(2).find(|pair| pair[1].0 <= pair[0].1) {
        let both = format!("{}-{}", pair[1].0, pair[1].1.min(pair[0].1));
        return Some((both, "a kind may be named once, in one rule".to_owned()));
    }
    if rule.age_seconds_max.is_none() && rule.bytes_max.is_none() && rule.count_max.is_none() {
        return Some((String::new(), "give at least one of age_max, bytes_max and count_max".to_owned()));
    }
    (before.len() == RULES_MAX).then(|| (String::new(), format!("at most {RULES_MAX} rules are allowed")))
}

fn set(rule: &mut Rule, name: &str, value: &Value) -> Result<(), String> {
    let number = || keys::number(value, 0..=i64::MAX).map(Some);
    match name {
        "kinds" => rule.kinds = keys::kinds(value)?.to_vec(),
        "age_max" => rule.age_seconds_max = Some(age(value)?),
        "bytes_max" => rule.bytes_max = number()?,
        _ => rule.count_max = number()?,
    }
    Ok(())
}

/// Seconds of a text such as `30d`.
fn age(value: &Value) -> Result<u64, String> {
    let seconds = match value {
        Value::Text(text) => text.char_indices().last().and_then(|(at, unit)| {
            let unit = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return None,
            };
            text[..at].parse::<u64>().ok()?.checked_mul(unit)
        }),
        _ => None,
    };
    seconds
        .filter(|seconds| *seconds <= AGE_SECONDS_MAX)
        .ok_or_else(|| "must be a number with its unit, s, m, h or d, such as \"90m\" or \"30d\"".to_owned())
}
