//! All that a daemon lists of what is compared, in the simulator's terms.

use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::event::Event;
use sdwan_lab::sim::peer::PeerConf;
use sdwan_lab::sim::policy::{Policy, Set, Statement};
use sdwan_model::action::Action;
use sdwan_model::config::{AdminState, Direction, Global};
use sdwan_model::observed::DefaultAction;
use std::fmt::Debug;
use std::net::IpAddr;

/// In an order of its own: gobgpd lists maps.
#[derive(Debug, PartialEq)]
pub(crate) struct Listing {
    /// `None` before BGP is started.
    pub(crate) global: Option<Global>,
    /// With what is configured, and whether it is held down.
    pub(crate) peers: Vec<(IpAddr, PeerConf, bool)>,
    /// What a new watcher is told first.
    pub(crate) watched: Vec<Event>,
    /// None where a type can't be listed.
    pub(crate) sets: Vec<Set>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) import: (Vec<String>, DefaultAction),
    pub(crate) export: (Vec<String>, DefaultAction),
}

impl Listing {
    /// The simulator's.
    pub(crate) fn simulated(daemon: &Gobgpd) -> Self {
        let policies = daemon.policies();
        let peers = daemon.peers().iter();
        let held = |state| state == AdminState::Down;
        let mut listing = Self {
            global: daemon.global().cloned(),
            peers: peers
                .map(|(at, p)| (*at, p.listed(), held(p.admin_state)))
                .collect(),
            watched: daemon.snapshot(),
            sets: policies.list_sets().cloned().collect(),
            statements: policies.list_whole_statements().cloned().collect(),
            policies: policies.list_policies(),
            import: policies.list_assignment(Direction::Import),
            export: policies.list_assignment(Direction::Export),
        };
        listing.sort();
        listing
    }

    /// Puts what has no order into one.
    pub(crate) fn sort(&mut self) {
        self.peers.sort_by_key(|(address, ..)| *address);
        self.watched.sort_by_key(|event| event.address);
        self.sets
            .sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        for set in &mut self.sets {
            set.entries.sort();
        }
        self.statements
            .sort_by(|one, other| one.name.cmp(&other.name));
        self.policies
            .sort_by(|one, other| one.name.cmp(&other.name));
        let held = self
            .policies
            .iter_mut()
            .flat_map(|policy| &mut policy.statements);
        for statement in self.statements.iter_mut().chain(held) {
            statement
                .actions
                .sort_by_key(|action| !matches!(action, Action::MedSet(_)));
        }
    }
}

/// Where two differ: gobgpd's and the simulator's.
pub(crate) fn differences(real: &Listing, simulated: &Listing) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |what: &str, real: &dyn Debug, simulated: &dyn Debug| {
        let (real, simulated) = (format!("{real:?}"), format!("{simulated:?}"));
        if real != simulated {
            found.push(format!(
                "{what}: gobgpd tells {real}, the simulator {simulated}"
            ));
        }
    };
    tell("BGP", &real.global, &simulated.global);
    tell("peers", &real.peers, &simulated.peers);
    tell("new watcher", &real.watched, &simulated.watched);
    tell("sets", &real.sets, &simulated.sets);
    tell("statements", &real.statements, &simulated.statements);
    tell("policies", &real.policies, &simulated.policies);
    tell("import", &real.import, &simulated.import);
    tell("export", &real.export, &simulated.export);
    found
}
