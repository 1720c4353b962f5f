//! What is done to a whole store while no server needs to run on it: `sdwan
//! store dump`, `restore` and `check`.
//!
//! A dump is text that says what is declared and what is known of it, and
//! nothing of the store that it came from: so it goes from SQLite to etcd and
//! back. What stands in a store beyond that (revisions, leases, who is running)
//! does not survive, which is why a restored store begins a new epoch and
//! touches no router before somebody has looked.

mod check;
mod dump;
mod restore;

pub use check::{Checked, check};
pub use dump::{Dump, Entry, Header};
pub use restore::{Restore, Restored};

use crate::catalog;
use crate::keys;
use sdwan_store::{Error as StoreError, Listing};

/// Why a store is not dumped or restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No dump, not all of one, or one that was changed.
    #[error("line {line} of the dump: {why}; nothing was written")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The dump can't be read or written.
    #[error("the dump: {0}")]
    Io(#[from] std::io::Error),
    /// The store is not one for this.
    #[error("{0}")]
    Refused(String),
    /// A restore began and did not end.
    #[error("{0}; the store is half restored and no server starts on it: restore again")]
    Unfinished(String),
    /// What the store holds is for another version of this program.
    #[error(transparent)]
    Open(#[from] catalog::Error),
    /// The store; nothing was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often what the store holds was restored.
///
/// # Errors
/// What stands there instead of a number.
fn epoch(listing: &Listing) -> Result<u64, String> {
    let entry = listing.entries.iter().find(|e| e.key == keys::EPOCH);
    let Some(entry) = entry else { return Ok(0) };
    let text = String::from_utf8_lossy(&entry.value);
    let wrong = |_| format!("{}: {text:?} is not a number", keys::EPOCH);
    text.parse().map_err(wrong)
}
