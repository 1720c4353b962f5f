//! Who may call a server that asks nobody who he is: whoever reaches its
//! address, but not a web page in that person's browser.
//!
//! A page can reach a loopback address in two ways. It can have its own name
//! resolve there (DNS rebinding): then `Host` is a name that isn't ours. Or it
//! can send a request that needs no preflight to our real address: then
//! `Origin` is not one that we know. Both are refused.
//!
//! Where callers prove who they are, a name proves nothing more, so any will
//! do. But a browser sends a cookie along whoever asks for it: a page of an
//! origin that was not named changes something only with a token that it has
//! itself put into a header, and only where `cors` is `*`.

use super::problem::Problem;
use crate::auth;
use crate::config::{Address, Config};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use std::net::IpAddr;

/// The names that this server answers to.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Lower case, without brackets and port.
    names: Vec<String>,
    /// Listening where others can reach it: any address literal is ours, since
    /// no page can make one resolve elsewhere.
    any_address: bool,
    /// Callers prove who they are.
    proved: bool,
    /// Lower case.
    origins: Vec<String>,
    /// Pages of any other origin may call, too, with a token in a header.
    any_origin: bool,
}

impl Guard {
    pub(crate) fn new(config: &Config) -> Self {
        let Address { host, .. } = &config.address;
        let mut names = config.hosts.clone();
        names.push("localhost".into());
        names.extend(host.as_ref().map(|h| h.to_ascii_lowercase()));
        Self {
            names,
            any_address: !config.address.is_loopback(),
            proved: config.auth.protects(),
            origins: config.cors.clone(),
            any_origin: config.cors.iter().any(|origin| origin == "*"),
        }
    }

    /// # Errors
    /// Why the request is refused.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let Some(host) = self.host(request)? else {
            return Ok(());
        };
        if changes_something(request.method()) {
            self.origin(request.headers(), &host)?;
        }
        Ok(())
    }

    /// The authority that was asked for; `None` where HTTP/1.0 names none.
    fn host<B>(&self, request: &Request<B>) -> Result<Option<Authority>, Problem> {
        let mut values = request.headers().get_all(HOST).iter();
        let authority = match (request.uri().authority(), values.next(), values.next()) {
            (Some(authority), ..) => authority.clone(),
            (None, Some(host), None) => Authority::try_from(host.as_bytes())
                .map_err(|_| Problem::bad_request("the Host header is no host name"))?,
            (None, Some(_), Some(_)) => {
                return Err(Problem::bad_request("there are two Host headers"));
            }
            (None, None, _) if request.version() < Version::HTTP_11 => return Ok(None),
            (None, None, _) => return Err(Problem::bad_request("the Host header is missing")),
        };
        if self.proved || self.knows(authority.host()) {
            Ok(Some(authority))
        } else {
            Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!(
                    "this server does not answer to the name {:?}: call it by its address, \
                     or add the name to `hosts` in its configuration",
                    authority.host()
                ),
            ))
        }
    }

    fn knows(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match host.parse::<IpAddr>() {
            Ok(address) => self.any_address || address.is_loopback(),
            Err(_) => self.names.contains(&host),
        }
    }

    fn origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or("null").to_ascii_lowercase();
        let same = origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host.as_str()));
        let proved = self.proved && self.any_origin && auth::is_in_header(headers);
        if same || proved || self.origins.contains(&origin) {
            Ok(())
        } else {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("pages of {origin:?} may not change anything here: see `cors`"),
            ))
        }
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
