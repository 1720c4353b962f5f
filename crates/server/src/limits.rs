//! What one client may cost, so that others are served whatever it does.
//!
//! Connections and bytes are bounded where they arrive ([`crate::listen`]);
//! requests, watches and failed logins where it is known who sends them
//! (`api/quota.rs`).

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// The bounds; `limits:` in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How many of them one network may have; more are closed at once.
    pub connections_per_peer: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For a request's head to arrive, and for a connection to idle.
    pub head: Duration,
    /// For a body to arrive; less than `request`, so that the client is told
    /// whose fault it was.
    pub body: Duration,
    /// For a whole request but a watch, its body's arrival included.
    pub request: Duration,
    /// For a client to take something of what it is sent.
    pub stall: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// Bytes of a URL.
    pub url_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Levels of a body's JSON.
    pub nesting: usize,
    /// A caller's requests a second, and twice as many at once; 0 for no bound.
    pub requests_per_second: u32,
    /// A caller's watches at once; 0 for no bound.
    pub watches: usize,
    /// A network's failed logins a minute; 0 for no bound.
    pub failed_logins_per_minute: u32,
    /// Between two signs of life in a watch.
    pub heartbeat: Duration,
    /// For this server to become as new as a request asks for.
    pub catch_up: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_peer: 512,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            body: Duration::from_secs(20),
            request: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            headers: 100,
            url_bytes: 8 * 1024,
            body_bytes: 1024 * 1024,
            nesting: 64,
            requests_per_second: 1000,
            watches: 64,
            failed_logins_per_minute: 30,
            heartbeat: Duration::from_secs(15),
            catch_up: Duration::from_secs(10),
        }
    }
}

/// Whom an address counts for: over IPv6 everybody has a whole /64 of them.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = v6.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(prefix).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_64() {
        for (address, counts_for) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(network(address).to_string(), counts_for);
        }
        // Which leaves this machine one of its own.
        let own = network(Ipv6Addr::LOCALHOST.into());
        assert_eq!(own, IpAddr::from(Ipv6Addr::UNSPECIFIED));
    }
}
