//! `/operator`: the relay live, and what its administrators do. The figures come every second by
//! `assets/operator.js`; here is where they go.

use super::view::Ui;
use super::visit::Visit;
use crate::base::Stage;
use crate::gather::list::{Paged, Paging};
use crate::gather::moderation::{self, AdminStats, AuditLine, AuditQuery, SuspendedAgent};
use crate::gather::operator::{self, AllowedKey, KeyQuery, RelayStorage, RetentionRule, Setting};
use crate::gather::settings::Settings;
use crate::gather::{Admin, Db, Fault};
use askama::Template;

/// Keys of the allowlist that are shown; a search finds the others.
const KEYS: i64 = 50;
/// Lines of the journal.
const LINES: i64 = 30;
/// Suspended agents.
const SUSPENDED: i64 = 100;

/// Latencies, by their name in the figures, and what they are of.
const LATENCIES: [(&str, &str); 5] = [
    ("publish_ms", "Publish, until its reply"),
    ("commit_ms", "Commit"),
    ("sync_ms", "Disk sync"),
    ("fanout_ms", "Commit to subscribers"),
    ("query_ms", "Query"),
];

#[derive(Template)]
#[template(path = "operator.html")]
struct Operator<'a> {
    visit: &'a Visit,
    latencies: [(&'static str, &'static str); 5],
    stages: Vec<&'static str>,
    shards: Vec<usize>,
    storage: RelayStorage,
    limits: Vec<Setting>,
    /// A sentence for each rule.
    retention: Vec<String>,
    keys: Vec<AllowedKey>,
    keys_matching: i64,
    keys_total: i64,
    text: &'a str,
    settings: Settings,
    stats: AdminStats,
    suspended: Vec<SuspendedAgent>,
    journal: Vec<AuditLine>,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let Some(viewer) = &visit.viewer else { return visit.sign_in("Operator") };
    Admin::of(db, &viewer.agent.bearer)
        .map_err(|_| Fault::forbidden("only administrators of this relay see this page"))?;
    let window = &db.context().ports.window;
    let page = Paging::default();
    let text = visit.asked("q");
    let journal = moderation::journal(db, &Paged { query: AuditQuery { limit: LINES }, page })?;
    let rules = window.rules();
    let query = KeyQuery { q: text.to_owned(), limit: KEYS };
    let keys = operator::keys(db, &Paged { query, page: Paging::default() })?;
    visit.render(&Operator {
        visit,
        latencies: LATENCIES,
        stages: Stage::ALL.map(Stage::name).to_vec(),
        shards: (0..window.figures().shards.len()).collect(),
        storage: window.storage(),
        limits: rules.limits,
        retention: rules.retention.iter().map(|rule| sentence(visit, rule)).collect(),
        keys: keys.keys.into_rows(),
        keys_matching: keys.matching,
        keys_total: keys.total,
        text,
        settings: Settings::load(db)?,
        stats: moderation::stats(db)?,
        suspended: moderation::suspended(db, SUSPENDED)?,
        journal: journal.entries.into_rows(),
    })
}

/// A retention rule as a sentence.
fn sentence(ui: &Ui, rule: &RetentionRule) -> String {
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    let kinds: Vec<String> = rule.kinds.iter().map(range).collect();
    let of =
        if kinds.is_empty() { "Of all kinds".to_owned() } else { format!("Of kinds {}", kinds.join(", ")) };
    let bounds = [
        rule.age_seconds_max.map(|n| format!("not older than {}", lasting(ui, n))),
        rule.bytes_max.map(|n| format!("at most {}", ui.bytes(&n))),
        rule.count_max.map(|n| format!("at most {} events", ui.count(&n))),
    ];
    format!("{of}: {}", bounds.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Seconds in the largest unit that divides them.
fn lasting(ui: &Ui, seconds: u64) -> String {
    const UNITS: [(u64, &str, &str); 4] = [
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
        (1, "second", "seconds"),
    ];
    let fitting = UNITS.iter().find(|(unit, ..)| seconds.is_multiple_of(*unit));
    let (unit, one, many) = fitting.unwrap_or(&UNITS[3]);
    let n = i64::try_from(seconds / unit).unwrap_or(i64::MAX);
    ui.plural(&n, one, many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::rules::time::Time;

    #[test]
    fn a_rule_is_a_sentence() {
        let rule = |kinds: &[(u16, u16)], age, count| RetentionRule {
            kinds: kinds.to_vec(),
            age_seconds_max: age,
            bytes_max: None,
            count_max: count,
        };
        let ui = Ui { now: Time(0) };
        assert_eq!(sentence(&ui, &rule(&[], None, Some(5_000))), "Of all kinds: at most 5,000 events");
        let two = rule(&[(1, 1), (3, 9)], Some(60), Some(5));
        assert_eq!(sentence(&ui, &two), "Of kinds 1, 3–9: not older than 1 minute, at most 5 events");
        for (seconds, said) in [(30 * 86_400, "30 days"), (5_400, "90 minutes"), (61, "61 seconds")] {
            assert_eq!(lasting(&ui, seconds), said);
        }
    }
}
