//! The simulator is what the planner's promises are tested on. Here it is held
//! against the real thing: random calls, invalid ones included, go to it and
//! to a real gobgpd of each release, and after every one the replies, all
//! listings, the events and the list that a new watcher starts with must be
//! the same.
//!
//! What no call does is done to both: neighbors take one step of a session at
//! a time, when a turn says so. Only the clock does as it likes: that a session
//! leaves IDLE is taken from gobgpd's events, if the simulator's has waited long
//! enough. With real neighbors, in a test of their own, so is whatever may come
//! of their attempts to connect; but how a session that is up falls never is.
//!
//! What the simulator is served as, thousands at once, is held against it in
//! the same way, as far as neighbors go.
//!
//! `SDWAN_SEQUENCES` makes it longer than it is, `SDWAN_SEED` makes it other.

mod account;
mod both;
mod call;
mod listing;
mod neighbor;
mod peering;
mod real;
mod simulated;
mod translate;
mod turn;
mod watch;

use anyhow::{Context as _, Result, ensure};
use both::Both;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use real::Real;
use sdwan_lab::harness;
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::event::Event;
use sdwan_lab::tools::Release;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use turn::{Turn, any_calls_of_peers, any_life, any_sessions, seldom};

const LAB: &str = env!("CARGO_BIN_EXE_lab");

#[test]
fn the_simulator_answers_as_gobgpd_does() {
    let body = |release| hold_together(Side::Gobgpd, release, &any_life());
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}

#[test]
fn sessions_come_and_go_as_gobgpds_do() {
    let body = |release| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(agree(Side::Gobgpd, release, &HashMap::new(), &seldom()))?;
        hold_together(Side::Gobgpd, release, &any_sessions())
    };
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}

#[test]
fn sessions_with_real_neighbors_go_the_same_ways() {
    let body = |release| tokio::runtime::Runtime::new()?.block_on(peering::sessions(release));
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}

#[test]
fn what_is_served_answers_as_the_simulator_does() {
    let body = |release| hold_together(Side::Served, release, &any_calls_of_peers());
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}

/// What is held against the simulator.
#[derive(Clone, Copy, Debug)]
enum Side {
    /// The real one.
    Gobgpd,
    /// The simulator behind the real one's API.
    Served,
}

impl Side {
    async fn start(
        self,
        release: Release,
        echoes: HashMap<IpAddr, sdwan_gobgp::types::Peer>,
    ) -> Result<Real> {
        match self {
            Self::Gobgpd => Real::start(release, echoes).await,
            Self::Served => Real::served(release, echoes).await,
        }
    }
}

/// Random turns, on both.
fn hold_together(
    side: Side,
    release: Release,
    turns: &impl Strategy<Value = Vec<Turn>>,
) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let echoes = runtime.block_on(async {
        let real = side.start(release, HashMap::new()).await?;
        real.echoes().await
    })?;
    let config = Config {
        cases: harness::number("SDWAN_SEQUENCES", 15)?,
        // A failure is told in time, if not in the fewest words.
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&harness::number("SDWAN_SEED", 0)?.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let heard = Cell::new(0);
    TestRunner::new_with_rng(config, random)
        .run(turns, |turns| {
            runtime
                .block_on(agree(side, release, &echoes, &turns))
                .map(|events| heard.set(heard.get() + events))
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    ensure!(
        heard.get() > 0,
        "no event came: that proves nothing of them"
    );
    Ok(())
}

/// All turns on both. How many events there were.
async fn agree(
    side: Side,
    release: Release,
    echoes: &HashMap<IpAddr, sdwan_gobgp::types::Peer>,
    turns: &[Turn],
) -> Result<usize> {
    let real = side.start(release, echoes.clone()).await?;
    let mut both = Both::beside(real, release, clock);
    for (index, turn) in turns.iter().enumerate() {
        let at = || format!("turn {index}, {turn:?}");
        both.turn(turn).await.with_context(at)?;
    }
    Ok(both.events())
}

/// What the clock does: a session has waited long enough in IDLE.
fn clock(simulated: &mut Gobgpd, event: &Event, idle: Duration) -> bool {
    let peer = event.address;
    let could = simulated.idle_hold(peer).is_some_and(|hold| hold <= idle);
    if could {
        simulated.idle_hold_expires(peer);
    }
    could
}
