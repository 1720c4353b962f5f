//! What the rows of the second act come to, read from the rows and told by
//! what `sdwan` promises of them: neither the compiler nor the planner has a
//! part in it, and no listing.

use super::routes::{Policies, Session, Sessions, State};
use crate::checks::ours;
use crate::world::{Records, World};
use sdwan_lab::sim::peer::Peer;
use sdwan_lab::sim::policy::Link;
use sdwan_lab::sim::state::Flavor;
use sdwan_model::compile::Inputs;
use sdwan_model::config::{AdminState, Direction, Disposition, Family};
use sdwan_model::observed::{DefaultAction, SessionState, SetKind};
use sdwan_model::plan::{OwnedKey, OwnedKind};
use sdwan_model::resource::Row;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The router's own AS in every case.
const AS: u64 = 65001;

/// No neighbor's address: what the router's own routes come from.
const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// What is evaluated as the second act begins, by the simulator; the routes
/// that are held then show whether that is so.
pub(crate) fn start(world: &World) -> State {
    let up = world.daemon.peers().iter();
    let up = up.filter(|(_, peer)| peer.session == SessionState::Established);
    let sessions = up.map(|(address, peer)| (*address, session_of(peer)));
    State {
        sessions: sessions.collect(),
        policies: Policies::new(|peer, direction| {
            world.daemon.chain(peer.unwrap_or(NOBODY), direction)
        }),
    }
}

/// What must be in the end.
pub(crate) fn end(start: &World, rows: Option<&Inputs>) -> State {
    let none = Inputs::default();
    let inputs = rows.unwrap_or(&none);
    let neighbors = inputs.neighbors.iter();
    let neighbors: BTreeMap<IpAddr, &Row> = neighbors
        .filter_map(|row| Some((text(row, "neighbor_addr")?.parse().ok()?, row)))
        .collect();
    let policies = read(inputs, &neighbors, start.daemon.flavor);
    let chain = |peer, direction| {
        let (order, default) = order(start, &policies, direction, rows.is_some());
        let statements = order.iter().flat_map(|name| {
            let declared = policies.get(name).and_then(|p| p.statements.as_ref());
            match declared {
                Some(statements) => for_peer(statements, peer),
                None => standing(start, name, peer),
            }
        });
        (statements.collect(), default)
    };
    State {
        policies: Policies::new(chain),
        sessions: sessions(start, &neighbors, &policies),
    }
}

fn text<'a>(row: &'a Row, property: &str) -> Option<&'a str> {
    row.body.get(property)?.as_str()
}

fn declared<'a>(row: &'a Row, property: &str) -> Option<&'a Value> {
    row.body.get(property).filter(|value| !value.is_null())
}

/// A policy's rows of one direction.
struct Declared {
    direction: Direction,
    /// For whom, and what; `None` where rows of it are refused: it stays as
    /// it is, and nobody whom a row of it names is brought up.
    statements: Option<Vec<(BTreeSet<IpAddr>, Link)>>,
    names: BTreeSet<IpAddr>,
    place: usize,
}

/// The policies, by their names on the daemon.
fn read(
    inputs: &Inputs,
    neighbors: &BTreeMap<IpAddr, &Row>,
    flavor: Flavor,
) -> BTreeMap<String, Declared> {
    // By position, those without one behind; then as they were created.
    let mut rows: Vec<&Row> = inputs.policies.iter().collect();
    rows.sort_by_key(|row| {
        let position = declared(row, "position").and_then(Value::as_u64);
        (position.unwrap_or(u64::MAX), row.created)
    });
    let mut groups: Vec<(String, Direction, Vec<&Row>)> = Vec::new();
    for row in rows {
        let (Some(policy), Some(way)) = (text(row, "policy_name"), text(row, "apply_direction"))
        else {
            unreachable!("every row of a case has both: {row:?}")
        };
        let direction = match way {
            "import" => Direction::Import,
            _ => Direction::Export,
        };
        let name = format!("{policy}/{way}");
        match groups.iter_mut().find(|(there, ..)| *there == name) {
            Some((.., rows)) => rows.push(row),
            None => groups.push((name, direction, vec![row])),
        }
    }
    let groups = groups.into_iter().enumerate();
    let policies = groups.map(|(place, (name, direction, rows))| {
        let names = rows.iter().flat_map(|row| members(row, neighbors));
        let policy = Declared {
            direction,
            names: names.collect(),
            statements: statements(&rows, neighbors, flavor),
            place,
        };
        (name, policy)
    });
    policies.collect()
}

/// An empty `apply_neighbor` is all declared ones; an undeclared one nobody.
fn members(row: &Row, neighbors: &BTreeMap<IpAddr, &Row>) -> BTreeSet<IpAddr> {
    match declared(row, "apply_neighbor") {
        None => neighbors.keys().copied().collect(),
        Some(named) => neighbors
            .keys()
            .filter(|address| named.as_str() == Some(&address.to_string()))
            .copied()
            .collect(),
    }
}

/// The statements, in order of their first rows.
fn statements(
    rows: &[&Row],
    neighbors: &BTreeMap<IpAddr, &Row>,
    flavor: Flavor,
) -> Option<Vec<(BTreeSet<IpAddr>, Link)>> {
    let mut all: Vec<(Option<&str>, BTreeSet<IpAddr>, Link)> = Vec::new();
    for row in rows {
        let of = members(row, neighbors);
        let action = text(row, "statement_action").filter(|text| !text.is_empty());
        // What gobgpd has no words for before 3.28.
        let unknown = action == Some("next-hop peer-address") && flavor == Flavor::V3_10;
        if unknown && !of.is_empty() {
            return None;
        }
        let link = Link {
            conditional: false,
            actions: action
                .map(|text| text.parse().expect("an action"))
                .into_iter()
                .collect(),
            disposition: text(row, "route_disposition").map(|word| match word {
                "accept" => Disposition::Accept,
                _ => Disposition::Reject,
            }),
        };
        let name = text(row, "statement_name");
        match all.iter_mut().find(|(there, ..)| *there == name) {
            // Sister rows that disagree are refused.
            Some((.., other)) if *other != link => return None,
            Some((_, members, _)) => members.extend(of),
            None => all.push((name, of, link)),
        }
    }
    let all = all.into_iter().map(|(_, members, link)| (members, link));
    // In gobgpd a set of nobody is one of everybody; such a row waits.
    Some(all.filter(|(members, _)| !members.is_empty()).collect())
}

fn for_peer(statements: &[(BTreeSet<IpAddr>, Link)], peer: Option<IpAddr>) -> Vec<Link> {
    let of = statements
        .iter()
        .filter(|(members, _)| peer.is_some_and(|peer| members.contains(&peer)));
    of.map(|(_, link)| link.clone()).collect()
}

/// A policy's links for a peer as the act begins: somebody else's, or one
/// that stays as it is.
fn standing(start: &World, name: &str, peer: Option<IpAddr>) -> Vec<Link> {
    let mut alone = start.daemon.clone();
    let policies = alone.policies_mut();
    let only = [name.to_owned()];
    policies
        .set_policy_assignment(Direction::Import, &only, DefaultAction::None)
        .expect("a policy that stays is there");
    let (chain, _) = alone.chain(peer.unwrap_or(NOBODY), Direction::Import);
    chain
}

fn is_ours(records: &Records, name: &str) -> bool {
    records.contains_key(&OwnedKey::new(OwnedKind::Policy, name))
}

/// The order of evaluation, and its end. Somebody else's policies keep their
/// places among ours; what is new of ours comes behind the last of ours.
fn order(
    start: &World,
    policies: &BTreeMap<String, Declared>,
    direction: Direction,
    router: bool,
) -> (Vec<String>, DefaultAction) {
    let listed = start.daemon.policies();
    let (before, default) = match start.daemon.global() {
        Some(_) => listed.list_assignment(direction),
        None => (Vec::new(), DefaultAction::Accept),
    };
    let mine = |name: &&String| is_ours(&start.records, name);
    let stays = |name: &String| match policies.get(name) {
        Some(policy) => match &policy.statements {
            Some(statements) => !statements.is_empty(),
            None => before.contains(name),
        },
        None => false,
    };
    let mut ours: Vec<&String> = policies
        .iter()
        .filter(|(name, policy)| policy.direction == direction && stays(name))
        .map(|(name, _)| name)
        .collect();
    ours.sort_by_key(|name| policies[*name].place);
    let places = before.iter().filter(mine).count();
    let behind = ours.split_off(places.min(ours.len()));
    let last = before.iter().rposition(|name| mine(&name));
    let mut ours = ours.into_iter();
    let mut order: Vec<String> = Vec::new();
    for (place, name) in before.iter().enumerate() {
        match mine(&name) {
            true => order.extend(ours.next().cloned()),
            false => order.push(name.clone()),
        }
        if Some(place) == last {
            order.extend(behind.iter().copied().cloned());
        }
    }
    if last.is_none() {
        order.extend(behind.iter().copied().cloned());
    }
    let any_of_ours = order.iter().any(|name| policies.contains_key(name));
    let foreign = listed.list_policies().iter().any(|p| !mine(&&p.name))
        || listed.list_sets().any(|set| set.kind != SetKind::Neighbor);
    let default = match default {
        // Nobody else has policies there: the daemon is as good as new.
        DefaultAction::None if router && any_of_ours && !foreign => DefaultAction::Accept,
        default => default,
    };
    (order, default)
}

/// Who is there in the end, and as what.
fn sessions(
    start: &World,
    neighbors: &BTreeMap<IpAddr, &Row>,
    policies: &BTreeMap<String, Declared>,
) -> Sessions {
    let mut sessions = Sessions::new();
    for (address, peer) in start.daemon.peers() {
        let session = match neighbors.get(address) {
            Some(row) if ours(start, address) => settled(peer, row),
            // Somebody else's: it is as declared, and has to be no different
            // but for being held down, or it is left alone.
            Some(row) if is_as_declared(peer, row) => settled(peer, row),
            None if ours(start, address) => None,
            _ => (peer.admin_state == AdminState::Up).then(|| session_of(peer)),
        };
        sessions.extend(session.map(|session| (*address, session)));
    }
    for (address, row) in neighbors {
        let waits =
            |policy: &Declared| policy.statements.is_none() && policy.names.contains(address);
        let there = start.daemon.peers().contains_key(address);
        let down = text(row, "admin_state") == Some("down");
        if !there && !down && !policies.values().any(waits) {
            sessions.insert(*address, told(*address, row));
        }
    }
    sessions.retain(|address, _| !is_locked(start, *address, neighbors.get(address).copied()));
    sessions
}

/// Whoever deletes a peer by hand leaves its password with gobgpd, which asks
/// for it from then on: a peer without one can't be reached.
fn is_locked(start: &World, address: IpAddr, row: Option<&Row>) -> bool {
    let peer = start.daemon.peers().get(&address);
    let left_behind = start.daemon.asked_password(address).is_some()
        && peer.is_none_or(|peer| peer.conf.auth_password.is_empty());
    left_behind && row.is_none_or(|row| declared(row, "auth_password").is_none())
}

/// A peer that is there and declared: as declared, unless it is held down.
fn settled(peer: &Peer, row: &Row) -> Option<Session> {
    let address = text(row, "neighbor_addr")?.parse().ok()?;
    let up = match text(row, "admin_state") {
        Some(word) => word == "up",
        // What a row held down and no longer does comes up; what a person
        // disabled does not.
        None => peer.conf.admin_down || peer.admin_state == AdminState::Up,
    };
    up.then(|| told(address, row))
}

fn told(address: IpAddr, row: &Row) -> Session {
    let families = declared(row, "families");
    let families = families.map(|list| serde_json::from_value(list.clone()).expect("families"));
    Session {
        internal: declared(row, "peer_as").and_then(Value::as_u64) == Some(AS),
        client: declared(row, "route_reflector_client") == Some(&Value::Bool(true)),
        families: families.unwrap_or_else(|| {
            BTreeSet::from([match address {
                IpAddr::V4(_) => Family::Ipv4Unicast,
                IpAddr::V6(_) => Family::Ipv6Unicast,
            }])
        }),
    }
}

fn session_of(peer: &Peer) -> Session {
    Session {
        internal: u64::from(peer.in_force.peer_as) == AS,
        client: peer.in_force.route_reflector_client,
        families: peer.in_force.families.clone(),
    }
}

/// Whether what is declared of a peer is what a person configured.
fn is_as_declared(peer: &Peer, row: &Row) -> bool {
    let conf = &peer.conf;
    let families: Vec<&str> = conf.families.iter().map(|family| family.as_str()).collect();
    let has = [
        ("peer_as", Value::from(conf.peer_as)),
        ("description", Value::from(conf.description.clone())),
        ("auth_password", Value::from(conf.auth_password.clone())),
        ("hold_time", Value::from(conf.hold_time)),
        ("keepalive_interval", Value::from(conf.keepalive_interval)),
        ("passive", Value::from(conf.passive)),
        ("ebgp_multihop", Value::from(conf.ebgp_multihop)),
        (
            "route_reflector_client",
            Value::from(conf.route_reflector_client),
        ),
        ("families", Value::from(families)),
        (
            "admin_state",
            Value::from(if conf.admin_down { "down" } else { "up" }),
        ),
    ];
    let mut has = has.iter();
    has.all(|(property, value)| declared(row, property).is_none_or(|told| told == value))
}
