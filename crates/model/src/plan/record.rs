//! What we remember of the objects that we made on a daemon: `/owned` in the
//! store. Written before the first call, so that a crash loses nothing.

use crate::config::Zebra;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What kind of object an ownership record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnedKind {
    /// A peer, by address.
    Peer,
    /// A policy, by name; its statements are owned with it.
    Policy,
    /// A neighbor set, by name.
    NeighborSet,
    /// The connection to a zebra; a daemon has one at most.
    Zebra,
}

/// The key of an ownership record within its router.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedKey {
    /// What it is.
    pub kind: OwnedKind,
    /// Its name on the daemon; an address in canonical text.
    pub name: String,
}

impl OwnedKey {
    /// Names a record.
    pub fn new(kind: OwnedKind, name: impl ToString) -> Self {
        Self {
            kind,
            name: name.to_string(),
        }
    }
}

/// What we know of an object that we made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRecord {
    /// Names of the fields that we have written: one that is no longer
    /// declared goes back to GoBGP's default.
    #[serde(default)]
    pub declared: BTreeSet<String>,
    /// What still has to happen.
    #[serde(default)]
    pub owed: BTreeSet<Effect>,
    /// The session, by when it came up, that holds what the owed
    /// [`Effect::Reset`] is to clear; `None` until the next look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_session: Option<u64>,
    /// The last disturbing step's desired and observed fingerprints: not
    /// done again until one of them moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Attempt>,
    /// The zebra that gobgpd was told to connect to. It can't be read back,
    /// and is true for as long as the daemon's process lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zebra: Option<Zebra>,
    /// Somebody else made it and it was equal to what was declared: it may
    /// have settings that were never ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

/// A side effect that a change calls for and that is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Evaluate received routes again.
    SoftIn,
    /// Send routes again.
    SoftOut,
    /// The session has to fall before what is declared is true at the
    /// neighbor. Never done by itself: the status says `needs reset`, and it
    /// is settled when another session is seen.
    Reset,
    /// The call that connects to a zebra; settled when the daemon has
    /// answered it.
    EnableZebra,
}

/// Fingerprints of the two sides of a disturbing step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The row's version, which moves with every change to it.
    pub desired: String,
    /// What was observed before the step, without secrets.
    pub observed: String,
}

/// A change to the ownership records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedWrite {
    /// Writes the record.
    Put(OwnedKey, OwnedRecord),
    /// Removes it: the object is gone from the daemon.
    Remove(OwnedKey),
    /// Takes one effect off what is owed.
    Done(OwnedKey, Effect),
}
