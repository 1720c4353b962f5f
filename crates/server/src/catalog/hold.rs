//! Holds: a router, or all, observed and planned for but not touched.

use super::ledger::{self, Effect, Held};
use super::{Catalog, Error, Hold, Scope};
use crate::keys;
use crate::mirror::record::encode;
use crate::mirror::{ROUTER, State};
use sdwan_store::Op;

impl Catalog {
    /// Observe and plan, but send nothing, from the next step on. Holding
    /// what is held changes the words only.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown router.
    pub async fn hold(&self, scope: Scope, why: &str) -> Result<(), Error> {
        let base = self.mirror.now();
        known(&base, &scope)?;
        let before = base.holds().get(&scope);
        let hold = Hold {
            since: before.map_or_else(|| self.now(), |hold| hold.since.clone()),
            why: why.to_owned(),
        };
        ledger::trying(|| vec![effect(&scope, before.map(|hold| &**hold), Some(&hold))]);
        self.once(Op::put(keys::hold(&scope), encode(&hold))).await
    }

    /// Ends a hold; no error where there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown router.
    pub async fn resume(&self, scope: Scope) -> Result<(), Error> {
        let base = self.mirror.now();
        known(&base, &scope)?;
        let Some(before) = base.holds().get(&scope) else {
            return Ok(());
        };
        ledger::trying(|| vec![effect(&scope, Some(&**before), None)]);
        self.once(Op::delete(keys::hold(&scope))).await
    }
}

fn effect(scope: &Scope, before: Option<&Hold>, after: Option<&Hold>) -> Effect {
    let held = |hold: &Hold| Held::Other(serde_json::to_value(hold).unwrap_or_default());
    Effect {
        kind: "hold".to_owned(),
        id: match scope {
            Scope::All => "all".to_owned(),
            Scope::Router(id) => id.clone(),
        },
        before: before.map(held),
        after: after.map(held),
        secrets: Vec::new(),
    }
}

fn known(base: &State, scope: &Scope) -> Result<(), Error> {
    match scope {
        Scope::Router(id) if base.record(ROUTER, id).is_none_or(|r| r.row().is_none()) => {
            Err(Error::NotFound(format!("{ROUTER} {id}")))
        }
        _ => Ok(()),
    }
}
