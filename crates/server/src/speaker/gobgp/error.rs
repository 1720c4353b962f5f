//! What the reconciler does about a failed call.

use crate::speaker::Error;
use sdwan_gobgp::Error as Call;

/// A connection that was not made.
pub(super) fn of_dial(error: Call) -> Error {
    match error {
        // Not a matter of time: something else listens there.
        Call::NotGobgp { .. } => Error::Refused(error.to_string()),
        error => of_call(error),
    }
}

/// A call on a connection that was made.
pub(super) fn of_call(error: Call) -> Error {
    let text = error.to_string();
    match error {
        Call::Unreachable { .. } => Error::Unreachable(text),
        Call::Deadline { .. } => Error::Unanswered(text),
        // Another daemon than the one that was dialled, or one that has
        // started anew since: look at it again before anything else.
        Call::NotGobgp { .. } | Call::NotStarted { .. } => Error::Unreachable(text),
        Call::Stopped { .. } => Error::NeedsRestart(text),
        Call::Malformed { .. } => Error::Incomplete(text),
        Call::Address { .. }
        | Call::Tls { .. }
        | Call::Invalid { .. }
        | Call::Exists { .. }
        | Call::NotFound { .. }
        | Call::InUse { .. }
        | Call::Refused { .. } => Error::Refused(text),
    }
}
