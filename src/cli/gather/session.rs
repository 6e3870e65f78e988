//! Which server, and as whom.

use super::advice;
use crate::cli::Failure;
use crate::cli::keygen::key_path;
use crate::client::gather::{Gather, GatherError, KeyChange, Purpose, Puzzle, Request, TokenFile, Worked};
use crate::client::{KeyPair, Roots};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a text on stdin; Gather takes less of any.
const STDIN_BYTES_MAX: u64 = 256 << 10;

/// Where Gather of a relay without a configuration is.
const DEFAULT_URL: &str = "http://127.0.0.1:8090";

const WHERE: &str = "Which Gather, and as whom";

#[derive(Debug, Args)]
pub(super) struct GatherFlags {
    /// Gather's address (the relay's http.listen)
    #[arg(long, global = true, help_heading = WHERE, default_value = DEFAULT_URL, env = "AXON_GATHER_URL")]
    url: String,
    /// Private key (PKCS#8 PEM) [default: axon-data/operator.pem if present, else ~/.config/axon/key.pem]
    #[arg(long, global = true, help_heading = WHERE, value_name = "FILE", env = "AXON_KEY")]
    key: Option<PathBuf>,
    /// For https://: the certificate authorities to trust (PEM) [default: those that browsers trust]
    #[arg(long, global = true, help_heading = WHERE, value_name = "FILE", env = "AXON_CA")]
    ca: Option<PathBuf>,
}

/// What a command does with the key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyUse {
    /// Makes it, if there is none.
    Makes,
    Needs,
    /// Everybody may do this; nothing is signed.
    None,
}

/// An agent on a server.
pub(super) struct Session {
    pub(super) gather: Gather,
    pub(super) key_path: PathBuf,
}

impl Session {
    /// The agent of the key that the flags name.
    pub(super) fn open(flags: &GatherFlags, key_use: KeyUse) -> Result<Session, Failure> {
        let key_path = key_path(flags.key.as_deref())?;
        let key = match key_path.exists() {
            true => KeyPair::load(&key_path)?,
            false => absent_key(&key_path, key_use)?,
        };
        let roots = flags.ca.as_deref().map_or_else(|| Ok(Roots::public()), Roots::from_file)?;
        let gather = Gather::new(&flags.url, key, &roots).map_err(|error| advice::failure(&error))?;
        let mut tokens = key_path.as_os_str().to_owned();
        tokens.push(".tokens");
        Ok(Session { gather: gather.keep_token(TokenFile::at(tokens.into())), key_path })
    }

    pub(super) async fn send(&mut self, request: &Request) -> Result<Value, Failure> {
        self.gather.send(request).await.map_err(|error| self.failure(&error))
    }

    /// As it is printed.
    pub(super) fn failure(&self, error: &GatherError) -> Failure {
        match error {
            GatherError::NotRegistered { .. } if KeyChange::of(&self.key_path).is_begun() => {
                let next = "axon gather change-key: a change of this key was begun, and may have been made";
                format!("{error}\nnext: {next}").into()
            }
            error => advice::failure(error),
        }
    }

    /// A solved challenge of purpose `post`: its name and nonce.
    pub(super) async fn worked_for_a_post(&mut self) -> Result<(String, String), Failure> {
        let puzzle = self.gather.puzzle(Purpose::Post).await.map_err(|error| self.failure(&error))?;
        let (bar, worked) = progress(&puzzle);
        let challenge = puzzle.challenge.clone();
        let nonce = puzzle.solve(worked).await.map_err(|error| advice::failure(&error))?;
        bar.finish_and_clear();
        Ok((challenge, nonce))
    }
}

/// A key where there is no file.
fn absent_key(path: &Path, key_use: KeyUse) -> Result<KeyPair, Failure> {
    let key = KeyPair::generate()?;
    match key_use {
        KeyUse::None => {}
        KeyUse::Makes => {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            key.save(path)?;
        }
        KeyUse::Needs => {
            let next = "axon gather register, which makes it; or name another with --key";
            return Err(format!("{}: no such key file\nnext: {next}", path.display()).into());
        }
    }
    Ok(key)
}

/// A bar for people, and what moves it. Luck decides: it may end early, or stand full for a while.
pub(super) fn progress(puzzle: &Puzzle) -> (ProgressBar, Worked) {
    let bar = if std::io::stderr().is_terminal() {
        let template = "proof of work {bar:30} {human_pos} of about {human_len} hashes, {per_sec}";
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(puzzle.hashes_expected()).with_style(style)
    } else {
        ProgressBar::hidden()
    };
    let moved = bar.clone();
    (bar, Arc::new(move |hashes| moved.inc(hashes)))
}

/// A text that was given, or stdin for `-`.
pub(super) fn text(given: &str) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().take(STDIN_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}
