//! `/sdwan/v1/tokens`: the tokens that callers are known by, made, listed and
//! revoked. A token is in one answer only, the one that made it.

use super::cluster::columns;
use super::fields::{Fields, text};
use super::problem::Problem;
use super::query::Params;
use super::resources::revision;
use super::routers::respond;
use super::sender::Sender;
use super::{Api, X_REVISION, body};
use crate::auth::{Stored, Tokens, Wish};
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use sdwan_model::validate::Violation;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::Duration;

/// Characters of a name, a role and a tenant.
pub(super) const MAX_NAME: usize = 64;
/// Roles of one token.
pub(super) const MAX_ROLES: usize = 16;
/// The longest life in seconds that has an end: a hundred years.
pub(super) const MAX_LIFE: u64 = 100 * 366 * 86_400;

/// `GET` and `POST /sdwan/v1/tokens`.
pub(super) async fn all(
    api: &Api,
    method: &Method,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let sender = request.extensions().get::<Sender>();
    let by = sender.map_or_else(String::new, |sender| sender.caller.name.clone());
    let tokens = tokens(api)?;
    Params::new(request.uri()).finish(&[])?;
    if *method == Method::GET {
        return Ok(list(tokens));
    }
    let (parts, body) = request.into_parts();
    let wish = parse(body::read(&api.limits, &parts.headers, body).await?)
        .map_err(|violations| Problem::violations(StatusCode::BAD_REQUEST, violations))?;
    let made = tokens.create(&wish, &by).await?;
    let mut shown = data(&made.id, &made.stored, false);
    shown["token"] = made.text.expose_secret().into();
    let mut response = respond(&json!({ "token": shown }));
    *response.status_mut() = StatusCode::CREATED;
    Ok(at_revision(api, response))
}

/// `DELETE /sdwan/v1/tokens/{ID|NAME}`.
pub(super) async fn revoke(
    api: &Api,
    token: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let tokens = tokens(api)?;
    Params::new(request.uri()).finish(&[])?;
    tokens.revoke(token).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(at_revision(api, response))
}

fn tokens(api: &Api) -> Result<&Tokens, Problem> {
    api.auth.tokens().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "this server takes no tokens of its own: start it with `auth: tokens`",
        )
    })
}

fn at_revision(api: &Api, mut response: Response<Body>) -> Response<Body> {
    let at = revision(api.catalog.snapshot().point());
    response.headers_mut().insert(X_REVISION, at);
    response
}

fn parse(body: Value) -> Result<Wish, Vec<Violation>> {
    const ROLES: &str = "a list of 1 to 16 roles such as \"operator\"";
    let mut fields = Fields::of(body, "", &["name", "roles", "tenant", "expires_in"])?;
    let named = |value: &Value| text(value, MAX_NAME);
    let name = fields.required("name", "text of 1 to 64 characters in one line", named);
    let roles = fields.required("roles", ROLES, |value| {
        let list = value.as_array()?;
        let some = (1..=MAX_ROLES).contains(&list.len());
        let roles: Option<Vec<String>> = list.iter().map(role).collect();
        roles.filter(|_| some)
    });
    let tenant = fields.optional("tenant", "a tenant's id, 1 to 64 characters", named);
    let seconds = fields.optional(
        "expires_in",
        "a number of seconds, 1 to 3162240000, or null for never",
        |value| value.as_u64().filter(|s| (1..=MAX_LIFE).contains(s)),
    );
    match (name, roles) {
        (Some(name), Some(roles)) if fields.violations.is_empty() => Ok(Wish {
            name,
            roles,
            tenant,
            lifetime: seconds.map(Duration::from_secs),
        }),
        _ => Err(fields.violations),
    }
}

fn role(value: &Value) -> Option<String> {
    let role = text(value, MAX_NAME)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    role.chars().all(plain).then_some(role)
}

fn list(tokens: &Tokens) -> Response<Body> {
    let listed = tokens.list();
    let heads = ["ID", "NAME", "ROLES", "TENANT", "CREATED", "BY", "EXPIRES"];
    let mut rows = vec![heads.map(str::to_owned)];
    let mut shown = Vec::new();
    for (id, known) in &listed {
        let (stored, expired) = (&known.stored, tokens.expired(&known.stored));
        shown.push(data(id, stored, expired));
        let expires = match stored.expires {
            None => "never".to_owned(),
            Some(end) if expired => format!("{end}, expired"),
            Some(end) => end.to_string(),
        };
        rows.push([
            id.to_string(),
            stored.name.clone(),
            stored.roles.join(","),
            stored.tenant.clone().unwrap_or_default(),
            stored.created.to_string(),
            stored.created_by.clone(),
            expires,
        ]);
    }
    let mut table = String::new();
    columns(&mut table, &rows);
    respond(&json!({ "tokens": shown, "text": table }))
}

fn data(id: &str, stored: &Stored, expired: bool) -> Value {
    json!({
        "id": id,
        "name": stored.name,
        "roles": stored.roles,
        "tenant": stored.tenant,
        "created": stored.created,
        "created_by": stored.created_by,
        "expires": stored.expires,
        "expired": expired,
    })
}
