//! The simulator is what the planner's promises are tested on. Here it is held
//! against the real thing: random calls, invalid ones included, go to it and
//! to a real gobgpd of each release, and after every one the replies and all
//! listings must be the same.
//!
//! Events are compared as far as a daemon without live neighbors tells the
//! same ones twice: when a session tries to come up, and so how often a
//! watcher hears of it, is chance. But whatever it hears of a peer must be
//! something that the simulator's peer has been.
//!
//! `SDWAN_SEQUENCES` makes it longer than it is, `SDWAN_SEED` makes it other.

mod call;
mod listing;
mod real;
mod simulated;
mod translate;

use anyhow::{Context as _, Result, ensure};
use call::{Call, any_sequence};
use listing::Listing;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use real::Real;
use sdwan_lab::harness;
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::tools::Release;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

#[test]
fn the_simulator_answers_as_gobgpd_does() {
    let body = |release| {
        let runtime = tokio::runtime::Runtime::new()?;
        let echoes = runtime.block_on(Real::echoes(release))?;
        let config = Config {
            cases: harness::number("SDWAN_SEQUENCES", 15)?,
            max_shrink_iters: 200,
            failure_persistence: None,
            ..Config::default()
        };
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&harness::number("SDWAN_SEED", 0)?.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let heard = Cell::new(0);
        TestRunner::new_with_rng(config, random)
            .run(&any_sequence(), |calls| {
                runtime
                    .block_on(agree(release, &echoes, &calls))
                    .map(|events| heard.set(heard.get() + events))
                    .map_err(|error| TestCaseError::fail(format!("{error:#}")))
            })
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        ensure!(
            heard.get() > 0,
            "no event came: that proves nothing of them"
        );
        Ok(())
    };
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}

/// Makes the calls on both. How many events there were.
async fn agree(
    release: Release,
    echoes: &HashMap<IpAddr, sdwan_gobgp::types::Peer>,
    calls: &[Call],
) -> Result<usize> {
    let mut real = Real::start(release, echoes.clone()).await?;
    let mut simulated = Gobgpd::new(release.into());
    let mut been = BTreeSet::new();
    for (index, call) in calls.iter().enumerate() {
        let at = || format!("call {index}, {call:?}");
        let expected = real.call(call).await.with_context(at)?;
        let answer = simulated::call(&mut simulated, call).map_err(|refusal| refusal.0);
        ensure!(
            answer == expected || both_miss_a_set(call, &expected, &answer),
            "{}: gobgpd answers {expected:?}, the simulator {answer:?}",
            at()
        );
        let expected = real.listing().await.with_context(at)?;
        let listing = Listing::simulated(&simulated);
        ensure!(
            listing == expected,
            "after {}: {}",
            at(),
            listing::differences(&expected, &listing).join("\n")
        );
        been.extend(listing.peers.iter().map(|(peer, _, held)| (*peer, *held)));
    }
    let events = real.events();
    let heard = events.len();
    for event in events {
        let (peer, held) = event?;
        ensure!(
            been.contains(&(peer, held)),
            "an event tells of {peer}, held down: {held}; the simulator's never was that"
        );
    }
    Ok(heard)
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
