//! What an operation sees of the database: [`Db`] to read, [`Tx`] to read and write.

use super::Origin;
use crate::gather::bell::Topic;
use crate::gather::door::Place;
use crate::gather::rules::ids;
use crate::gather::rules::time::Time;
use crate::gather::{Context, Fault};
use rusqlite::{Connection, Params, Row};
use std::cell::{OnceCell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

/// A consistent view of the database at one moment of Gather's clock.
pub struct Db<'a> {
    connection: &'a Connection,
    now: Time,
    context: &'a Context,
}

impl<'a> Db<'a> {
    pub(super) fn new(connection: &'a Connection, context: &'a Context) -> Db<'a> {
        Db { connection, now: context.now(), context }
    }

    /// The moment of this operation; the same from its begin to its end.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Options, keys and ports.
    pub fn context(&self) -> &Context {
        self.context
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        Ok(rows.next()?.map(read).transpose()?)
    }

    /// Every row; the statement bounds how many (`LIMIT`).
    ///
    /// # Errors
    /// The database's.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number in the first column of the first row; 0 without a row.
    ///
    /// # Errors
    /// The database's.
    pub fn number(&self, sql: &str, params: impl Params) -> Result<i64, Fault> {
        Ok(self.one(sql, params, |row| row.get::<_, Option<i64>>(0))?.flatten().unwrap_or(0))
    }
}

/// What is to be done when a transaction is on disk, before it is answered.
#[derive(Debug, Default)]
pub struct Effects {
    /// Each once.
    pub list: Vec<Effect>,
    /// Rows with `door_pending` wait for the relay's allowlist, and the answer for that.
    pub door: Option<Place>,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// There is something new for those who wait for this.
    Ring(Topic),
    /// Rows of the outbox wait to be published.
    Outbox,
    /// The keeper has something to do.
    Upkeep,
    /// The log is to be folded from its start.
    FoldAgain,
}

/// One operation's part of a commit: all of it happens, or nothing.
pub struct Tx<'a> {
    db: Db<'a>,
    effects: Rc<RefCell<Effects>>,
    origin: OnceCell<Origin>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Db<'a>;

    fn deref(&self) -> &Db<'a> {
        &self.db
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, context: &'a Context) -> Tx<'a> {
        Tx { db: Db::new(connection, context), effects: Rc::default(), origin: OnceCell::new() }
    }

    /// Changes rows; how many.
    ///
    /// # Errors
    /// The database's.
    pub fn run(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Inserts a row; its number `n`.
    ///
    /// # Errors
    /// The database's.
    pub fn insert(&self, sql: &str, params: impl Params) -> Result<i64, Fault> {
        Ok(self.connection.prepare_cached(sql)?.insert(params)?)
    }

    /// A new record id.
    pub fn new_id(&self) -> String {
        match self.origin() {
            Some(origin) => origin.record_id(),
            None => ids::record_id(rand::random),
        }
    }

    /// The agent's own event that is being applied, if this is about one.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.get()
    }

    /// Does a part of the operation, which alone is undone if it fails (unless its fault keeps).
    /// With an `origin`, record ids come from it, and it counts as told what it tells.
    ///
    /// # Errors
    /// Those of `work`; the database's.
    pub fn part<T>(
        &self,
        origin: Option<Origin>,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Db { connection, now, context } = self.db;
        let part = Tx {
            db: Db { connection, now, context },
            effects: Rc::clone(&self.effects),
            origin: origin.map_or_else(OnceCell::new, OnceCell::from),
        };
        self.run("SAVEPOINT part", [])?;
        let result = work(&part);
        if matches!(&result, Err(fault) if !fault.keeps) {
            self.run("ROLLBACK TO part", [])?;
        }
        self.run("RELEASE part", [])?;
        result
    }

    /// Asks for an effect once this is on disk.
    pub fn then(&self, effect: Effect) {
        let list = &mut self.effects.borrow_mut().list;
        if !list.contains(&effect) {
            list.push(effect);
        }
    }

    /// Has the answer wait, once this is on disk, until the relay's allowlist was told of the rows
    /// with `door_pending`.
    ///
    /// # Errors
    /// 503: too many wait.
    pub fn then_door(&self) -> Result<(), Fault> {
        let door = &mut self.effects.borrow_mut().door;
        if door.is_none() {
            let waiting = &self.context().waiting_for_door;
            // The follower has one transaction at a time.
            *door = Some(if self.origin().is_some() { waiting.join() } else { waiting.enter()? });
        }
        Ok(())
    }

    pub(super) fn into_effects(self) -> Effects {
        self.effects.take()
    }
}
