//! From configuration to what each room is given.

use super::config::{AllowEntry, Config, Durability};
use super::front::ACCEPT_QUEUE_MAX;
use crate::base::limits::SHARDS_MAX;
use crate::doctor::Needs;
use crate::ingest::Grant;
use crate::shard::{TlsError, TlsTerms};
use crate::store::{self, StoreOptions};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// A certificate chain is some KiB; anything longer is another file.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsFilesError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("tls.cert {} and tls.key {}: {source}", cert.display(), key.display())]
    Content { cert: PathBuf, key: PathBuf, source: TlsError },
}

/// One shard per core the process may use, or as many as configured; a shard beyond the cores
/// is not pinned.
pub(super) fn shard_cores(configured: usize) -> Vec<Option<usize>> {
    let allowed: Vec<usize> = match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => Vec::new(),
    };
    let n = if configured == 0 { allowed.len().clamp(1, SHARDS_MAX) } else { configured };
    (0..n).map(|shard| allowed.get(shard).copied()).collect()
}

/// The allowlist's rows of the configuration file.
pub(super) fn grants(config: &Config) -> Vec<Grant> {
    let grant = |entry: &AllowEntry| Grant {
        pubkey: entry.pubkey,
        role: entry.role,
        name: entry.name.clone(),
        limits: entry.limits,
    };
    config.allow.iter().map(grant).collect()
}

/// The store's options.
pub(super) fn store(config: &Config) -> StoreOptions {
    StoreOptions {
        dir: config.relay.data_dir.clone(),
        durability: match config.relay.durability {
            Durability::Fsync => store::Durability::Fsync,
            Durability::Os => store::Durability::Os,
        },
        ..config.store.clone()
    }
}

/// What the relay will ask of the machine.
pub(super) fn needs(config: &Config) -> Needs {
    Needs {
        data_dir: config.relay.data_dir.clone(),
        shards: shard_cores(config.relay.shards).len(),
        cores: shard_cores(0).len(),
        connections_max: config.limits.connections_max,
        database_files_max: config.store.open_files_max,
        accept_queue_max: usize::try_from(ACCEPT_QUEUE_MAX).unwrap_or(usize::MAX),
        waits_for_disk: config.relay.durability == Durability::Fsync,
    }
}

/// TLS as configured, if it is; what was there is changed in place.
pub(super) fn tls(config: &Config, present: Option<&TlsTerms>) -> Result<Option<TlsTerms>, TlsFilesError> {
    let Some((cert, key)) = config.tls.files() else { return Ok(None) };
    let (chain, secret) = (read_pem(cert)?, read_pem(key)?);
    let made = match present {
        Some(terms) => terms.replace(&chain, &secret).map(|()| None),
        None => TlsTerms::new(&chain, &secret).map(Some),
    };
    made.map_err(|source| TlsFilesError::Content { cert: cert.to_owned(), key: key.to_owned(), source })
}

fn read_pem(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsFilesError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes));
    let outcome = match read {
        Ok(n) if n as u64 > PEM_BYTES_MAX => {
            Err(io::Error::other(format!("longer than {PEM_BYTES_MAX} bytes")))
        }
        Ok(_) => return Ok(bytes),
        Err(source) => Err(source),
    };
    outcome.map_err(|source| TlsFilesError::File { path: path.to_owned(), source })
}
