//! The allowlist's rows, in the family `keys`:
//!
//! | | offset | bytes | content |
//! |---|---|---|---|
//! | key | 0 | 32 | pubkey |
//! | value | 0 | 1 | 0 removed, 1 member, 2 auditor, 3 admin |
//! | value | 1 | n | name, UTF-8 |

use super::database::Database;
use super::families::Family;
use crate::base::PubKey;
use crate::log::{KeyRow, Role};
use rocksdb::IteratorMode;

/// Reads every row.
pub(super) fn read_all(db: &Database) -> Result<Vec<KeyRow>, String> {
    let rows = db.raw().iterator_cf(db.cf(Family::Keys), IteratorMode::Start);
    rows.map(|row| {
        let (key, value) = row.map_err(rocksdb::Error::into_string)?;
        decode(&key, &value).ok_or_else(|| format!("the allowlist row {} is damaged", hex::encode(&key)))
    })
    .collect()
}

/// Writes one row and syncs it, whatever the log's durability.
pub(super) fn write(db: &Database, row: &KeyRow) -> Result<(), String> {
    let mut value = vec![row.role.map_or(0, role_byte)];
    value.extend_from_slice(row.name.as_bytes());
    db.put_synced(Family::Keys, &row.pubkey.0, &value).map_err(|e| e.to_string())
}

fn role_byte(role: Role) -> u8 {
    match role {
        Role::Member => 1,
        Role::Auditor => 2,
        Role::Admin => 3,
    }
}

fn decode(key: &[u8], value: &[u8]) -> Option<KeyRow> {
    let (role, name) = value.split_first()?;
    let role = match role {
        0 => None,
        byte => Some(Role::ALL.into_iter().find(|role| role_byte(*role) == *byte)?),
    };
    let name = std::str::from_utf8(name).ok()?.to_owned();
    Some(KeyRow { pubkey: PubKey(key.try_into().ok()?), role, name })
}
