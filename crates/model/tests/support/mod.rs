//! Routers for plans' golden texts: rows as an operator declares them, and
//! the daemon that would have them all.

use sdwan_model::compile::{Inputs, compile};
use sdwan_model::config::{AdminState, Desired, Family, Neighbor, RouterConfig};
use sdwan_model::observed::{
    Api, Assignment, DefaultAction, DefinedSet, Observed, Peer, Policy, SessionState, SetKind,
    Statement, StatementBody, Version,
};
use sdwan_model::plan::{OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Plan, plan};
use sdwan_model::resource::Row;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub const V3_10: Version = version(Api::V3, 10);
pub const V3_36: Version = version(Api::V3, 36);
pub const V4_8: Version = version(Api::V4, 8);

const fn version(api: Api, minor: u16) -> Version {
    Version {
        api,
        minor: Some(minor),
    }
}

pub fn row(kind: &str, id: &str, created: u64, body: Value) -> Row {
    let Value::Object(body) = body else {
        panic!("a body is an object")
    };
    Row {
        kind: kind.to_owned(),
        id: id.to_owned(),
        version: 1,
        created,
        body,
    }
}

pub fn neighbor(id: &str, address: &str, peer_as: u32) -> Row {
    let body = json!({"neighbor_addr": address, "peer_as": peer_as});
    row("neighbor", id, 2, body)
}

pub fn next_hop_self(id: &str, created: u64, of: &str) -> Row {
    let body = json!({
        "policy_name": "policy1", "statement_name": "statement1",
        "statement_action": "next-hop self", "route_disposition": "accept",
        "apply_direction": "export", "apply_neighbor": of,
    });
    row("policyinfo", id, created, body)
}

/// GoBGP-3 of the demo.
pub fn demo() -> Inputs {
    let router = json!({"host_name": "GoBGP-3", "router_id": "10.0.1.3", "local_as": 65001});
    Inputs {
        router: Some(row("router", "GoBGP-3", 1, router)),
        neighbors: vec![
            neighbor("n1", "172.16.0.1", 65001),
            neighbor("n2", "172.16.1.1", 65001),
            neighbor("n3", "192.168.2.2", 65002),
        ],
        policies: vec![
            next_hop_self("p1", 5, "172.16.0.1"),
            next_hop_self("p2", 6, "172.16.1.1"),
        ],
    }
}

/// Changes a row as an operator would.
pub fn change(row: &mut Row, property: &str, value: Value) {
    row.version += 1;
    row.body.insert(property.to_owned(), value);
}

/// A router: what is declared, what its daemon has, what we remember.
#[derive(Clone)]
pub struct Router {
    pub inputs: Inputs,
    pub observed: Observed,
    pub records: BTreeMap<OwnedKey, OwnedRecord>,
}

impl Router {
    /// The daemon was just started and nothing is sent yet.
    pub fn fresh(inputs: Inputs, version: Version) -> Self {
        Self {
            inputs,
            observed: Observed::not_started(version),
            records: BTreeMap::new(),
        }
    }

    /// Everything is as declared and every session is up.
    pub fn in_step(inputs: Inputs, version: Version) -> Self {
        let mut router = Self::fresh(inputs, version);
        let bring_up = router.plan();
        router.write(&bring_up.intents);
        let config = router.config();
        router.observed = observed(&config, version);
        router
    }

    pub fn config(&self) -> RouterConfig {
        let desired = self.desired();
        desired.config().expect("a router that stays").clone()
    }

    fn desired(&self) -> Desired {
        let compiled = compile(&self.inputs);
        compiled.desired.expect("a router that compiles")
    }

    pub fn plan(&self) -> Plan {
        plan(&self.desired(), &self.observed, &self.records)
    }

    pub fn write(&mut self, writes: &[OwnedWrite]) {
        for write in writes {
            match write {
                OwnedWrite::Put(key, record) => {
                    self.records.insert(key.clone(), record.clone());
                }
                OwnedWrite::Remove(key) => {
                    self.records.remove(key);
                }
                OwnedWrite::Done(key, effect) => {
                    self.records
                        .get_mut(key)
                        .expect("a record that owes")
                        .owed
                        .remove(effect);
                }
            }
        }
    }

    pub fn peer(&mut self, address: &str) -> &mut Peer {
        let address = address.parse().expect("an address");
        self.observed.peers.get_mut(&address).expect("a peer")
    }

    pub fn record(&mut self, address: &str) -> &mut OwnedRecord {
        self.records
            .get_mut(&OwnedKey::new(OwnedKind::Peer, address))
            .expect("a record")
    }

    /// Somebody attached a policy of his own with `gobgp`.
    pub fn foreign_policy(&mut self) {
        self.observed.defined_sets.push(DefinedSet {
            kind: SetKind::Prefix,
            name: "theirs".into(),
            neighbors: BTreeSet::new(),
            complete: false,
        });
        self.observed.policies.push(Policy {
            name: "their-policy".into(),
            statements: vec![Statement {
                name: "their-statement".into(),
                ours: None,
            }],
        });
        self.observed
            .export
            .policies
            .insert(0, "their-policy".into());
    }
}

fn observed(config: &RouterConfig, version: Version) -> Observed {
    let assignment = |policies: &[String]| Assignment {
        policies: policies.to_vec(),
        default: DefaultAction::Accept,
    };
    Observed {
        version,
        global: Some(config.global.clone()),
        peers: config
            .neighbors
            .iter()
            .map(|(address, neighbor)| (*address, peer(*address, neighbor)))
            .collect(),
        defined_sets: config
            .neighbor_sets
            .iter()
            .map(|(name, neighbors)| DefinedSet {
                kind: SetKind::Neighbor,
                name: name.clone(),
                neighbors: neighbors.clone(),
                complete: true,
            })
            .collect(),
        policies: config
            .policies
            .values()
            .map(|policy| Policy {
                name: policy.name.clone(),
                statements: policy
                    .statements
                    .iter()
                    .map(|statement| Statement {
                        name: statement.name.clone(),
                        ours: Some(StatementBody {
                            neighbor_set: statement.neighbor_set.clone(),
                            action: statement.action.clone(),
                            disposition: statement.disposition,
                        }),
                    })
                    .collect(),
            })
            .collect(),
        loose_statements: Vec::new(),
        import: assignment(&config.import),
        export: assignment(&config.export),
    }
}

fn peer(address: IpAddr, neighbor: &Neighbor) -> Peer {
    let hold_time = neighbor.hold_time.unwrap_or(90);
    let admin_state = neighbor.admin_state.unwrap_or(AdminState::Up);
    let family = match address {
        IpAddr::V4(_) => Family::Ipv4Unicast,
        IpAddr::V6(_) => Family::Ipv6Unicast,
    };
    Peer {
        peer_as: neighbor.peer_as,
        description: neighbor.description.clone().unwrap_or_default(),
        auth_password: neighbor.auth_password.clone().unwrap_or_else(|| "".into()),
        hold_time,
        keepalive_interval: neighbor.keepalive_interval.unwrap_or(hold_time / 3),
        // What an established session shows, whatever is configured.
        local_address: neighbor
            .local_address
            .or(Some(IpAddr::from([172, 16, 0, 2]))),
        passive: neighbor.passive.unwrap_or(false),
        ebgp_multihop: neighbor.ebgp_multihop.unwrap_or(0),
        route_reflector_client: neighbor.route_reflector_client.unwrap_or(false),
        families: neighbor
            .families
            .clone()
            .unwrap_or_else(|| BTreeSet::from([family])),
        configured: admin_state,
        admin_state,
        session: SessionState::Established,
        established_at: Some(1_700_000_000),
        peer_group: String::new(),
    }
}
