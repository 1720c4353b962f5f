//! The agent and a gobgpd that asks who it is.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{Global, Path as Route};
use sdwan_gobgp::{Client, Identity, Options, Timeouts, Tls};
use sdwan_lab::bench::free_port;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::{harness, tools};
use tokio::runtime::Runtime;

use super::authority::{Authority, Pair, put, put_pair};
use super::gobgpd::Door;

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

fn on<F: FnOnce(Release) -> Result<()>>(releases: &[Release], body: F) {
    let test = harness::test_of(&body);
    harness::on_each(env!("CARGO_BIN_EXE_lab"), test, releases, body);
}

/// `sdwan agent --once --dry-run` with these words: its exit code, what it
/// printed and what it said.
fn once(folder: &Path, words: &[&str]) -> Result<(i32, String, String)> {
    let mut command = Command::new(tools::built("sdwan")?);
    command.current_dir(folder);
    command.args(["agent", "--once", "--dry-run"]).args(words);
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().context("a signal")?;
    Ok((code, text(&output.stdout), text(&output.stderr)))
}

/// BGP, and one route that leads nowhere.
async fn with_a_route(address: SocketAddr, tls: Tls) -> Result<()> {
    let options = Options {
        timeouts: Timeouts::default(),
        tls: Some(tls),
    };
    let client = Client::connect(&address.to_string(), options).await?;
    let global = Global {
        asn: 65001,
        router_id: "10.0.0.1".into(),
        listen_port: -1,
        ..Global::default()
    };
    client.start_bgp(&global).await?;
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::default()),
        next_hop: Some("192.0.2.1".parse()?),
        ..Attributes::default()
    };
    let prefix: IpNet = "198.51.100.0/24".parse()?;
    client.add_path(&Route::new(prefix, attributes)).await?;
    Ok(())
}

fn tls(ours: &Authority, me: &Pair) -> Tls {
    let (certificate, key) = me.pem();
    Tls {
        ca: ours.pem(),
        identity: Some(Identity {
            certificate,
            key: key.into(),
        }),
        server_name: None,
    }
}

#[test]
fn the_agent_shows_who_it_is_and_says_what_is_wrong() {
    on(&[Release::V3_36, Release::V4_8], |release| {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let (ours, theirs) = (Authority::new("ours")?, Authority::new("theirs")?);
        let me = ours.sign(&[])?;
        put(folder, "ca.pem", &ours.pem())?;
        put(folder, "other-ca.pem", &theirs.pem())?;
        put_pair(folder, "me", &me)?;
        put_pair(folder, "stranger", &theirs.sign(&[])?)?;
        let door = Door::new(release, folder, &ours)?;
        let gobgpd = door.gobgpd(&[&ours])?;
        Runtime::new()?.block_on(with_a_route(door.address, tls(&ours, &me)))?;
        let there = format!("--gobgpd={}", door.address);
        let by_name = format!("--gobgpd=localhost:{}", door.address.port());
        let ca = "--gobgpd-ca-file=ca.pem";
        let known = ["--gobgpd-cert-file=me.pem", "--gobgpd-key-file=me.key"];
        let known = |more: &[&'static str]| [&[ca], &known[..], more].concat();
        let strange = [
            ca,
            "--gobgpd-cert-file=stranger.pem",
            "--gobgpd-key-file=stranger.key",
        ];
        let other_ca = "--gobgpd-ca-file=other-ca.pem";

        for (gobgpd, words) in [
            (&there, known(&[])),
            (&by_name, known(&["--gobgpd-server-name=127.0.0.1"])),
        ] {
            let (code, out, err) = once(folder, &[&[gobgpd.as_str()], &words[..]].concat())?;
            let told = out.contains("unresolved  198.51.100.0/24");
            ensure!(code == 0 && told, "{words:?}: {code}\n{out}{err}");
        }
        for (gobgpd, words, said) in [
            (&there, vec![], "TLS"),
            (&there, vec![ca], "a client's certificate"),
            (&there, strange.to_vec(), "client's certificate"),
            (&there, vec![other_ca], "nobody who is trusted here"),
            (&by_name, known(&[]), "name it as its certificate does"),
            (&there, vec!["--gobgpd-ca-file=me.key"], "certificate"),
            (&there, vec!["--gobgpd-ca-file=gone.pem"], "gone.pem"),
        ] {
            let (code, out, err) = once(folder, &[&[gobgpd.as_str()], &words[..]].concat())?;
            let told = code == 1 && out.is_empty() && err.contains(said);
            ensure!(told, "{words:?}, {said}: {code}\n{out}{err}");
        }
        fs::set_permissions(folder.join("me.key"), Permissions::from_mode(0o644))?;
        let (code, _, err) = once(folder, &[&[there.as_str()], &known(&[])[..]].concat())?;
        ensure!(code == 1 && err.contains("chmod 600"), "{code}\n{err}");
        gobgpd.kill()
    });
}

#[test]
fn a_gobgpd_without_tls_says_so_and_one_that_asks_nobody_takes_all() {
    on(&[Release::V3_10], |release| {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let ours = Authority::new("ours")?;
        let me = ours.sign(&[])?;
        put(folder, "ca.pem", &ours.pem())?;
        put_pair(folder, "me", &me)?;
        let words = [
            "--gobgpd-ca-file=ca.pem",
            "--gobgpd-cert-file=me.pem",
            "--gobgpd-key-file=me.key",
        ];
        let plain = free_port()?;
        let gobgpd = sdwan_lab::bench::subject::gobgpd(folder, release, plain)?;
        let there = format!("--gobgpd=127.0.0.1:{plain}");
        wait::until("the error of a gobgpd without TLS", LIMIT, || {
            let (code, _, err) = once(folder, &[&[there.as_str()], &words[..]].concat())?;
            ensure!(code == 1, "{code}\n{err}");
            Ok(match err.contains("it speaks no TLS there") {
                true => Seen::Yes(()),
                false => Seen::NotYet(err),
            })
        })?;
        gobgpd.kill()?;

        let door = Door::new(release, folder, &ours)?;
        let gobgpd = door.gobgpd(&[])?;
        Runtime::new()?.block_on(with_a_route(door.address, tls(&ours, &me)))?;
        let there = format!("--gobgpd={}", door.address);
        for words in [&words[..1], &words] {
            let (code, out, err) = once(folder, &[&[there.as_str()], words].concat())?;
            ensure!(code == 0, "{words:?}: {code}\n{out}{err}");
        }
        gobgpd.kill()
    });
}

#[test]
fn an_agent_comes_back_to_a_gobgpd_that_asks_who_it_is() {
    on(&[Release::V3_36, Release::V4_8], |release| {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let ours = Authority::new("ours")?;
        put(folder, "ca.pem", &ours.pem())?;
        let me = ours.sign(&[])?;
        put_pair(folder, "me", &me)?;
        let door = Door::new(release, folder, &ours)?;
        let gobgpd = door.gobgpd(&[&ours])?;
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(tools::built("sdwan")?);
        command
            .current_dir(folder)
            .args(["agent", "--gobgpd", &door.address.to_string()])
            .args(["--gobgpd-ca-file=ca.pem", "--gobgpd-cert-file=me.pem"])
            .args(["--gobgpd-key-file=me.key", "--table=4000"])
            .args(["--listen", &listen.to_string()]);
        let mut agent = Daemon::start_here(folder, "sdwan-agent", command)?;
        agent.wait_for_address(listen)?;
        let runtime = Runtime::new()?;
        let http = sdwan_http::local()?.timeout(LIMIT).build()?;
        let mut until = |connected: &str| {
            let line = format!("sdwan_fib_gobgpd_connected {connected}");
            wait::until(&line, LIMIT, || {
                agent.check()?;
                let request = http.get(format!("http://{listen}/metrics"));
                let text = runtime.block_on(async { request.send().await?.text().await })?;
                Ok(match text.lines().any(|told| told == line) {
                    true => Seen::Yes(()),
                    false => Seen::NotYet(text),
                })
            })
        };
        let started = || runtime.block_on(with_a_route(door.address, tls(&ours, &me)));
        started()?;
        until("1")?;
        gobgpd.kill()?;
        until("0")?;
        let gobgpd = door.gobgpd(&[&ours])?;
        started()?;
        until("1")?;
        gobgpd.kill()
    });
}
