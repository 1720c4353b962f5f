//! apt with a state of its own: its lists, its (empty) idea of what is installed and its archives
//! lie in the cache, and it reads one suite of the mirror that the machine's own apt uses. Proxies
//! and the like still come from the machine's configuration; hooks, pins and sources don't.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// The mirror in the machine's own configuration.
///
/// # Errors
/// Without apt, or with an apt that has no source.
pub(crate) fn mirror() -> Result<String> {
    for tool in ["apt-get", "dpkg"] {
        if Command::new(tool).arg("--version").output().is_err() {
            bail!(
                "there is no `{tool}`: the lab's daemons are Debian packages, fetched with apt's \
                 own tools, so this needs Debian or a system like it"
            );
        }
    }
    let mut command = Command::new("apt-get");
    // Without this it names only what it has downloaded, and a fresh machine has nothing.
    command.args(["indextargets", "--no-release-info"]);
    command.args([
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]);
    choose(&output(&mut command)?).context(
        "apt has no source that could serve packages: see `man sources.list`, \
         then look at /etc/apt/sources.list.d",
    )
}

/// The main archive rather than a side one (`SUITE-security`, `SUITE-updates`), which may lie on
/// another server.
fn choose(targets: &str) -> Option<String> {
    let of_main = targets.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (uri, suite, component) = (words.next()?, words.next()?, words.next()?);
        (component == "main").then_some((uri, suite))
    });
    of_main
        .min_by_key(|(_, suite)| suite.contains('-'))
        .map(|(uri, _)| uri.to_owned())
}

/// One suite with its lists read.
pub(crate) struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Reads the lists of `suite` into `folder`, which is made anew.
    pub(crate) fn open(folder: &Path, mirror: &str, suite: &str) -> Result<Self> {
        remove(folder)?;
        for inner in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
        let keyring = KEYRINGS.into_iter().find(|path| Path::new(path).exists());
        fs::write(
            folder.join("sources.list"),
            source(mirror, suite, architecture.trim(), keyring),
        )?;
        fs::write(folder.join("status"), "")?;
        fs::write(folder.join("apt.conf"), configuration(folder))?;
        let opened = Self {
            folder: folder.to_owned(),
        };
        // `update` may warn and go on with no lists at all, so a failure is asked for.
        output(opened.apt().args(["update", "--error-on=any"]))?;
        Ok(opened)
    }

    /// Fetches packages alone, without what they depend on; gives them in the same order.
    pub(crate) fn download(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        packages.iter().map(|package| self.one(package)).collect()
    }

    fn one(&self, package: &str) -> Result<PathBuf> {
        let downloads = self.folder.join("downloads").join(package);
        fs::create_dir_all(&downloads)?;
        output(
            self.apt()
                .current_dir(&downloads)
                .args(["download", package]),
        )?;
        let mut files = archives(&downloads)?;
        files
            .pop()
            .with_context(|| format!("apt fetched nothing for {package}"))
    }

    /// Fetches packages with all that they depend on, down to the C library.
    pub(crate) fn download_with_dependencies(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        output(
            self.apt()
                .args(["install", "--yes", "--download-only"])
                .args(packages),
        )?;
        archives(&self.folder.join("archives"))
    }

    /// Gives the space back.
    pub(crate) fn close(self) -> Result<()> {
        remove(&self.folder)
    }

    fn apt(&self) -> Command {
        let mut command = Command::new("apt-get");
        command
            .arg("-qq")
            .arg("-c")
            .arg(self.folder.join("apt.conf"));
        command.env("LC_ALL", "C.UTF-8");
        command
    }
}

fn source(mirror: &str, suite: &str, architecture: &str, keyring: Option<&str>) -> String {
    let mut options = format!("arch={architecture}");
    if let Some(keyring) = keyring {
        // Writing to a string can't fail.
        let _ = write!(options, " signed-by={keyring}");
    }
    format!("deb [{options}] {mirror} {suite} main\n")
}

/// What differs from the machine's own configuration; apt reads a `-c` file last.
fn configuration(folder: &Path) -> String {
    let mut text = String::new();
    for hook in [
        "APT::Update::Pre-Invoke",
        "APT::Update::Post-Invoke",
        "APT::Update::Post-Invoke-Success",
        "DPkg::Pre-Invoke",
        "DPkg::Post-Invoke",
        "DPkg::Pre-Install-Pkgs",
        "APT::Default-Release",
        "Acquire::IndexTargets::deb::Contents-deb",
        "Acquire::IndexTargets::deb::DEP-11",
    ] {
        let _ = writeln!(text, "#clear {hook};");
    }
    let folder = folder.display();
    let _ = write!(
        text,
        r#"Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::List-Cleanup "false";
APT::Sandbox::User "";
"#
    );
    text
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a command and gives what it printed.
///
/// # Errors
/// With the lines that say why, which apt starts with `E:`.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!(
        "{name} failed: {}",
        reason(&String::from_utf8_lossy(&output.stderr))
    )
}

fn reason(complaints: &str) -> String {
    let lines = || {
        complaints
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let mut errors: Vec<_> = lines()
        .filter_map(|line| line.strip_prefix("E: "))
        .collect();
    if errors.is_empty() {
        errors = lines().collect();
    }
    errors.join("; ")
}

/// Removes a folder that may not be there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_chosen() {
        let targets = "http://b.example/security/ bookworm-security main\n\
                       http://a.example/debian/ bookworm contrib\n\
                       http://a.example/debian/ bookworm main\n";
        assert_eq!(choose(targets).as_deref(), Some("http://a.example/debian/"));
    }

    #[test]
    fn a_side_archive_is_better_than_none() {
        let targets = "http://b.example/security/ bookworm-security main\n";
        assert_eq!(
            choose(targets).as_deref(),
            Some("http://b.example/security/")
        );
        assert_eq!(choose(""), None);
    }

    #[test]
    fn apts_own_words_are_the_reason() {
        let said = "W: careful\nE: The repository 'X bookworm' is not signed.\n";
        assert_eq!(reason(said), "The repository 'X bookworm' is not signed.");
        assert_eq!(reason("dpkg-deb: no space\n"), "dpkg-deb: no space");
    }

    #[test]
    fn the_source_names_one_suite_and_its_keys() {
        assert_eq!(
            source("http://a.example/debian/", "sid", "amd64", Some("/k.gpg")),
            "deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian/ sid main\n"
        );
    }
}
