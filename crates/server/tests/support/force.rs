//! The policies that one peer's routes go through: as a daemon has them, and
//! as they are declared. Nothing else about policies matters to a neighbor,
//! and gobgpd applies a change to routes that are there only when the peer is
//! refreshed or comes up.

use sdwan_model::config::{Direction, RouterConfig};
use sdwan_model::observed::Observed;
use std::net::IpAddr;

/// What happens to a route, in order of evaluation.
pub type Force = Vec<String>;

/// On a daemon, now.
pub fn on(observed: &Observed, neighbor: IpAddr, direction: Direction) -> Force {
    let within = |set: &str| {
        let found = observed.defined_sets.iter().find(|known| known.name == set);
        // A set that is empty, or not there, matches every peer.
        found.is_none_or(|set| set.neighbors.is_empty() || set.neighbors.contains(&neighbor))
    };
    let mut force = Force::new();
    for name in &observed.assignment(direction).policies {
        let policy = observed.policies.iter().find(|policy| &policy.name == name);
        for statement in policy.into_iter().flat_map(|policy| &policy.statements) {
            match &statement.ours {
                Some(body) if within(&body.neighbor_set) => {
                    force.push(format!("{:?} {:?}", body.action, body.disposition));
                }
                Some(_) => {}
                None => force.push(format!("foreign {}", statement.name)),
            }
        }
    }
    force
}

/// As it is declared.
pub fn declared(config: &RouterConfig, neighbor: IpAddr, direction: Direction) -> Force {
    let policies = config.order(direction).iter();
    policies
        .filter_map(|name| config.policies.get(name))
        .flat_map(|policy| &policy.statements)
        .filter(|statement| {
            let set = config.neighbor_sets.get(&statement.neighbor_set);
            set.is_some_and(|set| set.contains(&neighbor))
        })
        .map(|statement| format!("{:?} {:?}", statement.action, statement.disposition))
        .collect()
}
