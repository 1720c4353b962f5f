//! The Keystone that knows our callers, and who the server is there:
//! `keystone`, in Gohan's shape.

use super::section::Section;
use super::{Error, Password};
use sdwan_keystone::credentials::{ApplicationCredential, Domain, Named, Target};
use sdwan_keystone::{self as keystone, Credentials};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A Keystone as the configuration describes it; its files are not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keystone {
    /// Where it is, e.g. `http://192.0.2.1:5000/v3`.
    pub auth_url: url::Url,
    /// Who the server is there.
    pub login: Login,
    /// For how long an answer about a token is taken; zero asks every time.
    pub cache_ttl: Duration,
    /// Certificates of the authorities that may have signed Keystone's, in
    /// PEM; the system's where none is named.
    pub ca_file: Option<PathBuf>,
}

/// Who the server is in Keystone: a user that may validate tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user, by name.
    User {
        /// The name.
        name: String,
        /// The user's password.
        password: Password,
        /// The project that it has its role on; its usual one if `None`.
        project: Option<String>,
        /// The domain of both, by name; Keystone's first one if `None`.
        domain: Option<String>,
    },
    /// An application credential.
    Application {
        /// Its id.
        id: String,
        /// Its secret.
        secret: Password,
    },
}

/// A minute: who is revoked in Keystone is refused here as soon.
const CACHE_TTL: Duration = Duration::from_secs(60);
/// Nobody waits longer for a revocation.
const LONGEST_TTL: Duration = Duration::from_secs(86_400);

impl Keystone {
    /// What the server logs in with; reads the files.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a file that can't be read, or for one that
    /// everybody can and should not.
    pub fn credentials(&self) -> Result<Credentials, Error> {
        Ok(match &self.login {
            Login::User {
                name,
                password,
                project,
                domain,
            } => {
                let named = |name: &String| Named::Name {
                    name: name.clone(),
                    domain: domain.clone().map_or_else(Domain::default, Domain::Name),
                };
                Credentials::Password {
                    user: named(name),
                    password: password.read()?,
                    target: project
                        .as_ref()
                        .map_or(Target::Usual, |project| Target::Project(named(project))),
                }
            }
            Login::Application { id, secret } => Credentials::ApplicationCredential {
                credential: ApplicationCredential::Id(id.clone()),
                secret: secret.read()?,
            },
        })
    }

    /// How it is reached.
    pub fn options(&self, timeout: Duration) -> keystone::Options {
        keystone::Options {
            timeout,
            ca_file: self.ca_file.clone(),
            ..keystone::Options::default()
        }
    }
}

/// Reads the section; `None` where it is off, or wrong.
pub(super) fn keystone(section: &Section<'_>, folder: &Path) -> Option<Keystone> {
    match section.text("version") {
        None | Some("v3" | "3" | "v3.0") => {}
        Some("v2.0" | "2.0" | "v2") => {
            let message = "Keystone has no v2.0 since 2020: v3 is spoken";
            section.warn("version", message);
        }
        Some(other) => section.error("version", format!("{other:?} is not known: v3 is")),
    }
    let auth_url = section.text("auth_url");
    if auth_url.is_none() && section.get("auth_url").is_none() {
        let message = "Keystone needs an \"auth_url\", e.g. http://192.0.2.1:5000/v3";
        section.error("auth_url", message);
    }
    let auth_url = auth_url.and_then(|text| match text.parse::<url::Url>() {
        // Callers are told where it is, so nothing secret may stand in it.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let message = "it has a user in it: write \"user_name\" and \"password_file\" instead";
            section.error("auth_url", message);
            None
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
        _ => {
            let message = "it is no URL such as http://192.0.2.1:5000/v3";
            section.error("auth_url", message);
            None
        }
    });
    let cached = section.get("use_auth_cache").is_none() || section.flag("use_auth_cache");
    let cache_ttl = match cached {
        true => cache_ttl(section),
        false => Duration::ZERO,
    };
    let login = login(section, folder);
    Some(Keystone {
        auth_url: auth_url?,
        login: login?,
        cache_ttl,
        ca_file: section.text("ca_file").map(|path| folder.join(path)),
    })
}

/// Seconds, or Gohan's text such as `15m`.
fn cache_ttl(section: &Section<'_>) -> Duration {
    let Some(node) = section.get("cache_ttl") else {
        return CACHE_TTL;
    };
    let written = match node.value().as_str() {
        Some(text) => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|time| Duration::try_from(time).ok()),
        None => node.value().as_u64().map(Duration::from_secs),
    };
    match written {
        Some(ttl) if ttl <= LONGEST_TTL => ttl,
        _ => {
            let message = "it must be seconds, or a time such as 60s or 15m, at most 24h; \
                           0 asks Keystone every time";
            section.error("cache_ttl", message);
            CACHE_TTL
        }
    }
}

fn login(section: &Section<'_>, folder: &Path) -> Option<Login> {
    let text = |key| section.text(key).map(str::to_owned);
    let id = text("application_credential_id");
    let secret = section.password("application_credential_secret", folder);
    let (name, password) = (text("user_name"), section.password("password", folder));
    match (id, secret, name, password) {
        (Some(id), Some(secret), None, None) => Some(Login::Application { id, secret }),
        (None, None, Some(name), Some(password)) => Some(Login::User {
            name,
            password,
            project: text("tenant_name"),
            domain: text("domain_name"),
        }),
        (None, None, _, _) => {
            let message = "the server needs a login of its own in Keystone: a \"user_name\" with a \
                           \"password_file\", or an \"application_credential_id\" with an \
                           \"application_credential_secret_file\"";
            section.error("user_name", message);
            None
        }
        _ => {
            let message = "give an \"application_credential_id\" and its \
                           \"application_credential_secret_file\" and no user, or a user alone";
            section.error("application_credential_id", message);
            None
        }
    }
}
