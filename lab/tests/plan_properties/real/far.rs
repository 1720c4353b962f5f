//! A neighbor: a real gobgpd that holds whatever the router sends it, and its
//! own `gobgp monitor adj-in`, which prints every route and every withdrawal
//! in the order in which they came: a route that was there for a moment is
//! told of, too.

use super::routes::{Probe, Route};
use anyhow::{Context as _, Result};
use ipnet::IpNet;
use sdwan_gobgp::bgp::{AsPath, Attributes, Nlri, Origin};
use sdwan_gobgp::types::{
    AfiSafiSettings, Family, Global, Path, PathFilter, PathId, PeerFilter, PeerSettings,
    SessionState, TableType,
};
use sdwan_lab::daemon::Daemon;
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::tools::Release;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;

/// It dials one second after it was told of the router; other releases take
/// longer.
pub(crate) const RELEASE: Release = Release::V3_36;

/// An AS that is in no path: gobgpd takes its own for a loop, also on a
/// session on which it is another, and its monitor leaves such routes out.
const AS: u32 = 64999;

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// See the module.
pub(crate) struct Far {
    /// Its session's address.
    pub(crate) address: IpAddr,
    router: IpAddr,
    fleet: Fleet,
    gobgpd: Gobgpd,
    announced: Vec<PathId>,
    said: File,
    /// A line that is not whole yet.
    rest: String,
    node: &'static str,
    monitor: Daemon,
}

/// What the router told it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) prefix: IpNet,
    /// `None` is a withdrawal.
    pub(crate) route: Option<Route>,
}

impl Far {
    /// Starts it on a node; it keeps to itself until [`Self::dial`].
    pub(crate) fn start(
        fleet: &Fleet,
        node: &'static str,
        address: IpAddr,
        router: IpAddr,
    ) -> Result<Self> {
        let gobgpd = fleet.gobgpd(node, RELEASE)?;
        let global = Global {
            asn: AS,
            router_id: gobgpd.wan()?.to_string(),
            // It is always the one to connect: two connections at once would
            // be in each other's way.
            listen_port: -1,
            ..Global::default()
        };
        fleet.run(gobgpd.client().start_bgp(&global))?;
        let (monitor, said) = monitor(fleet, node)?;
        Ok(Self {
            address,
            router,
            fleet: fleet.clone(),
            gobgpd,
            announced: Vec::new(),
            said,
            rest: String::new(),
            node,
            monitor,
        })
    }

    /// Whether its monitor tells something, which goes unread. `gobgp` gives
    /// up a connection that takes a second: then it is started again.
    pub(crate) fn is_heard(&mut self) -> Result<bool> {
        if self.monitor.check().is_ok() {
            return Ok(self.told().is_ok_and(|told| !told.is_empty()));
        }
        self.rest.clear();
        (self.monitor, self.said) = monitor(&self.fleet, self.node)?;
        Ok(false)
    }

    /// Connects to the router anew, as whom that expects.
    pub(crate) fn dial(&self, asn: u32, password: &SecretString) -> Result<()> {
        self.hang_up()?;
        let settings = PeerSettings {
            local_asn: Some(asn),
            auth_password: Some(password.clone()),
            local_address: Some(self.address),
            afi_safis: Some(FAMILIES.map(AfiSafiSettings::from).to_vec()),
            ..PeerSettings::new(super::AS)
        };
        let call = self.gobgpd.client().add_peer(self.router, &settings);
        Ok(self.fleet.run(call)?)
    }

    /// Ends its session and does not connect again.
    pub(crate) fn hang_up(&self) -> Result<()> {
        let there = self
            .fleet
            .run(self.gobgpd.client().list_peers(PeerFilter::default()))?;
        for peer in there {
            let spelled = &peer.conf.neighbor_address;
            self.fleet.run(self.gobgpd.client().delete_peer(spelled))?;
        }
        Ok(())
    }

    /// Whether its session is established.
    pub(crate) fn is_up(&self) -> Result<bool> {
        let peers = self
            .fleet
            .run(self.gobgpd.client().list_peers(PeerFilter::default()))?;
        let mut up = peers.iter().map(|peer| peer.state.session);
        Ok(up.any(|session| session == SessionState::Established))
    }

    /// Announces these of its own.
    pub(crate) fn announce(&mut self, probes: &[Probe]) -> Result<()> {
        self.announced
            .extend(announce(&self.fleet, &self.gobgpd, probes)?);
        Ok(())
    }

    /// Announces nothing any more.
    pub(crate) fn forget(&mut self) -> Result<()> {
        let client = self.gobgpd.client();
        let calls = self.announced.iter().map(|id| client.delete_path_by_id(id));
        self.fleet.run(futures::future::try_join_all(calls))?;
        self.announced.clear();
        Ok(())
    }

    /// What it was told since it was asked last.
    pub(crate) fn told(&mut self) -> Result<Vec<Told>> {
        self.said.read_to_string(&mut self.rest)?;
        let Some(end) = self.rest.rfind('\n') else {
            return Ok(Vec::new());
        };
        let lines: String = self.rest.drain(..=end).collect();
        let mut told = Vec::new();
        for line in lines.lines() {
            let paths: Vec<Value> = serde_json::from_str(line).with_context(|| line.to_owned())?;
            for path in paths {
                told.push(read(&path).with_context(|| line.to_owned())?);
            }
        }
        Ok(told)
    }

    /// What it holds of the router's.
    pub(crate) fn holds(&self) -> Result<BTreeMap<IpNet, Route>> {
        if !self.is_up()? {
            return Ok(BTreeMap::new());
        }
        table(&self.fleet, &self.gobgpd, |family| PathFilter {
            table: TableType::AdjIn,
            name: self.router.to_string(),
            ..PathFilter::global(family)
        })
    }
}

/// Starts a node's monitor; the file has what it says from now on.
fn monitor(fleet: &Fleet, node: &str) -> Result<(Daemon, File)> {
    let machine = fleet.machine(node)?;
    let mut command = machine.command("gobgp", Some(RELEASE))?;
    // What is there already is printed as if it came then.
    command.args(["monitor", "adj-in", "--current", "--json"]);
    let log = machine.folder().join("monitor.log");
    let before = std::fs::metadata(&log).map_or(0, |log| log.len());
    let monitor = Daemon::start(machine, "monitor", command)?;
    let mut said = File::open(log)?;
    said.seek(SeekFrom::Start(before))?;
    Ok((monitor, said))
}

/// Adds routes of its own to a gobgpd's table.
pub(crate) fn announce(fleet: &Fleet, gobgpd: &Gobgpd, probes: &[Probe]) -> Result<Vec<PathId>> {
    let paths = probes.iter().map(|probe| {
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::default()),
            next_hop: Some(probe.next_hop()),
            ..Attributes::default()
        };
        Path::new(probe.prefix(), attributes)
    });
    let client = gobgpd.client();
    let calls = paths.map(async |path| client.add_path(&path).await);
    Ok(fleet.run(futures::future::try_join_all(calls))?)
}

/// The only path to each prefix of a table.
pub(crate) fn table(
    fleet: &Fleet,
    gobgpd: &Gobgpd,
    filter: impl Fn(Family) -> PathFilter,
) -> Result<BTreeMap<IpNet, Route>> {
    let mut table = BTreeMap::new();
    for family in FAMILIES {
        for destination in fleet.run(gobgpd.client().list_paths(&filter(family)))? {
            let path = match destination.paths.as_slice() {
                [path] => path,
                // Going away just now, in 4.8.
                [] => continue,
                paths => anyhow::bail!("announced by one, and held {paths:?}"),
            };
            let Nlri::Prefix(prefix) = path.nlri else {
                anyhow::bail!("not a prefix: {path:?}")
            };
            let next_hop = path.attributes.next_hop.context("no next hop")?;
            let route = Route {
                next_hop: next_hop.to_canonical(),
                med: path.attributes.med,
            };
            table.insert(prefix, route);
        }
    }
    Ok(table)
}

/// A path as `gobgp --json` prints it.
fn read(path: &Value) -> Result<Told> {
    let prefix = path["nlri"]["prefix"].as_str().context("no prefix")?;
    let prefix = prefix.parse()?;
    if path["withdrawal"] == true {
        return Ok(Told {
            prefix,
            route: None,
        });
    }
    let attributes = path["attrs"].as_array().context("no attributes")?;
    let of_type = |types: &[u64]| {
        let mut all = attributes.iter();
        all.find(|attribute| {
            attribute["type"]
                .as_u64()
                .is_some_and(|t| types.contains(&t))
        })
    };
    // NEXT_HOP or MP_REACH_NLRI, and MULTI_EXIT_DISC (RFC 4271, 4760).
    let next_hop = of_type(&[3, 14]).context("no next hop")?;
    let next_hop: IpAddr = next_hop["nexthop"]
        .as_str()
        .context("a next hop")?
        .parse()?;
    let med = of_type(&[4]).and_then(|med| med["metric"].as_u64());
    let route = Route {
        next_hop: next_hop.to_canonical(),
        med: med.map(u32::try_from).transpose()?,
    };
    Ok(Told {
        prefix,
        route: Some(route),
    })
}
