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
/// What a token of the server's own begins with: `sdwan_ID_SECRET`.
const PREFIX: &str = "sdwan_";
/// Characters of the longest name that a token can have.
const MAX_NAME: usize = 64;

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

/// `sdwan token revoke`, by id or name, or by the token itself, of which the
/// server is told the id alone: what it is asked stands in logs.
///
/// # Errors
/// [`Error::Usage`] for what can be none of these; as [`Http::send`].
pub async fn revoke(http: &Http, token: &str) -> Result<String, Error> {
    let token = id_or_name(token)?;
    let path = format!("{TOKENS}/{}", segment(token));
    http.send(Method::DELETE, &path, &[], None).await?;
    Ok(format!("{token} is revoked\n"))
}

/// What a token is called by. Whatever may be a secret is not quoted.
fn id_or_name(text: &str) -> Result<&str, Error> {
    let wrong = |why: &str| {
        Error::Usage(format!(
            "{why}: `sdwan token list` shows the ids and names of tokens"
        ))
    };
    if text.is_empty() {
        return Err(wrong("which token?"));
    }
    if text.chars().count() <= MAX_NAME {
        return Ok(text);
    }
    // The id is no secret.
    let token = text.strip_prefix(PREFIX).and_then(|t| t.split_once('_'));
    token
        .map(|(id, _)| id)
        .ok_or_else(|| wrong("that is too long for the id or the name of a token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_the_id_alone_is_told() {
        assert_eq!(id_or_name("ci").unwrap(), "ci");
        assert_eq!(id_or_name("0123abcd").unwrap(), "0123abcd");
        assert_eq!(id_or_name("sdwan_my_own").unwrap(), "sdwan_my_own");
        let secret = "hunter_2".repeat(8);
        let token = format!("sdwan_0123_{secret}");
        assert_eq!(id_or_name(&token).unwrap(), "0123");
        // A name of 64 characters.
        assert_eq!(id_or_name(&secret).unwrap(), secret);
        let text = id_or_name(&format!("g{secret}")).unwrap_err().to_string();
        assert!(!text.contains("hunter"), "{text}");
        assert!(id_or_name("").is_err());
    }
}
