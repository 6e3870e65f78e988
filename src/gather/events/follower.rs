//! Along the log by position, page by page; near the head from memory.

use super::figures::Figures;
use super::fold::{self, Fold};
use super::handlers::Handlers;
use super::port::{LogPort, PAGE_EVENTS_MAX, Talk};
use super::signed::SignedEvent;
use super::wait;
use crate::base::{PubKey, Seq};
use crate::event::{EventFields, EventView};
use crate::gather::db::Database;
use crate::gather::door::Porter;
use crate::gather::{Context, Fault, FaultKind, outbox, rate};
use bumpalo::Bump;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long figures and the position wait for company, as long as nothing of ours comes along.
const QUIET: Duration = Duration::from_secs(5);
const QUIET_MS: u64 = 5_000;
/// After a failure.
const RETRY: Duration = Duration::from_millis(500);

pub(super) struct Follower {
    context: Arc<Context>,
    database: Arc<Database>,
    porter: Porter,
    talk: Talk,
    handlers: Arc<Handlers>,
    platform: PubKey,
    /// The position in the database, and how far was read beyond it.
    written: Seq,
    read: Seq,
    written_at: u64,
    figures: Figures,
    /// The position has been taken from the database.
    begun: bool,
}

impl Follower {
    pub fn new(
        (context, database, porter): (&Arc<Context>, &Arc<Database>, &Porter),
        port: LogPort,
        handlers: Handlers,
    ) -> Follower {
        Follower {
            context: Arc::clone(context),
            database: Arc::clone(database),
            porter: porter.clone(),
            talk: Talk::new(port),
            handlers: Arc::new(handlers),
            platform: context.secrets.platform_key(),
            written: Seq::ZERO,
            read: Seq::ZERO,
            written_at: context.clock.now().0,
            figures: Figures::default(),
            begun: false,
        }
    }

    /// Takes its position, before anybody asks how far the log goes; if that fails, it is tried
    /// again.
    pub fn prepare(&mut self) {
        self.begun = self.begin().is_ok();
    }

    pub fn serve(mut self) {
        let bell = Arc::clone(&self.talk.port().bell);
        loop {
            if self.context.fold_again.swap(false, Ordering::SeqCst) || !self.begun {
                self.prepare();
            }
            let went = if self.begun { self.go(&bell) } else { Err(Fault::conflict("no position")) };
            if let Err(fault) = &went {
                tracing::warn!(detail = fault.detail, "the log could not be followed");
                self.begun = false;
            }
            if !bell.wait(if went.is_ok() { QUIET } else { RETRY }) {
                if self.begun
                    && let Err(fault) = self.write(Vec::new(), self.read, false)
                {
                    tracing::warn!(detail = fault.detail, "the position could not be written");
                }
                return;
            }
        }
    }

    /// Takes the position from the database; another log is followed from its start.
    fn begin(&mut self) -> Result<(), Fault> {
        let log = self.talk.port().tail.log_id();
        let head = self.talk.port().tail.head();
        let stands = wait(|done| self.database.read(fold::position, done))?;
        self.figures = Figures::default();
        self.written = match stands {
            Some((known, seq)) if known == log && seq <= head => seq,
            _ => {
                let begin = move |tx: &crate::gather::Tx<'_>| fold::begin(tx, log);
                wait(|done| self.database.write(begin, move |result, _| done(result)))?;
                self.context.publish_again.store(true, Ordering::SeqCst);
                self.context.outbox.ring();
                Seq::ZERO
            }
        };
        self.read = self.written;
        self.context.streams.begin(self.written);
        Ok(())
    }

    /// Folds everything up to the head.
    fn go(&mut self, bell: &crate::gather::bell::Nudge) -> Result<(), Fault> {
        while !bell.is_closed() {
            let head = self.talk.port().tail.head();
            if self.read >= head {
                break;
            }
            let (events, to) = self.take(head)?;
            if !events.is_empty() || self.figures.is_full() {
                self.fold(events, to)?;
            }
            self.read = to;
        }
        let now = self.context.clock.now().0;
        if self.read > self.written && now.saturating_sub(self.written_at) >= QUIET_MS {
            self.write(Vec::new(), self.read, false)?;
        }
        Ok(())
    }

    /// The next events of ours, and how far that goes; everything is counted.
    fn take(&mut self, head: Seq) -> Result<(Vec<(Seq, SignedEvent)>, Seq), Fault> {
        let mut events = Vec::new();
        if let Some(batches) = self.talk.port().tail.range(self.read, head) {
            for (seq, envelope) in batches.iter().flat_map(|batch| batch.iter()) {
                if seq <= self.read || seq > head {
                    continue;
                }
                self.look(seq, envelope, envelope.wire(), &mut events);
                if events.len() >= PAGE_EVENTS_MAX || self.figures.is_full() {
                    return Ok((events, seq));
                }
            }
            return Ok((events, head));
        }
        let page = self.talk.page(self.read, head).map_err(Fault::internal)?;
        let mut arena = Bump::new();
        for (seq, wire) in page.iter() {
            if let Ok(view) = EventView::parse(wire, &arena) {
                self.look(seq, &view, wire, &mut events);
            }
            arena.reset();
        }
        Ok((events, page.covered))
    }

    /// Counts one event, and keeps it if it is of a kind of ours.
    fn look(
        &mut self,
        seq: Seq,
        event: &impl EventFields,
        wire: &[u8],
        events: &mut Vec<(Seq, SignedEvent)>,
    ) {
        let ours = *event.pubkey() == self.platform;
        let acting = event.tag_heads().find(|(name, _)| ours && *name == "agent");
        let acting = acting.and_then(|(_, value)| PubKey::from_hex(value?));
        self.figures.count(event.kind().0, event.created_at(), acting.unwrap_or(*event.pubkey()));
        if outbox::name(event.kind().0).is_some()
            && let Some(signed) = signed(wire)
        {
            events.push((seq, signed));
        }
    }

    /// Folds events; if ours fails, one by one, and what fails alone is left out.
    fn fold(&mut self, events: Vec<(Seq, SignedEvent)>, to: Seq) -> Result<(), Fault> {
        let costs = |event: &SignedEvent| matches!(event.kind, outbox::POST | outbox::COMMENT);
        if events.iter().any(|(_, event)| event.pubkey != self.platform && costs(event)) {
            // As the HTTP face does before it takes a fee.
            rate::refresh_for_follower(&self.context);
        }
        match self.write(events.clone(), to, false) {
            Err(fault) if fault.kind == FaultKind::Internal => {}
            result => return result,
        }
        for (seq, event) in events {
            let id = event.id;
            match self.write(vec![(seq, event.clone())], seq, false) {
                Err(fault) if fault.kind == FaultKind::Internal => {
                    tracing::error!(event = %id, detail = fault.detail, "an event is left out");
                    self.write(vec![(seq, event)], seq, true)?;
                }
                result => result?,
            }
        }
        self.write(Vec::new(), to, false)
    }

    fn write(&mut self, events: Vec<(Seq, SignedEvent)>, to: Seq, skip: bool) -> Result<(), Fault> {
        if to == self.written && self.figures.is_empty() {
            return Ok(());
        }
        let fold = Fold {
            log: self.talk.port().tail.log_id(),
            from: self.written,
            to,
            events: Arc::new(events),
            figures: self.figures.clone(),
            handlers: Arc::clone(&self.handlers),
            platform: self.platform,
            skip,
        };
        let (context, porter) = (Arc::clone(&self.context), self.porter.clone());
        let entries = wait(|done| {
            self.database.write(
                move |tx| fold.run(tx),
                // It is folded whether the door was told or not; the porter tries again by itself.
                move |result, effects| context.carry_out(&porter, effects, move |_| done(result)),
            );
        })?;
        self.figures = Figures::default();
        self.written = to;
        self.written_at = self.context.clock.now().0;
        for topic in self.context.streams.add(entries, to) {
            self.context.bell.ring(&topic);
        }
        Ok(())
    }
}

/// The event as its own.
fn signed(wire: &[u8]) -> Option<SignedEvent> {
    let arena = Bump::new();
    let view = EventView::parse(wire, &arena).ok()?;
    let tag = |tag: &crate::event::Tag<'_>| {
        (tag.name.to_owned(), tag.values.iter().map(|value| (*value).to_owned()).collect())
    };
    Some(SignedEvent {
        id: view.id,
        pubkey: view.pubkey,
        kind: view.kind.0,
        created_at: view.created_at,
        content: view.content.to_vec(),
        tags: view.tags.iter().map(tag).collect(),
    })
}
