//! TLS: whom to believe, and who to be. Which names a certificate is for is
//! always checked.

use crate::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use secrecy::SecretString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to speak TLS; all files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that may have signed a server's; the
    /// system's where none is named.
    pub ca_file: Option<PathBuf>,
    /// Where a server asks for it: a certificate, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// Trusts these authorities alone.
    #[must_use]
    pub fn trusting(ca_file: Option<PathBuf>) -> Self {
        Self {
            ca_file,
            identity: None,
        }
    }

    /// What rustls is told. Nothing is read where TLS is not `wanted`: nobody
    /// is trusted then.
    pub(crate) fn config(&self, wanted: bool) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Start(error.to_string()))?;
        let builder = match &self.ca_file {
            _ if !wanted => builder.with_root_certificates(RootCertStore::empty()),
            Some(path) => builder.with_root_certificates(authorities(path)?),
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(systems(provider)?),
        };
        let identity = self.identity.as_ref().filter(|_| wanted);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| {
                    file(certificate, format!("it does not go with its key: {error}"))
                })?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The system's own judgement. (`dangerous` is rustls's word for any verifier
/// that is not its own.)
fn systems(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let verifier = Verifier::new(provider);
    Ok(Arc::new(verifier.map_err(|error| {
        Error::NoAuthorities(error.to_string())
    })?))
}

fn authorities(path: &Path) -> Result<RootCertStore, Error> {
    sdwan_tls::authorities(&read(path)?).map_err(|error| file(path, error.to_string()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    sdwan_tls::certificates(&read(path)?).map_err(|error| file(path, error.to_string()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let key = SecretString::from(read(path)?);
    sdwan_tls::private_key(&key).map_err(|error| file(path, error.to_string()))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| file(path, error.to_string()))
}

fn file(path: &Path, reason: impl Into<String>) -> Error {
    Error::File {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_no_use_is_named_and_never_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pem");
        let told = |tls: Tls| tls.config(true).unwrap_err().to_string();
        let tls = Tls::trusting(Some(path.clone()));
        assert!(told(tls.clone()).contains("x.pem: No such file"));
        std::fs::write(&path, "secret").unwrap();
        assert!(told(tls.clone()).ends_with("there is no certificate in PEM in it"));
        let authority = rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap();
        std::fs::write(&path, authority.cert.pem()).unwrap();
        tls.config(true).unwrap();
        let key = folder.path().join("key.pem");
        std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
        let tls = Tls {
            identity: Some((path, key)),
            ..tls
        };
        let text = told(tls.clone());
        assert!(
            text.contains("key.pem") && !text.contains("secret"),
            "{text}"
        );
        tls.config(false).unwrap();
    }
}
