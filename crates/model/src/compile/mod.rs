//! One router's rows to its [`RouterConfig`]: names, unions and order of
//! policies are settled here and nowhere else.
//!
//! Nothing depends on the order in which rows come. A row that makes no
//! sense is refused with a reason; what it stands for on the daemon is
//! *held* ([`crate::config::Held`]) and the rest goes on.

mod fields;
mod neighbor;
mod policy;

use crate::config::{DeclaredZebra, Desired, Global, Held, Neighbor, RouterConfig, Source, Zebra};
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
    /// Or why the router's own row is refused: what it is to be can't be known
    /// then, so nothing may be sent.
    pub desired: Result<Desired, String>,
    /// Rows that are left out, each with a reason an operator can act on.
    pub refused: BTreeMap<ResourceRef, String>,
}

/// Compiles. Total: a row that makes no sense is refused, never a panic.
pub fn compile(inputs: &Inputs) -> Compiled {
    let mut refused = BTreeMap::new();
    let mut held = Held::default();
    let neighbors = neighbors(&inputs.neighbors, &mut held, &mut refused);
    let compiled = policy::compile(&inputs.policies, &neighbors, &mut held, &mut refused);
    let desired = match inputs.router.as_ref().map(|row| (row, router(row))) {
        None => Ok(Desired::Gone),
        Some((row, Ok((global, zebra)))) => Ok(Desired::Config(Box::new(RouterConfig {
            source: source(row),
            global,
            zebra,
            neighbors,
            neighbor_sets: compiled.sets,
            policies: compiled.policies,
            import: compiled.import,
            export: compiled.export,
            held,
            waiting: compiled.waiting,
        }))),
        Some((row, Err(reason))) => {
            refused.insert(row.reference(), reason.clone());
            Err(reason)
        }
    };
    Compiled { desired, refused }
}

fn source(row: &Row) -> Source {
    Source {
        resource: row.reference(),
        version: row.version,
    }
}

fn router(row: &Row) -> Result<(Global, Option<DeclaredZebra>), String> {
    let mut fields = Fields::of(row);
    let global = global(&mut fields);
    let zebra = zebra(&mut fields);
    fields.check()?;
    Ok((global.ok_or("incomplete")?, zebra))
}

fn global(fields: &mut Fields<'_>) -> Option<Global> {
    let asn = fields.number("local_as", 1..=u64::from(u32::MAX));
    let asn = fields.required("local_as", asn);
    let router_id = fields.parsed::<Ipv4Addr>("router_id", "an IPv4 address");
    let router_id = fields.required("router_id", router_id);
    if router_id.is_some_and(|id| id.is_unspecified()) {
        fields.wrong("router_id", "0.0.0.0 is no BGP identifier");
    }
    let listen_port = fields.number("listen_port", 0..=u64::from(u16::MAX));
    Some(Global {
        asn: asn?,
        router_id: router_id?,
        listen_port,
    })
}

fn zebra(fields: &mut Fields<'_>) -> Option<DeclaredZebra> {
    let words = [("none", false), ("agent", false), ("zebra", true)];
    if fields.word("fib", &words) != Some(true) {
        return None;
    }
    let url = fields.text("zebra_url");
    let url = fields.required("zebra_url", url);
    let version = fields.number("zebra_version", 2..=6);
    let version = fields.required("zebra_version", version);
    let name = fields.text("zebra_software_name");
    let name = fields.required("zebra_software_name", name);
    let confirmed = fields.flag("zebra_confirmed").unwrap_or(false);
    Some(DeclaredZebra {
        zebra: Zebra {
            url: url?.to_owned(),
            version: version?,
            software_name: name?.to_owned(),
        },
        confirmed,
    })
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
