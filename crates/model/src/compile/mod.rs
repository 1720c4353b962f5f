//! One router's rows to its [`RouterConfig`]: names, unions and order of
//! policies are settled here and nowhere else.
//!
//! Nothing depends on the order in which rows come. A row that makes no
//! sense is refused with a reason; what it stands for on the daemon is
//! *held* ([`crate::config::Held`]) and the rest goes on.

mod fields;
mod neighbor;
mod policy;

use crate::config::{Global, Held, Neighbor, RouterConfig, Source};
use crate::resource::{ResourceRef, Row};
use fields::Fields;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// The rows of one router. Secrets are open.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The router's row; `None` when it is being deleted.
    pub router: Option<Row>,
    /// Its neighbors.
    pub neighbors: Vec<Row>,
    /// Its policyinfo rows.
    pub policies: Vec<Row>,
}

/// The outcome: what can be compiled, and for every row that can't the reason.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// `None` when the router is being deleted, which takes everything of
    /// ours away, or when its own row is refused, when nothing may be sent.
    pub config: Option<RouterConfig>,
    /// Rows that are left out, each with a reason an operator can act on.
    pub refused: BTreeMap<ResourceRef, String>,
}

/// Compiles. Total: a row that makes no sense is refused, never a panic.
pub fn compile(inputs: &Inputs) -> Compiled {
    let mut refused = BTreeMap::new();
    let mut held = Held::default();
    let neighbors = neighbors(&inputs.neighbors, &mut held, &mut refused);
    let compiled = policy::compile(&inputs.policies, &neighbors, &mut held, &mut refused);
    let config = inputs.router.as_ref().and_then(|row| match global(row) {
        Ok(global) => Some(RouterConfig {
            source: source(row),
            global,
            neighbors,
            neighbor_sets: compiled.sets,
            policies: compiled.policies,
            import: compiled.import,
            export: compiled.export,
            held,
            waiting: compiled.waiting,
        }),
        Err(reason) => {
            refused.insert(row.reference(), reason);
            None
        }
    });
    Compiled { config, refused }
}

fn source(row: &Row) -> Source {
    Source {
        resource: row.reference(),
        version: row.version,
    }
}

fn global(row: &Row) -> Result<Global, String> {
    let mut fields = Fields::of(row);
    let asn = fields.number("local_as", 1..=u64::from(u32::MAX));
    let asn = fields.required("local_as", asn);
    let router_id = fields.parsed::<Ipv4Addr>("router_id", "an IPv4 address");
    let router_id = fields.required("router_id", router_id);
    if router_id.is_some_and(|id| id.is_unspecified()) {
        fields.wrong("router_id", "0.0.0.0 is no BGP identifier");
    }
    let listen_port = fields.number("listen_port", 0..=u64::from(u16::MAX));
    fields.check()?;
    match (asn, router_id) {
        (Some(asn), Some(router_id)) => Ok(Global {
            asn,
            router_id,
            listen_port,
        }),
        _ => Err("incomplete".to_owned()),
    }
}

/// Reads every neighbor row. Rows that claim one address contradict each
/// other, so all of them are refused.
fn neighbors(
    rows: &[Row],
    held: &mut Held,
    refused: &mut BTreeMap<ResourceRef, String>,
) -> BTreeMap<IpAddr, Neighbor> {
    let mut by_address: BTreeMap<IpAddr, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        match neighbor::address(row) {
            Ok(address) => by_address.entry(address).or_default().push(row),
            Err(reason) => {
                held.unknown = true;
                refused.insert(row.reference(), reason);
            }
        }
    }
    let mut neighbors = BTreeMap::new();
    for (address, mut rows) in by_address {
        if let [row] = rows.as_slice() {
            match neighbor::compile(row, address) {
                Ok(neighbor) => {
                    neighbors.insert(address, neighbor);
                }
                Err(reason) => {
                    held.peers.insert(address);
                    refused.insert(row.reference(), reason);
                }
            }
            continue;
        }
        held.peers.insert(address);
        rows.sort_by_key(|row| &row.id);
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let reason = format!(
            "neighbor_addr {address} is declared {} times on this router ({}): delete all but one",
            ids.len(),
            ids.join(", ")
        );
        for row in rows {
            refused.insert(row.reference(), reason.clone());
        }
    }
    neighbors
}

#[cfg(test)]
mod tests;
