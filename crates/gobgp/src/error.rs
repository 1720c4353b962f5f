//! What gobgpd, or the way to it, answered, by what the caller can do.

use crate::dialect::Rpc;
use std::error::Error as _;
use tonic::{Code, Status};

/// A failed call. gobgpd answers nearly everything with code UNKNOWN, so the
/// kinds are told apart by its texts (measured on 3.10, 3.36 and 4.8).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
        seconds: f64,
    },
    /// The address is none; nothing was sent.
    #[error("{address:?} is not the address of a gobgpd: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What was expected.
        reason: String,
    },
    /// What TLS was to be spoken with is of no use; nothing was sent.
    #[error("TLS with gobgpd: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// The call would do something else than it says; nothing was sent.
    #[error("{call}: not sent: {reason}")]
    Invalid {
        /// The RPC's name.
        call: &'static str,
        /// Why.
        reason: String,
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

/// Parts of gobgpd's texts, measured on 3.10, 3.36 and 4.8.
const EXISTS: &[&str] = &[
    "can't overwrite the existing",
    "already connected to Zebra",
    "already exists",
    "already defined",
];
const NOT_FOUND: &[&str] = &[
    "can't delete a peer configuration for",
    "doesn't exist",
    "not found",
    "no such peer-group",
];
const IN_USE: &[&str] = &["in use"];
const NOT_STARTED: &[&str] = &["bgp server hasn't started yet"];
const STOPPED: &[&str] = &["server stopped"];

impl Error {
    pub(crate) fn from_status(address: &str, call: &'static str, status: &Status) -> Self {
        let text = status.message();
        let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let message = text.to_owned();
        match status.code() {
            // A status with a source was made here, not by gobgpd.
            _ if status.source().is_some() => Self::Unreachable {
                address: address.to_owned(),
                reason: sdwan_tls::reason(status),
            },
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => Self::Unreachable {
                address: address.to_owned(),
                reason: message,
            },
            Code::Unimplemented => Self::NotGobgp {
                address: address.to_owned(),
                reason: message,
            },
            Code::Internal | Code::OutOfRange | Code::DataLoss => Self::Malformed { call, message },
            _ if says(NOT_STARTED) => Self::NotStarted { call },
            _ if says(STOPPED) => Self::Stopped { call },
            _ if says(EXISTS) => Self::Exists { call, message },
            _ if says(IN_USE) => Self::InUse { call, message },
            _ if says(NOT_FOUND) => Self::NotFound { call, message },
            _ => Self::Refused { call, message },
        }
    }

    pub(crate) fn malformed(rpc: Rpc, error: &dyn std::error::Error) -> Self {
        Self::Malformed {
            call: rpc.name,
            message: error.to_string(),
        }
    }

    pub(crate) fn invalid(rpc: Rpc, reason: &str) -> Self {
        Self::Invalid {
            call: rpc.name,
            reason: reason.to_owned(),
        }
    }

    /// With what it may mean, where a connection was made and broke.
    pub(crate) fn hinted(self, hint: &str) -> Self {
        match self {
            Self::Unreachable { address, reason } if is_broken(&reason) => Self::Unreachable {
                address,
                reason: format!("{reason}: {hint}"),
            },
            other => other,
        }
    }

    /// Whether nobody listens at the address: on this machine, the process is
    /// gone. Where somebody does and says nothing, it may live.
    pub fn is_nobody_there(&self) -> bool {
        match self {
            Self::Unreachable { reason, .. } => NOBODY.iter().any(|end| reason.ends_with(end)),
            _ => false,
        }
    }

    /// Whether the same call may succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Deadline { .. } | Self::NotStarted { .. }
        )
    }
}

/// How the system's reasons end when nobody listens: refused, no such socket.
const NOBODY: &[&str] = &["(os error 111)", "(os error 2)"];

/// Not one of the system's about making a connection, nor one of TLS, which
/// says enough.
fn is_broken(reason: &str) -> bool {
    const BROKEN: [&str; 2] = ["(os error 32)", "(os error 104)"];
    const TLS: [&str; 2] = ["invalid peer certificate", "received"];
    let made = !reason.contains("(os error") || BROKEN.iter().any(|end| reason.ends_with(end));
    made && !TLS.iter().any(|start| reason.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: Code, text: &str) -> Error {
        Error::from_status("192.0.2.1:50051", "AddPeer", &Status::new(code, text))
    }

    #[test]
    fn codes_and_texts_say_what_can_be_done() {
        let (call, address) = ("AddPeer", "192.0.2.1:50051".to_owned());
        let message = |text: &str| text.to_owned();
        for (code, text, expected) in [
            (
                Code::Unknown,
                "bgp server hasn't started yet",
                Error::NotStarted { call },
            ),
            (
                Code::Aborted,
                "failed to watch event: server stopped",
                Error::Stopped { call },
            ),
            (
                Code::Unknown,
                "can't overwrite the existing peer: X",
                Error::Exists {
                    call,
                    message: message("can't overwrite the existing peer: X"),
                },
            ),
            (
                Code::Unknown,
                "can't delete. policy p is in use",
                Error::InUse {
                    call,
                    message: message("can't delete. policy p is in use"),
                },
            ),
            (
                Code::Unknown,
                "no such peer-group: g",
                Error::NotFound {
                    call,
                    message: message("no such peer-group: g"),
                },
            ),
            (
                Code::Unknown,
                "x",
                Error::Refused {
                    call,
                    message: message("x"),
                },
            ),
            (
                Code::Internal,
                "x",
                Error::Malformed {
                    call,
                    message: message("x"),
                },
            ),
            (
                Code::Unimplemented,
                "unknown service",
                Error::NotGobgp {
                    address: address.clone(),
                    reason: message("unknown service"),
                },
            ),
            (
                Code::Unavailable,
                "gone",
                Error::Unreachable {
                    address,
                    reason: message("gone"),
                },
            ),
        ] {
            assert_eq!(read(code, text), expected);
        }
    }

    #[test]
    fn the_innermost_reason_is_told() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        let status = Status::from_error(Box::new(std::io::Error::other(refused)));
        let error = Error::from_status("a", "GetBgp", &status);
        assert_eq!(error.to_string(), "gobgpd at a does not answer: refused");
        assert!(error.is_transient());
    }
}
