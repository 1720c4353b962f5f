//! A gobgpd and the simulator, side by side.

use crate::account::Account;
use crate::call::Call;
use crate::listing::{self, Listing};
use crate::neighbor::{Act, Move, ROUTER};
use crate::real::Real;
use crate::simulated;
use crate::turn::Turn;
use anyhow::{Result, ensure};
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::event::Event;
use sdwan_lab::tools::Release;
use sdwan_model::observed::SessionState;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::Instant;

/// Longer than any session needs to come up, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// Far longer than gobgpd needs for anything else, on a slow machine too.
const SOON: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What no call does: has the simulator's clock or neighbors do what an event
/// tells of, and tells whether they could have. A peer that waits in IDLE has
/// for at least that long.
pub(crate) type Outside = fn(&mut Gobgpd, &Event, Duration) -> bool;

/// Both of them.
pub(crate) struct Both {
    real: Real,
    simulated: Gobgpd,
    account: Account,
    outside: Outside,
    idle: Idle,
}

impl Both {
    /// Starts both, with nothing. What no call of ours does is up to `outside`.
    pub(crate) async fn start(
        release: Release,
        echoes: HashMap<IpAddr, sdwan_gobgp::types::Peer>,
        outside: Outside,
    ) -> Result<Self> {
        let real = Real::start(release, echoes).await?;
        Ok(Self::beside(real, release, outside))
    }

    /// The simulator beside this one, which holds nothing.
    pub(crate) fn beside(real: Real, release: Release, outside: Outside) -> Self {
        let mut simulated = Gobgpd::new(release.into());
        simulated.watch();
        Self {
            real,
            simulated,
            account: Account::default(),
            outside,
            idle: Idle::new(),
        }
    }

    /// How many events both have told.
    pub(crate) fn events(&self) -> usize {
        self.account.settled
    }

    /// Waits until a session is in this state, on both.
    pub(crate) async fn until(&mut self, peer: Ipv4Addr, state: SessionState) -> Result<()> {
        let peer = IpAddr::from(peer);
        let end = Instant::now() + LIMIT;
        loop {
            self.catch_up().await?;
            self.settle().await?;
            let session = self.simulated.peers().get(&peer).map(|peer| peer.session);
            if session == Some(state) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{peer} is {session:?}, not {state:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What has been done to gobgpd happens to the simulator too.
    pub(crate) async fn also(&mut self, change: impl FnOnce(&mut Gobgpd)) -> Result<()> {
        self.catch_up().await?;
        change(&mut self.simulated);
        self.settle().await
    }

    /// Does it on both.
    pub(crate) async fn turn(&mut self, turn: &Turn) -> Result<()> {
        match turn {
            Turn::Call(call) => self.call(call).await,
            Turn::Move(neighbor, moves) => self.moves(*neighbor, *moves).await,
        }
    }

    /// Makes a call on both: they answer the same, and are the same after.
    pub(crate) async fn call(&mut self, call: &Call) -> Result<()> {
        self.idle.turn(&self.simulated);
        let expected = self.real.call(call).await?;
        self.catch_up().await?;
        let answer = simulated::call(&mut self.simulated, call).map_err(|refusal| refusal.0);
        ensure!(
            answer == expected || both_miss_a_set(call, &expected, &answer),
            "gobgpd answers {expected:?}, the simulator {answer:?}",
        );
        self.settle().await
    }

    /// A neighbor moves, as far as it can.
    async fn moves(&mut self, neighbor: Ipv4Addr, moves: Move) -> Result<()> {
        while let Some(act) = self.next_act(neighbor, moves) {
            self.idle.turn(&self.simulated);
            let expected = self.real.act(neighbor, act).await?;
            self.catch_up().await?;
            let answer = simulate(&mut self.simulated, neighbor, act);
            ensure!(
                answer == expected,
                "to {act:?} gobgpd says {expected}, the simulator {answer}"
            );
            self.settle().await?;
            if !answer || !moves.goes_on() {
                break;
            }
        }
        Ok(())
    }

    /// None where gobgpd can't be reached.
    fn next_act(&self, neighbor: Ipv4Addr, moves: Move) -> Option<Act> {
        let port = self.simulated.global()?.listen_port;
        let port = port.filter(|port| *port != 0)?;
        let peer = self.simulated.peers().get(&neighbor.into());
        let session = peer.map_or(SessionState::Idle, |peer| peer.session);
        let asn = peer.and_then(|peer| peer.conf.peer_as.try_into().ok());
        moves.act(session, port, asn.unwrap_or_default())
    }

    /// Has the simulator be where gobgpd was as it took the last call: what
    /// the outside had done until then comes first.
    async fn catch_up(&mut self) -> Result<()> {
        self.account.hear(self.real.told().await?);
        self.follow()
    }

    fn follow(&mut self) -> Result<()> {
        let (idle, outside) = (&self.idle, self.outside);
        self.account.follow(&mut self.simulated, |daemon, event| {
            outside(daemon, event, idle.at_least(event.address))
        })
    }

    /// Waits until both are at the same point, and compares all there is.
    async fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + SOON;
        loop {
            self.follow()?;
            let Some(amiss) = self.amiss().await? else {
                return Ok(());
            };
            ensure!(Instant::now() < end, amiss);
            tokio::time::sleep(PAUSE).await;
            self.account.hear(self.real.told().await?);
        }
    }

    /// Where they differ, which may only be for now.
    async fn amiss(&self) -> Result<Option<String>> {
        if let Some(event) = self.account.missing()? {
            let amiss = format!("the simulator tells {event:?}, gobgpd nothing");
            return Ok(Some(amiss));
        }
        let listing = Listing::simulated(&self.simulated);
        let differences = listing::differences(&self.real.listing().await?, &listing);
        Ok((!differences.is_empty()).then(|| differences.join("\n")))
    }
}

/// How long peers have been idle, at least: counted from before the turn that
/// made them so, it is never less than gobgpd's timers have run.
struct Idle {
    turn: Instant,
    since: BTreeMap<IpAddr, Instant>,
}

impl Idle {
    fn new() -> Self {
        Self {
            turn: Instant::now(),
            since: BTreeMap::new(),
        }
    }

    /// A turn begins.
    fn turn(&mut self, simulated: &Gobgpd) {
        for peer in simulated.peers().keys() {
            match simulated.idle_hold(*peer) {
                Some(_) => _ = self.since.entry(*peer).or_insert(self.turn),
                None => _ = self.since.remove(peer),
            }
        }
        self.turn = Instant::now();
    }

    fn at_least(&self, peer: IpAddr) -> Duration {
        self.since.get(&peer).unwrap_or(&self.turn).elapsed()
    }
}

/// The same on the simulator; whether it takes it.
fn simulate(daemon: &mut Gobgpd, neighbor: Ipv4Addr, act: Act) -> bool {
    let peer = neighbor.into();
    match act {
        Act::Connect { .. } => return daemon.neighbor_connects(peer, ROUTER.into()),
        Act::Open { asn } => return daemon.neighbor_opens(peer, asn.into(), neighbor),
        Act::Confirm => daemon.neighbor_confirms(peer),
        Act::Leave { .. } => daemon.neighbor_leaves(peer),
    }
    true
}

/// `SetPolicies` looks at policies in any order: which set it misses first is
/// chance.
fn both_miss_a_set(call: &Call, real: &Result<(), String>, simulated: &Result<(), String>) -> bool {
    let misses = |answer: &Result<(), String>| {
        let words = answer.as_ref().err();
        words.is_some_and(|words| words.starts_with("not found ") && words.contains(" set "))
    };
    matches!(call, Call::SetPolicies(..)) && misses(real) && misses(simulated)
}
