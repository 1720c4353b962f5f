//! Real daemons behind the seam: the only place where this crate meets
//! gobgpd's own terms.
//!
//! [`observe`] and [`write`] are the two ways as pure functions; here they are
//! put on the wire. What is remembered between calls is only what an
//! `UpdatePeer` needs: it echoes the listed peer, and since listing one peer
//! costs gobgpd as much as listing all, the updates and deletes between two
//! observations share one `ListPeer` that is newer than the observation.

mod action;
mod error;
mod observe;
mod rib;
mod session;
mod write;

use super::{Counters, Dial, Error, Route, SessionEvent, Speaker};
use error::{of_call, of_dial};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryFutureExt};
use sdwan_gobgp::types::{
    DefinedType, Peer, PeerFilter, PeerSettings, PolicyAssignment, PolicyDirection,
};
use sdwan_gobgp::{Api, Client, Options, Timeouts, Tls};
use sdwan_model::format::MgmtAddr;
use sdwan_model::observed::{Observed, Version};
use sdwan_model::plan::Op;
use secrecy::ExposeSecret;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// Events that are folded at once after a burst.
const BURST: usize = 1024;

/// Connects to real daemons.
#[derive(Clone, Debug)]
pub struct GobgpDial {
    timeouts: Timeouts,
    tls: Option<Arc<Secured>>,
    clock: fn() -> SystemTime,
    /// The last daemon that answered speaks version 3: most likely the next
    /// one does as well.
    v3: Arc<AtomicBool>,
}

/// TLS, and who speaks none.
#[derive(Debug)]
struct Secured {
    tls: RwLock<Tls>,
    /// As `host:port`.
    without: BTreeSet<String>,
}

impl GobgpDial {
    /// With these deadlines; `clock` tells how old routes and sessions are.
    pub fn new(timeouts: Timeouts, clock: fn() -> SystemTime) -> Self {
        Self {
            timeouts,
            tls: None,
            clock,
            v3: Arc::default(),
        }
    }

    /// With TLS, but for those at these addresses (`host:port`).
    #[must_use]
    pub fn with_tls(self, tls: Tls, without: BTreeSet<String>) -> Self {
        let tls = RwLock::new(tls);
        Self {
            tls: Some(Arc::new(Secured { tls, without })),
            ..self
        }
    }

    /// With other certificates from the next connection on, where TLS is
    /// spoken; those that stand are kept.
    pub fn renew(&self, tls: Tls) {
        if let Some(secured) = &self.tls {
            *secured.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        }
    }

    fn options(&self, address: &str) -> Options {
        let tls = self.tls.as_ref().filter(|secured| {
            let endpoint = address.parse().map(|address: MgmtAddr| address.endpoint());
            endpoint.is_err() || endpoint.is_ok_and(|at| !secured.without.contains(&at))
        });
        Options {
            timeouts: self.timeouts,
            tls: tls.map(|secured| {
                let tls = secured.tls.read();
                tls.unwrap_or_else(PoisonError::into_inner).clone()
            }),
        }
    }
}

impl Dial for GobgpDial {
    fn dial(&self, address: &str) -> BoxFuture<'static, Result<Box<dyn Speaker>, Error>> {
        let address = address.to_owned();
        let options = self.options(&address);
        let Self { clock, v3, .. } = self.clone();
        Box::pin(async move {
            let likely = match v3.load(Ordering::Relaxed) {
                true => Api::V3,
                false => Api::V4,
            };
            let client = Client::connect_as(&address, options, likely).await;
            let client = client.map_err(of_dial)?;
            v3.store(client.api() == Api::V3, Ordering::Relaxed);
            let speaker = Gobgp {
                client,
                clock,
                spellings: Mutex::default(),
                listed: tokio::sync::Mutex::default(),
            };
            Ok(Box::new(speaker) as Box<dyn Speaker>)
        })
    }
}

/// A connected daemon.
struct Gobgp {
    client: Client,
    clock: fn() -> SystemTime,
    /// Peers whose address gobgpd spells in another way than we do: 3.10
    /// keeps IPv6 text as it was typed, and finds peers by it.
    spellings: Mutex<HashMap<IpAddr, String>>,
    /// Peers to echo in updates; `None` until the first update or delete after
    /// an observation.
    listed: tokio::sync::Mutex<Option<HashMap<IpAddr, Peer>>>,
}

#[async_trait::async_trait]
impl Speaker for Gobgp {
    async fn observe(&self, said: Option<Version>) -> Result<Observed, Error> {
        *self.listed.lock().await = None;
        let answer = self.answer().await.map_err(of_call)?;
        *self
            .spellings
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = observe::spellings(&answer.peers);
        observe::observed(self.client.api(), said, answer)
    }

    async fn apply(&self, op: &Op) -> Result<(), Error> {
        let outcome = self.call(op).await;
        match outcome {
            // What was to go is gone already.
            Err(sdwan_gobgp::Error::NotFound { .. }) if write::removes(op) => Ok(()),
            // An earlier call whose answer was lost; which zebra it is, gobgpd can't tell.
            Err(sdwan_gobgp::Error::Exists { .. }) if matches!(op, Op::EnableZebra(_)) => Ok(()),
            outcome => outcome.map_err(of_call),
        }
    }

    async fn heartbeat(&self) -> Result<u32, Error> {
        Ok(self.client.get_bgp().await.map_err(of_call)?.asn)
    }

    async fn watch(&self) -> Result<BoxStream<'static, Result<Vec<SessionEvent>, Error>>, Error> {
        let events = self.client.watch_peers().await.map_err(of_call)?;
        Ok(events.ready_chunks(BURST).map(session::fold).boxed())
    }

    async fn counters(&self) -> Result<Vec<Counters>, Error> {
        let filter = PeerFilter {
            address: None,
            advertised: true,
        };
        let peers = self.client.list_peers(filter).await.map_err(of_call)?;
        let now = (self.clock)();
        Ok(peers
            .iter()
            .filter_map(|peer| session::counters(peer, now))
            .collect())
    }

    async fn rib(&self, prefix: Option<&str>) -> Result<Vec<Route>, Error> {
        let now = (self.clock)();
        let mut routes = Vec::new();
        for filter in rib::filters(prefix)? {
            let destinations = self.client.list_paths(&filter).await.map_err(of_call)?;
            routes.extend(rib::routes(destinations, now));
        }
        Ok(routes)
    }
}

impl Gobgp {
    /// All that an observation is made of, asked for side by side.
    async fn answer(&self) -> Result<observe::Answer, sdwan_gobgp::Error> {
        let client = &self.client;
        let global = client.get_bgp().await?;
        if global.asn == 0 {
            // Nothing exists before BGP is started, and policy calls fail.
            return Ok(observe::Answer::not_started());
        }
        let sets = futures::future::try_join_all(
            DefinedType::LISTED.map(|kind| client.list_defined_sets(kind)),
        )
        .map_ok(|sets| sets.into_iter().flatten().collect());
        let assignments =
            |direction| client.list_policy_assignments(PolicyAssignment::GLOBAL, direction);
        let (peers, defined_sets, policies, statements, import, export) = tokio::try_join!(
            client.list_peers(PeerFilter::default()),
            sets,
            client.list_policies(),
            client.list_statements(),
            assignments(PolicyDirection::Import),
            assignments(PolicyDirection::Export),
        )?;
        let assignments = import.into_iter().chain(export).collect();
        Ok(observe::Answer {
            global,
            peers,
            defined_sets,
            policies,
            statements,
            assignments,
        })
    }

    async fn call(&self, op: &Op) -> Result<(), sdwan_gobgp::Error> {
        let client = &self.client;
        match op {
            Op::StartBgp(global) => client.start_bgp(&write::global(global)).await,
            Op::EnableZebra(zebra) => client.enable_zebra(&write::zebra(zebra)).await,
            Op::AddPeer(address, neighbor) => {
                client.add_peer(*address, &write::settings(neighbor)).await
            }
            Op::UpdatePeer(address, change) => {
                let listed = self.listed(*address).await?;
                client
                    .update_peer(&listed, &write::settings(&change.fields))
                    .await
                    .map(drop)
            }
            Op::RecreatePeer(address, change) => {
                let listed = self.listed(*address).await?;
                client.delete_peer(&self.spelled(*address)).await?;
                client
                    .add_peer_again(&listed, &write::settings(&change.fields))
                    .await
            }
            Op::DeletePeer(address) => self.delete_peer(*address).await,
            Op::EnablePeer(address) => client.enable_peer(&self.spelled(*address)).await,
            Op::DisablePeer(address) => client.disable_peer(&self.spelled(*address)).await,
            Op::SoftReset(address, direction) => {
                let direction = write::reset_direction(*direction);
                client
                    .soft_reset_peer(&self.spelled(*address), direction)
                    .await
            }
            Op::HardReset(address) => client.reset_peer(&self.spelled(*address)).await,
            Op::SetPolicies {
                neighbor_sets,
                policies,
            } => {
                let sets: Vec<_> = neighbor_sets.iter().map(write::neighbor_set).collect();
                let policies: Vec<_> = policies.iter().map(write::policy).collect();
                client.set_policies(&sets, &policies).await
            }
            Op::AddNeighborSet(name, addresses) => {
                client
                    .add_defined_set(&write::neighbor_set((name, addresses)))
                    .await
            }
            Op::DeleteNeighborSet(name, Some(addresses)) => {
                client
                    .delete_from_defined_set(&write::neighbor_set((name, addresses)))
                    .await
            }
            Op::DeleteNeighborSet(name, None) => {
                client.delete_defined_set(DefinedType::Neighbor, name).await
            }
            Op::AddPolicy(policy) => client.add_policy(&write::policy(policy)).await,
            Op::DeletePolicy(name) => client.delete_policy(name).await,
            Op::SetAssignment {
                direction,
                policies,
                default,
            } => {
                let assignment = write::assignment(*direction, policies, *default);
                client.set_policy_assignment(&assignment).await
            }
        }
    }

    /// Deletes a peer and takes its password off gobgpd's listener. While
    /// that is half done the peer is held down.
    async fn delete_peer(&self, address: IpAddr) -> Result<(), sdwan_gobgp::Error> {
        let listed = self.listed(address).await?;
        if !listed.conf.auth_password.expose_secret().is_empty() {
            let without = PeerSettings {
                auth_password: Some(String::new().into()),
                admin_down: Some(true),
                ..PeerSettings::default()
            };
            self.client.update_peer(&listed, &without).await?;
        }
        self.client.delete_peer(&self.spelled(address)).await
    }

    /// The peer's address as gobgpd spells it.
    fn spelled(&self, address: IpAddr) -> String {
        let spellings = self
            .spellings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        spellings
            .get(&address)
            .cloned()
            .unwrap_or_else(|| address.to_string())
    }

    /// The peer to echo. It is taken out: after the update it is another.
    async fn listed(&self, address: IpAddr) -> Result<Peer, sdwan_gobgp::Error> {
        let mut listed = self.listed.lock().await;
        let peers = match listed.as_mut() {
            Some(peers) if peers.contains_key(&address) => peers,
            // Not listed yet, or updated since.
            _ => {
                let peers = self.client.list_peers(PeerFilter::default()).await?;
                let by_address = |peer: Peer| Some((peer.address()?, peer));
                listed.insert(peers.into_iter().filter_map(by_address).collect())
            }
        };
        peers
            .remove(&address)
            .ok_or_else(|| sdwan_gobgp::Error::NotFound {
                call: "UpdatePeer",
                message: format!("neighbor {address} is not there any more"),
            })
    }
}
