//! Which etcd is the store, and who to be there: `etcd`.

use super::Error;
use super::files::{first_line, secret, text};
use sdwan_store::etcd::{Identity, Options, Tls, User};
use secrecy::{ExposeSecret as _, SecretString};
use std::path::PathBuf;

/// An etcd as the configuration describes it; its files are not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etcd {
    /// Its members, e.g. `http://192.0.2.1:2379`.
    pub endpoints: Vec<String>,
    /// What every key is put behind.
    pub prefix: String,
    /// A user of etcd's, where it asks for one.
    pub user: Option<(String, Password)>,
    /// Certificates of the authorities that have signed etcd's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Where etcd asks for it: a certificate, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A password, or where it is.
#[derive(Clone, Debug)]
pub enum Password {
    /// Written in the configuration.
    Is(SecretString),
    /// The first line of this file.
    In(PathBuf),
}

impl Password {
    /// The password; reads the file.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a file that can't be read, or for one that
    /// everybody can.
    pub(super) fn read(&self) -> Result<SecretString, Error> {
        match self {
            Self::Is(password) => Ok(password.clone()),
            Self::In(path) => first_line(path),
        }
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Is(one), Self::Is(other)) => one.expose_secret() == other.expose_secret(),
            (Self::In(one), Self::In(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Password {}

impl Etcd {
    /// These members, nothing else said.
    #[must_use]
    pub fn at(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            ..Self::default()
        }
    }

    /// What the store is opened with; reads the files.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a file that can't be read, or for one that
    /// everybody can and should not.
    pub fn options(&self) -> Result<Options, Error> {
        Ok(Options {
            prefix: self.prefix.clone(),
            user: self.user()?,
            tls: self.tls()?,
            ..Options::at(self.endpoints.clone())
        })
    }

    fn user(&self) -> Result<Option<User>, Error> {
        let Some((name, password)) = &self.user else {
            return Ok(None);
        };
        let password = password.read()?;
        let name = name.clone();
        Ok(Some(User { name, password }))
    }

    /// How TLS is spoken with it, where it is; reads the files. The store
    /// judges whether that goes with the endpoints.
    ///
    /// # Errors
    /// As of [`Self::options`].
    pub fn tls(&self) -> Result<Option<Tls>, Error> {
        if self.ca_file.is_none() && self.identity.is_none() {
            return Ok(None);
        }
        let identity = self.identity.as_ref().map(|(certificate, key)| {
            Ok(Identity {
                certificate: text(certificate)?,
                key: secret(key)?,
            })
        });
        Ok(Some(Tls {
            ca: self
                .ca_file
                .as_deref()
                .map(text)
                .transpose()?
                .unwrap_or_default(),
            identity: identity.transpose()?,
        }))
    }
}
