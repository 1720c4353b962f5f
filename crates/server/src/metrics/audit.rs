//! Whether what is done is written down.

use crate::audit::Stats;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Nothing where no audit is kept.
pub(super) fn collect(registry: &mut Registry, stats: Option<Stats>) {
    let Some(stats) = stats else { return };
    let counted = [
        (
            "sdwan_audit_entries",
            "Entries in the audit's file since the start",
            stats.written,
        ),
        (
            "sdwan_audit_lost",
            "Refusals that there was no room for; an entry tells how many",
            stats.lost,
        ),
        (
            "sdwan_audit_syslog_lost",
            "Messages of the audit that syslog did not take; the file has them",
            stats.syslog_lost,
        ),
    ];
    for (name, help, count) in counted {
        registry.register(name, help, ConstCounter::new(count));
    }
    registry.register(
        "sdwan_audit_failing",
        "1 while the audit can't be written, and so nothing can be changed",
        ConstGauge::new(i64::from(stats.failing)),
    );
}
