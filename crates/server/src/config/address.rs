//! Where the API listens: `127.0.0.1:9998`, `[::1]:9998`, `localhost:9998`,
//! or Gohan's `:9998` for every address of the machine.

use std::net::IpAddr;

/// A host, or all of them, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address without brackets; `None` listens on all.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
}

impl Default for Address {
    fn default() -> Self {
        Self {
            host: Some("127.0.0.1".into()),
            port: 9998,
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is no address: write HOST:PORT, e.g. 127.0.0.1:9998 or [::1]:9998")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = match port.as_bytes() {
            [b'0'..=b'9', ..] => port.parse().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        let host = match host.strip_prefix('[') {
            Some(v6) => {
                let inner = v6.strip_suffix(']').ok_or_else(wrong)?;
                inner
                    .parse::<std::net::Ipv6Addr>()
                    .map_err(|_| wrong())?
                    .to_string()
            }
            None if host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)) =>
            {
                host.to_owned()
            }
            None => return Err(wrong()),
        };
        Ok(Self {
            host: Some(host).filter(|h| !h.is_empty()),
            port,
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.as_deref() {
            None => write!(f, ":{}", self.port),
            Some(v6) if v6.contains(':') => write!(f, "[{v6}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

impl Address {
    /// Whether only this machine can reach it. A name other than `localhost`
    /// could resolve to anything, so it does not count.
    pub fn is_loopback(&self) -> bool {
        match self.host.as_deref() {
            None => false,
            Some("localhost") => true,
            Some(host) => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        }
    }
}
