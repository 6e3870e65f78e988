//! One shard's subscriptions, found from an event without looking at those that do not match.
//!
//! Subscriptions with the same conditions form a group, so that a thousand subscribers of one
//! kind cost one check. A group is filed under each of its filter's [`terms`]; only the terms'
//! hashes are kept, since every candidate is checked in full anyway.
//!
//! ```text
//! event ─ terms ─ hash ─▶ filed[hash] = [group, group …] ─ Filter::matches ─▶ all keys of the group
//! ```

use super::terms::{self, Field};
use crate::event::EventFields;
use crate::filter::Filter;
use hashbrown::HashTable;
use slab::Slab;
use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::Arc;

/// A set of filters, each under a key of the caller's.
pub struct FilterIndex<K> {
    secret: RandomState,
    members: HashMap<K, Member>,
    groups: Slab<Group<K>>,
    by_conditions: HashMap<Conditions, u32>,
    filed: HashTable<Drawer>,
    /// How many places there are per field; a field without any needs no look-up.
    in_use: [usize; Field::COUNT],
    /// Counts the calls of `matches`, to mark groups that this event has met already.
    turn: Cell<u64>,
}

struct Member {
    /// The key's own filter; its group's may differ in `limit`, `after` and `log`.
    filter: Arc<Filter>,
    group: u32,
    /// Index in the group's `keys`.
    at: u32,
}

/// Keys whose filters have the same conditions; never empty between two calls.
struct Group<K> {
    filter: Arc<Filter>,
    keys: Vec<K>,
    /// Where the group is filed, one place per term of its filter.
    places: Vec<Place>,
    met: Cell<u64>,
}

#[derive(Clone, Copy)]
struct Place {
    field: Field,
    hash: u64,
    /// Index in that drawer's `slips`.
    at: u32,
}

/// The groups filed under one hash; never empty.
struct Drawer {
    hash: u64,
    slips: Vec<Slip>,
}

/// A group, and which of its places this is.
#[derive(Clone, Copy)]
struct Slip {
    group: u32,
    place: u32,
}

impl<K: Copy + Eq + Hash> FilterIndex<K> {
    /// An empty index.
    pub fn new() -> Self {
        FilterIndex {
            secret: RandomState::new(),
            members: HashMap::new(),
            groups: Slab::new(),
            by_conditions: HashMap::new(),
            filed: HashTable::new(),
            in_use: [0; Field::COUNT],
            turn: Cell::new(0),
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Puts `filter` under `key`; returns the filter that stood there before.
    pub fn insert(&mut self, key: K, filter: Arc<Filter>) -> Option<Arc<Filter>> {
        let replaced = self.remove(key);
        let conditions = Conditions(Arc::clone(&filter));
        let group = match self.by_conditions.get(&conditions) {
            Some(&group) => group,
            None => self.file(conditions),
        };
        let keys = &mut self.groups[group as usize].keys;
        let at = narrow(keys.len());
        keys.push(key);
        self.members.insert(key, Member { filter, group, at });
        replaced
    }

    /// Takes `key` out, with everything that was kept for it alone.
    pub fn remove(&mut self, key: K) -> Option<Arc<Filter>> {
        let Member { filter, group, at } = self.members.remove(&key)?;
        let keys = &mut self.groups[group as usize].keys;
        keys.swap_remove(at as usize);
        match keys.get(at as usize) {
            Some(moved) => {
                if let Some(member) = self.members.get_mut(moved) {
                    member.at = at;
                }
            }
            None if keys.is_empty() => self.unfile(group),
            None => {}
        }
        Some(filter)
    }

    /// Appends to `out` every key whose filter matches `event`, each once.
    pub fn matches(&self, event: &impl EventFields, out: &mut Vec<K>) {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        for term in terms::of_event(event) {
            if self.in_use[term.field() as usize] == 0 {
                continue;
            }
            let hash = term.hash(&self.secret);
            let Some(drawer) = self.filed.find(hash, |drawer| drawer.hash == hash) else { continue };
            for slip in &drawer.slips {
                let group = &self.groups[slip.group as usize];
                if group.met.replace(turn) != turn && group.filter.matches(event) {
                    out.extend_from_slice(&group.keys);
                }
            }
        }
    }

    /// Makes a group without keys and files it under its terms.
    fn file(&mut self, conditions: Conditions) -> u32 {
        let filter = Arc::clone(&conditions.0);
        let group = narrow(self.groups.vacant_key());
        let mut places = Vec::new();
        for term in terms::of_filter(&filter) {
            let (field, hash) = (term.field(), term.hash(&self.secret));
            let slip = Slip { group, place: narrow(places.len()) };
            places.push(Place { field, hash, at: put(&mut self.filed, hash, slip) });
            self.in_use[field as usize] += 1;
        }
        self.groups.insert(Group { filter, keys: Vec::new(), places, met: Cell::new(0) });
        self.by_conditions.insert(conditions, group);
        group
    }

    /// Undoes [`file`](Self::file) for a group that has lost its last key.
    fn unfile(&mut self, group: u32) {
        let at = group as usize;
        for place in 0..self.groups[at].places.len() {
            let place = self.groups[at].places[place];
            self.in_use[place.field as usize] -= 1;
            if let Some(moved) = take(&mut self.filed, place) {
                self.groups[moved.group as usize].places[moved.place as usize].at = place.at;
            }
        }
        let Group { filter, .. } = self.groups.remove(at);
        self.by_conditions.remove(&Conditions(filter));
    }
}

impl<K: Copy + Eq + Hash> Default for FilterIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds a slip to the drawer of `hash` and returns its index there.
fn put(filed: &mut HashTable<Drawer>, hash: u64, slip: Slip) -> u32 {
    let drawer = filed
        .entry(hash, |drawer| drawer.hash == hash, |drawer| drawer.hash)
        .or_insert_with(|| Drawer { hash, slips: Vec::new() })
        .into_mut();
    drawer.slips.push(slip);
    narrow(drawer.slips.len() - 1)
}

/// Removes the slip at `place`, and its drawer if it was the last one. Returns the slip that
/// has taken the place, if any.
fn take(filed: &mut HashTable<Drawer>, place: Place) -> Option<Slip> {
    let Ok(mut drawer) = filed.find_entry(place.hash, |drawer| drawer.hash == place.hash) else {
        unreachable!("every place of a group is the index of a slip in an existing drawer");
    };
    let slips = &mut drawer.get_mut().slips;
    slips.swap_remove(place.at as usize);
    let moved = slips.get(place.at as usize).copied();
    if slips.is_empty() {
        drawer.remove();
    }
    moved
}

/// Indices are kept in 32 bits: four thousand million groups or keys would not fit in memory.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or_else(|_| unreachable!("{index} entries do not fit in memory"))
}

/// A filter, compared by what it says about an event; not by `limit`, `after` and `log`.
struct Conditions(Arc<Filter>);

impl PartialEq for Conditions {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        a.ids == b.ids
            && a.authors == b.authors
            && a.kinds == b.kinds
            && a.kind_ranges == b.kind_ranges
            && a.since == b.since
            && a.until == b.until
            && a.tags == b.tags
    }
}

impl Eq for Conditions {}

impl Hash for Conditions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Filter { ids, authors, kinds, kind_ranges, since, until, tags, limit: _, after: _, log: _ } =
            &*self.0;
        (ids, authors, kinds, kind_ranges, since, until).hash(state);
        for tag in tags {
            (&tag.name, &tag.values).hash(state);
        }
    }
}

#[cfg(test)]
impl<K> FilterIndex<K> {
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn holds_nothing(&self) -> bool {
        self.members.is_empty()
            && self.groups.is_empty()
            && self.by_conditions.is_empty()
            && self.filed.is_empty()
            && self.in_use == [0; Field::COUNT]
    }
}
