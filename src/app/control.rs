//! What operators reach: the control socket of this machine, and the admins' door over HTTP.

use super::config::Config;
use super::connections::Roll;
use super::deletion;
use super::facts::{self, Facts};
use super::import::Import;
use super::relay::RelayError;
use super::reload::Reloader;
use crate::base::{Clock, PubKey};
use crate::http::{
    Checkpoints, ConnectionAdmin, ControlOptions, EventAdmin, HttpThread, IsAdmins, KeyAdmin, KeyEntry,
    Remember, RemoteOptions, admin_router,
};
use crate::ingest::Keys;
use crate::store::{Store, StoreError};
use axum::Router;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn control_options(
    config: &Config,
    facts: &Facts,
    store: &Arc<Store>,
    roll: &Arc<Roll>,
    reloader: Arc<Reloader>,
) -> ControlOptions {
    let checkpoints = Arc::new(StoreFiles(Arc::clone(store)));
    let import = Import::new(Arc::clone(store), config.limits.content_bytes_max);
    let events = Arc::new(StoredEvents { store: Arc::clone(store), import });
    let (store, facts, name) = (Arc::clone(store), facts.clone(), config.relay.name.clone());
    let info = move || {
        json!({
            "name": name,
            "version": env!("CARGO_PKG_VERSION"),
            "listen": facts.listen.to_string(),
            "urls": facts.urls,
            "shards": facts.cores.len(),
            "store": facts::stats_json(&store.stats()),
        })
    };
    let reload = move || {
        let outcome = reloader.reload();
        outcome.map(|reloaded| reloaded.json()).map_err(|error| error.to_string())
    };
    ControlOptions {
        keys: Arc::new(Administration(Arc::clone(roll.keys()))),
        connections: Arc::clone(roll) as Arc<dyn ConnectionAdmin>,
        checkpoints,
        info: Arc::new(info),
        reload: Arc::new(reload),
        events,
    }
}

pub(super) fn serve_control(
    http: &HttpThread,
    config: &Config,
    options: ControlOptions,
) -> Result<(), RelayError> {
    let path = config.relay.data_dir.clone();
    http.serve_control(&path, options).map(drop).map_err(|source| RelayError::DataDir { path, source })
}

pub(super) fn admins_door(
    facts: &Facts,
    clock: Clock,
    keys: Arc<Keys>,
    store: &Arc<Store>,
    control: ControlOptions,
) -> Result<Router, StoreError> {
    let is_admins: Arc<IsAdmins> = Arc::new(move |pubkey, digest, sig| keys.is_admins(pubkey, digest, sig));
    let latest = store.admin_latest()?;
    let store = Arc::clone(store);
    let remember: Arc<Remember> = Arc::new(move |unix_seconds| store.put_admin_latest(unix_seconds));
    let urls = facts.urls.clone();
    Ok(admin_router(RemoteOptions { control, urls, is_admins, latest, remember, clock }))
}

/// The control socket's view of the store's files.
struct StoreFiles(Arc<Store>);

impl Checkpoints for StoreFiles {
    fn make(&self) -> Result<PathBuf, String> {
        self.0.checkpoint().map_err(|error| error.to_string())
    }

    fn remove(&self, name: &str) -> Result<(), String> {
        self.0.remove_checkpoint(name).map_err(|error| error.to_string())
    }
}

/// The control socket's view of the stored events.
struct StoredEvents {
    store: Arc<Store>,
    import: Import,
}

impl EventAdmin for StoredEvents {
    fn remove(&self, request: &Value) -> Result<Value, String> {
        deletion::step(&self.store, request)
    }

    fn reclaim(&self) {
        self.store.reclaim();
    }

    fn import(&self, batch: &[u8]) -> Result<Value, String> {
        self.import.take(batch)
    }
}

/// The control socket's view of the allowlist.
struct Administration(Arc<Keys>);

impl KeyAdmin for Administration {
    fn list(&self) -> Result<Vec<KeyEntry>, String> {
        let entry = |key: crate::ingest::ListedKey| KeyEntry {
            pubkey: key.pubkey,
            role: key.role,
            name: key.name,
            limits: key.limits,
        };
        Ok(self.0.list().into_iter().map(entry).collect())
    }

    fn add(&self, entry: &KeyEntry) -> Result<(), String> {
        self.0.add(entry.pubkey, entry.role, &entry.name, entry.limits).map_err(|error| error.to_string())
    }

    fn remove(&self, pubkey: &PubKey) -> Result<bool, String> {
        self.0.remove(pubkey).map_err(|error| error.to_string())
    }
}
