//! Queries while events are being appended, indexed, flushed and dropped from the ring: at any
//! moment the answer is every match up to the query's end, each once.

use super::*;
use crate::filter::TagFilter;

const EVENTS: u64 = 12_000;
const AUTHORS: u64 = 5;
const TOPICS: u64 = 7;

/// The event that will have the position `seq`.
fn at(seq: u64) -> Envelope {
    let topic = format!("t{}", seq % TOPICS);
    event((seq % AUTHORS) as u8, 1000, seq as i64, &[("t", &topic)], &seq.to_string())
}

/// Whether the event at a position matches.
type Expected = Box<dyn Fn(u64) -> bool>;

/// Filters, each with what it is expected to match.
fn filters(round: u64) -> [(Filter, Expected); 4] {
    let (author, topic) = (round % AUTHORS, round % TOPICS);
    let tags = vec![TagFilter { name: "t".to_owned(), values: vec![format!("t{topic}")] }];
    let all = Filter::default;
    [
        (
            Filter { authors: vec![PubKey([author as u8; 32])], ..all() },
            Box::new(move |s| s % AUTHORS == author),
        ),
        (Filter { tags, ..all() }, Box::new(move |s| s % TOPICS == topic)),
        (Filter { kinds: vec![1000], ..all() }, Box::new(|_| true)),
        (all(), Box::new(|_| true)),
    ]
}

#[test]
fn a_query_sees_every_event_up_to_its_end_once_whatever_happens_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        ring_events_max: 200,
        index_run_events: 60,
        index_flush_events: 700,
        slice_nanos: 100_000,
        ..small(dir.path())
    };
    let store = open(&options).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let asker = Asker::new();
            for first in (1..=EVENTS).step_by(40) {
                asker.append(&store, &(first..first + 40).map(at).collect::<Vec<_>>());
            }
        });
        let asker = Asker::new();
        let mut round = 0;
        loop {
            let head = store.tail().head();
            // The newest thousand: the whole of the ring and what was indexed a moment ago.
            let after = Seq(head.0.saturating_sub(1_000));
            for (filter, matches) in filters(round) {
                for span in [Span::Ascending, Span::Last(15)] {
                    let asked = query(filter.clone(), ReadAccess::All, head);
                    let found = asker.all(&store, Query { span, after, events_max: 40, ..asked });
                    let expected: Vec<u64> = (after.0 + 1..=head.0).filter(|seq| matches(*seq)).collect();
                    let skip = if span == Span::Ascending { 0 } else { expected.len().saturating_sub(15) };
                    let found: Vec<u64> = found.iter().map(|(seq, _)| seq.0).collect();
                    assert_eq!(found, expected[skip..], "round {round}, head {head}, {span:?}, {filter:?}");
                }
            }
            round += 1;
            if head.0 >= EVENTS {
                break;
            }
        }
    });
}
