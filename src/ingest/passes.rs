//! The passes in force: a map that publishing threads read without a lock, because it is never
//! changed but replaced, a small part of it at a time.

use super::pass::Pass;
use crate::base::PubKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Parts of the map, by the beginning of the key. Replacing one entry copies its part and the list
/// of parts: of 100 000 keys a hundred entries and 8 KiB, some microseconds.
const PARTS: usize = 1_024;

type Part = HashMap<PubKey, Arc<Pass>>;

/// What a publishing thread looks at.
#[derive(Clone)]
pub(super) struct Passes {
    parts: Vec<Arc<Part>>,
    len: usize,
}

impl Passes {
    /// Nobody's.
    pub fn new() -> Passes {
        std::iter::empty().collect()
    }

    pub fn get(&self, key: &PubKey) -> Option<&Arc<Pass>> {
        self.parts.get(part_of(key)).and_then(|part| part.get(key))
    }

    pub fn contains_key(&self, key: &PubKey) -> bool {
        self.get(key).is_some()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn iter(&self) -> impl Iterator<Item = (&PubKey, &Arc<Pass>)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    pub fn keys(&self) -> impl Iterator<Item = &PubKey> {
        self.iter().map(|(key, _)| key)
    }

    /// The same with this key's entry in the place of the old one, or without one.
    pub fn with(&self, key: PubKey, pass: Option<Arc<Pass>>) -> Passes {
        let mut changed = self.clone();
        if let Some(part) = changed.parts.get_mut(part_of(&key)) {
            let (part, added) = (Arc::make_mut(part), usize::from(pass.is_some()));
            let before = match pass {
                Some(pass) => part.insert(key, pass),
                None => part.remove(&key),
            };
            changed.len = changed.len + added - usize::from(before.is_some());
        }
        changed
    }
}

impl FromIterator<(PubKey, Arc<Pass>)> for Passes {
    fn from_iter<I: IntoIterator<Item = (PubKey, Arc<Pass>)>>(entries: I) -> Passes {
        let mut parts = vec![Part::new(); PARTS];
        for (key, pass) in entries {
            parts[part_of(&key)].insert(key, pass);
        }
        Passes { len: parts.iter().map(HashMap::len).sum(), parts: parts.into_iter().map(Arc::new).collect() }
    }
}

fn part_of(key: &PubKey) -> usize {
    usize::from(u16::from_be_bytes([key.0[0], key.0[1]])) % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Rules;
    use crate::log::Role;

    fn pass() -> Arc<Pass> {
        let rules = Rules::default();
        Arc::new(Pass::new(Role::Member, Arc::clone(rules.of(Role::Member)), None))
    }

    #[test]
    fn a_change_is_seen_in_the_new_map_and_not_in_the_old_one() {
        let key = |n: u16| {
            let mut key = [7; 32];
            key[..2].copy_from_slice(&n.to_be_bytes());
            PubKey(key)
        };
        // Two of each part.
        let old: Passes = (0..2 * PARTS as u16).map(|n| (key(n), pass())).collect();
        assert_eq!((old.len(), old.keys().count()), (2 * PARTS, 2 * PARTS));
        let (new, other) = (key(9_999), pass());
        let added = old.with(new, Some(Arc::clone(&other)));
        assert_eq!((added.len(), old.len()), (2 * PARTS + 1, 2 * PARTS));
        assert!(added.get(&new).is_some_and(|pass| Arc::ptr_eq(pass, &other)) && !old.contains_key(&new));
        let replaced = added.with(new, Some(pass()));
        assert_eq!(replaced.len(), 2 * PARTS + 1);
        assert!(replaced.get(&new).is_some_and(|pass| !Arc::ptr_eq(pass, &other)));
        let removed = replaced.with(new, None).with(key(3), None).with(key(3), None);
        assert_eq!((removed.len(), removed.iter().count()), (2 * PARTS - 1, 2 * PARTS - 1));
        assert!(!removed.contains_key(&new) && old.contains_key(&key(3)));
    }
}
