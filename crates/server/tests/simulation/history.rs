//! From a seed to what happens: the operator's writes and the faults, in
//! order of time. Pure, so that a seed is a whole history.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Neighbors that a router may have.
pub const NEIGHBORS: u8 = 4;
/// Policy rows that a router may have.
pub const POLICIES: u8 = 4;

/// See the module.
#[derive(Debug)]
pub struct History {
    pub servers: usize,
    pub routers: u8,
    pub lease: Duration,
    /// Each at this time after the start, in order.
    pub events: Vec<(Duration, Event)>,
    /// When everything is healed.
    pub ends: Duration,
}

/// Something that happens to the world; servers by number, from 0, and
/// routers and neighbors by number, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Start(usize),
    /// SIGKILL.
    Kill(usize),
    /// SIGTERM.
    Term(usize),
    /// SIGSTOP and, after so long, SIGCONT. With `late`, one call to a daemon
    /// is made right then that was decided on before.
    Stop {
        server: usize,
        time: Duration,
        late: bool,
    },
    /// The server and the store don't hear each other.
    StoreCut(usize, Duration),
    /// Of the server's next commits the answers get lost (true), or the
    /// requests.
    LoseCommits(usize, Vec<bool>),
    /// After so many more calls of the server's to daemons, the answer to one
    /// gets lost (true), or the request.
    LoseCall(usize, u8, bool),
    /// The server's watch of the store breaks.
    BreakWatch(usize),
    /// The store forgets its history.
    Compact,
    /// A server and a router's daemon don't hear each other: refused at once,
    /// or without an answer.
    RouterCut {
        server: usize,
        router: u8,
        silent: bool,
        time: Duration,
    },
    /// Nobody reaches the router's daemon.
    DaemonDown(u8, Duration),
    /// The daemon starts over with nothing.
    DaemonRestart(u8),
    /// The neighbor is away.
    NeighborDown(u8, u8, Duration),
    /// The operator's, through this server.
    Write(usize, Write),
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    CreateRouter(u8),
    /// With everything that refers to it.
    DeleteRouter(u8),
    CreateNeighbor(u8, u8),
    /// Which resets its session: a new description.
    UpdateNeighbor(u8, u8),
    DeleteNeighbor(u8, u8),
    /// Of this router, with this number, for one neighbor or (0) for all.
    CreatePolicy(u8, u8, u8),
    /// Another action, which owes a refresh.
    UpdatePolicy(u8, u8),
    /// Other neighbors, which owes a refresh to some.
    MovePolicy(u8, u8, u8),
    DeletePolicy(u8, u8),
}

impl History {
    /// What this seed stands for.
    pub fn of(seed: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let servers = chance.random_range(2..=3);
        let routers = chance.random_range(1..=3);
        let lease = Duration::from_secs([2, 4, 10][chance.random_range(0..3)]);
        let mut maker = Maker {
            up: vec![false; servers],
            servers,
            routers,
            lease,
            chance,
            events: Vec::new(),
            now: Duration::ZERO,
        };
        maker.begin();
        // Few faults find what takes long to unfold, many what takes several.
        let pace = maker.chance.random_range(300..3000);
        let ends = Duration::from_secs(maker.chance.random_range(15..50));
        loop {
            maker.now += Duration::from_millis(maker.chance.random_range(0..pace));
            if maker.now >= ends {
                break;
            }
            maker.next();
        }
        maker.events.sort_by_key(|(at, _)| *at);
        let last = maker.events.last().map_or(ends, |(at, _)| *at);
        Self {
            servers,
            routers,
            lease,
            events: maker.events,
            ends: ends.max(last),
        }
    }
}

struct Maker {
    servers: usize,
    routers: u8,
    lease: Duration,
    chance: StdRng,
    events: Vec<(Duration, Event)>,
    now: Duration,
    up: Vec<bool>,
}

impl Maker {
    fn push(&mut self, event: Event) {
        self.events.push((self.now, event));
    }

    fn later(&mut self, wait: Duration, event: Event) {
        self.events.push((self.now + wait, event));
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.chance.random_range(range))
    }

    fn server(&mut self) -> usize {
        self.chance.random_range(0..self.servers)
    }

    fn router(&mut self) -> u8 {
        self.chance.random_range(1..=self.routers)
    }

    fn neighbor(&mut self) -> u8 {
        self.chance.random_range(1..=NEIGHBORS)
    }

    /// Some servers, routers with neighbors and a policy or two.
    fn begin(&mut self) {
        for server in 0..self.servers {
            if server == 0 || self.chance.random_bool(0.8) {
                self.up[server] = true;
                let wait = self.millis(0..1000);
                self.later(wait, Event::Start(server));
            } else {
                let wait = self.millis(1000..20_000);
                self.up[server] = true;
                self.later(wait, Event::Start(server));
            }
        }
        self.now = Duration::from_millis(1500);
        for router in 1..=self.routers {
            let mut writes = vec![Write::CreateRouter(router)];
            for neighbor in 1..=NEIGHBORS {
                if self.chance.random_bool(0.6) {
                    writes.push(Write::CreateNeighbor(router, neighbor));
                }
            }
            for policy in 1..=POLICIES {
                if self.chance.random_bool(0.5) {
                    let of = self.chance.random_range(0..=NEIGHBORS);
                    writes.push(Write::CreatePolicy(router, policy, of));
                }
            }
            for write in writes {
                let wait = self.millis(0..150);
                self.now += wait;
                self.push(Event::Write(0, write));
            }
        }
    }

    fn next(&mut self) {
        if self.chance.random_bool(0.5) {
            let (server, write) = (self.server(), self.write());
            self.push(Event::Write(server, write));
            // In the middle of what follows from it, more often than not.
            if self.chance.random_bool(0.3) {
                let then = self.now;
                self.now = then + self.millis(0..60);
                self.fault();
                self.now = then;
            }
        } else {
            self.fault();
        }
    }

    fn fault(&mut self) {
        let server = self.server();
        let router = self.router();
        match self.chance.random_range(0..100) {
            0..16 => self.end(server),
            16..26 => {
                let longest = self.lease.as_millis() as u64 * 2;
                let time = self.millis(100..longest);
                let late = self.chance.random_bool(0.3);
                self.push(Event::Stop { server, time, late });
            }
            26..38 => {
                let longest = self.lease.as_millis() as u64 * 2;
                let time = self.millis(50..longest);
                self.push(Event::StoreCut(server, time));
            }
            38..44 => {
                let count = self.chance.random_range(1..4);
                let answers = (0..count).map(|_| self.chance.random_bool(0.6)).collect();
                self.push(Event::LoseCommits(server, answers));
            }
            44..52 => {
                let (after, answer) = (self.chance.random_range(0..6), self.chance.random());
                self.push(Event::LoseCall(server, after, answer));
            }
            52..56 => self.push(Event::BreakWatch(server)),
            56..60 => {
                self.push(Event::Compact);
                if self.chance.random_bool(0.5) {
                    self.push(Event::BreakWatch(server));
                }
            }
            60..72 => {
                let silent = self.chance.random_bool(0.5);
                let time = self.millis(50..15_000);
                self.push(Event::RouterCut {
                    server,
                    router,
                    silent,
                    time,
                });
            }
            72..80 => {
                let time = self.millis(50..10_000);
                self.push(Event::DaemonDown(router, time));
            }
            80..90 => self.push(Event::DaemonRestart(router)),
            _ => {
                let neighbor = self.neighbor();
                let time = self.millis(100..10_000);
                self.push(Event::NeighborDown(router, neighbor, time));
            }
        }
    }

    /// A server ends and, a while later, another process takes its place.
    fn end(&mut self, server: usize) {
        let event = match self.chance.random_bool(0.7) {
            true => Event::Kill(server),
            false => Event::Term(server),
        };
        self.push(event);
        let wait = self.millis(10..12_000);
        self.later(wait, Event::Start(server));
    }

    fn write(&mut self) -> Write {
        let (router, neighbor) = (self.router(), self.neighbor());
        let policy = self.chance.random_range(1..=POLICIES);
        let of = self.chance.random_range(0..=NEIGHBORS);
        match self.chance.random_range(0..100) {
            0..4 => Write::DeleteRouter(router),
            4..14 => Write::CreateRouter(router),
            14..28 => Write::CreateNeighbor(router, neighbor),
            28..36 => Write::UpdateNeighbor(router, neighbor),
            36..46 => Write::DeleteNeighbor(router, neighbor),
            46..60 => Write::CreatePolicy(router, policy, of),
            60..84 => Write::UpdatePolicy(router, policy),
            84..90 => Write::MovePolicy(router, policy, of),
            _ => Write::DeletePolicy(router, policy),
        }
    }
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..100 {
        let (one, two) = (History::of(seed), History::of(seed));
        assert_eq!(one.events, two.events);
        assert!(one.events.is_sorted_by_key(|(at, _)| *at));
        assert!(one.events.len() > 5, "seed {seed} has hardly a history");
    }
    assert_ne!(History::of(1).events, History::of(2).events);
}
