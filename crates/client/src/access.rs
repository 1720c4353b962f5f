//! Which server is asked, and as whom: flags, environment, `clouds.yaml`,
//! Keystone's catalog and kept logins, put together.

use crate::caller::Caller;
use crate::cloud::{Cloud, Proof};
use crate::error::Error;
use crate::kept::{Folder, Kept, Origin};
use crate::settings::{DEFAULT_ENDPOINT, Settings};
use crate::tokens::{Keyring, Login, Source};
use reqwest::Url;
use sdwan_http::{Tls, Tokens};
use sdwan_keystone::credentials::Target;
use sdwan_keystone::{Catalog, Credentials, Keystone, Options, Session};
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use std::time::Duration;

/// For each request to Keystone: a person waits.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server, and what proves to it who asks.
#[derive(Clone)]
pub struct Access {
    /// Its URL, without a slash at its end.
    pub endpoint: String,
    /// How to speak TLS with it.
    pub tls: Tls,
    /// The tokens to send.
    pub tokens: Arc<dyn Tokens>,
    /// Whose they are.
    pub(crate) caller: Caller,
    /// What to do where the server takes none of them.
    pub(crate) advice: String,
}

impl Access {
    /// Finds it. Keystone is asked only where the server has to be looked up
    /// in its catalog; otherwise with the first request.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that make no sense, [`Error::Login`] where
    /// Keystone refuses or does not answer.
    pub async fn find(settings: &Settings) -> Result<Self, Error> {
        Finder::of(settings)?.access().await
    }
}

/// What finding needs.
pub(crate) struct Finder<'a> {
    settings: &'a Settings,
    pub(crate) cloud: Cloud,
    keystone: Option<Arc<Keystone>>,
    /// Whether kept logins count: for a new one they don't.
    pub(crate) kept: bool,
}

/// A server that was found.
pub(crate) struct Found {
    pub(crate) endpoint: String,
    /// How it was looked up, where it was.
    pub(crate) service: Option<String>,
    /// What looking it up gave beside.
    pub(crate) session: Option<Session>,
}

impl<'a> Finder<'a> {
    pub(crate) fn of(settings: &'a Settings) -> Result<Self, Error> {
        let cloud = Cloud::read(&settings.cloud, &settings.openstack)?;
        let keystone = match &cloud.auth_url {
            Some(auth_url) => Some(Arc::new(keystone(auth_url, &cloud.tls)?)),
            None => None,
        };
        if let Some(keystone) = &keystone {
            warn(keystone.warnings());
        }
        Ok(Self {
            settings,
            cloud,
            keystone,
            kept: true,
        })
    }

    async fn access(self) -> Result<Access, Error> {
        let found = self.server().await?;
        let source = self.source(&found)?;
        let caller = self.caller(&source);
        Ok(Access {
            caller,
            advice: source.advice(),
            endpoint: found.endpoint,
            tls: self.cloud.tls,
            tokens: Arc::new(Keyring::new(source, self.settings.kept.clone())),
        })
    }

    /// The Keystone that is named.
    ///
    /// # Errors
    /// [`Error::Usage`] where none is.
    pub(crate) fn keystone(&self) -> Result<&Arc<Keystone>, Error> {
        self.keystone.as_ref().ok_or_else(|| {
            Error::Usage(
                "there are credentials, but no Keystone to log in to: set OS_AUTH_URL, or \
                 auth_url in the cloud"
                    .to_owned(),
            )
        })
    }

    /// Which server.
    pub(crate) async fn server(&self) -> Result<Found, Error> {
        let at = |endpoint: &str| Found {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            service: None,
            session: None,
        };
        if let Some(endpoint) = &self.settings.endpoint {
            return Ok(at(endpoint));
        }
        let Some(name) = &self.settings.service else {
            return Ok(at(DEFAULT_ENDPOINT));
        };
        let service = self.service(name);
        if let Some(kept) = self.kept_for(&service)? {
            return Ok(Found {
                service: Some(service),
                ..at(&kept.endpoint)
            });
        }
        let (catalog, session) = self.catalog(name).await?;
        let endpoint = catalog
            .endpoint(name, self.region(), self.cloud.interface)
            .map_err(|missing| Error::Usage(missing.to_string()))?;
        Ok(Found {
            service: Some(service),
            session,
            ..at(endpoint)
        })
    }

    /// The region that a service is looked up in: `GOHAN_REGION` goes over the
    /// cloud's, a flag over both.
    fn region(&self) -> Option<&str> {
        let flag = self.settings.cloud.os_region_name.as_deref();
        let gohans = self.settings.region.as_deref();
        flag.or(gohans).or(self.cloud.region.as_deref())
    }

    /// How a service is looked up: its name in kept logins.
    pub(crate) fn service(&self, name: &str) -> String {
        let auth_url = self.cloud.auth_url.as_ref().map_or("", Url::as_str);
        let region = self.region().unwrap_or("any region");
        let interface = self.cloud.interface.name();
        format!("{name}, {interface} in {region}, of {auth_url}")
    }

    /// A login that is kept and that needs no new one: found by how the
    /// server is looked up.
    fn kept_for(&self, service: &str) -> Result<Option<Kept>, Error> {
        let Some(folder) = self.settings.kept.as_ref().filter(|_| self.kept) else {
            return Ok(None);
        };
        let kept = folder.find_service(service)?;
        Ok(kept.filter(|kept| match &self.cloud.proof {
            Proof::Token { .. } => false,
            Proof::Credentials(own) => self.is_of(kept, own),
            Proof::WithoutPassword(_) | Proof::None => true,
        }))
    }

    /// Whether a kept login is the one that these credentials would make.
    fn is_of(&self, kept: &Kept, credentials: &Credentials) -> bool {
        let auth_url = self.cloud.auth_url.as_ref().map(Url::as_str);
        kept.from.as_ref().is_some_and(|from| {
            from.who == credentials.to_string() && Some(from.auth_url.as_str()) == auth_url
        })
    }

    /// Whether a kept login is known to be of somebody else than is named.
    fn is_anothers(&self, kept: &Kept, credentials: &Credentials) -> bool {
        let auth_url = self.cloud.auth_url.as_ref().map(Url::as_str);
        kept.from.as_ref().is_some_and(|from| {
            from.who != credentials.to_string() || auth_url.is_some_and(|url| url != from.auth_url)
        })
    }

    async fn catalog(&self, service: &str) -> Result<(Catalog, Option<Session>), Error> {
        let missing = |what: &str| {
            Error::Usage(format!(
                "GOHAN_SERVICE_NAME={service}: to look it up in Keystone's catalog, {what}; or \
                 set GOHAN_ENDPOINT_URL"
            ))
        };
        let keystone = self.keystone.as_ref();
        let keystone = keystone.ok_or_else(|| missing("set OS_AUTH_URL, or name a cloud"))?;
        let credentials = match &self.cloud.proof {
            Proof::None => return Err(missing("set OS_USERNAME and OS_PASSWORD, or log in")),
            Proof::WithoutPassword(_) => {
                return Err(missing("set OS_PASSWORD, or run `sdwan login`"));
            }
            Proof::Token {
                token,
                target: Target::Usual,
            } => return Ok((keystone.catalog(token).await?, None)),
            Proof::Token { token, target } => Credentials::Token {
                token: token.clone(),
                target: target.clone(),
            },
            Proof::Credentials(credentials) => credentials.clone(),
        };
        let session = keystone.login(&credentials).await?;
        Ok((session.token_data.catalog.clone(), Some(session)))
    }

    /// Where tokens for that server come from.
    fn source(&self, found: &Found) -> Result<Source, Error> {
        let kept = || match &self.settings.kept {
            Some(folder) => folder.find(&found.endpoint),
            None => Ok(None),
        };
        Ok(match &self.cloud.proof {
            // One that the lookup has scoped is better than the bare one.
            Proof::Token { token, .. } => {
                let scoped = found.session.as_ref().map(|session| session.token.clone());
                Source::Given(scoped.unwrap_or_else(|| token.clone()))
            }
            Proof::Credentials(credentials) => {
                let kept = kept()?.filter(|kept| self.is_of(kept, credentials));
                Source::Keystone(Box::new(Login {
                    keystone: Arc::clone(self.keystone()?),
                    credentials: credentials.clone(),
                    session: found.session.clone(),
                    kept,
                }))
            }
            Proof::WithoutPassword(credentials) => {
                let missing = format!(
                    "no password is known for {credentials}: set OS_PASSWORD, or run `sdwan login`"
                );
                match kept()? {
                    Some(kept) if self.is_anothers(&kept, credentials) => {
                        let whose = kept.from.map_or_else(String::new, |from| from.who);
                        Source::Missing(format!("{missing}; kept is a login as {whose}"))
                    }
                    Some(kept) => Source::Kept(kept),
                    None => Source::Missing(missing),
                }
            }
            Proof::None if self.settings.cloud.os_project_name.is_some() => {
                return Err(Error::Usage(
                    "--os-project-name: there is nothing to log in to Keystone with: set \
                     OS_USERNAME and OS_PASSWORD, or name a cloud"
                        .to_owned(),
                ));
            }
            Proof::None => kept()?.map_or(Source::Nobody, Source::Kept),
        })
    }

    /// Who calls, the same in each run: the credentials, where every run gets
    /// another token for them.
    fn caller(&self, source: &Source) -> Caller {
        if let Proof::Token { token, target } = &self.cloud.proof {
            return Caller::with_token(token.expose_secret(), target);
        }
        match source {
            Source::Nobody | Source::Missing(_) => Caller::nobody(),
            Source::Given(token) => Caller::with_token(token.expose_secret(), &Target::Usual),
            Source::Kept(kept) => kept.caller(),
            Source::Keystone(login) => {
                let auth_url = self.cloud.auth_url.as_ref().map_or("", Url::as_str);
                Caller::of_keystone(auth_url, &login.credentials.to_string())
            }
        }
    }

    /// What `sdwan login` notes of a login.
    pub(crate) fn origin(&self, credentials: &Credentials, found: &Found) -> Origin {
        let auth_url = self.cloud.auth_url.as_ref();
        Origin {
            auth_url: auth_url.map(Url::to_string).unwrap_or_default(),
            who: credentials.to_string(),
            service: found.service.clone(),
        }
    }

    /// The folder of kept logins.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no place for one.
    pub(crate) fn folder(&self) -> Result<&Folder, Error> {
        self.settings.kept.as_ref().ok_or_else(|| {
            Error::Usage("no place to keep a login: set HOME or XDG_CONFIG_HOME".to_owned())
        })
    }
}

/// A Keystone as the client reaches it.
///
/// # Errors
/// [`Error::Usage`] where nobody could be there.
pub(crate) fn keystone(auth_url: &Url, tls: &Tls) -> Result<Keystone, Error> {
    let options = Options {
        timeout: TIMEOUT,
        ca_file: tls.ca_file.clone(),
        identity: tls.identity.clone(),
    };
    Keystone::new(auth_url, options).map_err(|error| Error::Usage(error.to_string()))
}

#[expect(clippy::print_stderr, reason = "a warning is no result")]
fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("{warning}");
    }
}
