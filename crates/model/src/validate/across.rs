//! What must hold between the properties of one row of a built-in kind.

use super::Violation;
use crate::config::HOLD_TIME;
use crate::resource::Body;
use crate::schema::Kind;
use serde_json::Value;
use std::net::IpAddr;

/// Judges the whole body of a built-in kind; others have no such rules.
pub(super) fn judge(kind: &Kind, body: &Body, violations: &mut Vec<Violation>) {
    if !kind.builtin {
        return;
    }
    match kind.id.as_str() {
        "neighbor" => neighbor(body, violations),
        "policyinfo" => policyinfo(body, violations),
        _ => {}
    }
}

fn neighbor(body: &Body, violations: &mut Vec<Violation>) {
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let hold = number("hold_time").unwrap_or(HOLD_TIME.into());
    if number("keepalive_interval").is_some_and(|keepalive| keepalive >= hold) {
        violations.push(Violation::of(
            "keepalive_interval",
            format!("must be less than the hold_time of {hold}, or the session falls between two KEEPALIVEs"),
        ));
    }
    let address = |name: &str| body.get(name)?.as_str()?.parse::<IpAddr>().ok();
    for name in ["neighbor_addr", "local_address"] {
        if address(name).is_some_and(|address| address.is_multicast()) {
            violations.push(Violation::of(
                name,
                "is a multicast address, not that of one router",
            ));
        }
    }
    if let (Some(local), Some(remote)) = (address("local_address"), address("neighbor_addr")) {
        if local.is_ipv4() != remote.is_ipv4() {
            violations.push(Violation::of(
                "local_address",
                format!("must be of the same family as the neighbor_addr {remote}"),
            ));
        } else if local == remote {
            violations.push(Violation::of(
                "local_address",
                "must not be the neighbor's own address",
            ));
        }
    }
}

fn policyinfo(body: &Body, violations: &mut Vec<Violation>) {
    let given = |name: &str| body.get(name).is_some_and(|v| !v.is_null());
    let broken = |name: &str| {
        let pointer = crate::document::child("", name);
        violations.iter().any(|v| v.pointer == pointer)
    };
    let one_of = ["statement_action", "route_disposition"];
    if !one_of.iter().any(|name| given(name) || broken(name)) {
        violations.push(Violation::of(
            "statement_action",
            "is required unless there is a route_disposition: the statement would do nothing",
        ));
    }
}
