//! What gobgpd, or the way to it, answered, by what the caller can do.

/// A failed call. gobgpd answers nearly everything with code UNKNOWN, so the
/// kinds are told apart by its texts (measured on 3.10, 3.36 and 4.8).
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke; the call may or may not have happened.
    #[error("gobgpd at {address} does not answer: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// In plain words.
        reason: String,
    },
    /// The deadline passed; the call may or may not have happened.
    #[error("gobgpd at {address} did not answer {call} within {seconds} s")]
    Deadline {
        /// Host and port.
        address: String,
        /// The RPC's name.
        call: &'static str,
        /// The deadline.
        seconds: u64,
    },
    /// Something answers there, but neither GoBGP 3 nor GoBGP 4.
    #[error("{address} is not a GoBGP 3 or 4 management API: {reason}")]
    NotGobgp {
        /// Host and port.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The object is there already (`can't overwrite the existing peer`, ...).
    #[error("{call}: {message}")]
    Exists {
        /// The RPC's name.
        call: &'static str,
        /// gobgpd's own words.
        message: String,
    },
    /// The object is not there.
    #[error("{call}: {message}")]
    NotFound {
        /// The RPC's name.
        call: &'static str,
        /// gobgpd's own words.
        message: String,
    },
    /// Another object still uses it.
    #[error("{call}: {message}")]
    InUse {
        /// The RPC's name.
        call: &'static str,
        /// gobgpd's own words.
        message: String,
    },
    /// BGP is not started yet.
    #[error("{call}: BGP is not started on this gobgpd")]
    NotStarted {
        /// The RPC's name.
        call: &'static str,
    },
    /// The daemon was stopped for good (4.5 and newer): restart its process.
    #[error("{call}: this gobgpd was stopped, restart its process")]
    Stopped {
        /// The RPC's name.
        call: &'static str,
    },
    /// Any other refusal.
    #[error("{call}: gobgpd refused: {message}")]
    Refused {
        /// The RPC's name.
        call: &'static str,
        /// gobgpd's own words.
        message: String,
    },
    /// The answer makes no sense: nothing may be concluded from it.
    #[error("{call}: gobgpd's answer is not understood: {message}")]
    Malformed {
        /// The RPC's name.
        call: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Deadline { .. } | Self::NotStarted { .. }
        )
    }
}
