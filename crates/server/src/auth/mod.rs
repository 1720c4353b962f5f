//! Who calls: what a request proves of its sender, before anything is done
//! for it.
//!
//! ```text
//! headers -> presented -- sdwan_.. --> local (hashes in the store, by the mirror)
//!                      \- others ----> keystone (asked once, kept for a while), or fake
//! ```
//!
//! Who can't be told for the moment (the store or Keystone is away) is not
//! listened to either, but told so: 503, not 401.

mod admin;
mod counts;
mod fake;
mod keystone;
mod local;
mod presented;
mod recent;
mod token;

pub use admin::Error as BeginError;
pub(crate) use local::{Tokens, Wish};
pub(crate) use presented::is_in_header;
pub(crate) use token::{Known, Stored, masked};

use crate::catalog::Catalog;
use crate::config::{self, Auth};
use counts::Counts;
use fake::Fake;
use http::{HeaderMap, HeaderValue};
use keystone::ByKeystone;
use presented::Absent;
use prometheus_client::registry::Registry;
use sdwan_model::policy::Caller;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes secrets: 256 random bits.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// Why nobody can be asked who he is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the configuration names.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// Keystone's URL, or the authorities of its certificate.
    #[error("keystone: {0}")]
    Keystone(#[from] sdwan_keystone::Error),
}

fn by_keystone(settings: &config::Keystone, catalog: &Arc<Catalog>) -> Result<ByKeystone, Error> {
    let options = settings.options(keystone::TIMEOUT);
    let client = sdwan_keystone::Keystone::new(&settings.auth_url, options)?;
    let catalog = Arc::clone(catalog);
    let clock = Arc::new(move || catalog.timestamp());
    let by = ByKeystone::new(client, settings.credentials()?, settings.cache_ttl, clock);
    by.begin();
    Ok(by)
}

/// Finds out who sent a request.
pub struct Authenticator {
    scheme: Scheme,
}

/// How.
enum Scheme {
    /// Nobody is asked: whoever reaches the address is this one.
    None(Arc<Caller>),
    /// By a token.
    Token(ByToken),
}

/// Another service, whose tokens are taken.
enum Identity {
    Keystone(ByKeystone),
    Fake(Fake),
}

/// Who has given out the tokens that are taken; at least one of them.
struct ByToken {
    local: Option<Tokens>,
    identity: Option<Identity>,
    challenges: Arc<[HeaderValue]>,
    /// The same for who has proved who he is, and may not do what he asks.
    insufficient: Arc<[HeaderValue]>,
    counts: Counts,
}

impl Authenticator {
    /// Takes everybody for the same caller, who may do anything.
    pub fn none() -> Self {
        Self {
            scheme: Scheme::None(Arc::new(Caller::anyone())),
        }
    }

    /// Takes everybody for this caller.
    pub fn fixed(caller: Caller) -> Self {
        Self {
            scheme: Scheme::None(Arc::new(caller)),
        }
    }

    /// As the configuration has it; reads the files that it names. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(auth: &Auth, catalog: &Arc<Catalog>, random: Random) -> Result<Self, Error> {
        if auth.is_none() {
            return Ok(Self::none());
        }
        let local = auth.tokens.as_ref().map(|tokens| {
            let catalog = Arc::clone(catalog);
            Tokens::new(catalog, random, tokens.max_age)
        });
        let mut challenges = Vec::new();
        if local.is_some() {
            challenges.push("Bearer realm=\"sdwan\"".to_owned());
        }
        let identity = auth.identity.as_ref().map(|identity| {
            let (identity, uri) = match identity {
                config::Identity::Fake => {
                    tracing::warn!(
                        "the fake Keystone is on: everybody knows its tokens, such as \
                         admin_token, so whoever reaches the address may do anything"
                    );
                    (Identity::Fake(Fake::new()), "fake".to_owned())
                }
                config::Identity::Keystone(settings) => {
                    let keystone = by_keystone(settings, catalog)?;
                    let uri = keystone.url().to_owned();
                    (Identity::Keystone(keystone), uri)
                }
            };
            challenges.push(format!("Keystone uri=\"{uri}\""));
            Ok::<_, Error>(identity)
        });
        let identity = identity.transpose()?;
        let headers = |addition: &str| -> Arc<[HeaderValue]> {
            let texts = challenges.iter();
            // A URL has no character that a header could not have.
            texts
                .filter_map(|text| HeaderValue::from_str(&format!("{text}{addition}")).ok())
                .collect()
        };
        Ok(Self {
            scheme: Scheme::Token(ByToken {
                local,
                identity,
                challenges: headers(""),
                // RFC 6750: the token is good, and another one is needed.
                insufficient: headers(", error=\"insufficient_scope\""),
                counts: Counts::new(),
            }),
        })
    }

    /// Whose tokens are taken, for who may try another one than his.
    pub(crate) fn challenges(&self) -> Arc<[HeaderValue]> {
        match &self.scheme {
            Scheme::None(_) => Arc::default(),
            Scheme::Token(by) => Arc::clone(&by.insufficient),
        }
    }

    /// The tokens of the store, where they are taken.
    pub(crate) fn tokens(&self) -> Option<&Tokens> {
        match &self.scheme {
            Scheme::None(_) => None,
            Scheme::Token(by) => by.local.as_ref(),
        }
    }

    /// Where tokens of the store are taken and it has none: makes the first
    /// admin's and leaves it in `file`. One more where they are `lost`.
    ///
    /// # Errors
    /// The file's and the store's.
    pub async fn begin(&self, file: &Path, lost: bool) -> Result<(), BeginError> {
        match self.tokens() {
            Some(tokens) if lost => admin::another(tokens, file).await,
            Some(tokens) => admin::first(tokens, file).await,
            None => Ok(()),
        }
    }

    /// Shows what is counted.
    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Scheme::Token(by) = &self.scheme {
            by.counts.register(registry);
            if let Some(Identity::Keystone(keystone)) = &by.identity {
                keystone.requests().register(registry);
            }
        }
    }

    /// Whether anybody has to say who it is.
    pub(crate) fn asks(&self) -> bool {
        !matches!(self.scheme, Scheme::None(_))
    }

    /// Who sent a request with these headers, where nobody has to be asked
    /// for that: the token is the store's, or was good a moment ago.
    pub(crate) fn recognize(&self, headers: &HeaderMap) -> Option<Arc<Caller>> {
        match &self.scheme {
            Scheme::None(anyone) => Some(Arc::clone(anyone)),
            Scheme::Token(by) => by.recognize(headers),
        }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// Why that can't be said.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Denied> {
        match &self.scheme {
            Scheme::None(anyone) => Ok(Arc::clone(anyone)),
            Scheme::Token(by) => by.identify(headers).await,
        }
    }

    /// Ends once these headers don't prove this caller any more, by a look each
    /// `period`: what goes on for long must outlive neither its token nor the
    /// roles that it was judged by.
    pub(crate) async fn parted(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        period: Duration,
    ) -> Parted {
        let Scheme::Token(by) = &self.scheme else {
            return std::future::pending().await;
        };
        if is_silent(headers) {
            // What everybody may do outlives no token.
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(period).await;
            match by.ask_with(headers).await {
                Ok(now) if *now == *caller => {}
                Ok(_) => return Parted::Changed,
                Err(refusal @ Refusal::Bad) => return Parted::Denied(by.deny(&refusal)),
                // Nobody can say so at the moment.
                Err(_) => {}
            }
        }
    }
}

impl ByToken {
    fn recognize(&self, headers: &HeaderMap) -> Option<Arc<Caller>> {
        let token = presented::token(headers).ok()?;
        let caller = match (&self.local, &self.identity) {
            (local, _) if token.starts_with(token::PREFIX) => local.as_ref()?.identify(token).ok(),
            (_, Some(Identity::Keystone(keystone))) => keystone.recall(token),
            (_, Some(Identity::Fake(fake))) => fake.identify(token).cloned(),
            (_, None) => None,
        };
        caller.inspect(|_| {
            self.counts.accepted.inc();
        })
    }

    async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Denied> {
        let outcome = self.ask_with(headers).await;
        let counter = match &outcome {
            Ok(_) => &self.counts.accepted,
            Err(Refusal::Missing) => &self.counts.missing,
            Err(Refusal::Bad) => &self.counts.refused,
            Err(Refusal::Stale(_) | Refusal::Away) => &self.counts.unknowable,
        };
        counter.inc();
        outcome.map_err(|refusal| self.deny(&refusal))
    }

    async fn ask_with(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Refusal> {
        match presented::token(headers) {
            Ok(token) => self.ask(token).await,
            Err(Absent::Missing) => Err(Refusal::Missing),
            Err(Absent::Malformed) => Err(Refusal::Bad),
        }
    }

    async fn ask(&self, token: &str) -> Result<Arc<Caller>, Refusal> {
        if token.starts_with(token::PREFIX) {
            // Nobody else's business, also where they are not taken.
            let local = self.local.as_ref().ok_or(Refusal::Bad)?;
            return local.identify(token);
        }
        match &self.identity {
            Some(Identity::Keystone(keystone)) => keystone.identify(token).await,
            Some(Identity::Fake(fake)) => fake.identify(token).cloned().ok_or(Refusal::Bad),
            None => Err(Refusal::Bad),
        }
    }

    fn deny(&self, refusal: &Refusal) -> Denied {
        let unproved = |why| Denied::Unproved {
            why,
            challenges: Arc::clone(&self.challenges),
        };
        match refusal {
            Refusal::Missing => unproved(
                "say who you are: send a token in X-Auth-Token, or as Authorization: Bearer",
            ),
            Refusal::Bad => unproved("the token is not valid: get another one"),
            Refusal::Stale(seconds) => Denied::Unknowable(format!(
                "the store has not answered for {seconds} s, so whether the token was revoked \
                 can't be told: ask another server, or try again later"
            )),
            Refusal::Away => Denied::Unknowable(
                "Keystone can't say at the moment who you are: try again later".to_owned(),
            ),
        }
    }
}

/// Whether nothing is said of who sends a request, rather than something that
/// proves nothing.
pub(crate) fn is_silent(headers: &HeaderMap) -> bool {
    presented::token(headers) == Err(Absent::Missing)
}

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// There is none.
    Missing,
    /// Unknown, expired, revoked: the caller is not told which.
    Bad,
    /// The mirror is so many seconds old, which is too old.
    Stale(u64),
    /// Keystone does not answer, or does not answer this server.
    Away,
}

/// Why a caller is no longer the one that he was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parted {
    /// His token proves nothing any more.
    Denied(Denied),
    /// It proves something else: other roles, say.
    Changed,
}

/// Why a request is not listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It does not prove who sent it (401).
    Unproved {
        /// What to do.
        why: &'static str,
        /// `WWW-Authenticate`: whose tokens are taken.
        challenges: Arc<[HeaderValue]>,
    },
    /// Who sent it can't be found out at the moment (503).
    Unknowable(String),
}
