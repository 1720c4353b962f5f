//! What `sdwan login` keeps: a token for each server, in a file that its user
//! alone can read.
//!
//! ```text
//! $XDG_CONFIG_HOME/sdwan/tokens/       0700
//!   http%3A%2F%2F192.0.2.1%3A9998.json   0600
//! ```

use crate::caller::Caller;
use crate::error::Error;
use crate::http::segment;
use jiff::Timestamp;
use sdwan_keystone::credentials::Target;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// A kept login.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The server's URL.
    pub(crate) endpoint: String,
    /// For it.
    pub(crate) token: SecretString,
    /// When the token stops being valid, where that is known.
    pub(crate) expires: Option<Timestamp>,
    /// Where it is from.
    pub(crate) from: Option<Origin>,
}

/// A login at a Keystone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Where that Keystone is.
    pub(crate) auth_url: String,
    /// Who logged in for what, in words.
    pub(crate) who: String,
    /// How the server was looked up in the catalog, where it was.
    pub(crate) service: Option<String>,
}

impl Kept {
    /// Whose it is.
    pub(crate) fn caller(&self) -> Caller {
        match &self.from {
            Some(from) => Caller::of_keystone(&from.auth_url, &from.who),
            None => Caller::with_token(self.token.expose_secret(), &Target::Usual),
        }
    }
}

/// As it stands in the file.
#[derive(Serialize, Deserialize)]
struct Text {
    endpoint: String,
    token: String,
    expires: Option<Timestamp>,
    from: Option<Origin>,
}

/// The folder with all of them.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// In the user's configuration folder; none where there is no such folder.
    pub(crate) fn of(get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let configuration = get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| get("HOME").map(|home| PathBuf::from(home).join(".config")))?;
        Some(Self(configuration.join("sdwan").join("tokens")))
    }

    /// The login at this server; none where there is none.
    ///
    /// # Errors
    /// [`Error::Local`] for a file that can't be read, or that others can.
    pub(crate) fn find(&self, endpoint: &str) -> Result<Option<Kept>, Error> {
        read(&self.file(endpoint))
    }

    /// The login whose server was looked up like this.
    ///
    /// # Errors
    /// As [`Folder::find`].
    pub(crate) fn find_service(&self, service: &str) -> Result<Option<Kept>, Error> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(local(&self.0, &error)),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            // One of another server's that can't be read is no matter here.
            if let Ok(Some(kept)) = read(&path)
                && let Some(from) = &kept.from
                && from.service.as_deref() == Some(service)
            {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    /// Keeps it, in place of the last one at this server. Whoever reads
    /// meanwhile finds one of them whole.
    ///
    /// # Errors
    /// [`Error::Local`] where it can't be written.
    pub(crate) fn keep(&self, kept: &Kept) -> Result<(), Error> {
        let text = Text {
            endpoint: kept.endpoint.clone(),
            token: kept.token.expose_secret().to_owned(),
            expires: kept.expires,
            from: kept.from.clone(),
        };
        let write = || -> std::io::Result<()> {
            let mut folder = std::fs::DirBuilder::new();
            folder.recursive(true).mode(0o700).create(&self.0)?;
            // Made readable for its user alone.
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(&serde_json::to_vec_pretty(&text)?)?;
            file.persist(self.file(&kept.endpoint))?;
            Ok(())
        };
        write().map_err(|error| local(&self.0, &error))
    }

    /// Forgets the login at this server, also one that others could read, and
    /// gives it for the last time; none where there was none.
    ///
    /// # Errors
    /// [`Error::Local`] where the file can't be removed, or was none of ours.
    pub(crate) fn forget(&self, endpoint: &str) -> Result<Option<Kept>, Error> {
        let path = self.file(endpoint);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(local(&path, &error)),
        };
        std::fs::remove_file(&path).map_err(|error| local(&path, &error))?;
        parse(&bytes).map(Some).ok_or_else(|| {
            Error::Local(format!(
                "{} was not what `sdwan login` wrote: it is removed, and no token was revoked",
                path.display()
            ))
        })
    }

    fn file(&self, endpoint: &str) -> PathBuf {
        self.0.join(format!("{}.json", segment(endpoint)))
    }
}

fn read(path: &Path) -> Result<Option<Kept>, Error> {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(local(path, &error)),
    };
    if mode & 0o077 != 0 {
        return Err(Error::Local(format!(
            "{}: others can read the token in it (mode {mode:03o}): `sdwan logout`, and log in \
             again; or chmod 600 it, if nobody has read it",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| local(path, &error))?;
    parse(&bytes).map(Some).ok_or_else(|| {
        Error::Local(format!(
            "{} is not what `sdwan login` wrote: log in again",
            path.display()
        ))
    })
}

/// Its parser's error may quote what it read, so it is not told.
fn parse(bytes: &[u8]) -> Option<Kept> {
    let text: Text = serde_json::from_slice(bytes).ok()?;
    Some(Kept {
        endpoint: text.endpoint,
        token: text.token.into(),
        expires: text.expires,
        from: text.from,
    })
}

fn local(path: &Path, error: &std::io::Error) -> Error {
    Error::Local(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    const ENDPOINT: &str = "http://192.0.2.1:9998";

    fn folder(base: &tempfile::TempDir) -> Folder {
        let home = base.path().display().to_string();
        Folder::of(|name| (name == "HOME").then(|| home.clone())).unwrap()
    }

    fn kept() -> Kept {
        Kept {
            endpoint: ENDPOINT.to_owned(),
            token: "hunter2".into(),
            expires: Some("2026-11-26T05:00:00Z".parse().unwrap()),
            from: Some(Origin {
                auth_url: "http://192.0.2.2:5000/v3".to_owned(),
                who: "user op".to_owned(),
                service: Some("gohan".to_owned()),
            }),
        }
    }

    #[test]
    fn a_login_is_kept_for_its_user_alone_until_it_is_forgotten() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(&base);
        assert!(folder.find(ENDPOINT).unwrap().is_none());
        assert!(folder.find_service("gohan").unwrap().is_none());
        folder.keep(&kept()).unwrap();
        let found = folder.find(ENDPOINT).unwrap().unwrap();
        assert_eq!(found.token.expose_secret(), "hunter2");
        assert_eq!((found.expires, &found.from), (kept().expires, &kept().from));
        assert!(folder.find_service("gohan").unwrap().is_some());
        assert!(folder.find_service("other").unwrap().is_none());
        assert!(folder.find("http://192.0.2.1:9999").unwrap().is_none());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert_eq!(mode(&folder.file(ENDPOINT)), 0o600);
        let last = folder.forget(ENDPOINT).unwrap().unwrap();
        assert_eq!(last.token.expose_secret(), "hunter2");
        assert!(folder.forget(ENDPOINT).unwrap().is_none());
        assert!(folder.find(ENDPOINT).unwrap().is_none());
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder(&base);
        folder.keep(&kept()).unwrap();
        let path = folder.file(ENDPOINT);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let text = folder.find(ENDPOINT).unwrap_err().to_string();
        assert!(text.contains("mode 640"), "{text}");
        // But it can be forgotten, and revoked.
        assert!(folder.forget(ENDPOINT).unwrap().is_some());
        folder.keep(&kept()).unwrap();
        std::fs::write(&path, "hunter2").unwrap();
        let text = folder.find(ENDPOINT).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
        let text = folder.forget(ENDPOINT).unwrap_err().to_string();
        assert!(text.contains("it is removed") && !path.exists(), "{text}");
    }
}
