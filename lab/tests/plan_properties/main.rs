//! The planner's promises, for random routers, operators and daemons.
//!
//! A case is a router in three acts: rows are declared and applied; people
//! change things on the daemon with `gobgp`, or it restarts; other rows are
//! declared and applied. In the last act the plan is broken off after every
//! call, as a crash would, and each time: nothing fails open, no peer runs
//! without its policies, what is somebody else's is untouched, and going on
//! from there leads to the same end.
//!
//! The daemon is the simulator, which takes hundreds of cases in a few
//! seconds; in [`real`] it is a real one, which takes a few.

mod case;
mod checks;
mod hand;
mod real;
mod world;

use case::{Case, any_case, any_rows, router, row};
use checks::{end_is_right, foreign, nothing_is_open, shape};
use proptest::prelude::*;
use sdwan_lab::sim::{Flavor, Gobgpd};
use sdwan_model::compile::Inputs;
use sdwan_model::config::AdminState;
use sdwan_model::observed::DefaultAction;
use sdwan_model::plan::{Disturbance, Effect, Op, Plan};
use serde_json::json;
use std::net::IpAddr;
use world::{DIRECTIONS, PEERS, Records, World, address, declared, is_done_all_the_same};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_broken_off_anywhere_opens_nothing_and_is_finished_later(case in any_case()) {
        let (start, desired) = case.stage();
        let desired = &desired;
        let plan = start.plan(desired);
        let mut end = start.clone();
        end.go(&plan, plan.steps.len());
        let again = end.plan(desired);
        prop_assert!(again.steps.is_empty(), "first\n{plan}\nthen\n{again}");
        let last = end.settle(desired);
        prop_assert!(last.intents.is_empty(), "records still change: {:?}", last.intents);
        for direction in DIRECTIONS {
            let default = |world: &World| world.daemon.policies().list_assignment(direction).1;
            let his = default(&start) == DefaultAction::Reject;
            prop_assert!(!his || default(&end) == DefaultAction::Reject, "opened by\n{plan}");
        }
        end_is_right("at the end", &end, desired, &last);
        let mut known = end.records.clone();
        known.extend(start.records.clone());
        prop_assert_eq!(
            foreign(&start.daemon, &known), foreign(&end.daemon, &known),
            "somebody else's is touched by\n{}", plan
        );

        for stop in 0..=plan.steps.len() {
            let case = format!("after {stop} steps of\n{plan}");
            let mut crashed = start.clone();
            crashed.go(&plan, stop);
            nothing_is_open(&case, &start, &crashed, &end);
            // The call after is made, or the first of its two, and nobody
            // hears of it.
            for half in [true, false] {
                let Some(step) = plan.steps.get(stop) else { break };
                let case = format!("unheard, half {half}, {case}");
                let mut unheard = crashed.clone();
                match (half, &step.op) {
                    (true, Op::RecreatePeer(..) | Op::DeletePeer(_)) => {
                        unheard.daemon.apply_first_half(&step.op).unwrap();
                    }
                    (true, _) => continue,
                    (false, op) => {
                        if let Err(refusal) = unheard.daemon.apply(op) {
                            prop_assert!(is_done_all_the_same(&refusal), "{refusal}, {case}");
                        }
                    }
                }
                nothing_is_open(&case, &start, &unheard, &end);
                let last = unheard.settle(desired);
                end_is_right(&case, &unheard, desired, &last);
                // What a person had set and was lost in between stays lost.
                if !half {
                    prop_assert_eq!(shape(&unheard.daemon), shape(&end.daemon), "{}", case);
                }
            }
            let last = crashed.settle(desired);
            end_is_right(&case, &crashed, desired, &last);
            prop_assert_eq!(shape(&crashed.daemon), shape(&end.daemon), "{}", case);
        }
    }

    #[test]
    fn stale_routes_are_spoken_of_until_the_session_falls(case in any_case()) {
        let (mut world, desired) = case.stage();
        let desired = &desired;
        let last = world.settle(desired);
        let says = |plan: &Plan| plan.to_string().contains("needs reset");
        let owed = |world: &World| {
            world.records.values().any(|record| record.owed.contains(&Effect::Reset))
        };
        prop_assert_eq!(says(&last), owed(&world));
        let addresses: Vec<IpAddr> = world.daemon.peers().keys().copied().collect();
        for address in addresses {
            world.daemon.neighbor_leaves(address);
        }
        world.daemon.sessions_come_up();
        let last = world.settle(desired);
        prop_assert!(!says(&last) && !owed(&world), "{last}");
    }

    #[test]
    fn sessions_fall_only_for_a_change_of_their_row_or_of_the_daemon(first in any_rows(1), flavor in prop::sample::select(vec![Flavor::V3_10, Flavor::V4_8]), second in any_rows(2)) {
        let case = Case { flavor, before: Vec::new(), first: first.clone(), between: Vec::new(), second: None };
        let (world, _) = case.stage();
        // The same neighbors, other policies.
        let inputs = Inputs { neighbors: first.neighbors, ..second };
        let plan = world.plan(&declared(&inputs));
        let reset = plan.steps.iter().find(|step| step.disturbance >= Disturbance::SessionReset);
        prop_assert!(reset.is_none(), "{plan}");
    }
}

/// A disabled peer is not enabled by the way.
#[test]
fn a_peer_disabled_by_hand_stays_disabled() {
    let neighbor = |version, description: &str| {
        let body = json!({"neighbor_addr": PEERS[0], "peer_as": 65002, "description": description});
        Inputs {
            router: Some(router()),
            neighbors: vec![row("neighbor", "n".into(), version, body)],
            policies: Vec::new(),
        }
    };
    for flavor in [Flavor::V3_10, Flavor::V3_36, Flavor::V4_8] {
        let mut world = World {
            daemon: Gobgpd::new(flavor),
            records: Records::new(),
        };
        world.settle(&declared(&neighbor(1, "old")));
        world.daemon.sessions_come_up();
        world.daemon.disable_peer(address(0)).unwrap();
        let desired = declared(&neighbor(2, "new"));
        let last = world.settle(&desired);
        assert!(
            last.to_string()
                .contains("waits until 10.0.0.1 is enabled again"),
            "{last}"
        );
        assert_eq!(
            world.daemon.peers()[&address(0)].admin_state,
            AdminState::Down
        );

        world.daemon.enable_peer(address(0)).unwrap();
        world.settle(&desired);
        assert_eq!(world.daemon.peers()[&address(0)].conf.description, "new");
    }
}
