//! The tokens of one run of the program: one login however many requests, a
//! kept one while it is good, a new one before it ends or when it is refused.

use crate::kept::{Folder, Kept};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sdwan_http::{Tokens, TokensError};
use sdwan_keystone::{Credentials, Keystone, Session};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A token that ends this soon is not begun with.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Where tokens come from.
pub(crate) enum Source {
    /// There is nothing to prove oneself with.
    Nobody,
    /// There should be something; what to do.
    Missing(String),
    /// A token, as it is.
    Given(SecretString),
    /// A kept login, which nothing here could renew.
    Kept(Kept),
    /// Keystone gives them.
    Keystone(Box<Login>),
}

impl Source {
    /// What to do where the server does not take what comes from here.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Nobody | Self::Missing(_) => {
                "Log in with `sdwan login`; or set OS_TOKEN, or Keystone's variables \
                 (OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME)."
                    .to_owned()
            }
            Self::Given(_) => {
                "It is the one in OS_TOKEN, or in the cloud: put another one there; or unset it, \
                 and log in with `sdwan login`."
                    .to_owned()
            }
            Self::Kept(_) => "`sdwan login` has kept it: log in again.".to_owned(),
            Self::Keystone(login) => format!(
                "It is new, from Keystone at {}, for {}: is that the Keystone whose tokens the \
                 server takes?",
                login.keystone.url(),
                login.credentials
            ),
        }
    }
}

/// How to log in at a Keystone.
pub(crate) struct Login {
    pub(crate) keystone: Arc<Keystone>,
    pub(crate) credentials: Credentials,
    /// What was done of it already.
    pub(crate) session: Option<Session>,
    /// A login that is kept, and kept up to date.
    pub(crate) kept: Option<Kept>,
}

/// See the module.
pub(crate) struct Keyring {
    source: Source,
    folder: Option<Folder>,
    current: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    token: SecretString,
    expires: Option<Timestamp>,
}

impl Keyring {
    /// `folder` is where logins are kept.
    pub(crate) fn new(source: Source, folder: Option<Folder>) -> Self {
        let current = match &source {
            Source::Nobody | Source::Missing(_) => None,
            Source::Given(token) => Some(Current {
                token: token.clone(),
                expires: None,
            }),
            Source::Kept(kept) => Some(Current::kept(kept)),
            Source::Keystone(login) => {
                let made = login.session.as_ref().map(Current::of);
                made.or_else(|| login.kept.as_ref().map(Current::kept))
            }
        };
        Self {
            source,
            folder,
            current: Mutex::new(current),
        }
    }

    /// Another login at Keystone.
    async fn log_in(&self, login: &Login) -> Result<Current, TokensError> {
        let session = login.keystone.login(&login.credentials).await;
        let session = session.map_err(|error| TokensError {
            reason: error.to_string(),
            transient: error.is_transient(),
        })?;
        let current = Current::of(&session);
        if let (Some(folder), Some(kept)) = (&self.folder, &login.kept) {
            let renewed = Kept {
                token: session.token,
                expires: Some(session.expires),
                ..kept.clone()
            };
            // One that can't be written costs the next command a login.
            let _ = folder.keep(&renewed);
        }
        Ok(current)
    }
}

impl Current {
    fn of(session: &Session) -> Self {
        Self {
            token: session.token.clone(),
            expires: Some(session.expires),
        }
    }

    fn kept(kept: &Kept) -> Self {
        Self {
            token: kept.token.clone(),
            expires: kept.expires,
        }
    }

    fn lasts(&self, margin: SignedDuration) -> bool {
        let end = Timestamp::now() + margin;
        self.expires.is_none_or(|expires| end < expires)
    }

    fn is(&self, token: &SecretString) -> bool {
        self.token.expose_secret() == token.expose_secret()
    }
}

#[async_trait]
impl Tokens for Keyring {
    async fn token(&self) -> Result<Option<SecretString>, TokensError> {
        let mut current = self.current.lock().await;
        let final_word = |reason: String| TokensError {
            reason,
            transient: false,
        };
        match &self.source {
            Source::Nobody => return Ok(None),
            Source::Missing(what) => return Err(final_word(what.clone())),
            Source::Given(_) => {}
            Source::Kept(kept) => {
                if !current
                    .as_ref()
                    .is_some_and(|c| c.lasts(SignedDuration::ZERO))
                {
                    return Err(final_word(format!(
                        "the login at {} has expired: run `sdwan login` again",
                        kept.endpoint
                    )));
                }
            }
            Source::Keystone(login) => {
                if !current.as_ref().is_some_and(|c| c.lasts(MARGIN)) {
                    *current = Some(self.log_in(login).await?);
                }
            }
        }
        Ok(current.as_ref().map(|current| current.token.clone()))
    }

    async fn renewed(&self, refused: &SecretString) -> Result<Option<SecretString>, TokensError> {
        let Source::Keystone(login) = &self.source else {
            return Ok(None);
        };
        let mut current = self.current.lock().await;
        // Another request may have been quicker.
        if current.as_ref().is_none_or(|current| current.is(refused)) {
            *current = Some(self.log_in(login).await?);
        }
        Ok(current.as_ref().map(|current| current.token.clone()))
    }
}
