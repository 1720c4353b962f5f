//! What goes wrong, and when: a sequence that follows from a seed alone.
//!
//! Faults are drawn as from a bag with one of each class: so a short run has had each of them
//! once, and a long one has had them in every order. Some come two at a time.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::ground::{ETCDS, ROUTERS, SERVERS};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A server is killed (SIGKILL).
    KillServer,
    /// A server is told to leave (SIGTERM), and does.
    StopServer,
    /// An etcd member is killed.
    KillEtcd,
    /// The etcd member is killed that leads at that moment.
    KillLeader,
    /// A gobgpd is killed, and comes back empty.
    KillRouter,
    /// A server stands still (SIGSTOP) for longer than its lease.
    FreezeServer,
    /// An etcd member stands still.
    FreezeEtcd,
    /// All of etcd stands still, for longer than the servers' leases.
    FreezeAllOfEtcd,
    /// A gobgpd stands still, for less than its neighbors' hold time.
    FreezeRouter,
    /// Nothing gets through between a server and etcd.
    ServerFromEtcd,
    /// Nothing gets through between a server and all routers.
    ServerFromRouters,
    /// Nothing gets through between an etcd member and the others.
    EtcdFromOthers,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::KillServer,
        Self::StopServer,
        Self::KillEtcd,
        Self::KillLeader,
        Self::KillRouter,
        Self::FreezeServer,
        Self::FreezeEtcd,
        Self::FreezeAllOfEtcd,
        Self::FreezeRouter,
        Self::ServerFromEtcd,
        Self::ServerFromRouters,
        Self::EtcdFromOthers,
    ];

    /// Those that it can hit.
    fn targets(self) -> &'static [&'static str] {
        match self {
            Self::KillServer
            | Self::StopServer
            | Self::FreezeServer
            | Self::ServerFromEtcd
            | Self::ServerFromRouters => &SERVERS,
            Self::KillEtcd | Self::FreezeEtcd | Self::EtcdFromOthers => &ETCDS,
            Self::KillLeader => &["the leader"],
            Self::FreezeAllOfEtcd => &["every member"],
            Self::KillRouter | Self::FreezeRouter => &ROUTERS,
        }
    }

    /// Whether it is to outlast the lease.
    fn outlasts_the_lease(self) -> bool {
        matches!(
            self,
            Self::FreezeServer | Self::FreezeEtcd | Self::FreezeAllOfEtcd | Self::FreezeRouter
        )
    }

    /// Whether it ends or stops a process; the others cut wires.
    fn hits_a_process(self) -> bool {
        !matches!(
            self,
            Self::ServerFromEtcd | Self::ServerFromRouters | Self::EtcdFromOthers
        )
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillServer => "server killed",
            Self::StopServer => "server told to leave",
            Self::KillEtcd => "etcd member killed",
            Self::KillLeader => "etcd's leader killed",
            Self::KillRouter => "gobgpd killed",
            Self::FreezeServer => "server stands still",
            Self::FreezeEtcd => "etcd member stands still",
            Self::FreezeAllOfEtcd => "all of etcd stands still",
            Self::FreezeRouter => "gobgpd stands still",
            Self::ServerFromEtcd => "server cut from etcd",
            Self::ServerFromRouters => "server cut from all routers",
            Self::EtcdFromOthers => "etcd member cut from the others",
        })
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub class: Class,
    /// To whom: a place in the [`ground`](super::ground)'s list of such.
    pub target: usize,
}

impl Fault {
    fn drawn(class: Class, random: &mut StdRng) -> Self {
        let target = random.random_range(0..class.targets().len());
        Self { class, target }
    }

    /// Whom it hits.
    #[must_use]
    pub fn victim(self) -> &'static str {
        self.class.targets()[self.target]
    }

    /// Whether its victim's sessions fall with it; those of all others must not.
    #[must_use]
    pub fn fells(self) -> bool {
        self.class == Class::KillRouter
    }

    /// The members of etcd that it may hit as processes.
    fn members(self) -> &'static [&'static str] {
        match self.class {
            Class::KillLeader | Class::FreezeAllOfEtcd => &ETCDS,
            Class::KillEtcd | Class::FreezeEtcd => &ETCDS[self.target..=self.target],
            _ => &[],
        }
    }

    /// Whether each can be done and undone without a look at the other: no process is hit twice.
    fn goes_with(self, other: Self) -> bool {
        let both = self.class.hits_a_process() && other.class.hits_a_process();
        let members = self.members().iter();
        let shared = members
            .filter(|member| other.members().contains(member))
            .count();
        !(both && (self.victim() == other.victim() || shared > 0))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.victim())
    }
}

/// What goes wrong at once, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// How long all was well before.
    pub after: Duration,
    /// One fault or two.
    pub faults: Vec<Fault>,
    /// Until everything is healed.
    pub lasts: Duration,
}

impl Strike {
    /// The servers that go on, where they are enough for all to become true while the strike
    /// lasts: it outlasts the lease of those it takes away, every router answers, and etcd has a
    /// majority.
    #[must_use]
    pub fn survivors(&self, lease: Duration) -> Option<Vec<usize>> {
        let takes_a_server = |class| {
            matches!(
                class,
                Class::KillServer | Class::StopServer | Class::FreezeServer | Class::ServerFromEtcd
            )
        };
        let takes_a_member = |class| {
            matches!(
                class,
                Class::KillEtcd | Class::KillLeader | Class::FreezeEtcd | Class::EtcdFromOthers
            )
        };
        let count = |takes: &dyn Fn(Class) -> bool| {
            let taken = self.faults.iter().filter(|fault| takes(fault.class));
            taken.count()
        };
        let (servers, members) = (count(&takes_a_server), count(&takes_a_member));
        let heals_itself = servers + members == self.faults.len() && members <= 1;
        if !heals_itself || self.lasts <= lease {
            return None;
        }
        let taken = |server: usize| {
            let mut faults = self.faults.iter();
            faults.any(|fault| takes_a_server(fault.class) && fault.target == server)
        };
        Some(
            (0..SERVERS.len())
                .filter(|server| !taken(*server))
                .collect(),
        )
    }
}

/// The faults of a seed, without end.
#[derive(Debug)]
pub struct Strikes {
    random: StdRng,
    lease: Duration,
    bag: Vec<Class>,
}

impl Strikes {
    /// Those of this seed, where a server's lease is this long.
    #[must_use]
    pub fn new(seed: u64, lease: Duration) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            lease,
            bag: Vec::new(),
        }
    }

    /// Whether every class has come as often as any other.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.bag.is_empty()
    }

    fn draw(&mut self) -> Fault {
        if self.bag.is_empty() {
            self.bag = Class::ALL.to_vec();
            self.bag.shuffle(&mut self.random);
        }
        let class = self.bag.pop().unwrap_or(Class::KillServer);
        Fault::drawn(class, &mut self.random)
    }

    /// Another one that goes with this one, where the bag has one on top.
    fn draw_beside(&mut self, first: Fault) -> Option<Fault> {
        let class = *self.bag.last()?;
        let second = Fault::drawn(class, &mut self.random);
        if !first.goes_with(second) {
            return None;
        }
        self.bag.pop();
        Some(second)
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }

    /// Longer than the lease where it must be, else shorter or longer.
    fn how_long(&mut self, faults: &[Fault]) -> Duration {
        if faults.iter().any(|fault| fault.class.outlasts_the_lease()) {
            return self.lease + self.between(1_000, 4_000);
        }
        let most = self.lease + Duration::from_secs(3);
        self.between(500, most.as_secs() * 1_000)
    }
}

impl Iterator for Strikes {
    type Item = Strike;

    fn next(&mut self) -> Option<Strike> {
        let first = self.draw();
        let two = self.random.random_ratio(1, 3);
        let second = two.then(|| self.draw_beside(first)).flatten();
        let faults: Vec<_> = [Some(first), second].into_iter().flatten().collect();
        Some(Strike {
            after: self.between(500, 3_000),
            lasts: self.how_long(&faults),
            faults,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const LEASE: Duration = Duration::from_secs(5);

    fn strikes(seed: u64) -> impl Iterator<Item = Strike> {
        Strikes::new(seed, LEASE).take(60)
    }

    #[test]
    fn a_seed_repeats_its_run_and_another_one_does_not() {
        assert!(strikes(7).eq(strikes(7)));
        assert!(!strikes(7).eq(strikes(8)));
    }

    #[test]
    fn every_class_has_come_before_any_comes_again() {
        for seed in 0..50 {
            let mut strikes = Strikes::new(seed, LEASE);
            for round in 1..=3 {
                let mut counts: BTreeMap<Class, usize> = BTreeMap::new();
                loop {
                    for fault in strikes.next().unwrap().faults {
                        *counts.entry(fault.class).or_default() += 1;
                    }
                    if strikes.is_even() {
                        break;
                    }
                }
                assert_eq!(counts.len(), Class::ALL.len(), "seed {seed}, round {round}");
                assert!(counts.values().all(|count| *count == 1), "{counts:?}");
            }
        }
    }

    #[test]
    fn what_is_to_outlast_the_lease_does_and_all_is_bounded() {
        for strike in (0..50).flat_map(strikes) {
            let outlasts = strike.faults.iter().any(|f| f.class.outlasts_the_lease());
            assert!(!outlasts || strike.lasts > LEASE, "{strike:?}");
            // Far below gobgpd's hold time, which a stopped one's neighbors wait.
            assert!(strike.lasts < Duration::from_secs(10), "{strike:?}");
            assert!(strike.after <= Duration::from_secs(3), "{strike:?}");
        }
    }

    #[test]
    fn all_must_be_true_meanwhile_where_servers_and_a_majority_are_left() {
        let fault = |class, target| Fault { class, target };
        let strike = |faults: &[Fault]| Strike {
            after: Duration::ZERO,
            faults: faults.to_vec(),
            lasts: LEASE * 2,
        };
        let of = |faults: &[Fault]| strike(faults).survivors(LEASE);
        let (server, cut) = (fault(Class::KillServer, 1), fault(Class::ServerFromEtcd, 0));
        let (leader, member) = (fault(Class::KillLeader, 0), fault(Class::FreezeEtcd, 2));
        assert_eq!(of(&[server]), Some(vec![0, 2]));
        assert_eq!(of(&[server, cut]), Some(vec![2]));
        assert_eq!(of(&[leader, server]), Some(vec![0, 2]));
        assert_eq!(of(&[member]), Some(vec![0, 1, 2]));
        assert_eq!(of(&[member, fault(Class::EtcdFromOthers, 1)]), None);
        assert_eq!(of(&[server, fault(Class::ServerFromRouters, 0)]), None);
        assert_eq!(of(&[fault(Class::FreezeRouter, 3)]), None);
        let short = Strike {
            lasts: LEASE,
            ..strike(&[server])
        };
        assert_eq!(short.survivors(LEASE), None);
        let often = (0..50)
            .flat_map(strikes)
            .filter(|s| s.survivors(LEASE).is_some());
        assert!(often.count() > 500);
    }

    #[test]
    fn two_at_once_never_hit_one_process() {
        let mut pairs = 0;
        for strike in (0..50).flat_map(strikes) {
            let [one, two] = strike.faults[..] else {
                continue;
            };
            pairs += 1;
            let processes = [one, two].map(|fault| fault.class.hits_a_process());
            if processes == [true, true] {
                let all = [one, two].iter().any(|f| f.class == Class::FreezeAllOfEtcd);
                assert_ne!(one.victim(), two.victim(), "{strike:?}");
                let leads = [one, two].iter().any(|f| f.class == Class::KillLeader);
                let etcd = [one, two].iter().any(|f| ETCDS.contains(&f.victim()));
                assert!(!((leads || all) && etcd), "{strike:?}");
            }
        }
        assert!(pairs > 100, "{pairs}");
    }
}
