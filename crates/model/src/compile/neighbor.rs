//! A neighbor row to a [`Neighbor`].

use super::fields::Fields;
use super::source;
use crate::config::{AdminState, Family, HOLD_TIME, Neighbor};
use crate::resource::Row;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Which peer the row is about; it can be told from the address alone.
pub(super) fn address(row: &Row) -> Result<IpAddr, String> {
    let mut fields = Fields::of(row);
    let address = fields.parsed::<IpAddr>("neighbor_addr", "an IP address");
    let address = fields.required("neighbor_addr", address);
    if address.is_some_and(|a| a.is_unspecified() || a.is_multicast()) {
        fields.wrong("neighbor_addr", "is not the address of one neighbor");
    }
    fields.check()?;
    address.ok_or_else(|| "neighbor_addr: is missing".to_owned())
}

/// The rest of the row.
pub(super) fn compile(row: &Row, address: IpAddr) -> Result<Neighbor, String> {
    let mut fields = Fields::of(row);
    let peer_as = fields.number("peer_as", 1..=u64::from(u32::MAX));
    let peer_as = fields.required("peer_as", peer_as);
    let neighbor = Neighbor {
        source: source(row),
        peer_as: peer_as.unwrap_or_default(),
        description: fields.text("description").map(str::to_owned),
        auth_password: fields.text("auth_password").map(SecretString::from),
        // gobgpd's management API reads 0 as "not set".
        hold_time: fields.number("hold_time", 3..=65535),
        keepalive_interval: fields.number("keepalive_interval", 1..=65535),
        local_address: fields.parsed("local_address", "an IP address"),
        passive: fields.flag("passive"),
        ebgp_multihop: fields.number("ebgp_multihop", 1..=255),
        route_reflector_client: fields.flag("route_reflector_client"),
        families: families(&mut fields),
        admin_state: fields.word(
            "admin_state",
            &[("up", AdminState::Up), ("down", AdminState::Down)],
        ),
    };
    let hold_time = neighbor.hold_time.unwrap_or(HOLD_TIME);
    if neighbor.keepalive_interval.is_some_and(|k| k >= hold_time) {
        fields.wrong(
            "keepalive_interval",
            format_args!("must be less than hold_time ({hold_time})"),
        );
    }
    if neighbor
        .local_address
        .is_some_and(|local| local.is_ipv4() != address.is_ipv4())
    {
        fields.wrong(
            "local_address",
            "and neighbor_addr are not of one address family",
        );
    }
    fields.check()?;
    Ok(neighbor)
}

fn families(fields: &mut Fields<'_>) -> Option<BTreeSet<Family>> {
    let value = fields.value("families")?;
    match serde_json::from_value::<BTreeSet<Family>>(value.clone()) {
        Ok(families) if families.is_empty() => {
            fields.wrong(
                "families",
                "is empty: leave it out for the neighbor's own address family",
            );
            None
        }
        Ok(families) => Some(families),
        Err(error) => {
            fields.wrong("families", error);
            None
        }
    }
}
