//! A gobgpd for tests, in the server's own terms: it keeps what it is told,
//! refuses what the real one refuses, and fails when told to.

use super::force::{self, Force};
use super::gated::Gate;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sdwan_model::config::{self, AdminState, Direction, Family, Global};
use sdwan_model::observed::{
    Api, Assignment, DefaultAction, DefinedSet, Observed, Peer, Policy, SessionState, SetKind,
    Statement, StatementBody, Version,
};
use sdwan_model::plan::Op;
use sdwan_server::speaker::{Counters, Dial, Error, Route, SessionEvent, Speaker};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

/// One gobgpd process and the way to it.
#[derive(Clone)]
pub struct Daemon {
    inner: Arc<Mutex<Inner>>,
    /// Counts connections: a speaker of an older one is broken.
    epoch: Arc<watch::Sender<Option<u64>>>,
}

struct Inner {
    observed: Observed,
    /// Every write call, as `Call object`.
    writes: Vec<String>,
    written: usize,
    /// How often it was observed in full.
    observes: usize,
    dials: usize,
    /// Write calls that are refused, by the start of their title.
    refuse: BTreeMap<String, String>,
    /// Write calls that are answered with success and not done.
    ignore: BTreeSet<String>,
    /// Every call but dialing hangs until its deadline.
    silent: bool,
    /// Write calls get no answer and arrive after so long.
    late: Option<Duration>,
    incomplete: bool,
    watchers: Vec<mpsc::Sender<Vec<SessionEvent>>>,
    /// Falls of established sessions that a call of ours caused.
    falls: BTreeMap<IpAddr, u32>,
    refreshes: Vec<(IpAddr, Direction)>,
    /// The policies that each peer's routes went through when they were last
    /// evaluated: when its session came up, or at its last refresh.
    in_force: BTreeMap<(IpAddr, Direction), Force>,
    /// UpdatePeer takes an established session down, as it does for nearly
    /// every field.
    updates_flap: bool,
    gate: Option<Gate>,
    epochs: u64,
    /// The clock of `established_at`.
    established: u64,
}

impl Default for Daemon {
    fn default() -> Self {
        let inner = Inner {
            observed: empty(),
            writes: Vec::new(),
            written: 0,
            observes: 0,
            dials: 0,
            refuse: BTreeMap::new(),
            ignore: BTreeSet::new(),
            silent: false,
            late: None,
            incomplete: false,
            watchers: Vec::new(),
            falls: BTreeMap::new(),
            refreshes: Vec::new(),
            in_force: BTreeMap::new(),
            updates_flap: false,
            gate: None,
            epochs: 1,
            established: 0,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            epoch: Arc::new(watch::Sender::new(Some(1))),
        }
    }
}

fn empty() -> Observed {
    Observed::not_started(Version {
        api: Api::V4,
        minor: None,
    })
}

impl Daemon {
    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.inner.lock().unwrap())
    }

    /// What it is now.
    pub fn observed(&self) -> Observed {
        self.with(|inner| inner.observed.clone())
    }

    pub fn peers(&self) -> Vec<String> {
        let observed = self.observed();
        observed.peers.keys().map(ToString::to_string).collect()
    }

    /// Whether it would take a session with this neighbor, and has none.
    pub fn awaits(&self, neighbor: IpAddr) -> bool {
        self.with(|inner| {
            inner.observed.peers.get(&neighbor).is_some_and(|peer| {
                peer.session != SessionState::Established && peer.admin_state == AdminState::Up
            })
        })
    }

    /// Session events that no watcher has taken yet.
    pub fn unread(&self) -> usize {
        self.with(|inner| {
            let unread = |watcher: &mpsc::Sender<_>| watcher.max_capacity() - watcher.capacity();
            inner.watchers.iter().map(unread).sum()
        })
    }

    /// Every write call since the last time this was asked.
    pub fn take_writes(&self) -> Vec<String> {
        self.with(|inner| std::mem::take(&mut inner.writes))
    }

    pub fn observes(&self) -> usize {
        self.with(|inner| inner.observes)
    }

    pub fn dials(&self) -> usize {
        self.with(|inner| inner.dials)
    }

    pub fn refreshes(&self) -> Vec<(IpAddr, Direction)> {
        self.with(|inner| inner.refreshes.clone())
    }

    /// The policies that this peer's routes went through when they were last
    /// evaluated.
    pub fn in_force(&self, neighbor: IpAddr, direction: Direction) -> Force {
        self.with(|inner| inner.in_force.get(&(neighbor, direction)).cloned())
            .unwrap_or_default()
    }

    /// UpdatePeer takes established sessions down from now on, as it does on
    /// a real gobgpd for nearly every field.
    pub fn let_updates_flap(&self) {
        self.with(|inner| inner.updates_flap = true);
    }

    /// Falls of established sessions that were our doing.
    pub fn falls(&self, neighbor: &str) -> u32 {
        let neighbor: IpAddr = neighbor.parse().unwrap();
        self.with(|inner| inner.falls.get(&neighbor).copied().unwrap_or_default())
    }

    /// The same, of every neighbor that ever fell.
    pub fn all_falls(&self) -> BTreeMap<IpAddr, u32> {
        self.with(|inner| inner.falls.clone())
    }

    /// A human's `gobgp` command.
    pub fn by_hand(&self, change: impl FnOnce(&mut Observed)) {
        self.with(|inner| change(&mut inner.observed));
    }

    pub fn refuse(&self, title: &str, reason: &str) {
        self.with(|inner| inner.refuse.insert(title.into(), reason.into()));
    }

    pub fn allow(&self, title: &str) {
        self.with(|inner| {
            inner.refuse.remove(title);
            inner.ignore.remove(title);
        });
    }

    pub fn ignore(&self, title: &str) {
        self.with(|inner| inner.ignore.insert(title.into()));
    }

    pub fn answer_incompletely(&self, incomplete: bool) {
        self.with(|inner| inner.incomplete = incomplete);
    }

    /// Connections stay, nothing is answered.
    /// Write calls get no answer, and are carried out after so long.
    pub fn deliver_late(&self, late: Option<Duration>) {
        self.with(|inner| inner.late = late);
    }

    pub fn silence(&self, silent: bool) {
        self.with(|inner| inner.silent = silent);
    }

    /// Every call of every kind waits here first and last.
    pub fn gate(&self, gate: Option<Gate>) {
        self.with(|inner| inner.gate = gate);
    }

    /// Breaks every connection and refuses new ones.
    pub fn cut(&self) {
        self.with(|inner| inner.watchers.clear());
        self.epoch.send_replace(None);
    }

    pub fn mend(&self) {
        let epoch = self.with(|inner| {
            inner.epochs += 1;
            inner.epochs
        });
        self.epoch.send_replace(Some(epoch));
    }

    /// The process is killed and started again without a configuration.
    pub fn restart_empty(&self) {
        self.cut();
        self.with(|inner| {
            inner.observed = empty();
            inner.in_force.clear();
        });
        self.mend();
    }

    /// A session changes its state, with gobgpd's reason.
    pub fn session(&self, neighbor: &str, state: SessionState, reason: &str) {
        let neighbor: IpAddr = neighbor.parse().unwrap();
        self.with(|inner| {
            if let Some(peer) = inner.observed.peers.get_mut(&neighbor) {
                peer.session = state;
                inner.established += 1;
                peer.established_at =
                    (state == SessionState::Established).then_some(inner.established);
            }
            if state == SessionState::Established {
                inner.evaluate(neighbor, Direction::Import);
                inner.evaluate(neighbor, Direction::Export);
            }
            inner.tell(SessionEvent::State {
                neighbor,
                state,
                admin_down: false,
                reason: reason.into(),
            });
        });
    }

    fn gated(&self) -> Option<Gate> {
        self.with(|inner| inner.gate.clone())
    }
}

impl Inner {
    fn tell(&mut self, event: SessionEvent) {
        self.watchers
            .retain(|watcher| watcher.try_send(vec![event.clone()]).is_ok());
    }

    fn fall(&mut self, neighbor: IpAddr) {
        let was_up = self
            .observed
            .peers
            .get(&neighbor)
            .is_some_and(|peer| peer.session == SessionState::Established);
        if was_up {
            *self.falls.entry(neighbor).or_default() += 1;
            self.tell(SessionEvent::State {
                neighbor,
                state: SessionState::Idle,
                admin_down: false,
                reason: String::new(),
            });
        }
    }

    fn idle(&mut self, neighbor: IpAddr) {
        if let Some(peer) = self.observed.peers.get_mut(&neighbor) {
            peer.session = SessionState::Idle;
            peer.established_at = None;
        }
    }

    fn evaluate(&mut self, neighbor: IpAddr, direction: Direction) {
        let force = force::on(&self.observed, neighbor, direction);
        self.in_force.insert((neighbor, direction), force);
    }

    fn apply(&mut self, op: &Op) -> Result<(), Error> {
        let title = title(op);
        self.writes.push(title.clone());
        self.written += 1;
        let refusal = self
            .refuse
            .iter()
            .find(|(text, _)| title.starts_with(*text));
        if let Some((_, reason)) = refusal {
            return Err(Error::Refused(reason.clone()));
        }
        if self.ignore.iter().any(|text| title.starts_with(text)) {
            return Ok(());
        }
        if let Op::StartBgp(global) = op {
            return match &self.observed.global {
                Some(_) => Err(refused("address already in use")),
                None => {
                    self.observed.global = Some(Global {
                        listen_port: Some(global.listen_port.unwrap_or(179)),
                        ..global.clone()
                    });
                    self.observed.import.default = DefaultAction::Accept;
                    self.observed.export.default = DefaultAction::Accept;
                    Ok(())
                }
            };
        }
        if self.observed.global.is_none() {
            return Err(refused("bgp server hasn't started yet"));
        }
        match op {
            Op::StartBgp(_) => Ok(()),
            Op::EnableZebra(_) => Ok(()),
            Op::AddPeer(..)
            | Op::UpdatePeer(..)
            | Op::RecreatePeer(..)
            | Op::DeletePeer(_)
            | Op::EnablePeer(_)
            | Op::DisablePeer(_)
            | Op::SoftReset(..)
            | Op::HardReset(_) => self.apply_peer(op),
            _ => self.apply_policy(op),
        }
    }

    fn apply_peer(&mut self, op: &Op) -> Result<(), Error> {
        let peers = &mut self.observed.peers;
        let missing =
            |address: &IpAddr| refused(&format!("neighbor that has {address} doesn't exist"));
        match op {
            Op::AddPeer(address, neighbor) => {
                if peers.contains_key(address) {
                    return Err(refused(&format!(
                        "can't overwrite the existing peer: {address}"
                    )));
                }
                let mut peer = fresh(neighbor.peer_as);
                change(&mut peer, neighbor);
                peers.insert(*address, peer);
            }
            Op::UpdatePeer(address, wanted) => {
                let peer = peers.get_mut(address).ok_or_else(|| missing(address))?;
                change(peer, &wanted.fields);
                if self.updates_flap {
                    self.fall(*address);
                    self.idle(*address);
                }
            }
            Op::RecreatePeer(address, wanted) => {
                let mut peer = peers
                    .get(address)
                    .cloned()
                    .ok_or_else(|| missing(address))?;
                change(&mut peer, &wanted.fields);
                peer.session = SessionState::Idle;
                self.fall(*address);
                self.observed.peers.insert(*address, peer);
            }
            Op::DeletePeer(address) => {
                if !peers.contains_key(address) {
                    return Err(missing(address));
                }
                self.fall(*address);
                self.observed.peers.remove(address);
            }
            Op::EnablePeer(address) => {
                peers
                    .get_mut(address)
                    .ok_or_else(|| missing(address))?
                    .admin_state = AdminState::Up;
            }
            Op::DisablePeer(address) => {
                if !peers.contains_key(address) {
                    return Err(missing(address));
                }
                self.fall(*address);
                if let Some(peer) = self.observed.peers.get_mut(address) {
                    peer.admin_state = AdminState::Down;
                    peer.session = SessionState::Idle;
                }
            }
            Op::SoftReset(address, direction) => {
                peers.get(address).ok_or_else(|| missing(address))?;
                self.refreshes.push((*address, *direction));
                self.evaluate(*address, *direction);
            }
            Op::HardReset(address) => {
                peers.get(address).ok_or_else(|| missing(address))?;
                self.fall(*address);
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_policy(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::SetPolicies {
                neighbor_sets,
                policies,
            } => {
                self.observed.defined_sets = neighbor_sets
                    .iter()
                    .map(|(name, neighbors)| set(name, neighbors.clone()))
                    .collect();
                self.observed.policies = policies.iter().map(listed).collect();
                self.open_torn_assignments();
            }
            Op::AddNeighborSet(name, neighbors) => {
                let sets = &mut self.observed.defined_sets;
                match sets.iter_mut().find(|set| &set.name == name) {
                    Some(set) => set.neighbors.extend(neighbors.iter().copied()),
                    None => sets.push(set(name, neighbors.clone())),
                }
            }
            Op::DeleteNeighborSet(name, members) => {
                let used = self.observed.policies.iter().flat_map(|p| &p.statements);
                let used = used
                    .filter_map(|statement| statement.ours.as_ref())
                    .any(|body| &body.neighbor_set == name);
                let sets = &mut self.observed.defined_sets;
                match members {
                    None if used => {
                        return Err(refused(&format!(
                            "can't delete. defined-set {name} is in use"
                        )));
                    }
                    None => sets.retain(|set| &set.name != name),
                    Some(members) => {
                        if let Some(set) = sets.iter_mut().find(|set| &set.name == name) {
                            set.neighbors.retain(|address| !members.contains(address));
                        }
                    }
                }
            }
            Op::AddPolicy(policy) => {
                let policies = &mut self.observed.policies;
                match policies.iter_mut().find(|known| known.name == policy.name) {
                    Some(known) => known.statements.extend(listed(policy).statements),
                    None => policies.push(listed(policy)),
                }
            }
            Op::DeletePolicy(name) => {
                if self.observed.export.policies.contains(name) {
                    return Err(refused(&format!("can't delete. policy {name} is in use")));
                }
                self.observed.policies.retain(|policy| &policy.name != name);
            }
            Op::SetAssignment {
                direction,
                policies,
                default,
            } => {
                let known: BTreeSet<&String> = self
                    .observed
                    .policies
                    .iter()
                    .map(|policy| &policy.name)
                    .collect();
                if let Some(name) = policies.iter().find(|name| !known.contains(name)) {
                    return Err(refused(&format!("not found policy {name}")));
                }
                let assignment = Assignment {
                    policies: policies.clone(),
                    default: *default,
                };
                match direction {
                    Direction::Import => self.observed.import = assignment,
                    Direction::Export => self.observed.export = assignment,
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An assignment that names a policy which is gone fails open as a whole.
    fn open_torn_assignments(&mut self) {
        let Observed {
            policies,
            import,
            export,
            ..
        } = &mut self.observed;
        for assignment in [import, export] {
            let torn = assignment
                .policies
                .iter()
                .any(|name| !policies.iter().any(|policy| &policy.name == name));
            if torn {
                *assignment = Assignment {
                    policies: Vec::new(),
                    default: DefaultAction::Accept,
                };
            }
        }
    }
}

fn refused(reason: &str) -> Error {
    Error::Refused(format!("gobgpd refused: {reason}"))
}

fn set(name: &str, neighbors: BTreeSet<IpAddr>) -> DefinedSet {
    DefinedSet {
        kind: SetKind::Neighbor,
        name: name.into(),
        neighbors,
        complete: true,
    }
}

fn listed(policy: &config::Policy) -> Policy {
    Policy {
        name: policy.name.clone(),
        statements: policy
            .statements
            .iter()
            .map(|statement| Statement {
                name: statement.name.clone(),
                ours: Some(StatementBody {
                    neighbor_set: statement.neighbor_set.clone(),
                    action: statement.action.clone(),
                    disposition: statement.disposition,
                }),
            })
            .collect(),
    }
}

/// A peer with gobgpd's defaults.
pub fn fresh(peer_as: u32) -> Peer {
    Peer {
        peer_as,
        description: String::new(),
        auth_password: String::new().into(),
        hold_time: 90,
        keepalive_interval: 30,
        local_address: None,
        passive: false,
        ebgp_multihop: 0,
        route_reflector_client: false,
        families: BTreeSet::from([Family::Ipv4Unicast]),
        configured: AdminState::Up,
        admin_state: AdminState::Up,
        session: SessionState::Idle,
        established_at: None,
        peer_group: String::new(),
    }
}

fn change(peer: &mut Peer, fields: &config::Neighbor) {
    peer.peer_as = fields.peer_as;
    if let Some(description) = &fields.description {
        peer.description.clone_from(description);
    }
    if let Some(password) = &fields.auth_password {
        peer.auth_password = password.expose_secret().to_owned().into();
    }
    peer.hold_time = fields.hold_time.unwrap_or(peer.hold_time);
    peer.keepalive_interval = fields.keepalive_interval.unwrap_or(peer.keepalive_interval);
    peer.local_address = fields.local_address.or(peer.local_address);
    peer.passive = fields.passive.unwrap_or(peer.passive);
    peer.ebgp_multihop = fields.ebgp_multihop.unwrap_or(peer.ebgp_multihop);
    peer.route_reflector_client = fields
        .route_reflector_client
        .unwrap_or(peer.route_reflector_client);
    if let Some(families) = &fields.families {
        peer.families.clone_from(families);
    }
    if let Some(state) = fields.admin_state {
        peer.configured = state;
        peer.admin_state = state;
    }
}

/// `Call object`.
pub fn title(op: &Op) -> String {
    match op {
        Op::StartBgp(global) => format!("StartBgp {}", global.asn),
        Op::EnableZebra(zebra) => format!("EnableZebra {}", zebra.url),
        Op::AddPeer(address, _) => format!("AddPeer {address}"),
        Op::UpdatePeer(address, change) => format!("UpdatePeer {address} {:?}", change.names),
        Op::RecreatePeer(address, change) => format!("RecreatePeer {address} {:?}", change.names),
        Op::DeletePeer(address) => format!("DeletePeer {address}"),
        Op::EnablePeer(address) => format!("EnablePeer {address}"),
        Op::DisablePeer(address) => format!("DisablePeer {address}"),
        Op::SetPolicies { policies, .. } => format!("SetPolicies {}", policies.len()),
        Op::AddNeighborSet(name, _) => format!("AddDefinedSet {name}"),
        Op::DeleteNeighborSet(name, _) => format!("DeleteDefinedSet {name}"),
        Op::AddPolicy(policy) => format!("AddPolicy {}", policy.name),
        Op::DeletePolicy(name) => format!("DeletePolicy {name}"),
        Op::SetAssignment { direction, .. } => format!("SetPolicyAssignment {direction:?}"),
        Op::SoftReset(address, direction) => format!("SoftReset {address} {direction:?}"),
        Op::HardReset(address) => format!("HardReset {address}"),
    }
}

/// The way to any number of daemons, by address.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<BTreeMap<String, Daemon>>>);

impl Network {
    /// The daemon at this address, started on first use.
    pub fn daemon(&self, address: &str) -> Daemon {
        let mut daemons = self.0.lock().unwrap();
        daemons.entry(address.to_owned()).or_default().clone()
    }

    /// Write calls that all daemons together have got so far.
    pub fn writes(&self) -> usize {
        let daemons = self.0.lock().unwrap();
        let written = daemons
            .values()
            .map(|daemon| daemon.with(|inner| inner.written));
        written.sum()
    }

    /// See [`super::World::gate`]; for the daemons that there are.
    pub fn gate(&self, gate: Option<Gate>) {
        for daemon in self.0.lock().unwrap().values() {
            daemon.gate(gate.clone());
        }
    }
}

impl Dial for Network {
    fn dial(&self, address: &str) -> BoxFuture<'static, Result<Box<dyn Speaker>, Error>> {
        let daemon = self.daemon(address);
        let address = address.to_owned();
        Box::pin(async move {
            daemon.with(|inner| inner.dials += 1);
            let epoch = *daemon.epoch.borrow();
            match epoch {
                Some(epoch) if !daemon.with(|inner| inner.silent) => {
                    Ok(Box::new(Connection { daemon, epoch }) as Box<dyn Speaker>)
                }
                Some(_) => std::future::pending().await,
                None => Err(Error::Unreachable(format!(
                    "gobgpd at {address} does not answer: connection refused"
                ))),
            }
        })
    }
}

/// The real client's deadline.
async fn unanswered<T>() -> Result<T, Error> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    Err(Error::Unanswered("gobgpd did not answer in time".into()))
}

struct Connection {
    daemon: Daemon,
    epoch: u64,
}

impl Connection {
    /// One call: passes the gate, does its work if the connection holds,
    /// passes the gate again on its way back.
    async fn call<T>(
        &self,
        title: &str,
        work: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let gate = self.daemon.gated();
        if let Some(gate) = &gate {
            gate(format!("before {title}")).await;
        }
        if self.daemon.with(|inner| inner.silent) {
            return unanswered().await;
        }
        if *self.daemon.epoch.borrow() != Some(self.epoch) {
            return Err(Error::Unreachable("the connection is broken".into()));
        }
        let result = self.daemon.with(work);
        if let Some(gate) = &gate {
            gate(format!("after {title}")).await;
        }
        result
    }
}

#[async_trait::async_trait]
impl Speaker for Connection {
    async fn observe(&self, said: Option<Version>) -> Result<Observed, Error> {
        self.call("observe", |inner| {
            inner.observes += 1;
            if inner.incomplete {
                return Err(Error::Incomplete("the list of peers broke off".into()));
            }
            let mut observed = inner.observed.clone();
            observed.version.minor = said.and_then(|said| said.minor);
            Ok(observed)
        })
        .await
    }

    async fn apply(&self, op: &Op) -> Result<(), Error> {
        if let Some(late) = self.daemon.with(|inner| inner.late) {
            let (daemon, op) = (self.daemon.clone(), op.clone());
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let _ = daemon.with(|inner| inner.apply(&op));
            });
            return unanswered().await;
        }
        self.call(&title(op), |inner| inner.apply(op)).await
    }

    async fn heartbeat(&self) -> Result<u32, Error> {
        if self.daemon.with(|inner| inner.silent) {
            return std::future::pending().await;
        }
        if *self.daemon.epoch.borrow() != Some(self.epoch) {
            return Err(Error::Unreachable("the connection is broken".into()));
        }
        let asn = |inner: &mut Inner| inner.observed.global.as_ref().map_or(0, |g| g.asn);
        Ok(self.daemon.with(asn))
    }

    async fn watch(&self) -> Result<BoxStream<'static, Result<Vec<SessionEvent>, Error>>, Error> {
        // The real one has no bound; a test that gets here has lost events.
        let (send, receive) = mpsc::channel(100_000);
        self.daemon.with(|inner| {
            let list = inner
                .observed
                .peers
                .iter()
                .map(|(neighbor, peer)| SessionEvent::State {
                    neighbor: *neighbor,
                    state: peer.session,
                    admin_down: peer.admin_state == AdminState::Down,
                    reason: String::new(),
                });
            let mut list: Vec<SessionEvent> = list.collect();
            list.push(SessionEvent::Listed);
            let _ = send.try_send(list);
            inner.watchers.push(send);
        });
        Ok(ReceiverStream::new(receive).map(Ok).boxed())
    }

    async fn counters(&self) -> Result<Vec<Counters>, Error> {
        self.call("counters", |inner| {
            let counters = inner.observed.peers.keys().map(|neighbor| Counters {
                neighbor: *neighbor,
                uptime: None,
                flaps: 0,
                received: 3,
                accepted: 2,
                advertised: 1,
            });
            Ok(counters.collect())
        })
        .await
    }

    async fn rib(&self, _prefix: Option<&str>) -> Result<Vec<Route>, Error> {
        self.call("rib", |_| Ok(Vec::new())).await
    }
}
