//! One gobgpd of a fleet, and bare calls to it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ipnet::IpNet;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{
    Family, Global, Path, PathFilter, Peer, PeerFilter, PeerSettings, SessionState,
};
use sdwan_gobgp::{Client, Timeouts};

use super::Fleet;
use crate::daemon::{Daemon, GOBGPD_PORT};
use crate::tools::Release;
use crate::wait::{self, Seen};

/// Longer than a gobgpd's hold time (90 s) and connect-retry time (120 s) together: two that call
/// each other at once may lose both connections, one unseen.
const LIMIT: Duration = Duration::from_secs(240);

/// A running gobgpd; killed when dropped.
pub struct Gobgpd {
    fleet: Fleet,
    node: &'static str,
    release: Release,
    daemon: Option<Daemon>,
    client: Client,
}

impl Gobgpd {
    pub(super) fn start(
        fleet: &Fleet,
        node: &'static str,
        release: Release,
        configuration: Option<&str>,
    ) -> Result<Self> {
        let machine = fleet.machine(node)?;
        let daemon = match configuration {
            None => Daemon::gobgpd(machine, release)?,
            Some(text) => {
                fs::write(machine.folder().join("gobgpd.toml"), text)?;
                let mut command = machine.command("gobgpd", Some(release))?;
                command.args(["--pprof-disable", "--log-plain", "-f", "gobgpd.toml"]);
                let mut daemon = Daemon::start(machine, "gobgpd", command)?;
                daemon.wait_for_port(machine, GOBGPD_PORT)?;
                daemon
            }
        };
        let address = format!("{}:{GOBGPD_PORT}", fleet.management(node)?);
        let client = fleet.run(connect(&address))?;
        Ok(Self {
            fleet: fleet.clone(),
            node,
            release,
            daemon: Some(daemon),
            client,
        })
    }

    /// Kills it, as a power failure would. What it knew is gone.
    ///
    /// # Errors
    /// When it can't be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), Daemon::kill)
    }

    /// Kills it and starts it again, empty and with no configuration.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        *self = Self::start(&self.fleet.clone(), self.node, self.release, None)?;
        Ok(())
    }

    /// Stops it where it stands: it takes connections and answers nothing.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.running()?.freeze()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.running()?.thaw()
    }

    fn running(&self) -> Result<&Daemon> {
        self.daemon.as_ref().context("gobgpd does not run")
    }

    /// Where it is managed: `host:port`.
    ///
    /// # Errors
    /// None in practice: its node is there.
    pub fn management(&self) -> Result<String> {
        let address = self.fleet.management(self.node)?;
        Ok(format!("{address}:{GOBGPD_PORT}"))
    }

    /// The address of its sessions.
    ///
    /// # Errors
    /// None in practice: its node is there.
    pub fn wan(&self) -> Result<Ipv4Addr> {
        self.fleet.wan(self.node)
    }

    /// For calls that have no name here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs GoBGP's own CLI against it, as an operator would; arguments are split at spaces.
    ///
    /// # Errors
    /// With what it said.
    pub fn cli(&self, line: &str) -> Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let machine = self.fleet.machine(self.node)?;
        wait::quietly(line, LIMIT, || {
            match machine.run("gobgp", &words, Some(self.release)) {
                // Version 3's gives up a connection that takes a second, before it asks for
                // anything: the machine is slow.
                Err(error) if format!("{error:#}").contains("context deadline exceeded") => {
                    Ok(Seen::NotYet(format!("{error:#}")))
                }
                outcome => outcome.map(Seen::Yes),
            }
        })
    }

    /// StartBgp, its own session address as router-id.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn start_bgp(&self, asn: u32) -> Result<()> {
        let global = Global {
            asn,
            router_id: self.wan()?.to_string(),
            ..Global::default()
        };
        Ok(self.fleet.run(self.client.start_bgp(&global))?)
    }

    /// The AS that it runs; 0 before BGP is started.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn asn(&self) -> Result<u32> {
        Ok(self.fleet.run(self.client.get_bgp())?.asn)
    }

    /// AddPeer.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn add_peer(&self, address: Ipv4Addr, settings: &PeerSettings) -> Result<()> {
        let call = self.client.add_peer(address.into(), settings);
        Ok(self.fleet.run(call)?)
    }

    /// DeletePeer.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn delete_peer(&self, address: Ipv4Addr) -> Result<()> {
        let address = address.to_string();
        Ok(self.fleet.run(self.client.delete_peer(&address))?)
    }

    /// All peers.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn peers(&self) -> Result<Vec<Peer>> {
        let call = self.client.list_peers(PeerFilter::default());
        Ok(self.fleet.run(call)?)
    }

    /// One peer, where it has it.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn peer(&self, address: Ipv4Addr) -> Result<Option<Peer>> {
        let address = IpAddr::from(address);
        let found = |peer: &Peer| peer.address() == Some(address);
        Ok(self.peers()?.into_iter().find(found))
    }

    /// One peer that must be there.
    ///
    /// # Errors
    /// When it isn't.
    pub fn expect_peer(&self, address: Ipv4Addr) -> Result<Peer> {
        let peer = self.peer(address)?;
        peer.with_context(|| format!("{} has no peer {address}", self.node))
    }

    /// How often the session with a peer fell. Only 4.8 counts.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn falls(&self, address: Ipv4Addr) -> Result<u32> {
        Ok(self.expect_peer(address)?.state.flaps)
    }

    /// Waits until the session with a peer is established.
    ///
    /// # Errors
    /// When it isn't in time.
    pub fn until_established(&self, address: Ipv4Addr) -> Result<()> {
        self.until_peer(address, "to be established", |peer| {
            peer.state.session == SessionState::Established
        })
    }

    /// Waits until the session with a peer is not established any more.
    ///
    /// # Errors
    /// When it is for too long.
    pub fn until_fallen(&self, address: Ipv4Addr) -> Result<()> {
        self.until_peer(address, "to be down", |peer| {
            peer.state.session != SessionState::Established
        })
    }

    /// Waits until something holds of a peer.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub fn until_peer(
        &self,
        address: Ipv4Addr,
        what: &str,
        holds: impl Fn(&Peer) -> bool,
    ) -> Result<()> {
        let what = format!("{}'s peer {address} {what}", self.node);
        wait::until(&what, LIMIT, || {
            Ok(match self.peer(address)? {
                Some(peer) if holds(&peer) => Seen::Yes(()),
                Some(peer) => Seen::NotYet(format!("{:?} {:?}", peer.state.session, peer.timers)),
                None => Seen::NotYet("no such peer".to_owned()),
            })
        })
    }

    /// Waits until it has no such peer.
    ///
    /// # Errors
    /// When it has for too long.
    pub fn until_no_peer(&self, address: Ipv4Addr) -> Result<()> {
        let what = format!("{} to have no peer {address}", self.node);
        wait::until(&what, LIMIT, || {
            Ok(match self.peer(address)? {
                None => Seen::Yes(()),
                Some(peer) => Seen::NotYet(format!("{:?}", peer.state.session)),
            })
        })
    }

    /// Adds a route of its own to its table.
    ///
    /// # Errors
    /// For text that is no prefix; gobgpd's.
    pub fn announce(&self, prefix: &str) -> Result<()> {
        let prefix: IpNet = prefix.parse()?;
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::default()),
            next_hop: Some(self.wan()?.into()),
            ..Attributes::default()
        };
        let path = Path::new(prefix, attributes);
        self.fleet.run(self.client.add_path(&path))?;
        Ok(())
    }

    /// The paths to a prefix in its table: what its neighbors really sent.
    ///
    /// # Errors
    /// gobgpd's.
    pub fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let filter = PathFilter::global(Family::IPV4_UNICAST);
        let table = self.fleet.run(self.client.list_paths(&filter))?;
        let found = table.into_iter().filter(|d| d.prefix == prefix);
        Ok(found.flat_map(|destination| destination.paths).collect())
    }

    /// Waits until it holds exactly one path to a prefix, and something holds of that one.
    ///
    /// # Errors
    /// When that isn't so in time.
    pub fn until_route(
        &self,
        prefix: &str,
        what: &str,
        holds: impl Fn(&Attributes) -> bool,
    ) -> Result<Attributes> {
        let what = format!("{} to hold {prefix} {what}", self.node);
        wait::until(&what, LIMIT, || {
            let paths = self.paths(prefix)?;
            Ok(match paths.as_slice() {
                [path] if holds(&path.attributes) => Seen::Yes(path.attributes.clone()),
                paths => Seen::NotYet(format!(
                    "{:?}",
                    paths
                        .iter()
                        .map(|path| &path.attributes)
                        .collect::<Vec<_>>()
                )),
            })
        })
    }

    /// Waits until it holds no path to a prefix.
    ///
    /// # Errors
    /// When it holds one for too long.
    pub fn until_no_route(&self, prefix: &str) -> Result<()> {
        let what = format!("{} not to hold {prefix}", self.node);
        wait::until(&what, LIMIT, || {
            let paths = self.paths(prefix)?;
            Ok(match paths.len() {
                0 => Seen::Yes(()),
                count => Seen::NotYet(format!("{count} paths")),
            })
        })
    }
}

/// Its port takes connections already, so it answers in a moment.
async fn connect(address: &str) -> Result<Client> {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        match Client::connect(address, Timeouts::default()).await {
            Ok(client) => return Ok(client),
            Err(error) if tokio::time::Instant::now() > end => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
