//! The judge finds what is broken on purpose.

use super::*;

/// A log as one author's events have made it: each at the position of its number, of which the
/// rules have left what is behind their marks.
struct World {
    record: Record,
    view: View,
    told: [Told; 3],
}

const EVENTS: u64 = 4 * COUNT_MAX + 400;
const LOOK: u32 = 1;

fn id(number: u64) -> EventId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    EventId(id)
}

/// Of the counted, which are every fourth, and of the others with a rule the last [`COUNT_MAX`].
fn world() -> World {
    let record = Record::default();
    let head = Seq(EVENTS);
    let marks = [EVENTS - 4 * COUNT_MAX, EVENTS - 4 * COUNT_MAX - 3].map(Seq);
    let readback = |stretch, after| Readback { stretch, after, head, rows: Vec::new() };
    let mut view = View {
        look: LOOK,
        kept: readback(Stretch::Kept, Seq::ZERO),
        ruled: [readback(Stretch::Counted, marks[0]), readback(Stretch::Weighed, marks[1])],
    };
    let mut told = [Told::default(), Told::default(), Told::default()];
    for number in 1..=EVENTS {
        // As large as it takes to fill the rule of the weighed.
        let wire = vec![number as u8; (BYTES_MAX / COUNT_MAX) as usize];
        let (seq, id) = (Seq(number), id(number));
        record.sent(id, Sent::new(0, number, &wire));
        record.answered(&id, Fate::Stored);
        let stretch = Stretch::of(number);
        let at = match stretch {
            Stretch::Kept => 0,
            Stretch::Counted => 1,
            Stretch::Weighed => 2,
        };
        told[at].events.push((seq, id));
        let readback = if at == 0 { &mut view.kept } else { &mut view.ruled[at - 1] };
        if seq > readback.after {
            let sent = record.seen(LOOK, seq, id, &wire).expect("it was sent");
            readback.rows.push(Row { seq, id, author: 0, number, len: sent.len, answered: true });
        }
    }
    World { record, view, told }
}

impl World {
    /// As if a look had not found it.
    fn hide(&mut self, seq: u64) {
        let readbacks = std::iter::once(&mut self.view.kept).chain(&mut self.view.ruled);
        for readback in readbacks {
            readback.rows.retain(|row| row.seq != Seq(seq));
        }
        let mut events = self.record.lock();
        let sent = events.get_mut(&id(seq)).expect("it was sent");
        (sent.seq, sent.look) = (Seq::ZERO, 0);
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Sent)) {
        change(self.record.lock().get_mut(&id(number)).expect("it was sent"));
    }

    fn broken(&self) -> Broken {
        self.view.judge(&self.record).expect_err("it is broken")
    }

    fn has_no_hole(&self) -> Result<(), Broken> {
        self.view.has_no_hole([&self.told[1], &self.told[2]])
    }
}

/// The first event of a stretch from there on.
fn first(stretch: Stretch, from: u64) -> u64 {
    (from..).find(|number| Stretch::of(*number) == stretch).expect("one of four")
}

#[test]
fn what_the_rules_have_taken_away_is_not_lost() {
    let world = world();
    let purged = EVENTS - world.view.stretches().map(|r| r.rows.len() as u64).sum::<u64>();
    assert!(purged > 100);
    assert_eq!(world.view.judge(&world.record), Ok(Some(purged)));
    for (stretch, told) in [Stretch::Kept, Stretch::Counted, Stretch::Weighed].iter().zip(&world.told) {
        assert_eq!(world.view.is_told(*stretch, told), Ok(()));
    }
    assert_eq!(world.has_no_hole(), Ok(()));
}

#[test]
fn an_event_that_stays_is_missed_wherever_it_stood() {
    for near in [1, EVENTS / 2, EVENTS - 8] {
        let (mut world, number) = (world(), first(Stretch::Kept, near));
        world.hide(number);
        assert!(world.broken().contains("is not there"), "{number}");
    }
}

/// Its position was never seen: only that of others tells that it is behind the mark.
#[test]
fn an_event_behind_the_mark_is_missed() {
    for stretch in Stretch::RULED {
        for near in [EVENTS - 4 * COUNT_MAX + 2, EVENTS / 2, EVENTS - 8] {
            let (mut world, number) = (world(), first(stretch, near));
            world.hide(number);
            let told = world.broken();
            assert!(told.contains("is not there") && told.contains(&id(number).to_hex()), "{told}");
        }
    }
}

#[test]
fn an_event_that_a_subscriber_was_given_is_missed_though_it_was_never_answered() {
    let (mut world, number) = (world(), first(Stretch::Counted, EVENTS / 2));
    world.hide(number);
    world.change(number, |sent| {
        sent.fate = Fate::Unknown;
        sent.seq = Seq(number);
    });
    assert!(world.broken().contains("is not there"));
}

#[test]
fn an_unanswered_event_may_be_missing_and_its_position_may_not() {
    let (mut world, number) = (world(), first(Stretch::Kept, EVENTS / 2));
    world.hide(number);
    world.change(number, |sent| sent.fate = Fate::Unknown);
    assert_eq!(world.broken(), format!("nothing is at {number}, which is behind every mark"));
}

#[test]
fn more_empty_positions_than_events_that_are_gone_are_found() {
    // An event below the mark that was refused has never had a position.
    let world = world();
    world.change(4, |sent| sent.fate = Fate::Refused);
    assert!(world.broken().contains("positions are empty"));
}

#[test]
fn a_rule_that_takes_too_much_is_found() {
    for (at, word) in [(0, "events of a rule's"), (1, "bytes of a rule's")] {
        let mut world = world();
        let readback = &mut world.view.ruled[at];
        let over: Vec<Row> = readback.rows.drain(..2).collect();
        readback.after = over[1].seq;
        for row in over {
            world.change(row.number, |sent| sent.look = 0);
        }
        assert!(world.broken().contains(word), "{word}");
    }
}

#[test]
fn what_a_subscriber_was_not_given_is_found() {
    for (at, stretch) in [(0, Stretch::Kept), (1, Stretch::Counted), (2, Stretch::Weighed)] {
        let mut world = world();
        let number = first(stretch, EVENTS / 2);
        world.told[at].events.retain(|(seq, _)| *seq != Seq(number));
        assert!(world.view.is_told(stretch, &world.told[at]).is_err(), "{stretch:?}");
    }
    let mut world = world();
    let last = world.told[0].events.pop().expect("its last");
    assert!(world.view.is_told(Stretch::Kept, &world.told[0]).is_err(), "the last");
    world.told[0].events.extend([last, (Seq(EVENTS), id(EVENTS))]);
    assert!(world.view.is_told(Stretch::Kept, &world.told[0]).is_err(), "one too many");
}

#[test]
fn a_subscriber_misses_nothing_below_the_mark_but_what_it_was_told_of() {
    let mut world = world();
    let number = first(Stretch::Weighed, 100);
    world.told[2].events.retain(|(seq, _)| *seq != Seq(number));
    assert!(world.has_no_hole().expect_err("a hole").contains(&format!("given {number},")));
    world.told[2].gaps.push((Seq(number), Seq(number + 3)));
    assert!(world.has_no_hole().is_err(), "told of what is behind it");
    world.told[2].gaps =
        vec![(Seq(1), Seq(2)), (Seq(number - 1), Seq(number)), (Seq(number + 5), Seq(number + 6))];
    assert_eq!(world.has_no_hole(), Ok(()));
}

#[test]
fn an_event_that_changes_or_moves_is_found_as_soon_as_it_is_seen() {
    let world = world();
    let wire = vec![1; (BYTES_MAX / COUNT_MAX) as usize];
    let seen = |seq, n, wire: &[u8]| {
        world.record.seen(2, Seq(seq), id(n), wire).map(drop).unwrap_or_else(|e| panic!("{e}"))
    };
    let fails = |seq, n, wire: &[u8]| world.record.seen(2, Seq(seq), id(n), wire).expect_err("it is wrong");
    seen(1, 1, &wire);
    assert!(fails(2, 1, &wire).contains("again at"));
    assert!(fails(1, 1, &wire[1..]).contains("other bytes"));
    assert!(fails(EVENTS + 1, EVENTS + 1, &wire).contains("never sent"));
    world.record.answered(&id(1), Fate::Refused);
    assert!(fails(1, 1, &wire).contains("refused"));
}
