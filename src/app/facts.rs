//! What a relay says of itself: its start-up screen, its description, its figures.

use super::config::{Config, Durability};
use crate::base::PubKey;
use crate::shard;
use crate::store::{Store, StoreStats};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a relay says of itself when it has started.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where it really listens (port 0 is replaced).
    pub listen: SocketAddr,
    pub urls: Vec<String>,
    pub http: Option<SocketAddr>,
    pub data_dir: PathBuf,
    /// The core each shard is pinned to, if there is one for it.
    pub cores: Vec<Option<usize>>,
    pub io_uring: bool,
    pub durability: Durability,
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
            "data_dir": self.data_dir,
            "shards": self.cores.len(),
            "cores": self.cores,
            "io_uring": self.io_uring,
            "durability": self.durability.name(),
            "log_head": self.log_head,
            "allowed_keys": self.allowed_keys,
            "operator_key": self.operator_key.as_ref().map(|(path, _)| path),
            "operator_pubkey": self.operator_key.as_ref().map(|(_, pubkey)| pubkey.to_hex()),
        })
    }

    /// One screen for people.
    pub fn screen(&self) -> String {
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
            match self.io_uring {
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
        line("data", self.data_dir.display().to_string());
        line("log head", self.log_head.to_string());
        line(
            "allowlist",
            format!("{} {}", self.allowed_keys, if self.allowed_keys == 1 { "key" } else { "keys" }),
        );
        if let Some(http) = self.http {
            line("http", format!("http://{http}/healthz and /metrics"));
        }
        if let Some((path, pubkey)) = &self.operator_key {
            line("operator", format!("{pubkey}, key in {}", path.display()));
        }
        format!("axon {} serves\n{out}{}", env!("CARGO_PKG_VERSION"), self.next_commands())
    }

    /// What a newcomer types next, who has nobody but the operator on the allowlist.
    fn next_commands(&self) -> String {
        let (Some((key, _)), Some(url)) = (&self.operator_key, self.urls.first()) else {
            return String::new();
        };
        let relay = format!("--url {url} --key {}", key.display());
        format!("\nnext, in other terminals:\n  axon sub {relay}\n  axon pub {relay} 'hello, agents'\n")
    }
}

/// The relay's description for a plain GET (`protocol.md`, section 11).
pub(super) fn description(config: &Config, facts: &Facts, store: &Store) -> shard::Description {
    let limits = &config.limits;
    let fixed = json!({
        "name": config.relay.name,
        "software": "axon",
        "version": env!("CARGO_PKG_VERSION"),
        "relay_url": facts.urls.first(),
        "relay_urls": facts.urls,
        "log_id": store.tail().log_id().to_hex(),
        "authentication": true,
        "durability": config.relay.durability.name(),
        "kinds": { "ephemeral": [3000, 3999], "private": config.relay.private_kinds.then_some([2000, 2999]) },
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
    });
    let tail = Arc::clone(store.tail());
    Arc::new(move || {
        let mut now = fixed.clone();
        now["log_head"] = json!(tail.head().0);
        now.to_string()
    })
}

/// A store's figures, for `axon info`.
pub(super) fn stats_json(stats: &StoreStats) -> Value {
    let families: Vec<_> = stats
        .families
        .iter()
        .map(|f| json!({ "name": f.name, "rows": f.rows, "disk_bytes": f.disk_bytes, "memory_bytes": f.memory_bytes }))
        .collect();
    json!({
        "log_id": stats.log_id.to_hex(),
        "head": stats.head.0,
        "indexed": stats.indexed.0,
        "ring_events": stats.ring_events,
        "ring_bytes": stats.ring_bytes,
        "cache_bytes": stats.cache_bytes,
        "families": families,
    })
}
