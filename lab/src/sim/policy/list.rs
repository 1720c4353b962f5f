//! What is listed: that which is found by name.

use super::{Policies, Policy, Set, Statement};
use sdwan_model::config::Direction;
use sdwan_model::observed::DefaultAction;

impl Policies {
    /// `ListDefinedSet` of every type.
    pub fn list_sets(&self) -> impl Iterator<Item = &Set> {
        self.set_names.values().map(|set| &self.sets[*set])
    }

    /// `ListPolicy`.
    pub fn list_policies(&self) -> Vec<Policy> {
        self.policy_names
            .values()
            .map(|policy| {
                let (name, statements) = &self.policies[*policy];
                let statements = statements
                    .iter()
                    .map(|s| self.statements[*s].statement.clone());
                Policy {
                    name: name.clone(),
                    statements: statements.collect(),
                }
            })
            .collect()
    }

    /// `ListStatement`, names.
    pub fn list_statements(&self) -> impl Iterator<Item = &String> {
        self.statement_names.keys()
    }

    /// `ListPolicyAssignment` of the global table.
    pub fn list_assignment(&self, direction: Direction) -> (Vec<String>, DefaultAction) {
        let assigned = self.assigned(direction);
        let names = assigned
            .policies
            .iter()
            .map(|policy| self.policies[*policy].0.clone());
        (names.collect(), assigned.default)
    }

    /// `ListStatement`.
    pub fn list_whole_statements(&self) -> impl Iterator<Item = &Statement> {
        let found = self.statement_names.values();
        found.map(|statement| &self.statements[*statement].statement)
    }
}
