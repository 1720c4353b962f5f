//! The files that a configuration names beside itself: certificates, keys,
//! passwords. What is a secret must not lie open.

use super::Error;
use secrecy::{ExposeSecret as _, SecretString};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A password: the first line of a file as of [`secret`].
pub(super) fn first_line(path: &Path) -> Result<SecretString, Error> {
    let text = secret(path)?;
    let line = text.expose_secret().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(unreadable(path, "its first line is empty"));
    }
    Ok(line.into())
}

/// The text of a file that not everybody may read. Its group may: that is how
/// services get theirs.
pub(super) fn secret(path: &Path) -> Result<SecretString, Error> {
    let wrong = |error: std::io::Error| unreadable(path, error);
    let mode = std::fs::metadata(path).map_err(wrong)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        let why = format!("everybody can read it (mode {mode:03o}): chmod 600 it");
        return Err(unreadable(path, why));
    }
    text(path).map(Into::into)
}

/// The text of a file that is no secret.
pub(super) fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, error))
}

pub(super) fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
