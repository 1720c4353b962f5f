//! What is sent, in which order, and what is not sent after a failure.

use super::{Fate, SIDE_BY_SIDE, execute, met};
use crate::speaker::{Counters, Error, Route, SessionEvent, Speaker};
use futures::stream::BoxStream;
use sdwan_model::config::{Direction, Global};
use sdwan_model::observed::{DefaultAction, Observed, Version};
use sdwan_model::plan::{Disturbance, Op, Stage, Step};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers by the call's title; notes what it was asked.
#[derive(Default)]
struct Script {
    refuse: Vec<&'static str>,
    lose: Vec<&'static str>,
    sent: Mutex<Vec<String>>,
    flying: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait::async_trait]
impl Speaker for Script {
    async fn observe(&self, _: Option<Version>) -> Result<Observed, Error> {
        Err(Error::Incomplete("not asked here".into()))
    }

    async fn apply(&self, op: &Op) -> Result<(), Error> {
        let title = op.to_string();
        self.sent.lock().unwrap().push(title.clone());
        let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(flying, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.flying.fetch_sub(1, Ordering::SeqCst);
        if self.refuse.iter().any(|text| title.contains(text)) {
            return Err(Error::Refused("gobgpd refused".into()));
        }
        if self.lose.iter().any(|text| title.contains(text)) {
            return Err(Error::Unreachable("gobgpd does not answer".into()));
        }
        Ok(())
    }

    async fn heartbeat(&self) -> Result<u32, Error> {
        Ok(65001)
    }

    async fn watch(&self) -> Result<BoxStream<'static, Result<Vec<SessionEvent>, Error>>, Error> {
        Ok(Box::pin(futures::stream::pending()))
    }

    async fn counters(&self) -> Result<Vec<Counters>, Error> {
        Ok(Vec::new())
    }

    async fn rib(&self, _: Option<&str>) -> Result<Vec<Route>, Error> {
        Ok(Vec::new())
    }
}

impl Script {
    async fn run(&self, steps: &[Step]) -> Vec<String> {
        let fates = execute(self, steps, &|| Ok(None)).await;
        fates.iter().map(word).collect()
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

fn word(fate: &Fate) -> String {
    match fate {
        Fate::Done => "done".into(),
        Fate::Failed(error) => format!("failed: {error}"),
        Fate::Held(why) => format!("held: {why}"),
    }
}

fn step(stage: Stage, op: Op) -> Step {
    Step {
        stage,
        op,
        disturbance: Disturbance::None,
        why: "a test".into(),
        resources: Vec::new(),
        settles: Vec::new(),
    }
}

fn peer(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn start() -> Step {
    let global = Global {
        asn: 65001,
        router_id: [10, 0, 1, 1].into(),
        listen_port: None,
    };
    step(Stage::Start, Op::StartBgp(global))
}

fn delete(last: u8) -> Step {
    step(Stage::DeletePeers, Op::DeletePeer(peer(last)))
}

fn policy() -> Step {
    let set = Op::AddNeighborSet("p/export/s".into(), [peer(1)].into());
    step(Stage::Sets, set)
}

fn assign() -> Step {
    let op = Op::SetAssignment {
        direction: Direction::Export,
        policies: vec!["p/export".into()],
        default: DefaultAction::Accept,
    };
    step(Stage::Assign, op)
}

fn sweep() -> Step {
    step(Stage::Sweep, Op::DeletePolicy("old/export".into()))
}

/// Stands for AddPeer, whose payload does not matter here.
fn add(last: u8) -> Step {
    step(Stage::AddPeers, Op::EnablePeer(peer(last)))
}

fn refresh(last: u8, direction: Direction) -> Step {
    step(Stage::Refresh, Op::SoftReset(peer(last), direction))
}

#[tokio::test]
async fn stages_run_in_order_whatever_the_order_of_the_steps() {
    let script = Script::default();
    let steps = [
        refresh(1, Direction::Export),
        add(1),
        sweep(),
        assign(),
        policy(),
        delete(2),
        start(),
    ];
    assert_eq!(script.run(&steps).await, ["done"; 7]);
    assert_eq!(
        script.sent(),
        [
            start(),
            delete(2),
            policy(),
            assign(),
            sweep(),
            add(1),
            refresh(1, Direction::Export),
        ]
        .map(|step| step.op.to_string())
    );
}

#[tokio::test]
async fn a_stage_runs_side_by_side_but_not_without_bound() {
    let script = Script::default();
    let steps: Vec<Step> = (0..200).map(add).collect();
    assert_eq!(script.run(&steps).await, ["done"; 200]);
    assert_eq!(script.most.load(Ordering::SeqCst), SIDE_BY_SIDE);
}

#[tokio::test]
async fn no_peer_comes_up_when_its_policies_could_not_be_set() {
    for broken in ["StartBgp", "AddDefinedSet", "SetPolicyAssignment"] {
        let script = Script {
            refuse: vec![broken],
            ..Script::default()
        };
        let steps = [
            start(),
            policy(),
            assign(),
            add(1),
            refresh(3, Direction::Export),
        ];
        let fates = script.run(&steps).await;
        assert!(fates[3].starts_with("held: "), "{broken}: {fates:?}");
        assert!(
            fates[3].contains(broken),
            "says what it waits for: {fates:?}"
        );
        assert!(fates[4].starts_with("held: "), "{broken}: {fates:?}");
        assert!(!script.sent().iter().any(|call| call.contains("EnablePeer")));
    }
}

#[tokio::test]
async fn policies_stay_while_a_peer_that_should_go_still_runs() {
    let script = Script {
        refuse: vec!["DeletePeer"],
        ..Script::default()
    };
    let steps = [delete(2), policy(), assign(), sweep()];
    let fates = script.run(&steps).await;
    assert_eq!(fates[0], "failed: gobgpd refused");
    assert!(
        fates[1..].iter().all(|fate| fate.starts_with("held: ")),
        "{fates:?}"
    );
    assert_eq!(script.sent().len(), 1);
}

#[tokio::test]
async fn one_bad_neighbor_holds_up_no_other() {
    let script = Script {
        refuse: vec!["EnablePeer (neighbor 192.0.2.1)"],
        ..Script::default()
    };
    let steps = [
        add(1),
        add(2),
        refresh(1, Direction::Import),
        refresh(2, Direction::Import),
    ];
    let fates = script.run(&steps).await;
    assert_eq!(fates[0], "failed: gobgpd refused");
    assert_eq!(fates[1], "done");
    assert!(fates[2].starts_with("held: EnablePeer"), "{fates:?}");
    assert_eq!(fates[3], "done");
}

#[tokio::test]
async fn a_peer_that_could_not_be_deleted_is_not_added_on_top() {
    let script = Script {
        refuse: vec!["DeletePeer (neighbor 192.0.2.1)"],
        ..Script::default()
    };
    let fates = script.run(&[delete(1), add(1), add(2)]).await;
    assert!(fates[1].starts_with("held: DeletePeer"), "{fates:?}");
    assert_eq!(fates[2], "done");
}

#[tokio::test]
async fn both_directions_of_a_refresh_are_tried() {
    let script = Script {
        refuse: vec!["import"],
        ..Script::default()
    };
    let steps = [refresh(1, Direction::Import), refresh(1, Direction::Export)];
    assert_eq!(script.run(&steps).await, ["failed: gobgpd refused", "done"]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_daemon_that_stopped_answering() {
    let script = Script {
        lose: vec!["neighbor"],
        ..Script::default()
    };
    let steps: Vec<Step> = (0..200).map(add).collect();
    let fates = script.run(&steps).await;
    assert_eq!(
        script.sent().len(),
        SIDE_BY_SIDE,
        "those in flight, no more"
    );
    assert_eq!(fates[199], "held: gobgpd does not answer");
}

#[tokio::test]
async fn without_leave_nothing_more_is_sent() {
    let script = Script::default();
    let leave = || match script.sent().len() {
        0 | 1 => Ok(None),
        _ => Err("on hold".to_owned()),
    };
    let steps = [start(), delete(1), policy(), assign()];
    let fates = execute(&script, &steps, &leave).await;
    let words: Vec<String> = fates.iter().map(word).collect();
    assert_eq!(words, ["done", "done", "held: on hold", "held: on hold"]);
}

#[test]
fn a_refused_call_is_named_once() {
    let step = policy();
    let call = step.op.call();
    let refused = Error::Refused(format!("{call}: gobgpd refused: no"));
    assert_eq!(
        met(&step, &refused),
        format!("{}: gobgpd refused: no", step.op)
    );
    let lost = Error::Unreachable("gobgpd at a does not answer: reset".into());
    assert_eq!(met(&step, &lost), format!("{}: {lost}", step.op));
}
