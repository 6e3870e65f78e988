//! Decompressed and checked public keys, bounded.
//!
//! Two generations: new and recently used keys live in the young one; when it is full it
//! becomes the old one and what the old one still held is forgotten. A key in use moves back
//! to the young one, so a key is forgotten only after as many others as a generation holds.

use super::point;
use crate::base::PubKey;
use curve25519_dalek::EdwardsPoint;
use std::collections::HashMap;

/// `None` remembers that the key was refused, so that it is not checked again.
type Checked = Option<EdwardsPoint>;

pub struct KeyCache {
    young: HashMap<PubKey, Checked>,
    old: HashMap<PubKey, Checked>,
    generation_max: usize,
}

impl KeyCache {
    /// A cache of at most `keys_max` keys.
    pub fn new(keys_max: usize) -> Self {
        KeyCache { young: HashMap::new(), old: HashMap::new(), generation_max: keys_max / 2 }
    }

    /// The key's point, from the cache or checked now and remembered.
    pub fn get(&mut self, pubkey: &PubKey) -> Checked {
        if let Some(checked) = self.young.get(pubkey) {
            return *checked;
        }
        let checked = self.old.remove(pubkey).unwrap_or_else(|| point::read_key(&pubkey.0));
        self.remember(*pubkey, checked);
        checked
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn remember(&mut self, pubkey: PubKey, checked: Checked) {
        if self.generation_max == 0 {
            return;
        }
        if self.young.len() >= self.generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(pubkey, checked);
    }
}

#[cfg(test)]
impl KeyCache {
    pub fn holds(&self, pubkey: &PubKey) -> bool {
        self.young.contains_key(pubkey) || self.old.contains_key(pubkey)
    }
}
