//! The server's configuration file, in `gohan.yaml`'s shape.
//!
//! Why a module of its own: a wrong configuration must never start a server
//! that is less protected or less durable than its operator meant. So every
//! problem is found before anything is opened, all are told at once, each
//! with its place in the file; only keys that change nothing are passed over,
//! with a warning.

mod address;
mod audit;
mod auth;
mod etcd;
mod file;
mod files;
mod gobgpd;
mod keys;
mod keystone;
mod limits;
mod logging;
mod schemas;
mod section;
mod tls;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use audit::Audit;
pub use auth::{Auth, Identity, Tokens};
pub use etcd::{Etcd, Password};
pub use gobgpd::Gobgpd;
pub use keystone::{Keystone, Login};
pub use logging::{Format, Level, LogFile, Logging, Stderr};
pub use tls::Tls;
pub(crate) use tls::TlsText;

use crate::cluster;
use crate::limits::Limits;
use sdwan_model::document::{self, Document};
use std::path::{Path, PathBuf};

/// Everything that the server needs to be told. [`Config::default`] is what
/// runs with no file at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The embedded store's file; not looked at where etcd is the store.
    pub database: PathBuf,
    /// The etcd that is the store; `None` for the embedded one.
    pub etcd: Option<Etcd>,
    /// How this server takes part, where etcd is the store.
    pub cluster: cluster::Settings,
    /// The file with the key of the secrets; see [`Config::secrets_key`].
    pub key_file: Option<PathBuf>,
    /// The operator's own schema files; the built-in kinds are always there.
    pub schemas: Vec<PathBuf>,
    /// Where the API listens.
    pub address: Address,
    /// Whose callers are listened to.
    pub auth: Auth,
    /// Names that the server may be called by beside its address. Where nobody
    /// is asked who calls, any other `Host` is refused, so that no web page can
    /// reach it by a name of its own.
    pub hosts: Vec<String>,
    /// What the API shows its clients; without it, TLS is not spoken.
    pub tls: Option<Tls>,
    /// What one client may cost.
    pub limits: Limits,
    /// TLS towards routers' gobgpds; `None` for none.
    pub gobgpd: Option<Gobgpd>,
    /// A folder of static files, served where no route of the API matches.
    pub document_root: Option<PathBuf>,
    /// Origins (`https://ui.example.net`) whose pages may call the API; `*` for
    /// any, where callers have to prove who they are.
    pub cors: Vec<String>,
    /// What is logged, and where to.
    pub logging: Logging,
    /// Where it is written who did what; `None` for nowhere.
    pub audit: Option<Audit>,
    /// The operator accepts that whoever reaches the address may do anything.
    pub insecure: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: PathBuf::from("./sdwan.db"),
            etcd: None,
            cluster: cluster::Settings::default(),
            key_file: None,
            schemas: Vec::new(),
            address: Address::default(),
            auth: Auth::default(),
            hosts: Vec::new(),
            tls: None,
            limits: Limits::default(),
            gobgpd: None,
            document_root: None,
            cors: Vec::new(),
            logging: Logging::default(),
            audit: None,
            insecure: false,
        }
    }
}

/// A configuration that can be started, and what its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Keys of Gohan that change nothing here, each with its place.
    pub warnings: Vec<document::Error>,
}

/// Why a configuration can't be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// What is wrong with the files, one a line.
    #[error("{}", lines(.0))]
    Invalid(Vec<document::Error>),
    /// The address can be reached from elsewhere and nobody asked for that.
    #[error(
        "{0} can be reached from other machines, and whoever reaches it may do anything: \
         ask for tokens (`auth: tokens`, or --auth tokens), and of no fake Keystone, listen on \
         127.0.0.1, or accept it with --insecure"
    )]
    Exposed(Address),
}

fn lines(errors: &[document::Error]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

impl Config {
    /// Reads the file; its relative paths are relative to its folder. What
    /// the command line says goes over it: `--insecure`, `--address`.
    ///
    /// # Errors
    /// Every problem of the file at once.
    pub fn load(path: &Path, insecure: bool, address: Option<Address>) -> Result<Loaded, Error> {
        let name = path.display().to_string();
        let document = read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        tracing::debug!(file = name, "configuration read");
        let loaded = file::parse(&document, folder, insecure, address)?;
        let missing = schemas::missing(&document, folder, &loaded.config.schemas);
        if missing.is_empty() {
            Ok(loaded)
        } else {
            Err(Error::Invalid(missing))
        }
    }

    /// Where the key of the secrets lies: where it was said, else beside the
    /// database, else, with etcd, in `./sdwan.key`.
    pub fn secrets_key(&self) -> PathBuf {
        match (&self.key_file, &self.etcd) {
            (Some(file), _) => file.clone(),
            (None, Some(_)) => PathBuf::from("./sdwan.key"),
            (None, None) => beside(&self.database, ".key"),
        }
    }

    /// Where the first admin's token is left: beside the database, with etcd in
    /// `./sdwan.admin-token`.
    pub fn admin_token(&self) -> PathBuf {
        match &self.etcd {
            Some(_) => PathBuf::from("./sdwan.admin-token"),
            None => beside(&self.database, ".admin-token"),
        }
    }

    /// Where the audit is written, if it is: where it was said, else beside the
    /// database, with etcd in `./sdwan.audit`.
    pub fn audit_file(&self) -> Option<PathBuf> {
        let audit = self.audit.as_ref()?;
        Some(match (&audit.file, &self.etcd) {
            (Some(file), _) => file.clone(),
            (None, Some(_)) => PathBuf::from("./sdwan.audit"),
            (None, None) => beside(&self.database, ".audit"),
        })
    }

    /// Refuses to listen where others can reach an API that lets everybody in,
    /// also when the address did not come from a file.
    ///
    /// # Errors
    /// [`Error::Exposed`].
    pub fn guard(&self) -> Result<(), Error> {
        if self.insecure || self.address.is_loopback() || self.auth.protects() {
            Ok(())
        } else {
            Err(Error::Exposed(self.address.clone()))
        }
    }

    /// The operator's schema files, read. Gohan's own ones that its
    /// configurations name (`gohan.json`, extensions) are passed over with a
    /// warning: what they define is built in here or means nothing.
    ///
    /// # Errors
    /// Every file that can't be read or parsed.
    pub fn read_schemas(&self) -> Result<(Vec<Document>, Vec<String>), Error> {
        schemas::read_all(&self.schemas)
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn read(path: &Path) -> Result<Document, Error> {
    let name = path.display().to_string();
    let unreadable = |reason: String| Error::Unreadable {
        path: name.clone(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        unreadable(format!(
            "not UTF-8 after byte {}: save it as UTF-8",
            e.utf8_error().valid_up_to()
        ))
    })?;
    Document::parse(&name, &text).map_err(|e| Error::Invalid(vec![e]))
}
