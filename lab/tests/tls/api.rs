//! The command line and the API over TLS, whose certificates are exchanged
//! while requests go on.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::tls::TlsInfo;
use sdwan_http::Tls;
use sdwan_lab::daemon::Daemon;
use sdwan_lab::{harness, tools};
use serde_json::json;
use tokio::time::sleep;

use super::authority::{Authority, Pair, put, put_pair};

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// `sdwan server` on loopback; killed when dropped.
struct Server {
    process: Daemon,
    port: u16,
}

impl Server {
    /// With the certificate `api`, and what else its `tls` has.
    fn start(folder: &Path, more: serde_json::Value) -> Result<Self> {
        let mut tls = json!({"enabled": true, "cert_file": "api.pem", "key_file": "api.key"});
        for (key, value) in more.as_object().context("an object")? {
            tls[key] = value.clone();
        }
        let configuration = json!({"tls": tls});
        let (process, address) = Daemon::server(folder, &configuration)?;
        Ok(Self {
            process,
            port: address.port(),
        })
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }

    /// `gohan client router list` at this URL.
    fn list(&self, folder: &Path, url: &str, environment: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new(tools::built("gohan")?);
        command
            .current_dir(folder)
            .args(["client", "router", "list"])
            .env_clear()
            .env("GOHAN_ENDPOINT_URL", url)
            .envs(environment.iter().copied());
        Ok(command.output()?)
    }

    /// SIGHUP, and until the certificates have been read for this time.
    async fn hang_up(&self, times: usize) -> Result<()> {
        kill(
            Pid::from_raw(i32::try_from(self.process.id())?),
            Signal::SIGHUP,
        )?;
        let end = Instant::now() + LIMIT;
        let read = "certificates read again";
        while self.process.log()?.matches(read).count() < times {
            ensure!(Instant::now() < end, "{}", self.process.log()?);
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// Whether it was done, and what was said.
fn outcome(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn whom_the_command_line_believes_and_what_it_says_of_others() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let (ours, theirs) = (Authority::new("ours")?, Authority::new("theirs")?);
        put(folder, "ca.pem", &ours.pem())?;
        put(folder, "other-ca.pem", &theirs.pem())?;
        put_pair(folder, "api", &ours.sign(&["localhost"])?)?;
        let server = Server::start(folder, json!({}))?;
        let (named, addressed) = (server.url("localhost"), server.url("127.0.0.1"));
        let by_http = named.replace("https", "http");
        let believed = [("OS_CACERT", "ca.pem")];
        let done = outcome(&server.list(folder, &named, &believed)?);
        ensure!(done.0 == Some(0), "{done:?}");
        for (url, environment, said) in [
            (&addressed, &believed[..], "name it as its certificate does"),
            (
                &named,
                &[("OS_CACERT", "other-ca.pem")],
                "nobody who is trusted here",
            ),
            (
                &named,
                &[("OS_CACERT", "gone.pem")],
                "gone.pem: No such file",
            ),
            (
                &named,
                &[("OS_CACERT", "api.key")],
                "api.key: there is no certificate",
            ),
            // Without a file, the system's authorities judge, if there are any.
            (&named, &[], "certificate"),
            (&by_http, &believed, "https://"),
        ] {
            let (code, told) = outcome(&server.list(folder, url, environment)?);
            ensure!(code.is_some_and(|code| code != 0), "{url} {environment:?}");
            ensure!(told.contains(said), "{url} {environment:?}, {said}: {told}");
        }
        Ok(())
    });
}

#[test]
fn a_client_has_to_show_a_certificate_where_it_is_asked_for_one() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let (ours, clients) = (Authority::new("ours")?, Authority::new("clients")?);
        put(folder, "ca.pem", &ours.pem())?;
        put(folder, "clients.pem", &clients.pem())?;
        put_pair(folder, "api", &ours.sign(&["localhost"])?)?;
        put_pair(folder, "me", &clients.sign(&[])?)?;
        put_pair(folder, "stranger", &ours.sign(&[])?)?;
        let server = Server::start(folder, json!({"client_ca_file": "clients.pem"}))?;
        let url = server.url("localhost");
        let ca = ("OS_CACERT", "ca.pem");
        let me = [ca, ("OS_CERT", "me.pem"), ("OS_KEY", "me.key")];
        let done = outcome(&server.list(folder, &url, &me)?);
        ensure!(done.0 == Some(0), "{done:?}");
        let stranger = [ca, ("OS_CERT", "stranger.pem"), ("OS_KEY", "stranger.key")];
        for environment in [&[ca][..], &stranger] {
            let (code, told) = outcome(&server.list(folder, &url, environment)?);
            let said = told.contains("client's certificate");
            let failed = code.is_some_and(|code| code != 0);
            ensure!(failed && said, "{environment:?}: {code:?} {told}");
        }
        let (code, told) = outcome(&server.list(folder, &url, &me[..2])?);
        ensure!(
            code == Some(2) && told.contains("OS_KEY"),
            "{code:?} {told}"
        );
        Ok(())
    });
}

/// Asks again and again on one connection and for each request on a new one,
/// until told to stop. How often that was.
async fn flow(url: &str, tls: &Tls, stop: &AtomicBool) -> Result<usize> {
    let url = format!("{url}/v2.0/routers");
    let parsed = url.parse()?;
    let client = || anyhow::Ok(sdwan_http::client(&parsed, tls, LIMIT)?);
    let kept = client()?;
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        for client in [kept.clone(), client()?] {
            let answer = client.get(&url).send().await?.error_for_status()?;
            answer.bytes().await?;
            asked += 1;
        }
    }
    Ok(asked)
}

/// Which certificate a client is shown.
async fn shown(client: &reqwest::Client, url: &str) -> Result<Vec<u8>> {
    let answer = client.get(format!("{url}/healthz")).send().await?;
    let info = answer.extensions().get::<TlsInfo>();
    let shown = info.and_then(TlsInfo::peer_certificate).context("no TLS")?;
    let shown = shown.to_vec();
    answer.error_for_status()?.bytes().await?;
    Ok(shown)
}

#[test]
fn certificates_are_exchanged_while_a_watch_and_requests_go_on() {
    harness::inside_async(env!("CARGO_BIN_EXE_lab"), || async {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        let (ours, clients) = (Authority::new("ours")?, Authority::new("clients")?);
        let ca_file = Some(put(folder, "ca.pem", &ours.pem())?);
        put(folder, "clients.pem", &clients.pem())?;
        let identity = Some(put_pair(folder, "me", &clients.sign(&[])?)?);
        let tls = Tls { ca_file, identity };
        let certificates: Vec<Pair> = (0..4)
            .map(|_| ours.sign(&["localhost"]))
            .collect::<Result<_>>()?;
        put_pair(folder, "api", &certificates[0])?;
        let server = Server::start(folder, json!({"client_ca_file": "clients.pem"}))?;
        let url = server.url("localhost");
        let parsed = url.parse()?;
        let client = || anyhow::Ok(sdwan_http::builder(&parsed, &tls)?.tls_info(true).build()?);
        let kept = client()?;
        ensure!(shown(&kept, &url).await? == certificates[0].der());

        let watch = format!("{url}/v2.0/routers?watch=true");
        let watch = client()?.get(watch).send().await?.error_for_status()?;
        let mut watch = watch.bytes_stream();
        let stop = AtomicBool::new(false);
        let flows = try_join_all((0..4).map(|_| flow(&url, &tls, &stop)));
        let exchanges = async {
            for (turn, certificate) in certificates.iter().enumerate().skip(1) {
                put_pair(folder, "api", certificate)?;
                server.hang_up(turn).await?;
                let new = client()?;
                ensure!(shown(&new, &url).await? == certificate.der());
                // It is the one that stood before.
                ensure!(shown(&kept, &url).await? == certificates[0].der());
                let name = format!("R{turn}");
                let row = json!({"host_name": name, "mgmt_addr": format!("127.0.0.1:{turn}"),
                    "router_id": format!("10.0.0.{turn}"), "local_as": 65001});
                let made = new.post(format!("{url}/v2.0/routers")).json(&row).send();
                made.await?.error_for_status()?;
                let mut told = String::new();
                while !told.contains(&format!("\"{name}\"")) {
                    let part = tokio::time::timeout(LIMIT, watch.next()).await;
                    let part = part.context("the watch says nothing")?;
                    told += std::str::from_utf8(&part.context("the watch has ended")??)?;
                }
            }
            anyhow::Ok(())
        };
        let exchanges = async {
            let outcome = exchanges.await;
            stop.store(true, Ordering::Relaxed);
            outcome
        };
        let (exchanged, asked) = tokio::join!(exchanges, flows);
        exchanged?;
        let asked = asked?;
        ensure!(asked.iter().all(|&count| count > 2), "{asked:?}");
        Ok(())
    });
}
