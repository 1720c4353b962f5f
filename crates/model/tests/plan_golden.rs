//! What `sdwan plan` prints, case by case.

mod support;

use insta::assert_snapshot;
use sdwan_model::compile::Inputs;
use sdwan_model::config::AdminState;
use sdwan_model::observed::{DefaultAction, SessionState};
use sdwan_model::plan::{Disturbance, Effect, Op, OwnedKey, OwnedKind, OwnedWrite};
use serde_json::json;
use support::{Router, V3_10, V3_36, V4_8, change, demo, neighbor, next_hop_self, row};

#[test]
fn bring_up() {
    let router = Router::fresh(demo(), V4_8);
    assert_snapshot!(router.plan());
}

#[test]
fn in_step() {
    let router = Router::in_step(demo(), V4_8);
    let plan = router.plan();
    assert!(plan.intents.is_empty());
    assert_eq!(plan.verdicts.len(), 6);
    assert_snapshot!(plan, @"in step, nothing to do");
}

#[test]
fn a_thousand_neighbors_in_step() {
    let mut inputs = demo();
    inputs.neighbors = (0..1000)
        .map(|i| {
            neighbor(
                &format!("n{i}"),
                &format!("10.0.{}.{}", i / 250, i % 250 + 1),
                65002,
            )
        })
        .collect();
    inputs.policies = vec![next_hop_self("p", 5, "")];
    let plan = Router::in_step(inputs, V4_8).plan();
    assert!(plan.steps.is_empty() && plan.intents.is_empty() && plan.notes.is_empty());
    assert_eq!(plan.verdicts.len(), 1002);
}

#[test]
fn policies_arrive_after_the_neighbors() {
    let mut inputs = demo();
    let policies = std::mem::take(&mut inputs.policies);
    let mut router = Router::in_step(inputs, V4_8);
    router.inputs.policies = policies;
    let plan = router.plan();
    assert_snapshot!(plan);
    // The refresh is owed before the policies change, so that a crash in
    // between does not lose it.
    router.write(&plan.intents);
    assert_eq!(
        router.record("172.16.0.1").owed.first(),
        Some(&Effect::SoftOut)
    );
    assert!(router.record("192.168.2.2").owed.is_empty());
}

#[test]
fn a_crash_before_the_refresh_leaves_only_the_refresh() {
    let mut router = Router::in_step(demo(), V4_8);
    router.record("172.16.0.1").owed.insert(Effect::SoftOut);
    assert_snapshot!(router.plan(), @"ResetPeer  neighbor 172.16.0.1 soft export  soft refresh  export policies changed");
}

/// Broken off between the update and the refresh, the refresh is still owed.
#[test]
fn a_live_update_settles_no_refresh() {
    let mut inputs = demo();
    let policies = std::mem::take(&mut inputs.policies);
    let mut router = Router::in_step(inputs, V3_36);
    router.inputs.policies = policies;
    change(&mut router.inputs.neighbors[0], "ebgp_multihop", json!(2));
    let plan = router.plan();
    router.write(&plan.intents);
    let update = plan
        .steps
        .iter()
        .find(|step| matches!(step.op, Op::UpdatePeer(..)));
    router.write(&update.expect("an update").settles);
    assert_eq!(
        router.record("172.16.0.1").owed.first(),
        Some(&Effect::SoftOut)
    );
}

/// With anything foreign there, the set that changes is never empty.
#[test]
fn one_neighbor_takes_another_ones_place_in_a_set() {
    let mut inputs = demo();
    inputs.policies.pop();
    let mut router = Router::in_step(inputs, V4_8);
    router.foreign_policy();
    change(
        &mut router.inputs.policies[0],
        "apply_neighbor",
        json!("172.16.1.1"),
    );
    assert_snapshot!(router.plan(), @r"
    AddDefinedSet     neighbor set policy1/export/statement1 + 172.16.1.1  none          declared for policy1/export
    DeleteDefinedSet  neighbor set policy1/export/statement1 - 172.16.0.1  none          not declared for policy1/export
    ResetPeer         neighbor 172.16.0.1 soft export                      soft refresh  export policies changed
    ResetPeer         neighbor 172.16.1.1 soft export                      soft refresh  export policies changed
    ");
}

/// One field at a time, on each version.
#[test]
fn updates_of_a_neighbor() {
    let mut text = String::new();
    for (property, value) in [
        ("description", json!("to Quagga-2")),
        ("auth_password", json!("hunter2")),
        ("hold_time", json!(9)),
        ("keepalive_interval", json!(5)),
        ("local_address", json!("192.168.2.1")),
        ("passive", json!(true)),
        ("ebgp_multihop", json!(3)),
        ("route_reflector_client", json!(true)),
        ("families", json!(["ipv4-unicast", "ipv6-unicast"])),
        ("admin_state", json!("down")),
        ("peer_as", json!(65003)),
    ] {
        for (name, version) in [("3.10", V3_10), ("3.36", V3_36), ("4.8", V4_8)] {
            let mut router = Router::in_step(demo(), version);
            change(&mut router.inputs.neighbors[2], property, value.clone());
            text.push_str(&format!("{name:5}{}", router.plan()));
        }
    }
    assert!(!text.contains("hunter2"));
    assert_snapshot!(text);
}

#[test]
fn an_update_says_the_local_address_and_never_echoes_the_sessions() {
    let mut router = Router::in_step(demo(), V3_36);
    change(&mut router.inputs.neighbors[2], "ebgp_multihop", json!(3));
    let plan = router.plan();
    let [step] = plan.steps.as_slice() else {
        panic!("{plan}")
    };
    assert_eq!(step.disturbance, Disturbance::None);
    let Op::UpdatePeer(_, change) = &step.op else {
        panic!("{plan}")
    };
    assert_eq!(change.names, ["ebgp_multihop"]);
    assert!(change.fields.local_address.unwrap().is_unspecified());
    assert_eq!(change.fields.hold_time, None);
}

#[test]
fn the_keepalive_follows_a_new_hold_time() {
    let mut router = Router::in_step(demo(), V4_8);
    change(&mut router.inputs.neighbors[2], "hold_time", json!(9));
    let plan = router.plan();
    let Op::RecreatePeer(_, change) = &plan.steps[0].op else {
        panic!("{plan}")
    };
    assert_eq!(change.fields.keepalive_interval, Some(3));
}

/// What gobgpd itself takes the peer down for takes the rest along, in one
/// call; and it is the only one after which the old password is not asked for.
#[test]
fn a_change_with_a_reset_in_it_is_an_update() {
    for version in [V3_10, V3_36, V4_8] {
        let mut inputs = demo();
        let row = &mut inputs.neighbors[2].body;
        row.insert("auth_password".into(), json!("hunter2"));
        let mut router = Router::in_step(inputs, version);
        let row = &mut router.inputs.neighbors[2];
        change(row, "auth_password", json!(null));
        change(row, "hold_time", json!(9));
        insta::allow_duplicates! {
            assert_snapshot!(router.plan(), @"UpdatePeer  neighbor 192.168.2.2  session reset  auth_password changes, hold_time 90 -> 9");
        }
    }
}

#[test]
fn a_field_that_is_no_longer_declared_goes_back_to_the_default() {
    let mut inputs = demo();
    inputs.neighbors[2]
        .body
        .insert("hold_time".into(), json!(9));
    inputs.neighbors[2]
        .body
        .insert("description".into(), json!("old"));
    let mut router = Router::in_step(inputs, V4_8);
    change(&mut router.inputs.neighbors[2], "hold_time", json!(null));
    change(&mut router.inputs.neighbors[2], "description", json!(null));
    let plan = router.plan();
    assert_snapshot!(plan, @r#"UpdatePeer  neighbor 192.168.2.2  session reset  description "old" -> "", hold_time 9 -> 90"#);
    // And one that was never ours is not compared.
    let mut router = Router::in_step(demo(), V4_8);
    router.peer("192.168.2.2").hold_time = 30;
    assert!(router.plan().steps.is_empty());
}

#[test]
fn what_the_daemon_ignored_is_not_tried_again_until_something_moves() {
    let mut router = Router::in_step(demo(), V4_8);
    change(&mut router.inputs.neighbors[2], "passive", json!(true));
    let plan = router.plan();
    // Broken off before the call: nothing was attempted yet.
    router.write(&plan.intents);
    assert_eq!(router.plan().steps.len(), 1);
    // The call succeeds, and the daemon is as before.
    router.write(&plan.steps[0].settles);
    assert_snapshot!(router.plan(), @r"
    no steps
    failed: neighbor n3: gobgpd took the change and ignored it (passive false -> true): it is not tried again until the row or the daemon changes
    ");
    change(
        &mut router.inputs.neighbors[2],
        "description",
        json!("moved"),
    );
    assert_eq!(router.plan().steps.len(), 1);
    // Done after all: the attempt is forgotten, so that drift is repaired.
    router.peer("192.168.2.2").passive = true;
    router.peer("192.168.2.2").description = "moved".into();
    let plan = router.plan();
    assert!(plan.steps.is_empty());
    router.write(&plan.intents);
    assert_eq!(router.record("192.168.2.2").attempted, None);
}

#[test]
fn admin_state_by_hand_and_declared() {
    let mut router = Router::in_step(demo(), V4_8);
    let peer = router.peer("192.168.2.2");
    peer.admin_state = AdminState::Down;
    peer.session = SessionState::Idle;
    peer.established_at = None;
    assert_snapshot!(router.plan(), @r"
    in step, nothing to do
    note: neighbor 192.168.2.2 is disabled by hand and stays so: enable it there (gobgp neighbor 192.168.2.2 enable), or declare its admin_state
    ");
    change(&mut router.inputs.neighbors[2], "hold_time", json!(9));
    assert_snapshot!(router.plan(), @r"
    no steps
    waiting: neighbor n3: hold_time 90 -> 9: waits until 192.168.2.2 is enabled again
    note: neighbor 192.168.2.2 is disabled by hand and stays so: enable it there (gobgp neighbor 192.168.2.2 enable), or declare its admin_state
    ");
    change(&mut router.inputs.neighbors[2], "hold_time", json!(null));
    change(&mut router.inputs.neighbors[2], "admin_state", json!("up"));
    assert_snapshot!(router.plan(), @"EnablePeer  neighbor 192.168.2.2  session reset  admin_state down -> up");
}

#[test]
fn a_statement_changes() {
    let mut router = Router::in_step(demo(), V4_8);
    for policy in &mut router.inputs.policies {
        change(policy, "statement_action", json!("med +10"));
    }
    assert_snapshot!(router.plan());
}

#[test]
fn a_statement_changes_while_the_order_does() {
    let mut router = Router::in_step(demo(), V4_8);
    for policy in &mut router.inputs.policies {
        change(policy, "statement_action", json!("med +10"));
    }
    let first = json!({
        "policy_name": "first", "statement_name": "s", "route_disposition": "accept",
        "apply_direction": "export", "apply_neighbor": "172.16.0.1", "position": 1,
    });
    router
        .inputs
        .policies
        .push(row("policyinfo", "p9", 9, first));
    assert_snapshot!(router.plan());
}

#[test]
fn with_a_foreign_policy_there_only_ours_is_touched() {
    let mut router = Router::in_step(demo(), V4_8);
    router.foreign_policy();
    assert_snapshot!(router.plan(), @"in step, nothing to do");
    // A neighbor more: its set grows.
    router
        .inputs
        .policies
        .push(next_hop_self("p3", 9, "192.168.2.2"));
    assert_snapshot!(router.plan(), @r"
    AddDefinedSet  neighbor set policy1/export/statement1 + 192.168.2.2  none          declared for policy1/export
    ResetPeer      neighbor 192.168.2.2 soft export                      soft refresh  export policies changed
    ");
    // Another action: its twin stands in while it is replaced.
    for policy in &mut router.inputs.policies {
        change(policy, "statement_action", json!("med +10"));
    }
    assert_snapshot!(router.plan());
}

#[test]
fn a_neighbor_and_its_policy_go() {
    let mut router = Router::in_step(demo(), V4_8);
    router.inputs.neighbors.remove(1);
    router.inputs.policies.remove(1);
    assert_snapshot!(router.plan());
    router.foreign_policy();
    assert_snapshot!(router.plan());
}

#[test]
fn the_router_goes() {
    let mut router = Router::in_step(demo(), V4_8);
    router.inputs.router = None;
    assert_snapshot!(router.plan());
    router.foreign_policy();
    let plan = router.plan();
    assert_snapshot!(plan);
    let removed = plan.steps.iter().flat_map(|step| &step.settles);
    let removed = removed
        .filter(|write| matches!(write, OwnedWrite::Remove(_)))
        .count();
    assert_eq!(
        removed,
        router.records.len(),
        "every record goes with its object"
    );
}

#[test]
fn drift_is_repaired() {
    let mut router = Router::in_step(demo(), V4_8);
    router.observed.peers.remove(&"172.16.0.1".parse().unwrap());
    router.observed.export.policies.clear();
    assert_snapshot!(router.plan());
}

#[test]
fn a_restarted_daemon_is_brought_up_again() {
    let inputs = demo();
    let mut router = Router::in_step(inputs.clone(), V4_8);
    router.observed = Router::fresh(inputs, V4_8).observed;
    let plan = router.plan();
    assert!(plan.intents.is_empty(), "all of it is ours already");
    assert_snapshot!(plan);
}

#[test]
fn peers_of_others() {
    let mut router = Router::in_step(demo(), V4_8);
    let peer = router.peer("192.168.2.2").clone();
    for address in [
        "10.9.9.1", "10.9.9.2", "10.9.9.3", "10.9.9.4", "10.9.9.5", "10.9.9.6",
    ] {
        let address = address.parse().unwrap();
        router.observed.peers.insert(address, peer.clone());
    }
    // As declared: taken over. Another: not touched.
    router
        .inputs
        .neighbors
        .push(neighbor("n4", "10.9.9.1", 65002));
    router
        .inputs
        .neighbors
        .push(neighbor("n5", "10.9.9.2", 65009));
    change(
        &mut router.inputs.neighbors[4],
        "auth_password",
        json!("hunter2"),
    );
    let plan = router.plan();
    assert_snapshot!(plan);
    assert_eq!(plan.intents.len(), 1);
}

/// Somebody's peer is as declared but for his having disabled it.
#[test]
fn a_disabled_peer_of_others_is_taken_over_and_enabled_where_that_is_declared() {
    let mut router = Router::in_step(demo(), V4_8);
    let mut peer = router.peer("192.168.2.2").clone();
    peer.admin_state = AdminState::Down;
    let address = "10.9.9.1".parse().unwrap();
    router.observed.peers.insert(address, peer);
    let mut row = neighbor("n4", "10.9.9.1", 65002);
    row.body.insert("admin_state".into(), json!("up"));
    router.inputs.neighbors.push(row);
    let plan = router.plan();
    assert_snapshot!(plan, @r"
    EnablePeer  neighbor 10.9.9.1  session reset  admin_state down -> up
    note: neighbor 10.9.9.1 was on the daemon as declared: taken over with no write
    ");
    router.write(&plan.intents);
    router.peer("10.9.9.1").admin_state = AdminState::Up;
    assert_snapshot!(router.plan(), @"in step, nothing to do");
}

#[test]
fn policies_of_others_under_our_names() {
    let mut router = Router::in_step(demo(), V4_8);
    router.records.retain(|key, _| key.name != "policy1/export");
    assert_eq!(router.plan().intents.len(), 1, "equal: taken over");
    router.observed.policies[0].statements[0].ours = None;
    router
        .inputs
        .neighbors
        .push(neighbor("n4", "10.0.0.4", 65004));
    router
        .inputs
        .policies
        .push(next_hop_self("p4", 9, "10.0.0.4"));
    assert_snapshot!(router.plan());
}

#[test]
fn a_narrowed_export_says_needs_reset_before_4_6() {
    let narrow = |version| {
        let mut router = Router::in_step(demo(), version);
        for policy in &mut router.inputs.policies {
            change(policy, "route_disposition", json!("reject"));
        }
        router
    };
    assert!(!narrow(V4_8).plan().to_string().contains("needs reset"));
    let mut router = narrow(V3_36);
    let plan = router.plan();
    assert_snapshot!(plan);
    // One row for all of them tells of all of them.
    let mut all = demo();
    all.policies = vec![next_hop_self("p", 5, "")];
    let mut all = Router::in_step(all, V3_36);
    change(
        &mut all.inputs.policies[0],
        "route_disposition",
        json!("reject"),
    );
    assert!(all.plan().to_string().contains(
        "so 172.16.0.1, 172.16.1.1, 192.168.2.2 may still hold some until their sessions fall \
         (gobgp neighbor ADDRESS reset)"
    ));
    // Done, and the session stands: it stays said.
    router.write(&plan.intents);
    for step in &plan.steps {
        router.write(&step.settles);
    }
    let config = router.config();
    let body = router.observed.policies[0].statements[0]
        .ours
        .as_mut()
        .unwrap();
    body.disposition = config.policies["policy1/export"].statements[0].disposition;
    for _ in 0..2 {
        let plan = router.plan();
        assert!(
            plan.steps.is_empty() && plan.to_string().contains("needs reset"),
            "{plan}"
        );
        router.write(&plan.intents);
    }
    // Another session: settled.
    router.peer("172.16.0.1").established_at = Some(1_700_000_100);
    router.peer("172.16.1.1").established_at = None;
    let plan = router.plan();
    router.write(&plan.intents);
    assert_snapshot!(plan, @"in step, nothing to do");
    assert!(router.record("172.16.0.1").owed.is_empty());
    assert!(router.record("172.16.1.1").owed.is_empty());
}

#[test]
fn a_daemon_that_runs_something_else_is_left_alone() {
    let mut router = Router::in_step(demo(), V4_8);
    router.observed.global.as_mut().unwrap().asn = 65009;
    router.observed.peers.clear();
    let plan = router.plan();
    assert!(plan.steps.is_empty() && plan.intents.is_empty());
    assert_snapshot!(plan);
}

#[test]
fn what_a_version_has_no_words_for_is_refused() {
    let mut inputs = demo();
    for policy in &mut inputs.policies {
        change(policy, "statement_action", json!("next-hop peer-address"));
    }
    assert_snapshot!(Router::fresh(inputs.clone(), V3_10).plan());
    assert!(
        !Router::fresh(inputs, V3_36)
            .plan()
            .to_string()
            .contains("failed")
    );
}

#[test]
fn refused_rows_take_nothing_away() {
    let mut router = Router::in_step(demo(), V4_8);
    change(&mut router.inputs.neighbors[0], "peer_as", json!(0));
    change(
        &mut router.inputs.policies[0],
        "statement_action",
        json!("nonsense"),
    );
    router
        .inputs
        .neighbors
        .push(neighbor("n4", "10.0.0.4", 65004));
    router
        .inputs
        .policies
        .push(next_hop_self("p4", 9, "10.0.0.4"));
    let plan = router.plan();
    assert_snapshot!(plan, @r"
    no steps
    waiting: neighbor n4: not brought up without its policies: policy policy1/export stays as it is: policyinfo p1 is refused
    waiting: policyinfo p2: policy policy1/export stays as it is: policyinfo p1 is refused
    waiting: policyinfo p4: policy policy1/export stays as it is: policyinfo p1 is refused
    ");
}

#[test]
fn an_operators_default_is_his() {
    let mut router = Router::in_step(demo(), V4_8);
    router.observed.export.default = DefaultAction::Reject;
    assert_snapshot!(router.plan(), @"in step, nothing to do");
    // NONE is what `gobgp global policy export del all` leaves behind: with
    // only ours there, it is drift.
    router.observed.export.default = DefaultAction::None;
    router.observed.export.policies.clear();
    assert_snapshot!(router.plan());
    router.foreign_policy();
    assert_snapshot!(router.plan());
}

/// The demo's router gives its routes to a zebra.
fn with_zebra() -> Inputs {
    let mut inputs = demo();
    let row = inputs.router.as_mut().expect("a router");
    for (property, value) in [
        ("fib", json!("zebra")),
        ("zebra_url", json!("unix:/run/frr/zserv.api")),
        ("zebra_version", json!(6)),
        ("zebra_software_name", json!("frr8.4")),
    ] {
        change(row, property, value);
    }
    inputs
}

#[test]
fn a_zebra_is_enabled_last_of_all() {
    let router = Router::fresh(with_zebra(), V4_8);
    assert_snapshot!(router.plan());
}

#[test]
fn a_zebra_is_enabled_once_in_a_daemons_life() {
    let key = OwnedKey::new(OwnedKind::Zebra, "global");
    let mut router = Router::fresh(with_zebra(), V4_8);
    let bring_up = router.plan();
    router.write(&bring_up.intents);
    // The daemon has everything else when the server dies: the call is owed.
    let everything_else = Router::in_step(demo(), V4_8);
    router.observed = everything_else.observed.clone();
    router.records.extend(everything_else.records);
    assert_eq!(router.records[&key].owed, [Effect::EnableZebra].into());
    let again = router.plan();
    assert_snapshot!(again, @"EnableZebra  zebra unix:/run/frr/zserv.api (frr8.4, API 6)  none  declared, and not answered yet");
    assert!(again.intents.is_empty());
    router.write(&again.steps[0].settles);
    assert_snapshot!(router.plan(), @"in step, nothing to do");

    // Another process knows nothing of it.
    router.observed = Router::fresh(with_zebra(), V4_8).observed;
    let restarted = router.plan();
    assert!(matches!(
        restarted.steps.last().map(|s| &s.op),
        Some(Op::EnableZebra(_))
    ));
    router.write(&restarted.intents);
    assert_eq!(router.records[&key].owed, [Effect::EnableZebra].into());
}

#[test]
fn a_running_daemon_is_given_the_zebra_that_is_declared_now() {
    let mut router = Router::in_step(demo(), V4_8);
    router.inputs = with_zebra();
    let plan = router.plan();
    assert_snapshot!(plan, @"EnableZebra  zebra unix:/run/frr/zserv.api (frr8.4, API 6)  none  declared");
    router.write(&plan.intents);
    // gobgpd said no, and the operator saw why.
    let row = router.inputs.router.as_mut().expect("a router");
    change(row, "zebra_url", json!("tcp:127.0.0.1:2600"));
    assert_snapshot!(router.plan(), @"EnableZebra  zebra tcp:127.0.0.1:2600 (frr8.4, API 6)  none  declared, and not answered yet");
    // Or thought better of it.
    let row = router.inputs.router.as_mut().expect("a router");
    change(row, "fib", json!("none"));
    let plan = router.plan();
    assert_snapshot!(plan, @"in step, nothing to do");
    router.write(&plan.intents);
    assert!(
        !router
            .records
            .keys()
            .any(|key| key.kind == OwnedKind::Zebra)
    );
}

#[test]
fn a_zebra_that_gobgpd_has_is_there_until_it_is_restarted() {
    let mut router = Router::in_step(demo(), V4_8);
    router.inputs = with_zebra();
    let plan = router.plan();
    router.write(&plan.intents);
    router.write(&plan.steps[0].settles);

    let row = router.inputs.router.as_mut().expect("a router");
    change(row, "zebra_version", json!(5));
    change(row, "zebra_confirmed", json!(true));
    // Nothing else waits for it.
    router
        .inputs
        .neighbors
        .push(neighbor("n4", "192.168.3.2", 65003));
    let other = router.plan();
    assert_snapshot!(other);
    let row = router.inputs.router.as_mut().expect("a router");
    change(row, "fib", json!("agent"));
    let none = router.plan();
    assert_snapshot!(none);

    // The operator did as he was told.
    router.observed = Router::fresh(demo(), V4_8).observed;
    let plan = router.plan();
    router.write(&plan.intents);
    assert!(
        !plan
            .steps
            .iter()
            .any(|step| matches!(step.op, Op::EnableZebra(_)))
    );
    assert!(
        !router
            .records
            .keys()
            .any(|key| key.kind == OwnedKind::Zebra)
    );
}

/// What the daemon tells of itself counts, whatever was declared of it.
#[test]
fn a_zebra_that_would_break_this_daemon_is_not_enabled() {
    let mut router = Router::in_step(demo(), V3_10);
    router.inputs = with_zebra();
    assert_snapshot!(router.plan(), @"
    no steps
    failed: router GoBGP-3: not connected to zebra unix:/run/frr/zserv.api (frr8.4, API 6): gobgpd before 3.18 panics against the zebra of FRR 8 and newer: use a newer gobgpd, or `fib: agent`, which needs no zebra
    ");
    router.observed.version.minor = None;
    assert_snapshot!(router.plan(), @"
    no steps
    failed: router GoBGP-3: not connected to zebra unix:/run/frr/zserv.api (frr8.4, API 6): gobgp_version is not declared, and before 3.18 gobgpd panics against the zebra of FRR 8: declare it; or try this pair, and if it works, set zebra_confirmed
    ");
    let row = router.inputs.router.as_mut().expect("a router");
    change(row, "zebra_confirmed", json!(true));
    assert_eq!(router.plan().steps.len(), 1);
}

#[test]
fn a_router_that_goes_lets_go_of_its_zebra() {
    let mut router = Router::in_step(demo(), V4_8);
    router.inputs = with_zebra();
    let plan = router.plan();
    router.write(&plan.intents);
    router.write(&plan.steps[0].settles);
    router.inputs = Inputs::default();
    let plan = router.plan();
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("until it is restarted"))
    );
    router.write(&plan.intents);
    for step in &plan.steps {
        router.write(&step.settles);
    }
    assert!(router.records.is_empty(), "{:?}", router.records);
}
