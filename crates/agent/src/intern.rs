//! Values that many routes share, kept once and named by a number.
//!
//! Half a million routes have a handful of next hops: a row of the table holds
//! four bytes for them, and what is known of a next hop is found out once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Names an interned value while somebody holds it.
pub(crate) type Id = u32;

/// Interned values, each with a companion and a count of its holders.
#[derive(Debug)]
pub(crate) struct Intern<K: ?Sized, V> {
    ids: HashMap<Arc<K>, Id>,
    slots: Vec<Option<Slot<K, V>>>,
    free: Vec<Id>,
}

#[derive(Debug)]
struct Slot<K: ?Sized, V> {
    key: Arc<K>,
    value: V,
    holders: u32,
}

impl<K: ?Sized, V> Default for Intern<K, V> {
    fn default() -> Self {
        Self {
            ids: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<K: ?Sized + Hash + Eq, V> Intern<K, V> {
    /// The name of a value that somebody holds.
    pub(crate) fn find(&self, key: &K) -> Option<Id> {
        self.ids.get(key).copied()
    }

    /// Keeps a value that nobody holds yet; nobody does until [`Self::hold`].
    pub(crate) fn insert(&mut self, key: impl Into<Arc<K>>, value: V) -> Id {
        let key = key.into();
        let slot = Slot {
            key: Arc::clone(&key),
            value,
            holders: 0,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(slot);
                id
            }
            None => {
                self.slots.push(Some(slot));
                // Values take more than a byte each: memory ends before numbers do.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.ids.insert(key, id);
        id
    }

    /// One holder more.
    pub(crate) fn hold(&mut self, id: Id) {
        if let Some(slot) = self.slots[id as usize].as_mut() {
            slot.holders += 1;
        }
    }

    /// One holder less; what nobody holds any more is given back.
    pub(crate) fn release(&mut self, id: Id) -> Option<(Arc<K>, V)> {
        let slot = self.slots[id as usize].as_mut()?;
        slot.holders -= 1;
        if slot.holders > 0 {
            return None;
        }
        let slot = self.slots[id as usize].take()?;
        self.ids.remove(&slot.key);
        self.free.push(id);
        Some((slot.key, slot.value))
    }

    /// The value behind a name that somebody holds.
    pub(crate) fn key(&self, id: Id) -> &Arc<K> {
        &self.slot(id).key
    }

    /// Its companion.
    pub(crate) fn get(&self, id: Id) -> &V {
        &self.slot(id).value
    }

    /// Its companion, to be changed.
    pub(crate) fn get_mut(&mut self, id: Id) -> &mut V {
        match self.slots[id as usize].as_mut() {
            Some(slot) => &mut slot.value,
            None => unreachable!("{id} is held by nobody"),
        }
    }

    /// How many hold it.
    pub(crate) fn holders(&self, id: Id) -> u32 {
        self.slot(id).holders
    }

    fn slot(&self, id: Id) -> &Slot<K, V> {
        match &self.slots[id as usize] {
            Some(slot) => slot,
            None => unreachable!("{id} is held by nobody"),
        }
    }

    /// All names, in no order that means anything.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        let slots = self.slots.iter().zip(0..);
        slots.filter_map(|(slot, id)| slot.as_ref().map(|_| id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_name_until_nobody_holds_them() {
        let mut words = Intern::<str, u8>::default();
        let (a, b) = (words.insert("a", 1), words.insert("b", 2));
        for id in [a, a, b] {
            words.hold(id);
        }
        assert_eq!((words.find("a"), words.find("b")), (Some(a), Some(b)));
        assert_eq!(words.holders(a), 2);
        assert_eq!(words.release(a), None);
        assert_eq!(words.release(a), Some(("a".into(), 1)));
        assert_eq!(words.find("a"), None);
        assert_eq!(words.ids().collect::<Vec<_>>(), [b]);
        // Names are used again.
        assert_eq!(words.insert("c", 3), a);
        assert_eq!((&**words.key(a), *words.get(a)), ("c", 3));
    }
}
