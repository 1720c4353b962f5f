//! The one word that users see, folded from what is known of a row, and the
//! evidence beside it.

use serde::{Deserialize, Serialize};

/// What users see in the STATUS column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Gone from the declared state, its router has not let go of it yet.
    PendingDelete,
    /// Can't be applied; the reason says why.
    Failed,
    /// Created, not applied yet.
    PendingCreate,
    /// Changed, the change is not applied yet.
    PendingUpdate,
    /// Applied when last seen; what it is now can't be known.
    Unknown,
    /// A neighbor whose session is established.
    Up,
    /// A neighbor whose session is not.
    Down,
    /// Applied.
    Active,
}

/// `/state/v2.0/PLURAL/ID`: written by whoever configures the router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The version that this is about; reports for older ones are ignored,
    /// for future ones refused.
    pub version: u64,
    /// Empty, or the reason of the failure.
    #[serde(default)]
    pub error: String,
    /// `ACTIVE` or `FAILED`, or `PENDING` with what it waits for in `error`.
    pub state: String,
    /// When it became so (RFC 3339); absent from an outside worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The newest version that was ever applied; 0 where none was.
    #[serde(default)]
    pub applied: u64,
}

/// `/monitoring/v2.0/PLURAL/ID`: written by whoever watches the router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring {
    /// The version of the row that was seen.
    pub version: u64,
    /// `UP` or `DOWN`.
    pub monitoring: String,
    /// BGP session state in GoBGP's words, e.g. `OPENSENT`.
    #[serde(default)]
    pub session_state: String,
    /// Why it is down, where gobgpd says.
    #[serde(default)]
    pub reason: String,
    /// When it became so (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// How often it has gone from UP to DOWN since it was created.
    #[serde(default)]
    pub flaps: u64,
}

/// `/reachability/ROUTER_ID`: whether a router's management API answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// It answered the last heartbeats.
    pub reachable: bool,
    /// Why not.
    #[serde(default)]
    pub reason: String,
    /// When it became so (RFC 3339).
    pub since: String,
    /// The server process that saw it: one that no longer runs proves nothing.
    pub observer: String,
}

/// What is known of one row.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// The declared version.
    pub version: u64,
    /// It is under `/deleting`.
    pub deleting: bool,
    /// What the configuring side last said.
    pub state: Option<&'a State>,
    /// What the watching side last said.
    pub monitoring: Option<&'a Monitoring>,
    /// Its router's reachability as seen by a live observer; `None` when no
    /// live observer has seen the router yet.
    pub reachability: Option<&'a Reachability>,
    /// The kind has sessions: UP and DOWN rather than ACTIVE.
    pub has_session: bool,
    /// A worker reports on the kind; without one there is no status at all.
    pub managed: bool,
}

/// A status with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The word.
    pub status: Status,
    /// Why, in words that an operator can act on; empty where it is plain.
    pub reason: String,
    /// When it became so (RFC 3339), where that is known.
    pub since: Option<String>,
}

/// The fold; the first rule that holds wins. `None` for a kind that nobody
/// reports on.
pub fn fold(_facts: &Facts<'_>) -> Option<Folded> {
    todo!("status")
}
