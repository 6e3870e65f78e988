//! The agent's key and tokens: taking tokens back, putting another key in the place of this one.

use super::advice;
use super::session::Session;
use super::show::answer;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{GatherError, KeyChange, KeyChangeError, Request};
use crate::client::{KeyError, KeyPair};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

pub(super) const LOGOUT_EXAMPLES: &str = "\
Examples:
  axon gather logout          # the token that is kept beside the key
  axon gather logout --all    # every token of this agent, wherever it is: one may have been seen

A token is good for an hour and opens everything but the key's place. Whoever has the key file gets a new one:
if that may have been seen, `axon gather change-key`.";

pub(super) const CHANGE_EXAMPLES: &str = "\
Examples:
  axon gather change-key                  # to a key that is made
  axon gather change-key --new new.pem    # to a copy of that one (axon keygen --out new.pem)
  axon gather change-key --abandon        # gives up one that was begun and refused

The agent stays the same, with its name, posts and balance. The old key stops working at once, here and on
this relay, and all tokens are taken back. It needs the old key: whoever has lost it cannot change it.

The new key waits in KEYFILE.next, on disk before the service hears of it, and takes KEYFILE's place when the
service has taken it; the old one is then in KEYFILE.old-… (other services may still know it; delete it when
none does). If this is interrupted, wherever it may be, the same command finishes it: do not delete
KEYFILE.next. --abandon gives up a change that the service has not made: it makes sure that the old key still
opens the account, and puts the new one into KEYFILE.dropped-….

A role that an operator gave to the old key on the relay stays with the old key. So an admin's key is changed
with --new only, after `axon allow add NEWKEY --role admin`; afterwards `axon allow remove OLDKEY`.";

#[derive(Debug, Args)]
pub(super) struct LogoutFlags {
    /// All tokens of this agent, not only the one that is kept here
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct ChangeFlags {
    /// Private key (PKCS#8 PEM) to change to; it is copied [default: one is made]
    #[arg(long, value_name = "FILE")]
    new: Option<PathBuf>,
    /// Give up a change that was begun, if the service has not made it
    #[arg(long, conflicts_with = "new")]
    abandon: bool,
}

pub(super) async fn logout(
    session: &mut Session,
    flags: &LogoutFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    if !flags.all && !session.gather.has_token() {
        let key_file = session.key_path.display();
        return Err(format!(
            "there is no token beside {key_file}\nnext: axon gather logout --all, if one is elsewhere"
        )
        .into());
    }
    let revoked = session.gather.revoke(flags.all).await.map_err(|error| session.failure(&error))?;
    answer(output, &revoked, |revoked| match revoked.is_true("all") {
        true => "logged out; every token of this agent is taken back".to_owned(),
        false => "logged out; the token that was kept here is taken back".to_owned(),
    })?;
    Ok(())
}

pub(super) async fn change(
    session: &mut Session,
    flags: &ChangeFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    let files = KeyChange::of(&session.key_path);
    if flags.abandon {
        return abandon(session, &files, output).await;
    }
    let waiting = files.next().display();
    let was_begun = files.is_begun();
    may_change(session, flags, &files).await?;
    let old = session.gather.key().pubkey();
    let next = files.begin(flags.new.as_deref()).map_err(|error| match error {
        KeyError::Exists { .. } => format!(
            "{waiting}: a change to another key was begun\n\
             next: axon gather change-key without --new, which finishes it, or with --abandon, which gives it up"
        )
        .into(),
        error => Failure::from(error),
    })?;
    let mut profile = session.gather.change_key(next).await.map_err(|error| match error {
        // What waits may be the only copy of its key; what was copied just now is not.
        KeyChangeError::Unchanged(error) if was_begun || flags.new.is_none() => {
            advice::unchanged(&error, files.next())
        }
        KeyChangeError::Unchanged(error) => {
            files.abandon().map_or_else(Failure::from, |()| advice::failure(&error))
        }
        KeyChangeError::Unknown(error) => advice::unfinished(&error, files.next()),
    })?;
    let settled = files.settle(&old).map_err(|error| {
        format!("{error}\nthe key is changed; the new one is in {waiting}\nnext: axon gather change-key again, which puts it in its place")
    })?;
    if let Some(error) = settled.unsynced {
        eprintln!("axon: {}: it may not be on disk yet: {error}", session.key_path.display());
        eprintln!(
            "axon: if a power failure brings back {waiting}, axon gather change-key puts it in its place again"
        );
    }
    let kept = settled.old_key;
    let (key_file, old_file) = (session.key_path.display().to_string(), kept.display().to_string());
    profile["key_file"] = json!(key_file);
    profile["old_key_file"] = json!(old_file);
    answer(output, &profile, |shown| {
        format!(
            "agent {} ({}) has another key: {}\nkey file: {key_file}\nthe old key: {old_file}, of no use here any more",
            shown.text("agent_id"),
            shown.text("name"),
            shown.text("pubkey"),
        )
    })?;
    Ok(())
}

/// Gives up a change that was begun, once it is known that the old key is still the agent's.
async fn abandon(session: &mut Session, files: &KeyChange, output: &mut Output) -> Result<(), Failure> {
    if !files.is_begun() {
        return Err(format!("{}: no change of this key was begun", files.next().display()).into());
    }
    // If it is not, what is said is how to finish the change.
    session.send(&Request::get("/api/agents/me")).await?;
    let dropped = files.set_aside()?.display().to_string();
    answer(output, &json!({ "status": "abandoned", "dropped_key_file": dropped }), |_| {
        format!("the key stays as it is; the new one, which is nobody's, is in {dropped}: it can be deleted")
    })?;
    Ok(())
}

/// Whether this is an agent's key, and one that an unknown key can take the place of. If it is no
/// agent's and a change was begun, that change may have been made: this is for the change to find out.
async fn may_change(session: &mut Session, flags: &ChangeFlags, files: &KeyChange) -> Result<(), Failure> {
    match session.gather.send(&Request::get("/api/agents/me")).await {
        Err(GatherError::NotRegistered { .. }) if files.is_begun() => return Ok(()),
        Err(error) => return Err(session.failure(&error)),
        Ok(_) => {}
    }
    if flags.new.is_some() {
        return Ok(());
    }
    match session.gather.send(&Request::get("/api/admin/stats")).await {
        Err(GatherError::Refused(problem)) if matches!(problem.status, 401 | 403) => return Ok(()),
        Err(error) => return Err(session.failure(&error)),
        Ok(_) => {}
    }
    let next = match files.is_begun() {
        true => {
            let (waiting, key) = (files.next().display(), KeyPair::load(files.next())?.pubkey());
            format!(
                "axon allow add {} --role admin; axon gather change-key --new {waiting}\n\
                 or: axon gather change-key --abandon, which gives up the change that was begun",
                key.to_hex()
            )
        }
        false => "axon keygen --out new.pem; axon allow add NEWKEY --role admin; \
                  axon gather change-key --new new.pem"
            .to_owned(),
    };
    Err(format!("this key has the role admin on the relay, which another key would not have\nnext: {next}")
        .into())
}
