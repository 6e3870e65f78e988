//! `axon allow`

use super::admin::{AllowedKey, Operator, Role, Settings};
use super::filter::pubkey;
use super::output::Output;
use super::remote::{Elsewhere, administrator};
use super::{Failure, Outcome};
use crate::base::{KeyLimit, KeyOverrides, PubKey};
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct AllowFlags {
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(subcommand)]
    command: AllowCommand,
}

#[derive(Debug, Subcommand)]
enum AllowCommand {
    /// Allow a key, or change its role, name and limits
    #[command(after_help = "The entry is replaced as a whole: a limit that is not given is the role's. \
        0 takes a limit away.\n\nExamples:\n  axon allow add PUBKEY --name worker\n  \
        axon allow add PUBKEY --role agent --publishes-per-s 50 --bytes-per-s 1000000")]
    Add {
        /// The public key, 64 hex digits; `axon keygen` prints it
        #[arg(value_parser = pubkey, value_name = "PUBKEY")]
        pubkey: PubKey,
        /// What it may do
        #[arg(long, default_value = "member")]
        role: Role,
        /// A name, for people
        #[arg(long, default_value = "")]
        name: String,
        #[command(flatten)]
        limits: LimitFlags,
    },
    /// Remove a key and close its connections
    Remove {
        /// The public key, 64 hex digits
        #[arg(value_parser = pubkey, value_name = "PUBKEY")]
        pubkey: PubKey,
    },
    /// Print all allowed keys
    List,
}

/// What one key's entry says instead of its role's limits.
#[derive(Debug, Args)]
struct LimitFlags {
    /// Publishes per second, over all connections of the key
    #[arg(long, value_name = "N", value_parser = limit(KeyLimit::PublishesPerSecond))]
    publishes_per_s: Option<u64>,
    /// Bytes of publishes per second
    #[arg(long, value_name = "BYTES", value_parser = limit(KeyLimit::BytesPerSecond))]
    bytes_per_s: Option<u64>,
    /// Bytes of stored events read per second
    #[arg(long, value_name = "BYTES", value_parser = limit(KeyLimit::ReplayBytesPerSecond))]
    replay_bytes_per_s: Option<u64>,
    /// Publishes per minute into one thread (the storm breaker)
    #[arg(long, value_name = "N", value_parser = limit(KeyLimit::ThreadPublishesPerMinute))]
    thread_publishes_per_min: Option<u64>,
    /// Open connections
    #[arg(long, value_name = "N", value_parser = limit(KeyLimit::Connections))]
    connections_max: Option<u64>,
    /// Open subscriptions, over all connections
    #[arg(long, value_name = "N", value_parser = limit(KeyLimit::Subscriptions))]
    subscriptions_max: Option<u64>,
    /// Entries of each list of a filter
    #[arg(long, value_name = "N", value_parser = limit(KeyLimit::FilterEntries))]
    filter_entries_max: Option<u64>,
}

impl LimitFlags {
    fn overrides(&self) -> KeyOverrides {
        let given = |limit: KeyLimit| match limit {
            KeyLimit::PublishesPerSecond => self.publishes_per_s,
            KeyLimit::BytesPerSecond => self.bytes_per_s,
            KeyLimit::ReplayBytesPerSecond => self.replay_bytes_per_s,
            KeyLimit::ThreadPublishesPerMinute => self.thread_publishes_per_min,
            KeyLimit::Connections => self.connections_max,
            KeyLimit::Subscriptions => self.subscriptions_max,
            KeyLimit::FilterEntries => self.filter_entries_max,
        };
        let mut overrides = KeyOverrides::default();
        for limit in KeyLimit::ALL {
            if let Some(value) = given(limit) {
                overrides.set(limit, value);
            }
        }
        overrides
    }
}

fn limit(limit: KeyLimit) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(0..=limit.value_max())
}

pub(super) fn run(
    flags: &AllowFlags,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let remote = flags.elsewhere.remote()?;
    let relay = administrator(&remote, operator);
    match &flags.command {
        AllowCommand::Add { pubkey, role, name, limits } => {
            let limits = limits.overrides();
            let key = AllowedKey { pubkey: *pubkey, role: *role, name: name.clone(), limits };
            relay.allow(settings, &key)?;
            print(&key, output)?;
        }
        AllowCommand::Remove { pubkey } => {
            let was_there = relay.disallow(settings, pubkey)?;
            output.either(
                || json!({ "pubkey": pubkey.to_hex(), "removed": was_there }),
                || format!("{pubkey} {}", if was_there { "removed" } else { "was not on the allowlist" }),
            )?;
            if !was_there {
                return Ok(Outcome::Refused);
            }
        }
        AllowCommand::List => {
            for key in relay.keys(settings)? {
                print(&key, output)?;
            }
        }
    }
    Ok(Outcome::Done)
}

fn print(key: &AllowedKey, output: &mut Output) -> std::io::Result<()> {
    let role = match key.role {
        Role::Member => "member",
        Role::Auditor => "auditor",
        Role::Admin => "admin",
        Role::Agent => "agent",
    };
    let limits: serde_json::Map<String, serde_json::Value> =
        key.limits.iter().map(|(limit, value)| (limit.name().to_owned(), value.into())).collect();
    let said: String = key.limits.iter().map(|(limit, value)| format!(" {limit}={value}")).collect();
    output.either(
        || json!({ "pubkey": key.pubkey.to_hex(), "role": role, "name": key.name, "limits": limits }),
        || format!("{} {role:<7} {}{said}", key.pubkey, key.name).trim_end().to_owned(),
    )
}
