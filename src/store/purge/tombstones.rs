//! Ids of deleted events, which may not come again, in the family `deleted`:
//!
//! | key | value |
//! |---|---|
//! | `01`, seconds u64, seq u64 | id 32: in the order in which they are forgotten |
//! | `02`, id 32 | seconds u64, seq u64 |
//!
//! The seconds are those of the log's own clock (see `clock`): a machine's clock that is set far
//! ahead must not let deleted events in again.

use super::super::StoreError;
use super::super::database::Database;
use super::super::families::Family;
use super::gaps;
use crate::base::{EventId, Seq};
use rocksdb::WriteBatch;

const QUEUE: u8 = 1;
const IDS: u8 = 2;

/// Rows written at once when they are copied.
const COPIED_AT_ONCE: usize = 1_024;

/// When an event was deleted, and where it stood.
type Place = [u8; 16];

fn place(at: i64, seq: Seq) -> Place {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&at.max(0).to_be_bytes());
    place[8..].copy_from_slice(&seq.0.to_be_bytes());
    place
}

fn queue_key(place: &Place) -> [u8; 17] {
    let mut key = [QUEUE; 17];
    key[1..].copy_from_slice(place);
    key
}

fn id_key(id: &[u8; 32]) -> [u8; 33] {
    let mut key = [IDS; 33];
    key[1..].copy_from_slice(id);
    key
}

/// Remembers an id.
pub(super) fn put(db: &Database, batch: &mut WriteBatch, at: i64, seq: Seq, id: &EventId) {
    let (cf, place) = (db.cf(Family::Deleted), place(at, seq));
    batch.put_cf(cf, queue_key(&place), id.0);
    batch.put_cf(cf, id_key(&id.0), place);
}

/// Which of these ids are remembered, in their order.
pub(in crate::store) fn find<'a>(
    db: &Database,
    ids: impl Iterator<Item = &'a EventId>,
) -> Result<Vec<bool>, StoreError> {
    let rows = db.raw().multi_get_cf(ids.map(|id| (db.cf(Family::Deleted), id_key(&id.0))));
    rows.into_iter().map(|row| row.map(|row| row.is_some()).map_err(|e| db.error(e))).collect()
}

/// Forgets up to `count` ids, the oldest first, and of those only the ones deleted before
/// `before` if that is given; how many. `oldest` is a moment before which none was deleted; it
/// saves the way over rows that are gone and not yet cleared away.
pub(super) fn expire(
    db: &Database,
    batch: &mut WriteBatch,
    count: u64,
    before: Option<i64>,
    oldest: &mut i64,
) -> Result<u64, StoreError> {
    let cf = db.cf(Family::Deleted);
    let mut iter = db.raw().raw_iterator_cf(cf);
    iter.seek(queue_key(&place(*oldest, Seq::ZERO)));
    let mut expired = 0;
    while expired < count
        && let Some((key, id)) = iter.item()
        && let Some(place) = key.strip_prefix(&[QUEUE])
    {
        let at = place.first_chunk().map_or(0, |at| i64::from_be_bytes(*at));
        *oldest = at;
        if before.is_some_and(|before| at >= before) {
            break;
        }
        batch.delete_cf(cf, key);
        if let Ok(id) = id.try_into() {
            batch.delete_cf(cf, id_key(id));
        }
        expired += 1;
        iter.next();
    }
    iter.status().map_err(|e| db.error(e)).map(|()| expired)
}

/// Copies every row of the family but those about positions behind `head`.
pub(in crate::store) fn copy_rows(from: &Database, to: &Database, head: Seq) -> Result<(), StoreError> {
    let mut batch = WriteBatch::default();
    let mut iter = from.raw().raw_iterator_cf(from.cf(Family::Deleted));
    iter.seek_to_first();
    while let Some((key, value)) = iter.item() {
        match gaps::block_of_key(key) {
            Some(block) => {
                let mut kept = gaps::decode(block, value)?;
                gaps::positions(block, &gaps::decode(block, value)?)
                    .filter(|seq| *seq > head.0)
                    .for_each(|seq| gaps::clear(&mut kept, seq));
                batch.put_cf(to.cf(Family::Deleted), key, kept);
            }
            None => batch.put_cf(to.cf(Family::Deleted), key, value),
        }
        if batch.len() >= COPIED_AT_ONCE {
            to.write_logged(std::mem::take(&mut batch))?;
        }
        iter.next();
    }
    iter.status().map_err(|e| from.error(e))?;
    to.write_logged(batch)
}

/// Reads every row and tells what is wrong with which; how many tombstones there are.
pub(in crate::store) fn verify_rows(db: &Database, wrong: impl Fn(String)) -> Result<u64, StoreError> {
    let (mut queued, mut ids) = (0, 0);
    let mut iter = db.raw().raw_iterator_cf(db.cf(Family::Deleted));
    iter.seek_to_first();
    while let Some((key, value)) = iter.item() {
        if let Some(block) = gaps::block_of_key(key) {
            gaps::decode(block, value)?;
        } else if let (Some(place), Ok(id)) = (key.strip_prefix(&[QUEUE]), <&[u8; 32]>::try_from(value)) {
            queued += 1;
            if db.get(Family::Deleted, &id_key(id))?.as_deref() != Some(place) {
                wrong(format!("the deleted id {} has no row", hex::encode(id)));
            }
        } else if let (Some(id), 16) = (key.strip_prefix(&[IDS]), value.len()) {
            ids += 1;
            if db.get(Family::Ids, id)?.is_some() {
                wrong(format!("the id {} counts as deleted, and as stored", hex::encode(id)));
            }
        } else {
            wrong(format!("the row {} is damaged", hex::encode(key)));
        }
        iter.next();
    }
    iter.status().map_err(|e| db.error(e))?;
    if ids != queued {
        wrong(format!("{ids} deleted ids, and {queued} in the order of their deletion"));
    }
    Ok(ids)
}
