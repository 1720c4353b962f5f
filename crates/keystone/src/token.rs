//! What Keystone says of a token.

use crate::catalog::Catalog;
use jiff::Timestamp;
use serde::Deserialize;

/// A token that was valid when Keystone was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub user: User,
    /// The names of the user's roles where the token is good.
    pub roles: Vec<String>,
    /// Where it is good.
    pub scope: Scope,
    /// It is not valid any more from then on.
    pub expires: Timestamp,
    /// Where the services are; empty where it was not asked for.
    pub catalog: Catalog,
    /// What the user proved himself with, e.g. `password`.
    pub methods: Vec<String>,
    /// The token's own, and those it was made from: its name in logs.
    pub audit_ids: Vec<String>,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Keystone's.
    pub id: String,
    /// Unique within the domain.
    pub name: String,
    /// The user's domain.
    pub domain: Domain,
}

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Keystone's.
    pub id: String,
    /// For people.
    pub name: String,
}

/// Where a token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a project.
    Project {
        /// Keystone's.
        id: String,
        /// Unique within the domain.
        name: String,
        /// The project's domain.
        domain: Domain,
    },
    /// In a domain as a whole.
    Domain(Domain),
    /// In the system as a whole.
    System,
    /// Nowhere: it only proves who its user is.
    Unscoped,
}

/// An answer that is no token's description, in plain words. It never quotes
/// the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

#[derive(Deserialize)]
struct Answer {
    token: Described,
}

#[derive(Deserialize)]
struct Described {
    user: Within,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    project: Option<Within>,
    #[serde(default)]
    domain: Option<Domain>,
    #[serde(default)]
    system: Option<System>,
    expires_at: String,
    #[serde(default)]
    catalog: Catalog,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    audit_ids: Vec<String>,
}

/// A user or a project.
#[derive(Deserialize)]
struct Within {
    id: String,
    name: String,
    domain: Domain,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

impl Token {
    /// Reads the body of an answer to a login or a validation.
    ///
    /// # Errors
    /// [`Malformed`], also where a scope is not one of those that are known: a
    /// token must not be good for more than was meant.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let answer: Answer = serde_json::from_slice(body).map_err(|error| {
            // Its words may quote a value.
            let (line, column) = (error.line(), error.column());
            Malformed(format!(
                "it does not describe a token ({} at line {line}, column {column})",
                kind(&error)
            ))
        })?;
        let token = answer.token;
        let expires = token
            .expires_at
            .parse()
            .map_err(|_| Malformed("the token's expires_at is no time".to_owned()))?;
        let scope = match (token.project, token.domain, token.system) {
            (None, None, None) => Scope::Unscoped,
            (Some(project), None, None) => Scope::Project {
                id: project.id,
                name: project.name,
                domain: project.domain,
            },
            (None, Some(domain), None) => Scope::Domain(domain),
            (None, None, Some(System { all: true })) => Scope::System,
            _ => return Err(Malformed("the token's scope is not understood".to_owned())),
        };
        Ok(Self {
            user: User {
                id: token.user.id,
                name: token.user.name,
                domain: token.user.domain,
            },
            roles: token.roles.into_iter().map(|role| role.name).collect(),
            scope,
            expires,
            catalog: token.catalog,
            methods: token.methods,
            audit_ids: token.audit_ids,
        })
    }

    /// Whether it is not valid any more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }
}

fn kind(error: &serde_json::Error) -> &'static str {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => "something is missing or of another kind",
        Category::Eof => "it ends too early",
        Category::Syntax | Category::Io => "it is no JSON",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What Keystone 30 answers, shortened.
    fn answer(scope: &Value) -> Value {
        let mut token = json!({
            "methods": ["password"],
            "user": {"domain": {"id": "default", "name": "Default"},
                "id": "3f2a", "name": "admin", "password_expires_at": null},
            "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
            "expires_at": "2026-11-26T05:00:00.000000Z",
            "issued_at": "2026-11-26T04:00:00.000000Z",
            "is_domain": false,
            "roles": [{"id": "r1", "name": "admin"}, {"id": "r2", "name": "member"}],
            "catalog": [{"endpoints": [{"id": "e1", "interface": "public",
                    "region_id": "RegionOne", "url": "http://192.0.2.1:5000/v3",
                    "region": "RegionOne"}],
                "id": "s1", "type": "identity", "name": "keystone"}],
        });
        for (key, value) in scope.as_object().into_iter().flatten() {
            token[key] = value.clone();
        }
        json!({"token": token})
    }

    fn parse(scope: &Value) -> Result<Token, Malformed> {
        Token::parse(answer(scope).to_string().as_bytes())
    }

    #[test]
    fn a_token_is_read_with_each_scope() {
        let domain = Domain {
            id: "default".to_owned(),
            name: "Default".to_owned(),
        };
        let project = json!({"project": {"domain": {"id": "default", "name": "Default"},
            "id": "p1", "name": "demo"}});
        let token = parse(&project).unwrap();
        assert_eq!(token.user.name, "admin");
        assert_eq!(token.roles, ["admin", "member"]);
        assert_eq!(token.methods, ["password"]);
        assert_eq!(token.expires, "2026-11-26T05:00:00Z".parse().unwrap());
        assert!(token.is_expired(token.expires));
        let url = token.catalog.endpoint("identity", None, Default::default());
        assert_eq!(url.unwrap(), "http://192.0.2.1:5000/v3");
        let expected = Scope::Project {
            id: "p1".to_owned(),
            name: "demo".to_owned(),
            domain: domain.clone(),
        };
        assert_eq!(token.scope, expected);
        let scope = |scope: &Value| parse(scope).unwrap().scope;
        let of_domain = json!({"domain": {"id": "default", "name": "Default"}});
        assert_eq!(scope(&of_domain), Scope::Domain(domain));
        assert_eq!(scope(&json!({"system": {"all": true}})), Scope::System);
        assert_eq!(scope(&json!({})), Scope::Unscoped);
    }

    #[test]
    fn a_scope_that_is_not_understood_is_good_for_nothing() {
        for scope in [
            json!({"system": {}}),
            json!({"system": {"all": false}}),
            json!({"system": {"all": true}, "domain": {"id": "d", "name": "d"}}),
        ] {
            assert!(parse(&scope).is_err(), "{scope}");
        }
    }

    #[test]
    fn what_is_no_token_is_never_quoted() {
        for body in [
            "",
            "<html>secret",
            r#"{"token": "secret"}"#,
            r#"{"error": {}}"#,
        ] {
            let text = Token::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(!text.contains("secret") && !text.is_empty(), "{text}");
        }
        assert!(parse(&json!({"expires_at": "soon"})).is_err());
    }
}
