//! Keystone's tokens: it is asked about each of them once, by the server's own
//! login, and its answer is taken for a while.
//!
//! ```text
//! token -> hash -> known lately? -> its caller, or refused
//!                  being asked?  -> the same answer
//!                  else             validate, with the own token (renewed once)
//! ```
//!
//! Where Keystone does not answer, or refuses this server itself, whoever is
//! not known already is told that he can't be known now; it is not asked again
//! before a pause is over.

use super::Refusal;
use super::counts::Requests;
use super::recent::{Key, Recent};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use sdwan_keystone::token::{Scope, Token};
use sdwan_keystone::{Credentials, Error, Keystone, Session};
use sdwan_model::policy::{Caller, Tenant};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// For each request to Keystone; several may follow each other for one of ours.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);
/// Tokens that are asked about at once: a flood of bad ones must not become
/// one of Keystone.
const AT_ONCE: usize = 16;
/// Tokens that wait for their turn; what comes beyond is told to come later.
const WAITING: usize = 1024;
/// How long a token waits for its turn.
const TURN: Duration = Duration::from_secs(4);
/// Tokens whose callers are remembered, at least; and bad ones, apart from
/// them, so that a flood drives out nobody.
const REMEMBERED: usize = 8192;
/// How long a bad token is remembered at most. It does not become good, but
/// for one of a Keystone whose members don't have each other's keys yet.
const BAD: Duration = Duration::from_secs(10);
/// Before Keystone is asked again after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Before it is asked again after it refused the server itself: Keystone
/// locks a user out whose password is wrong too often.
const LONG_PAUSE: Duration = Duration::from_secs(30);
/// What is known of a token.
type Answer = Result<Verified, Refusal>;

/// A token that Keystone takes.
#[derive(Clone)]
struct Verified {
    caller: Arc<Caller>,
    expires: Timestamp,
}

/// See the module.
pub(super) struct ByKeystone(Arc<Inner>);

struct Inner {
    keystone: Keystone,
    credentials: Credentials,
    /// For how long an answer is taken; zero for no longer than it is new.
    ttl: Duration,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    own: tokio::sync::Mutex<Option<Session>>,
    turns: Semaphore,
    memory: Mutex<Memory>,
    requests: Requests,
}

struct Memory {
    good: Recent<(Verified, Instant)>,
    bad: Recent<Instant>,
    asked: HashMap<Key, Shared<BoxFuture<'static, Answer>>>,
    /// Until then Keystone is left alone.
    pause: Option<Instant>,
    /// What was last complained about: said once, not every time.
    trouble: Option<String>,
}

impl ByKeystone {
    pub(super) fn new(
        keystone: Keystone,
        credentials: Credentials,
        ttl: Duration,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self(Arc::new(Inner {
            keystone,
            credentials,
            ttl,
            clock,
            own: tokio::sync::Mutex::new(None),
            turns: Semaphore::new(AT_ONCE),
            memory: Mutex::new(Memory {
                good: Recent::new(REMEMBERED),
                bad: Recent::new(REMEMBERED),
                asked: HashMap::new(),
                pause: None,
                trouble: None,
            }),
            requests: Requests::new(),
        }))
    }

    /// Where it is, for who has to log in there.
    pub(super) fn url(&self) -> &str {
        self.0.keystone.url().as_str()
    }

    pub(super) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// Logs the server in ahead of the first caller, and tells the log where
    /// that fails. The server starts all the same, as Keystone may come later.
    pub(super) fn begin(&self) {
        for warning in self.0.keystone.warnings() {
            tracing::warn!("{warning}");
        }
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            // The log has been told.
            let _ = inner.own_token(None).await;
        });
    }

    /// Whom a token proved a moment ago.
    pub(super) fn recall(&self, token: &str) -> Option<Arc<Caller>> {
        let inner = &self.0;
        // Without a time to live nothing is kept.
        let key = (!inner.ttl.is_zero()).then(|| Sha256::digest(token).into())?;
        let known = inner.memory().recall(&key, (inner.clock)());
        let verified = known?.ok()?;
        inner.requests.remembered.inc();
        Some(verified.caller)
    }

    /// Whom a token proves.
    pub(super) async fn identify(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        let inner = &self.0;
        if inner.ttl.is_zero() {
            // Asked before, or with somebody else, would be remembered.
            return inner.ask(token).await.map(|verified| verified.caller);
        }
        let key = Sha256::digest(token).into();
        let recalled = inner.memory().recall(&key, (inner.clock)());
        let answer = match recalled {
            Some(answer) => {
                inner.requests.remembered.inc();
                answer
            }
            None => inner.asking(key, token).await,
        };
        answer.map(|verified| verified.caller)
    }
}

impl Memory {
    fn recall(&mut self, key: &Key, now: Timestamp) -> Option<Answer> {
        let moment = Instant::now();
        match self.good.get(key) {
            Some((verified, until)) if moment < until && now < verified.expires => {
                return Some(Ok(verified));
            }
            Some(_) => self.good.forget(key),
            None => {}
        }
        let until = self.bad.get(key)?;
        (moment < until).then_some(Err(Refusal::Bad))
    }

    fn keep(&mut self, key: Key, answer: &Answer, ttl: Duration) {
        let now = Instant::now();
        match answer {
            Ok(verified) => self.good.put(key, (verified.clone(), now + ttl)),
            Err(Refusal::Bad) => self.bad.put(key, now + ttl.min(BAD)),
            Err(_) => {}
        }
    }
}

impl Inner {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing in it is changed in several steps that a panic could tear.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that all who ask about the token meanwhile share. It is
    /// found out to the end, also when whoever asked first is gone.
    fn asking(self: &Arc<Self>, key: Key, token: &str) -> Shared<BoxFuture<'static, Answer>> {
        let mut memory = self.memory();
        if let Some(asked) = memory.asked.get(&key) {
            return asked.clone();
        }
        // It may have come since that was looked for.
        if let Some(answer) = memory.recall(&key, (self.clock)()) {
            return futures::future::ready(answer).boxed().shared();
        }
        if memory.asked.len() >= WAITING {
            return futures::future::ready(Err(Refusal::Away)).boxed().shared();
        }
        let (inner, token) = (Arc::clone(self), SecretString::from(token));
        let work = tokio::spawn(async move {
            let asked = Asked { inner: &inner, key };
            let answer = inner.ask(token.expose_secret()).await;
            inner.memory().keep(key, &answer, inner.ttl);
            drop(asked);
            answer
        });
        let answer = work.map(|done| done.unwrap_or(Err(Refusal::Away)));
        let answer = answer.boxed().shared();
        memory.asked.insert(key, answer.clone());
        answer
    }

    /// Asks Keystone about a token.
    async fn ask(&self, token: &str) -> Answer {
        let turn = timeout(TURN, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Refusal::Away);
        };
        self.paused()?;
        let subject = SecretString::from(token);
        let own = self.own_token(None).await?;
        let mut answer = self.keystone.validate(&own, &subject).await;
        self.requests.validation(&answer);
        if let Err(Error::OwnToken { .. }) = answer {
            let own = self.own_token(Some(&own)).await?;
            answer = self.keystone.validate(&own, &subject).await;
            self.requests.validation(&answer);
        }
        match answer {
            Ok(token) => {
                self.answers();
                let token = token.filter(|token| (self.clock)() < token.expires);
                token.map(verified).ok_or(Refusal::Bad)
            }
            Err(error) => Err(self.away(&error)),
        }
    }

    /// The server's own token, from a login where there is none that does.
    async fn own_token(&self, refused: Option<&SecretString>) -> Result<SecretString, Refusal> {
        let mut own = self.own.lock().await;
        if let Some(session) = &*own
            && (self.clock)() < session.expires
            && refused
                .is_none_or(|refused| refused.expose_secret() != session.token.expose_secret())
        {
            return Ok(session.token.clone());
        }
        self.paused()?;
        let login = self.keystone.login(&self.credentials).await;
        self.requests.login(&login);
        match login {
            Ok(session) => {
                self.answers();
                Ok(own.insert(session).token.clone())
            }
            Err(error) => Err(self.away(&error)),
        }
    }

    fn paused(&self) -> Result<(), Refusal> {
        match self.memory().pause {
            Some(until) if Instant::now() < until => Err(Refusal::Away),
            _ => Ok(()),
        }
    }

    fn answers(&self) {
        let mut memory = self.memory();
        memory.pause = None;
        if memory.trouble.take().is_some() {
            tracing::info!("Keystone answers again");
        }
    }

    fn away(&self, error: &Error) -> Refusal {
        let pause = match error.is_transient() {
            true => PAUSE,
            false => LONG_PAUSE,
        };
        let mut memory = self.memory();
        memory.pause = Some(Instant::now() + pause);
        let told = error.to_string();
        if memory.trouble.as_ref() != Some(&told) {
            tracing::error!(
                error = told,
                "callers that are not known already can't be known now"
            );
            memory.trouble = Some(told);
        }
        Refusal::Away
    }
}

/// A token that is being asked about; not any more when this is gone, also
/// after a panic.
struct Asked<'a> {
    inner: &'a Inner,
    key: Key,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.inner.memory().asked.remove(&self.key);
    }
}

/// A domain's and the system's tokens call for no tenant; what else they may
/// do is by their roles.
fn verified(token: Token) -> Verified {
    // In whatever order they come, they are the same caller's.
    let mut roles = token.roles;
    roles.sort_unstable();
    let tenant = match token.scope {
        Scope::Project { id, name, .. } => Some(Tenant { id, name }),
        Scope::Domain(_) | Scope::System | Scope::Unscoped => None,
    };
    Verified {
        caller: Arc::new(Caller {
            id: token.user.id,
            name: token.user.name,
            roles,
            tenant,
        }),
        expires: token.expires,
    }
}
