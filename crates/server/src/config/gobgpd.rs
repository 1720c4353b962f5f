//! How routers' gobgpds are spoken with: `gobgpd`.
//!
//! Which of them speak TLS stands here and not in their rows: who may declare
//! routers shall not be able to have one spoken with in the clear.

use super::Error;
use super::files::{secret, text};
use super::keys;
use super::section::{Findings, Section};
use sdwan_gobgp::{Identity, Tls};
use sdwan_model::format::MgmtAddr;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// TLS towards gobgpds as the configuration describes it; its files are not
/// read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gobgpd {
    /// Certificates of the authorities that have signed theirs, in PEM.
    pub ca_file: PathBuf,
    /// Where they ask for it (`--tls-client-ca-file`): a certificate, and its
    /// private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that all their certificates have; without one, each has that
    /// of its router's `mgmt_addr`.
    pub server_name: Option<String>,
    /// Those that speak none, as `host:port`.
    pub without: BTreeSet<String>,
}

impl Gobgpd {
    /// What they are connected to with; reads the files.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a file that can't be read, for a key that
    /// everybody can, and for one with something else in it.
    pub fn tls(&self) -> Result<Tls, Error> {
        let identity = self.identity.as_ref().map(|(certificate, key)| {
            Ok(Identity {
                certificate: text(certificate)?,
                key: secret(key)?,
            })
        });
        let tls = Tls {
            ca: text(&self.ca_file)?,
            identity: identity.transpose()?,
            server_name: self.server_name.clone(),
        };
        tls.check().map_err(|error| Error::Unreadable {
            path: "gobgpd.tls".into(),
            reason: error.to_string(),
        })?;
        Ok(tls)
    }
}

/// Reads the section.
pub(super) fn gobgpd(top: &Section<'_>, findings: &Findings, folder: &Path) -> Option<Gobgpd> {
    let tls = top.section("gobgpd", &keys::GOBGPD);
    let tls = tls.section("tls", &keys::GOBGPD_TLS);
    let file = |key| tls.text(key).map(|path| folder.join(path));
    let (ca, certificate, key) = (file("ca_file"), file("cert_file"), file("key_file"));
    let mut without = BTreeSet::new();
    for (node, text) in tls.texts("without") {
        match text.parse::<MgmtAddr>() {
            Ok(address) => drop(without.insert(address.endpoint())),
            Err(why) => findings.error(node.error(why)),
        }
    }
    let server_name = tls.text("server_name").map(str::to_owned);
    if !tls.flag("enabled") {
        return None;
    }
    if certificate.is_some() != key.is_some() {
        tls.error("cert_file", "\"cert_file\" and \"key_file\" go together");
    }
    if tls.get("ca_file").is_none() {
        let message = "TLS with gobgpds needs a \"ca_file\" to know them by";
        tls.error("enabled", message);
    }
    Some(Gobgpd {
        ca_file: ca?,
        identity: certificate.zip(key),
        server_name,
        without,
    })
}
