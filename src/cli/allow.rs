//! `axon allow`

use super::admin::{AllowedKey, Operator, Role, Settings};
use super::args::AllowCommand;
use super::output::Output;
use super::{Failure, Outcome};
use serde_json::json;

pub(super) fn run(
    command: &AllowCommand,
    settings: &Settings,
    operator: &dyn Operator,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    match command {
        AllowCommand::Add { pubkey, role, name, limits } => {
            let limits = limits.overrides();
            let key = AllowedKey { pubkey: *pubkey, role: *role, name: name.clone(), limits };
            operator.allow(settings, &key)?;
            print(&key, output)?;
        }
        AllowCommand::Remove { pubkey } => {
            let was_there = operator.disallow(settings, pubkey)?;
            output.either(
                || json!({ "pubkey": pubkey.to_hex(), "removed": was_there }),
                || format!("{pubkey} {}", if was_there { "removed" } else { "was not on the allowlist" }),
            )?;
            if !was_there {
                return Ok(Outcome::Refused);
            }
        }
        AllowCommand::List => {
            for key in operator.keys(settings)? {
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
