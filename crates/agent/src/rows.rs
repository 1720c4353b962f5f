//! The table's rows: a prefix, what is wanted for it, what is installed.
//!
//! Rows that want the same next hops hang together in a chain, so that a next
//! hop that moves touches its own rows only. A row is 36 bytes and lies beside
//! its neighbors; the index holds 4 more.

use crate::intern::Id;
use hashbrown::HashTable;
use ipnet::IpNet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A row's place.
pub(crate) type Slot = u32;

/// No row, no next hops, no legs.
pub(crate) const NONE: u32 = u32::MAX;

/// A prefix of which something is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) prefix: IpNet,
    pub(crate) flags: Flags,
    /// Its next hops, or [`NONE`].
    wanted: Id,
    /// Its legs in the kernel, or [`NONE`].
    pub(crate) installed: Id,
    before: Slot,
    behind: Slot,
}

/// What else is known of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags(u8);

impl Flags {
    /// Waits to be compared.
    pub(crate) const DIRTY: u8 = 1;
    /// Was told in this connection with gobgpd.
    pub(crate) const FRESH: u8 = 2;
    /// Stays although nobody wants it: it is not known yet whether somebody will.
    pub(crate) const KEPT: u8 = 4;
    /// Has been seen by the audit that runs.
    pub(crate) const SEEN: u8 = 8;
    /// Has an entry among the troubles.
    pub(crate) const TROUBLED: u8 = 16;

    pub(crate) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// Gives what it was before.
    pub(crate) fn put(&mut self, flag: u8, on: bool) -> bool {
        let before = self.has(flag);
        self.0 = if on { self.0 | flag } else { self.0 & !flag };
        before
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    free: Vec<Slot>,
    index: HashTable<Slot>,
    hasher: RandomState,
}

impl Rows {
    pub(crate) fn find(&self, prefix: &IpNet) -> Option<Slot> {
        let hash = self.hasher.hash_one(prefix);
        let is = |slot: &Slot| self.rows[*slot as usize].prefix == *prefix;
        self.index.find(hash, is).copied()
    }

    /// The row of a prefix; an empty one where there was none.
    pub(crate) fn find_or_insert(&mut self, prefix: IpNet) -> Slot {
        if let Some(slot) = self.find(&prefix) {
            return slot;
        }
        let row = Row {
            prefix,
            flags: Flags::default(),
            wanted: NONE,
            installed: NONE,
            before: NONE,
            behind: NONE,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.rows[slot as usize] = row;
                slot
            }
            None => {
                self.rows.push(row);
                // 2^32 rows would be 150 GB.
                u32::try_from(self.rows.len() - 1).unwrap_or(NONE)
            }
        };
        let (rows, hasher) = (&self.rows, &self.hasher);
        let hash = |slot: &Slot| hasher.hash_one(rows[*slot as usize].prefix);
        self.index.insert_unique(hash(&slot), slot, hash);
        slot
    }

    /// Forgets a row of which nothing is known any more.
    pub(crate) fn remove_if_empty(&mut self, slot: Slot) {
        let row = self.get(slot);
        if row.wanted != NONE || row.installed != NONE || row.flags.has(Flags::DIRTY) {
            return;
        }
        let hash = self.hasher.hash_one(row.prefix);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == slot) {
            entry.remove();
            self.free.push(slot);
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> &Row {
        &self.rows[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut Row {
        &mut self.rows[slot as usize]
    }

    /// Sets or clears a flag everywhere.
    pub(crate) fn put_on_all(&mut self, flag: u8, on: bool) {
        for row in &mut self.rows {
            row.flags.put(flag, on);
        }
    }

    pub(crate) fn wanted(&self, slot: Slot) -> Option<Id> {
        some(self.get(slot).wanted)
    }

    /// Hangs a row into the chain that begins at `head`.
    pub(crate) fn link(&mut self, slot: Slot, wanted: Id, head: &mut Slot) {
        let row = &mut self.rows[slot as usize];
        row.wanted = wanted;
        row.before = NONE;
        row.behind = *head;
        if *head != NONE {
            self.rows[*head as usize].before = slot;
        }
        *head = slot;
    }

    /// Takes a row out of its chain.
    pub(crate) fn unlink(&mut self, slot: Slot, head: &mut Slot) {
        let Row { before, behind, .. } = self.rows[slot as usize];
        if before == NONE {
            *head = behind;
        } else {
            self.rows[before as usize].behind = behind;
        }
        if behind != NONE {
            self.rows[behind as usize].before = before;
        }
        self.rows[slot as usize].wanted = NONE;
    }

    /// The rows of a chain.
    pub(crate) fn chain(&self, head: Slot) -> impl Iterator<Item = Slot> {
        std::iter::successors(some(head), |slot| some(self.get(*slot).behind))
    }

    /// All rows, in no order that means anything.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.index.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

/// `None` for [`NONE`].
pub(crate) fn some(id: u32) -> Option<u32> {
    (id != NONE).then_some(id)
}
