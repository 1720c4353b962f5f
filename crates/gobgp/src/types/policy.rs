//! Policies, their statements and where they are assigned.

use super::{Actions, Conditions, wire_enum};
use crate::dialect::Api;
use crate::wire;
use bytes::Bytes;
use prost::{DecodeError, Message};

/// A list of statements. The first that matches and says what becomes of a
/// route ends the evaluation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// In order.
    pub statements: Vec<Statement>,
}

/// Conditions, and what is done where they all hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// Its name, unique in the daemon; several policies may hold it.
    pub name: String,
    /// Nothing set matches every route.
    pub conditions: Conditions,
    /// What is done.
    pub actions: Actions,
    /// Listed with something that this crate does not know: writing it back
    /// would lose that. Ignored when writing.
    pub has_unknown: bool,
}

/// The policies of a table in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyAssignment {
    /// `global`, or a route server client's address.
    pub name: String,
    /// Which way.
    pub direction: PolicyDirection,
    /// In order of evaluation. Only names count when writing.
    pub policies: Vec<Policy>,
    /// What becomes of a route that no statement decided on.
    pub default_action: RouteAction,
}

wire_enum! {
    /// Which way routes go.
    PolicyDirection {
        /// Into the table.
        Import = 1,
        /// Out to neighbors.
        Export = 2,
    }
}

wire_enum! {
    /// What becomes of a route.
    RouteAction {
        /// Nothing is said: evaluation goes on. As a default, everything is
        /// rejected.
        None = 0,
        /// Taken.
        Accept = 1,
        /// Dropped.
        Reject = 2,
    }
}

impl PolicyAssignment {
    /// The name of the global table's assignments.
    pub const GLOBAL: &'static str = "global";

    /// An assignment of the global table.
    pub fn global<I: Into<String>>(
        direction: PolicyDirection,
        policies: impl IntoIterator<Item = I>,
        default_action: RouteAction,
    ) -> Self {
        let named = |name: I| Policy {
            name: name.into(),
            statements: Vec::new(),
        };
        Self {
            name: Self::GLOBAL.to_owned(),
            direction,
            policies: policies.into_iter().map(named).collect(),
            default_action,
        }
    }

    pub(crate) fn to_wire(&self) -> wire::PolicyAssignment {
        let named = |policy: &Policy| wire::Policy {
            name: policy.name.clone(),
            statements: Vec::new(),
        };
        wire::PolicyAssignment {
            name: self.name.clone(),
            direction: self.direction.number(),
            policies: self.policies.iter().map(named).collect(),
            default_action: self.default_action.number(),
        }
    }

    pub(crate) fn from_wire(
        assignment: wire::PolicyAssignment,
        api: Api,
    ) -> Result<Self, DecodeError> {
        let policies = assignment.policies.into_iter();
        Ok(Self {
            name: assignment.name,
            direction: PolicyDirection::from_number(assignment.direction),
            policies: policies
                .map(|p| Policy::from_wire(p, api))
                .collect::<Result<_, _>>()?,
            default_action: RouteAction::from_number(assignment.default_action),
        })
    }
}

impl Policy {
    pub(crate) fn to_wire(&self, api: Api) -> wire::Policy {
        let encode = |statement: &Statement| statement.to_wire(api).encode_to_vec().into();
        wire::Policy {
            name: self.name.clone(),
            statements: self.statements.iter().map(encode).collect(),
        }
    }

    pub(crate) fn from_wire(policy: wire::Policy, api: Api) -> Result<Self, DecodeError> {
        let statements = policy.statements.into_iter();
        Ok(Self {
            name: policy.name,
            statements: statements
                .map(|listed| Statement::from_wire(listed, api))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Statement {
    pub(crate) fn to_wire(&self, api: Api) -> wire::Statement {
        wire::Statement {
            name: self.name.clone(),
            conditions: Some(self.conditions.to_wire(api)),
            actions: Some(self.actions.to_wire(api)),
        }
    }

    pub(crate) fn from_wire(listed: Bytes, api: Api) -> Result<Self, DecodeError> {
        let statement = wire::Statement::decode(listed.clone())?;
        // An encoding has one length only, whatever the order of its fields:
        // a longer one holds fields that were not decoded.
        let has_unknown = statement.encoded_len() != listed.len();
        Ok(Self {
            name: statement.name,
            conditions: Conditions::from_wire(statement.conditions.unwrap_or_default(), api),
            actions: Actions::from_wire(statement.actions.unwrap_or_default(), api),
            has_unknown,
        })
    }
}
