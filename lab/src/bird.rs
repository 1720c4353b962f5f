//! BIRD 2 on a node: what it is told by its control socket, and what it has.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::daemon::Daemon;
use crate::network::Machine;
use crate::tools;

/// A BIRD; killed when dropped.
#[derive(Debug)]
pub struct Bird<'a> {
    machine: &'a Machine,
    daemon: Daemon,
}

impl<'a> Bird<'a> {
    /// Starts one with a configuration, and waits until it can be told something.
    ///
    /// # Errors
    /// When it ends, such as for a configuration that it can't read.
    pub fn start(machine: &'a Machine, configuration: &str) -> Result<Self> {
        let socket = machine.folder().join("bird.ctl");
        let _ = fs::remove_file(&socket);
        fs::write(machine.folder().join("bird.conf"), configuration)?;
        let mut command = machine.command(&tools::tool("bird")?.display().to_string(), None)?;
        command.args(["-f", "-c", "bird.conf", "-s", "bird.ctl"]);
        let mut daemon = Daemon::start(machine, "bird", command)?;
        daemon.wait_for_file(&socket)?;
        Ok(Self { machine, daemon })
    }

    /// Starts a protocol of its configuration.
    ///
    /// # Errors
    /// When there is no such protocol, or it runs.
    pub fn enable(&mut self, protocol: &str) -> Result<()> {
        let said = self.control(&["enable", protocol])?;
        ensure!(said.contains(&format!("{protocol}: enabled")), "{said}");
        Ok(())
    }

    /// Stops a protocol: what came from it goes.
    ///
    /// # Errors
    /// When there is no such protocol, or it doesn't run.
    pub fn disable(&mut self, protocol: &str) -> Result<()> {
        let said = self.control(&["disable", protocol])?;
        ensure!(said.contains(&format!("{protocol}: disabled")), "{said}");
        Ok(())
    }

    /// How many routes it has, of all protocols.
    ///
    /// # Errors
    /// When it does not say.
    pub fn routes(&mut self) -> Result<usize> {
        let said = self.control(&["show", "route", "count"])?;
        total(&said).with_context(|| format!("no count of routes: {said}"))
    }

    /// Runs `birdc`, and gives what it printed.
    fn control(&mut self, words: &[&str]) -> Result<String> {
        self.daemon.check()?;
        let birdc = tools::tool("birdc")?.display().to_string();
        let words = [&["-s", "bird.ctl"], words].concat();
        self.machine.run(&birdc, &words, None)
    }
}

/// `7 of 9 routes for 7 networks in table master4`: those that are used.
fn total(said: &str) -> Option<usize> {
    let line = said.lines().find(|line| line.contains(" routes for "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_counted_as_birdc_says() {
        let said = "BIRD 2.0.12 ready.\n7 of 9 routes for 7 networks in table master4\n";
        assert_eq!(total(said), Some(7));
        assert_eq!(total("BIRD 2.0.12 ready.\n"), None);
    }
}
