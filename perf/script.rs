//! What will be published: signed events in masked frames, one after the other, made beforehand.

use crate::failure::{Failure, Result};
use crate::frame::put_message;
use crate::keys::Identity;
use crate::plan::Plan;
use axon::base::Kind;
use axon::event::EventBuilder;
use axon::wire::ClientMessage;

/// What the events of a run look like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// In turn.
    pub kinds: Vec<u16>,
    /// Bytes of one event on the wire, its map's whole.
    pub size: usize,
    pub tags: usize,
    /// The first tag is `t` with one of this many values, in turn.
    pub topics: usize,
    /// Unix seconds.
    pub created_at: i64,
}

impl Shape {
    /// That of a plan's events.
    pub fn of(plan: &Plan, created_at: i64) -> Shape {
        let (size, tags, topics) = (plan.size, plan.tags, plan.topics());
        Shape { kinds: plan.kinds.clone(), size, tags, topics, created_at }
    }
}

/// The frames of one publisher.
pub struct Script {
    pub bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    pub ends: Vec<usize>,
}

/// The value of the first tag of event `index`.
pub fn topic(index: usize, topics: usize) -> String {
    format!("topic-{:06}", index % topics.max(1))
}

impl Script {
    /// Signs events number `first`, `first + step`, … (`count` of them), by the authors in turn.
    ///
    /// # Errors
    /// A shape no event can have.
    pub fn write(
        shape: &Shape,
        authors: &[Identity],
        first: usize,
        step: usize,
        count: usize,
    ) -> Result<Script> {
        let mut script = Script { bytes: Vec::new(), ends: Vec::with_capacity(count) };
        let mut scratch = Vec::new();
        let padding = shape.size.saturating_sub(signed(shape, &authors[0], 0, 0)?.len());
        for index in (first..).step_by(step.max(1)).take(count) {
            let author = &authors[index % authors.len()];
            let event = signed(shape, author, index, padding)?;
            put_message(&mut script.bytes, &ClientMessage::Publish { event: &event }, &mut scratch);
            script.ends.push(script.bytes.len());
        }
        Ok(script)
    }

    /// One script per publisher, `count` events in all, signed on every core.
    ///
    /// # Errors
    /// A shape no event can have.
    pub fn write_all(
        shape: &Shape,
        authors: &[Identity],
        publishers: usize,
        count: usize,
    ) -> Result<Vec<Script>> {
        let share = |publisher: usize| (count + publishers - 1 - publisher) / publishers;
        let pieces = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(publishers);
        std::thread::scope(|scope| {
            let mut writers = Vec::new();
            for publisher in 0..publishers {
                let per_piece = share(publisher).div_ceil(pieces).max(1);
                for piece in 0..pieces {
                    let done = (piece * per_piece).min(share(publisher));
                    let count = per_piece.min(share(publisher) - done);
                    let first = publisher + done * publishers;
                    let write = move || Script::write(shape, authors, first, publishers, count);
                    writers.push((publisher, scope.spawn(write)));
                }
            }
            let mut scripts: Vec<Script> =
                (0..publishers).map(|_| Script { bytes: Vec::new(), ends: Vec::new() }).collect();
            for (publisher, writer) in writers {
                let part =
                    writer.join().map_err(|_| Failure::Usage("a signing thread panicked".to_owned()))??;
                scripts[publisher].append(part);
            }
            Ok(scripts)
        })
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    fn append(&mut self, mut part: Script) {
        if self.ends.is_empty() {
            *self = part;
            return;
        }
        let base = self.bytes.len();
        self.bytes.append(&mut part.bytes);
        self.ends.extend(part.ends.iter().map(|end| base + end));
    }
}

fn signed(shape: &Shape, author: &Identity, index: usize, padding: usize) -> Result<Vec<u8>> {
    let mut tags = vec![("t".to_owned(), vec![topic(index, shape.topics)])];
    tags.extend((1..shape.tags).map(|tag| (format!("x{tag:02}"), vec![format!("v{:04}", index % 64)])));
    tags.truncate(shape.tags);
    let event = EventBuilder {
        kind: Kind(kind(shape, index)),
        created_at: shape.created_at,
        content: content(index, padding),
        tags,
    };
    let (_, wire) = event
        .finish(&author.pubkey, |id| author.sign(id))
        .map_err(|reason| Failure::Usage(format!("no such event: {reason}")))?;
    Ok(wire)
}

/// In turn, but not in step with authors, publishers and topics, which take turns too.
fn kind(shape: &Shape, index: usize) -> u16 {
    let scattered = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    shape.kinds.get(scattered as usize % shape.kinds.len().max(1)).copied().unwrap_or_default()
}

/// The index, which makes the event unlike the others, then bytes that do not compress.
pub fn content(index: usize, padding: usize) -> Vec<u8> {
    let mut out = (index as u64).to_be_bytes().to_vec();
    let mut state = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while out.len() < 8 + padding {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_be_bytes());
    }
    out.truncate(8 + padding);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_share_the_events_and_none_is_missing() {
        let authors = Identity::pool(1, 3);
        let shape = Shape { kinds: vec![1000], size: 300, tags: 2, topics: 5, created_at: 1 };
        let scripts = Script::write_all(&shape, &authors, 2, 21).unwrap();
        assert_eq!(scripts.iter().map(Script::len).collect::<Vec<_>>(), [11, 10]);
        let alone: Vec<Script> =
            (0..21).map(|index| Script::write(&shape, &authors, index, 1, 1).unwrap()).collect();
        for (publisher, script) in scripts.iter().enumerate() {
            let expected: Vec<u8> =
                (publisher..21).step_by(2).flat_map(|i| alone[i].bytes.iter().copied()).collect();
            assert_eq!(script.bytes, expected);
            assert_eq!(script.ends.last(), Some(&script.bytes.len()));
        }
    }

    #[test]
    fn the_size_is_that_of_the_event_on_the_wire() {
        let authors = Identity::pool(1, 1);
        for size in [300, 1_000, 60_000] {
            let shape = Shape { kinds: vec![1000], size, tags: 2, topics: 5, created_at: 1_700_000_000 };
            let script = Script::write(&shape, &authors, 7, 1, 1).unwrap();
            // The frame and the message around it, and a longer length prefix of the content.
            assert!((size..size + 32).contains(&script.bytes.len()), "{size} {}", script.bytes.len());
        }
    }
}
