//! The allowlist's rows, in the family `keys`:
//!
//! | | offset | bytes | content |
//! |---|---|---|---|
//! | key | 0 | 32 | pubkey |
//! | value | 0 | 1 | 0 removed, 1 member, 2 auditor, 3 admin, 4 agent; 0x80 added: limits follow |
//! | value | 1 | 1 | only with limits: bit i is set if the i-th of `KeyLimit::ALL` is given |
//! | value | 2 | 8 k | only with limits: the k given values, u64 each, in that order |
//! | value | | n | name, UTF-8 |

use super::database::Database;
use super::families::Family;
use crate::base::{KeyLimit, KeyOverrides, PubKey};
use crate::log::{KeyRow, Role};
use rocksdb::IteratorMode;

const WITH_LIMITS: u8 = 0x80;
// One bit each in the row's byte; the order of the list is on disk.
const _: () = assert!(KeyLimit::ALL.len() <= 8);

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
    db.put_synced(Family::Keys, &row.pubkey.0, &encode(row)).map_err(|e| e.to_string())
}

/// A row's value.
pub(super) fn encode(row: &KeyRow) -> Vec<u8> {
    let mut value = vec![row.role.map_or(0, role_byte)];
    put_limits(&mut value, &row.limits);
    value.extend_from_slice(row.name.as_bytes());
    value
}

fn role_byte(role: Role) -> u8 {
    match role {
        Role::Member => 1,
        Role::Auditor => 2,
        Role::Admin => 3,
        Role::Agent => 4,
    }
}

/// A row; `None`: it is none.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Option<KeyRow> {
    let (first, rest) = value.split_first()?;
    let role = match first & !WITH_LIMITS {
        0 => None,
        byte => Some(Role::ALL.into_iter().find(|role| role_byte(*role) == byte)?),
    };
    let (limits, name) =
        if first & WITH_LIMITS == 0 { (KeyOverrides::default(), rest) } else { take_limits(rest)? };
    let name = std::str::from_utf8(name).ok()?.to_owned();
    Some(KeyRow { pubkey: PubKey(key.try_into().ok()?), role, name, limits })
}

fn put_limits(value: &mut Vec<u8>, limits: &KeyOverrides) {
    let given = limits.iter().fold(0u8, |bits, (limit, _)| bits | 1 << limit as u8);
    if given == 0 {
        return;
    }
    value[0] |= WITH_LIMITS;
    value.push(given);
    limits.iter().for_each(|(_, n)| value.extend_from_slice(&n.to_be_bytes()));
}

fn take_limits(bytes: &[u8]) -> Option<(KeyOverrides, &[u8])> {
    let (given, mut rest) = bytes.split_first()?;
    if given >> KeyLimit::ALL.len() != 0 {
        return None;
    }
    let mut limits = KeyOverrides::default();
    for limit in KeyLimit::ALL.into_iter().filter(|limit| given & (1 << *limit as u8) != 0) {
        let (value, behind) = rest.split_first_chunk()?;
        limits.set(limit, u64::from_be_bytes(*value));
        rest = behind;
    }
    Some((limits, rest))
}
