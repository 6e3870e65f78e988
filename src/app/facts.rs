//! What a relay says of itself: its start-up screen, its description, its figures.

use super::config::{Config, Durability};
use super::operator::OPERATOR_KEY;
use crate::base::{Kind, PubKey};
use crate::cli::{DEFAULT_KEY, DEFAULT_URL};
use crate::shard;
use crate::store::{FamilyStats, Store, StoreStats};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a relay says of itself when it has started.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where it really listens (port 0 is replaced).
    pub listen: SocketAddr,
    pub urls: Vec<String>,
    pub http: Option<SocketAddr>,
    /// Whether Gather is served there.
    pub gather: bool,
    pub data_dir: PathBuf,
    /// The core each shard is pinned to, if there is one for it.
    pub cores: Vec<Option<usize>>,
    pub on_io_uring: bool,
    pub durability: Durability,
    pub tls: bool,
    pub log_head: u64,
    pub allowed_keys: usize,
    /// The operator key that was made because nobody was allowed yet.
    pub operator_key: Option<(PathBuf, PubKey)>,
}

impl Facts {
    /// One object for agents.
    pub fn json(&self) -> Value {
        json!({
            "listen": self.listen.to_string(),
            "urls": self.urls,
            "http": self.http.map(|http| http.to_string()),
            "gather": self.gather,
            "data_dir": self.data_dir,
            "shards": self.cores.len(),
            "cores": self.cores,
            "io_uring": self.on_io_uring,
            "durability": self.durability.name(),
            "tls": self.tls,
            "log_head": self.log_head,
            "allowed_keys": self.allowed_keys,
            "operator_key": self.operator_key.as_ref().map(|(path, _)| path),
            "operator_pubkey": self.operator_key.as_ref().map(|(_, pubkey)| pubkey.to_hex()),
        })
    }

    /// One screen for people, which ends with what to type next; `program` is the path this
    /// program was started by.
    pub fn screen(&self, program: &str) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<12}{value}");
        };
        line("listening", format!("{} ({})", self.listen, self.urls.join(", ")));
        let cores: Vec<String> =
            self.cores.iter().map(|c| c.map_or("any".to_owned(), |c| c.to_string())).collect();
        line("shards", format!("{} (cores {})", cores.len(), cores.join(", ")));
        line(
            "driver",
            match self.on_io_uring {
                true => "io_uring".to_owned(),
                false => "epoll (this kernel or container has no usable io_uring)".to_owned(),
            },
        );
        line(
            "durability",
            match self.durability {
                Durability::Fsync => "fsync: Ok means on disk".to_owned(),
                Durability::Os => "os: Ok survives a killed process, not a power cut".to_owned(),
            },
        );
        line("tls", self.tls_line().to_owned());
        line("data", self.data_dir.display().to_string());
        line("log head", self.log_head.to_string());
        line(
            "allowlist",
            format!("{} {}", self.allowed_keys, if self.allowed_keys == 1 { "key" } else { "keys" }),
        );
        if let Some(http) = self.http {
            line("http", format!("http://{http}/healthz and /metrics"));
            if self.gather {
                line("gather", format!("http://{http}/ (how to use it: /help, /docs)"));
            }
        }
        if let Some((path, pubkey)) = &self.operator_key {
            line("operator", format!("{pubkey}, key in {}", path.display()));
        }
        format!("axon {} serves\n{out}\n{}", env!("CARGO_PKG_VERSION"), self.next_commands(program))
    }

    fn tls_line(&self) -> &'static str {
        match (self.tls, self.listen.ip().is_loopback()) {
            (true, _) => "on",
            (false, true) => "off; only this machine reaches it",
            (false, false) => {
                "OFF, and other machines reach it: set tls.cert and tls.key, or let only a TLS proxy in"
            }
        }
    }

    /// The commands to try, with the flags they need here.
    fn next_commands(&self, program: &str) -> String {
        let mut flags = String::new();
        if let Some(url) = self.urls.first().filter(|url| *url != DEFAULT_URL) {
            flags += &format!(" --url {}", shell_word(url));
        }
        let key = self.data_dir.join(OPERATOR_KEY);
        let has_key = key.exists();
        if !has_key {
            flags += " --key KEY.pem";
        } else if key != Path::new(DEFAULT_KEY) {
            flags += &format!(" --key {}", shell_word(&key.to_string_lossy()));
        }
        let program = shell_word(program);
        let intro = match has_key {
            true => "Next, in other terminals:",
            false => "Next, in other terminals, with a key that is allowed:",
        };
        format!(
            "{intro}\n  {program} sub{flags}\n  {program} pub{flags} \"hello, agents\"\n  \
             {program} query{flags} --limit 5\n"
        )
    }
}

/// `text` as a shell takes it for one word.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The part of a relay's description that changes only with its configuration.
pub(super) struct Fixed {
    current: ArcSwap<Value>,
    urls: Vec<String>,
    log_id: String,
}

impl Fixed {
    pub fn new(config: &Config, facts: &Facts, store: &Store) -> Fixed {
        let log_id = store.tail().log_id().to_hex();
        let fixed = Fixed { current: ArcSwap::default(), urls: facts.urls.clone(), log_id };
        fixed.set(config);
        fixed
    }

    /// From now on it describes this configuration.
    pub fn set(&self, config: &Config) {
        let limits = &config.limits;
        self.current.store(Arc::new(json!({
            "name": config.relay.name,
            "software": "axon",
            "version": env!("CARGO_PKG_VERSION"),
            "relay_url": self.urls.first(),
            "relay_urls": self.urls,
            "log_id": self.log_id,
            "authentication": true,
            "durability": config.relay.durability.name(),
            "kinds": {
                "ephemeral": bounds(Kind::EPHEMERAL),
                "private": config.relay.private_kinds.then(|| bounds(Kind::PRIVATE)),
            },
            "limits": {
                "message_bytes_max": limits.message_bytes_max,
                "content_bytes_max": limits.content_bytes_max,
                "subscriptions_max": limits.subscriptions_max,
                "filter_entries_max": limits.filter_entries_max,
                "filter_tags_max": limits.filter_tags_max,
                "in_flight_max": limits.in_flight_max,
                "in_flight_bytes_max": limits.in_flight_bytes_max,
                "max_future_seconds": limits.max_future_seconds,
                "seen_window_seconds": limits.seen_window_seconds,
            },
        })));
    }
}

/// The relay's description for a plain GET (`protocol.md`, section 11).
pub(super) fn description(fixed: Arc<Fixed>, store: &Store) -> shard::Description {
    let tail = Arc::clone(store.tail());
    Arc::new(move || {
        let mut now = Value::clone(&fixed.current.load());
        now["log_head"] = json!(tail.head().0);
        now.to_string()
    })
}

fn bounds(range: RangeInclusive<u16>) -> [u16; 2] {
    [*range.start(), *range.end()]
}

/// The column families, for `axon info` and `axon stat`.
pub(super) fn families_json(families: &[FamilyStats]) -> Vec<Value> {
    let family = |f: &FamilyStats| json!({ "name": f.name, "rows": f.rows, "disk_bytes": f.disk_bytes, "memory_bytes": f.memory_bytes });
    families.iter().map(family).collect()
}

/// A store's figures, for `axon info`.
pub(super) fn stats_json(stats: &StoreStats) -> Value {
    json!({
        "log_id": stats.log_id.to_hex(),
        "head": stats.head.0,
        "indexed": stats.indexed.0,
        "ring_events": stats.ring_events,
        "ring_bytes": stats.ring_bytes,
        "cache_bytes": stats.cache_bytes,
        "families": families_json(&stats.families),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(data_dir: &Path, url: &str) -> Facts {
        Facts {
            listen: SocketAddr::from(([127, 0, 0, 1], 7447)),
            urls: vec![url.to_owned()],
            http: None,
            gather: true,
            data_dir: data_dir.to_owned(),
            cores: vec![Some(0), None],
            on_io_uring: true,
            durability: Durability::Fsync,
            tls: false,
            log_head: 0,
            allowed_keys: 1,
            operator_key: None,
        }
    }

    #[test]
    fn the_next_commands_have_the_flags_they_need() {
        let dir = tempfile::tempdir().unwrap();
        let screen = facts(dir.path(), DEFAULT_URL).screen("./axon");
        assert!(screen.ends_with("  ./axon query --key KEY.pem --limit 5\n"), "{screen}");

        let data_dir = dir.path().join("its data");
        std::fs::create_dir(&data_dir).unwrap();
        std::fs::write(data_dir.join(OPERATOR_KEY), "").unwrap();
        let screen = facts(&data_dir, "ws://127.0.0.1:9").screen("/a b/axon");
        let key = data_dir.join(OPERATOR_KEY);
        let expected = format!("  '/a b/axon' sub --url ws://127.0.0.1:9 --key '{}'\n", key.display());
        assert!(screen.contains(&expected), "{screen}");
    }
}
