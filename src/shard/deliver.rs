//! Live events to their subscribers: match, group by connection, one write per connection.
//!
//! The frames of a batch are laid out once in a scratch buffer. For the next connection only
//! the sub_ids are patched, as long as it wants the same events in frames of the same shape,
//! which is the common case; where it differs, the rest is laid out anew. So an envelope's
//! bytes are copied once per batch, whatever its size: sending large ones by reference would
//! save nothing but that one copy.

use super::conns::{Conn, ConnIndex, Conns};
use super::core::{Core, Net, Sent};
use super::dispatch::Routed;
use super::inbox::Inbox;
use crate::base::{Closing, Now, Seq, Stage};
use crate::event::{Envelope, EventFields};
use crate::session::SubIndex;
use crate::wire::put_envelope;
use std::sync::Arc;

/// Bytes of events laid out at once. Stays in the second-level cache while it is sent to
/// many, and bounds the scratch buffer (one event of the largest size may go beyond).
const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Matches gathered before they are delivered; the last event may go beyond. Bounds the buffers
/// to some MiB: a chunk holds a thousand small events, and each can match every subscription.
const MATCHES_MAX: usize = 128 << 10;

/// From so many items on, matching them is measured each time: some 10 µs beside two reads of
/// the clock, which are 0.4.
const LONG_CHUNK_ITEMS: usize = 32;

/// One event to deliver; ephemeral ones have no position.
type Item<'a> = (Option<Seq>, &'a Envelope);

/// An item that a subscription wants.
#[derive(Debug, Clone, Copy, Default)]
struct Match {
    conn: u32,
    sub: u32,
    item: u32,
}

/// One frame in the scratch buffer.
#[derive(Debug, Clone, Copy)]
struct Placed {
    item: u32,
    sub: SubIndex,
    sub_id_len: usize,
    with_seq: bool,
    /// Where the sub_id begins.
    at: usize,
    end: usize,
}

/// Buffers of the delivery, reused from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Deliver {
    keys: Vec<(u32, u32)>,
    matches: Vec<Match>,
    sorted: Vec<Match>,
    /// Per connection place: how many matches, then where the next one goes.
    counts: Vec<u32>,
    touched: Vec<u32>,
    layout: Layout,
}

impl<N: Net> Core<N> {
    /// Delivers every committed batch in the inbox, in as few writes as possible.
    pub(super) fn deliver_live(&mut self, now: Now, inbox: &Inbox) {
        let mut batches: Vec<Arc<Routed>> = Vec::new();
        while let Some(batch) = inbox.next_live() {
            batches.push(batch);
        }
        self.deliver_batches(now, &batches);
    }

    /// Delivers what the interest table says this shard could want.
    pub(super) fn deliver_batches(&mut self, now: Now, batches: &[Arc<Routed>]) {
        let stage = self.watch.enter(Stage::Match);
        let number = self.number;
        let mut items: Vec<Item<'_>> = Vec::new();
        let mut bytes = 0;
        for (seq, event) in batches.iter().flat_map(|batch| batch.of_shard(number)) {
            if bytes >= CHUNK_BYTES_MAX {
                self.deliver_items(now, &items);
                items.clear();
                bytes = 0;
            }
            bytes += event.wire_len();
            items.push((seq, event));
        }
        self.deliver_items(now, &items);
        for committed_nanos in batches.iter().filter_map(|batch| batch.committed_nanos()) {
            self.ports.counters.fanout_nanos.record(now.nanos.saturating_sub(committed_nanos), 1);
        }
        self.watch.enter(stage);
    }

    fn deliver_items(&mut self, now: Now, mut items: &[Item<'_>]) {
        while !items.is_empty() {
            let mut deliver = std::mem::take(&mut self.deliver);
            let (now_due, later) = items.split_at(self.collect(items, &mut deliver));
            self.deliver_matches(now, now_due, &mut deliver);
            self.deliver = deliver;
            items = later;
        }
    }

    /// Gathers the matches of as many items as the bound on them allows, by connection; how many
    /// items that were.
    fn collect(&self, items: &[Item<'_>], deliver: &mut Deliver) -> usize {
        let long = items.len() >= LONG_CHUNK_ITEMS;
        if long {
            self.watch.begin_long(Stage::Match);
        }
        let collected = deliver.collect(self, items);
        deliver.group(self.conns.places());
        if long {
            self.watch.end_long(Stage::Match);
        }
        collected
    }

    fn deliver_matches(&mut self, now: Now, items: &[Item<'_>], deliver: &mut Deliver) {
        let stage = self.watch.enter(Stage::Encode);
        deliver.layout.clear();
        let mut start = 0;
        for &place in &deliver.touched {
            let end = deliver.counts[place as usize] as usize;
            self.deliver_to(now, ConnIndex(place), &deliver.sorted[start..end], items, &mut deliver.layout);
            deliver.counts[place as usize] = 0;
            start = end;
            self.watch.next_piece();
        }
        deliver.touched.clear();
        self.watch.enter(stage);
    }

    /// All of one connection's matches, in one write.
    fn deliver_to(
        &mut self,
        now: Now,
        index: ConnIndex,
        matches: &[Match],
        items: &[Item<'_>],
        layout: &mut Layout,
    ) {
        let queue_bytes_max = self.queue_bytes_max();
        let Some(conn) = self.conns.get_mut(index) else { return };
        let placed = layout.place(conn, matches, items);
        if placed == 0 {
            return;
        }
        let frames = &layout.placed[..placed];
        let bytes = &layout.bytes[..frames[placed - 1].end];
        let mut sent = 0;
        if conn.session.queued_bytes() == 0 {
            self.ports.counters.writes.add(1);
            let stage = self.watch.enter(Stage::Send);
            let took = self.net.send(index, bytes);
            self.watch.enter(stage);
            match took {
                Sent::Took(n) => sent = n,
                Sent::Gone => {
                    conn.session.abort(Closing::Gone);
                    self.mark_dirty(index);
                    return;
                }
            }
            self.ports.counters.bytes_out.add(sent as u64);
            conn.session.out().begin(now.ms);
            conn.blocked = sent < bytes.len();
        }
        let mut start = 0;
        let mut dropped = None;
        for (i, frame) in frames.iter().enumerate() {
            let from = start.max(sent);
            let started = sent > start;
            start = frame.end;
            if from < frame.end {
                // A frame that was begun must be finished, whatever the bound.
                if !started && conn.session.queued_bytes() >= queue_bytes_max {
                    dropped = Some(i);
                    break;
                }
                conn.session.out().end().extend_from_slice(&bytes[from..frame.end]);
            }
            if let Some(seq) = items[frame.item as usize].0 {
                conn.session.delivered(frame.sub, seq);
            }
        }
        self.ports.counters.deliveries.add(dropped.unwrap_or(placed) as u64);
        self.account(index);
        if let Some(first) = dropped {
            self.leave_to_log(index, &layout.placed[first..placed], items);
        }
    }

    /// These frames did not fit: their subscriptions go on from the log; ephemeral events are
    /// skipped.
    fn leave_to_log(&mut self, index: ConnIndex, frames: &[Placed], items: &[Item<'_>]) {
        for frame in frames {
            match items[frame.item as usize].0 {
                Some(seq) => self.fall_back(index, frame.sub, Seq(seq.0 - 1)),
                None => self.ports.counters.skipped_ephemerals.add(1),
            }
        }
    }

    /// The bound on one connection's queue; an equal share of the shard's budget once that is
    /// used up, so that the longest queues fall back first.
    fn queue_bytes_max(&self) -> usize {
        let limits = &self.terms.limits;
        if self.queued_bytes <= limits.shard_queue_bytes_max {
            return limits.queue_bytes_max;
        }
        limits.queue_bytes_max.min(limits.shard_queue_bytes_max / self.conns.len().max(1))
    }
}

impl Deliver {
    /// Which subscriptions want which items, as far as the bound on matches lets it go; how
    /// many items that were.
    fn collect<N: Net>(&mut self, core: &Core<N>, items: &[Item<'_>]) -> usize {
        self.matches.clear();
        for (i, (_, event)) in items.iter().enumerate() {
            if self.matches.len() >= MATCHES_MAX {
                return i;
            }
            self.keys.clear();
            core.index.matches(*event, &mut self.keys);
            if self.keys.is_empty() {
                core.ports.counters.false_positives.add(1);
            }
            if event.kind().is_private() {
                self.keys.retain(|&(conn, sub)| may_read(&core.conns, conn, sub, event));
            }
            self.matches.extend(self.keys.iter().map(|&(conn, sub)| Match { conn, sub, item: i as u32 }));
        }
        items.len()
    }

    /// Sorts the matches by connection, each connection's in the order of the items (a
    /// counting sort: two passes, whatever the number of connections).
    fn group(&mut self, places: usize) {
        self.counts.resize(places, 0);
        for m in &self.matches {
            if self.counts[m.conn as usize] == 0 {
                self.touched.push(m.conn);
            }
            self.counts[m.conn as usize] += 1;
        }
        let mut next = 0;
        for &place in &self.touched {
            let count = std::mem::replace(&mut self.counts[place as usize], next);
            next += count;
        }
        self.sorted.clear();
        self.sorted.resize(self.matches.len(), Match::default());
        for m in &self.matches {
            let at = &mut self.counts[m.conn as usize];
            self.sorted[*at as usize] = *m;
            *at += 1;
        }
    }
}

fn may_read(conns: &Conns, conn: u32, sub: u32, event: &Envelope) -> bool {
    conns
        .get(ConnIndex(conn))
        .and_then(|conn| conn.session.live_target(SubIndex(sub), None))
        .is_some_and(|target| target.access.may_read(event))
}

/// The scratch buffer and what stands in it.
#[derive(Debug, Default)]
struct Layout {
    bytes: Vec<u8>,
    placed: Vec<Placed>,
}

impl Layout {
    fn clear(&mut self) {
        self.bytes.clear();
        self.placed.clear();
        self.bytes.shrink_to(2 * CHUNK_BYTES_MAX);
    }

    /// Lays out the frames of one connection, over those of the one before as far as they have
    /// the same shape. How many frames there are; the buffer may hold more behind them.
    fn place(&mut self, conn: &Conn, matches: &[Match], items: &[Item<'_>]) -> usize {
        let mut n = 0;
        for m in matches {
            let (seq, event) = items[m.item as usize];
            let sub = SubIndex(m.sub);
            let Some(target) = conn.session.live_target(sub, seq) else { continue };
            let sub_id = target.sub_id.as_bytes();
            match self.placed.get_mut(n) {
                Some(placed)
                    if placed.item == m.item
                        && placed.sub_id_len == sub_id.len()
                        && placed.with_seq == target.with_seq =>
                {
                    placed.sub = sub;
                    self.bytes[placed.at..placed.at + sub_id.len()].copy_from_slice(sub_id);
                }
                _ => {
                    self.placed.truncate(n);
                    self.bytes.truncate(self.placed.last().map_or(0, |p| p.end));
                    let with_seq = if target.with_seq { seq } else { None };
                    let at = put_envelope(&mut self.bytes, target.sub_id, with_seq, event.wire());
                    self.placed.push(Placed {
                        item: m.item,
                        sub,
                        sub_id_len: sub_id.len(),
                        with_seq: target.with_seq,
                        at,
                        end: self.bytes.len(),
                    });
                }
            }
            n += 1;
        }
        n
    }
}
