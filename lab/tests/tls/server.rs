//! The server and a gobgpd that asks who it is, whose certificates are
//! exchanged while all goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sdwan_lab::bench::free_port;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::{harness, tools};
use serde_json::{Value, json};

use super::authority::{Authority, put, put_pair};
use super::gobgpd::Door;

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// `sdwan server`, with one router; killed when dropped.
struct Server {
    process: Daemon,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let configuration = json!({"gobgpd": {"tls": {"enabled": true, "ca_file": "ca.pem",
            "cert_file": "me.pem", "key_file": "me.key"}}});
        let (process, address) = Daemon::server(folder, &configuration)?;
        Ok(Self {
            process,
            endpoint: format!("http://{address}"),
        })
    }

    fn client(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(tools::built("sdwan")?);
        command.arg("client").args(words).env_clear();
        command.env("GOHAN_ENDPOINT_URL", &self.endpoint);
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{}", text(&output.stderr));
        Ok(text(&output.stdout))
    }

    /// Waits until a row has this status.
    fn until(&mut self, kind: &str, name: &str, status: &str) -> Result<()> {
        self.until_shown(kind, name, |row| row["status"] == status)
    }

    /// Waits until something holds of a row.
    fn until_shown(
        &mut self,
        kind: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        wait::until(&format!("{kind} {name}"), LIMIT, || {
            self.process.check()?;
            let row = self.client(&[kind, "show", name, "-o", "json"])?;
            let row: Value = serde_json::from_str(&row)?;
            let row = row.get(kind).unwrap_or(&row);
            Ok(match holds(row) {
                true => Seen::Yes(()),
                false => Seen::NotYet(row.to_string()),
            })
        })
    }

    /// SIGHUP, and until the log has said `times` times how that went.
    fn hang_up(&self, said: &str, times: usize) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.process.id())?);
        kill(id, Signal::SIGHUP)?;
        wait::until(said, LIMIT, || {
            Ok(match self.count(said)? {
                count if count == times => Seen::Yes(()),
                count => Seen::NotYet(count.to_string()),
            })
        })
    }

    /// How many lines of the log have this.
    fn count(&self, said: &str) -> Result<usize> {
        let log = self.process.log()?;
        Ok(log.lines().filter(|line| line.contains(said)).count())
    }
}

const READ: &str = "certificates read again";
const KEPT: &str = "the old certificates stay in use";
const WATCHING: &str = "watching sessions";

#[test]
fn its_certificates_are_read_again_while_all_goes_on() {
    let body = |release| {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let ours = Authority::new("ours")?;
        let clients = ["one", "two", "three"].map(Authority::new);
        let [one, two, three] = clients;
        let (one, two, three) = (one?, two?, three?);
        put(folder, "ca.pem", &ours.pem())?;
        put_pair(folder, "me", &one.sign(&[])?)?;
        let door = Door::new(release, folder, &ours)?;
        let gobgpd = door.gobgpd(&[&one, &two])?;
        let mut server = Server::start(folder)?;
        let there = door.address.to_string();
        let router = ["--router_id", "10.0.0.1", "--local_as", "65001"];
        let create = ["router", "create", "--host_name", "R", "--listen_port", "0"];
        let create = [&create[..], &router, &["--mgmt_addr", &there]].concat();
        server.client(&create)?;
        server.until("router", "R", "ACTIVE")?;

        // The connection that stands is kept; the next one has the new ones.
        put_pair(folder, "me", &two.sign(&[])?)?;
        server.hang_up(READ, 1)?;
        let neighbor = ["--host_name", "R", "--neighbor_addr", "192.0.2.1"];
        let create = ["neighbor", "create", "--peer_as", "65002"];
        server.client(&[&create[..], &neighbor].concat())?;
        server.until("neighbor", "192.0.2.1", "DOWN")?;
        ensure!(server.count("connection lost")? == 0 && server.count(WATCHING)? == 1);
        gobgpd.kill()?;
        let gobgpd = door.gobgpd(&[&two])?;
        wait::until("the router to be watched again", LIMIT, || {
            Ok(match server.count(WATCHING)? {
                2 => Seen::Yes(()),
                count => Seen::NotYet(count.to_string()),
            })
        })?;
        server.until("router", "R", "ACTIVE")?;

        // What can't be used never takes the place of what can.
        put(folder, "me.pem", "no PEM")?;
        server.hang_up(KEPT, 1)?;
        ensure!(
            server.count("gobgpd.tls: ")? == 1,
            "{}",
            server.process.log()?
        );
        gobgpd.kill()?;
        let gobgpd = door.gobgpd(&[&two])?;
        server.until("router", "R", "ACTIVE")?;

        // Where they came too late, they help at once.
        gobgpd.kill()?;
        let gobgpd = door.gobgpd(&[&three])?;
        server.until_shown("router", "R", |row| {
            let why = row["status_reason"].as_str().unwrap_or_default();
            why.contains("client's certificate")
        })?;
        put_pair(folder, "me", &three.sign(&[])?)?;
        server.hang_up(READ, 2)?;
        server.until("router", "R", "ACTIVE")?;
        gobgpd.kill()
    };
    let releases = [Release::V3_36, Release::V4_8];
    let test = harness::test_of(&body);
    harness::on_each(env!("CARGO_BIN_EXE_lab"), test, &releases, body);
}

#[test]
fn without_any_there_is_nothing_to_read() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(tools::built("sdwan")?);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()?));
        command
            .current_dir(folder.path())
            .args(["server", "--address", &address.to_string()]);
        let mut process = Daemon::start_here(folder.path(), "sdwan-server", command)?;
        process.wait_for_address(address)?;
        let server = Server {
            process,
            endpoint: format!("http://{address}"),
        };
        server.hang_up("nothing to read again: no TLS is configured", 1)
    });
}
