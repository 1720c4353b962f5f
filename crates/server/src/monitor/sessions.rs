//! The fold of one router's session events: what each neighbor's session is,
//! what the store says it is, and the difference. Pure, and bounded by the
//! number of neighbors: a store that stalls costs memory for one state a
//! neighbor, however many events come meanwhile.

use crate::catalog::Observation;
use crate::speaker::SessionEvent;
use sdwan_model::observed::SessionState;
use sdwan_model::resource::ResourceRef;
use sdwan_model::status::{Monitoring, Reachability};
use sdwan_store::Revision;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

const UP: &str = "UP";
const DOWN: &str = "DOWN";

/// Which declared neighbor has which address, at which version.
pub(crate) type Roster = BTreeMap<IpAddr, (ResourceRef, u64)>;

/// One router's sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    live: BTreeMap<IpAddr, Session>,
    list: List,
    roster: Roster,
    /// What the store holds, as far as this fold has asked or told, by row
    /// and version: what is told of an older version is not taken.
    stored: BTreeMap<(ResourceRef, u64), Option<Monitoring>>,
    reachable: Option<Reachability>,
    told: Option<Reachability>,
    /// The claim under which `stored` and `told` are what the store holds.
    claim: Option<Revision>,
}

/// How much of the watch's opening list has come.
#[derive(Debug, Default)]
enum List {
    /// Nothing that could be told yet.
    #[default]
    None,
    /// These so far.
    Partial(BTreeSet<IpAddr>),
    /// All: what is not in `live` is not on the router.
    Complete,
}

#[derive(Debug)]
struct Session {
    state: SessionState,
    /// Of the last fall; kept while the session tries to come back.
    reason: String,
    /// It was down and is up again, and nobody has been told.
    fell: bool,
}

/// What is worth a commit now.
#[derive(Debug)]
pub(super) struct News {
    pub(super) observation: Observation,
    /// It changes a status; otherwise only a detail of one, which can wait
    /// for company.
    pub(super) urgent: bool,
}

impl Sessions {
    /// The rows as they are now. A row that appears, or takes over another's
    /// address, gets what is already known of its session.
    pub(crate) fn enroll(&mut self, roster: Roster) {
        self.roster = roster;
        let rows: BTreeSet<&(ResourceRef, u64)> = self.roster.values().collect();
        self.stored.retain(|row, _| rows.contains(row));
    }

    /// The claim as it stands. Under another one than before, what the store
    /// holds may be somebody else's word.
    pub(super) fn claimed(&mut self, at: Option<Revision>) {
        if at.is_some() && at != self.claim {
            self.claim = at;
            self.stored.clear();
            self.told = None;
        }
    }

    /// A watch begins: its list replaces what was known.
    pub(super) fn connected(&mut self) {
        self.list = List::Partial(BTreeSet::new());
    }

    /// The connection is gone: what is known ages, and is not told any more.
    pub(super) fn disconnected(&mut self) {
        self.list = List::None;
    }

    /// The router does not answer.
    pub(super) fn unreachable(&mut self, reason: &str) {
        self.list = List::None;
        self.reach(false, reason);
    }

    fn reach(&mut self, reachable: bool, reason: &str) {
        // When, and who saw it, is filled in by the catalog.
        self.reachable = Some(Reachability {
            reachable,
            reason: reason.to_owned(),
            ..Reachability::default()
        });
    }

    /// Takes one event in; true when a session fell.
    pub(super) fn apply(&mut self, event: SessionEvent) -> bool {
        match event {
            SessionEvent::Listed => {
                if let List::Partial(seen) = std::mem::take(&mut self.list) {
                    self.live.retain(|neighbor, _| seen.contains(neighbor));
                }
                self.list = List::Complete;
                self.reach(true, "");
                false
            }
            SessionEvent::State {
                neighbor,
                state,
                admin_down,
                reason,
            } => {
                if let List::Partial(seen) = &mut self.list {
                    seen.insert(neighbor);
                }
                let session = self.live.entry(neighbor).or_insert_with(|| Session {
                    state,
                    reason: String::new(),
                    fell: false,
                });
                session.turn(state, admin_down, reason)
            }
        }
    }

    /// What the store does not say yet. `stored` is asked once a row.
    pub(super) fn news(
        &mut self,
        router: &str,
        stored: impl Fn(&ResourceRef) -> Option<Monitoring>,
    ) -> Option<News> {
        let mut sessions = BTreeMap::new();
        let mut urgent = false;
        if matches!(self.list, List::Complete) {
            for (neighbor, named) in &self.roster {
                let (row, version) = named;
                if !self.stored.contains_key(named) {
                    self.stored.insert(named.clone(), stored(row));
                }
                let known = self.stored.get(named).and_then(Option::as_ref);
                let was_up = known.is_some_and(|known| known.monitoring == UP);
                let Some(mut now) = seen(self.live.get(neighbor), was_up) else {
                    continue;
                };
                if known.is_some_and(|known| same(known, &now)) {
                    continue;
                }
                urgent |= was_up || now.monitoring == UP;
                now.version = *version;
                sessions.insert(row.clone(), now);
            }
        }
        let reachability = self
            .reachable
            .clone()
            .filter(|now| self.told.as_ref() != Some(now));
        urgent |= reachability.is_some();
        if sessions.is_empty() && reachability.is_none() {
            return None;
        }
        let observation = Observation {
            router: router.to_owned(),
            reachability,
            sessions,
        };
        Some(News {
            observation,
            urgent,
        })
    }

    /// The store holds this now.
    pub(super) fn told(&mut self, observation: Observation) {
        if observation.reachability.is_some() {
            self.told = observation.reachability;
        }
        for (neighbor, (row, version)) in &self.roster {
            let Some(now) = observation.sessions.get(row) else {
                continue;
            };
            if now.version != *version {
                continue;
            }
            if let Some(session) = self.live.get_mut(neighbor) {
                session.fell = false;
            }
            self.stored
                .insert((row.clone(), *version), Some(now.clone()));
        }
    }
}

impl Session {
    fn turn(&mut self, state: SessionState, admin_down: bool, reason: String) -> bool {
        let was_up = self.state == SessionState::Established;
        let is_up = state == SessionState::Established;
        self.state = state;
        let fell = was_up && !is_up;
        self.fell |= fell;
        if !is_up {
            if !reason.is_empty() {
                self.reason = reason;
            } else if admin_down {
                self.reason = "held down on the router".to_owned();
            } else if fell {
                self.reason.clear();
            }
        }
        fell
    }
}

/// What to tell of a session; `None` when there is nothing to tell.
fn seen(session: Option<&Session>, was_up: bool) -> Option<Monitoring> {
    let (monitoring, state, reason) = match session {
        // A fall between two commits is told, though it is over: it counts.
        Some(session) if session.state == SessionState::Established && session.fell && was_up => {
            (DOWN, SessionState::Idle.as_str(), session.reason.as_str())
        }
        Some(session) if session.state == SessionState::Established => {
            (UP, session.state.as_str(), "")
        }
        Some(session) => (DOWN, session.state.as_str(), session.reason.as_str()),
        None if was_up => (DOWN, "", "the router does not have this neighbor"),
        None => return None,
    };
    Some(Monitoring {
        monitoring: monitoring.to_owned(),
        session_state: state.to_owned(),
        reason: reason.to_owned(),
        ..Monitoring::default()
    })
}

fn same(known: &Monitoring, now: &Monitoring) -> bool {
    known.monitoring == now.monitoring
        && known.session_state == now.session_state
        && known.reason == now.reason
}
