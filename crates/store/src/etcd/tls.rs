//! TLS: whom to believe, and who to be. Which names a certificate is for is
//! always checked.

use super::failure::never_connected;
use crate::Error;
use rustls::pki_types::TrustAnchor;
use sdwan_tls::{Identity, root};
use secrecy::ExposeSecret as _;
use std::error::Error as StdError;
use std::io::ErrorKind;
use tonic::Status;
use tonic::transport::{ClientTlsConfig, Identity as Pair};

/// How to speak TLS with etcd's members, all in PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificates of the authorities that may have signed theirs.
    pub ca: String,
    /// What to show, where etcd asks for it. With etcd's own users, who has no
    /// user and password is the certificate's common name.
    pub identity: Option<Identity>,
}

/// # Errors
/// [`Error::Open`] for what is no PEM, or not what it should be.
pub(super) fn config(tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let config = ClientTlsConfig::new().trust_anchors(authorities(&tls.ca)?);
    let Some(Identity { certificate, key }) = &tls.identity else {
        return Ok(config);
    };
    sdwan_tls::certificates(certificate).map_err(of("the certificate to show etcd"))?;
    sdwan_tls::private_key(key).map_err(of("the key of that certificate"))?;
    Ok(config.identity(Pair::from_pem(certificate, key.expose_secret())))
}

fn authorities(pem: &str) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let what = "the authority's certificate for etcd";
    Ok(sdwan_tls::authorities(pem).map_err(of(what))?.roots)
}

/// Of which text in PEM it is an error.
fn of(what: &str) -> impl Fn(sdwan_tls::Error) -> Error {
    move |error| Error::Open(format!("{what}: {error}"))
}

/// How the members are spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Plain,
    Anonymous,
    Certified,
}

impl Speech {
    pub(super) fn of(tls: Option<&Tls>) -> Self {
        match tls.map(|tls| &tls.identity) {
            None => Self::Plain,
            Some(None) => Self::Anonymous,
            Some(Some(_)) => Self::Certified,
        }
    }

    /// What it may mean that a connection to a member broke that has never
    /// answered yet, where nothing else says it: whoever is refused during the
    /// handshake does not always get to read why.
    pub(super) fn hint(self, status: &Status) -> Option<&'static str> {
        let cause = root(status.source()?);
        if sdwan_tls::Failure::of(cause).is_some() {
            return None;
        }
        if never_connected(status) {
            let broke = cause.downcast_ref().is_some_and(|error: &std::io::Error| {
                matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                )
            });
            let hint = "perhaps it speaks no TLS there; then write http://";
            return (broke && self != Self::Plain).then_some(hint);
        }
        Some(match self {
            Self::Plain => "perhaps it speaks TLS there; then write https://",
            Self::Anonymous => "perhaps it asks for a client's certificate; then give it one",
            Self::Certified => {
                "perhaps it does not take the given client's certificate; then give it one that \
                 its authority has signed"
            }
        })
    }
}
