//! The border between stored and live events, in every interleaving.
//!
//! The committer publishes a head, then looks at the shards' bits and sends. A shard sets its
//! bits, then reads the head as `P`: what is stored up to `P` it reads from the log, what comes
//! after `P` it must be sent. The file under test is the relay's own `src/fanout/slots.rs`,
//! compiled against loom's atomics.
//!
//! loom gives a SeqCst load no more than acquire until the word has seen a SeqCst store; the
//! words' creation is none. So every model begins with one on each word ([`Words::new`]), which
//! only makes loom see the order that the language promises.
#![cfg(test)]
#![allow(clippy::duplicate_mod, reason = "one file on two sets of atomics is the point")]

mod relay;
mod weakened;

/// Which two of the four steps change places.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    AsSpecified,
    /// The shard reads the head before its bits are set.
    HeadBeforeBits,
    /// The committer looks at the bits before it publishes the head.
    LookBeforePublish,
}

/// The models, once for each set of atomics.
macro_rules! models {
    ($atomics:ident) => {
        use super::Order;
        use super::$atomics::slots::{Held, Slots};
        use super::$atomics::sync::{AtomicU64, Ordering::SeqCst};
        use loom::sync::Arc;
        use loom::thread;

        /// What the threads share. Slot 0 is the gate of all the others; event `seq` is about
        /// one of those in turn.
        struct Words {
            slots: Slots,
            count: usize,
            head: AtomicU64,
        }

        impl Words {
            fn new(count: usize) -> Arc<Self> {
                let slots = Slots::new(count);
                let mut before = Held::new(&slots, 0);
                for slot in 0..count {
                    before.add(&slots, slot);
                    before.remove(&slots, slot);
                }
                let words = Words { slots, count, head: AtomicU64::new(0) };
                words.head.store(0, SeqCst);
                Arc::new(words)
            }

            /// Commits so many events; returns the shards each was sent to.
            fn commit(&self, events: usize, order: Order) -> Vec<u64> {
                let commit = |seq: usize| {
                    let look = || self.slots.load_behind(0, || 1 + seq % (self.count - 1));
                    let early = (order == Order::LookBeforePublish).then(look);
                    self.head.store(seq as u64, SeqCst);
                    early.unwrap_or_else(look)
                };
                (1..=events).map(commit).collect()
            }

            /// Returns the border.
            fn subscribe(&self, held: &mut Held, order: Order) -> usize {
                let head = || self.head.load(SeqCst) as usize;
                let early = (order == Order::HeadBeforeBits).then(head);
                (0..self.count).for_each(|slot| held.add(&self.slots, slot));
                early.unwrap_or_else(head)
            }

            fn unsubscribe(&self, held: &mut Held) {
                (0..self.count).for_each(|slot| held.remove(&self.slots, slot));
            }
        }

        /// Every event behind the border must have been sent.
        fn check(shard: usize, border: usize, sent: &[u64]) {
            for (i, mask) in sent.iter().enumerate().skip(border) {
                assert!(mask & (1 << shard) != 0, "shard {shard} missed {}, its border is {border}", i + 1);
            }
        }

        /// One shard subscribes while events are committed.
        pub fn subscribe(order: Order) {
            loom::model(move || {
                let words = Words::new(3);
                let committer = thread::spawn({
                    let words = Arc::clone(&words);
                    move || words.commit(3, order)
                });
                let border = words.subscribe(&mut Held::new(&words.slots, 0), order);
                check(0, border, &committer.join().unwrap());
            });
        }

        /// Two shards share a mask; one of them goes and comes back meanwhile.
        pub fn two_shards() {
            loom::model(|| {
                let words = Words::new(2);
                let returning = thread::spawn({
                    let words = Arc::clone(&words);
                    move || {
                        let mut held = Held::new(&words.slots, 0);
                        words.subscribe(&mut held, Order::AsSpecified);
                        words.unsubscribe(&mut held);
                        words.subscribe(&mut held, Order::AsSpecified)
                    }
                });
                let staying = thread::spawn({
                    let words = Arc::clone(&words);
                    move || words.subscribe(&mut Held::new(&words.slots, 1), Order::AsSpecified)
                });
                let sent = words.commit(1, Order::AsSpecified);
                check(0, returning.join().unwrap(), &sent);
                check(1, staying.join().unwrap(), &sent);
                assert_eq!(words.slots.load(1), 0b11, "a bit was lost");
            });
        }

        /// A second subscription comes and goes; the first, which stays, must not lose its bit,
        /// and when it goes as well nothing is left.
        pub fn counts() {
            loom::model(|| {
                let words = Words::new(3);
                let mut held = Held::new(&words.slots, 0);
                let border = words.subscribe(&mut held, Order::AsSpecified);
                let committer = thread::spawn({
                    let words = Arc::clone(&words);
                    move || words.commit(2, Order::AsSpecified)
                });
                words.subscribe(&mut held, Order::AsSpecified);
                words.unsubscribe(&mut held);
                check(0, border, &committer.join().unwrap());
                words.unsubscribe(&mut held);
                assert!((0..3).all(|slot| words.slots.load(slot) == 0), "a bit was left behind");
            });
        }
    };
}

mod real {
    models!(relay);
}

mod weak {
    #![allow(dead_code, reason = "only the order of subscribing is tried on weak atomics")]
    models!(weakened);
}

#[test]
fn no_event_behind_the_border_is_missed() {
    real::subscribe(Order::AsSpecified);
}

#[test]
fn shards_do_not_disturb_each_other_when_one_goes_and_returns() {
    real::two_shards();
}

#[test]
fn a_bit_stays_as_long_as_one_subscription_needs_it() {
    real::counts();
}

#[test]
#[should_panic(expected = "missed")]
fn the_model_sees_a_head_read_before_the_bits() {
    real::subscribe(Order::HeadBeforeBits);
}

#[test]
#[should_panic(expected = "missed")]
fn the_model_sees_a_look_before_the_publishing() {
    real::subscribe(Order::LookBeforePublish);
}

#[test]
#[should_panic(expected = "missed")]
fn the_model_sees_that_acquire_and_release_are_not_enough() {
    weak::subscribe(Order::AsSpecified);
}
