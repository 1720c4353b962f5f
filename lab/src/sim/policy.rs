//! Sets, statements, policies and assignments. gobgpd finds them by name but
//! holds them by pointer, and that shows: a set that is replaced under its
//! name leaves statements with the old one, and an assigned import policy can
//! be deleted and goes on being evaluated.

mod list;
mod raw;

use super::state::{Refusal, refuse};
use sdwan_model::action::Action;
use sdwan_model::config::{Direction, Disposition};
use sdwan_model::observed::{DefaultAction, SetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A defined set as told and listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its type.
    pub kind: SetKind,
    /// Unique within its type.
    pub name: String,
    /// As written, e.g. `10.0.0.1/32`.
    pub entries: Vec<String>,
}

impl Set {
    /// A set of neighbors.
    pub fn neighbors<'a>(name: &str, members: impl IntoIterator<Item = &'a IpAddr>) -> Self {
        let length = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        Self {
            kind: SetKind::Neighbor,
            name: name.to_owned(),
            entries: members
                .into_iter()
                .map(|address| format!("{address}/{}", length(address)))
                .collect(),
        }
    }

    /// The single addresses among the entries, and whether that is all.
    pub fn addresses(&self) -> (BTreeSet<IpAddr>, bool) {
        let single = |entry: &String| {
            let (address, length) = entry.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            (length == if address.is_ipv4() { "32" } else { "128" }).then_some(address)
        };
        let found: Vec<Option<IpAddr>> = self.entries.iter().map(single).collect();
        let complete = found.iter().all(Option::is_some);
        (found.into_iter().flatten().collect(), complete)
    }
}

/// A statement as told and listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Unique in the daemon.
    pub name: String,
    /// Sets that must match, by type.
    pub conditions: BTreeMap<SetKind, String>,
    /// What it changes.
    pub actions: Vec<Action>,
    /// What becomes of the route.
    pub disposition: Option<Disposition>,
}

/// A policy as told and listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Unique in the daemon.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// One statement that a peer's routes meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Something else than the neighbor has to match too.
    pub conditional: bool,
    /// What it changes.
    pub actions: Vec<Action>,
    /// What becomes of the route.
    pub disposition: Option<Disposition>,
}

/// A statement as held: conditions point to sets.
#[derive(Clone, Debug)]
struct Held {
    statement: Statement,
    sets: BTreeMap<SetKind, usize>,
}

/// One direction's assignment.
#[derive(Clone, Debug, Default)]
struct Assigned {
    policies: Vec<usize>,
    default: DefaultAction,
}

/// Everything. Objects are never dropped, only no longer found by name.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    sets: Vec<Set>,
    statements: Vec<Held>,
    policies: Vec<(String, Vec<usize>)>,
    set_names: BTreeMap<(SetKind, String), usize>,
    statement_names: BTreeMap<String, usize>,
    policy_names: BTreeMap<String, usize>,
    import: Assigned,
    export: Assigned,
    /// Before BGP is started there is no room for sets, while statements and
    /// policies may be made; `SetPolicies` makes that room too.
    takes_sets: bool,
}

impl Policies {
    /// As BGP starts: nothing, and accepting.
    pub(super) fn started() -> Self {
        let mut policies = Self {
            takes_sets: true,
            ..Self::default()
        };
        policies.import.default = DefaultAction::Accept;
        policies.export.default = DefaultAction::Accept;
        policies
    }

    fn assigned(&self, direction: Direction) -> &Assigned {
        match direction {
            Direction::Import => &self.import,
            Direction::Export => &self.export,
        }
    }

    fn assigned_mut(&mut self, direction: Direction) -> &mut Assigned {
        match direction {
            Direction::Import => &mut self.import,
            Direction::Export => &mut self.export,
        }
    }

    /// `AddDefinedSet`: appends to one that is there.
    pub fn add_defined_set(&mut self, set: Set) -> Result<(), Refusal> {
        self.takes(set.kind)?;
        let key = (set.kind, set.name.clone());
        match self.set_names.get(&key) {
            Some(found) => self.sets[*found].entries.extend(set.entries),
            None => {
                self.set_names.insert(key, self.sets.len());
                self.sets.push(set);
            }
        }
        Ok(())
    }

    /// `DeleteDefinedSet`: all of it, or the entries that are told.
    pub fn delete_defined_set(&mut self, set: &Set, all: bool) -> Result<(), Refusal> {
        self.takes(set.kind)?;
        let key = (set.kind, set.name.clone());
        let Some(found) = self.set_names.get(&key).copied() else {
            return refuse(format!("not found defined-set: {}", set.name));
        };
        if !all {
            self.sets[found]
                .entries
                .retain(|entry| !set.entries.contains(entry));
            return Ok(());
        }
        let refers = |statement: &usize| {
            self.statements[*statement]
                .sets
                .values()
                .any(|used| self.sets[*used].name == set.name)
        };
        let in_use = self
            .policy_names
            .values()
            .any(|policy| self.policies[*policy].1.iter().any(refers));
        if in_use {
            return refuse(format!("can't delete. defined-set {} is in use", set.name));
        }
        self.set_names.remove(&key);
        Ok(())
    }

    fn hold(&self, statement: Statement) -> Result<Held, Refusal> {
        let sets = self.sets_of(&statement)?;
        Ok(Held { statement, sets })
    }

    /// The sets that a statement's conditions name.
    fn sets_of(&self, statement: &Statement) -> Result<BTreeMap<SetKind, usize>, Refusal> {
        let mut sets = BTreeMap::new();
        for (kind, name) in &statement.conditions {
            let Some(found) = self.set_names.get(&(*kind, name.clone())) else {
                let word = match kind {
                    SetKind::Prefix | SetKind::Other(_) => "prefix",
                    SetKind::Neighbor => "neighbor",
                    SetKind::AsPath => "as path",
                    SetKind::Community => "community",
                    SetKind::ExtCommunity => "ext-community",
                    SetKind::LargeCommunity => "large-community",
                };
                return refuse(format!("not found {word} set {name}"));
            };
            sets.insert(*kind, *found);
        }
        Ok(sets)
    }

    /// `AddStatement`.
    pub fn add_statement(&mut self, statement: Statement) -> Result<(), Refusal> {
        let name = statement.name.clone();
        if let Some(found) = self.statement_names.get(&name) {
            return self.add_to_statement(*found, statement);
        }
        let held = self.hold(statement)?;
        self.statement_names.insert(name, self.statements.len());
        self.statements.push(held);
        Ok(())
    }

    /// `AddPolicy` with whole statements: appends to a policy that is there.
    /// Statements before the one that is refused stay behind.
    pub fn add_policy(&mut self, policy: Policy) -> Result<(), Refusal> {
        let mut all = Vec::new();
        for statement in policy.statements {
            all.push(self.hold(statement)?);
        }
        let mut ids = Vec::new();
        for held in all {
            let name = held.statement.name.clone();
            if self.statement_names.contains_key(&name) {
                return refuse(format!("statement {name} already defined"));
            }
            ids.push(self.statements.len());
            self.statement_names.insert(name, self.statements.len());
            self.statements.push(held);
        }
        match self.policy_names.get(&policy.name) {
            Some(found) => self.policies[*found].1.extend(ids),
            None => {
                self.policy_names
                    .insert(policy.name.clone(), self.policies.len());
                self.policies.push((policy.name, ids));
            }
        }
        Ok(())
    }

    /// `DeletePolicy` with its statements. Looks at the export assignment
    /// only to tell whether it is in use.
    pub fn delete_policy(&mut self, name: &str) -> Result<(), Refusal> {
        let Some(found) = self.policy_names.get(name).copied() else {
            return refuse(format!("not found policy: {name}"));
        };
        if self
            .export
            .policies
            .iter()
            .any(|policy| self.policies[*policy].0 == name)
        {
            return refuse(format!("can't delete. policy {name} is in use"));
        }
        self.policy_names.remove(name);
        for statement in self.policies[found].1.clone() {
            let name = self.statements[statement].statement.name.clone();
            if !self.holds_statement(&name) {
                self.statement_names.remove(&name);
            }
        }
        Ok(())
    }

    /// Whether a policy holds a statement of this name.
    fn holds_statement(&self, name: &str) -> bool {
        self.policy_names
            .values()
            .flat_map(|policy| &self.policies[*policy].1)
            .any(|used| self.statements[*used].statement.name == name)
    }

    /// `SetPolicies`: all or nothing. Keeps assignments by name, but one with
    /// a policy that is missing now is left empty; knows no default NONE.
    pub fn set_policies(&mut self, sets: Vec<Set>, policies: Vec<Policy>) -> Result<(), Refusal> {
        let mut next = Self {
            takes_sets: true,
            ..Self::default()
        };
        for set in sets {
            next.set_names
                .insert((set.kind, set.name.clone()), next.sets.len());
            next.sets.push(set);
        }
        // Names are looked at before conditions are.
        let (mut names, mut statement_names) = (BTreeSet::new(), BTreeSet::new());
        for policy in &policies {
            if !names.insert(&policy.name) {
                return refuse("duplicated policy name. policy name must be unique");
            }
            let mut statements = policy.statements.iter();
            if !statements.all(|statement| statement_names.insert(&statement.name)) {
                return refuse("duplicated statement name. statement name must be unique");
            }
        }
        for policy in policies {
            next.add_policy(policy)?;
        }
        for direction in [Direction::Import, Direction::Export] {
            let before = self.assigned(direction);
            let names = before
                .policies
                .iter()
                .map(|policy| &self.policies[*policy].0);
            let found: Option<Vec<usize>> = names
                .map(|name| next.policy_names.get(name).copied())
                .collect();
            let kept = found.is_some();
            let default = match before.default {
                DefaultAction::Reject if kept => DefaultAction::Reject,
                _ => DefaultAction::Accept,
            };
            *next.assigned_mut(direction) = Assigned {
                policies: found.unwrap_or_default(),
                default,
            };
        }
        *self = next;
        Ok(())
    }

    /// The policies of these names, each only once.
    fn found(&self, names: &[String]) -> Result<Vec<usize>, Refusal> {
        let mut policies = Vec::new();
        for name in names {
            match self.policy_names.get(name) {
                None => return refuse(format!("not found policy {name}")),
                Some(found) if policies.contains(found) => {
                    return refuse(format!("duplicated policy {name}"));
                }
                Some(found) => policies.push(*found),
            }
        }
        Ok(policies)
    }

    /// `SetPolicyAssignment` of the global table. A default of NONE leaves
    /// the one that is there.
    pub fn set_policy_assignment(
        &mut self,
        direction: Direction,
        names: &[String],
        default: DefaultAction,
    ) -> Result<(), Refusal> {
        let policies = self.found(names)?;
        let assigned = self.assigned_mut(direction);
        assigned.policies = policies;
        if default != DefaultAction::None {
            assigned.default = default;
        }
        Ok(())
    }

    /// `DeletePolicyAssignment` of everything: rejects all from then on.
    pub fn delete_policy_assignment(&mut self, direction: Direction) {
        *self.assigned_mut(direction) = Assigned::default();
    }

    /// What a peer's routes meet in one direction, and the end of it.
    pub fn chain(&self, peer: IpAddr, direction: Direction) -> (Vec<Link>, DefaultAction) {
        let assigned = self.assigned(direction);
        let statements = assigned
            .policies
            .iter()
            .flat_map(|policy| &self.policies[*policy].1);
        let mut chain = Vec::new();
        for held in statements.map(|statement| &self.statements[*statement]) {
            if let Some(set) = held.sets.get(&SetKind::Neighbor) {
                let set = &self.sets[*set];
                // An empty set matches every peer.
                if !set.entries.is_empty() && !set.addresses().0.contains(&peer) {
                    continue;
                }
            }
            chain.push(Link {
                conditional: held.sets.keys().any(|kind| *kind != SetKind::Neighbor),
                actions: held.statement.actions.clone(),
                disposition: held.statement.disposition,
            });
        }
        (chain, assigned.default)
    }

    /// Names of empty neighbor sets that an assigned statement refers to.
    pub fn open_sets(&self) -> BTreeSet<String> {
        let assigned = self.import.policies.iter().chain(&self.export.policies);
        assigned
            .flat_map(|policy| &self.policies[*policy].1)
            .filter_map(|statement| self.statements[*statement].sets.get(&SetKind::Neighbor))
            .filter(|set| self.sets[**set].entries.is_empty())
            .map(|set| self.sets[*set].name.clone())
            .collect()
    }
}
