//! What must hold between the properties of one row of a built-in kind. Each
//! word says of which other properties it tells: not everybody may see them.

use super::Violation;
use crate::config::{HOLD_TIME, Zebra};
use crate::observed::Version;
use crate::resource::Body;
use crate::schema::Kind;
use crate::zebra::{Pair, judge as judge_pair};
use serde_json::Value;
use std::net::IpAddr;

/// Judges the whole body of a built-in kind; others have no such rules.
pub(super) fn judge(kind: &Kind, body: &Body, violations: &mut Vec<Violation>) {
    if !kind.builtin {
        return;
    }
    match kind.id.as_str() {
        "router" => router(body, violations),
        "neighbor" => neighbor(body, violations),
        "policyinfo" => policyinfo(body, violations),
        _ => {}
    }
}

fn neighbor(body: &Body, violations: &mut Vec<Violation>) {
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let hold = number("hold_time").unwrap_or(HOLD_TIME.into());
    let slow = number("keepalive_interval").is_some_and(|keepalive| keepalive >= hold);
    if slow && !is_broken(violations, "hold_time") {
        violations.push(Violation::of(
            "keepalive_interval",
            format!("must be less than the hold_time of {hold}, or the session falls between two KEEPALIVEs"),
        ).beside(&["hold_time"]));
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
            let message = format!("must be of the same family as the neighbor_addr {remote}");
            violations.push(Violation::of("local_address", message).beside(&["neighbor_addr"]));
        } else if local == remote {
            let message = "must not be the neighbor's own address";
            violations.push(Violation::of("local_address", message).beside(&["neighbor_addr"]));
        }
    }
}

/// Whether something is said against a property already.
fn is_broken(violations: &[Violation], name: &str) -> bool {
    let pointer = crate::document::child("", name);
    violations.iter().any(|v| v.pointer == pointer)
}

/// What says which gobgpd and which zebra are to work together.
const PAIR: [&str; 5] = [
    "fib",
    "gobgp_version",
    "zebra_version",
    "zebra_software_name",
    "zebra_confirmed",
];

fn router(body: &Body, violations: &mut Vec<Violation>) {
    const NEEDED: [&str; 3] = ["zebra_url", "zebra_version", "zebra_software_name"];
    const CONFIRMED: &str = "zebra_confirmed";
    let given = |name: &str| body.get(name).filter(|v| !v.is_null());
    if is_broken(violations, "fib") {
        return;
    }
    if given("fib").is_none_or(|fib| fib != "zebra") {
        let alone = NEEDED.into_iter().chain([CONFIRMED]);
        let message = "only goes with `fib: zebra`: leave it out, or set it to null";
        let alone = alone.filter(|name| given(name).is_some());
        violations.extend(alone.map(|name| Violation::of(name, message).beside(&["fib"])));
        return;
    }
    for name in NEEDED {
        if given(name).is_none() && !is_broken(violations, name) {
            let message = "is required with `fib: zebra`";
            violations.push(Violation::of(name, message).beside(&["fib"]));
        }
    }
    let text = |name: &str| given(name)?.as_str().map(str::to_owned);
    let number = |name: &str| u8::try_from(given(name)?.as_u64()?).ok();
    let [url, version, software_name] = NEEDED;
    let (Some(url), Some(version), Some(name)) = (text(url), number(version), text(software_name))
    else {
        return;
    };
    let zebra = Zebra {
        url,
        version,
        software_name: name,
    };
    let declared = given("gobgp_version").and_then(Value::as_str);
    let confirmed = given(CONFIRMED) == Some(&Value::Bool(true));
    let (name, why) = match judge_pair(declared.and_then(Version::parse), &zebra) {
        Pair::Breaks(why) => (software_name, why),
        Pair::Untried(why) if !confirmed && !is_broken(violations, CONFIRMED) => (CONFIRMED, why),
        Pair::Untried(_) | Pair::Works => return,
    };
    violations.push(Violation::of(name, why).beside(&PAIR));
}

fn policyinfo(body: &Body, violations: &mut Vec<Violation>) {
    let given = |name: &str| body.get(name).is_some_and(|v| !v.is_null());
    let broken = |name: &str| is_broken(violations, name);
    let one_of = ["statement_action", "route_disposition"];
    if !one_of.iter().any(|name| given(name) || broken(name)) {
        let message =
            "is required unless there is a route_disposition: the statement would do nothing";
        violations.push(Violation::of("statement_action", message).beside(&["route_disposition"]));
    }
}
