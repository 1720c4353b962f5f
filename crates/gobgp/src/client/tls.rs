//! TLS with gobgpd: whom to believe, and who to be. Which name a certificate
//! is for is always checked.

use crate::error::Error;
use rustls::pki_types::{ServerName, TrustAnchor};
use sdwan_tls::{Identity, root};
use secrecy::ExposeSecret as _;
use tonic::transport::{ClientTlsConfig, Identity as Pair};

/// How to speak TLS with gobgpds that do (`gobgpd --tls`), all in PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificates of the authorities that may have signed theirs.
    pub ca: String,
    /// What to show, where gobgpd asks for it (`--tls-client-ca-file`, from
    /// 3.13).
    pub identity: Option<Identity>,
    /// The name that the certificate must have; without one, the host of the
    /// address.
    pub server_name: Option<String>,
}

impl Tls {
    /// Whether all of it is what it should be.
    ///
    /// # Errors
    /// [`Error::Tls`].
    pub fn check(&self) -> Result<(), Error> {
        let name = self.server_name.as_deref().unwrap_or("localhost");
        ServerName::try_from(name)
            .map_err(|_| wrong(format!("{name:?} is no name of a server")))?;
        // The key is judged with its certificate, as for a connection.
        tonic::transport::Endpoint::from_static("https://localhost")
            .tls_config(self.config(name)?)
            .map(drop)
            .map_err(|error| wrong(root(&error).to_string()))
    }

    /// For an address with this host, IPv6 without brackets.
    pub(super) fn config(&self, host: &str) -> Result<ClientTlsConfig, Error> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let config = ClientTlsConfig::new()
            .trust_anchors(authorities(&self.ca)?)
            .domain_name(name);
        let Some(Identity { certificate, key }) = &self.identity else {
            return Ok(config);
        };
        let what = "the certificate to show gobgpd";
        sdwan_tls::certificates(certificate).map_err(of(what))?;
        sdwan_tls::private_key(key).map_err(of("the key of that certificate"))?;
        Ok(config.identity(Pair::from_pem(certificate, key.expose_secret())))
    }
}

fn authorities(pem: &str) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let what = "the authority's certificate for gobgpd";
    let authorities = sdwan_tls::authorities(pem).map_err(of(what))?;
    Ok(authorities.roots)
}

/// Of which text in PEM it is an error.
fn of(what: &str) -> impl Fn(sdwan_tls::Error) -> Error {
    move |error| wrong(format!("{what}: {error}"))
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::Tls {
        reason: reason.into(),
    }
}

/// What it may mean that a first connection broke, where nothing else says it:
/// whoever is refused during the handshake does not always get to read why.
pub(super) fn hint(tls: Option<&Tls>) -> &'static str {
    match tls.map(|tls| &tls.identity) {
        None => "perhaps it speaks TLS there",
        Some(None) => "perhaps it asks for a client's certificate",
        Some(Some(_)) => "perhaps it does not take the given client's certificate",
    }
}
