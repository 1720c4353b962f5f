//! The one folder that the set-up writes to, and what the other programs are told about it.
//!
//! ```text
//! ~/.cache/sdwan/
//!   bin/            starters for the unpacked tools, fit for PATH
//!   tools/          the tools' packages with every library they need, unpacked
//!   gobgpd/3.10/    a gobgpd package each, unpacked: usr/bin/{gobgpd,gobgp}
//!   etcd/3.4/       a pair of etcd packages each, unpacked: usr/bin/{etcd,etcdctl}
//!   keystone/30.0.0/  a Python environment with Keystone, and a database to start from
//!   schemathesis/4.32.5/  a Python environment with Schemathesis
//!   apt-SUITE/      apt's own state while something is being fetched
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::setup::{ETCDS, RELEASES, Release, keystone, schemathesis};

/// The cache folder.
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$SDWAN_CACHE`, else `$XDG_CACHE_HOME/sdwan`, else `~/.cache/sdwan`.
    pub(crate) fn locate() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = set("SDWAN_CACHE")
            .map(PathBuf::from)
            .or_else(|| set("XDG_CACHE_HOME").map(|base| Path::new(&base).join("sdwan")))
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache/sdwan")))
            .context("no place for the cache: set HOME, XDG_CACHE_HOME or SDWAN_CACHE")?;
        let root = std::path::absolute(&root)
            .with_context(|| format!("the cache folder {}", root.display()))?;
        Ok(Self { root })
    }

    /// A cache somewhere else.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Starters for the tools, fit for PATH.
    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// The root folder of the unpacked tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// The root folder of one unpacked daemon.
    pub(crate) fn release(&self, release: &Release) -> PathBuf {
        self.root.join(release.program).join(release.name)
    }

    /// The daemon itself.
    pub(crate) fn program(&self, release: &Release) -> PathBuf {
        self.release(release).join("usr/bin").join(release.program)
    }

    /// Keystone's environment.
    pub(crate) fn keystone(&self) -> PathBuf {
        self.root.join("keystone").join(keystone::RELEASE)
    }

    /// Schemathesis' environment.
    pub(crate) fn schemathesis(&self) -> PathBuf {
        self.root.join("schemathesis").join(schemathesis::RELEASE)
    }

    /// apt's state for one suite.
    pub(crate) fn apt(&self, suite: &str) -> PathBuf {
        self.root.join(format!("apt-{suite}"))
    }

    /// Lets `command` find the tools and the daemons.
    pub(crate) fn equip(&self, command: &mut Command) {
        command.env("SDWAN_CACHE", &self.root);
        command.env("PATH", self.path());
        for release in RELEASES.iter().chain(&ETCDS) {
            let program = release.program.to_uppercase();
            let name = format!("SDWAN_{program}_{}", release.name.replace('.', "_"));
            command.env(name, self.program(release));
        }
        command.env("SDWAN_KEYSTONE", self.keystone());
        command.env("SDWAN_SCHEMATHESIS", self.schemathesis());
    }

    fn path(&self) -> OsString {
        let mut path = self.bin().into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_where_each_daemon_is() {
        let mut command = Command::new("true");
        Cache::at(Path::new("/cache")).equip(&mut command);
        let told: Vec<_> = command
            .get_envs()
            .filter(|(name, _)| *name != "SDWAN_CACHE" && *name != "PATH")
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        for (name, path) in [
            ("SDWAN_GOBGPD_3_10", "/cache/gobgpd/3.10/usr/bin/gobgpd"),
            ("SDWAN_ETCD_3_4", "/cache/etcd/3.4/usr/bin/etcd"),
            ("SDWAN_KEYSTONE", "/cache/keystone/30.0.0"),
            ("SDWAN_SCHEMATHESIS", "/cache/schemathesis/4.32.5"),
        ] {
            assert!(told.contains(&(name.into(), Some(path.into()))), "{name}");
        }
        assert_eq!(told.len(), RELEASES.len() + ETCDS.len() + 2);
    }
}
