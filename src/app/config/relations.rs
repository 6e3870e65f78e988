//! What must hold between keys, beyond what each of them allows alone.

use super::Config;
use super::source::Value;
use super::violation::{Place, Violation};

/// `key ≥ factor × other + extra`, and why.
struct AtLeast {
    key: &'static str,
    factor: i64,
    other: &'static str,
    extra: i64,
    why: &'static str,
}

const RELATIONS: &[AtLeast] = &[
    AtLeast {
        key: "limits.message_bytes_max",
        factor: 1,
        other: "limits.content_bytes_max",
        extra: 1_024,
        why: "a Publish of the longest content must fit into one message",
    },
    AtLeast {
        key: "limits.queue_bytes_max",
        factor: 1,
        other: "limits.message_bytes_max",
        extra: 1_024,
        why: "a delivery of the largest event must fit into the queue",
    },
    AtLeast {
        key: "limits.in_flight_bytes_max",
        factor: 1,
        other: "limits.message_bytes_max",
        extra: 0,
        why: "a publish of the largest event must be allowed in flight",
    },
    AtLeast {
        key: "limits.shard_in_flight_bytes_max",
        factor: 1,
        other: "limits.in_flight_bytes_max",
        extra: 0,
        why: "one connection must be able to reach its own bound",
    },
    AtLeast {
        key: "limits.shard_queue_bytes_max",
        factor: 1,
        other: "limits.queue_bytes_max",
        extra: 0,
        why: "one connection must be able to reach its own bound",
    },
    AtLeast {
        key: "limits.idle_timeout_ms",
        factor: 2,
        other: "limits.ping_interval_ms",
        extra: 0,
        why: "a connection may miss one ping",
    },
    AtLeast {
        key: "store.ring_events_max",
        factor: 2,
        other: "store.index_run_events",
        extra: 0,
        why: "the ring holds the run being written and the one being gathered",
    },
    AtLeast {
        key: "store.ring_bytes_max",
        factor: 2,
        other: "store.index_run_bytes",
        extra: 0,
        why: "the ring holds the run being written and the one being gathered",
    },
];

/// Checks every relation whose two keys are good by themselves.
pub(super) fn check(config: &Config, violations: &mut Vec<Violation>) {
    for relation in RELATIONS {
        check_one(config, relation, violations);
    }
    check_tls(config, violations);
    let (relay, http) = (config.relay.listen, config.http.listen);
    if http == Some(relay) && relay.port() != 0 {
        violations.push(Violation {
            place: place_of(config, "http.listen", "relay.listen"),
            key: "http.listen".to_owned(),
            value: format!("\"{relay}\""),
            limit: "must differ from relay.listen: each needs a port of its own".to_owned(),
        });
    }
}

/// What is allowed, but probably not meant.
pub(super) fn warnings(config: &Config) -> Option<String> {
    let listen = config.relay.listen;
    (config.tls.files().is_none() && !listen.ip().is_loopback()).then(|| {
        format!(
            "{listen} can be reached from other machines and has no TLS: whoever is on the way reads \
             everything; set tls.cert and tls.key, or let only a TLS proxy reach it"
        )
    })
}

fn check_tls(config: &Config, violations: &mut Vec<Violation>) {
    for (key, other) in [("tls.key", "tls.cert"), ("tls.cert", "tls.key")] {
        let is_empty =
            |path: &str| matches!(config.effective.get(path), Some((Value::Text(t), _)) if t.is_empty());
        if is_empty(key) && !is_empty(other) {
            violations.push(Violation {
                place: place_of(config, key, other),
                key: key.to_owned(),
                value: "\"\"".to_owned(),
                limit: format!("must be set when {other} is: TLS needs both"),
            });
        }
    }
}

fn check_one(config: &Config, relation: &AtLeast, violations: &mut Vec<Violation>) {
    let AtLeast { key, factor, other, extra, why } = *relation;
    let refused = |path: &str| violations.iter().any(|violation| violation.key == path);
    let (Some(have), Some(base)) = (int(config, key), int(config, other)) else { return };
    let least = base.saturating_mul(factor).saturating_add(extra);
    if have >= least || refused(key) || refused(other) {
        return;
    }
    let times = if factor == 1 { String::new() } else { format!("{factor} × ") };
    let plus = if extra == 0 { String::new() } else { format!(" + {extra}") };
    violations.push(Violation {
        place: place_of(config, key, other),
        key: key.to_owned(),
        value: have.to_string(),
        limit: format!("must be at least {least}, {times}{other} ({base}){plus}: {why}"),
    });
}

fn int(config: &Config, path: &str) -> Option<i64> {
    match config.effective.get(path)?.0 {
        Value::Int(n) => Some(n),
        _ => None,
    }
}

/// Where the operator said it: the place of `key`, or of `other` if `key` has its default.
fn place_of(config: &Config, key: &str, other: &str) -> Place {
    let place = |path: &str| config.effective.get(path).map(|(_, place)| place.clone());
    place(key).filter(|place| *place != Place::Default).or_else(|| place(other)).unwrap_or(Place::Default)
}
