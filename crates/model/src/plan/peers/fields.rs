//! Which fields of a peer differ from what is declared, and the change that
//! closes the difference. Compares only what is declared, or was declared by
//! us before and goes back to GoBGP's default.

use crate::config::{AdminState, Family, HOLD_TIME, Neighbor};
use crate::observed::Peer;
use crate::plan::effects::Field;
use crate::plan::op::PeerChange;
use crate::plan::record::OwnedRecord;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One field that is not as declared. No secrets.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) field: Field,
    /// What the daemon has, e.g. `90`.
    pub(super) observed: String,
    /// What is declared, e.g. `30`.
    pub(super) declared: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.field.name();
        if self.field == Field::AuthPassword {
            return write!(f, "{name} changes");
        }
        write!(f, "{name} {} -> {}", self.observed, self.declared)
    }
}

/// Names of the fields that a neighbor declares.
pub(super) fn declared(neighbor: &Neighbor) -> BTreeSet<String> {
    let fields = [
        (Field::PeerAs, true),
        (Field::Description, neighbor.description.is_some()),
        (Field::AuthPassword, neighbor.auth_password.is_some()),
        (Field::HoldTime, neighbor.hold_time.is_some()),
        (
            Field::KeepaliveInterval,
            neighbor.keepalive_interval.is_some(),
        ),
        (Field::LocalAddress, neighbor.local_address.is_some()),
        (Field::Passive, neighbor.passive.is_some()),
        (Field::EbgpMultihop, neighbor.ebgp_multihop.is_some()),
        (
            Field::RouteReflectorClient,
            neighbor.route_reflector_client.is_some(),
        ),
        (Field::Families, neighbor.families.is_some()),
        (Field::AdminState, neighbor.admin_state.is_some()),
    ];
    fields
        .into_iter()
        .filter(|(_, declared)| *declared)
        .map(|(field, _)| field.name().to_owned())
        .collect()
}

/// What the peer should be: what is declared, and GoBGP's default for what
/// we declared once and no longer do.
pub(super) fn target(
    address: IpAddr,
    neighbor: &Neighbor,
    peer: &Peer,
    record: &OwnedRecord,
) -> Neighbor {
    let mut target = neighbor.clone();
    let back = |field: Field| record.declared.contains(field.name());
    fill(
        &mut target.description,
        back(Field::Description),
        String::new,
    );
    fill(&mut target.auth_password, back(Field::AuthPassword), || {
        SecretString::from("")
    });
    fill(&mut target.hold_time, back(Field::HoldTime), || HOLD_TIME);
    let third = target.hold_time.unwrap_or(peer.hold_time) / 3;
    fill(
        &mut target.keepalive_interval,
        back(Field::KeepaliveInterval),
        || third,
    );
    fill(&mut target.local_address, back(Field::LocalAddress), || {
        unspecified(address)
    });
    fill(&mut target.passive, back(Field::Passive), || false);
    fill(&mut target.ebgp_multihop, back(Field::EbgpMultihop), || 0);
    fill(
        &mut target.route_reflector_client,
        back(Field::RouteReflectorClient),
        || false,
    );
    fill(&mut target.families, back(Field::Families), || {
        BTreeSet::from([own_family(address)])
    });
    fill(&mut target.admin_state, back(Field::AdminState), || {
        AdminState::Up
    });
    target
}

fn fill<T>(slot: &mut Option<T>, taken_back: bool, default: impl FnOnce() -> T) {
    if slot.is_none() && taken_back {
        *slot = Some(default());
    }
}

fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn own_family(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::Ipv4Unicast,
        IpAddr::V6(_) => Family::Ipv6Unicast,
    }
}

/// Every field of `target` that the peer does not have.
pub(super) fn differences(target: &Neighbor, peer: &Peer) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    found.compare(
        Field::PeerAs,
        Some(&target.peer_as),
        &peer.peer_as,
        u32::to_string,
    );
    found.compare(
        Field::Description,
        target.description.as_ref(),
        &peer.description,
        |text| format!("{text:?}"),
    );
    if let Some(password) = &target.auth_password
        && password.expose_secret() != peer.auth_password.expose_secret()
    {
        found.push(Field::AuthPassword, String::new(), String::new());
    }
    let seconds = u16::to_string;
    found.compare(
        Field::HoldTime,
        target.hold_time.as_ref(),
        &peer.hold_time,
        seconds,
    );
    found.compare(
        Field::KeepaliveInterval,
        target.keepalive_interval.as_ref(),
        &peer.keepalive_interval,
        seconds,
    );
    let local = target
        .local_address
        .map(|a| Some(a).filter(|a| !a.is_unspecified()));
    found.compare(
        Field::LocalAddress,
        local.as_ref(),
        &peer.local_address,
        |address| address.map_or_else(|| "any".to_owned(), |a| a.to_string()),
    );
    found.compare(
        Field::Passive,
        target.passive.as_ref(),
        &peer.passive,
        bool::to_string,
    );
    found.compare(
        Field::EbgpMultihop,
        target.ebgp_multihop.as_ref(),
        &peer.ebgp_multihop,
        |ttl| match ttl {
            0 => "off".to_owned(),
            ttl => ttl.to_string(),
        },
    );
    found.compare(
        Field::RouteReflectorClient,
        target.route_reflector_client.as_ref(),
        &peer.route_reflector_client,
        bool::to_string,
    );
    found.compare(
        Field::Families,
        target.families.as_ref(),
        &peer.families,
        |families| {
            let names: Vec<&str> = families.iter().map(|family| family.as_str()).collect();
            names.join(",")
        },
    );
    found.compare(
        Field::AdminState,
        target.admin_state.as_ref(),
        &peer.configured,
        |state| match state {
            AdminState::Up => "up".to_owned(),
            AdminState::Down => "down".to_owned(),
        },
    );
    found.0
}

/// Differences under collection.
struct Found(Vec<Difference>);

impl Found {
    fn compare<T: PartialEq>(
        &mut self,
        field: Field,
        declared: Option<&T>,
        observed: &T,
        text: impl Fn(&T) -> String,
    ) {
        if let Some(declared) = declared.filter(|declared| *declared != observed) {
            self.push(field, text(observed), text(declared));
        }
    }

    fn push(&mut self, field: Field, observed: String, declared: String) {
        self.0.push(Difference {
            field,
            observed,
            declared,
        });
    }
}

/// The change that closes these differences.
pub(super) fn change(
    address: IpAddr,
    target: &Neighbor,
    peer: &Peer,
    record: &OwnedRecord,
    differences: &[Difference],
) -> PeerChange {
    let changes = |field: Field| differences.iter().any(|d| d.field == field);
    fn only<T: Clone>(changes: bool, value: &Option<T>) -> Option<T> {
        if changes { value.clone() } else { None }
    }
    // Without a keepalive of its own the peer's follows its hold time, but
    // the listed one would be written back.
    let keepalive = match target.keepalive_interval {
        None if changes(Field::HoldTime) => target.hold_time.map(|hold| hold / 3),
        declared => only(changes(Field::KeepaliveInterval), &declared),
    };
    // See `observed::Peer::local_address`: what is listed is the session's.
    // On a peer that somebody else made it may be the configured one as well,
    // so there it is kept.
    let listed = peer.local_address.filter(|_| record.adopted);
    let local_address = target
        .local_address
        .or(listed)
        .unwrap_or_else(|| unspecified(address));
    PeerChange {
        fields: Neighbor {
            source: target.source.clone(),
            peer_as: target.peer_as,
            description: only(changes(Field::Description), &target.description),
            auth_password: only(changes(Field::AuthPassword), &target.auth_password),
            hold_time: only(changes(Field::HoldTime), &target.hold_time),
            keepalive_interval: keepalive,
            local_address: Some(local_address),
            passive: only(changes(Field::Passive), &target.passive),
            ebgp_multihop: only(changes(Field::EbgpMultihop), &target.ebgp_multihop),
            route_reflector_client: only(
                changes(Field::RouteReflectorClient),
                &target.route_reflector_client,
            ),
            families: only(changes(Field::Families), &target.families),
            admin_state: only(changes(Field::AdminState), &target.admin_state),
        },
        names: differences.iter().map(|d| d.field.name()).collect(),
    }
}
