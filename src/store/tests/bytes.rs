//! Rows and files of any bytes: they are read, or refused, and nothing panics. The wounds are
//! seeded; a whole store gets them, too, and its check must see those that change something.

use super::crash::{crash, numbered, write_ahead_log};
use super::upkeep::check_now;
use super::*;
use crate::base::{KeyLimit, KeyOverrides};
use crate::filter::TagFilter;
use crate::log::Role;
use crate::mutate::Random;
use families::{Family, block_bounds, block_row};
use std::panic::catch_unwind;
use std::time::Duration;
use wal::End;

const WOUNDS: usize = 20_000;

#[test]
fn a_key_row_of_any_bytes_is_read_or_refused() {
    let mut limits = KeyOverrides::default();
    KeyLimit::ALL.into_iter().step_by(2).for_each(|limit| limits.set(limit, 7));
    let row =
        |role, name: &str, limits| KeyRow { pubkey: PubKey([9; 32]), role, name: name.to_owned(), limits };
    let rows = [row(Some(Role::Admin), "name ü", limits), row(None, "", KeyOverrides::default())];
    let values = rows.clone().map(|row| keys::encode(&row));
    for (row, value) in rows.iter().zip(&values) {
        assert_eq!(keys::decode(&[9; 32], value).as_ref(), Some(row));
        assert_eq!(keys::decode(&[9; 31], value), None);
    }
    let (mut random, mut refused) = (Random(0x4e75), 0);
    for n in 0..WOUNDS {
        match keys::decode(&[9; 32], &random.mutate(&values[n % 2], &values)) {
            Some(row) => assert_eq!(keys::decode(&[9; 32], &keys::encode(&row)), Some(row)),
            None => refused += 1,
        }
    }
    assert!(refused > WOUNDS / 10, "{refused} were refused");
}

#[test]
fn positions_and_bounds_of_any_bytes_are_read_or_refused() {
    let mut random = Random(0xb10c);
    let specimens = [block_row(-5, i64::MAX).to_vec(), 7u64.to_be_bytes().to_vec()];
    for n in 0..WOUNDS {
        let bytes = random.mutate(&specimens[n % 2], &specimens);
        assert_eq!(block_bounds(&bytes).is_some(), bytes.len() == 16);
        assert_eq!(database::read_seq(&bytes).is_ok(), bytes.len() == 8);
    }
}

#[test]
fn a_write_ahead_log_of_any_bytes_is_surveyed() {
    let dir = tempfile::tempdir().unwrap();
    crash(dir.path(), "");
    let whole = std::fs::read(write_ahead_log(dir.path())).unwrap();
    let (records, _) = wal::scan(&whole);
    // Its beginning, its end, all of it, and what is no log at all.
    let noise = (0..70_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (first, last) = (whole[..3_000].to_vec(), whole[whole.len() - 3_000..].to_vec());
    let specimens = [first, last, whole, noise, vec![0; 40_000]];
    let mut random = Random(0x3a1);
    for n in 0..600 {
        let bytes = random.mutate(&specimens[n % specimens.len()], &specimens);
        let (found, end) = wal::scan(&bytes);
        assert!(found <= records + bytes.len() / 7);
        match end {
            End::Whole => {}
            End::Torn { at } | End::Damaged { at, .. } => {
                assert!(at <= bytes.len(), "{at} of {}", bytes.len())
            }
        }
    }
}

/// The one file of a backup that is not the database's own.
#[test]
fn a_list_of_a_backup_of_any_bytes_is_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = upkeep::filled(&dir.path().join("store"), 50);
    let to = dir.path().join("backup");
    backup(&options, &options.dir.join("log"), &[], &BackupTarget { dir: &to, replace: false }, &|_, _| {})
        .unwrap();
    let list = std::fs::read(to.join("backup.json")).unwrap();
    let escape = String::from_utf8(list.clone()).unwrap().replace("log/", "log/../../");
    let specimens = [list, escape.into_bytes()];
    let (mut random, mut refused) = (Random(0x11f7), 0);
    for n in 0..150 {
        std::fs::write(to.join("backup.json"), random.mutate(&specimens[n % 2], &specimens)).unwrap();
        let inner = dir.path().join("inner");
        refused += usize::from(restore(&to, &small(&inner.join("restored")), &|_, _| {}).is_err());
        assert!(!inner.join("CURRENT").exists() && !dir.path().join("CURRENT").exists(), "it got out");
        std::fs::remove_dir_all(inner).unwrap_or_default();
    }
    assert!(refused >= 75, "{refused} were refused");
}

/// Rows of every family are changed for others: a check finds it, and whoever opens the store
/// and asks gets an answer or a refusal.
#[test]
fn a_store_with_rows_of_any_bytes_is_checked_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(0xf00d);
    let mut found = 0;
    for round in 0..18 {
        let options = upkeep::filled(&dir.path().join(round.to_string()), 60);
        let family = Family::ALL[round % Family::ALL.len()];
        wound(&options, family, &mut random);
        let report = catch_unwind(|| check(&options, &options.dir.join("log"), &upkeep::how()));
        let report = report.unwrap_or_else(|_| panic!("the check panics over rows of {family:?}"));
        found += usize::from(report.is_err() || report.is_ok_and(|report| report.findings_total > 0));
        assert!(catch_unwind(|| ask(&options)).is_ok(), "round {round}: rows of {family:?}");
    }
    assert!(found >= 13, "the check has found {found} of 18");
    assert_eq!(check_now(&upkeep::filled(&dir.path().join("sound"), 60)).findings, []);
}

/// Three rows of a family get another value or, but for positions of the log, which checksums of
/// the files guard, another key.
fn wound(options: &StoreOptions, family: Family, random: &mut Random) {
    let db = Database::open(options).unwrap();
    let rows = db.raw().iterator_cf(db.cf(family), rocksdb::IteratorMode::Start);
    let mut rows: Vec<(Vec<u8>, Vec<u8>)> =
        rows.map(|row| row.map(|(key, value)| (key.into(), value.into())).unwrap()).collect();
    rows.push((vec![3; 32], vec![1, 2, 3]));
    let values: Vec<Vec<u8>> =
        rows.iter().map(|(_, value)| value.clone()).filter(|v| !v.is_empty()).collect();
    for _ in 0..3 {
        let (key, value) = &rows[random.below(rows.len())];
        let (key, value) = match random.below(3) {
            0 if family != Family::Log => (random.mutate(key, &values), value.clone()),
            _ => (key.clone(), random.mutate(value, &values)),
        };
        db.raw().put_cf(db.cf(family), key, value).unwrap();
    }
}

fn ask(options: &StoreOptions) {
    let Ok(store) = open(options) else { return };
    let tag = TagFilter { name: "t".to_owned(), values: vec!["t1".to_owned()] };
    let filters = [
        Filter::default(),
        Filter { kinds: vec![1001], ..Filter::default() },
        Filter { authors: vec![PubKey([1; 32])], ..Filter::default() },
        Filter { authors: vec![PubKey([1; 32])], kinds: vec![1001], ..Filter::default() },
        Filter { tags: vec![tag], ..Filter::default() },
        Filter { ids: vec![*crate::event::EventFields::id(&numbered(3))], ..Filter::default() },
        Filter { since: Some(10), until: Some(20), ..Filter::default() },
    ];
    let asker = Asker::new();
    for filter in filters {
        for span in [Span::Ascending, Span::Last(2)] {
            let query = Query { span, ..query(filter.clone(), ReadAccess::All, store.tail().head()) };
            store.query(&asker.client, Ticket(0), query);
            // An answer of either kind; a reader that has died gives none.
            let _ = asker.pages.recv_timeout(Duration::from_secs(60)).expect("an answer");
        }
    }
    // Read or refused.
    let _ = (store.keys(), store.stats());
    assert_eq!(asker.append(&store, &[numbered(1_000), numbered(1_001)]).len(), 2);
}
