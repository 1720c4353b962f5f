//! The real side: a fresh gobgpd for each sequence, or one that is simulated and
//! served, and its answers in the simulator's terms.

use crate::call::{Call, KINDS, PEERS};
use crate::listing::Listing;
use crate::neighbor::{Act, Neighbor, ROUTER};
use crate::translate::{
    from_global, from_peer, from_policy, from_set, from_statement, to_assignment, to_direction,
    to_global, to_kind, to_policy, to_set, to_statement,
};
use crate::watch::{self, Watch};
use anyhow::{Context as _, Result};
use sdwan_gobgp::types::{
    AdminState, Global, Peer, PeerFilter, PeerSettings, PolicyAssignment, PolicyDirection,
    ResetDirection, RouteAction,
};
use sdwan_gobgp::{Client, Error, Timeouts};
use sdwan_lab::daemon::{Daemon, GOBGPD_PORT};
use sdwan_lab::sim::event::Event;
use sdwan_lab::sim::serve::Fleet;
use sdwan_lab::tools::Release;
use sdwan_lab::world;
use sdwan_model::config::Direction;
use sdwan_model::observed::DefaultAction;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// Far longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// The client's.
const TIMEOUTS: Timeouts = Timeouts {
    connect: LIMIT,
    call: LIMIT,
    list: LIMIT,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A running gobgpd.
pub(crate) struct Real {
    client: Client,
    /// What an update of a peer that isn't there echoes.
    echoes: HashMap<IpAddr, Peer>,
    watch: Watch,
    neighbors: HashMap<Ipv4Addr, Neighbor>,
    _process: Process,
}

/// What answers, for as long as it is needed.
enum Process {
    Gobgpd { _daemon: Daemon },
    Served { _fleet: Fleet },
}

impl Real {
    /// Starts one that holds nothing.
    pub(crate) async fn start(release: Release, echoes: HashMap<IpAddr, Peer>) -> Result<Self> {
        let (daemon, client) = start(release, ROUTER).await?;
        let process = Process::Gobgpd { _daemon: daemon };
        Self::with(client, echoes, process).await
    }

    /// Serves one that is simulated and holds nothing.
    pub(crate) async fn served(release: Release, echoes: HashMap<IpAddr, Peer>) -> Result<Self> {
        let fleet = Fleet::start(release.into(), 1).await?;
        let address = fleet.addresses().next().context("a fleet of none")?;
        let client = Client::connect(&address, TIMEOUTS).await?;
        Self::with(client, echoes, Process::Served { _fleet: fleet }).await
    }

    async fn with(client: Client, echoes: HashMap<IpAddr, Peer>, process: Process) -> Result<Self> {
        Ok(Self {
            watch: Watch::start(&client).await?,
            client,
            echoes,
            neighbors: HashMap::new(),
            _process: process,
        })
    }

    /// Peers as this one, which holds nothing, lists them: to echo where they are not listed.
    pub(crate) async fn echoes(self) -> Result<HashMap<IpAddr, Peer>> {
        let real = self;
        let global = Global {
            asn: 65001,
            router_id: "192.0.2.1".to_owned(),
            listen_port: -1,
            ..Global::default()
        };
        real.client.start_bgp(&global).await?;
        for peer in PEERS {
            real.client
                .add_peer(peer, &PeerSettings::new(65002))
                .await?;
        }
        let listed = real.client.list_peers(PeerFilter::default()).await?;
        Ok(listed
            .into_iter()
            .filter_map(|peer| Some((peer.address()?, peer)))
            .collect())
    }

    /// All that it has told a watcher since it was asked last.
    pub(crate) async fn told(&mut self) -> Result<Vec<Event>> {
        for neighbor in self.neighbors.values() {
            neighbor.keep_alive();
        }
        self.watch.told(&self.client).await
    }

    /// What a neighbor does to it; whether it takes that.
    pub(crate) async fn act(&mut self, neighbor: Ipv4Addr, act: Act) -> Result<bool> {
        let moves = self.neighbors.entry(neighbor).or_default();
        moves.act(neighbor, act).await
    }

    /// Makes a call. What gobgpd says, where it refuses.
    pub(crate) async fn call(&self, call: &Call) -> Result<Result<(), String>> {
        let end = Instant::now() + LIMIT;
        loop {
            let outcome = match self.send(call).await {
                Ok(()) => Ok(()),
                Err(error) => Err(words(error)?),
            };
            // A peer takes one enabling or disabling at a time, and this call
            // only asks for it.
            let busy = outcome == Err("previous request is still remaining".to_owned());
            if !busy || Instant::now() > end {
                return Ok(outcome);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, call: &Call) -> Result<(), Error> {
        let client = &self.client;
        match call {
            Call::StartBgp(global) => client.start_bgp(&to_global(global)).await,
            Call::AddPeer(..)
            | Call::UpdatePeer(..)
            | Call::DeletePeer(_)
            | Call::EnablePeer(_)
            | Call::DisablePeer(_)
            | Call::ResetPeer(_)
            | Call::SoftResetPeer(..) => self.send_of_peer(call).await,
            Call::AddDefinedSet(set) => client.add_defined_set(&to_set(set)).await,
            Call::DeleteFromDefinedSet(set) => client.delete_from_defined_set(&to_set(set)).await,
            Call::DeleteDefinedSet(kind, name) => {
                client.delete_defined_set(to_kind(*kind), name).await
            }
            Call::AddStatement(statement) => client.add_statement(&to_statement(statement)).await,
            Call::DeleteStatement(name) => client.delete_statement(name).await,
            Call::AddPolicy(policy) => client.add_policy(&to_policy(policy)).await,
            Call::DeletePolicy(name) => client.delete_policy(name).await,
            Call::SetPolicies(sets, policies) => {
                let sets: Vec<_> = sets.iter().map(to_set).collect();
                let policies: Vec<_> = policies.iter().map(to_policy).collect();
                client.set_policies(&sets, &policies).await
            }
            Call::SetPolicyAssignment(way, names, default) => {
                let told = to_assignment(*way, names, *default);
                client.set_policy_assignment(&told).await
            }
            Call::AddPolicyAssignment(way, names, default) => {
                let told = to_assignment(*way, names, *default);
                client.add_policy_assignment(&told).await
            }
            Call::DeletePolicyAssignment(way, names) => {
                let told = to_assignment(*way, names, DefaultAction::None);
                client.delete_policy_assignment(&told).await
            }
            Call::ListPeer => client.list_peers(PeerFilter::default()).await.map(drop),
            Call::ListDefinedSet(kind) => client.list_defined_sets(to_kind(*kind)).await.map(drop),
            Call::ListStatement => client.list_statements().await.map(drop),
            Call::ListPolicy => client.list_policies().await.map(drop),
            Call::ListPolicyAssignment(way) => {
                let listed =
                    client.list_policy_assignments(PolicyAssignment::GLOBAL, to_direction(*way));
                listed.await.map(drop)
            }
        }
    }

    async fn send_of_peer(&self, call: &Call) -> Result<(), Error> {
        let client = &self.client;
        match call {
            Call::AddPeer(peer, told) => client.add_peer(*peer, told).await,
            Call::UpdatePeer(peer, told) => {
                let listed = client
                    .list_peers(PeerFilter::default())
                    .await
                    .unwrap_or_default();
                let listed = listed.iter().find(|listed| listed.address() == Some(*peer));
                let echo = listed.unwrap_or_else(|| &self.echoes[peer]);
                client.update_peer(echo, told).await.map(drop)
            }
            Call::DeletePeer(peer) => client.delete_peer(&peer.to_string()).await,
            Call::EnablePeer(peer) => {
                client.enable_peer(&peer.to_string()).await?;
                self.until(*peer, AdminState::Up).await
            }
            Call::DisablePeer(peer) => {
                client.disable_peer(&peer.to_string()).await?;
                self.until(*peer, AdminState::Down).await
            }
            Call::SoftResetPeer(peer, way) => {
                let way = match way {
                    Direction::Import => ResetDirection::In,
                    Direction::Export => ResetDirection::Out,
                };
                client.soft_reset_peer(&peer.to_string(), way).await
            }
            Call::ResetPeer(peer) => client.reset_peer(&peer.to_string()).await,
            call => unreachable!("{call:?} is about no peer"),
        }
    }

    /// Waits until a peer is in this state: gobgpd answers before it is. If
    /// it never is, the comparison will tell.
    async fn until(&self, peer: IpAddr, admin: AdminState) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let listed = self.client.list_peers(PeerFilter::default()).await?;
            let listed = listed.iter().find(|listed| listed.address() == Some(peer));
            if listed.is_none_or(|listed| listed.state.admin == admin) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// All that it lists. What it refuses to list, the random calls find out.
    pub(crate) async fn listing(&self) -> Result<Listing> {
        let client = &self.client;
        let global = client.get_bgp().await?;
        let mut sets = Vec::new();
        for kind in KINDS {
            let listed = client
                .list_defined_sets(to_kind(kind))
                .await
                .or_else(none)?;
            sets.extend(listed.into_iter().map(|set| from_set(kind, set)));
        }
        let peers = client
            .list_peers(PeerFilter::default())
            .await
            .or_else(none)?;
        let statements = client.list_statements().await?;
        let policies = client.list_policies().await?;
        let mut listing = Listing {
            global: (global.asn != 0)
                .then(|| from_global(&global))
                .transpose()?,
            peers: peers.iter().map(from_peer).collect::<Result<_>>()?,
            watched: watch::snapshot(client).await?,
            sets,
            statements: statements
                .iter()
                .map(from_statement)
                .collect::<Result<_>>()?,
            policies: policies.iter().map(from_policy).collect::<Result<_>>()?,
            import: self.assignment(PolicyDirection::Import).await?,
            export: self.assignment(PolicyDirection::Export).await?,
        };
        listing.sort();
        Ok(listing)
    }

    async fn assignment(&self, way: PolicyDirection) -> Result<(Vec<String>, DefaultAction)> {
        let mut listed = self
            .client
            .list_policy_assignments(PolicyAssignment::GLOBAL, way)
            .await?;
        anyhow::ensure!(listed.len() == 1, "{} assignments", listed.len());
        let listed = listed.remove(0);
        let default = match listed.default_action {
            RouteAction::Accept => DefaultAction::Accept,
            RouteAction::Reject => DefaultAction::Reject,
            _ => DefaultAction::None,
        };
        Ok((
            listed
                .policies
                .into_iter()
                .map(|policy| policy.name)
                .collect(),
            default,
        ))
    }
}

/// Starts a gobgpd that is managed at this address.
pub(crate) async fn start(release: Release, address: Ipv4Addr) -> Result<(Daemon, Client)> {
    let address = SocketAddr::from((address, GOBGPD_PORT));
    let mut command = Command::new(release.folder()?.join("gobgpd"));
    command.args(["--pprof-disable", "--log-plain", "--api-hosts"]);
    command.arg(address.to_string());
    let name = format!("gobgpd-{}", address.ip());
    let mut daemon = Daemon::start_here(Path::new(world::FOLDER), &name, command)?;
    daemon.wait_for_address(address)?;
    let end = Instant::now() + LIMIT;
    loop {
        match Client::connect(&address.to_string(), TIMEOUTS).await {
            Ok(client) => return Ok((daemon, client)),
            Err(error) if Instant::now() > end => return Err(error.into()),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Nothing, where gobgpd refuses to list.
fn none<T>(error: Error) -> Result<Vec<T>> {
    words(error).map(|_| Vec::new())
}

/// gobgpd's own words. The client sorts refusals into kinds by them, so those
/// that have the same words are of the same kind.
fn words(error: Error) -> Result<String> {
    match error {
        Error::Exists { message, .. }
        | Error::NotFound { message, .. }
        | Error::InUse { message, .. }
        | Error::Refused { message, .. } => Ok(message),
        Error::NotStarted { .. } => Ok("bgp server hasn't started yet".to_owned()),
        error => Err(error).context("no refusal of gobgpd's"),
    }
}
