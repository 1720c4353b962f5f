//! The planner's promises, for random routers, operators and daemons.
//!
//! A case is a router in three acts: rows are declared and applied; people
//! change things on the daemon with `gobgp`, or it restarts; other rows are
//! declared and applied. In the last act the plan is broken off after every
//! call, as a crash would, and each time: nothing fails open, no peer runs
//! without its policies, what is somebody else's is untouched, and going on
//! from there leads to the same end.

use proptest::prelude::*;
use sdwan_lab::sim::peer::PeerConf;
use sdwan_lab::sim::policy::{Policy, Set, Statement};
use sdwan_lab::sim::state::rejects;
use sdwan_lab::sim::{Flavor, Gobgpd};
use sdwan_model::compile::{Inputs, compile};
use sdwan_model::config::{AdminState, Direction, Disposition, RouterConfig};
use sdwan_model::observed::{DefaultAction, SessionState, SetKind};
use sdwan_model::plan::{
    Disturbance, Effect, Op, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Plan, Verdict, plan,
};
use sdwan_model::resource::Row;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Records = BTreeMap<OwnedKey, OwnedRecord>;

const DIRECTIONS: [Direction; 2] = [Direction::Import, Direction::Export];
const PEERS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::4"];

fn address(index: usize) -> IpAddr {
    PEERS[index].parse().expect("PEERS are addresses")
}

/// The daemon and what we remember of it.
#[derive(Clone)]
struct World {
    daemon: Gobgpd,
    records: Records,
}

impl World {
    fn plan(&self, desired: Option<&RouterConfig>) -> Plan {
        plan(desired, &self.daemon.observe(), &self.records)
    }

    fn write(&mut self, writes: &[OwnedWrite]) {
        for write in writes {
            match write {
                OwnedWrite::Put(key, record) => {
                    self.records.insert(key.clone(), record.clone());
                }
                OwnedWrite::Remove(key) => {
                    self.records.remove(key);
                }
                OwnedWrite::Done(key, effect) => {
                    if let Some(record) = self.records.get_mut(key) {
                        record.owed.remove(effect);
                    }
                }
            }
        }
    }

    /// When each session that is up came up.
    fn sessions(&self) -> BTreeMap<IpAddr, u64> {
        let peers = self.daemon.peers().iter();
        peers
            .filter_map(|(address, peer)| Some((*address, peer.established_at?)))
            .collect()
    }

    /// Does the first `steps` of a plan.
    fn go(&mut self, plan: &Plan, steps: usize) {
        self.write(&plan.intents);
        for step in &plan.steps[..steps] {
            let before = self.sessions();
            let done = self.daemon.apply(&step.op);
            assert_eq!(done, Ok(()), "{} was refused in\n{plan}", step.op);
            if step.disturbance < Disturbance::SessionReset {
                let after = self.sessions();
                assert_eq!(before, after, "{} reset a session in\n{plan}", step.op);
            }
            self.write(&step.settles);
        }
    }

    /// Passes until there is nothing to do.
    fn settle(&mut self, desired: Option<&RouterConfig>) -> Plan {
        for _ in 0..4 {
            let plan = self.plan(desired);
            if plan.steps.is_empty() {
                self.write(&plan.intents);
                return self.plan(desired);
            }
            self.go(&plan, plan.steps.len());
        }
        panic!("still at work after 4 passes:\n{}", self.plan(desired));
    }
}

/// What a person may do on the daemon.
#[derive(Clone, Debug)]
enum Hand {
    Restart,
    AddPeer(usize, u16),
    DeletePeer(usize),
    Disable(usize),
    Enable(usize),
    SetHoldTime(usize, u16),
    PrefixSet,
    ForeignPolicy(Direction, bool),
    DefaultReject(Direction),
    Unassign(Direction),
    DeleteAssignment(Direction),
    Reverse(Direction),
    EmptySet,
    GrowSet,
    ChangeOurs,
    Fall(usize),
}

fn do_by_hand(daemon: &mut Gobgpd, hand: &Hand) {
    // What gobgpd refuses a person is no concern of these tests.
    let _refusal = match hand {
        Hand::Restart => {
            daemon.restart();
            Ok(())
        }
        Hand::AddPeer(i, hold) => {
            let mut conf = PeerConf::new(address(*i), 65002);
            (conf.hold_time, conf.keepalive_interval) = (*hold, hold / 3);
            conf.unmodelled = 7;
            daemon.add_peer(address(*i), conf)
        }
        Hand::DeletePeer(i) => daemon.delete_peer(address(*i)),
        Hand::Disable(i) => daemon.disable_peer(address(*i)),
        Hand::Enable(i) => daemon.enable_peer(address(*i)),
        Hand::Fall(i) => daemon.fall(address(*i)),
        Hand::SetHoldTime(i, hold) => match daemon.peers().get(&address(*i)) {
            Some(peer) => {
                let mut conf = peer.conf.clone();
                conf.hold_time = *hold;
                let done = daemon.update_peer(address(*i), conf);
                // Only a new session works with it.
                let _refusal = daemon.fall(address(*i));
                daemon.sessions_come_up();
                done
            }
            None => Ok(()),
        },
        _ if daemon.observe().global.is_none() => Ok(()),
        hand => {
            by_hand_on_policies(daemon, hand);
            // He brings it into force, too: all sessions are reset.
            let up: Vec<IpAddr> = daemon.peers().keys().copied().collect();
            for address in up {
                let _refusal = daemon.fall(address);
            }
            daemon.sessions_come_up();
            Ok(())
        }
    };
}

fn by_hand_on_policies(daemon: &mut Gobgpd, hand: &Hand) {
    let policies = daemon.policies_mut();
    let prefixes = Set {
        kind: SetKind::Prefix,
        name: "theirs".into(),
        entries: vec!["10.0.0.0/8".into()],
    };
    let _refusal = match hand {
        Hand::PrefixSet => policies.add_defined_set(prefixes),
        Hand::ForeignPolicy(direction, first) => {
            let name = format!("their-{}", direction.as_str());
            if policies.list_policies().iter().any(|p| p.name == name) {
                return;
            }
            let statement = Statement {
                name: format!("{name}-statement"),
                conditions: BTreeMap::from([(SetKind::Prefix, "theirs".to_owned())]),
                actions: Vec::new(),
                disposition: Some(Disposition::Reject),
            };
            let statements = vec![statement];
            let (mut names, _) = policies.list_assignment(*direction);
            names.insert(if *first { 0 } else { names.len() }, name.clone());
            policies
                .add_defined_set(prefixes)
                .and_then(|()| policies.add_policy(Policy { name, statements }))
                .and_then(|()| {
                    policies.set_policy_assignment(*direction, &names, DefaultAction::None)
                })
        }
        Hand::DefaultReject(direction) => {
            let (names, _) = policies.list_assignment(*direction);
            policies.set_policy_assignment(*direction, &names, DefaultAction::Reject)
        }
        Hand::Unassign(direction) => {
            let (mut names, _) = policies.list_assignment(*direction);
            names.pop();
            policies.set_policy_assignment(*direction, &names, DefaultAction::None)
        }
        Hand::DeleteAssignment(direction) => {
            policies.delete_policy_assignment(*direction);
            Ok(())
        }
        Hand::Reverse(direction) => {
            let (mut names, _) = policies.list_assignment(*direction);
            names.reverse();
            policies.set_policy_assignment(*direction, &names, DefaultAction::None)
        }
        Hand::EmptySet | Hand::GrowSet => {
            let Some(mut set) = policies
                .list_sets()
                .find(|set| set.kind == SetKind::Neighbor)
                .cloned()
            else {
                return;
            };
            if matches!(hand, Hand::EmptySet) {
                policies.delete_defined_set(&set, false)
            } else {
                set.entries = vec!["172.16.0.9/32".into()];
                policies.add_defined_set(set)
            }
        }
        Hand::ChangeOurs => {
            let Some(policy) = policies
                .list_policies()
                .into_iter()
                .find(|p| p.name.contains('/'))
            else {
                return;
            };
            let statement = Statement {
                name: "by hand".into(),
                conditions: BTreeMap::new(),
                actions: Vec::new(),
                disposition: Some(Disposition::Accept),
            };
            let statements = vec![statement];
            policies.add_policy(Policy {
                name: policy.name,
                statements,
            })
        }
        _ => Ok(()),
    };
}

fn row(kind: &str, id: String, version: u64, body: Value) -> Row {
    let Value::Object(body) = body else {
        panic!("a body is an object")
    };
    let created = id.bytes().map(u64::from).sum();
    Row {
        kind: kind.to_owned(),
        id,
        version,
        created,
        body,
    }
}

/// A neighbor row's declared fields.
fn any_neighbor() -> impl Strategy<Value = Value> {
    let field =
        |values: Vec<Value>| prop_oneof![3 => Just(Value::Null), 2 => prop::sample::select(values)];
    (
        prop::sample::select(vec![65001, 65002]),
        field(vec![json!("one"), json!("two")]),
        field(vec![json!("secret"), json!("other")]),
        field(vec![json!(90), json!(30)]),
        field(vec![json!(5), json!(1)]),
        field(vec![json!(true), json!(false)]),
        field(vec![json!(2), json!(3)]),
        field(vec![json!(true), json!(false)]),
        field(vec![json!(["ipv4-unicast", "ipv6-unicast"])]),
        field(vec![json!("up"), json!("down")]),
    )
        .prop_map(
            |(
                peer_as,
                description,
                password,
                hold,
                keepalive,
                passive,
                multihop,
                rr,
                families,
                admin,
            )| {
                json!({
                    "peer_as": peer_as, "description": description, "auth_password": password,
                    "hold_time": hold, "keepalive_interval": keepalive, "passive": passive,
                    "ebgp_multihop": multihop, "route_reflector_client": rr, "families": families,
                    "admin_state": admin,
                })
            },
        )
}

/// The rows of one router. The same ids mean the same rows at a later version.
fn any_rows(version: u64) -> impl Strategy<Value = Inputs> {
    let neighbors = prop::collection::vec(prop::option::weighted(0.7, any_neighbor()), PEERS.len());
    let policy = (
        prop::sample::select(vec!["p", "q"]),
        prop::sample::select(vec!["s", "t"]),
        prop::sample::select(vec!["", "next-hop self", "med 10", "next-hop peer-address"]),
        prop::sample::select(vec![json!(null), json!("accept"), json!("reject")]),
        prop::sample::select(vec!["import", "export", "export"]),
        0..=PEERS.len(),
        prop::option::of(0..3_u64),
    );
    (neighbors, prop::collection::vec(policy, 0..5)).prop_map(move |(neighbors, policies)| {
        let neighbors = neighbors.into_iter().enumerate().filter_map(|(i, body)| {
            let mut body = body?;
            body["neighbor_addr"] = json!(PEERS[i]);
            Some(row("neighbor", format!("n{i}"), version, body))
        });
        let policies = policies.into_iter().enumerate().map(
            |(i, (name, statement, action, disposition, direction, of, position))| {
                let body = json!({
                    "policy_name": name, "statement_name": statement, "statement_action": action,
                    "route_disposition": disposition, "apply_direction": direction,
                    "apply_neighbor": PEERS.get(of), "position": position,
                });
                row("policyinfo", format!("p{i}"), version, body)
            },
        );
        Inputs {
            router: Some(router()),
            neighbors: neighbors.collect(),
            policies: policies.collect(),
        }
    })
}

fn router() -> Row {
    let body = json!({"host_name": "GoBGP-1", "router_id": "10.0.1.1", "local_as": 65001});
    row("router", "r".into(), 1, body)
}

fn any_hand() -> impl Strategy<Value = Hand> {
    let peer = 0..PEERS.len();
    let direction = prop::sample::select(DIRECTIONS.to_vec());
    let hold = prop::sample::select(vec![30_u16, 90]);
    prop_oneof![
        1 => Just(Hand::Restart),
        2 => (peer.clone(), hold.clone()).prop_map(|(i, hold)| Hand::AddPeer(i, hold)),
        2 => peer.clone().prop_map(Hand::DeletePeer),
        1 => peer.clone().prop_map(Hand::Disable),
        1 => peer.clone().prop_map(Hand::Enable),
        1 => peer.clone().prop_map(Hand::Fall),
        1 => (peer, hold).prop_map(|(i, hold)| Hand::SetHoldTime(i, hold)),
        2 => Just(Hand::PrefixSet),
        3 => (direction.clone(), any::<bool>()).prop_map(|(d, first)| Hand::ForeignPolicy(d, first)),
        1 => direction.clone().prop_map(Hand::DefaultReject),
        1 => direction.clone().prop_map(Hand::Unassign),
        1 => direction.clone().prop_map(Hand::DeleteAssignment),
        1 => direction.prop_map(Hand::Reverse),
        1 => Just(Hand::EmptySet),
        1 => Just(Hand::GrowSet),
        1 => Just(Hand::ChangeOurs),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    flavor: Flavor,
    /// Done before anything is declared.
    before: Vec<Hand>,
    first: Inputs,
    between: Vec<Hand>,
    /// `None` deletes the router.
    second: Option<Inputs>,
}

fn any_case() -> impl Strategy<Value = Case> {
    (
        prop::sample::select(vec![Flavor::V3_10, Flavor::V3_36, Flavor::V4_8]),
        prop::collection::vec(any_hand(), 0..2),
        any_rows(1),
        prop::collection::vec(any_hand(), 0..3),
        prop::option::weighted(0.9, any_rows(2)),
        any::<[u8; 16]>(),
    )
        .prop_map(|(flavor, before, first, between, second, picks)| Case {
            flavor,
            before,
            second: second.map(|second| some_of(&first, second, &picks)),
            first,
            between,
        })
}

/// The second act's rows, but most of them are the first's with one property
/// changed at most: most changes are small ones.
fn some_of(first: &Inputs, mut second: Inputs, picks: &[u8; 16]) -> Inputs {
    let mut picks = picks.iter().copied().map(usize::from).cycle();
    let mut mix = |old: &[Row], new: &mut Vec<Row>| {
        for old in old {
            let pick = picks.next().unwrap_or(0);
            // One in four stays as drawn.
            if pick % 4 == 0 {
                continue;
            }
            let mut row = old.clone();
            if let Some(drawn) = new.iter().find(|row| row.id == old.id)
                && let Some((property, value)) = drawn.body.iter().nth(pick % drawn.body.len())
            {
                row.version = drawn.version;
                row.body.insert(property.clone(), value.clone());
            }
            new.retain(|drawn| drawn.id != old.id);
            new.push(row);
        }
    };
    mix(&first.neighbors, &mut second.neighbors);
    mix(&first.policies, &mut second.policies);
    second
}

impl Case {
    /// The world as the last act begins, and what is declared then.
    fn stage(&self) -> (World, Option<RouterConfig>) {
        let mut daemon = Gobgpd::new(self.flavor);
        for hand in &self.before {
            do_by_hand(&mut daemon, hand);
        }
        let mut world = World {
            daemon,
            records: Records::new(),
        };
        world.settle(compile(&self.first).config.as_ref());
        world.daemon.sessions_come_up();
        for hand in &self.between {
            do_by_hand(&mut world.daemon, hand);
        }
        let second = self.second.as_ref();
        (world, second.and_then(|inputs| compile(inputs).config))
    }
}

/// What a peer's routes come to: decided by one of ours, or left to others.
fn decision(daemon: &Gobgpd, peer: IpAddr, direction: Direction) -> (Option<Disposition>, bool) {
    let (chain, default) = daemon.chain(peer, direction);
    let decided = chain
        .iter()
        .filter(|link| !link.conditional)
        .find_map(|link| link.disposition);
    (decided, rejects(&chain, default))
}

fn ours(world: &World, peer: &IpAddr) -> bool {
    world
        .records
        .contains_key(&OwnedKey::new(OwnedKind::Peer, peer))
}

/// What isn't ours: policies, sets, peers, and their places in assignments.
fn foreign(daemon: &Gobgpd, records: &Records) -> String {
    let known = |kind, name: &str| records.contains_key(&OwnedKey::new(kind, name));
    let policies = daemon.policies();
    let theirs: Vec<Policy> = policies
        .list_policies()
        .into_iter()
        .filter(|policy| !known(OwnedKind::Policy, &policy.name))
        .collect();
    let sets: Vec<&Set> = policies
        .list_sets()
        .filter(|set| set.kind != SetKind::Neighbor || !known(OwnedKind::NeighborSet, &set.name))
        .collect();
    let peers: Vec<String> = daemon
        .peers()
        .iter()
        .filter(|(address, _)| !known(OwnedKind::Peer, &address.to_string()))
        .map(|(address, peer)| format!("{address} {:?} {:?}", peer.conf, peer.established_at))
        .collect();
    let assigned: Vec<Vec<String>> = DIRECTIONS
        .iter()
        .map(|direction| {
            let (mut names, _) = policies.list_assignment(*direction);
            names.retain(|name| !known(OwnedKind::Policy, name));
            names
        })
        .collect();
    format!("{theirs:?} {sets:?} {peers:?} {assigned:?}")
}

/// At a point where the process may die: nothing is open.
fn nothing_is_open(case: &str, start: &World, now: &World, end: &World) {
    let opened: Vec<String> = now
        .daemon
        .policies()
        .open_sets()
        .difference(&start.daemon.policies().open_sets())
        .cloned()
        .collect();
    assert!(
        opened.is_empty(),
        "{case}: statements match everyone by {opened:?}"
    );
    for direction in DIRECTIONS {
        for peer in now.daemon.peers().keys().filter(|peer| ours(now, peer)) {
            let (then, here, there) = (
                decision(&start.daemon, *peer, direction),
                decision(&now.daemon, *peer, direction),
                decision(&end.daemon, *peer, direction),
            );
            let was_there = start.daemon.peers().contains_key(peer);
            let fine = here == there || was_there && here == then;
            assert!(
                fine,
                "{case}: {peer} {direction:?} decides {here:?}, before {then:?}, after {there:?}"
            );
        }
    }
}

/// The daemon without what differs by luck: when sessions came up.
fn shape(daemon: &Gobgpd) -> String {
    let policies = daemon.policies();
    let mut sets: Vec<String> = policies
        .list_sets()
        .map(|set| {
            let entries: BTreeSet<&String> = set.entries.iter().collect();
            format!("{} {entries:?}", set.name)
        })
        .collect();
    sets.sort();
    let peers: Vec<String> = daemon
        .peers()
        .iter()
        .map(|(address, peer)| format!("{address} {:?} {:?}", peer.conf, peer.admin_state))
        .collect();
    let assigned = DIRECTIONS.map(|direction| policies.list_assignment(direction));
    let mut listed = policies.list_policies();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    format!("{listed:#?}\n{sets:#?}\n{peers:#?}\n{assigned:?}")
}

/// What is left when passes have nothing to do any more.
fn end_is_right(case: &str, world: &World, desired: Option<&RouterConfig>, last: &Plan) {
    let Some(config) = desired else {
        assert!(world.records.is_empty(), "{case}: left {:?}", world.records);
        return;
    };
    for (address, neighbor) in &config.neighbors {
        let applied = matches!(
            last.verdicts.get(&neighbor.source.resource),
            Some(Verdict::Applied { .. })
        );
        let Some(peer) = world.daemon.peers().get(address) else {
            assert!(!applied, "{case}: {address} is not there and applied");
            continue;
        };
        if !ours(world, address) {
            continue;
        }
        if applied {
            let told = peer.in_force.clone().with(neighbor);
            let mut in_force = peer.in_force.clone();
            // What is stored comes into force with the session.
            (in_force.hold_time, in_force.keepalive_interval) =
                (peer.in_force.hold_time, peer.in_force.keepalive_interval);
            assert_eq!(
                in_force, told,
                "{case}: {address} does not work as declared"
            );
        }
        if peer.session == SessionState::Established {
            for (direction, met) in [
                (Direction::Import, &peer.met_import),
                (Direction::Export, &peer.met_export),
            ] {
                let current = world.daemon.chain(*address, direction);
                assert_eq!(
                    met.as_ref(),
                    Some(&current),
                    "{case}: {address} was not refreshed {direction:?}"
                );
            }
        }
        if peer.stale {
            let said = last.verdicts.values().any(|verdict| {
                matches!(verdict, Verdict::Failed { reason, .. } if reason.contains("needs reset"))
            });
            assert!(
                said,
                "{case}: {address} holds stale routes and nobody says so\n{last}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_broken_off_anywhere_opens_nothing_and_is_finished_later(case in any_case()) {
        let (start, desired) = case.stage();
        let desired = desired.as_ref();
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
            // The call after is made, and nobody hears of it.
            let mut unheard = crashed.clone();
            if let Some(step) = plan.steps.get(stop) {
                let half = matches!(step.op, Op::RecreatePeer(..));
                if half {
                    unheard.daemon.apply_first_half(&step.op).unwrap();
                } else {
                    unheard.daemon.apply(&step.op).unwrap();
                }
                nothing_is_open(&format!("unheard, {case}"), &start, &unheard, &end);
                let last = unheard.settle(desired);
                end_is_right(&format!("unheard, {case}"), &unheard, desired, &last);
                if !half {
                    prop_assert_eq!(shape(&unheard.daemon), shape(&end.daemon), "unheard, {}", case);
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
        let desired = desired.as_ref();
        let last = world.settle(desired);
        let says = |plan: &Plan| plan.to_string().contains("needs reset");
        let owed = |world: &World| {
            world.records.values().any(|record| record.owed.contains(&Effect::Reset))
        };
        prop_assert_eq!(says(&last), owed(&world));
        let addresses: Vec<IpAddr> = world.daemon.peers().keys().copied().collect();
        for address in addresses {
            world.daemon.fall(address).unwrap();
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
        let plan = world.plan(compile(&inputs).config.as_ref());
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
        world.settle(compile(&neighbor(1, "old")).config.as_ref());
        world.daemon.sessions_come_up();
        world.daemon.disable_peer(address(0)).unwrap();
        let desired = compile(&neighbor(2, "new")).config;
        let last = world.settle(desired.as_ref());
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
        world.settle(desired.as_ref());
        assert_eq!(world.daemon.peers()[&address(0)].conf.description, "new");
    }
}
