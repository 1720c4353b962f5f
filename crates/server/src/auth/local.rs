//! Tokens of our own: made here, known by the store, revoked everywhere as
//! soon as each server's mirror has heard of it.

use super::admin::MAKER;
use super::token::{self, Hash, Known, Stored};
use super::{Random, Refusal};
use crate::catalog::ledger::{self, Effect, Held};
use crate::catalog::{Catalog, Error};
use crate::keys;
use crate::mirror::record::encode;
use jiff::Timestamp;
use sdwan_model::policy::Caller;
use sdwan_model::validate::Violation;
use sdwan_store::{Condition, Op};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Expired tokens that go with a new one: so there are never many more than
/// can be used, and no commit is large.
const SWEPT: usize = 100;
/// How often a new token is tried again when others are made at the same time.
const ATTEMPTS: usize = 16;

/// What a token is to be.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) tenant: Option<String>,
    /// `None` for ever.
    pub(crate) lifetime: Option<Duration>,
}

/// A token that was made; its text is known to nobody else.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) text: SecretString,
    pub(crate) stored: Stored,
}

/// The tokens of the store.
pub(crate) struct Tokens {
    catalog: Arc<Catalog>,
    random: Random,
    /// How old the mirror may be: one that is older may have missed that a
    /// token was revoked.
    max_age: Duration,
}

impl Tokens {
    pub(super) fn new(catalog: Arc<Catalog>, random: Random, max_age: Duration) -> Self {
        Self {
            catalog,
            random,
            max_age,
        }
    }

    /// Whom a token proves.
    pub(super) fn identify(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        if let Some(age) = self.catalog.stale()
            && age > self.max_age
        {
            return Err(Refusal::Stale(age.as_secs()));
        }
        let (id, secret) = token::parse(token).ok_or(Refusal::Bad)?;
        let state = self.catalog.state();
        let known = state.tokens().get(id).ok_or(Refusal::Bad)?;
        let caller = known.proves(secret, self.catalog.timestamp());
        caller.cloned().ok_or_else(|| {
            tracing::debug!(token = id, "its secret is wrong, or it expired");
            Refusal::Bad
        })
    }

    /// Every token with its id, by id.
    pub(crate) fn list(&self) -> Vec<(Arc<str>, Arc<Known>)> {
        let state = self.catalog.state();
        let tokens = state.tokens().iter();
        tokens
            .map(|(id, known)| (Arc::clone(id), Arc::clone(known)))
            .collect()
    }

    /// Whether nobody can use it any more.
    pub(crate) fn expired(&self, stored: &Stored) -> bool {
        stored.expired(self.catalog.timestamp())
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the name is taken, [`Error::Away`],
    /// [`Error::Contended`], [`Error::Store`].
    pub(crate) async fn create(&self, wish: &Wish, by: &str) -> Result<Made, Error> {
        let made = self.make(wish, by);
        for _ in 0..ATTEMPTS {
            if let Some(age) = self.catalog.stale() {
                return Err(Error::Away(age.as_secs()));
            }
            let base = self.catalog.state();
            let now = self.catalog.timestamp();
            let (expired, usable): (Vec<_>, Vec<_>) = base
                .tokens()
                .iter()
                .partition(|(_, known)| known.stored.expired(now));
            if usable
                .iter()
                .any(|(_, known)| known.stored.name == wish.name)
            {
                let message = format!(
                    "{} is the name of a token already: revoke that one, or choose another",
                    wish.name
                );
                return Err(Error::Conflict(vec![Violation::of("name", message)]));
            }
            // No other name came since.
            let when = Condition::NothingNewer(keys::TOKENS.to_owned(), base.revision);
            let swept = expired.iter().take(SWEPT);
            let swept = swept.map(|(id, _)| Op::delete(keys::token(id)));
            let then = std::iter::once(made.put()).chain(swept).collect();
            ledger::trying(|| vec![effect(&made.id, None, Some(&made.stored))]);
            match self.catalog.commit_on(&base, vec![when], then).await {
                Ok(()) => return Ok(made),
                Err(Error::Contended) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Makes an admin's token where the store has no token at all; `None`
    /// where it has one. `keep` is told the token before the store is.
    ///
    /// # Errors
    /// Those of `keep`, [`Error::Store`].
    pub(super) async fn first<E: From<Error>>(
        &self,
        wish: &Wish,
        keep: impl FnOnce(&Made) -> Result<(), E>,
    ) -> Result<Option<Made>, E> {
        let base = self.catalog.state();
        if !base.tokens().is_empty() {
            return Ok(None);
        }
        let made = self.make(wish, MAKER);
        keep(&made)?;
        // Of servers that start at once, one makes it.
        let when = Condition::NoneUnder(keys::TOKENS.to_owned());
        let then = vec![made.put()];
        ledger::trying(|| vec![effect(&made.id, None, Some(&made.stored))]);
        match self.catalog.commit_on(&base, vec![when], then).await {
            Ok(()) => Ok(Some(made)),
            Err(Error::Contended) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes a token by its id, or by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] where the name is that of
    /// several expired ones, [`Error::Away`], [`Error::Store`].
    pub(crate) async fn revoke(&self, id_or_name: &str) -> Result<(), Error> {
        if let Some(age) = self.catalog.stale() {
            return Err(Error::Away(age.as_secs()));
        }
        let state = self.catalog.state();
        let tokens = state.tokens();
        let id = if tokens.contains_key(id_or_name) {
            id_or_name
        } else {
            let named = tokens.iter().filter(|(_, k)| k.stored.name == id_or_name);
            let now = self.catalog.timestamp();
            // At most one of a name can be used; it is the one that is meant.
            let meant = named.max_by_key(|(_, known)| !known.stored.expired(now));
            meant
                .map(|(id, _)| &**id)
                .ok_or_else(|| Error::NotFound(format!("token {id_or_name}")))?
        };
        let revoked = tokens.get(id).map(|known| &known.stored);
        ledger::trying(|| vec![effect(id, revoked, None)]);
        self.catalog.once(Op::delete(keys::token(id))).await
    }

    /// Now, without fractions: people read it.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.catalog.timestamp();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn make(&self, wish: &Wish, by: &str) -> Made {
        let id = self.catalog.new_id().simple().to_string();
        let text = token::text(&id, &(self.random)());
        let now = self.now();
        let secret = token::parse(text.expose_secret()).map_or("", |(_, secret)| secret);
        let stored = Stored {
            name: wish.name.clone(),
            hash: Hash::of(secret),
            roles: wish.roles.clone(),
            tenant: wish.tenant.clone(),
            created: now,
            // One that would end after the end of time does not end.
            expires: wish.lifetime.and_then(|life| now.checked_add(life).ok()),
            created_by: by.to_owned(),
        };
        Made { id, text, stored }
    }
}

/// What the audit is told of a token: nothing that it is known by.
fn effect(id: &str, before: Option<&Stored>, after: Option<&Stored>) -> Effect {
    let held = |stored: &Stored| {
        Held::Other(json!({
            "name": stored.name,
            "roles": stored.roles,
            "tenant": stored.tenant,
            "expires": stored.expires,
        }))
    };
    Effect {
        kind: "token".to_owned(),
        id: id.to_owned(),
        before: before.map(held),
        after: after.map(held),
        secrets: Vec::new(),
    }
}

impl Made {
    fn put(&self) -> Op {
        Op::put(keys::token(&self.id), encode(&self.stored))
    }
}
