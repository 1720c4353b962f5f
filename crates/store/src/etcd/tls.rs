//! TLS: whom to believe, and who to be. Which names a certificate is for is
//! always checked.

use super::failure::{never_connected, root};
use crate::Error;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
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

/// A certificate of one's own.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate; those between it and its authority's follow it.
    pub certificate: String,
    /// Its private key.
    pub key: SecretString,
}

/// # Errors
/// [`Error::Open`] for what is no PEM, or not what it should be.
pub(super) fn config(tls: &Tls) -> Result<ClientTlsConfig, Error> {
    let config = ClientTlsConfig::new().trust_anchors(authorities(&tls.ca)?);
    let Some(Identity { certificate, key }) = &tls.identity else {
        return Ok(config);
    };
    certificates(certificate, "the certificate to show etcd")?;
    let key = key.expose_secret();
    // Its error may quote what it read.
    PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| open("the certificate's key is no private key in PEM without a password"))?;
    Ok(config.identity(Pair::from_pem(certificate, key)))
}

fn authorities(pem: &str) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let what = "the authority's certificate for etcd";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        roots
            .add(certificate)
            .map_err(|error| open(format!("{what} is of no use: {error}")))?;
    }
    Ok(roots.roots)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(open(format!("{what} is not there: its PEM has none"))),
        Err(error) => Err(open(format!("{what} is no PEM: {error}"))),
    }
}

fn open(why: impl Into<String>) -> Error {
    Error::Open(why.into())
}

/// What an operator can do about the failure of a connection, where TLS is
/// the cause.
pub(super) fn advice(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    use AlertDescription as Alert;
    use CertificateError as Certificate;
    Some(match tls_error(cause)? {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "its certificate is signed by another authority than the given one"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "name the member as its certificate does, or have its certificate name it so",
        rustls::Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        ) => "its certificate is out of date, or this machine's clock is wrong",
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate,
        ) => "it asks for a client's certificate that its authority has signed: give it one",
        rustls::Error::InvalidMessage(_) => "it speaks no TLS there: write http://",
        _ => return None,
    })
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
        if advice(cause).is_some() {
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

/// An I/O error is not its content's cause, but its wrapping.
fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return tls_error(io.get_ref()?);
    }
    cause.downcast_ref()
}
