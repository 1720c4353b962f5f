//! The audit on its way through a real rsyslog: what arrives there is what the files have, and a
//! cut is found against the heads that it keeps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::bench::free_port;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::{harness, tools};
use serde_json::{Value, json};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// Neighbors of one change: so many make an entry that is too long for syslog.
const NEIGHBORS: usize = 40;

/// An rsyslog that listens like a machine's own and for other machines, and keeps it all.
struct Rsyslog {
    daemon: Daemon,
    socket: PathBuf,
    port: u16,
    file: PathBuf,
}

impl Rsyslog {
    fn start(folder: &Path) -> Result<Self> {
        let (socket, file) = (folder.join("log"), folder.join("syslog"));
        // Of UDP, too: nobody else is in this world.
        let port = free_port()?;
        let configuration = folder.join("rsyslog.conf");
        let text = format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             module(load=\"imudp\")\n\
             input(type=\"imuxsock\" Socket=\"{}\")\n\
             input(type=\"imudp\" Address=\"127.0.0.1\" Port=\"{port}\")\n\
             action(type=\"omfile\" File=\"{}\")\n",
            socket.display(),
            file.display()
        );
        fs::write(&configuration, text)?;
        let mut command = Command::new(tools::tool("rsyslogd")?);
        command.arg("-n").arg("-f").arg(&configuration);
        command.arg("-i").arg(folder.join("rsyslog.pid"));
        command.arg("-M").arg(tools::rsyslog_modules()?);
        let mut daemon = Daemon::start_here(folder, "rsyslogd", command)?;
        daemon.wait_for_file(&socket)?;
        Ok(Self {
            daemon,
            socket,
            port,
            file,
        })
    }

    /// The audit's messages so far.
    fn messages(&self) -> Result<Vec<String>> {
        let text = match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        // Of a message by RFC 5424 rsyslog writes no colon after the process.
        let messages = text.lines().filter_map(|line| {
            let (_, tagged) = line.split_once(" sdwan-audit[")?;
            let (_, message) = tagged.split_once(']')?;
            Some(message.trim_start_matches(':').trim_start().to_owned())
        });
        Ok(messages.collect())
    }
}

/// A server whose audit goes to syslog as well, a few changes later; gives its audit's file.
async fn audited(folder: &Path, syslog: &str) -> Result<PathBuf> {
    let configuration = json!({ "audit": { "file": "audit", "syslog": syslog } });
    let (server, address) = Daemon::server(folder, &configuration)?;
    let http = sdwan_http::local()?.timeout(LIMIT).build()?;
    let router = json!({"host_name": "R", "router_id": "10.0.1.1", "local_as": 65001,
        "mgmt_addr": "127.0.0.103"});
    let neighbors = (1..=NEIGHBORS).map(|last| {
        json!({"op": "create", "kind": "neighbor", "body": {"host_name": "R", "peer_as": 65002,
            "neighbor_addr": format!("198.18.0.{last}")}})
    });
    let whole = json!({ "changes": neighbors.collect::<Vec<_>>() });
    for (path, body) in [
        ("/v2.0/routers", json!({ "router": router })),
        ("/sdwan/v1/transaction", whole),
    ] {
        let answer = http.post(format!("http://{address}{path}")).json(&body);
        let answer = answer.send().await?;
        let done = answer.status().is_success();
        ensure!(done, "{path}: {}", answer.text().await?);
    }
    server.stop()?;
    Ok(folder.join("audit"))
}

fn verify(audit: &Path, heads: &Path) -> Result<Output> {
    let mut command = Command::new(tools::built("sdwan")?);
    command.current_dir(audit.parent().context("a file in no folder")?);
    command.args(["audit", "verify"]).arg(audit);
    Ok(command.arg("--heads").arg(heads).output()?)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// The entries' numbers, as text that is JSON has them.
fn numbers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u64> {
    let entries = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter_map(|entry| entry["seq"].as_u64()).collect()
}

async fn is_kept_by_rsyslog(syslog: impl Fn(&Rsyslog) -> String) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let rsyslog = Rsyslog::start(folder.path())?;
    let own = folder.path().join("server");
    fs::create_dir(&own)?;
    let audit = audited(&own, &syslog(&rsyslog)).await?;
    let text = fs::read_to_string(&audit)?;
    let written = numbers(text.lines());
    // The file's own first line is in no message: it is no entry.
    let last = format!("seq={} ", written.last().context("no entry")?);
    let messages = wait::until("the last head to be kept", LIMIT, || {
        let messages = rsyslog.messages()?;
        let kept = messages
            .iter()
            .any(|message| message.starts_with("audit head server=") && message.contains(&last));
        Ok(match kept {
            true => Seen::Yes(messages),
            false => Seen::NotYet(messages.join("\n")),
        })
    })?;
    let sent = numbers(messages.iter().map(String::as_str));
    ensure!(sent == written[1..], "{sent:?} of {written:?}");
    let cut = messages.iter().filter(|m| m.contains("\"cut\":true"));
    ensure!(cut.count() == 1, "{messages:?}");

    let output = verify(&audit, &rsyslog.file)?;
    ensure!(output.status.success(), "{}", told(&output));
    ensure!(
        told(&output).contains("published heads that fit: 2"),
        "{}",
        told(&output)
    );
    let shorter: Vec<&str> = text.split_inclusive('\n').collect();
    fs::write(&audit, shorter[..shorter.len() - 1].concat())?;
    let output = verify(&audit, &rsyslog.file)?;
    ensure!(output.status.code() == Some(1), "{}", told(&output));
    ensure!(told(&output).contains("cut off"), "{}", told(&output));
    fs::write(&audit, text)?;
    rsyslog.daemon.stop()?;
    Ok(())
}

#[test]
fn the_machines_own_daemon_keeps_every_entry_and_the_heads() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        is_kept_by_rsyslog(|rsyslog| rsyslog.socket.display().to_string()).await
    });
}

#[test]
fn another_machines_daemon_keeps_every_entry_and_the_heads() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        is_kept_by_rsyslog(|rsyslog| format!("udp://127.0.0.1:{}", rsyslog.port)).await
    });
}
