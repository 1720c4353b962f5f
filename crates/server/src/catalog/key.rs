//! Which key the store's secrets are sealed with: the first server writes its
//! key's id into the store, and one with another key does not start. Else two
//! servers of a store could each seal what the other can't open.

use super::open::{FORMAT, stored_format};
use super::{Catalog, Error};
use crate::keys;
use crate::secrets::{self, SecretBox};
use sdwan_store::{Commit, Condition, Listing, Op, Outcome, Store};
use std::path::Path;
use uuid::Uuid;

const WAYS_OUT: &str = "copy that key here from another server of this store, or from your \
                        backup; if it is lost for good, start once with --replace-key, and set \
                        every secret again";

/// The key for the secrets of `store`, in the file at `path`. It is made only
/// where the store knows of no key yet. Nothing is written to the store:
/// [`Catalog::open`] does that, and judges the key.
///
/// # Errors
/// [`Error::Secret`] as [`SecretBox::from_file`], and when the file is missing
/// while the store's secrets are sealed already; [`Error::Store`].
pub async fn secrets_of(store: &dyn Store, path: &Path) -> Result<SecretBox, Error> {
    let sealed_with = of(&store.list(keys::KEY).await?);
    match sealed_with {
        Some(id) if !path.exists() => Err(wrong(format!(
            "key file {} is missing, but the secrets of this store are sealed with key {id}: \
             {WAYS_OUT}",
            path.display()
        ))),
        _ => Ok(SecretBox::from_file(path)?),
    }
}

/// Lets the next server bring a key of its own; what was sealed with the old
/// one is held back from then on, row by row, until it is set again.
///
/// # Errors
/// [`Error::Open`] when the store's format is newer than this server's;
/// [`Error::Contended`] when nobody knows whether it was done: again;
/// [`Error::Store`].
pub async fn forget_key(store: &dyn Store, commit: Uuid) -> Result<(), Error> {
    stored_format(&store.list(keys::FORMAT).await?, FORMAT)?;
    let commit = Commit {
        id: commit,
        when: Vec::new(),
        then: vec![Op::delete(keys::KEY)],
    };
    match store.commit(commit).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Conflict | Outcome::Unknown => Err(Error::Contended),
    }
}

impl Catalog {
    /// Writes this server's key where the store knew of none when it was listed.
    pub(super) async fn remember_key(&self) -> Result<(), Error> {
        let Some(id) = self.options.secrets.id() else {
            return Ok(());
        };
        let mut lost = Vec::new();
        loop {
            let when = vec![Condition::Absent(keys::KEY.to_owned())];
            let then = vec![Op::put(keys::KEY, id)];
            if let Some(revision) = self.commit(when, then, &mut lost).await? {
                self.wait_for(revision).await;
                return Ok(());
            }
            // Another server was faster, or the commit got lost.
            let keyless = check(&self.store.list(keys::KEY).await?, &self.options.secrets)?;
            if !keyless {
                return Ok(());
            }
        }
    }
}

/// Whether the store knows of no key yet; an error if it is not this one. No
/// key at all passes: each secret says so where it is needed.
pub(super) fn check(listing: &Listing, secrets: &SecretBox) -> Result<bool, Error> {
    let Some(sealed_with) = of(listing) else {
        return Ok(true);
    };
    match secrets.id() {
        Some(id) if id != sealed_with => {
            let holder = secrets.file().map_or_else(
                || "this server".to_owned(),
                |file| format!("key file {}", file.display()),
            );
            Err(wrong(format!(
                "{holder} has key {id}, but the secrets of this store are sealed with key \
                 {sealed_with}: {WAYS_OUT}"
            )))
        }
        _ => Ok(false),
    }
}

fn of(listing: &Listing) -> Option<String> {
    let entry = listing.entries.iter().find(|e| e.key == keys::KEY)?;
    Some(String::from_utf8_lossy(&entry.value).into_owned())
}

fn wrong(why: String) -> Error {
    Error::Secret(secrets::Error::Key(why))
}
