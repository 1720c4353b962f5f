//! Who shares the store, and what of it is this server's.

use crate::catalog::{Catalog, Snapshot};
use crate::mirror::ROUTER;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A server alone is a member of one, and has every router.
pub(super) fn collect(registry: &mut Registry, catalog: &Catalog, snapshot: &Snapshot) {
    let set = |count: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        gauge
    };
    let me = catalog.tenure();
    let members = match me.is_alone() {
        true => 1,
        false => catalog.state().members().count(),
    };
    let ours = snapshot.rows(ROUTER).filter(|row| catalog.has(&row.id));
    let ours = ours.count();
    let age = catalog.stale().unwrap_or_default();
    registry.register(
        "sdwan_cluster_members",
        "Servers that share the store",
        set(members as u64),
    );
    registry.register(
        "sdwan_routers_claimed",
        "Routers that this server looks after",
        set(ours as u64),
    );
    registry.register(
        "sdwan_store_age_seconds",
        "How old what is read may be while the store does not answer, else 0",
        set(age.as_secs()),
    );
}
