//! HTTP as a client, the same for everything that asks a server: the command
//! line and the agent the orchestrator, both and the orchestrator Keystone.
//!
//! Why it is a crate: whom to trust, that a token never follows a redirect to
//! somebody else, and what an error says, are to be decided once.

mod reason;
mod tls;
mod tokens;

pub use reason::{is_misunderstood, reason};
pub use tls::Tls;
pub use tokens::{Nobody, SendError, Tokens, TokensError, refuses_token, send};

use reqwest::{ClientBuilder, Url, redirect};
use std::net::IpAddr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A client can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file that says whom to trust, or who to be, is of no use.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// In plain words.
        reason: String,
    },
    /// This machine names no authorities, and neither did anybody else.
    #[error(
        "whose certificates to trust is not known ({0}): install the system's (package \
         `ca-certificates`), or name a file of them"
    )]
    NoAuthorities(String),
    /// Something else.
    #[error("the HTTP client can't start: {0}")]
    Start(String),
}

/// Everything that is the same in all clients, for requests to `url`: TLS by
/// rustls with its check of names, no redirects (a header with a token would
/// go with them), and no proxy to this machine itself, whatever `http_proxy`
/// says.
///
/// # Errors
/// See [`Error`].
pub fn builder(url: &Url, tls: &Tls) -> Result<ClientBuilder, Error> {
    let builder = with(tls.config(url.scheme() == "https")?);
    Ok(match url.host_str().is_some_and(is_loopback) {
        true => builder.no_proxy(),
        false => builder,
    })
}

/// The same for a server on this machine, or in a network of the lab's, that
/// speaks plain HTTP.
///
/// # Errors
/// [`Error::Start`].
pub fn local() -> Result<ClientBuilder, Error> {
    Ok(with(Tls::default().config(false)?).no_proxy())
}

#[expect(clippy::disallowed_methods, reason = "this is where they are made")]
fn with(tls: rustls::ClientConfig) -> ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
}

/// The same, ready, with a limit for each request as a whole.
///
/// # Errors
/// See [`Error`].
pub fn client(url: &Url, tls: &Tls, timeout: Duration) -> Result<reqwest::Client, Error> {
    builder(url, tls)?
        .timeout(timeout)
        .build()
        .map_err(|error| Error::Start(reason(&error)))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.net", "192.0.2.1", "[2001:db8::1]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
