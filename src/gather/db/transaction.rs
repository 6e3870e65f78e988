//! What an operation sees of the database: [`Db`] to read, [`Tx`] to read and write.

use crate::gather::bell::Topic;
use crate::gather::rules::ids;
use crate::gather::rules::time::Time;
use crate::gather::{Context, Fault};
use rusqlite::{Connection, Params, Row};
use std::cell::RefCell;
use std::ops::Deref;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Rows with `door_pending` wait for the relay's allowlist.
    Door,
    /// There is something new for those who wait for this.
    Ring(Topic),
}

/// One operation's part of a commit: all of it happens, or nothing.
pub struct Tx<'a> {
    db: Db<'a>,
    effects: RefCell<Vec<Effect>>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Db<'a>;

    fn deref(&self) -> &Db<'a> {
        &self.db
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, context: &'a Context) -> Tx<'a> {
        Tx { db: Db::new(connection, context), effects: RefCell::default() }
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
        ids::record_id(rand::random)
    }

    /// Asks for an effect once this is on disk.
    pub fn then(&self, effect: Effect) {
        let mut effects = self.effects.borrow_mut();
        if !effects.contains(&effect) {
            effects.push(effect);
        }
    }

    pub(super) fn into_effects(self) -> Vec<Effect> {
        self.effects.into_inner()
    }
}
