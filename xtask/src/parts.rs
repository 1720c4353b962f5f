//! `check` and `test`: parts that run one after the other. A failed part doesn't hide the ones
//! after it, and the end lists them all.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cache::Cache;
use crate::run::cargo;
use crate::say;
use crate::setup::{self, Want};

/// Formatting, lints, documentation.
pub(crate) fn check(cache: &Cache) -> Result<ExitCode> {
    let mut parts = Parts::new(cache);
    quick(&mut parts);
    Ok(parts.conclude())
}

/// All that decides whether a change may go in.
pub(crate) fn test(cache: &Cache) -> Result<ExitCode> {
    let mut parts = Parts::new(cache);
    parts.part("set-up: the real daemons and tools", |cache| {
        setup::run(cache, &Want::everything())
    });
    quick(&mut parts);
    // One selection of packages for both, since another one would unify other features and build
    // the dependencies again. It builds the binaries too that the tests run.
    parts.cargo(
        "build: every crate, binary and test",
        &["test", "--locked", "--workspace", "--no-run"],
    );
    parts.cargo(
        "tests: every crate's, and the lab's on real daemons in network namespaces",
        &["test", "--locked", "--workspace", "--no-fail-fast"],
    );
    Ok(parts.conclude())
}

fn quick(parts: &mut Parts<'_>) {
    parts.cargo("format", &["fmt", "--all", "--check"]);
    parts.cargo(
        "lints",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    );
    parts.cargo_with(
        "documentation",
        &["doc", "--locked", "--workspace", "--no-deps"],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    );
    if installed("deny") {
        // Advisories need a download at a moment's notice; the rest is judged from the lock file.
        parts.cargo(
            "dependencies",
            &["deny", "check", "bans", "licenses", "sources"],
        );
    }
}

/// Whether `cargo NAME` is there.
fn installed(name: &str) -> bool {
    cargo()
        .args([name, "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

struct Parts<'a> {
    cache: &'a Cache,
    done: Vec<Done>,
    started: Instant,
}

struct Done {
    name: String,
    took: Duration,
    error: Option<String>,
}

impl<'a> Parts<'a> {
    fn new(cache: &'a Cache) -> Self {
        Self {
            cache,
            done: Vec::new(),
            started: Instant::now(),
        }
    }

    fn cargo(&mut self, name: &str, arguments: &[&str]) {
        self.cargo_with(name, arguments, &[]);
    }

    fn cargo_with(&mut self, name: &str, arguments: &[&str], environment: &[(&str, &str)]) {
        self.part(name, |cache| {
            let mut command = cargo();
            command.args(arguments).envs(environment.iter().copied());
            cache.equip(&mut command);
            say::line(&format!("$ {}", shown(arguments, environment)));
            succeed(&mut command)
        });
    }

    fn part(&mut self, name: &str, body: impl FnOnce(&Cache) -> Result<()>) {
        say::heading(name);
        let start = Instant::now();
        let error = body(self.cache).err().map(|error| format!("{error:#}"));
        let took = start.elapsed();
        match &error {
            None => say::success(name, took),
            Some(error) => say::failure(&format!("{name}: {error}")),
        }
        self.done.push(Done {
            name: name.to_owned(),
            took,
            error,
        });
    }

    fn conclude(self) -> ExitCode {
        say::heading(&format!(
            "all parts, {}",
            say::seconds(self.started.elapsed())
        ));
        let mut code = ExitCode::SUCCESS;
        for done in self.done {
            match done.error {
                None => say::success(&done.name, done.took),
                Some(error) => {
                    say::failure(&format!(
                        "{}: {error}  {}",
                        done.name,
                        say::seconds(done.took)
                    ));
                    code = ExitCode::FAILURE;
                }
            }
        }
        code
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    anyhow::ensure!(status.success(), "ended with {status}");
    Ok(())
}

/// The command as one could type it.
fn shown(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let environment = environment
        .iter()
        .map(|(name, value)| format!("{name}='{value}'"));
    let words = ["cargo"]
        .iter()
        .chain(arguments)
        .map(|&word| word.to_owned());
    environment.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_failed_part_hides_none_after_it() {
        let cache = Cache::at(Path::new("/nowhere"));
        let mut parts = Parts::new(&cache);
        parts.part("one", |_| anyhow::bail!("broken"));
        parts.part("two", |_| Ok(()));
        let failed: Vec<_> = parts.done.iter().map(|done| done.error.is_some()).collect();
        assert_eq!(failed, [true, false]);
        assert_ne!(
            format!("{:?}", parts.conclude()),
            format!("{:?}", ExitCode::SUCCESS)
        );
    }

    #[test]
    fn the_command_is_shown_as_one_could_type_it() {
        assert_eq!(
            shown(
                &["doc", "--no-deps"],
                &[("RUSTDOCFLAGS", "--deny warnings")]
            ),
            "RUSTDOCFLAGS='--deny warnings' cargo doc --no-deps"
        );
    }
}
