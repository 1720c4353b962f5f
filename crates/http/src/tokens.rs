//! What a request proves its sender with: a token, which may have to be
//! renewed while the sender lives on.

use async_trait::async_trait;
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

/// Where tokens come from.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The one to send now; none where there is nothing to prove.
    ///
    /// # Errors
    /// Why there should be one and is none.
    async fn token(&self) -> Result<Option<SecretString>, TokensError>;

    /// Another one in place of one that was refused; none where there can't be
    /// another.
    ///
    /// # Errors
    /// Why getting another one failed.
    async fn renewed(&self, refused: &SecretString) -> Result<Option<SecretString>, TokensError>;
}

/// Has no token, and needs none.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

#[async_trait]
impl Tokens for Nobody {
    async fn token(&self) -> Result<Option<SecretString>, TokensError> {
        Ok(None)
    }

    async fn renewed(&self, _: &SecretString) -> Result<Option<SecretString>, TokensError> {
        Ok(None)
    }
}

/// No token could be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TokensError {
    /// In plain words.
    pub reason: String,
    /// Whether the same may work later, with nothing changed here.
    pub transient: bool,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There was no token to send.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// It did not get through.
    #[error("{}", crate::reason(.0))]
    Request(#[from] reqwest::Error),
}

/// Whether it was not believed who asks. A 401 that says `insufficient_scope`
/// (RFC 6750) believes it: its bearer may not do this, and another token for
/// the same bearer changes nothing.
pub fn refuses_token(answer: &Response) -> bool {
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE);
    let insufficient = |challenge: &HeaderValue| {
        let text = challenge.to_str().unwrap_or_default();
        text.contains("error=\"insufficient_scope\"")
    };
    answer.status() == StatusCode::UNAUTHORIZED && !challenges.iter().any(insufficient)
}

/// Sends a request with a token, and once more with another one where the
/// first is refused: it may have expired or been revoked meanwhile. The body
/// must be one that can be sent twice.
///
/// # Errors
/// See [`SendError`]; a refusal is an answer.
pub async fn send(request: RequestBuilder, tokens: &dyn Tokens) -> Result<Response, SendError> {
    let Some(token) = tokens.token().await? else {
        return Ok(request.send().await?);
    };
    let again = request.try_clone();
    let answer = with(request, &token).send().await?;
    if refuses_token(&answer)
        && let Some(request) = again
        && let Some(token) = tokens.renewed(&token).await?
    {
        return Ok(with(request, &token).send().await?);
    }
    Ok(answer)
}

fn with(request: RequestBuilder, token: &SecretString) -> RequestBuilder {
    // A token that can't stand in a header is an error of the request's.
    let mut value = match HeaderValue::from_str(token.expose_secret()) {
        Ok(value) => value,
        Err(_) => return request.header("X-Auth-Token", token.expose_secret()),
    };
    value.set_sensitive(true);
    request.header("X-Auth-Token", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_bearer_is_none_of_the_token() {
        let answer = |status: u16, challenge: &str| {
            let answer = http::Response::builder().status(status);
            let answer = answer.header(WWW_AUTHENTICATE, challenge).body("");
            Response::from(answer.unwrap())
        };
        assert!(refuses_token(&answer(401, "Keystone uri=\"http://k/v3\"")));
        let insufficient = "Keystone uri=\"http://k/v3\", error=\"insufficient_scope\"";
        assert!(!refuses_token(&answer(401, insufficient)));
        assert!(!refuses_token(&answer(403, "Bearer realm=\"sdwan\"")));
    }
}
