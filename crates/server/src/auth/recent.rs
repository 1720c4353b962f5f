//! What was found out lately, by a key that can't be guessed; bounded, and
//! what is asked for stays. Two generations: when the young one is full it
//! becomes the old one, and what the old one had and nobody asked for since
//! is gone.

use std::collections::HashMap;

/// The hash of a token: the token itself is kept by nobody.
pub(super) type Key = [u8; 32];

/// See the module.
pub(super) struct Recent<V> {
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
    generation: usize,
}

impl<V: Clone> Recent<V> {
    /// Keeps the last `generation` at least, twice as many at most.
    pub(super) fn new(generation: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            generation,
        }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    pub(super) fn put(&mut self, key: Key, value: V) {
        if self.young.len() >= self.generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn what_is_asked_for_survives_any_flood() {
        let mut recent = Recent::new(10);
        recent.put(key(0), "kept");
        for n in 1..1000 {
            recent.put(key(n), "flood");
            assert_eq!(recent.get(&key(0)), Some("kept"), "{n}");
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert_eq!(recent.get(&key(1)), None);
        recent.forget(&key(0));
        assert_eq!(recent.get(&key(0)), None);
    }
}
