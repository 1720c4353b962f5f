//! What the API shows its clients, and asks of them: `tls`.

use super::Error;
use super::files::{secret, text};
use super::keys;
use super::section::Section;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// TLS as the configuration describes it; its files are not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate in PEM; those between it and its authority's
    /// follow it.
    pub cert_file: PathBuf,
    /// Its private key in PEM, which not everybody may read.
    pub key_file: PathBuf,
    /// Certificates of the authorities that have signed the clients'; with
    /// them, a client without one gets no answer.
    pub client_ca_file: Option<PathBuf>,
}

/// What is in the files.
pub(crate) struct TlsText {
    pub(crate) cert: String,
    pub(crate) key: SecretString,
    pub(crate) ca: Option<String>,
}

impl Tls {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a file that can't be read, or for a key that
    /// everybody can.
    pub(crate) fn read(&self) -> Result<TlsText, Error> {
        Ok(TlsText {
            cert: text(&self.cert_file)?,
            key: secret(&self.key_file)?,
            ca: self.client_ca_file.as_deref().map(text).transpose()?,
        })
    }
}

/// Gohan's: what is there counts only where it is enabled.
pub(super) fn tls(top: &Section<'_>, folder: &Path) -> Option<Tls> {
    let tls = top.section("tls", &keys::TLS);
    let file = |key| tls.text(key).map(|path| folder.join(path));
    let (cert, key, client_ca_file) = (file("cert_file"), file("key_file"), file("client_ca_file"));
    if !tls.flag("enabled") {
        return None;
    }
    for (key, missing) in [("cert_file", cert.is_none()), ("key_file", key.is_none())] {
        if missing && tls.get(key).is_none() {
            tls.error(key, format!("TLS needs a {key:?}"));
        }
    }
    Some(Tls {
        cert_file: cert?,
        key_file: key?,
        client_ca_file,
    })
}
