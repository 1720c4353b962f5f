//! Who logs in, with what, and for what: the body of `POST /v3/auth/tokens`.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use std::fmt;

/// What proves somebody.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A user and his password.
    Password {
        /// Who.
        user: Named,
        /// His password.
        password: SecretString,
        /// For what.
        target: Target,
    },
    /// An application credential, which has its scope with it.
    ApplicationCredential {
        /// Which.
        credential: ApplicationCredential,
        /// Its secret.
        secret: SecretString,
    },
    /// A token that is valid already.
    Token {
        /// The token.
        token: SecretString,
        /// For what the new one is to be.
        target: Target,
    },
}

/// Something by its id, or by a name within a domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// Its id.
    Id(String),
    /// Its name.
    Name {
        /// Unique within the domain.
        name: String,
        /// The domain that it is in.
        domain: Domain,
    },
}

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

impl Default for Domain {
    /// The one that Keystone makes for itself, and that v2.0 knew alone.
    fn default() -> Self {
        Self::Id("default".to_owned())
    }
}

/// An application credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationCredential {
    /// By its id.
    Id(String),
    /// By its name, which is unique for its user.
    Name {
        /// The name.
        name: String,
        /// Whose it is.
        user: Named,
    },
}

/// What a token is to be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// The user's default project; nothing where he has none.
    #[default]
    Usual,
    /// Nothing but finding out for what one could log in.
    Unscoped,
    /// A project.
    Project(Named),
    /// A domain.
    Domain(Domain),
    /// The system as a whole.
    System,
}

impl Credentials {
    /// The request's body; it has secrets in it.
    pub(crate) fn body(&self) -> Value {
        let (identity, target) = match self {
            Self::Password {
                user,
                password,
                target,
            } => {
                let mut user = user.body();
                user["password"] = password.expose_secret().into();
                (method("password", json!({"user": user})), Some(target))
            }
            Self::ApplicationCredential { credential, secret } => {
                let mut body = match credential {
                    ApplicationCredential::Id(id) => json!({"id": id}),
                    ApplicationCredential::Name { name, user } => {
                        json!({"name": name, "user": user.body()})
                    }
                };
                body["secret"] = secret.expose_secret().into();
                // Asking for a scope would be refused: it has its own.
                (method("application_credential", body), None)
            }
            Self::Token { token, target } => {
                let body = json!({"id": token.expose_secret()});
                (method("token", body), Some(target))
            }
        };
        let mut auth = Map::from_iter([("identity".to_owned(), identity)]);
        if let Some(scope) = target.and_then(Target::body) {
            auth.insert("scope".to_owned(), scope);
        }
        json!({"auth": auth})
    }

    /// What may be wrong where Keystone refuses them; it says no more to those
    /// whom it does not know.
    pub(crate) fn doubt(&self) -> String {
        match self {
            Self::Password { target, .. } => match target {
                Target::Usual | Target::Unscoped => {
                    "there is no such user, the password is wrong, or the user is disabled"
                        .to_owned()
                }
                _ => format!(
                    "there is no such user, the password is wrong, or the user has no role on \
                     {target}"
                ),
            },
            Self::ApplicationCredential { .. } => {
                "there is no such credential, its secret is wrong, or it has expired".to_owned()
            }
            Self::Token { target, .. } => match target {
                Target::Usual | Target::Unscoped => {
                    "it has expired or was revoked: log in again".to_owned()
                }
                _ => format!(
                    "it has expired or was revoked (log in again), or its user has no role on \
                     {target}"
                ),
            },
        }
    }
}

/// Without secrets.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, target, .. } => {
                write!(f, "user {user}")?;
                match target {
                    Target::Usual => Ok(()),
                    target => write!(f, " for {target}"),
                }
            }
            Self::ApplicationCredential { credential, .. } => match credential {
                ApplicationCredential::Id(id) => write!(f, "application credential {id}"),
                ApplicationCredential::Name { name, user } => {
                    write!(f, "application credential {name} of user {user}")
                }
            },
            Self::Token { target, .. } => match target {
                Target::Usual => f.write_str("the token"),
                target => write!(f, "the token for {target}"),
            },
        }
    }
}

fn method(name: &str, body: Value) -> Value {
    let mut identity = json!({"methods": [name]});
    identity[name] = body;
    identity
}

impl Named {
    fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name { name, domain } => json!({"name": name, "domain": domain.body()}),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name { name, domain } => write!(f, "{name} (domain {domain})"),
        }
    }
}

impl Domain {
    fn body(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name(name) => json!({"name": name}),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

impl Target {
    fn body(&self) -> Option<Value> {
        match self {
            Self::Usual => None,
            Self::Unscoped => Some("unscoped".into()),
            Self::Project(project) => Some(json!({"project": project.body()})),
            Self::Domain(domain) => Some(json!({"domain": domain.body()})),
            Self::System => Some(json!({"system": {"all": true}})),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("the usual project"),
            Self::Unscoped => f.write_str("nothing in particular"),
            Self::Project(project) => write!(f, "project {project}"),
            Self::Domain(domain) => write!(f, "domain {domain}"),
            Self::System => f.write_str("the system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin() -> Named {
        Named::Name {
            name: "admin".to_owned(),
            domain: Domain::default(),
        }
    }

    #[test]
    fn a_password_is_asked_for_a_project() {
        let credentials = Credentials::Password {
            user: admin(),
            password: "hunter2".into(),
            target: Target::Project(admin()),
        };
        assert_eq!(
            credentials.body(),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": {
                    "name": "admin", "domain": {"id": "default"}, "password": "hunter2"}}},
                "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})
        );
    }

    #[test]
    fn an_application_credential_has_its_scope_with_it() {
        let credentials = |credential| Credentials::ApplicationCredential {
            credential,
            secret: "hunter2".into(),
        };
        assert_eq!(
            credentials(ApplicationCredential::Id("a1".to_owned())).body(),
            json!({"auth": {"identity": {"methods": ["application_credential"],
                "application_credential": {"id": "a1", "secret": "hunter2"}}}})
        );
        let named = ApplicationCredential::Name {
            name: "ci".to_owned(),
            user: Named::Id("u1".to_owned()),
        };
        assert_eq!(
            credentials(named).body()["auth"]["identity"]["application_credential"],
            json!({"name": "ci", "user": {"id": "u1"}, "secret": "hunter2"})
        );
    }

    #[test]
    fn every_target_has_its_scope() {
        let scope = |target| {
            let token = "t".into();
            let mut body = Credentials::Token { token, target }.body();
            body["auth"]["scope"].take()
        };
        assert_eq!(scope(Target::Usual), Value::Null);
        assert_eq!(scope(Target::Unscoped), "unscoped");
        assert_eq!(scope(Target::System), json!({"system": {"all": true}}));
        let domain = Domain::Name("Default".to_owned());
        assert_eq!(
            scope(Target::Domain(domain)),
            json!({"domain": {"name": "Default"}})
        );
        let project = Target::Project(Named::Id("p1".to_owned()));
        assert_eq!(scope(project), json!({"project": {"id": "p1"}}));
    }

    #[test]
    fn secrets_are_never_shown() {
        let (user, target) = (admin(), Target::Usual);
        let secret = || SecretString::from("hunter2");
        let all = [
            Credentials::Password {
                user,
                password: secret(),
                target: target.clone(),
            },
            Credentials::ApplicationCredential {
                credential: ApplicationCredential::Id("a1".to_owned()),
                secret: secret(),
            },
            Credentials::Token {
                token: secret(),
                target,
            },
        ];
        for credentials in all {
            let shown = format!("{credentials} {credentials:?} {}", credentials.doubt());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
