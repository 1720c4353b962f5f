//! What is measured and what it is held against: the shipped server in its
//! default configuration, a bare gobgp client, real daemons on loopback.

use crate::daemon::Daemon;
use crate::tools::{self, Release};
use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use sdwan_gobgp::types::{Global, PeerSettings};
use sdwan_gobgp::{Client, Timeouts};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// So many calls are under way at once, ours and bare ones alike.
pub const AT_ONCE: usize = 32;

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(300);

/// A port of the loopback that is free now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// So many of them, held together until all are found, so that no two are the
/// same.
///
/// # Errors
/// When there are not as many.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()?;
    held.iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect()
}

/// An empty gobgpd on loopback.
///
/// # Errors
/// When it does not start.
pub fn gobgpd(folder: &Path, release: Release, port: u16) -> Result<Daemon> {
    let mut command = Command::new(release.folder()?.join("gobgpd"));
    command
        .args(["--pprof-disable", "--log-plain", "--log-level", "error"])
        .args(["--api-hosts", &format!("127.0.0.1:{port}")]);
    Daemon::start_here(folder, &format!("gobgpd-{port}"), command)
}

/// Connects as soon as the daemon's API answers, and says when that was.
///
/// # Errors
/// When it never does.
pub async fn connected(port: u16) -> Result<(Client, Instant)> {
    let address = format!("127.0.0.1:{port}");
    let end = Instant::now() + LIMIT;
    loop {
        match Client::connect(&address, Timeouts::default()).await {
            Ok(client) => return Ok((client, Instant::now())),
            Err(error) if Instant::now() > end => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// The address of the `index`th neighbor: nobody is there.
pub fn neighbor_address(index: usize) -> IpAddr {
    let [_, _, high, low] = u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes();
    Ipv4Addr::new(10, 99, high, low).into()
}

/// What a bare client does for one router: StartBgp, then AddPeer for each.
///
/// # Errors
/// A call that fails.
pub async fn bare_push(client: &Client, neighbors: usize) -> Result<()> {
    let global = Global {
        asn: 65001,
        router_id: "10.0.0.1".into(),
        listen_port: -1,
        ..Global::default()
    };
    client.start_bgp(&global).await?;
    futures::stream::iter(0..neighbors)
        .map(Ok::<_, anyhow::Error>)
        .try_for_each_concurrent(AT_ONCE, async |index| {
            let settings = PeerSettings::new(65000);
            Ok(client.add_peer(neighbor_address(index), &settings).await?)
        })
        .await
}

/// The server under test.
pub struct Server {
    daemon: Daemon,
    folder: tempfile::TempDir,
    endpoint: String,
    http: reqwest::Client,
}

impl Server {
    /// On a fresh database.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start() -> Result<Self> {
        Self::start_in(tempfile::tempdir()?).await
    }

    /// On the database that is in this folder.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_in(folder: tempfile::TempDir) -> Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// In this folder, with further arguments.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_with(folder: tempfile::TempDir, more: &[&str]) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(tools::built("sdwan")?);
        command
            .current_dir(folder.path())
            .args(["server", "--address", &address])
            .args(more);
        let daemon = Daemon::start_here(folder.path(), "server", command)?;
        let http = sdwan_http::local()?.timeout(LIMIT).build()?;
        let mut server = Self {
            daemon,
            folder,
            endpoint: format!("http://{address}"),
            http,
        };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&mut self) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            self.daemon.check()?;
            let answer = self.http.get(self.url("/readyz")).send().await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the server does not get ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it and gives back its folder with the database.
    ///
    /// # Errors
    /// When it can't be killed.
    pub fn kill(self) -> Result<tempfile::TempDir> {
        self.daemon.kill()?;
        Ok(self.folder)
    }

    /// The same server, with this token in every request.
    ///
    /// # Errors
    /// When it can't be one.
    pub fn with_token(mut self, token: &str) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("x-auth-token", token.parse()?);
        let http = sdwan_http::local()?.timeout(LIMIT);
        self.http = http.default_headers(headers).build()?;
        Ok(self)
    }

    /// What it keeps its files in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Where its API listens, as the other servers know it.
    pub fn address(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    /// For requests of one's own.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Creates one row and gives its id.
    ///
    /// # Errors
    /// A refusal, in the server's words.
    pub async fn create(&self, plural: &str, body: &Value) -> Result<String> {
        let answer = self
            .http
            .post(self.url(&format!("/v2.0/{plural}")))
            .json(body)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("POST {plural}: {status}: {text}");
        }
        let wrapped: Value = serde_json::from_str(&text)?;
        let row = wrapped.as_object().and_then(|o| o.values().next());
        let id = row
            .and_then(|r| r["id"].as_str())
            .context("no id in the answer")?;
        Ok(id.to_owned())
    }

    /// A router whose gobgpd listens on this port of the loopback.
    ///
    /// # Errors
    /// A refusal.
    pub async fn create_router(&self, name: &str, port: u16, number: usize) -> Result<String> {
        let [_, _, high, low] = u32::try_from(number)?.to_be_bytes();
        let body = json!({
            "host_name": name, "mgmt_addr": format!("127.0.0.1:{port}"), "local_as": 65001,
            "router_id": format!("10.0.{high}.{low}"), "listen_port": 0,
        });
        self.create("routers", &body).await
    }

    /// Neighbors of one router, so many requests at once.
    ///
    /// # Errors
    /// A refusal.
    pub async fn create_neighbors(&self, router: &str, count: usize, at_once: usize) -> Result<()> {
        futures::stream::iter(0..count)
            .map(Ok::<_, anyhow::Error>)
            .try_for_each_concurrent(at_once, async |index| {
                let body = json!({
                    "host_name": router, "neighbor_addr": neighbor_address(index), "peer_as": 65000,
                });
                self.create("neighbors", &body).await.map(drop)
            })
            .await
    }

    /// How many rows a filter finds.
    ///
    /// # Errors
    /// When the answer has no count.
    pub async fn count(&self, plural: &str, filter: &str) -> Result<usize> {
        let url = self.url(&format!("/v2.0/{plural}?limit=1&{filter}"));
        let answer = self.http.get(url).send().await?.error_for_status()?;
        let count = answer
            .headers()
            .get("x-total-count")
            .context("no X-Total-Count")?;
        Ok(count.to_str()?.parse()?)
    }

    /// Until `count` neighbors are DOWN: applied, and nobody there to talk to.
    ///
    /// # Errors
    /// When that does not happen.
    pub async fn until_applied(&self, count: usize) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let applied = self.count("neighbors", "status=DOWN").await?;
            if applied == count {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "only {applied} of {count} neighbors are applied"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
