//! FIBs as the routers' agents report them.

use crate::catalog::Snapshot;
use crate::mirror::ROUTER;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sdwan_model::status::fib::{AGENT, State};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Router {
    router: String,
}

/// Of every router that an agent is declared for. Of one whose agent is
/// silent it is only known that nothing is.
pub(super) fn collect(registry: &mut Registry, snapshot: &Snapshot) {
    let unresolved: Family<Router, Gauge> = Family::default();
    let in_step: Family<Router, Gauge> = Family::default();
    for row in snapshot.rows(ROUTER) {
        if row.text("fib") != Some(AGENT) {
            continue;
        }
        let router = Router {
            router: row.text("host_name").unwrap_or_default().to_owned(),
        };
        let shown = snapshot.show(row);
        let fib = shown.fib.as_ref().map(|seen| &seen.fib);
        let stands = fib.is_some_and(|fib| fib.state == State::InStep);
        in_step.get_or_create(&router).set(stands.into());
        if let Some(fib) = fib.filter(|fib| fib.state != State::Silent) {
            let count = i64::try_from(fib.unresolved).unwrap_or(i64::MAX);
            unresolved.get_or_create(&router).set(count);
        }
    }
    registry.register(
        "sdwan_fib_in_step",
        "1 where the kernel's table is what BGP wants, but for unresolved routes",
        in_step,
    );
    registry.register(
        "sdwan_fib_unresolved",
        "Routes that BGP wants and the kernel can't have",
        unresolved,
    );
}
