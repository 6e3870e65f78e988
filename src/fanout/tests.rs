//! Both structures against the naive oracle (every filter is checked), under seeded random
//! operations over alphabets small enough that filters repeat and matches are frequent.

use super::terms::{self, Term};
use super::{FilterIndex, Interest, InterestTable};
use crate::base::{EventId, Kind, LogId, PubKey};
use crate::event::EventFields;
use crate::filter::{Filter, TagFilter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Debug)]
struct Event {
    id: EventId,
    pubkey: PubKey,
    kind: u16,
    created_at: i64,
    tags: Vec<(String, Option<String>)>,
}

impl EventFields for Event {
    fn id(&self) -> &EventId {
        &self.id
    }
    fn pubkey(&self) -> &PubKey {
        &self.pubkey
    }
    fn kind(&self) -> Kind {
        Kind(self.kind)
    }
    fn created_at(&self) -> i64 {
        self.created_at
    }
    fn tag_heads(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.tags.iter().map(|(name, first)| (name.as_str(), first.as_deref()))
    }
}

/// Up to `count` different values that `draw` makes, sorted, as a parsed filter has them.
fn set<T: Ord>(rng: &mut StdRng, count: RangeInclusive<usize>, draw: impl Fn(&mut StdRng) -> T) -> Vec<T> {
    let count = rng.random_range(count);
    let mut values: Vec<T> = (0..count).map(|_| draw(rng)).collect();
    values.sort();
    values.dedup();
    values
}

fn id(rng: &mut StdRng) -> EventId {
    EventId([rng.random_range(0..6); 32])
}

fn author(rng: &mut StdRng) -> PubKey {
    PubKey([rng.random_range(0..5); 32])
}

fn kind(rng: &mut StdRng) -> u16 {
    [0, 1, 2, 3, 500, 3000, 3999, 65_535][rng.random_range(0..8)]
}

fn letter(rng: &mut StdRng) -> String {
    char::from(b'a' + rng.random_range(0..4u8)).to_string()
}

/// Each condition is given in about a third of the filters.
fn filter(rng: &mut StdRng) -> Filter {
    let mut filter = Filter::default();
    let given = |rng: &mut StdRng| rng.random_range(0..3) == 0;
    if given(rng) && given(rng) {
        filter.ids = set(rng, 1..=3, id);
    }
    if given(rng) {
        filter.authors = set(rng, 1..=3, author);
    }
    if given(rng) {
        filter.kinds = set(rng, 1..=3, kind);
    }
    if given(rng) {
        filter.kind_ranges = set(rng, 1..=2, |rng| {
            let (a, b) = (kind(rng), kind(rng));
            (a.min(b), a.max(b))
        });
    }
    if given(rng) && given(rng) {
        filter.since = Some(rng.random_range(1..10));
    }
    if given(rng) && given(rng) {
        filter.until = Some(rng.random_range(1..10));
    }
    if given(rng) {
        let count = rng.random_range(1..=2);
        filter.tags =
            (0..count).map(|_| TagFilter { name: letter(rng), values: set(rng, 0..=3, letter) }).collect();
    }
    filter.limit = given(rng).then_some(7);
    filter.after = given(rng).then_some(9);
    filter.log = given(rng).then_some(LogId([1; 16]));
    filter
}

fn event(rng: &mut StdRng) -> Event {
    let count = rng.random_range(0..4);
    let tags = (0..count).map(|_| (letter(rng), (rng.random_range(0..5) > 0).then(|| letter(rng)))).collect();
    let created_at = rng.random_range(0..10);
    Event { id: id(rng), pubkey: author(rng), kind: kind(rng), created_at, tags }
}

fn valued(name: &str, value: &str) -> Filter {
    Filter { tags: vec![TagFilter { name: name.into(), values: vec![value.into()] }], ..Filter::default() }
}

fn tagged(tags: &[(&str, &str)]) -> Event {
    Event {
        id: EventId([9; 32]),
        pubkey: PubKey([9; 32]),
        kind: 1000,
        created_at: 1,
        tags: tags.iter().map(|(name, value)| (name.to_string(), Some(value.to_string()))).collect(),
    }
}

fn sorted<K: Copy + Eq + std::hash::Hash + Ord>(index: &FilterIndex<K>, event: &Event) -> Vec<K> {
    let mut keys = Vec::new();
    index.matches(event, &mut keys);
    keys.sort();
    keys
}

#[test]
fn a_matching_filter_shares_a_term_with_the_event() {
    let mut matches = 0;
    for seed in 0..20_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (filter, event) = (filter(&mut rng), event(&mut rng));
        if filter.matches(&event) {
            matches += 1;
            let of_event: Vec<Term<'_>> = terms::of_event(&event).collect();
            let shared = terms::of_filter(&filter).iter().any(|term| of_event.contains(term));
            assert!(shared, "seed {seed}: {filter:?} {event:?}");
        }
    }
    assert!(matches > 500, "only {matches} matches: the test says little");
}

#[test]
fn a_filter_has_no_term_twice() {
    for seed in 0..5_000 {
        let filter = filter(&mut StdRng::seed_from_u64(seed));
        let terms = terms::of_filter(&filter);
        for (i, term) in terms.iter().enumerate() {
            assert!(!terms[..i].contains(term), "seed {seed}: {term:?} of {filter:?}");
        }
    }
}

#[test]
fn the_most_selective_condition_is_chosen() {
    let id = EventId([1; 32]);
    let author = PubKey([2; 32]);
    let mut filter = Filter {
        ids: vec![id],
        authors: vec![author],
        kinds: vec![5],
        kind_ranges: vec![(4, 6)],
        tags: vec![
            TagFilter { name: "e".into(), values: vec![] },
            TagFilter { name: "t".into(), values: vec!["x".into(), "y".into()] },
            TagFilter { name: "p".into(), values: vec!["z".into()] },
        ],
        ..Filter::default()
    };
    assert_eq!(terms::of_filter(&filter), [Term::Id(&id)]);
    filter.ids.clear();
    assert_eq!(terms::of_filter(&filter), [Term::TagValue("p", "z")]);
    filter.tags.pop();
    assert_eq!(terms::of_filter(&filter), [Term::TagValue("t", "x"), Term::TagValue("t", "y")]);
    filter.tags.pop();
    assert_eq!(terms::of_filter(&filter), [Term::Author(&author)]);
    filter.authors.clear();
    assert_eq!(terms::of_filter(&filter), [Term::TagName("e")]);
    filter.tags.clear();
    assert_eq!(terms::of_filter(&filter), [Term::Kind(4), Term::Kind(5), Term::Kind(6)]);
    filter.kind_ranges = vec![(1_000, 1_999)];
    assert_eq!(terms::of_filter(&filter).len(), 1_001);
    filter.kind_ranges = vec![(0, u16::MAX), (0, u16::MAX)];
    assert_eq!(terms::of_filter(&filter), [Term::Any]);
    assert_eq!(terms::of_filter(&Filter::default()), [Term::Any]);
}

#[test]
fn the_index_answers_like_a_scan_of_all_filters() {
    let mut found = 0;
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut index = FilterIndex::new();
        let mut all: BTreeMap<u32, Arc<Filter>> = BTreeMap::new();
        for step in 0..400 {
            let key = rng.random_range(0..60u32);
            match rng.random_range(0..4) {
                0 | 1 => {
                    let filter = Arc::new(filter(&mut rng));
                    let before = index.insert(key, Arc::clone(&filter));
                    assert_eq!(before, all.insert(key, filter), "seed {seed}, step {step}");
                }
                2 => assert_eq!(index.remove(key), all.remove(&key), "seed {seed}, step {step}"),
                _ => {
                    let event = event(&mut rng);
                    let naive: Vec<u32> =
                        all.iter().filter(|(_, f)| f.matches(&event)).map(|(k, _)| *k).collect();
                    assert_eq!(sorted(&index, &event), naive, "seed {seed}, step {step}: {event:?}");
                    found += naive.len();
                }
            }
            assert_eq!(index.len(), all.len(), "seed {seed}, step {step}");
        }
        for key in all.into_keys() {
            index.remove(key);
        }
        assert!(index.holds_nothing(), "seed {seed}: removal left something behind");
    }
    assert!(found > 10_000, "only {found} matches: the test says little");
}

#[test]
fn the_table_never_misses_a_shard() {
    const SHARDS: usize = 5;
    let (mut asked, mut wanted) = (0, 0);
    for seed in 0..30 {
        let mut rng = StdRng::seed_from_u64(seed);
        let table = Arc::new(InterestTable::new());
        let mut shards: Vec<Interest> = (0..SHARDS).map(|i| Interest::new(Arc::clone(&table), i)).collect();
        let mut filters: Vec<Vec<Filter>> = vec![Vec::new(); SHARDS];
        for step in 0..600 {
            let shard = rng.random_range(0..SHARDS);
            let held = &mut filters[shard];
            match rng.random_range(0..4) {
                0 if held.len() < 8 => {
                    let filter = filter(&mut rng);
                    shards[shard].add(&filter);
                    held.push(filter);
                }
                1 if !held.is_empty() => {
                    let filter = held.swap_remove(rng.random_range(0..held.len()));
                    shards[shard].remove(&filter);
                }
                _ => {
                    let event = event(&mut rng);
                    let mask = table.mask(&event);
                    for (i, held) in filters.iter().enumerate() {
                        let wants = held.iter().any(|filter| filter.matches(&event));
                        let is_asked = mask & (1 << i) != 0;
                        assert!(is_asked || !wants, "seed {seed}, step {step}: shard {i} missed {event:?}");
                        wanted += u32::from(wants);
                        asked += u32::from(is_asked);
                    }
                }
            }
        }
        for (shard, held) in shards.iter_mut().zip(filters) {
            held.iter().for_each(|filter| shard.remove(filter));
        }
        let event = event(&mut rng);
        assert_eq!(table.mask(&event), 0, "seed {seed}: a bit was left behind for {event:?}");
    }
    assert!(wanted > 2_000 && asked < 30 * 600 * SHARDS as u32, "{wanted} wanted, {asked} asked");
}

/// 100 000 subscriptions on distinct tag values over 16 shards; every event is wanted by one.
#[test]
fn the_table_separates_sixteen_shards() {
    const SUBSCRIPTIONS: usize = 100_000;
    const SHARDS: usize = 16;
    let table = Arc::new(InterestTable::new());
    let mut shards: Vec<Interest> = (0..SHARDS).map(|i| Interest::new(Arc::clone(&table), i)).collect();
    for i in 0..SUBSCRIPTIONS {
        shards[i % SHARDS].add(&valued("t", &format!("topic-{i}")));
    }
    let mut asked_in_vain = 0;
    for i in 0..SUBSCRIPTIONS {
        let mask = table.mask(&tagged(&[("t", &format!("topic-{i}")), ("p", &format!("key-{i}"))]));
        assert_ne!(mask & (1 << (i % SHARDS)), 0, "topic-{i} was missed");
        asked_in_vain += mask.count_ones() - 1;
    }
    let share = f64::from(asked_in_vain) / (SUBSCRIPTIONS * (SHARDS - 1)) as f64;
    println!(
        "{:.2} % of the shards that want nothing are asked, {:.3} per event",
        100.0 * share,
        share * (SHARDS - 1) as f64
    );
    assert!(share < 0.06, "{share}");
}

#[test]
fn one_event_reaches_a_key_once_however_many_values_fit() {
    let mut index = FilterIndex::new();
    let mut both = valued("t", "a");
    both.tags[0].values.push("b".into());
    index.insert(1, Arc::new(both));
    index.insert(2, Arc::new(valued("t", "b")));
    let any_value = TagFilter { name: "t".into(), values: vec![] };
    index.insert(3, Arc::new(Filter { tags: vec![any_value], ..Filter::default() }));
    assert_eq!(sorted(&index, &tagged(&[("t", "a"), ("t", "b")])), [1, 2, 3]);
    assert_eq!(sorted(&index, &tagged(&[("t", "a")])), [1, 3]);
}

#[test]
fn equal_conditions_share_a_group_and_keep_their_own_filter() {
    let mut index = FilterIndex::new();
    for key in 0..1_000u32 {
        let filter = Filter { kinds: vec![1000], limit: Some(key), ..Filter::default() };
        index.insert(key, Arc::new(filter));
    }
    assert_eq!(index.groups(), 1);
    assert_eq!(sorted(&index, &tagged(&[])), (0..1_000).collect::<Vec<u32>>());
    assert_eq!(index.remove(17).and_then(|filter| filter.limit), Some(17));
    assert_eq!(sorted(&index, &tagged(&[])).len(), 999);
    assert_eq!(index.remove(17), None);
}
