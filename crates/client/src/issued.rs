//! `sdwan token`: the tokens that a server knows callers by.

use crate::error::Error;
use crate::http::{Http, segment};
use crate::output;
use crate::settings::Format;
use crate::verbs::print;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const TOKENS: &str = "/sdwan/v1/tokens";

/// What a token is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// What people call it.
    pub name: &'a str,
    /// What its bearer may do.
    pub roles: &'a [String],
    /// The tenant that its bearer calls for.
    pub tenant: Option<&'a str>,
    /// For how long it is good; `None` for ever.
    pub lifetime: Option<Duration>,
}

/// `sdwan token create`: the token alone, for `$(...)`, or all that is known
/// of it.
///
/// # Errors
/// As [`Http::send`].
pub async fn create(http: &Http, wish: &Wish<'_>, format: Format) -> Result<String, Error> {
    let body = json!({
        "name": wish.name,
        "roles": wish.roles,
        "tenant": wish.tenant,
        "expires_in": wish.lifetime.map(|life| life.as_secs()),
    });
    let made = http.send(Method::POST, TOKENS, &[], Some(&body)).await?;
    let text = made.body["token"]["token"].as_str();
    Ok(match (format, text) {
        (Format::Table | Format::Wide, Some(token)) => format!("{token}\n"),
        _ => output::document(&made.body, format),
    })
}

/// `sdwan token list`.
///
/// # Errors
/// As [`Http::get`].
pub async fn list(http: &Http, format: Format) -> Result<String, Error> {
    let answer = http.get(TOKENS, &[]).await?.body;
    Ok(print(&answer, format))
}

/// `sdwan token revoke`, by id or name.
///
/// # Errors
/// As [`Http::send`].
pub async fn revoke(http: &Http, token: &str) -> Result<String, Error> {
    let path = format!("{TOKENS}/{}", segment(token));
    http.send(Method::DELETE, &path, &[], None).await?;
    Ok(format!("{token} is revoked\n"))
}
