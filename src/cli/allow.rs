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
        AllowCommand::Add { pubkey, role, name } => {
            let key = AllowedKey { pubkey: *pubkey, role: *role, name: name.clone() };
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
    };
    output.either(
        || json!({ "pubkey": key.pubkey.to_hex(), "role": role, "name": key.name }),
        || format!("{} {role:<7} {}", key.pubkey, key.name).trim_end().to_owned(),
    )
}
