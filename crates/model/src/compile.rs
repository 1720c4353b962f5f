//! One router's rows to its [`RouterConfig`]: names, unions and order of
//! policies are settled here and nowhere else.

use crate::config::RouterConfig;
use crate::resource::{ResourceRef, Row};
use std::collections::BTreeMap;

/// The rows of one router. Secrets are open.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The router's row; `None` when it is being deleted.
    pub router: Option<Row>,
    /// Its neighbors.
    pub neighbors: Vec<Row>,
    /// Its policyinfo rows.
    pub policies: Vec<Row>,
}

/// The outcome: what can be compiled, and for every row that can't the reason.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// `None` when the router is being deleted or its own row can't be compiled.
    pub config: Option<RouterConfig>,
    /// Rows that are left out, each with a reason an operator can act on.
    pub refused: BTreeMap<ResourceRef, String>,
}

/// Compiles. Total: a row that makes no sense is refused, never a panic.
pub fn compile(_inputs: &Inputs) -> Compiled {
    todo!("compile")
}
