//! `sdwan agent` on a node, and what the kernel of that node has.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use serde_json::Value;

use crate::daemon::{AGENT_PORT, Daemon};
use crate::network::Machine;
use crate::tools;
use crate::wait::{self, Seen};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// The agent's routes bear this number.
pub const PROTOCOL: &str = "179";

/// An agent; killed when dropped.
#[derive(Debug)]
pub struct Agent<'a> {
    machine: &'a Machine,
    arguments: Vec<String>,
    port: u16,
    process: Option<Daemon>,
}

impl<'a> Agent<'a> {
    /// Starts one beside the node's gobgpd, and waits until it answers.
    ///
    /// # Errors
    /// When it ends.
    pub fn start(machine: &'a Machine, arguments: &[&str]) -> Result<Self> {
        Self::start_with_port(machine, arguments, AGENT_PORT)
    }

    /// The same on another port than an agent's own.
    ///
    /// # Errors
    /// When it ends.
    pub fn start_with_port(machine: &'a Machine, arguments: &[&str], port: u16) -> Result<Self> {
        let listen = format!("127.0.0.1:{port}");
        let own = ["--listen", &listen];
        let words = arguments.iter().chain(&own);
        let mut agent = Self {
            machine,
            arguments: words.map(|&word| word.to_owned()).collect(),
            port,
            process: None,
        };
        agent.go_on()?;
        Ok(agent)
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Errors
    /// When it ends.
    pub fn go_on(&mut self) -> Result<()> {
        let program = tools::built("sdwan")?.display().to_string();
        let mut command = self.machine.command(&program, None)?;
        command.arg("agent").args(&self.arguments);
        let mut process = Daemon::start(self.machine, "sdwan-agent", command)?;
        process.wait_for_port(self.machine, self.port)?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it, as a power failure would.
    ///
    /// # Errors
    /// When it can't be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Daemon::kill)
    }

    /// Asks it to stop, and waits for that.
    ///
    /// # Errors
    /// When it fails.
    pub fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the agent does not run")?;
        let status = process.stop()?;
        ensure!(status.success(), "the agent ended: {status}");
        Ok(())
    }

    /// The running process.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn process(&self) -> Result<&Daemon> {
        self.process.as_ref().context("the agent does not run")
    }

    /// How it is.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get("/status")?)?)
    }

    /// What it serves under a path.
    ///
    /// # Errors
    /// When it doesn't answer, or not with 200.
    pub fn get(&self, path: &str) -> Result<String> {
        let answer = self.machine.netns().enter(|| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
            stream.set_read_timeout(Some(LIMIT))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        ensure!(head.contains(" 200 "), "{head}");
        Ok(body.to_owned())
    }

    /// Waits until something holds of its status.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        wait::until(what, LIMIT, || {
            self.process.as_mut().context("it does not run")?.check()?;
            let status = self.status()?;
            Ok(if holds(&status) {
                Seen::Yes(status)
            } else {
                Seen::NotYet(status.to_string())
            })
        })
    }

    /// Waits until it is in step.
    ///
    /// # Errors
    /// When it isn't in time.
    pub fn until_in_step(&mut self) -> Result<Value> {
        self.until("the agent to be in step", |status| {
            status["in_step"] == true
        })
    }
}

/// Each route's legs, `GATEWAY%DEVICE`, in order.
pub type Table = BTreeMap<IpNet, Vec<String>>;

/// The routes of a protocol in a node's table, in any of its tables if that is `all`.
///
/// # Errors
/// When `ip` fails.
pub fn routes(machine: &Machine, table: &str, protocol: &str) -> Result<Table> {
    let mut found = Table::new();
    for family in ["-4", "-6"] {
        let words = [
            "-N", "-j", family, "route", "show", "table", table, "proto", protocol,
        ];
        let text = match machine.run("ip", &words, None) {
            // A table that nobody has used yet.
            Err(error) if format!("{error:#}").contains("FIB table does not exist") => continue,
            text => text?,
        };
        let list: Vec<Value> = match text.trim() {
            "" => Vec::new(),
            text => serde_json::from_str(text)?,
        };
        for route in list {
            let prefix = prefix(&route["dst"], family)?;
            let mut legs: Vec<String> = match route["nexthops"].as_array() {
                Some(hops) => hops.iter().map(leg).collect(),
                None => vec![leg(&route)],
            };
            found.entry(prefix).or_default().append(&mut legs);
        }
    }
    for legs in found.values_mut() {
        legs.sort();
    }
    Ok(found)
}

fn prefix(text: &Value, family: &str) -> Result<IpNet> {
    let text = text.as_str().context("a route without a destination")?;
    let whole = if family == "-4" { "0.0.0.0/0" } else { "::/0" };
    Ok(match text {
        "default" => whole.parse()?,
        text if text.contains('/') => text.parse()?,
        text => IpNet::from(text.parse::<std::net::IpAddr>()?),
    })
}

fn leg(hop: &Value) -> String {
    let word = |key: &str| hop[key].as_str().unwrap_or_default().to_owned();
    let gateway = match hop["via"]["host"].as_str() {
        Some(other_family) => other_family.to_owned(),
        None => word("gateway"),
    };
    format!("{gateway}%{}", word("dev"))
}

/// Waits until the agent's routes on a node are exactly these: prefix and legs, `GATEWAY%DEVICE`
/// separated by spaces, in order.
///
/// # Errors
/// When they aren't in time.
pub fn until_routes(machine: &Machine, expected: &[(&str, &str)]) -> Result<()> {
    let mut table = Table::new();
    for (prefix, legs) in expected {
        let legs = legs.split_whitespace().map(str::to_owned).collect();
        table.insert(prefix.parse()?, legs);
    }
    wait::until(
        &format!("{} to have {table:?}", machine.name()),
        LIMIT,
        || {
            let seen = routes(machine, "all", PROTOCOL)?;
            Ok(if seen == table {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{seen:?}"))
            })
        },
    )
}
