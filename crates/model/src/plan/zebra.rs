//! Whom the routes are given to, where that is a zebra. The connection can't
//! be read back, and only the end of the daemon's process ends it: so it is
//! known by its record alone, which says what an earlier call named and
//! whether the daemon has answered it.

use super::draft::Draft;
use super::{Disturbance, Effect, Op, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Stage};
use crate::config::{DeclaredZebra, RouterConfig, Zebra};
use crate::observed::Observed;
use crate::zebra::{Pair, judge};

pub(super) fn plan(desired: Option<&RouterConfig>, observed: &Observed, draft: &mut Draft<'_>) {
    let key = OwnedKey::new(OwnedKind::Zebra, "global");
    // A daemon without BGP is a new process, and has no zebra yet.
    if observed.global.is_none() && draft.record(&key).is_some() {
        draft.forget(key.clone());
    }
    let connected = draft.record(&key).and_then(connected).cloned();
    match (desired, connected) {
        (None, connected) => leave(&key, connected.as_ref(), draft),
        (Some(config), Some(has)) => stay(config, &has, draft),
        (Some(config), None) => match &config.zebra {
            Some(declared) => connect(config, declared, observed, key, draft),
            // Declared once, and never answered.
            None => leave(&key, None, draft),
        },
    }
}

/// The zebra that the daemon has, as far as is known.
fn connected(record: &OwnedRecord) -> Option<&Zebra> {
    let answered = !record.owed.contains(&Effect::EnableZebra);
    record.zebra.as_ref().filter(|_| answered)
}

/// The router goes, or does not want a zebra that it never had.
fn leave(key: &OwnedKey, connected: Option<&Zebra>, draft: &mut Draft<'_>) {
    if draft.record(key).is_none() {
        return;
    }
    draft.forget(key.clone());
    if let Some(zebra) = connected {
        draft.note(format!(
            "gobgpd goes on giving its routes to {zebra} until it is restarted"
        ));
    }
}

/// The daemon has a zebra, for better or worse.
fn stay(config: &RouterConfig, has: &Zebra, draft: &mut Draft<'_>) {
    let reason = match &config.zebra {
        Some(declared) if declared.zebra == *has => return,
        Some(declared) => format!(
            "gobgpd gives its routes to {has} for as long as it runs, declared is {}: restart \
             gobgpd",
            declared.zebra
        ),
        None => format!(
            "gobgpd gives its routes to {has} for as long as it runs, none is declared: restart \
             gobgpd"
        ),
    };
    draft.failed(&config.source, reason);
}

fn connect(
    config: &RouterConfig,
    declared: &DeclaredZebra,
    observed: &Observed,
    key: OwnedKey,
    draft: &mut Draft<'_>,
) {
    let zebra = &declared.zebra;
    // The daemon's own version counts, whatever was declared of it.
    match judge(Some(observed.version), zebra) {
        Pair::Works => {}
        Pair::Untried(_) if declared.confirmed => {}
        Pair::Untried(why) | Pair::Breaks(why) => {
            draft.failed(&config.source, format!("not connected to {zebra}: {why}"));
            return;
        }
    }
    let why = match draft.record(&key) {
        Some(_) => "declared, and not answered yet",
        None => "declared",
    };
    let record = OwnedRecord {
        owed: [Effect::EnableZebra].into(),
        zebra: Some(zebra.clone()),
        ..OwnedRecord::default()
    };
    draft.put(key.clone(), record);
    draft.step(
        Stage::Zebra,
        Op::EnableZebra(zebra.clone()),
        Disturbance::None,
        why,
        vec![config.source.resource.clone()],
        vec![OwnedWrite::Done(key, Effect::EnableZebra)],
    );
}
