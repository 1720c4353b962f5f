//! From a plan and the fates of its steps to what is told.

use super::super::decide::{Decision, decide};
use super::super::execute::Fate;
use super::{Silence, of_hold, of_plan, of_silence};
use crate::catalog::{Report, RouterView};
use crate::speaker::Error;
use sdwan_model::compile::{Inputs, compile};
use sdwan_model::observed::{Api, Observed, Version};
use sdwan_model::plan::{
    Disturbance, Effect, Op, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Plan, Stage, Step,
    Verdict,
};
use sdwan_model::resource::{ResourceRef, Row};
use sdwan_model::status::State;
use sdwan_store::Revision;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";

fn row(kind: &str, id: &str, body: Value) -> Row {
    let Value::Object(body) = body else {
        panic!("{body}");
    };
    Row {
        kind: kind.into(),
        id: id.into(),
        version: 2,
        created: 1,
        body,
    }
}

fn router() -> Row {
    let body = json!({"host_name": "GoBGP-1", "router_id": "10.0.1.1", "local_as": 65001});
    row("router", "r", body)
}

fn neighbor(id: &str, address: &str) -> Row {
    let body = json!({"host_name": "GoBGP-1", "neighbor_addr": address, "peer_as": 65000});
    row("neighbor", id, body)
}

fn policy(id: &str, statement: &str, neighbor: &str) -> Row {
    let body = json!({
        "host_name": "GoBGP-1",
        "policy_name": "p",
        "statement_name": statement,
        "apply_direction": "export",
        "apply_neighbor": neighbor,
        "route_disposition": "accept",
    });
    row("policyinfo", id, body)
}

fn view(
    neighbors: Vec<Row>,
    policies: Vec<Row>,
    deleting: Vec<Row>,
    owned: &[OwnedKey],
) -> RouterView {
    RouterView {
        revision: Revision(9),
        router: "r".into(),
        address: "192.0.2.1:50051".into(),
        inputs: Inputs {
            router: Some(router()),
            neighbors,
            policies,
        },
        sealed: Vec::new(),
        deleting,
        owned: owned
            .iter()
            .map(|key| (key.clone(), OwnedRecord::default()))
            .collect(),
        gobgp_version: None,
        hold: false,
        states: BTreeMap::new(),
    }
}

fn peer(address: &str) -> OwnedKey {
    OwnedKey::new(OwnedKind::Peer, address)
}

fn name(kind: &str, id: &str) -> ResourceRef {
    ResourceRef::new(kind, id)
}

fn step(stage: Stage, op: Op, serves: &[ResourceRef], settles: Vec<OwnedWrite>) -> Step {
    Step {
        stage,
        op,
        disturbance: Disturbance::None,
        why: "a test".into(),
        resources: serves.to_vec(),
        settles,
    }
}

fn refresh(address: &str, serves: &[ResourceRef]) -> Step {
    let op = Op::EnablePeer(address.parse::<IpAddr>().unwrap());
    let settles = vec![OwnedWrite::Done(peer(address), Effect::SoftOut)];
    step(Stage::Refresh, op, serves, settles)
}

/// A decision with everything that the view declares applied by these steps.
fn decision(view: &RouterView, steps: Vec<Step>) -> Decision {
    let inputs = &view.inputs;
    let rows = inputs.router.iter().chain(&inputs.neighbors);
    let rows = rows.chain(&inputs.policies);
    Decision {
        desired: compile(inputs).desired.ok(),
        plan: Plan {
            steps,
            verdicts: rows
                .map(|row| (row.reference(), Verdict::Applied { version: 2 }))
                .collect(),
            ..Plan::default()
        },
    }
}

fn refused() -> Fate {
    Fate::Failed(Error::Refused("gobgpd refused: no".into()))
}

fn lost() -> Fate {
    Fate::Failed(Error::Unreachable("no answer".into()))
}

fn said(report: &Report, kind: &str, id: &str) -> String {
    match &report.verdicts.get(&name(kind, id)) {
        None => "nothing".into(),
        Some(Verdict::Applied { version }) => format!("applied {version}"),
        Some(Verdict::Failed { reason, .. }) => format!("failed: {reason}"),
        Some(Verdict::Waiting { reason, .. }) => format!("waiting: {reason}"),
    }
}

#[test]
fn a_row_is_applied_when_every_step_that_serves_it_is_done() {
    let view = view(
        vec![neighbor("a", A), neighbor("b", B)],
        vec![],
        vec![],
        &[],
    );
    let a = [name("neighbor", "a")];
    let decision = decision(&view, vec![refresh(A, &a), refresh(A, &a)]);
    let report = of_plan(&view, &decision, &[Fate::Done, refused()]);
    assert_eq!(
        said(&report, "neighbor", "a"),
        "failed: EnablePeer (neighbor 192.168.0.1): gobgpd refused: no"
    );
    assert_eq!(said(&report, "neighbor", "b"), "applied 2");
    let report = of_plan(&view, &decision, &[Fate::Done, Fate::Done]);
    assert_eq!(said(&report, "neighbor", "a"), "applied 2");
    assert_eq!(report.at, Revision(9));
}

#[test]
fn what_time_may_mend_waits_and_what_it_may_not_fails() {
    let view = view(vec![neighbor("a", A)], vec![], vec![], &[]);
    let a = [name("neighbor", "a")];
    let decision = decision(&view, vec![refresh(A, &a), refresh(A, &a)]);
    let held = Fate::Held("SetPolicies (policy p/export): no".into());
    let report = of_plan(&view, &decision, &[held.clone(), Fate::Done]);
    assert_eq!(
        said(&report, "neighbor", "a"),
        "waiting: SetPolicies (policy p/export): no"
    );
    let report = of_plan(&view, &decision, &[lost(), Fate::Done]);
    assert!(said(&report, "neighbor", "a").starts_with("waiting: "));
    let report = of_plan(&view, &decision, &[held, refused()]);
    assert!(said(&report, "neighbor", "a").starts_with("failed: "));
}

#[test]
fn a_refresh_stays_owed_until_it_is_done() {
    let view = view(vec![neighbor("a", A)], vec![], vec![], &[peer(A)]);
    let decision = decision(&view, vec![refresh(A, &[])]);
    for fate in [lost(), refused(), Fate::Held("later".into())] {
        assert!(of_plan(&view, &decision, &[fate]).owned.is_empty());
    }
    let report = of_plan(&view, &decision, &[Fate::Done]);
    assert_eq!(report.owned, [OwnedWrite::Done(peer(A), Effect::SoftOut)]);
}

#[test]
fn a_deleted_neighbor_is_let_go_with_its_record() {
    let gone = |address: &str| {
        let op = Op::DeletePeer(address.parse().unwrap());
        step(
            Stage::DeletePeers,
            op,
            &[],
            vec![OwnedWrite::Remove(peer(address))],
        )
    };
    let view = view(vec![], vec![], vec![neighbor("a", A)], &[peer(A)]);
    let decision = decision(&view, vec![gone(A)]);
    assert!(of_plan(&view, &decision, &[lost()]).released.is_empty());
    let released = of_plan(&view, &decision, &[Fate::Done]).released;
    assert_eq!(released, [name("neighbor", "a")]);
}

#[test]
fn a_deleted_neighbor_whose_address_is_declared_anew_is_let_go() {
    let view = view(
        vec![neighbor("new", A)],
        vec![],
        vec![neighbor("a", A)],
        &[peer(A)],
    );
    let report = of_plan(&view, &decision(&view, vec![]), &[]);
    assert_eq!(report.released, [name("neighbor", "a")]);
}

#[test]
fn a_deleted_policy_is_let_go_when_the_rest_of_its_policy_stands() {
    let owned = [
        OwnedKey::new(OwnedKind::Policy, "p/export"),
        OwnedKey::new(OwnedKind::NeighborSet, "p/export/s"),
    ];
    let view = view(
        vec![neighbor("a", A), neighbor("b", B)],
        vec![policy("stays", "s", A)],
        vec![policy("goes", "s", B)],
        &owned,
    );
    let shrink = || {
        let op = Op::DeleteNeighborSet("p/export/s".into(), Some([B.parse().unwrap()].into()));
        step(Stage::SweepSets, op, &[], vec![])
    };
    let decision = decision(&view, vec![shrink()]);
    for fate in [lost(), refused(), Fate::Held("later".into())] {
        assert!(of_plan(&view, &decision, &[fate]).released.is_empty());
    }
    let released = of_plan(&view, &decision, &[Fate::Done]).released;
    assert_eq!(released, [name("policyinfo", "goes")]);
}

#[test]
fn a_policy_that_is_held_for_a_refused_sister_lets_nothing_go() {
    let mut contradicts = policy("contradicts", "s", A);
    contradicts
        .body
        .insert("route_disposition".into(), json!("reject"));
    let view = view(
        vec![neighbor("a", A), neighbor("b", B)],
        vec![policy("stays", "s", A), contradicts],
        vec![policy("goes", "s", B)],
        &[OwnedKey::new(OwnedKind::Policy, "p/export")],
    );
    let report = of_plan(&view, &decision(&view, vec![]), &[]);
    assert!(report.released.is_empty(), "{:?}", report.released);
}

#[test]
fn a_router_that_could_not_be_planned_for_lets_nothing_go() {
    let view = view(
        vec![neighbor("a", A)],
        vec![],
        vec![policy("goes", "s", A)],
        &[OwnedKey::new(OwnedKind::Policy, "p/export")],
    );
    let mut decision = decision(&view, vec![]);
    let failed = Verdict::Failed {
        version: 2,
        reason: "restart gobgpd".into(),
    };
    decision.plan.verdicts.insert(name("router", "r"), failed);
    assert!(of_plan(&view, &decision, &[]).released.is_empty());
}

#[test]
fn a_deleted_router_goes_last() {
    let mut view = view(vec![], vec![], vec![neighbor("a", A), router()], &[peer(A)]);
    view.inputs = Inputs::default();
    let silent = of_silence(&view, &Silence::Unreachable);
    assert!(silent.released.is_empty());
    view.owned.clear();
    let silent = of_silence(&view, &Silence::Unreachable);
    assert_eq!(
        silent.released,
        [name("neighbor", "a"), name("router", "r")]
    );
}

fn state(version: u64, state: &str, applied: u64) -> State {
    State {
        version,
        state: state.into(),
        applied,
        ..State::default()
    }
}

#[test]
fn an_unseen_router_says_why_where_something_is_open() {
    let rows = ["new", "changed", "done", "failed"];
    let rows = rows
        .iter()
        .zip(1..)
        .map(|(id, last)| neighbor(id, &format!("10.0.0.{last}")));
    let mut view = view(rows.collect(), vec![], vec![], &[]);
    let mut states = BTreeMap::new();
    states.insert(name("neighbor", "changed"), state(1, "ACTIVE", 1));
    states.insert(name("neighbor", "done"), state(2, "ACTIVE", 2));
    states.insert(name("neighbor", "failed"), state(2, "FAILED", 0));
    view.states = states;
    let report = of_silence(&view, &Silence::Waiting("no answer".into()));
    assert_eq!(said(&report, "neighbor", "new"), "waiting: no answer");
    assert_eq!(said(&report, "neighbor", "changed"), "waiting: no answer");
    assert_eq!(said(&report, "neighbor", "done"), "nothing");
    assert_eq!(said(&report, "neighbor", "failed"), "nothing");
    assert_eq!(said(&report, "router", "r"), "waiting: no answer");
    // The monitor's word says so of all rows at once.
    let report = of_silence(&view, &Silence::Unreachable);
    assert!(report.verdicts.is_empty(), "{:?}", report.verdicts);
    let report = of_silence(&view, &Silence::Broken("restart gobgpd".into()));
    assert_eq!(said(&report, "router", "r"), "failed: restart gobgpd");
    assert_eq!(said(&report, "neighbor", "new"), "waiting: restart gobgpd");
}

#[test]
fn a_row_that_can_never_be_sent_fails_even_when_the_router_is_unseen() {
    let wrong = neighbor("wrong", "not-an-address");
    let view = view(vec![wrong], vec![], vec![], &[]);
    let report = of_silence(&view, &Silence::Unreachable);
    assert!(said(&report, "neighbor", "wrong").starts_with("failed: "));
}

#[test]
fn on_hold_what_is_open_says_so_and_nothing_is_let_go_or_settled() {
    let mut view = view(
        vec![neighbor("new", A), neighbor("done", B)],
        vec![],
        vec![neighbor("goes", "10.0.0.1")],
        &[],
    );
    view.states = [(name("neighbor", "done"), state(2, "ACTIVE", 2))].into();
    let decision = decision(&view, vec![refresh(A, &[])]);
    let report = of_hold(&view, &decision, "on hold");
    assert_eq!(said(&report, "neighbor", "new"), "waiting: on hold");
    assert_eq!(said(&report, "neighbor", "done"), "nothing");
    assert!(report.released.is_empty());
    assert!(report.owned.is_empty());
}

/// Both have nothing to run any more; only one of them was said to go.
#[test]
fn a_router_that_is_refused_is_not_one_that_goes() {
    let observed = Observed::not_started(Version {
        api: Api::V3,
        minor: None,
    });
    let mut view = view(vec![neighbor("n", A)], vec![], vec![], &[peer(A)]);
    view.inputs.router = None;
    let gone = decide(&view, &observed).plan;
    assert_eq!(gone.intents, [OwnedWrite::Remove(peer(A))]);

    let mut wrong = router();
    wrong.body["local_as"] = json!(0);
    view.inputs.router = Some(wrong);
    let refused = decide(&view, &observed);
    assert!(refused.desired.is_none());
    let plan = refused.plan;
    assert!(plan.steps.is_empty() && plan.intents.is_empty(), "{plan}");
    let says = |row: &str, id: &str| format!("{:?}", plan.verdicts[&name(row, id)]);
    assert!(says("router", "r").contains("local_as"), "{plan}");
    assert!(
        says("neighbor", "n").contains("nothing is sent to this router"),
        "{plan}"
    );
}
