//! Peers: those that go, first of all; new ones, once their policies stand;
//! changes, told by what they do to the session.

mod fields;

use super::draft::Draft;
use super::effects::{OnUpdate, version_text};
use super::policies::Outcome;
use super::refresh;
use super::render::some_of;
use super::{Attempt, Disturbance, Op, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite, Stage};
use crate::config::{AdminState, Neighbor, RouterConfig};
use crate::observed::{Observed, Peer, Version};
use fields::{Difference, change, declared, differences, target};
use std::net::IpAddr;

/// The record's key of a peer.
pub(super) fn key(address: IpAddr) -> OwnedKey {
    OwnedKey::new(OwnedKind::Peer, address)
}

/// Plans every peer. Those that nobody declared and that are not ours are
/// left alone.
pub(super) fn plan(
    desired: Option<&RouterConfig>,
    observed: &Observed,
    policies: &Outcome,
    draft: &mut Draft<'_>,
) {
    leave(desired, observed, draft);
    let Some(config) = desired else { return };
    for (address, neighbor) in &config.neighbors {
        let record = draft.owned().get(&key(*address)).cloned();
        match (observed.peers.get(address), record) {
            (None, record) => add(*address, neighbor, record, config, policies, draft),
            (Some(peer), None) => {
                adopt(*address, neighbor, observed.version, peer, policies, draft)
            }
            (Some(peer), Some(mut record)) => {
                let affected = policies.affected.get(address);
                refresh::owe(&mut record, peer, affected, observed.version);
                let settled = Settled {
                    address: *address,
                    neighbor,
                    peer,
                    version: observed.version,
                };
                settled.keep(record, draft);
            }
        }
    }
    foreign(config, observed, draft);
}

/// Deletes what is ours and no longer declared.
fn leave(desired: Option<&RouterConfig>, observed: &Observed, draft: &mut Draft<'_>) {
    for key in draft.owned().keys() {
        let Ok(address) = key.name.parse::<IpAddr>() else {
            continue;
        };
        if key.kind != OwnedKind::Peer {
            continue;
        }
        if let Some(config) = desired
            && (config.neighbors.contains_key(&address)
                || config.held.peers.contains(&address)
                || config.held.unknown)
        {
            continue;
        }
        if observed.peers.contains_key(&address) {
            draft.step(
                Stage::DeletePeers,
                Op::DeletePeer(address),
                Disturbance::SessionReset,
                "no longer declared",
                Vec::new(),
                vec![OwnedWrite::Remove(key.clone())],
            );
        } else {
            draft.forget(key.clone());
        }
    }
}

fn add(
    address: IpAddr,
    neighbor: &Neighbor,
    record: Option<OwnedRecord>,
    config: &RouterConfig,
    policies: &Outcome,
    draft: &mut Draft<'_>,
) {
    let held = config.held.neighbors.get(&address);
    if let Some(why) = held.or_else(|| policies.withheld.get(&address)) {
        draft.waiting(
            &neighbor.source,
            format!("not brought up without its policies: {why}"),
        );
        return;
    }
    let why = match record {
        Some(_) => "ours, and gone from the daemon",
        None => "declared, and not on the daemon",
    };
    draft.applied(&neighbor.source);
    draft.put(
        key(address),
        OwnedRecord {
            declared: declared(neighbor),
            ..OwnedRecord::default()
        },
    );
    draft.step(
        Stage::AddPeers,
        Op::AddPeer(address, Box::new(neighbor.clone())),
        Disturbance::None,
        why,
        vec![neighbor.source.resource.clone()],
        Vec::new(),
    );
}

/// A peer that somebody else made: taken over with no write where it is as
/// declared, and never changed where it isn't.
fn adopt(
    address: IpAddr,
    neighbor: &Neighbor,
    version: Version,
    peer: &Peer,
    policies: &Outcome,
    draft: &mut Draft<'_>,
) {
    let differences = differences(neighbor, peer);
    if !differences.is_empty() {
        let text = list(&differences);
        draft.failed(
            &neighbor.source,
            format!(
                "{address} is on the daemon already, sdwan did not make it, and it differs \
                 (daemon -> declared: {text}): declare what the daemon has to take it over as it \
                 is, or delete it there (gobgp neighbor del {address})"
            ),
        );
        return;
    }
    let mut record = OwnedRecord {
        declared: declared(neighbor),
        adopted: true,
        ..OwnedRecord::default()
    };
    refresh::owe(&mut record, peer, policies.affected.get(&address), version);
    // Refreshes that its policies called for were not sent to it while it
    // was somebody else's.
    for direction in policies.unrefreshed(address) {
        record.owed.insert(refresh::effect(direction));
    }
    draft.put(key(address), record);
    draft.note(format!(
        "neighbor {address} was on the daemon as declared: taken over with no write"
    ));
    draft.applied(&neighbor.source);
    by_hand(address, neighbor, peer, draft);
    let settled = Settled {
        address,
        neighbor,
        peer,
        version,
    };
    settled.admin_state(neighbor, draft);
}

/// Says so where an operator holds a peer down; answers whether he does.
fn by_hand(address: IpAddr, neighbor: &Neighbor, peer: &Peer, draft: &mut Draft<'_>) -> bool {
    let disabled = neighbor.admin_state.is_none()
        && peer.admin_state == AdminState::Down
        && peer.configured == AdminState::Up;
    if disabled {
        draft.note(format!(
            "neighbor {address} is disabled by hand and stays so: enable it there (gobgp \
             neighbor {address} enable), or declare its admin_state"
        ));
    }
    disabled
}

/// A peer of ours that is declared.
struct Settled<'a> {
    address: IpAddr,
    neighbor: &'a Neighbor,
    peer: &'a Peer,
    version: Version,
}

impl Settled<'_> {
    /// Finds what it needs to be as declared.
    fn keep(&self, record: OwnedRecord, draft: &mut Draft<'_>) {
        let source = &self.neighbor.source;
        let target = target(self.address, self.neighbor, self.peer, &record);
        let differences = differences(&target, self.peer);
        let by_hand = by_hand(self.address, self.neighbor, self.peer, draft);
        draft.applied(source);
        if differences.is_empty() {
            let in_step = OwnedRecord {
                declared: declared(self.neighbor),
                attempted: None,
                ..record
            };
            draft.put(key(self.address), in_step);
            self.admin_state(&target, draft);
            return;
        }
        let text = list(&differences);
        draft.put(key(self.address), record.clone());
        if by_hand {
            // gobgpd forgets that a peer is disabled when it changes it.
            draft.waiting(
                source,
                format!("{text}: waits until {} is enabled again", self.address),
            );
            return;
        }
        let attempt = Attempt {
            desired: format!(
                "version {} on {}",
                source.version,
                version_text(self.version)
            ),
            observed: text.clone(),
        };
        if record.attempted.as_ref() == Some(&attempt) {
            draft.failed(
                source,
                format!(
                    "gobgpd took the change and ignored it ({text}): it is not tried again until \
                     the row or the daemon changes"
                ),
            );
            return;
        }
        self.change(&target, record, &differences, attempt, draft);
    }

    fn change(
        &self,
        target: &Neighbor,
        record: OwnedRecord,
        differences: &[Difference],
        attempt: Attempt,
        draft: &mut Draft<'_>,
    ) {
        let any = |what| {
            let mut fields = differences.iter().map(|difference| difference.field);
            fields.any(|field| field.on_update(self.version) == what)
        };
        let change = Box::new(change(
            self.address,
            target,
            self.peer,
            &record,
            differences,
        ));
        // What gobgpd takes the peer down and adds it again for brings every
        // other change into force, too. And it takes the old password off its
        // listener then, which `DeletePeer` does not (3.10, 3.36, 4.8).
        let (op, disturbance) = if any(OnUpdate::Reset) {
            let op = Op::UpdatePeer(self.address, change);
            (op, Disturbance::SessionReset)
        } else if any(OnUpdate::Ignored) {
            let op = Op::RecreatePeer(self.address, change);
            (op, Disturbance::SessionReset)
        } else {
            (Op::UpdatePeer(self.address, change), Disturbance::None)
        };
        // Written before the call: whatever it sets is ours from then on.
        let mut before = record.clone();
        before.declared.extend(declared(self.neighbor));
        before.attempted = None;
        draft.put(key(self.address), before);
        // Written after it. An attempt counts only once it was made.
        let mut after = record;
        after.declared = declared(self.neighbor);
        after.attempted = Some(attempt);
        if disturbance == Disturbance::SessionReset {
            // A new session evaluates and sends everything anew, and comes up
            // as it is configured.
            after.owed.clear();
            after.stale_session = None;
        } else {
            self.admin_state(target, draft);
        }
        draft.step(
            Stage::UpdatePeers,
            op,
            disturbance,
            list(differences),
            vec![self.neighbor.source.resource.clone()],
            vec![OwnedWrite::Put(key(self.address), after)],
        );
    }

    /// Where the configuration is as declared and an operator's enable or
    /// disable stands against it.
    fn admin_state(&self, target: &Neighbor, draft: &mut Draft<'_>) {
        let (op, why) = match (self.neighbor.admin_state, self.peer.admin_state) {
            (Some(AdminState::Up), AdminState::Down) => {
                (Op::EnablePeer(self.address), "admin_state down -> up")
            }
            (Some(AdminState::Down), AdminState::Up) => {
                (Op::DisablePeer(self.address), "admin_state up -> down")
            }
            _ => return,
        };
        draft.step(
            Stage::UpdatePeers,
            op,
            Disturbance::SessionReset,
            why,
            vec![target.source.resource.clone()],
            Vec::new(),
        );
    }
}

fn list(differences: &[Difference]) -> String {
    let texts: Vec<String> = differences.iter().map(Difference::to_string).collect();
    texts.join(", ")
}

/// Names the peers that are nobody's we know of.
fn foreign(config: &RouterConfig, observed: &Observed, draft: &mut Draft<'_>) {
    let strangers: Vec<IpAddr> = observed
        .peers
        .keys()
        .filter(|address| !config.neighbors.contains_key(address))
        .filter(|address| !config.held.peers.contains(address))
        .filter(|address| !draft.owned().contains_key(&key(**address)))
        .copied()
        .collect();
    if !strangers.is_empty() {
        let strangers = some_of(&strangers);
        draft.note(format!("not declared and left alone: neighbor {strangers}"));
    }
}
