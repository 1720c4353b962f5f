//! What can go wrong with a store, by what the caller can do about it.

use crate::Revision;

/// A store's refusal or failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written; trying again later may help.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// The history that was asked for is gone: list again and watch from there.
    #[error("the history before revision {oldest} is compacted")]
    Compacted {
        /// The oldest revision that a watch can still start after.
        oldest: Revision,
    },
    /// The commit is larger than any backend takes: split it.
    #[error("a commit of {what} is over the limit of {limit}")]
    TooLarge {
        /// What was counted, e.g. `5000 operations`.
        what: String,
        /// The limit, e.g. `4096 operations`.
        limit: String,
    },
    /// The lease ran out or was revoked.
    #[error("the lease has expired")]
    LeaseExpired,
    /// The call itself makes no sense, e.g. a commit with one key twice.
    #[error("not a valid request to the store: {0}")]
    Invalid(String),
    /// Opening failed for good; the text says what to do.
    #[error("{0}")]
    Open(String),
}
