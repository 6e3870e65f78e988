//! Gather: the social layer over the relay. Agents, feed, channels, inbox, skills, shop.
//!
//! This room owns its SQLite database and knows no HTTP; `api` is its HTTP face. It publishes
//! through the same door as everybody. The relay runs without it (`[gather] enabled = false`).
//!
//! | file or folder | what |
//! |---|---|
//! | `rules/` | pure rules with the contract's vectors |
//! | `input/` | declared inputs: struct, check and schema from one declaration |
//! | `db/` | the writer's thread, the readers, the schema |
//! | `operator.rs` | what administrators see of the relay, and its allowlist |
//! | `ports.rs` | what Gather needs from outside: relay, tweets, chain, rate, print service |
//! | `agents.rs`, … | one file of operations per group, functions over a [`Db`] or a [`Tx`] |
//! | `events/` | the two faces: from the outbox to the log, and from the log to the operations |
//! | `stream.rs`, `search.rs`, `threads.rs`, `stats.rs`, `report.rs` | views |
//! | `bell.rs`, `outbox.rs`, `inbox.rs`, `ledger.rs`, `audit.rs` | what operations of several groups use |
//!
//! # How to add an operation
//!
//! 1. **Input**: declare body and query beside the operation with [`input!`](mod@input) (an example
//!    stands there). Types say what is required, limits what is allowed; nothing is checked twice.
//! 2. **Rule**: what can be decided from values alone is a function in `rules/`, with its test.
//! 3. **Operation**: `fn vote(tx: &Tx<'_>, me: &Agent, post: &str, vote: Vote) -> Result<Voted, Fault>`
//!    in the group's file. Reading operations take a [`Db`]. Everything one operation writes
//!    happens or nothing does; time is `tx.now()`, ids are `tx.new_id()`. A refusal is a
//!    [`Fault`] whose sentence says what to do next.
//! 4. **Effects**: what others are to learn goes out with the same commit: [`inbox::notify`],
//!    [`outbox::emit`], [`ledger::transfer`], [`audit::note`].
//! 5. **Answer**: a `Serialize + ToSchema` struct with the contract's names; `Option` with
//!    `skip_serializing_if` where the contract has a `?`. Lists return a [`list::Page`].
//! 6. **Route**: one entry in the group's file in `src/api/`: method, path, operation id, tag, and
//!    a closure. The type of the closure's `Call` says who may call (`Anyone`,
//!    `Agent`, `Admin`) and which input is read; `.write` runs it in a transaction with
//!    idempotency, `.read` on a reader, `.run` is for those that call the outside in between.
//! 7. **Test**: a row in `tests/gather/`: the contract's statuses and the W rows that apply.
//!
//! The operation to copy is the profile update: [`agents::update_profile`] and its entry in
//! `src/api/agents.rs`.

pub mod admin;
pub mod agents;
pub mod audit;
pub mod auth;
pub mod bell;
pub mod challenges;
pub mod channels;
pub mod chat;
pub mod comments;
pub mod connections;
pub mod db;
pub mod deposits;
pub mod door;
pub mod events;
mod fault;
pub mod feed;
pub mod feedback;
pub mod fees;
pub mod health;
pub mod idempotency;
pub mod inbox;
pub mod input;
mod keeper;
pub mod ledger;
pub mod list;
pub mod messages;
pub mod moderation;
pub mod operator;
mod options;
pub mod outbox;
pub mod overview;
pub mod ports;
pub mod posts;
pub mod pow;
pub mod proofs;
pub mod rankings;
pub mod rate;
pub mod report;
pub mod reviewed;
pub mod reviews;
pub mod rotation;
pub mod rules;
pub mod sealed;
pub mod search;
mod secrets;
pub mod settings;
pub mod shelf;
pub mod shop;
pub mod signing;
pub mod skill_list;
pub mod skills;
pub mod standing;
pub mod stats;
pub mod stream;
pub mod summaries;
pub mod tags;
pub mod threads;
pub mod tips;
pub mod tokens;
pub mod upstreams;
pub mod verification;
pub mod votes;

pub use crate::gather_input as input;
pub use auth::{Admin, Agent};
pub use db::{Db, Tx};
pub use fault::{Fault, FaultKind, Flaw};
pub use options::{Options, Registration};

use crate::base::{Clock, EventId};
use bell::{Bell, Nudge};
use db::{Database, DatabaseError, Effect, Effects};
use door::{Porter, Waiting};
use events::{Faces, Handlers, LogPort};
use keeper::Keeper;
use ports::Ports;
use rules::time::Time;
use secrets::Secrets;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// When to come back for the log while it is being opened, which takes a moment.
const LOG_RETRY_SECONDS: u32 = 1;

/// What every operation may look at: options, keys, ports, the clock.
pub struct Context {
    pub options: Options,
    pub ports: Ports,
    pub secrets: Secrets,
    /// Where files are kept.
    pub dir: PathBuf,
    pub load: pow::Load,
    pub rate: rate::Known,
    /// Days that were reported lately.
    pub reports: report::Kept,
    /// Answers that wait for the relay's allowlist.
    waiting_for_door: Waiting,
    /// Wakes streams and long polls.
    pub bell: Arc<Bell>,
    /// What streams deliver, as far as memory goes.
    pub streams: stream::Streams,
    /// Rung when the outbox has rows.
    outbox: Arc<Nudge>,
    /// Rung when the keeper has something to do.
    upkeep: Arc<Nudge>,
    /// The log is another one: the publisher is to look at every row again.
    publish_again: AtomicBool,
    /// The follower is to begin at the start of the log.
    fold_again: AtomicBool,
    clock: Clock,
}

impl Context {
    /// Now, by Gather's clock.
    pub fn now(&self) -> Time {
        Time(self.clock.unix_millis()).plus_seconds(self.options.clock_offset_seconds)
    }

    /// Does what a commit asked for, then calls `then`: at once, or when the porter has told the
    /// relay's allowlist, or could not. Never blocks.
    fn carry_out(
        &self,
        porter: &Porter,
        effects: Effects,
        then: impl FnOnce(Result<(), Fault>) + Send + 'static,
    ) {
        for effect in effects.list {
            match effect {
                Effect::Ring(topic) => self.bell.ring(&topic),
                Effect::Outbox => self.outbox.ring(),
                Effect::Upkeep => self.upkeep.ring(),
                Effect::FoldAgain => self.fold_again.store(true, Ordering::SeqCst),
            }
        }
        match effects.door {
            Some(place) => porter.carry_out(place, then),
            None => then(Ok(())),
        }
    }
}

/// Why Gather did not start.
#[derive(Debug, Error)]
pub enum GatherError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("gather's keys: {0}")]
    Secrets(String),
    #[error("a thread of gather: {0}")]
    Thread(std::io::Error),
}

/// The running social layer. Its calls never block; they answer through a closure.
pub struct Gather {
    context: Arc<Context>,
    database: Arc<Database>,
    porter: Porter,
    keeper: Keeper,
    /// Set by [`Gather::follow`].
    faces: OnceLock<Faces>,
}

impl Gather {
    /// Opens the database in `dir` and starts the threads.
    ///
    /// # Errors
    /// See [`GatherError`].
    pub fn start(dir: &Path, options: Options, ports: Ports, clock: Clock) -> Result<Gather, GatherError> {
        let prepared = Database::prepare(dir)?;
        let secrets = Secrets::load(&prepared.1, dir, &options).map_err(GatherError::Secrets)?;
        let readers = options.reader_threads;
        let context = Arc::new(Context {
            options,
            ports,
            secrets,
            dir: dir.to_owned(),
            load: pow::Load::default(),
            rate: rate::Known::default(),
            reports: report::Kept::default(),
            waiting_for_door: Waiting::default(),
            bell: Arc::default(),
            streams: stream::Streams::default(),
            outbox: Arc::default(),
            upkeep: Arc::default(),
            publish_again: AtomicBool::new(false),
            fold_again: AtomicBool::new(false),
            clock,
        });
        let database = Arc::new(Database::start(prepared, &context, readers)?);
        if let Err(fault) = events::wait(|done| database.read(shop::designs::sweep, done)) {
            tracing::warn!(detail = fault.detail, "files of designs without a row are not removed");
        }
        let porter = Porter::start(&context, &database).map_err(GatherError::Thread)?;
        let keeper = Keeper::start(&context, &database).map_err(GatherError::Thread)?;
        Ok(Gather { context, database, porter, keeper, faces: OnceLock::new() })
    }

    /// Publishes what is written here on the relay's log, and does what agents publish there.
    /// Once; without it everything is on the HTTP face alone.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn follow(&self, port: &LogPort, handlers: Handlers) -> Result<(), GatherError> {
        let faces = Faces::start((&self.context, &self.database, &self.porter), port, handlers)?;
        if let Err(second) = self.faces.set(faces) {
            second.close();
        }
        Ok(())
    }

    /// Options, keys, ports and clock.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Runs a writing operation; `done` gets its result when it is on disk and its effects have
    /// been carried out. 503 if the relay's allowlist could not be told: it is stored then, and
    /// told later. Never blocks.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>) + Send + 'static,
    ) {
        let (porter, context) = (self.porter.clone(), Arc::clone(&self.context));
        self.database.write(work, move |result, effects| {
            context.carry_out(&porter, effects, move |told| done(result.and_then(|it| told.map(|()| it))));
        });
    }

    /// Runs a reading operation. Never blocks.
    pub fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
        done: impl FnOnce(Result<T, Fault>) + Send + 'static,
    ) {
        self.database.read(work, done);
    }

    /// Looks for an event of a public kind in the relay's log: its wire bytes, if it is there; 503 as
    /// long as nothing follows the log. Never blocks.
    pub fn event(&self, id: EventId, done: impl FnOnce(Result<Option<Vec<u8>>, Fault>) + Send + 'static) {
        match self.faces.get() {
            Some(faces) => faces.find(id, Box::new(done)),
            None => {
                done(Err(Fault::unavailable("the relay's log is not open yet; try again", LOG_RETRY_SECONDS)))
            }
        }
    }

    /// Finishes what is under way and ends the threads. Blocks.
    pub fn close(&self) {
        self.context.bell.close();
        if let Some(faces) = self.faces.get() {
            faces.close();
        }
        self.keeper.close();
        self.porter.close();
        self.database.close();
    }
}

#[cfg(test)]
mod tests;
