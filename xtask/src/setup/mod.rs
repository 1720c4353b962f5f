//! Puts what the lab and the tests run into the cache folder: real gobgpds, etcds, FRR, BIRD,
//! keepalived, a Keystone and a few tools.
//!
//! Nothing is installed. Debian's packages are fetched with apt's own tools into the cache and
//! unpacked there, so no service is started or enabled, nothing outside the cache changes, and an
//! ordinary user may do it. Each is taken from a suite by name, whatever the machine's own is, so
//! that every machine runs the same. Keystone and Schemathesis can't be had so: see `python.rs`.

mod apt;
pub(crate) mod keystone;
mod python;
pub(crate) mod schemathesis;
mod starters;
mod unpack;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::builder::PossibleValuesParser;

use crate::cache::Cache;
use crate::say;

/// A release of a daemon that is run in several, and the suite that has it.
pub(crate) struct Release {
    /// The daemon's program.
    pub(crate) program: &'static str,
    /// Major and minor, as the lab names it.
    pub(crate) name: &'static str,
    suite: &'static str,
    /// Debian's packages: the daemon's and its command's.
    packages: &'static [&'static str],
}

const fn gobgpd(name: &'static str, suite: &'static str) -> Release {
    Release {
        program: "gobgpd",
        name,
        suite,
        packages: &["gobgpd"],
    }
}

const fn etcd(name: &'static str, suite: &'static str) -> Release {
    Release {
        program: "etcd",
        name,
        suite,
        packages: &["etcd-server", "etcd-client"],
    }
}

/// The releases of gobgpd that the lab runs: the oldest and the newest in use, and stable's.
pub(crate) const RELEASES: [Release; 3] = [
    gobgpd("3.10", "bookworm"),
    gobgpd("3.36", "trixie"),
    gobgpd("4.8", "sid"),
];

/// The releases of etcd that the store is tested on: the oldest that it is made for, and stable's.
pub(crate) const ETCDS: [Release; 2] = [etcd("3.4", "bookworm"), etcd("3.5", "trixie")];

/// The demo's gobgpd: the one of a stable suite, so it stays the same for years.
pub(crate) const DEFAULT_RELEASE: &str = "3.36";

/// The suite that the tools come from; its FRR, 8.4, is the newest that gobgpd can talk to.
const TOOLS_SUITE: &str = "bookworm";

/// The releases as a command line takes them.
pub(crate) fn releases() -> PossibleValuesParser {
    PossibleValuesParser::new(RELEASES.map(|release| release.name))
}

/// What a task needs.
#[derive(Clone)]
pub(crate) struct Want {
    tools: bool,
    keystone: bool,
    schemathesis: bool,
    releases: Vec<&'static Release>,
}

impl Want {
    pub(crate) fn everything() -> Self {
        Self {
            tools: true,
            keystone: true,
            schemathesis: true,
            releases: RELEASES.iter().chain(&ETCDS).collect(),
        }
    }

    /// What a lab on this one release needs.
    pub(crate) fn lab(release: &str) -> Self {
        let releases = RELEASES
            .iter()
            .filter(|known| known.name == release)
            .collect();
        Self {
            tools: true,
            keystone: false,
            schemathesis: false,
            releases,
        }
    }

    /// Only what is not there yet.
    fn missing(mut self, cache: &Cache) -> Self {
        self.tools = self.tools && !starters::are_ready(cache);
        self.keystone = self.keystone && !keystone::is_ready(cache);
        self.schemathesis = self.schemathesis && !schemathesis::is_ready(cache);
        self.releases
            .retain(|release| found(cache, release).is_none());
        self
    }

    /// Whether something comes from Python's index.
    fn needs_python(&self) -> bool {
        self.keystone || self.schemathesis
    }

    /// Debian's part by suite, since a suite's lists are read once.
    fn by_suite(&self) -> BTreeMap<&'static str, Self> {
        let mut suites = BTreeMap::new();
        let empty = || Self {
            tools: false,
            keystone: false,
            schemathesis: false,
            releases: Vec::new(),
        };
        if self.tools {
            suites.entry(TOOLS_SUITE).or_insert_with(empty).tools = true;
        }
        for &release in &self.releases {
            suites
                .entry(release.suite)
                .or_insert_with(empty)
                .releases
                .push(release);
        }
        suites
    }
}

/// Fetches what is missing. Well under a second when nothing is.
///
/// # Errors
/// One line for each thing that could not be had.
pub(crate) fn run(cache: &Cache, want: &Want) -> Result<()> {
    compiler_is_there()?;
    fs::create_dir_all(cache.root())
        .with_context(|| format!("cannot make the cache folder {}", cache.root().display()))?;
    let _lock = lock(cache)?;
    let missing = want.clone().missing(cache);
    let suites = missing.by_suite();
    if missing.needs_python() || !suites.is_empty() {
        fetch(cache, suites, &missing)?;
    }
    for release in &want.releases {
        moved_on(cache, release);
    }
    Ok(())
}

/// cargo links with it, and SQLite is built with it.
fn compiler_is_there() -> Result<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let found = Command::new(&compiler).arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "there is no C compiler ({}): install one, for example the package `gcc` with `libc6-dev`",
        compiler.display()
    )
}

/// Two set-ups at once would unpack over each other.
fn lock(cache: &Cache) -> Result<File> {
    let path = cache.root().join(".lock");
    let file = File::create(&path)
        .with_context(|| format!("cannot write to the cache folder: {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            say::line("Another set-up is at work in this cache; waiting for it");
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    Ok(file)
}

/// Where some of it is from, beside Debian's suites.
const PYTHON: &str = "Python";

/// What the thread of a suite, or of Python's index, tells.
enum News {
    Doing(&'static str, String),
    Done(&'static str, Result<String>),
}

/// Fetches from all suites, and from Python's index, at the same time and tells how it goes.
fn fetch(cache: &Cache, suites: BTreeMap<&'static str, Want>, missing: &Want) -> Result<()> {
    let python = missing.needs_python();
    let mirror = match suites.is_empty() {
        true => String::new(),
        false => apt::mirror()?,
    };
    let debian = suites.keys().map(|suite| format!("Debian {suite}"));
    let sources: Vec<_> = debian
        .chain(python.then(|| "Python's index".to_owned()))
        .collect();
    say::line(&format!(
        "Fetching daemons and tools into {} ({}; nothing is installed)",
        cache.root().display(),
        sources.join(", ")
    ));
    let start = Instant::now();
    let (sender, news) = mpsc::channel();
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        for (suite, want) in suites {
            let (sender, mirror) = (sender.clone(), &mirror);
            scope.spawn(move || {
                let result = fetch_suite(cache, mirror, suite, &want, &sender);
                // The receiver outlives the scope.
                let _ = sender.send(News::Done(suite, result));
            });
        }
        if python {
            let sender = sender.clone();
            scope.spawn(move || {
                let doing = |what: &str| {
                    let _ = sender.send(News::Doing(PYTHON, what.to_owned()));
                };
                let result = fetch_python(cache, missing, &doing);
                let _ = sender.send(News::Done(PYTHON, result));
            });
        }
        drop(sender);
        let mut doing = BTreeMap::new();
        for item in news {
            match item {
                News::Doing(suite, what) => {
                    doing.insert(suite, what);
                }
                News::Done(suite, result) => {
                    doing.remove(suite);
                    say::progress_over();
                    match result {
                        Ok(what) => say::success(&format!("{suite}: {what}"), start.elapsed()),
                        Err(error) => failures.push(format!("{suite}: {error:#}")),
                    }
                }
            }
            let line: Vec<_> = doing
                .iter()
                .map(|(suite, what)| format!("{suite}: {what}"))
                .collect();
            if !line.is_empty() {
                say::progress(&line.join("   "));
            }
        }
    });
    anyhow::ensure!(
        failures.is_empty(),
        "the set-up is incomplete\n  {}",
        failures.join("\n  ")
    );
    Ok(())
}

/// Fetches from Python's index; says what it got.
fn fetch_python(cache: &Cache, missing: &Want, doing: &dyn Fn(&str)) -> Result<String> {
    let mut got = Vec::new();
    if missing.keystone {
        got.push(keystone::install(cache, doing)?);
    }
    if missing.schemathesis {
        got.push(schemathesis::install(cache, doing)?);
    }
    Ok(got.join(", "))
}

/// Fetches from one suite; says what it got.
fn fetch_suite(
    cache: &Cache,
    mirror: &str,
    suite: &'static str,
    want: &Want,
    news: &Sender<News>,
) -> Result<String> {
    let doing = |what: &str| {
        let _ = news.send(News::Doing(suite, what.to_owned()));
    };
    doing("reading the package lists");
    let apt = apt::Suite::open(&cache.apt(suite), mirror, suite)?;
    let mut got = Vec::new();
    for &release in &want.releases {
        doing(&format!("fetching {}", release.program));
        let packages = apt.download(release.packages)?;
        let version = unpack::version(&packages[0])?;
        unpack::replace(&cache.release(release), |folder| {
            for package in &packages {
                unpack::into(package, folder)?;
            }
            Ok(fs::write(folder.join(STAMP), &version)?)
        })?;
        got.push(format!("{} {version}", release.program));
    }
    if want.tools {
        doing("fetching FRR, BIRD, keepalived and tools");
        let packages = apt.download_with_dependencies(&starters::packages())?;
        unpack::replace(&cache.tools(), |folder| {
            for (index, package) in packages.iter().enumerate() {
                doing(&format!("unpacking {}/{}", index + 1, packages.len()));
                unpack::into(package, folder)?;
            }
            Ok(())
        })?;
        starters::write(cache)?;
        got.extend(starters::versions(&packages)?);
    }
    apt.close()?;
    Ok(got.join(", "))
}

/// The file in an unpacked daemon's folder that holds its package's version; written last.
const STAMP: &str = ".version";

/// The version of an unpacked daemon; none where there is none.
fn found(cache: &Cache, release: &Release) -> Option<String> {
    let version = fs::read_to_string(cache.release(release).join(STAMP)).ok()?;
    Path::new(&cache.program(release))
        .exists()
        .then_some(version)
}

/// Says so where a suite has moved on to another release than the lab's name for it.
fn moved_on(cache: &Cache, release: &Release) {
    if let Some(version) = found(cache, release)
        && !is_release(&version, release.name)
    {
        say::line(&format!(
            "Note: Debian {} has {} {version} now. It runs wherever the lab says {}, and \
             what the lab shows holds for {version}",
            release.suite, release.program, release.name
        ));
    }
}

/// Whether a package's version is one of this release.
fn is_release(version: &str, release: &str) -> bool {
    version
        .strip_prefix(release)
        .is_some_and(|rest| rest.starts_with(['.', '-', '+']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_from_its_neighbours() {
        assert!(is_release("3.10.0-1+b5", "3.10"));
        assert!(is_release("4.8-1", "4.8"));
        assert!(!is_release("3.1.0-1", "3.10"));
        assert!(!is_release("4.80.0-1", "4.8"));
        assert!(!is_release("4.9.0-1", "4.8"));
    }

    #[test]
    fn a_suite_is_asked_once() {
        let suites = Want::everything().by_suite();
        assert_eq!(
            suites.keys().copied().collect::<Vec<_>>(),
            ["bookworm", "sid", "trixie"]
        );
        let programs = |suite: &str| -> Vec<_> {
            let releases = suites[suite].releases.iter();
            releases.map(|release| release.program).collect()
        };
        assert!(suites["bookworm"].tools);
        assert_eq!(programs("bookworm"), ["gobgpd", "etcd"]);
        assert_eq!(programs("sid"), ["gobgpd"]);
    }

    #[test]
    fn one_release_asks_only_the_suites_it_needs() {
        let suites = Want::lab("4.8").by_suite();
        assert_eq!(
            suites.keys().copied().collect::<Vec<_>>(),
            ["bookworm", "sid"]
        );
        assert!(suites["bookworm"].releases.is_empty());
    }

    #[test]
    fn what_is_unpacked_is_not_wanted_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let program = cache.program(&RELEASES[0]);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(program, "").unwrap();
        let missing = || Want::everything().missing(&cache).releases.len();
        assert_eq!(missing(), 5, "without its stamp it may be half unpacked");
        fs::write(cache.release(&RELEASES[0]).join(STAMP), "3.10.0-1").unwrap();
        assert_eq!(missing(), 4);
    }
}
