//! Random routers: rows of two acts, and what happens in between.

use crate::hand::{Hand, any_hand, do_by_hand};
use crate::world::{PEERS, Records, World, declared};
use proptest::prelude::*;
use sdwan_lab::sim::{Flavor, Gobgpd};
use sdwan_model::compile::Inputs;
use sdwan_model::config::Desired;
use sdwan_model::resource::Row;
use serde_json::{Value, json};

pub(crate) fn row(kind: &str, id: String, version: u64, body: Value) -> Row {
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
pub(crate) fn any_neighbor() -> impl Strategy<Value = Value> {
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
pub(crate) fn any_rows(version: u64) -> impl Strategy<Value = Inputs> {
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

pub(crate) fn router() -> Row {
    let body = json!({"host_name": "GoBGP-1", "router_id": "10.0.1.1", "local_as": 65001});
    row("router", "r".into(), 1, body)
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) flavor: Flavor,
    /// Done before anything is declared.
    pub(crate) before: Vec<Hand>,
    pub(crate) first: Inputs,
    pub(crate) between: Vec<Hand>,
    /// `None` deletes the router.
    pub(crate) second: Option<Inputs>,
}

pub(crate) fn any_case() -> impl Strategy<Value = Case> {
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
pub(crate) fn some_of(first: &Inputs, mut second: Inputs, picks: &[u8; 16]) -> Inputs {
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
    pub(crate) fn stage(&self) -> (World, Desired) {
        let mut daemon = Gobgpd::new(self.flavor);
        for hand in &self.before {
            do_by_hand(&mut daemon, hand);
        }
        let mut world = World {
            daemon,
            records: Records::new(),
        };
        world.settle(&declared(&self.first));
        world.daemon.sessions_come_up();
        for hand in &self.between {
            do_by_hand(&mut world.daemon, hand);
        }
        let second = self.second.as_ref();
        (world, second.map_or(Desired::Gone, declared))
    }
}
