//! A gobgpd on loopback that speaks nothing but TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use sdwan_lab::bench::free_port;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::tools::Release;

use super::authority::{Authority, put, put_pair};

/// What it is started with.
pub struct Door {
    release: Release,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Door {
    /// Shows a certificate for 127.0.0.1 that `ours` has signed.
    pub fn new(release: Release, folder: &Path, ours: &Authority) -> Result<Self> {
        put_pair(folder, "gobgpd", &ours.sign(&["127.0.0.1"])?)?;
        Ok(Self {
            release,
            folder: folder.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
        })
    }

    /// Starts one. It opens to whom one of these has signed, or to everybody.
    pub fn gobgpd(&self, clients: &[&Authority]) -> Result<Daemon> {
        let mut command = Command::new(self.release.folder()?.join("gobgpd"));
        command
            .current_dir(&self.folder)
            .args(["--pprof-disable", "--log-plain", "--tls"])
            .args(["--tls-cert-file=gobgpd.pem", "--tls-key-file=gobgpd.key"])
            .args(["--api-hosts", &self.address.to_string()]);
        if !clients.is_empty() {
            let pem: String = clients.iter().map(|authority| authority.pem()).collect();
            put(&self.folder, "clients.pem", &pem)?;
            command.arg("--tls-client-ca-file=clients.pem");
        }
        let mut daemon = Daemon::start_here(&self.folder, "gobgpd", command)?;
        daemon.wait_for_address(self.address)?;
        Ok(daemon)
    }
}
