//! Whoever signs certificates, and files of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// Has a name, by which it is told from others.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Result<Self> {
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.distinguished_name.push(DnType::CommonName, name);
        let own = CertifiedIssuer::self_signed(about, KeyPair::generate()?)?;
        Ok(Self(own))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these hosts, a client's where there are none.
    pub fn sign(&self, hosts: &[&str]) -> Result<Pair> {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut about = CertificateParams::new(hosts)?;
        about.distinguished_name.push(DnType::CommonName, "sdwan");
        about.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = about.signed_by(&key, &self.0)?;
        Ok(Pair { certificate, key })
    }
}

impl Pair {
    /// The certificate as it goes over the wire.
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }

    pub fn pem(&self) -> (String, String) {
        (self.certificate.pem(), self.key.serialize_pem())
    }
}

/// Writes a file that everybody may read.
pub fn put(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

/// Writes `NAME.pem` and `NAME.key`, the latter for oneself alone.
pub fn put_pair(folder: &Path, name: &str, pair: &Pair) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = pair.pem();
    let key = put(folder, &format!("{name}.key"), &key)?;
    fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    Ok((put(folder, &format!("{name}.pem"), &certificate)?, key))
}
