//! Where a gobgpd listens: TCP or a unix socket.

use super::{CONNECTION_WINDOW, Options, Timeouts, WINDOW};
use crate::error::Error;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// gobgpd's own default.
const DEFAULT_PORT: u16 = 50051;

/// The kernel probes an idle connection, since HTTP/2 may not.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// The host as it stands in a URI: IPv6 in brackets.
    Tcp(String, u16),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Address {
            address: text.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:/path` and `unix:///path`, as gRPC writes them.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(wrong("a path is missing after `unix:`"));
            }
            return Ok(Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self::Tcp(format!("[{address}]"), DEFAULT_PORT));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (
                    host,
                    port.ok_or_else(|| wrong("the port is no number from 1 to 65535"))?,
                )
            }
            _ => (text, DEFAULT_PORT),
        };
        let bracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let valid = match bracketed {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(is_host_char),
        };
        if !valid {
            return Err(wrong("expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH"));
        }
        Ok(Self::Tcp(host.to_owned(), port))
    }
}

fn is_host_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// A channel that connects when it is first used, and again when it broke.
    pub(super) fn channel(&self, options: &Options) -> Result<Channel, Error> {
        let Options { timeouts, tls } = options;
        let wrong = |error: tonic::transport::Error| Error::Address {
            address: self.to_string(),
            reason: sdwan_tls::root(&error).to_string(),
        };
        let (host, place) = match self {
            Self::Tcp(host, _) => (host.as_str(), self.to_string()),
            Self::Unix(_) => ("localhost", "localhost".to_owned()),
        };
        let endpoint = match tls {
            None => Endpoint::from_shared(format!("http://{place}")),
            Some(tls) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let tls = tls.config(host)?.timeout(timeouts.connect);
                Endpoint::from_shared(format!("https://{place}"))
                    .and_then(|endpoint| endpoint.tls_config(tls))
            }
        };
        let endpoint = endpoint
            .map_err(wrong)?
            .connect_timeout(timeouts.connect)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        Ok(match self {
            Self::Tcp(..) => endpoint.connect_with_connector_lazy(tcp(timeouts)),
            Self::Unix(path) => {
                let path = path.clone();
                endpoint.connect_with_connector_lazy(service_fn(move |_| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                }))
            }
        })
    }
}

/// Connections on which no call comes later than [`Timeouts::late`]: what is
/// not acknowledged within a call's time is dropped together with its
/// connection. Else the kernel would send it when the network is back, long
/// after the call was given up, and after whatever was sent on another
/// connection since.
fn tcp(timeouts: &Timeouts) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // TLS, where it is spoken, is laid on top.
    connector.enforce_http(false);
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(timeouts.call));
    connector.set_connect_timeout(Some(timeouts.connect));
    connector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:50051"),
            ("192.0.2.1:4000", "192.0.2.1:4000"),
            ("router-1.example", "router-1.example:50051"),
            ("2001:db8::1", "[2001:db8::1]:50051"),
            ("[2001:db8::1]", "[2001:db8::1]:50051"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
            ("unix:/run/gobgpd.sock", "unix:/run/gobgpd.sock"),
            ("unix:///run/gobgpd.sock", "unix:/run/gobgpd.sock"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), expected, "{text}");
        }
        for text in [
            "", ":1", "a:0", "a:65536", "a:b", "unix:", "a b", "a/b", "[::1", "u@h", "[x]:1",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{text}: {error}");
        }
    }
}
