//! Holds: a router, or all, observed and planned for but not touched.

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
        self.once(Op::put(keys::hold(&scope), encode(&hold))).await
    }

    /// Ends a hold; no error where there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown router.
    pub async fn resume(&self, scope: Scope) -> Result<(), Error> {
        let base = self.mirror.now();
        known(&base, &scope)?;
        if !base.holds().contains_key(&scope) {
            return Ok(());
        }
        self.once(Op::delete(keys::hold(&scope))).await
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
