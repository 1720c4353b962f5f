//! TLS of the API: the certificate that is shown, those that are asked for,
//! and their exchange while connections stand.
//!
//! A connection keeps what it began with; the next one gets what was read
//! last. What can't be used never takes the place of what can.

use super::Subject;
use crate::config;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long before its end a certificate is warned of, in seconds.
const SOON: i64 = 14 * 24 * 60 * 60;

/// Why a certificate can't be served. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that can't be read.
    #[error("tls: {0}")]
    Unreadable(config::Error),
    /// A file that has something else in it, or nothing of use.
    #[error("tls: {path}: {reason}")]
    Unusable {
        /// The file.
        path: String,
        /// What is wrong, and what belongs there.
        reason: String,
    },
    /// Two files that don't go together.
    #[error("tls: {key} is not the key of the certificate in {certificate}: give its own")]
    Mismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
}

/// What is shown to clients, and how they are judged.
pub struct Tls {
    files: config::Tls,
    now: RwLock<Arc<Served>>,
}

struct Served {
    config: Arc<ServerConfig>,
    validity: Validity,
}

/// In seconds since 1970.
#[derive(Clone, Copy)]
struct Validity {
    from: i64,
    to: i64,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn open(files: &config::Tls, now: Timestamp) -> Result<Self, Error> {
        let served = Served::read(files)?;
        served.warn(files, now);
        Ok(Self {
            files: files.clone(),
            now: RwLock::new(Arc::new(served)),
        })
    }

    /// Reads the files again: connections from now on get what is there.
    ///
    /// # Errors
    /// What is wrong with them; then all stays as it is.
    pub fn reload(&self, now: Timestamp) -> Result<(), Error> {
        let served = Served::read(&self.files)?;
        served.warn(&self.files, now);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
        Ok(())
    }

    /// When the certificate ends, in seconds since 1970.
    pub(crate) fn expires(&self) -> i64 {
        self.served().validity.to
    }

    /// The handshake, and whose certificate the client has shown.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<(TlsStream<S>, Option<Subject>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.served().config));
        let stream = acceptor.accept(stream).await?;
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let subject = shown.map(subject);
        Ok((stream, subject))
    }

    fn served(&self) -> Arc<Served> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Served {
    fn read(files: &config::Tls) -> Result<Self, Error> {
        let config::TlsText { cert, key, ca } = files.read().map_err(Error::Unreadable)?;
        let chain = sdwan_tls::certificates(&cert).map_err(in_file(&files.cert_file))?;
        let validity = Validity::of(&chain[0], &files.cert_file)?;
        let in_key_file = in_file(&files.key_file);
        let key = sdwan_tls::private_key(&key).map_err(&in_key_file)?;
        let provider = Arc::new(default_provider());
        provider
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|_| in_key_file(sdwan_tls::Error::NoKey))?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&files.cert_file, error.to_string()))?;
        let config = match files.client_ca_file.as_deref().zip(ca) {
            None => config.with_no_client_auth(),
            Some((path, ca)) => config.with_client_cert_verifier(verifier(&ca, path, provider)?),
        };
        let mut config = config
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => Error::Mismatch {
                    certificate: files.cert_file.display().to_string(),
                    key: files.key_file.display().to_string(),
                },
                other => unusable(&files.cert_file, other.to_string()),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            validity,
        })
    }

    /// It is shown all the same: clients say best what they think of it.
    fn warn(&self, files: &config::Tls, now: Timestamp) {
        let file = files.cert_file.display();
        let date = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
        let (from, to) = (date(self.validity.from), date(self.validity.to));
        let left = self.validity.to - now.as_second();
        if left < 0 {
            tracing::error!(%file, %to, "the certificate is out of date: clients will refuse it");
        } else if self.validity.from > now.as_second() {
            tracing::error!(%file, %from, "the certificate is not valid yet, or the clock is wrong");
        } else if left < SOON {
            tracing::warn!(%file, %to, "the certificate is soon out of date: replace it, then SIGHUP");
        }
    }
}

impl Validity {
    fn of(certificate: &CertificateDer<'_>, path: &Path) -> Result<Self, Error> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| unusable(path, format!("its first certificate is none: {error}")))?;
        let validity = parsed.validity();
        Ok(Self {
            from: validity.not_before.timestamp(),
            to: validity.not_after.timestamp(),
        })
    }
}

/// Only who shows a certificate of one of these authorities gets in.
fn verifier(
    ca: &str,
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let roots = sdwan_tls::authorities(ca).map_err(in_file(path))?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable(path, error.to_string()))
}

/// Of a file with something else in it.
fn in_file(path: &Path) -> impl Fn(sdwan_tls::Error) -> Error {
    move |error| unusable(path, error.to_string())
}

fn unusable(path: &Path, reason: impl Into<String>) -> Error {
    Error::Unusable {
        path: path.display().to_string(),
        reason: reason.into(),
    }
}

/// As it is: the log escapes what it writes.
fn subject(certificate: &CertificateDer<'static>) -> Subject {
    let name = match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) => parsed.subject().to_string(),
        // The handshake has verified it, so it is one.
        Err(_) => String::new(),
    };
    Subject(name.into())
}
