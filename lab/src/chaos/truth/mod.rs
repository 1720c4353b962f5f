//! Whether what everybody has fits together. Pure: everything that doesn't fit is one line.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::Value;

use super::ground::{self, ROUTERS, WAN};
use super::view::{Claims, Daemon, End, Rows, Status};

/// Whether the neighbor is one that answers.
fn is_real(address: Ipv4Addr) -> bool {
    address.octets()[..3] == ground::address(WAN, ROUTERS[0]).octets()[..3]
}

/// Rows that are not as they should be when all is well: routers and policies ACTIVE, real
/// sessions UP, those with nobody DOWN.
#[must_use]
pub fn unwell(rows: &Rows) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: String, status: &Status, word: &str| {
        if status.word != word {
            found.push(format!(
                "{what} is {} and should be {word}: {}",
                status.word, status.reason
            ));
        }
    };
    for (router, status) in &rows.routers {
        expect(format!("router {router}"), status, "ACTIVE");
    }
    for ((router, address), row) in &rows.neighbors {
        let word = if is_real(*address) { "UP" } else { "DOWN" };
        expect(format!("{router}'s neighbor {address}"), &row.status, word);
    }
    for ((router, policy), row) in &rows.policies {
        expect(format!("{router}'s policy {policy}"), &row.status, "ACTIVE");
    }
    if rows.routers.len() != ROUTERS.len() {
        found.push(format!("there are {} routers", rows.routers.len()));
    }
    for (one, other) in ground::sessions() {
        for (from, to) in [(one, other), (other, one)] {
            let address = ground::address(WAN, ROUTERS[to]);
            if !rows
                .neighbors
                .contains_key(&(ROUTERS[from].to_owned(), address))
            {
                found.push(format!(
                    "{}'s neighbor {address} is not declared",
                    ROUTERS[from]
                ));
            }
        }
    }
    found
}

/// What one server says, by its name.
pub type By<T> = (&'static str, T);

/// Servers that show something else than the first one.
#[must_use]
pub fn disagreements(views: &[By<Rows>]) -> Vec<String> {
    let mut found = Vec::new();
    for (one, other) in views
        .first()
        .into_iter()
        .flat_map(|one| views.iter().map(move |v| (one, v)))
    {
        let ((one, first), (two, rows)) = (one, other);
        differ(&[one, two], &first.routers, &rows.routers, &mut found);
        differ(&[one, two], &first.neighbors, &rows.neighbors, &mut found);
        differ(&[one, two], &first.policies, &rows.policies, &mut found);
    }
    found
}

fn differ<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    [one, two]: &[&str; 2],
    first: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = first.keys().chain(other.keys()).collect();
    for key in keys {
        let (here, there) = (first.get(key), other.get(key));
        if here != there {
            found.push(format!("{key:?}: {one} shows {here:?}, {two} {there:?}"));
        }
    }
}

/// Where a gobgpd is not what the rows declare, or a row's status is not what gobgpd says.
#[must_use]
pub fn untrue(rows: &Rows, daemons: &BTreeMap<String, Daemon>) -> Vec<String> {
    let mut found = Vec::new();
    for (router, daemon) in daemons {
        let place = ROUTERS.iter().position(|name| name == router);
        let asn = place.map(ground::asn);
        if asn != Some(daemon.asn) {
            found.push(format!("{router} runs AS {}", daemon.asn));
        }
        untrue_peers(router, rows, daemon, &mut found);
        untrue_policies(router, rows, daemon, &mut found);
    }
    found
}

fn untrue_peers(router: &str, rows: &Rows, daemon: &Daemon, found: &mut Vec<String>) {
    let declared = rows.neighbors.iter().filter(|((of, _), _)| of == router);
    let declared: BTreeMap<_, _> = declared
        .map(|((_, address), row)| (*address, row))
        .collect();
    for address in daemon.peers.keys().filter(|a| !declared.contains_key(a)) {
        found.push(format!(
            "{router} has a peer {address} that nobody declares"
        ));
    }
    for (address, row) in declared {
        let Some(peer) = daemon.peers.get(&address) else {
            found.push(format!("{router} has no peer {address}"));
            continue;
        };
        if peer.description != row.description {
            found.push(format!(
                "{router}'s peer {address} is described as {:?} and declared as {:?}",
                peer.description, row.description
            ));
        }
        if peer.established != (row.status.word == "UP") {
            let state = if peer.established {
                "established"
            } else {
                "not established"
            };
            found.push(format!(
                "{router}'s neighbor {address} is {}, and its session is {state}",
                row.status.word
            ));
        }
    }
}

fn untrue_policies(router: &str, rows: &Rows, daemon: &Daemon, found: &mut Vec<String>) {
    let declared = rows.policies.iter().filter(|((of, _), _)| of == router);
    let declared: BTreeMap<_, _> = declared
        .map(|((_, name), row)| (format!("{name}/export"), row))
        .collect();
    for name in daemon
        .policies
        .keys()
        .filter(|name| !declared.contains_key(*name))
    {
        found.push(format!("{router} has a policy {name} that nobody declares"));
    }
    for (name, row) in declared {
        let med: Option<i64> = row
            .action
            .strip_prefix("med set ")
            .and_then(|n| n.parse().ok());
        match daemon.policies.get(&name) {
            None => found.push(format!("{router} has no policy {name}")),
            Some(meds) if Some(&meds[..]) != med.as_ref().map(std::slice::from_ref) => {
                found.push(format!(
                    "{router}'s policy {name} sets MED {meds:?}, declared is {:?}",
                    row.action
                ))
            }
            Some(_) => {}
        }
        if !daemon.assigned.contains(&name) {
            found.push(format!("{router}'s policy {name} is not assigned"));
        }
    }
}

/// Routers that nobody works on, or more than one, or on whom the servers, who are all members, do
/// not agree.
#[must_use]
pub fn misclaimed(said: &[By<Claims>]) -> Vec<String> {
    let mut found = Vec::new();
    for (server, claims) in said {
        let members = claims.members.len();
        if members != said.len() {
            found.push(format!(
                "{server} knows {members} members of {}",
                said.len()
            ));
        }
        for router in ROUTERS {
            let by = claims
                .routers
                .get(router)
                .map(Vec::as_slice)
                .unwrap_or_default();
            match by {
                [Some(member)] if claims.members.contains(member) => {}
                _ => found.push(format!("{server} says that {router} is claimed by {by:?}")),
            }
        }
        if said
            .first()
            .is_some_and(|(_, first)| first.routers != claims.routers)
        {
            found.push(format!("{server} names other claims than {}", said[0].0));
        }
    }
    let own: Vec<_> = said
        .iter()
        .map(|(server, claims)| (*server, claims.own))
        .collect();
    let sum: usize = own.iter().map(|(_, own)| own).sum();
    if sum != ROUTERS.len() {
        found.push(format!(
            "the servers work on {own:?} routers, {sum} together"
        ));
    }
    found
}

/// Routers on which a pass would do something.
#[must_use]
pub fn out_of_step(plans: &BTreeMap<String, Value>) -> Vec<String> {
    let steps = plans.iter();
    steps
        .map(|(router, steps)| format!("a pass over {router} would: {steps}"))
        .collect()
}

/// How often each session fell, as both gobgpd and the servers count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Falls(BTreeMap<End, Fall>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fall {
    by_gobgpd: u32,
    by_row: u64,
    up_since: Option<std::time::SystemTime>,
}

impl Falls {
    /// Of all real sessions.
    #[must_use]
    pub fn of(rows: &Rows, daemons: &BTreeMap<String, Daemon>) -> Self {
        let ends = rows
            .neighbors
            .iter()
            .filter(|((_, address), _)| is_real(*address));
        let ends = ends.filter_map(|(end, row)| {
            let peer = daemons.get(&end.0)?.peers.get(&end.1)?;
            let fall = Fall {
                by_gobgpd: peer.flaps,
                by_row: row.flaps,
                up_since: peer.up_since,
            };
            Some((end.clone(), fall))
        });
        Self(ends.collect())
    }

    /// Sessions that fell since, though neither end is one of these routers.
    #[must_use]
    pub fn since(&self, before: &Self, fallen: &[&str]) -> Vec<String> {
        let far = |address: &Ipv4Addr| {
            ROUTERS
                .into_iter()
                .find(|router| ground::address(WAN, router) == *address)
        };
        let untouched = before.0.iter().filter(|((router, address), _)| {
            !fallen.contains(&router.as_str())
                && far(address).is_none_or(|far| !fallen.contains(&far))
        });
        let changed = untouched.filter(|(end, fall)| self.0.get(*end) != Some(fall));
        let line = |((router, address), fall): (&End, &Fall)| {
            let now = self.0.get(&(router.clone(), *address));
            format!("{router}'s session with {address} fell: it was {fall:?} and is {now:?}")
        };
        changed.map(line).collect()
    }
}
