//! What a failed call leaves behind: told apart by etcd's texts, since its
//! codes say less.

use crate::Error;
use sdwan_tls::Failure as Failed;
use std::error::Error as StdError;
use tonic::{Code, Status};

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not carried out and won't be; another member may do it.
    NotSent(String),
    /// It may have been carried out, or may be yet.
    Lost(String),
    /// That member is none of this cluster's. Not carried out.
    Foreign(String),
    /// The token is none any more: ask for another one. Not carried out.
    Token(String),
    /// etcd says no, as any member would. Not carried out.
    Refused(Refusal),
}

/// What etcd says no to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A revision that is compacted.
    Compacted,
    /// A revision that is yet to come.
    Future,
    /// A lease that is gone.
    NoLease,
    /// A request over the limits that this etcd was started with.
    TooLarge(String),
    /// Anything else, in its words.
    Other(String),
}

impl Failure {
    /// Of a member's answer, or of what came instead; `hint` is what that may
    /// mean.
    pub(super) fn of(member: &str, status: &Status, hint: Option<&str>) -> Self {
        let says = |text: &str| status.message().contains(text);
        let why = || match hint {
            Some(hint) => format!("etcd at {member}: {}: {hint}", plain(status)),
            None => format!("etcd at {member}: {}", plain(status)),
        };
        if never_connected(status) || NOT_TAKEN.into_iter().any(says) {
            return Self::NotSent(why());
        }
        if TOKEN.into_iter().any(says) {
            return Self::Token(why());
        }
        let refusal = if says("revision has been compacted") {
            Refusal::Compacted
        } else if says("is a future revision") {
            Refusal::Future
        } else if says("requested lease not found") {
            Refusal::NoLease
        } else if TOO_LARGE.into_iter().any(says) {
            Refusal::TooLarge(why())
        } else {
            match status.code() {
                Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
                | Code::NotFound => Refusal::Other(why()),
                // Out of space among them: etcd may say so of what it wrote.
                _ => return Self::Lost(why()),
            }
        };
        Self::Refused(refusal)
    }

    /// For calls that say nothing more precise.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NotSent(why) | Self::Lost(why) | Self::Foreign(why) | Self::Token(why) => {
                Error::Unavailable(why)
            }
            Self::Refused(Refusal::TooLarge(why)) => Error::TooLarge {
                what: "this size".into(),
                limit: format!("this cluster ({why}): start it with etcd's own limits or higher"),
            },
            Self::Refused(Refusal::Other(why)) => Error::Unavailable(why),
            Self::Refused(Refusal::NoLease) => Error::LeaseExpired,
            Self::Refused(Refusal::Compacted) => {
                Error::Unavailable("etcd compacted what was being read".into())
            }
            Self::Refused(Refusal::Future) => {
                Error::Unavailable("etcd does not have that revision yet".into())
            }
        }
    }
}

/// Said before a request is proposed to the others.
const NOT_TAKEN: [&str; 4] = [
    "etcdserver: no leader",
    "etcdserver: too many requests",
    "etcdserver: not capable",
    "not supported for learner",
];

/// Without a token, etcd takes the user for one without a name.
const TOKEN: [&str; 3] = [
    "invalid auth token",
    "revision of auth store is old",
    "user name is empty",
];

/// The last one is gRPC's, for what is larger still.
const TOO_LARGE: [&str; 3] = [
    "request is too large",
    "too many operations",
    "received message larger than max",
];

/// Whether there was no connection to send anything over.
pub(super) fn never_connected(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn plain(status: &Status) -> String {
    match status.source() {
        Some(cause) => innermost(cause),
        None => status.message().to_owned(),
    }
}

/// The innermost cause, with what can be done about it.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let reason = sdwan_tls::reason(error);
    match Failed::of(error) {
        Some(Failed::NoTls) => format!("{reason}: write http://"),
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_told_from_what_did_not() {
        let of = |code, text: &str| Failure::of("a:1", &Status::new(code, text), None);
        let lost = of(Code::Unavailable, "etcdserver: request timed out");
        assert!(matches!(lost, Failure::Lost(_)), "{lost:?}");
        let full = of(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        assert!(matches!(full, Failure::Lost(_)), "{full:?}");
        let not_sent = of(Code::Unavailable, "etcdserver: no leader");
        assert_eq!(
            not_sent,
            Failure::NotSent("etcd at a:1: etcdserver: no leader".into())
        );
        let denied = of(Code::PermissionDenied, "etcdserver: permission denied");
        assert!(matches!(denied, Failure::Refused(Refusal::Other(_))));
    }
}
