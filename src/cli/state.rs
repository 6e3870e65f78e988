//! The position that `axon sub --state` keeps: `{"seq":…,"log":"<hex>"}`.

use super::Failure;
use crate::base::{LogId, Seq};
use crate::client::Position;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A kept position.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    seq: u64,
    log: String,
}

impl State {
    pub(super) fn at(path: &Path) -> State {
        State { path: path.to_owned() }
    }

    /// `None`: nothing was kept yet.
    pub(super) fn load(&self) -> Result<Option<Position>, Failure> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", self.path.display()).into()),
        };
        let kept: Option<Kept> = serde_json::from_str(&text).ok();
        let position =
            kept.and_then(|kept| Some(Position { seq: Seq(kept.seq), log: LogId::from_hex(&kept.log)? }));
        let position = position.ok_or_else(|| {
            format!("{}: not a position kept by `axon sub --state`; name another file", self.path.display())
        })?;
        Ok(Some(position))
    }

    /// Replaces what was kept: written beside it, then renamed, so that a crash leaves either.
    pub(super) fn save(&self, position: Position) -> Result<(), Failure> {
        let kept = Kept { seq: position.seq.0, log: position.log.to_hex() };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        fs::write(&beside, serde_json::to_vec(&kept)?)
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(|error| format!("{}: {error}", self.path.display()).into())
    }
}
