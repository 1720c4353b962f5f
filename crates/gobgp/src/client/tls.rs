//! TLS with gobgpd: whom to believe, and who to be. Which name a certificate
//! is for is always checked.

use crate::error::Error;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, TrustAnchor};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use secrecy::{ExposeSecret as _, SecretString};
use std::error::Error as StdError;
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

/// A certificate of one's own.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate; those between it and its authority's follow it.
    pub certificate: String,
    /// Its private key.
    pub key: SecretString,
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
            .map_err(|error| wrong(innermost(&error).to_string()))
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
        certificates(certificate, "the certificate to show gobgpd")?;
        let key = key.expose_secret();
        // Its error may quote what it read.
        PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
            wrong("the certificate's key is no private key in PEM without a password")
        })?;
        Ok(config.identity(Pair::from_pem(certificate, key)))
    }
}

fn authorities(pem: &str) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let what = "the authority's certificate for gobgpd";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, what)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("{what} is of no use: {error}")))?;
    }
    Ok(roots.roots)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(wrong(format!("{what} is not there: its PEM has none"))),
        Err(error) => Err(wrong(format!("{what} is no PEM: {error}"))),
    }
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::Tls {
        reason: reason.into(),
    }
}

pub(super) fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
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

/// Whoever ends a handshake so is not content with what it was shown.
const CLIENT: &str =
    "it asks for a client's certificate that its authority has signed: give it one";

/// What an operator can do about the failure of a connection, where TLS is
/// the cause.
pub(crate) fn advice(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    use AlertDescription as Alert;
    use CertificateError as Certificate;
    let Some(error) = tls_error(cause) else {
        // HTTP/2 keeps the text alone of what breaks a connection that stood.
        return cause
            .to_string()
            .starts_with("received fatal alert")
            .then_some(CLIENT);
    };
    Some(match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "its certificate is signed by another authority than the given one"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "address it as its certificate names it, or have its certificate name it so",
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
        ) => CLIENT,
        rustls::Error::InvalidMessage(_) => "it speaks no TLS there",
        _ => return None,
    })
}

/// An I/O error is not its content's cause, but its wrapping.
fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
        return tls_error(io.get_ref()?);
    }
    cause.downcast_ref()
}
