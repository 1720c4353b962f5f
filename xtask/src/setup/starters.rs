//! Starters for the unpacked tools.
//!
//! The tools are unpacked with every library they need, the C library included, so that they are
//! the same on any machine. A starter hands its tool to that C library's own loader with that
//! library path: unlike `LD_LIBRARY_PATH` this does not reach the programs that a tool starts, such
//! as the one that strace watches.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{apt, unpack};
use crate::cache::Cache;

/// A tool, the package that has it and where it lies there.
struct Tool {
    name: &'static str,
    package: &'static str,
    path: &'static str,
}

const fn tool(name: &'static str, package: &'static str, path: &'static str) -> Tool {
    Tool {
        name,
        package,
        path,
    }
}

const TOOLS: [Tool; 15] = [
    tool("bird", "bird2", "usr/sbin/bird"),
    tool("birdc", "bird2", "usr/sbin/birdc"),
    tool("bgpd", "frr", "usr/lib/frr/bgpd"),
    tool("staticd", "frr", "usr/lib/frr/staticd"),
    tool("vtysh", "frr", "usr/bin/vtysh"),
    tool("zebra", "frr", "usr/lib/frr/zebra"),
    tool("keepalived", "keepalived", "usr/sbin/keepalived"),
    tool("bridge", "iproute2", "sbin/bridge"),
    tool("ip", "iproute2", "bin/ip"),
    tool("ss", "iproute2", "bin/ss"),
    tool("tc", "iproute2", "sbin/tc"),
    tool("ping", "iputils-ping", "bin/ping"),
    tool("rsyslogd", "rsyslog", "usr/sbin/rsyslogd"),
    tool("traceroute", "traceroute", "usr/bin/traceroute.db"),
    tool("strace", "strace", "usr/bin/strace"),
];

/// The packages to fetch.
pub(crate) fn packages() -> Vec<&'static str> {
    let mut packages: Vec<_> = TOOLS.iter().map(|tool| tool.package).collect();
    packages.dedup();
    packages
}

/// The versions of those packages among all that were fetched.
pub(crate) fn versions(fetched: &[PathBuf]) -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for package in fetched {
        let (name, version) = unpack::name_and_upstream_version(package)?;
        if packages().contains(&name.as_str()) {
            versions.push(format!("{name} {version}"));
        }
    }
    Ok(versions)
}

/// Whether the tools that this program knows are unpacked, and their starters written for this
/// very place.
pub(crate) fn are_ready(cache: &Cache) -> bool {
    fs::read_to_string(stamp(cache)).is_ok_and(|text| text == contents(cache))
}

/// Writes the starters, and last the stamp that says that all is there.
pub(crate) fn write(cache: &Cache) -> Result<()> {
    let root = cache.tools();
    let loader = loader(&root)?;
    let libraries = libraries(&root)?;
    let bin = cache.bin();
    apt::remove(&bin)?;
    fs::create_dir_all(&bin)?;
    for tool in &TOOLS {
        let program = root.join(tool.path);
        anyhow::ensure!(
            program.exists(),
            "the package {} has no {} any more",
            tool.package,
            tool.path
        );
        let starter = bin.join(tool.name);
        fs::write(
            &starter,
            starter_text(tool.name, &loader, &libraries, &program),
        )?;
        fs::set_permissions(&starter, fs::Permissions::from_mode(0o755))?;
    }
    Ok(fs::write(stamp(cache), contents(cache))?)
}

fn starter_text(name: &str, loader: &Path, libraries: &[PathBuf], program: &Path) -> String {
    let libraries: Vec<_> = libraries.iter().map(|path| quoted(path)).collect();
    format!(
        "#!/bin/sh\nexec {} --library-path {} --argv0 {name} {} \"$@\"\n",
        quoted(loader),
        libraries.join(":"),
        quoted(program)
    )
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn stamp(cache: &Cache) -> PathBuf {
    cache.tools().join(".complete")
}

/// What the tools were made from; anything else than this is made anew.
fn contents(cache: &Cache) -> String {
    let tools = TOOLS.map(|tool| format!("{} {} {}\n", tool.package, tool.name, tool.path));
    format!(
        "{}\n{}\n{}",
        super::TOOLS_SUITE,
        cache.root().display(),
        tools.concat()
    )
}

/// The C library's loader: `ld-linux-x86-64.so.2` and its like.
fn loader(root: &Path) -> Result<PathBuf> {
    let mut places = architecture_folders(root)?;
    places.extend([root.join("lib"), root.join("lib64")]);
    for place in places {
        for entry in listed(&place) {
            let name = entry
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with("ld-linux") {
                return Ok(entry);
            }
        }
    }
    anyhow::bail!(
        "the unpacked C library has no loader below {}",
        root.display()
    )
}

/// Where the libraries lie: Debian's folders for the architecture, and FRR's own.
fn libraries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = architecture_folders(root)?;
    let of_frr: Vec<_> = folders.iter().map(|folder| folder.join("frr")).collect();
    folders.extend(of_frr.into_iter().filter(|folder| folder.is_dir()));
    Ok(folders)
}

/// `lib/x86_64-linux-gnu`, `usr/lib/x86_64-linux-gnu` and their like.
fn architecture_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for base in [root.join("lib"), root.join("usr/lib")] {
        folders.extend(
            listed(&base)
                .into_iter()
                .filter(|path| path.is_dir() && path.to_string_lossy().contains("-linux-gnu")),
        );
    }
    folders
        .first()
        .context("the unpacked tools have no libraries")?;
    Ok(folders)
}

/// A folder's entries in order; none where it is missing.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as if the tools had been unpacked.
    fn unpacked() -> (tempfile::TempDir, Cache) {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::at(base.path());
        let place = |path: &str| {
            let path = cache.tools().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        place("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        place("usr/lib/x86_64-linux-gnu/frr/libfrr.so.0");
        TOOLS.iter().for_each(|tool| place(tool.path));
        (base, cache)
    }

    #[test]
    fn the_stamp_comes_last_and_tells_another_place_apart() {
        let (base, cache) = unpacked();
        assert!(!are_ready(&cache));
        write(&cache).unwrap();
        assert!(are_ready(&cache));
        let moved = base.path().join("moved");
        fs::create_dir(&moved).unwrap();
        fs::rename(cache.tools(), moved.join("tools")).unwrap();
        assert!(
            !are_ready(&Cache::at(&moved)),
            "starters hold absolute paths"
        );
    }

    #[test]
    fn a_tool_that_left_its_package_is_named() {
        let (_base, cache) = unpacked();
        fs::remove_file(cache.tools().join("bin/ip")).unwrap();
        let error = write(&cache).unwrap_err().to_string();
        assert_eq!(error, "the package iproute2 has no bin/ip any more");
    }

    #[test]
    fn a_starter_survives_an_odd_path() {
        let text = starter_text(
            "ip",
            Path::new("/a b/ld.so"),
            &[PathBuf::from("/a b/lib"), PathBuf::from("/it's")],
            Path::new("/a b/ip"),
        );
        assert_eq!(
            text,
            "#!/bin/sh\nexec '/a b/ld.so' --library-path '/a b/lib':'/it'\\''s' --argv0 ip \
             '/a b/ip' \"$@\"\n"
        );
    }

    #[test]
    fn packages_are_fetched_once_each() {
        let packages = packages();
        let unique: std::collections::BTreeSet<_> = packages.iter().collect();
        assert_eq!(unique.len(), packages.len());
    }
}
