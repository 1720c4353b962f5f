//! What is in a file: certificates, authorities, a private key.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};

/// Why a text in PEM is of no use; to be told after the file's name. It quotes
/// nothing: where a key was meant to be, anything may be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It can't be read at all.
    #[error("it is no PEM: {0}")]
    NoPem(String),
    /// There are none.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// One can't stand for an authority.
    #[error("a certificate in it is of no use: {0}")]
    NoAuthority(String),
    /// There is none, or it is sealed.
    #[error("there is no private key in PEM, without a password, in it")]
    NoKey,
}

/// A certificate of one's own, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate; those between it and its authority's follow it.
    pub certificate: String,
    /// Its private key.
    pub key: SecretString,
}

/// Certificates; at least one.
///
/// # Errors
/// [`Error::NoPem`], [`Error::NoCertificate`].
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::NoCertificate),
        Err(error) => Err(Error::NoPem(error.to_string())),
    }
}

/// Authorities' certificates; at least one, and each of use.
///
/// # Errors
/// Those of [`certificates`], [`Error::NoAuthority`].
pub fn authorities(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots
            .add(certificate)
            .map_err(|error| Error::NoAuthority(error.to_string()))?;
    }
    Ok(roots)
}

/// A private key.
///
/// # Errors
/// [`Error::NoKey`].
pub fn private_key(pem: &SecretString) -> Result<PrivateKeyDer<'static>, Error> {
    // The parser's error may quote what it read.
    PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|_| Error::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read() {
        let made = rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap();
        let pem = made.cert.pem();
        assert_eq!(certificates(&pem.repeat(2)).unwrap().len(), 2);
        assert_eq!(authorities(&pem).unwrap().len(), 1);
        private_key(&made.signing_key.serialize_pem().into()).unwrap();
    }

    #[test]
    fn what_is_not_there_is_told_and_nothing_is_quoted() {
        assert_eq!(certificates("secret"), Err(Error::NoCertificate));
        let key = "-----BEGIN PRIVATE KEY-----\nsecret\n";
        let told = [
            certificates("-----BEGIN CERTIFICATE-----\nsecret\n").map(drop),
            authorities("-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n")
                .map(drop),
            private_key(&key.into()).map(drop),
            private_key(&"secret".into()).map(drop),
        ];
        for error in told {
            let text = error.unwrap_err().to_string();
            assert!(!text.contains("secret") && !text.contains("c2Vj"), "{text}");
        }
    }
}
