//! BGP sessions under GoBGP's names.

use crate::api::CounterCache;
use crate::catalog::{Catalog, Snapshot};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sdwan_model::resource::Row;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Peer {
    router: String,
    peer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    router: String,
    peer: String,
    session_state: String,
}

#[derive(Default)]
struct Families {
    state: Family<State, Gauge>,
    asn: Family<Peer, Gauge>,
    flops: Family<Peer, Gauge>,
    uptime: Family<Peer, Gauge>,
    received: Family<Peer, Gauge>,
    accepted: Family<Peer, Gauge>,
    advertised: Family<Peer, Gauge>,
}

/// The numbers of every neighbor that is declared for a router of this
/// server's: of several servers each tells of its own.
pub(super) async fn collect(
    registry: &mut Registry,
    catalog: &Catalog,
    snapshot: &Snapshot,
    counters: &CounterCache,
) {
    let families = Families::default();
    for kind in catalog.schemas().iter().filter(|kind| kind.has_session()) {
        let ours = |row: &&Arc<Row>| {
            snapshot
                .router_of(row)
                .is_none_or(|router| catalog.has(router))
        };
        let rows: Vec<&Arc<Row>> = snapshot.rows(&kind.id).filter(ours).collect();
        let numbers = counters
            .of_rows(rows.iter().map(|row| &***row), snapshot)
            .await;
        for (row, numbers) in rows.into_iter().zip(numbers) {
            families.add(snapshot, row, numbers.as_ref());
        }
    }
    families.register(registry);
}

impl Families {
    fn add(&self, snapshot: &Snapshot, row: &Arc<Row>, numbers: Option<&crate::speaker::Counters>) {
        let text = |property: &str| row.text(property).unwrap_or_default().to_owned();
        let labels = Peer {
            router: text("host_name"),
            peer: text("neighbor_addr"),
        };
        let set = |family: &Family<Peer, Gauge>, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&labels).set(value);
        };
        if let Some(asn) = row.body.get("peer_as").and_then(serde_json::Value::as_u64) {
            set(&self.asn, asn);
        }
        if let Some(seen) = snapshot.show(row).monitoring
            && !seen.session_state.is_empty()
        {
            let state = State {
                router: labels.router.clone(),
                peer: labels.peer.clone(),
                session_state: seen.session_state.clone(),
            };
            self.state.get_or_create(&state).set(1);
        }
        if let Some(numbers) = numbers {
            set(&self.flops, numbers.flaps);
            set(&self.uptime, numbers.uptime.unwrap_or(0));
            set(&self.received, numbers.received);
            set(&self.accepted, numbers.accepted);
            set(&self.advertised, numbers.advertised);
        }
    }

    fn register(self, registry: &mut Registry) {
        registry.register("bgp_peer_state", "1 for the session's state", self.state);
        registry.register("bgp_peer_asn", "The neighbor's AS", self.asn);
        registry.register("bgp_peer_flops_count", "Falls of the session", self.flops);
        registry.register("bgp_peer_uptime", "Seconds since it is up", self.uptime);
        registry.register("bgp_routes_received", "Routes received", self.received);
        registry.register("bgp_routes_accepted", "Routes accepted", self.accepted);
        registry.register(
            "bgp_routes_advertised",
            "Routes advertised",
            self.advertised,
        );
    }
}
