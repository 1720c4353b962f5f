//! Where a gobgpd's management API listens.

use crate::value::quote;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// gobgpd's default API port.
pub const DEFAULT_PORT: u16 = 50051;

/// Host or host:port of a gobgpd's API.
///
/// Displays as it was written, in canonical spelling: a port that was left
/// out stays out. [`MgmtAddr::endpoint`] fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MgmtAddr {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// A DNS name in lower case.
    Name(String),
}

impl MgmtAddr {
    /// The TCP port, [`DEFAULT_PORT`] where none was written.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// `host:port`, an IPv6 address in brackets: equal for all spellings of
    /// one endpoint.
    pub fn endpoint(&self) -> String {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]:{}", self.port()),
            Host::Address(address) => format!("{address}:{}", self.port()),
            Host::Name(name) => format!("{name}:{}", self.port()),
        }
    }
}

impl fmt::Display for MgmtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (_, Some(_)) => f.write_str(&self.endpoint()),
            (Host::Address(address), None) => address.fmt(f),
            (Host::Name(name), None) => f.write_str(name),
        }
    }
}

impl std::str::FromStr for MgmtAddr {
    type Err = String;

    /// Reads `host`, `host:port`, `[v6]:port` or a bare IPv6 address.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("//") {
            let text = quote(text);
            return Err(format!(
                "must be host or host:port without a scheme, not {text}"
            ));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self {
                host: Host::Address(IpAddr::V6(address).to_canonical()),
                port: None,
            });
        }
        let (host, port) = split(text)?;
        Ok(Self { host, port })
    }
}

fn split(text: &str) -> Result<(Host, Option<u16>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(|| refuse(text))?;
        let address: Ipv6Addr = address.parse().map_err(|_| refuse(text))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port, text)?),
            None if rest.is_empty() => None,
            None => return Err(refuse(text)),
        };
        return Ok((Host::Address(IpAddr::V6(address).to_canonical()), port));
    }
    match text.split_once(':') {
        Some((host, port)) => Ok((parse_host(host, text)?, Some(parse_port(port, text)?))),
        None => Ok((parse_host(text, text)?, None)),
    }
}

fn parse_port(port: &str, text: &str) -> Result<u16, String> {
    super::token::port(port)
        .ok()
        .and_then(|port| port.parse().ok())
        .ok_or_else(|| format!("the port of {} must be 1 to 65535", quote(text)))
}

fn parse_host(host: &str, text: &str) -> Result<Host, String> {
    // What ends in a number is meant as an address, never as a name.
    let last = host.rsplit('.').next().unwrap_or_default();
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Host::Address(super::address::ipv4(host)?.into()));
    }
    let label = |l: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&l.len())
            && l.bytes().all(word)
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(refuse(text));
    }
    Ok(Host::Name(host.to_ascii_lowercase()))
}

fn refuse(text: &str) -> String {
    format!(
        "must be host or host:port, an IPv6 address with a port in brackets, not {}",
        quote(text)
    )
}
