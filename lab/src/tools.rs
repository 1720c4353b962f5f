//! Where the programs are that the lab runs: the daemons and tools that `cargo xtask setup` has
//! unpacked, and the product's own binaries.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// A release of gobgpd that the lab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Release {
    /// The oldest in use.
    V3_10,
    /// The last but one of major 3.
    V3_36,
    /// Major 4.
    V4_8,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::V3_10, Self::V3_36, Self::V4_8];

    /// `3.10` and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V3_10 => "3.10",
            Self::V3_36 => "3.36",
            Self::V4_8 => "4.8",
        }
    }

    /// The folder with this release's `gobgpd` and `gobgp`: that of the path in
    /// `SDWAN_GOBGPD_3_10` and so on, else where the set-up puts it.
    ///
    /// # Errors
    /// When there is no gobgpd there.
    pub fn folder(self) -> Result<PathBuf> {
        let variable = format!("SDWAN_GOBGPD_{}", self.name().replace('.', "_"));
        let program = match std::env::var_os(variable) {
            Some(path) => PathBuf::from(path),
            None => cache()?
                .join("gobgpd")
                .join(self.name())
                .join("usr/bin/gobgpd"),
        };
        let folder = there(program)?.parent().map(Path::to_owned);
        folder.context("gobgpd lies in no folder")
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|release| release.name() == text);
        known.ok_or_else(|| {
            format!(
                "the lab has gobgpd {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

/// A release of etcd that the lab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdRelease {
    /// The oldest that the store is made for.
    V3_4,
    /// A newer one.
    V3_5,
}

impl EtcdRelease {
    /// Both, the oldest first.
    pub const ALL: [Self; 2] = [Self::V3_4, Self::V3_5];

    /// `3.4` and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V3_4 => "3.4",
            Self::V3_5 => "3.5",
        }
    }

    /// This release's `etcd`: the path in `SDWAN_ETCD_3_4` and so on, else where the set-up puts
    /// it.
    ///
    /// # Errors
    /// When there is no etcd there.
    pub fn program(self) -> Result<PathBuf> {
        let variable = format!("SDWAN_ETCD_{}", self.name().replace('.', "_"));
        there(match std::env::var_os(variable) {
            Some(path) => PathBuf::from(path),
            None => cache()?.join("etcd").join(self.name()).join("usr/bin/etcd"),
        })
    }
}

impl fmt::Display for EtcdRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EtcdRelease {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|release| release.name() == text);
        known.ok_or_else(|| format!("the lab has etcd {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The environment of the lab's Keystone: the folder in `SDWAN_KEYSTONE`, else where the set-up
/// puts it.
///
/// # Errors
/// When there is no Keystone there.
pub fn keystone() -> Result<PathBuf> {
    environment("SDWAN_KEYSTONE", "keystone/30.0.0")
}

/// Schemathesis, from the environment in `SDWAN_SCHEMATHESIS`, else from where the set-up puts it.
///
/// # Errors
/// When there is none there.
pub fn schemathesis() -> Result<Command> {
    let folder = environment("SDWAN_SCHEMATHESIS", "schemathesis/4.32.5")?;
    let mut command = Command::new(folder.join("bin/python"));
    command.args(["-m", "schemathesis.cli"]);
    Ok(command)
}

/// A Python environment: the folder in `variable`, else this one of the cache.
fn environment(variable: &str, usual: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => cache()?.join(usual),
    };
    // Written last, so the rest is there too.
    there(folder.join(".version"))?;
    Ok(folder)
}

/// The folder that the set-up fills: `$SDWAN_CACHE`, else `$XDG_CACHE_HOME/sdwan`, else
/// `~/.cache/sdwan`.
fn cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("SDWAN_CACHE")
        .map(PathBuf::from)
        .or_else(|| set("XDG_CACHE_HOME").map(|base| Path::new(&base).join("sdwan")))
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache/sdwan")))
        .context("no place for the cache: set HOME, XDG_CACHE_HOME or SDWAN_CACHE")
}

/// A tool that the set-up has unpacked, such as `ip` or `zebra`.
///
/// # Errors
/// When the set-up has not run.
pub fn tool(name: &str) -> Result<PathBuf> {
    there(cache()?.join("bin").join(name))
}

/// Where rsyslog's modules lie, which it looks for where a machine has them.
///
/// # Errors
/// When the set-up has not run.
pub fn rsyslog_modules() -> Result<PathBuf> {
    let libraries = cache()?.join("tools/usr/lib");
    let folders = std::fs::read_dir(there(libraries)?)?.flatten();
    let mut modules = folders.map(|folder| folder.path().join("rsyslog"));
    let found = modules.find(|folder| folder.join("imuxsock.so").exists());
    found.context("rsyslog has no modules: run `cargo xtask setup`")
}

fn there(program: PathBuf) -> Result<PathBuf> {
    if !program.exists() {
        bail!("there is no {}: run `cargo xtask setup`", program.display());
    }
    Ok(program)
}

/// One of the programs that cargo builds beside this one: `sdwan`, `gohan`, `lab`.
///
/// # Errors
/// When it has not been built.
pub fn built(name: &str) -> Result<PathBuf> {
    let program = built_folder()?.join(name);
    if !program.exists() {
        bail!(
            "there is no {}: run `cargo build --workspace --bins`",
            program.display()
        );
    }
    Ok(program)
}

/// The folder of the programs that cargo builds beside this one.
fn built_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = own.parent().context("this program lies in no folder")?;
    // Tests lie one deeper.
    let folder = if folder.ends_with("deps") {
        folder.parent()
    } else {
        Some(folder)
    };
    folder
        .map(Path::to_owned)
        .context("this program lies outside a target folder")
}

/// A PATH on which a node finds its gobgp, the lab's own starters, the product and the tools.
///
/// # Errors
/// When the set-up has not run.
pub fn path(release: Option<Release>) -> Result<OsString> {
    let mut folders = Vec::new();
    if let Some(release) = release {
        folders.push(release.folder()?);
    }
    folders.push(Path::new(crate::world::FOLDER).join("bin"));
    folders.push(built_folder()?);
    folders.push(cache()?.join("bin"));
    let before = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&before));
    std::env::join_paths(folders).context("a folder's name can't stand in PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_named_both_ways() {
        for release in Release::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
        }
        assert_eq!(
            "3.1".parse::<Release>(),
            Err("the lab has gobgpd 3.10, 3.36, 4.8".to_owned())
        );
        for release in EtcdRelease::ALL {
            assert_eq!(release.to_string().parse(), Ok(release));
        }
        assert_eq!(
            "3".parse::<EtcdRelease>(),
            Err("the lab has etcd 3.4, 3.5".to_owned())
        );
    }
}
