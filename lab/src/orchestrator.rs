//! The product itself in the lab: `sdwan server` on a fresh store in the management network, and
//! `gohan client` beside it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::{network, tools, world};

/// Where the server listens when nothing is configured.
const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9998);

/// A running server.
#[derive(Debug)]
pub struct Orchestrator {
    server: Daemon,
    folder: PathBuf,
}

impl Orchestrator {
    /// Starts `sdwan server` with no configuration and waits until it takes connections.
    ///
    /// # Errors
    /// When it ends or doesn't listen.
    pub fn start() -> Result<Self> {
        let folder = Path::new(world::FOLDER).join("orchestrator");
        fs::create_dir_all(&folder)?;
        let mut command = command("sdwan", &folder)?;
        command.arg("server");
        let mut server = Daemon::start_here(&folder, "sdwan-server", command)?;
        server.wait_for_address(ADDRESS)?;
        Ok(Self { server, folder })
    }

    /// Fails if the server has ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn check(&mut self) -> Result<()> {
        self.server.check()
    }

    /// Kills the server, as a power failure would, and starts it again on the same store.
    ///
    /// # Errors
    /// When it doesn't come up again.
    pub fn restart(self) -> Result<Self> {
        self.server.kill()?;
        Self::start()
    }

    /// What the server has logged.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn log(&self) -> Result<String> {
        self.server.log()
    }

    /// Runs a line that begins with `gohan` or `sdwan`, and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said on stderr.
    pub fn run(&self, line: &str) -> Result<String> {
        let words = words(line);
        let Some((program @ ("gohan" | "sdwan"), arguments)) = words
            .split_first()
            .map(|(program, rest)| (program.as_str(), rest))
        else {
            bail!("{line} is no command of the product");
        };
        let mut command = command(program, &self.folder)?;
        let output = command.args(arguments).stdin(Stdio::null()).output()?;
        network::text(output).with_context(|| line.to_owned())
    }

    /// Since when a neighbor is DOWN, as the server says.
    ///
    /// # Errors
    /// When it isn't.
    pub fn down_since(&self, neighbor: &str) -> Result<SystemTime> {
        let line = format!("gohan client neighbor show {neighbor} --output-format json");
        let shown: Value = serde_json::from_str(&self.run(&line)?)?;
        let row = &shown["neighbor"];
        ensure!(row["status"] == "DOWN", "{neighbor} is {}", row["status"]);
        let since = row["status_since"].as_str().context("no status_since")?;
        Ok(since.parse::<Timestamp>()?.into())
    }
}

/// A command of the product's, deaf to what the caller's environment says about other servers.
pub(crate) fn command(program: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(tools::built(program)?);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["GOHAN_", "OS_", "XDG_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("HOME", folder);
    Ok(command)
}

/// A line's words; double quotes keep one together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The properties that a `create` line gives, as pairs of name and value.
#[must_use]
pub fn properties(line: &str) -> Vec<(String, String)> {
    let words = words(line);
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [flag, value] => Some((flag.strip_prefix("--")?.to_owned(), value.clone())),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would() {
        let line = r#"gohan client x create --statement_action "next-hop self" --exist New"#;
        assert_eq!(
            words(line),
            [
                "gohan",
                "client",
                "x",
                "create",
                "--statement_action",
                "next-hop self",
                "--exist",
                "New"
            ]
        );
        assert_eq!(
            properties(line),
            [
                ("statement_action".to_owned(), "next-hop self".to_owned()),
                ("exist".to_owned(), "New".to_owned())
            ]
        );
    }
}
