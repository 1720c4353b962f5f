//! What a changed policy owes to the sessions: nothing takes effect on routes
//! that are already there before they are evaluated, or sent, again.
//!
//! Owed effects are written to the peer's record before the policy changes,
//! and settled by the refresh. Where a soft reset can't do it (a narrowed
//! export before GoBGP 4.6), the neighbor keeps stale routes until its
//! session falls: that is said, not done.

use super::draft::Draft;
use super::effects::{soft_out_withdraws, version_text};
use super::peers::key;
use super::policies::Affected;
use super::render::some_of;
use super::{Disturbance, Effect, Op, OwnedRecord, OwnedWrite, Stage};
use crate::config::{Direction, RouterConfig, Source};
use crate::observed::{Observed, Peer, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The effect that a changed direction owes.
pub(super) fn effect(direction: Direction) -> Effect {
    match direction {
        Direction::Import => Effect::SoftIn,
        Direction::Export => Effect::SoftOut,
    }
}

/// Writes down what this plan's policies owe to a peer that is there.
pub(super) fn owe(
    record: &mut OwnedRecord,
    peer: &Peer,
    affected: Option<&Affected>,
    version: Version,
) {
    settle_reset(record, peer);
    let Some(affected) = affected else { return };
    if affected.import {
        record.owed.insert(Effect::SoftIn);
    }
    if affected.export {
        record.owed.insert(Effect::SoftOut);
    }
    let stale = affected.narrowed && peer.established_at.is_some() && !soft_out_withdraws(version);
    if stale {
        record.owed.insert(Effect::Reset);
        record.stale_session = None;
    }
}

/// Does what is owed, where no step of this plan does it by the way.
pub(super) fn plan(desired: Option<&RouterConfig>, observed: &Observed, draft: &mut Draft<'_>) {
    let Some(config) = desired else { return };
    let renewed = renewed(draft);
    let owing: BTreeMap<IpAddr, OwnedRecord> = config
        .neighbors
        .keys()
        .filter(|address| observed.peers.contains_key(address) && !renewed.contains(address))
        .filter_map(|address| Some((*address, draft.record(&key(*address))?)))
        .filter(|(_, record)| !record.owed.is_empty())
        .map(|(address, record)| (address, record.clone()))
        .collect();
    if owing.is_empty() {
        return;
    }
    let rows = Rows::of(config);
    for (address, record) in &owing {
        steps(config, *address, record, &rows, draft);
    }
    let resets = owing
        .iter()
        .filter(|(_, record)| record.owed.contains(&Effect::Reset));
    say_stale(
        config,
        observed,
        resets.map(|(address, _)| *address),
        &rows,
        draft,
    );
}

/// Another session than the one that holds stale routes, or none: done.
fn settle_reset(record: &mut OwnedRecord, peer: &Peer) {
    if !record.owed.contains(&Effect::Reset) {
        return;
    }
    match (record.stale_session, peer.established_at) {
        // The first look after the policy changed.
        (None, Some(session)) => record.stale_session = Some(session),
        (Some(stale), Some(session)) if stale == session => {}
        _ => {
            record.owed.remove(&Effect::Reset);
            record.stale_session = None;
        }
    }
}

fn steps(
    config: &RouterConfig,
    address: IpAddr,
    record: &OwnedRecord,
    rows: &Rows<'_>,
    draft: &mut Draft<'_>,
) {
    for direction in [Direction::Import, Direction::Export] {
        let effect = effect(direction);
        if !record.owed.contains(&effect) {
            continue;
        }
        let served = rows.of_peer(config, direction, address);
        draft.step(
            Stage::Refresh,
            Op::SoftReset(address, direction),
            Disturbance::SoftRefresh,
            format!("{} policies changed", direction.as_str()),
            served
                .iter()
                .map(|source| source.resource.clone())
                .collect(),
            vec![OwnedWrite::Done(key(address), effect)],
        );
    }
}

/// Tells the rows of the export policies, or a neighbor's own where none is
/// left, that their effect is not complete, and at which neighbors.
fn say_stale(
    config: &RouterConfig,
    observed: &Observed,
    stale: impl Iterator<Item = IpAddr>,
    rows: &Rows<'_>,
    draft: &mut Draft<'_>,
) {
    let mut told: BTreeMap<&Source, Vec<IpAddr>> = BTreeMap::new();
    for address in stale {
        for source in rows.of_peer(config, Direction::Export, address) {
            let at = told.entry(source).or_default();
            if !at.contains(&address) {
                at.push(address);
            }
        }
    }
    for (source, at) in told {
        let (fall, which) = match at.as_slice() {
            [address] => ("its session falls", address.to_string()),
            _ => ("their sessions fall", "ADDRESS".to_owned()),
        };
        let reason = format!(
            "needs reset: {} does not withdraw routes that an export policy newly rejects, so {} \
             may still hold some until {fall} (gobgp neighbor {which} reset)",
            version_text(observed.version),
            some_of(&at),
        );
        draft.failed(source, reason);
    }
}

/// Peers that a step of this plan brings up anew, after the policies.
fn renewed(draft: &Draft<'_>) -> BTreeSet<IpAddr> {
    let renews = |step: &super::Step| match &step.op {
        Op::AddPeer(address, _) | Op::RecreatePeer(address, _) => Some(*address),
        Op::UpdatePeer(address, _) if step.disturbance == Disturbance::SessionReset => {
            Some(*address)
        }
        _ => None,
    };
    draft.steps().iter().filter_map(renews).collect()
}

/// The policy rows of each neighbor.
struct Rows<'a>(BTreeMap<(Direction, Option<IpAddr>), Vec<&'a Source>>);

impl<'a> Rows<'a> {
    fn of(config: &'a RouterConfig) -> Self {
        let mut rows: BTreeMap<(Direction, Option<IpAddr>), Vec<&Source>> = BTreeMap::new();
        for direction in [Direction::Import, Direction::Export] {
            let policies = config.order(direction).iter();
            for policy in policies.filter_map(|name| config.policies.get(name)) {
                for source in policy.statements.iter().flat_map(|s| &s.sources) {
                    rows.entry((direction, source.neighbor))
                        .or_default()
                        .push(&source.row);
                }
            }
        }
        Self(rows)
    }

    /// The rows that say something about this neighbor, those for all
    /// included; its own where there are none.
    fn of_peer(
        &self,
        config: &'a RouterConfig,
        direction: Direction,
        address: IpAddr,
    ) -> Vec<&'a Source> {
        let mut found: Vec<&Source> = [Some(address), None]
            .into_iter()
            .filter_map(|of| self.0.get(&(direction, of)))
            .flatten()
            .copied()
            .collect();
        if found.is_empty() {
            found.extend(config.neighbors.get(&address).map(|n| &n.source));
        }
        found
    }
}
