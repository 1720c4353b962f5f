//! Calls that `sdwan` does not make and a person may: they have to come out
//! as on a real daemon too.

use super::{Policies, Statement};
use crate::sim::state::{Refusal, refuse};
use sdwan_model::action::Action;
use sdwan_model::config::Direction;
use sdwan_model::observed::{DefaultAction, SetKind};

impl Policies {
    /// `ListDefinedSet`, and every other call on sets: whether there is room
    /// for them.
    pub fn takes(&self, kind: SetKind) -> Result<(), Refusal> {
        if self.takes_sets {
            return Ok(());
        }
        let number = match kind {
            SetKind::Prefix => 0,
            SetKind::Neighbor => 1,
            SetKind::AsPath => 3,
            SetKind::Community => 4,
            SetKind::ExtCommunity => 5,
            SetKind::LargeCommunity => 6,
            SetKind::Other(number) => number,
        };
        refuse(format!("invalid defined-set type: {number}"))
    }

    /// `AddStatement` on a name that is there: its conditions and actions are
    /// added to that one, if none of their kinds is there yet.
    pub(super) fn add_to_statement(
        &mut self,
        found: usize,
        added: Statement,
    ) -> Result<(), Refusal> {
        let sets = self.sets_of(&added)?;
        let held = &mut self.statements[found];
        let mut after = held.statement.clone();
        for (kind, name) in added.conditions {
            if after.conditions.insert(kind, name).is_some() {
                return refuse(format!("condition {} is already set", condition(kind)));
            }
        }
        if after.disposition.is_some() && added.disposition.is_some() {
            return refuse("route action is already set");
        }
        after.disposition = after.disposition.or(added.disposition);
        for action in added.actions {
            let number = number(&action);
            if after
                .actions
                .iter()
                .any(|there| self::number(there) == number)
            {
                return refuse(format!("action {number} is already set"));
            }
            after.actions.push(action);
        }
        held.statement = after;
        held.sets.extend(sets);
        Ok(())
    }

    /// `DeleteStatement`, all of it.
    pub fn delete_statement(&mut self, name: &str) -> Result<(), Refusal> {
        if !self.statement_names.contains_key(name) {
            return refuse(format!("not found statement: {name}"));
        }
        if self.holds_statement(name) {
            return refuse(format!("can't delete. statement {name} is in use"));
        }
        self.statement_names.remove(name);
        Ok(())
    }

    /// `AddPolicyAssignment` of the global table: behind those that are there.
    pub fn add_policy_assignment(
        &mut self,
        direction: Direction,
        names: &[String],
        default: DefaultAction,
    ) -> Result<(), Refusal> {
        let added = self.found(names)?;
        let assigned = self.assigned(direction).policies.iter();
        let mut all: Vec<String> = assigned
            .map(|policy| self.policies[*policy].0.clone())
            .collect();
        for name in names {
            if all.contains(name) {
                return refuse(format!("duplicated policy {name}"));
            }
            all.push(name.clone());
        }
        let assigned = self.assigned_mut(direction);
        assigned.policies.extend(added);
        if default != DefaultAction::None {
            assigned.default = default;
        }
        Ok(())
    }

    /// `DeletePolicyAssignment` of these policies.
    pub fn delete_from_policy_assignment(
        &mut self,
        direction: Direction,
        names: &[String],
    ) -> Result<(), Refusal> {
        self.found(names)?;
        let assigned = self.assigned(direction).policies.iter();
        let stays = assigned
            .filter(|policy| !names.contains(&self.policies[**policy].0))
            .copied()
            .collect();
        self.assigned_mut(direction).policies = stays;
        Ok(())
    }
}

/// gobgpd's number of a condition.
fn condition(kind: SetKind) -> u8 {
    match kind {
        SetKind::Prefix => 0,
        SetKind::Neighbor => 1,
        SetKind::AsPath => 2,
        SetKind::Community => 3,
        SetKind::ExtCommunity => 4,
        SetKind::LargeCommunity | SetKind::Other(_) => 8,
    }
}

/// gobgpd's number of an action.
fn number(action: &Action) -> u8 {
    match action {
        Action::Community(..) => 1,
        Action::ExtCommunity(..) => 2,
        Action::MedAdjust(_) | Action::MedSet(_) => 3,
        Action::AsPrepend(..) => 4,
        Action::NextHop(_) => 5,
        Action::LocalPref(_) => 6,
        Action::LargeCommunity(..) => 7,
    }
}
