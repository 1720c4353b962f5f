//! Requests to the server.

use crate::access::Access;
use crate::caller::Caller;
use crate::error::Error;
use crate::refusal::{Asked, Refusal};
use crate::settings::Settings;
use reqwest::Method;
use sdwan_http::{SendError, Tokens};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Longer than the server's own limit for any request, so that its words win.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What to do where nobody answers.
const ABSENT: &str =
    "Start `sdwan server`, or name another one with --endpoint or GOHAN_ENDPOINT_URL.";

/// What to do where somebody does, but not like this.
const TLS: &str = "Set the URL by --endpoint or GOHAN_ENDPOINT_URL, whom to trust by --os-cacert \
     or OS_CACERT, a certificate to show by OS_CERT and OS_KEY.";

/// A connection to one server.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    endpoint: String,
    tokens: Arc<dyn Tokens>,
    caller: Caller,
    advice: String,
    verbosity: u8,
}

/// The server's answer to a request that it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body; null where there is none.
    pub body: Value,
    /// `ETag` without quotes: the row's version.
    pub etag: Option<String>,
    /// `X-Revision`: what the answer is as new as.
    pub revision: Option<String>,
}

impl Answer {
    /// The path, to be read no older than this answer, whichever server
    /// answers next.
    pub(crate) fn then(&self, path: &str) -> String {
        match &self.revision {
            Some(revision) => format!("{path}?min_revision={}", segment(revision)),
            None => path.to_owned(),
        }
    }
}

impl Http {
    /// Finds the server and prepares; connects with the first request.
    ///
    /// # Errors
    /// As [`Access::find`] and [`Http::new`].
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        Self::new(Access::find(settings).await?, settings.verbosity)
    }

    /// Prepares.
    ///
    /// # Errors
    /// [`Error::Usage`] where the endpoint is no URL, [`Error::Local`] where
    /// files about TLS are of no use.
    pub fn new(access: Access, verbosity: u8) -> Result<Self, Error> {
        let Access {
            endpoint,
            tls,
            tokens,
            caller,
            advice,
        } = access;
        let url = reqwest::Url::parse(&endpoint).ok();
        let fits = |url: &reqwest::Url| {
            url.host_str().is_some() && matches!(url.scheme(), "http" | "https")
        };
        let Some(url) = url.filter(fits) else {
            return Err(Error::Usage(format!(
                "{endpoint:?} is not a URL such as http://127.0.0.1:9998"
            )));
        };
        if !url.username().is_empty() || url.password().is_some() {
            // Not quoted: there may be a password in it.
            return Err(Error::Usage(
                "the server's URL names a user: leave that out, a token says who you are"
                    .to_owned(),
            ));
        }
        let client = sdwan_http::client(&url, &tls, TIMEOUT);
        Ok(Self {
            client: client.map_err(|e| Error::Local(e.to_string()))?,
            endpoint,
            tokens,
            caller,
            advice,
            verbosity,
        })
    }

    /// The server's URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Who asks it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Http::send`].
    pub async fn get(&self, path: &str, query: &[(String, String)]) -> Result<Answer, Error> {
        self.send(Method::GET, path, query, None).await
    }

    /// One request. `path` is already encoded.
    ///
    /// # Errors
    /// The server's refusal by its status, in its own words.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.endpoint);
        self.say(1, || format!("{method} {url}"));
        let mut request = self.client.request(method, &url).query(query);
        if let Some(body) = body {
            request = request.json(body);
        }
        let sent = sdwan_http::send(request, &*self.tokens).await;
        let response = sent.map_err(|error| match error {
            SendError::Request(error) => self.unreachable(&error),
            SendError::Tokens(error) => Error::Login {
                reason: error.reason,
                transient: error.transient,
            },
        })?;
        let status = response.status();
        self.say(1, || format!("{status}"));
        self.say(2, || {
            response
                .headers()
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
                .collect::<Vec<_>>()
                .join("\n")
        });
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok());
        let refusal = Refusal::of(&response);
        let etag = header("etag").map(|v| v.trim_matches('"').to_owned());
        let revision = header("x-revision").map(str::to_owned);
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if let Some(refusal) = refusal {
            let asked = Asked {
                endpoint: &self.endpoint,
                caller: &self.caller,
                advice: &self.advice,
            };
            return Err(refusal.error(&bytes, &asked));
        }
        if bytes.is_empty() {
            return Ok(Answer {
                body: Value::Null,
                etag,
                revision,
            });
        }
        let body = serde_json::from_slice(&bytes).map_err(|e| {
            Error::Refused(format!(
                "{} is not an sdwan server: its answer is no JSON ({e})",
                self.endpoint
            ))
        })?;
        Ok(Answer {
            body,
            etag,
            revision,
        })
    }

    /// To stderr, for those who asked for it. Never bodies or request
    /// headers: they may carry secrets.
    #[expect(
        clippy::print_stderr,
        reason = "verbose output is for the person at the terminal"
    )]
    fn say(&self, from: u8, text: impl FnOnce() -> String) {
        if self.verbosity >= from {
            eprintln!("{}", text());
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable {
            endpoint: self.endpoint.clone(),
            reason: sdwan_http::reason(error),
            advice: match sdwan_http::is_misunderstood(error) {
                true => TLS,
                false => ABSENT,
            },
        }
    }
}

/// A text as one segment of a path: an id typed by a person must not reach
/// another resource.
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_stays_one_segment() {
        assert_eq!(segment("GoBGP-1"), "GoBGP-1");
        assert_eq!(segment("a/../b?c#d%"), "a%2F..%2Fb%3Fc%23d%25");
        assert_eq!(segment("fe80::1"), "fe80%3A%3A1");
    }
}
