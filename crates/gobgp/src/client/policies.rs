//! Defined sets, statements, policies and assignments.
//!
//! What gobgpd makes of some of these calls is not what their names say;
//! each such trap stands with its call.

use super::Client;
use crate::dialect::{Rpc, rpc};
use crate::error::Error;
use crate::types::{DefinedSet, DefinedType, Policy, PolicyAssignment, PolicyDirection, Statement};
use crate::wire;

impl Client {
    /// The defined sets of one type.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_defined_sets(&self, kind: DefinedType) -> Result<Vec<DefinedSet>, Error> {
        let request = wire::ListDefinedSetRequest {
            defined_type: self.api.shift(kind.number()),
            name: String::new(),
        };
        let rows: Vec<wire::ListDefinedSetResponse> =
            self.list(rpc!("ListDefinedSet"), request).await?;
        let sets = rows.into_iter().filter_map(|row| row.defined_set);
        Ok(sets
            .map(|set| DefinedSet::from_wire(set, self.api))
            .collect())
    }

    /// Makes a defined set; what it lists is added where the set exists.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_defined_set(&self, set: &DefinedSet) -> Result<(), Error> {
        let request = wire::AddDefinedSetRequest {
            defined_set: Some(set.to_wire(self.api)),
        };
        self.unary::<_, wire::Empty>(rpc!("AddDefinedSet"), request)
            .await
            .map(drop)
    }

    /// Takes what `set` lists out of the set of its name.
    ///
    /// A neighbor set that runs empty while a statement refers to it matches
    /// every neighbor.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_from_defined_set(&self, set: &DefinedSet) -> Result<(), Error> {
        self.remove_defined_set(set, false).await
    }

    /// Deletes a whole set; nothing may use it.
    ///
    /// # Errors
    /// [`Error::InUse`]; else see [`Error`].
    pub async fn delete_defined_set(&self, kind: DefinedType, name: &str) -> Result<(), Error> {
        let set = DefinedSet {
            defined_type: kind,
            name: name.to_owned(),
            list: Vec::new(),
            prefixes: Vec::new(),
        };
        self.remove_defined_set(&set, true).await
    }

    async fn remove_defined_set(&self, set: &DefinedSet, all: bool) -> Result<(), Error> {
        let request = wire::DeleteDefinedSetRequest {
            defined_set: Some(set.to_wire(self.api)),
            all,
        };
        self.unary::<_, wire::Empty>(rpc!("DeleteDefinedSet"), request)
            .await
            .map(drop)
    }

    /// The statements, whether a policy holds them or not.
    ///
    /// For what they do, ask [`Self::list_policies`]: 4.8 lists the kinds of
    /// changes to extended and large communities wrongly here.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_statements(&self) -> Result<Vec<Statement>, Error> {
        let rpc = rpc!("ListStatement");
        let request = wire::ListStatementRequest {
            name: String::new(),
        };
        let rows: Vec<wire::ListStatementResponse> = self.list(rpc, request).await?;
        rows.into_iter()
            .map(|row| Statement::from_wire(row.statement, self.api))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::malformed(rpc, &error))
    }

    /// Makes a statement that no policy holds; on an existing name, its
    /// conditions and actions are added to that one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_statement(&self, statement: &Statement) -> Result<(), Error> {
        let request = wire::AddStatementRequest {
            statement: Some(statement.to_wire(self.api)),
        };
        self.unary::<_, wire::Empty>(rpc!("AddStatement"), request)
            .await
            .map(drop)
    }

    /// Deletes a whole statement; no policy may hold it.
    ///
    /// # Errors
    /// [`Error::InUse`]; else see [`Error`].
    pub async fn delete_statement(&self, name: &str) -> Result<(), Error> {
        let statement = wire::Statement {
            name: name.to_owned(),
            ..Default::default()
        };
        let request = wire::DeleteStatementRequest {
            statement: Some(statement),
            all: true,
        };
        self.unary::<_, wire::Empty>(rpc!("DeleteStatement"), request)
            .await
            .map(drop)
    }

    /// The policies with their statements.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_policies(&self) -> Result<Vec<Policy>, Error> {
        let rpc = rpc!("ListPolicy");
        let request = wire::ListPolicyRequest {
            name: String::new(),
        };
        let rows: Vec<wire::ListPolicyResponse> = self.list(rpc, request).await?;
        rows.into_iter()
            .filter_map(|row| row.policy)
            .map(|policy| Policy::from_wire(policy, self.api))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::malformed(rpc, &error))
    }

    /// Makes a policy with its statements; on an existing name they are
    /// appended, duplicates too.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_policy(&self, policy: &Policy) -> Result<(), Error> {
        let request = wire::AddPolicyRequest {
            policy: Some(policy.to_wire(self.api)),
            refer_existing_statements: false,
        };
        self.unary::<_, wire::Empty>(rpc!("AddPolicy"), request)
            .await
            .map(drop)
    }

    /// Deletes a whole policy with its statements; it may not be assigned
    /// (gobgpd looks at exports only).
    ///
    /// # Errors
    /// [`Error::InUse`]; else see [`Error`].
    pub async fn delete_policy(&self, name: &str) -> Result<(), Error> {
        let policy = wire::Policy {
            name: name.to_owned(),
            statements: Vec::new(),
        };
        let request = wire::DeletePolicyRequest {
            policy: Some(policy),
            preserve_statements: false,
            all: true,
        };
        self.unary::<_, wire::Empty>(rpc!("DeletePolicy"), request)
            .await
            .map(drop)
    }

    /// Replaces all sets and all policies at once, or nothing on an error.
    ///
    /// Assignments stay by name. One that names a policy which is no longer
    /// there becomes empty with default accept: it fails open.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_policies(
        &self,
        defined_sets: &[DefinedSet],
        policies: &[Policy],
    ) -> Result<(), Error> {
        let request = wire::SetPoliciesRequest {
            defined_sets: defined_sets
                .iter()
                .map(|set| set.to_wire(self.api))
                .collect(),
            policies: policies
                .iter()
                .map(|policy| policy.to_wire(self.api))
                .collect(),
        };
        self.unary::<_, wire::Empty>(rpc!("SetPolicies"), request)
            .await
            .map(drop)
    }

    /// The assignments of `name`: [`PolicyAssignment::GLOBAL`], or a route
    /// server client's address.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_policy_assignments(
        &self,
        name: &str,
        direction: PolicyDirection,
    ) -> Result<Vec<PolicyAssignment>, Error> {
        let rpc = rpc!("ListPolicyAssignment");
        let request = wire::ListPolicyAssignmentRequest {
            name: name.to_owned(),
            direction: direction.number(),
        };
        let rows: Vec<wire::ListPolicyAssignmentResponse> = self.list(rpc, request).await?;
        rows.into_iter()
            .filter_map(|row| row.assignment)
            .map(|assignment| PolicyAssignment::from_wire(assignment, self.api))
            .collect::<Result<_, _>>()
            .map_err(|error| Error::malformed(rpc, &error))
    }

    /// Assigns these policies instead of all others, with this default.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn set_policy_assignment(&self, assignment: &PolicyAssignment) -> Result<(), Error> {
        self.assign(rpc!("SetPolicyAssignment"), assignment).await
    }

    /// Assigns these policies behind the others; a default of
    /// [`RouteAction::None`](crate::types::RouteAction::None) keeps the one
    /// that is there.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_policy_assignment(&self, assignment: &PolicyAssignment) -> Result<(), Error> {
        self.assign(rpc!("AddPolicyAssignment"), assignment).await
    }

    async fn assign(&self, rpc: Rpc, assignment: &PolicyAssignment) -> Result<(), Error> {
        let request = wire::PolicyAssignmentRequest {
            assignment: Some(assignment.to_wire()),
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Takes these policies off the assignment.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_policy_assignment(
        &self,
        assignment: &PolicyAssignment,
    ) -> Result<(), Error> {
        let request = wire::DeletePolicyAssignmentRequest {
            assignment: Some(assignment.to_wire()),
            all: false,
        };
        self.unary::<_, wire::Empty>(rpc!("DeletePolicyAssignment"), request)
            .await
            .map(drop)
    }
}
