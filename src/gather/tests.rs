//! The database's promises, on a scratch file: commits, faults, panics, the ledger.

use super::connections::{Connection, Connections};
use super::ledger::{self, Account};
use super::operator::{RelayFigures, RelayRules, RelayStorage, StoredKinds};
use super::ports::{
    Attributes, Chain, ChainTx, Later, PortError, Ports, PrintOrder, PrintService, PrintState, Rate,
    RelayDoor, RelayWindow, Tweet, Tweets,
};
use super::rules::money::{Decimal, Sats};
use super::upstreams::Upstreams;
use super::*;
use crate::base::PubKey;
use crate::ingest::ListedKey;
use crate::log::Role;
use std::sync::mpsc;

pub(super) struct NoDoor;

impl RelayDoor for NoDoor {
    fn admit(&self, _: &PubKey, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn expel(&self, _: &PubKey) -> Result<(), String> {
        Ok(())
    }

    fn allowed(&self, _: &PubKey) -> bool {
        false
    }

    fn is_admin(&self, _: &PubKey) -> bool {
        false
    }

    fn list(&self) -> Vec<ListedKey> {
        Vec::new()
    }

    fn allow(&self, _: &PubKey, _: Role, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn remove(&self, _: &PubKey) -> Result<bool, String> {
        Ok(false)
    }
}

impl RelayWindow for NoDoor {
    fn figures(&self) -> RelayFigures {
        unreachable!("nobody looks at it")
    }

    fn storage(&self) -> RelayStorage {
        unreachable!("nobody looks at it")
    }

    fn kinds(&self) -> Result<StoredKinds, String> {
        unreachable!("nobody looks at it")
    }

    fn rules(&self) -> RelayRules {
        unreachable!("nobody looks at it")
    }

    fn connections(&self, _: Option<&PubKey>, _: usize) -> Connections {
        unreachable!("nobody looks at it")
    }

    fn connection(&self, _: &str) -> Option<Connection> {
        None
    }

    fn close_connection(&self, _: &str) -> bool {
        false
    }
}

impl Tweets for NoDoor {
    fn tweet<'a>(&'a self, _: &'a str) -> Later<'a, Tweet> {
        Box::pin(async { Err(PortError::Unknown("tweets")) })
    }
}

const AWAY: PortError = PortError::Unreachable("a double");

impl Chain for NoDoor {
    fn transaction<'a>(&'a self, _: &'a str) -> Later<'a, ChainTx> {
        Box::pin(async { Err(AWAY) })
    }
}

impl Rate for NoDoor {
    fn usd_per_bch(&self) -> Later<'_, Decimal> {
        Box::pin(async { Err(AWAY) })
    }
}

impl PrintService for NoDoor {
    fn values<'a>(&'a self, _: &'a str, _: &'a Attributes, _: &'a str) -> Later<'a, Vec<String>> {
        Box::pin(async { Err(AWAY) })
    }

    fn product_uid<'a>(&'a self, _: &'a str, _: &'a Attributes) -> Later<'a, Option<String>> {
        Box::pin(async { Err(AWAY) })
    }

    fn cost_usd<'a>(&'a self, _: &'a str) -> Later<'a, Decimal> {
        Box::pin(async { Err(AWAY) })
    }

    fn place<'a>(&'a self, _: &'a PrintOrder) -> Later<'a, String> {
        Box::pin(async { Err(AWAY) })
    }

    fn placed<'a>(&'a self, _: &'a str) -> Later<'a, Option<String>> {
        Box::pin(async { Err(AWAY) })
    }

    fn state<'a>(&'a self, _: &'a str) -> Later<'a, PrintState> {
        Box::pin(async { Err(AWAY) })
    }
}

pub(super) fn options() -> Options {
    Options {
        registration: Registration::Open,
        post_fee_usd: "0.02".to_owned(),
        comment_fee_usd: "0.005".to_owned(),
        free_posts_per_week: 1,
        free_comments_per_day: 10,
        pow_register: 2,
        pow_post: 2,
        pow_min: 1,
        pow_max: 8,
        pow_calm_per_minute: 60,
        jwt_key: None,
        admin: None,
        clock_offset_seconds: 0,
        reader_threads: 2,
        public_url: String::new(),
        relay_url: String::new(),
        bch_address: String::new(),
        deposit_memo: false,
        channel_members_max: 200,
    }
}

pub(super) fn ports() -> Ports {
    Ports {
        chain: Arc::new(NoDoor),
        rate: Arc::new(NoDoor),
        relay: Arc::new(NoDoor),
        window: Arc::new(NoDoor),
        tweets: Arc::new(NoDoor),
        print: Arc::new(NoDoor),
        upstreams: Arc::new(Upstreams::new(Clock::new(), Vec::new())),
    }
}

fn start(dir: &Path) -> Gather {
    Gather::start(dir, options(), ports(), Clock::new()).unwrap()
}

/// Runs one write and waits for it.
pub(super) fn write<T: Send + 'static>(
    gather: &Gather,
    work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (done, answer) = mpsc::channel();
    gather.write(work, move |result| done.send(result).unwrap());
    answer.recv().unwrap()
}

pub(super) fn read<T: Send + 'static>(
    gather: &Gather,
    work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (done, answer) = mpsc::channel();
    gather.read(work, move |result| done.send(result).unwrap());
    answer.recv().unwrap()
}

fn add(tx: &Tx<'_>, code: &str) -> Result<(), Fault> {
    tx.run("INSERT INTO invites (code, created) VALUES (?1, 0)", [code]).map(drop)
}

fn codes(gather: &Gather) -> Vec<String> {
    read(gather, |db| db.all("SELECT code FROM invites ORDER BY code", [], |row| row.get(0))).unwrap()
}

#[test]
fn one_operation_s_end_is_no_other_s() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    let (done, answers) = mpsc::channel();
    // Held up, so that what follows is gathered into one commit with it.
    let (go, gate) = mpsc::channel::<()>();
    let tell = |name: &'static str| {
        let done = done.clone();
        move |result: Result<(), Fault>| done.send((name, result.map_err(|f| f.kind))).unwrap()
    };
    gather.write(
        move |tx| {
            gate.recv().unwrap();
            add(tx, "first")
        },
        tell("first"),
    );
    gather.write(|tx| add(tx, "refused").and(Err(Fault::bad("no"))), tell("refused"));
    gather.write(
        |tx| {
            add(tx, "panics")?;
            panic!("a bug")
        },
        tell("panics"),
    );
    gather.write(|tx| add(tx, "kept").and(Err(Fault::bad("no").keeping())), tell("kept"));
    gather.write(|tx| add(tx, "last"), tell("last"));
    go.send(()).unwrap();
    let told: Vec<_> = answers.iter().take(5).collect();
    assert_eq!(
        told,
        [
            ("first", Ok(())),
            ("refused", Err(FaultKind::Bad)),
            ("panics", Err(FaultKind::Internal)),
            ("kept", Err(FaultKind::Bad)),
            ("last", Ok(())),
        ]
    );
    assert_eq!(codes(&gather), ["first", "kept", "last"]);
    gather.close();
    let again = start(dir.path());
    assert_eq!(codes(&again), ["first", "kept", "last"], "it is on disk");
    again.close();
}

#[test]
fn readers_cannot_write_and_a_closed_gather_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    let tried = read(&gather, |db| db.one("DELETE FROM invites RETURNING code", [], |_| Ok(())));
    assert_eq!(tried.unwrap_err().kind, FaultKind::Internal);
    gather.close();
    let (done, answer) = mpsc::channel();
    gather.write(|tx| add(tx, "late"), move |result| done.send(result).unwrap());
    assert_eq!(answer.recv().unwrap().unwrap_err().kind, FaultKind::Unavailable);
}

#[test]
fn the_ledger_makes_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let gather = start(dir.path());
    write(&gather, |tx| {
        for n in 1..=2u8 {
            tx.run(
                "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, created) VALUES (?1, ?1, '', ?2, ?1, 0)",
                (format!("agent{n}"), [n; 32]),
            )?;
        }
        ledger::transfer(tx, "deposit", Account::Outside, Account::Agent(1), Sats(1_000), ("", ""))
    })
    .unwrap();
    // Sixteen at once, each more than a sixteenth: some are refused, none overdraws.
    let (done, answers) = mpsc::channel();
    for _ in 0..16 {
        let done = done.clone();
        let tip = |tx: &Tx<'_>| {
            ledger::transfer(tx, "tip", Account::Agent(1), Account::Agent(2), Sats(90), ("", ""))
        };
        gather.write(tip, move |result| done.send(result).unwrap());
    }
    let passed = answers.iter().take(16).filter(Result::is_ok).count();
    assert_eq!(passed, 11, "11 × 90 ≤ 1000 < 12 × 90");
    let (one, two) = read(&gather, |db| Ok((ledger::balance(db, 1)?, ledger::balance(db, 2)?))).unwrap();
    assert_eq!((one.balance, one.deposited, one.spent), (Sats(10), Sats(1_000), Sats(990)));
    assert_eq!((two.balance, two.deposited, two.spent), (Sats(990), Sats(0), Sats(0)));
    let sum = |db: &Db<'_>| db.number("SELECT sum(balance) FROM accounts", []);
    assert_eq!(read(&gather, sum).unwrap(), 0);
    let frozen = write(&gather, |tx| {
        tx.run("UPDATE accounts SET frozen = 1 WHERE agent = 2", [])?;
        ledger::transfer(tx, "tip", Account::Agent(2), Account::Agent(1), Sats(1), ("", ""))
    });
    assert_eq!(frozen.unwrap_err().kind, FaultKind::Forbidden, "W12");
    gather.close();
}
