//! Secrets at rest: values of `format: secret` properties are stored sealed
//! and opened only for the pass that sends them.
//!
//! An envelope is `sealed:1:KEY_ID:NONCE:CIPHERTEXT`, XChaCha20-Poly1305 with
//! a random nonce. The row and the property are its associated data, so an
//! envelope that is moved to another row or property does not open. The key
//! lives in a file beside the store: a copy of the store alone tells nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sdwan_model::resource::ResourceRef;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox as Hidden, SecretString};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const PREFIX: &str = "sealed:1:";

/// Why a secret can't be sealed or opened. Never says the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is missing, unreadable or another one.
    #[error("{0}")]
    Key(String),
    /// The envelope was damaged, or belongs to another row.
    #[error("{0}")]
    Envelope(String),
}

/// Seals and opens under one key. Its `Debug` form tells the key's id only.
pub struct SecretBox {
    key: Result<Key, Error>,
}

struct Key {
    /// Names the key without telling it.
    id: String,
    /// Where it was read.
    file: Option<PathBuf>,
    bytes: Hidden<[u8; KEY_BYTES]>,
}

impl SecretBox {
    /// The key in this file; made on the first start, mode 0600.
    ///
    /// # Errors
    /// [`Error::Key`] when it can't be made or read, or others can read it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let wrong = |what: String| Error::Key(format!("key file {}: {what}", path.display()));
        match File::open(path) {
            Ok(mut file) => {
                let about = file.metadata().map_err(|e| wrong(e.to_string()))?;
                if about.mode() & 0o077 != 0 {
                    return Err(wrong(format!(
                        "others can read it (mode {:03o}): chmod 600 it",
                        about.mode() & 0o777
                    )));
                }
                let mut text = Hidden::new(Box::new(String::new()));
                file.read_to_string(text.expose_secret_mut())
                    .map_err(|e| wrong(e.to_string()))?;
                decode_key(text.expose_secret().trim())
                    .map(|key| Self::new(key, Some(path)))
                    .ok_or_else(|| wrong("not a key: 43 characters of base64 are expected".into()))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                getrandom::fill(&mut key).map_err(|e| wrong(e.to_string()))?;
                write_key(path, &key).map_err(|e| wrong(e.to_string()))?;
                Ok(Self::new(key, Some(path)))
            }
            Err(e) => Err(wrong(e.to_string())),
        }
    }

    /// No key: nothing can be sealed or opened, and `why` is the reason given.
    pub fn missing(why: impl Into<String>) -> Self {
        Self {
            key: Err(Error::Key(why.into())),
        }
    }

    /// This key.
    pub fn from_key(key: [u8; KEY_BYTES]) -> Self {
        Self::new(key, None)
    }

    fn new(key: [u8; KEY_BYTES], file: Option<&Path>) -> Self {
        let digest = Sha256::digest(key);
        Self {
            key: Ok(Key {
                id: BASE64.encode(&digest[..6]),
                file: file.map(Path::to_owned),
                bytes: Hidden::new(Box::new(key)),
            }),
        }
    }

    /// The key's id, which tells nothing of the key; `None` without a key.
    pub fn id(&self) -> Option<&str> {
        self.key.as_ref().ok().map(|key| key.id.as_str())
    }

    /// The file that the key was read from.
    pub fn file(&self) -> Option<&Path> {
        self.key.as_ref().ok()?.file.as_deref()
    }

    /// A key for another purpose, from which this one can't be told.
    ///
    /// # Errors
    /// [`Error::Key`] without a key.
    pub(crate) fn derive(&self, purpose: &str) -> Result<Hidden<[u8; KEY_BYTES]>, Error> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let mut derived = Hidden::new(Box::new([0; KEY_BYTES]));
        Hkdf::<Sha256>::new(None, key.bytes.expose_secret())
            .expand(purpose.as_bytes(), derived.expose_secret_mut())
            .map_err(|e| Error::Key(e.to_string()))?;
        Ok(derived)
    }

    /// The envelope of `secret` for this property of this row.
    ///
    /// # Errors
    /// [`Error::Key`] without a key.
    pub fn seal(&self, row: &ResourceRef, property: &str, secret: &str) -> Result<String, Error> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|e| Error::Key(e.to_string()))?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: &associated(row, property),
        };
        let sealed = key
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::Envelope(format!("{property} is too long to be sealed")))?;
        Ok(format!(
            "{PREFIX}{}:{}:{}",
            key.id,
            BASE64.encode(nonce),
            BASE64.encode(sealed)
        ))
    }

    /// What an envelope holds.
    ///
    /// # Errors
    /// [`Error::Key`] without the key that sealed it, [`Error::Envelope`] when
    /// it was damaged or sealed for another row or property.
    pub fn open(
        &self,
        row: &ResourceRef,
        property: &str,
        envelope: &str,
    ) -> Result<SecretString, Error> {
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let damaged = || Error::Envelope(format!("{property} of {row} is damaged: set it again"));
        let (id, nonce, sealed) = parts(envelope).ok_or_else(damaged)?;
        if id != key.id {
            return Err(Error::Key(format!(
                "{property} of {row} is sealed with key {id}, the key file holds {}: \
                 bring that key back, or set the property again",
                key.id
            )));
        }
        let nonce: [u8; NONCE_BYTES] = BASE64
            .decode(nonce)
            .ok()
            .and_then(|n| n.try_into().ok())
            .ok_or_else(damaged)?;
        let sealed = BASE64.decode(sealed).map_err(|_| damaged())?;
        let payload = Payload {
            msg: &sealed,
            aad: &associated(row, property),
        };
        let plain = key
            .cipher()
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| damaged())?;
        String::from_utf8(plain)
            .map(SecretString::from)
            .map_err(|_| damaged())
    }
}

impl std::fmt::Debug for SecretBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.key {
            Ok(key) => write!(f, "SecretBox(key {})", key.id),
            Err(e) => write!(f, "SecretBox({e})"),
        }
    }
}

impl Key {
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.expose_secret().into())
    }
}

/// The id of the key that an envelope was sealed with, if it is one.
pub(crate) fn sealed_with(envelope: &str) -> Option<&str> {
    let (id, nonce, sealed) = parts(envelope)?;
    let whole = BASE64.decode(nonce).is_ok_and(|n| n.len() == NONCE_BYTES);
    (whole && BASE64.decode(sealed).is_ok()).then_some(id)
}

/// An envelope's key id, nonce and ciphertext.
fn parts(envelope: &str) -> Option<(&str, &str, &str)> {
    let mut parts = envelope.strip_prefix(PREFIX)?.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(id), Some(nonce), Some(sealed), None) => Some((id, nonce, sealed)),
        _ => None,
    }
}

/// Lengths make it unambiguous.
fn associated(row: &ResourceRef, property: &str) -> Vec<u8> {
    let mut data = Vec::new();
    for part in [&row.kind, &row.id, property] {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

fn decode_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// Whole or not at all: a half-written key would lock every secret away.
fn write_key(path: &Path, key: &[u8; KEY_BYTES]) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let result = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            writeln!(file, "{}", BASE64.encode(key))?;
            file.sync_all()
        })
        // A link fails where a rename would replace a key made meanwhile.
        .and_then(|()| std::fs::hard_link(&temporary, path))
        .and_then(|()| sync_folder(path));
    // Also after a failure, so that the next start finds no leftover.
    let removed = std::fs::remove_file(&temporary);
    result.and(removed)
}

/// Makes a file's name durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn row(id: &str) -> ResourceRef {
        ResourceRef::new("neighbor", id)
    }

    #[test]
    fn opens_only_where_it_was_sealed() {
        let secrets = SecretBox::from_key([7; 32]);
        let envelope = secrets.seal(&row("1"), "auth_password", "hunter2").unwrap();
        assert!(!envelope.contains("hunter2"));
        let open = |id: &str, property: &str, envelope: &str| {
            let opened = secrets.open(&row(id), property, envelope);
            opened.map(|secret| secret.expose_secret().to_owned())
        };
        assert_eq!(
            open("1", "auth_password", &envelope),
            Ok("hunter2".to_owned())
        );
        assert!(open("2", "auth_password", &envelope).is_err());
        assert!(open("1", "other", &envelope).is_err());
        for cut in 0..envelope.len() {
            assert!(open("1", "auth_password", &envelope[..cut]).is_err());
        }
        let again = secrets.seal(&row("1"), "auth_password", "hunter2").unwrap();
        assert_ne!(envelope, again, "a nonce is never used twice");
    }

    #[test]
    fn another_key_or_none_says_so() {
        let envelope = SecretBox::from_key([1; 32])
            .seal(&row("1"), "p", "hunter2")
            .unwrap();
        let other = SecretBox::from_key([2; 32])
            .open(&row("1"), "p", &envelope)
            .unwrap_err();
        assert!(matches!(&other, Error::Key(why) if why.contains("key file")));
        assert!(!format!("{other:?} {other}").contains("hunter2"));
        let missing = SecretBox::missing("no key file is configured");
        assert!(missing.open(&row("1"), "p", &envelope).is_err());
        assert!(missing.seal(&row("1"), "p", "x").is_err());
    }

    #[test]
    fn the_key_file_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let envelope = SecretBox::from_file(&path)
            .unwrap()
            .seal(&row("1"), "p", "hunter2")
            .unwrap();
        let mode = std::fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let again = SecretBox::from_file(&path).unwrap();
        assert!(again.open(&row("1"), "p", &envelope).is_ok());

        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = SecretBox::from_file(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");

        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "hunter2").unwrap();
        let error = SecretBox::from_file(&path).unwrap_err();
        assert!(
            !error.to_string().contains("not a key:\u{20}not"),
            "{error}"
        );
        assert!(error.to_string().contains("base64"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn debug_tells_no_key() {
        let secrets = SecretBox::from_key([7; 32]);
        let text = format!("{secrets:?}");
        assert!(
            text.len() < 40 && !text.contains(&BASE64.encode([7; 32])),
            "{text}"
        );
    }
}
