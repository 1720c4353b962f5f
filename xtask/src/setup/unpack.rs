//! Unpacking packages without installing them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::{output, remove};

/// Unpacks a package's files into a folder; none of its scripts runs.
pub(crate) fn into(package: &Path, folder: &Path) -> Result<()> {
    output(Command::new("dpkg").arg("-x").args([package, folder])).map(drop)
}

/// A package's version.
pub(crate) fn version(package: &Path) -> Result<String> {
    field(package, "Version")
}

/// A package's name and version, the version without the packaging's part of it.
pub(crate) fn name_and_upstream_version(package: &Path) -> Result<(String, String)> {
    Ok((
        field(package, "Package")?,
        upstream(&version(package)?).to_owned(),
    ))
}

fn field(package: &Path, name: &str) -> Result<String> {
    let text = output(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(package)
            .arg(name),
    )?;
    Ok(text.trim().to_owned())
}

/// `1:8.4.4-1.1~deb12u2` is 8.4.4.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(front, _)| front)
}

/// Makes a folder anew, whole or not at all: `fill` works on another one beside it.
pub(crate) fn replace(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    remove(&partial)?;
    std::fs::create_dir_all(&partial)
        .with_context(|| format!("cannot make {}", partial.display()))?;
    fill(&partial)?;
    remove(folder)?;
    std::fs::rename(&partial, folder)
        .with_context(|| format!("cannot put {} in its place", partial.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_version_is_what_people_know() {
        assert_eq!(upstream("1:8.4.4-1.1~deb12u2"), "8.4.4");
        assert_eq!(upstream("2.2.7-1+b2"), "2.2.7");
        assert_eq!(upstream("6.1"), "6.1");
    }

    #[test]
    fn a_folder_is_replaced_whole_or_not_at_all() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("x");
        let write =
            |name: &'static str| move |folder: &Path| Ok(std::fs::write(folder.join(name), "")?);
        replace(&folder, write("one")).unwrap();
        replace(&folder, |_| anyhow::bail!("the network is gone")).unwrap_err();
        assert!(folder.join("one").exists());
        replace(&folder, write("two")).unwrap();
        assert!(folder.join("two").exists() && !folder.join("one").exists());
    }
}
