//! The one word that users see, folded from what is known of a row, and the
//! evidence beside it; and which reports are taken.
//!
//! A report is about a version of a row. One about an older version comes too
//! late and is dropped; one about a version that does not exist yet would
//! stick for ever and is refused. What was seen and what was acknowledged are
//! kept apart, so neither has to wait for the other.

pub mod fib;

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

/// [`State::state`]: the version is on the router.
pub const ACTIVE: &str = "ACTIVE";
/// [`State::state`]: it will not get there by trying again.
pub const FAILED: &str = "FAILED";
/// [`State::state`]: it waits for something.
pub const PENDING: &str = "PENDING";
/// [`Monitoring::monitoring`]: the session is established.
pub const UP: &str = "UP";
/// [`Monitoring::monitoring`]: it is not.
pub const DOWN: &str = "DOWN";

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
    /// What does not answer and why, e.g. `gobgpd at 192.0.2.1:50051 does not
    /// answer: connection refused`.
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
    /// Others than this program report on it: no router's reachability has a
    /// part in it, and what is watched is known by being reported.
    pub outside: bool,
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

/// Why a report is not taken, though it is not merely late.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Whoever reports knows a version that was never declared.
    #[error("the report is about version {reported}, the row is at version {actual}")]
    Future {
        /// The report's version.
        reported: u64,
        /// The row's version.
        actual: u64,
    },
    /// A word that says nothing here.
    #[error("{word:?} is not one of {known}")]
    UnknownWord {
        /// The report's word.
        word: String,
        /// The words there are.
        known: &'static str,
    },
}

impl Status {
    /// The word as users see it, e.g. `PENDING_CREATE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingDelete => "PENDING_DELETE",
            Self::Failed => "FAILED",
            Self::PendingCreate => "PENDING_CREATE",
            Self::PendingUpdate => "PENDING_UPDATE",
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Active => "ACTIVE",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// The newest version that this says was ever applied. A worker that
    /// knows Gohan's three fields alone says so by the state.
    pub fn applied(&self) -> u64 {
        match self.state.as_str() {
            ACTIVE => self.applied.max(self.version),
            _ => self.applied,
        }
    }
}

/// What to store when the configuring side reports on a row at `version`;
/// `None` where the report is late or says nothing new. Any state may follow
/// any other, FAILED to ACTIVE at the same version included. `now` (RFC 3339)
/// stands for a missing `since`.
///
/// # Errors
/// [`Error`]; nothing is to be stored.
pub fn take_state(
    version: u64,
    stored: Option<&State>,
    report: State,
    now: &str,
) -> Result<Option<State>, Error> {
    if ![ACTIVE, FAILED, PENDING].contains(&report.state.as_str()) {
        let (word, known) = (report.state, "ACTIVE, FAILED, PENDING");
        return Err(Error::UnknownWord { word, known });
    }
    if !timely(version, report.version)? {
        return Ok(None);
    }
    let applied = stored.map_or(0, State::applied).max(report.applied());
    let applied = applied.min(version);
    let same = |s: &&State| s.state == report.state && s.error == report.error;
    let since = stored.filter(same).and_then(|s| s.since.clone());
    let next = State {
        applied,
        since: since
            .or_else(|| report.since.clone())
            .or_else(|| Some(now.to_owned())),
        ..report
    };
    Ok(Some(next).filter(|next| stored != Some(next)))
}

/// What to store when the watching side reports on a row at `version`; `None`
/// where the report is late or says nothing new. Whether the row has been
/// acknowledged as applied plays no part. Flaps are counted here: the
/// report's own number is not used. `now` (RFC 3339) stands for a missing
/// `since`.
///
/// # Errors
/// [`Error`]; nothing is to be stored.
pub fn take_monitoring(
    version: u64,
    stored: Option<&Monitoring>,
    report: Monitoring,
    now: &str,
) -> Result<Option<Monitoring>, Error> {
    if ![UP, DOWN].contains(&report.monitoring.as_str()) {
        let (word, known) = (report.monitoring, "UP, DOWN");
        return Err(Error::UnknownWord { word, known });
    }
    if !timely(version, report.version)? {
        return Ok(None);
    }
    let same = |m: &&Monitoring| m.monitoring == report.monitoring;
    let since = stored.filter(same).and_then(|m| m.since.clone());
    let fell = stored.is_some_and(|m| m.monitoring == UP) && report.monitoring == DOWN;
    let next = Monitoring {
        flaps: stored.map_or(0, |m| m.flaps) + u64::from(fell),
        since: since
            .or_else(|| report.since.clone())
            .or_else(|| Some(now.to_owned())),
        ..report
    };
    Ok(Some(next).filter(|next| stored != Some(next)))
}

fn timely(actual: u64, reported: u64) -> Result<bool, Error> {
    if reported > actual {
        return Err(Error::Future { reported, actual });
    }
    Ok(reported == actual)
}

/// The fold; the first rule that holds wins. `None` for a kind that nobody
/// reports on.
pub fn fold(facts: &Facts<'_>) -> Option<Folded> {
    if !facts.managed {
        return None;
    }
    // A word about an older version says nothing of this one.
    let state = facts.state.filter(|s| s.version == facts.version);
    let pending = state.filter(|s| s.state == PENDING);
    let applied = facts.state.map_or(0, State::applied);
    let word = |status, reason: &str, since: Option<&String>| Folded {
        status,
        reason: reason.to_owned(),
        since: since.cloned(),
    };
    let seen = facts.monitoring.filter(|m| m.version == facts.version);
    if facts.outside && facts.state.is_none() && seen.is_some() && !facts.deleting {
        // Its worker watches and configures nothing.
        return Some(outside(facts));
    }
    if facts.deleting {
        return Some(word(Status::PendingDelete, &waits(facts, pending), None));
    }
    if let Some(failed) = state.filter(|s| s.state == FAILED) {
        return Some(word(Status::Failed, &failed.error, failed.since.as_ref()));
    }
    if applied < facts.version || pending.is_some() {
        let status = match applied {
            0 => Status::PendingCreate,
            _ => Status::PendingUpdate,
        };
        let since = pending.and_then(|s| s.since.as_ref());
        return Some(word(status, &waits(facts, pending), since));
    }
    if facts.outside {
        return Some(outside(facts));
    }
    let Some(reachability) = facts.reachability else {
        let reason = "its router has not been seen since the server started";
        return Some(word(Status::Unknown, reason, None));
    };
    if !reachability.reachable {
        let since = Some(&reachability.since);
        return Some(word(Status::Unknown, &unreachable(reachability), since));
    }
    if !facts.has_session {
        let since = facts.state.and_then(|s| s.since.as_ref());
        return Some(word(Status::Active, "", since));
    }
    Some(match facts.monitoring {
        Some(seen) if seen.monitoring == UP => word(Status::Up, "", seen.since.as_ref()),
        Some(seen) => word(Status::Down, &why_down(seen), seen.since.as_ref()),
        None => word(Status::Down, "its session has not been seen yet", None),
    })
}

/// Of an applied row that others report on: what they see, if they watch it.
fn outside(facts: &Facts<'_>) -> Folded {
    let seen = facts.monitoring.filter(|m| m.version == facts.version);
    let (status, reason) = match seen.map(|seen| (seen.monitoring.as_str(), seen)) {
        None => (Status::Active, String::new()),
        Some((UP, _)) => (Status::Up, String::new()),
        Some((DOWN, seen)) => (Status::Down, why_down(seen)),
        Some((word, _)) => (Status::Unknown, format!("its worker says {word}")),
    };
    let since = match seen {
        Some(seen) => seen.since.clone(),
        None => facts.state.and_then(|state| state.since.clone()),
    };
    Folded {
        status,
        reason,
        since,
    }
}

/// What a row that is not applied waits for, where that is known. A router
/// that does not answer outweighs what it waited for before.
fn waits(facts: &Facts<'_>, pending: Option<&State>) -> String {
    match facts.reachability {
        Some(reachability) if !reachability.reachable => unreachable(reachability),
        _ => pending.map(|state| state.error.clone()).unwrap_or_default(),
    }
}

fn unreachable(reachability: &Reachability) -> String {
    match reachability.reason.as_str() {
        "" => "its router does not answer".to_owned(),
        reason => reason.to_owned(),
    }
}

/// gobgpd's state and its reason; where it gives none, what the state means.
fn why_down(seen: &Monitoring) -> String {
    let reason = match (seen.session_state.as_str(), seen.reason.as_str()) {
        ("IDLE", "") => "not trying to connect at the moment",
        ("CONNECT" | "ACTIVE", "") => "no connection to the neighbor yet",
        ("OPENSENT", "") => "connected, no OPEN from the neighbor yet",
        ("OPENCONFIRM", "") => "no KEEPALIVE from the neighbor yet",
        (_, reason) => reason,
    };
    let known = |part: &&str| !part.is_empty();
    let parts: Vec<&str> = [&*seen.session_state, reason]
        .into_iter()
        .filter(known)
        .collect();
    parts.join(": ")
}

#[cfg(test)]
mod tests;
