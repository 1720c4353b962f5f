//! Changes in `ip route`'s words, for eyes.

use crate::fib::{Change, Fib};
use crate::kernel::{Leg, View};
use ipnet::IpNet;
use std::fmt::Write as _;

/// What would change, what stays for now, and what can't be installed, in
/// columns; empty if there is nothing of that.
#[must_use]
pub fn plan(fib: &Fib, changes: &[Change]) -> String {
    let view = fib.view();
    let mut rows = Vec::new();
    for change in changes {
        let row = |verb, legs: &[Leg]| (verb, prefix(&change.prefix), words(legs, view));
        match (&change.old, &change.new) {
            (None, Some(new)) => rows.push(row("add", new)),
            (Some(old), None) => rows.push(row("delete", old)),
            (old, new) => {
                rows.push(row("change", new.as_deref().unwrap_or_default()));
                let was = words(old.as_deref().unwrap_or_default(), view);
                rows.push(("", "was".to_owned(), was));
            }
        }
    }
    for stale in fib.stale() {
        let why = "gobgpd has not told everything yet".to_owned();
        rows.push(("keep", prefix(&stale), why));
    }
    for unresolved in fib.unresolved(usize::MAX) {
        rows.push(("unresolved", prefix(&unresolved.prefix), unresolved.reason));
    }
    let first = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let second = rows.iter().map(|row| row.1.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (verb, what, how) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{verb:first$}  {what:second$}  {how}");
    }
    text
}

fn prefix(prefix: &IpNet) -> String {
    match prefix.prefix_len() {
        0 => "default".to_owned(),
        length if length == prefix.max_prefix_len() => prefix.addr().to_string(),
        _ => prefix.to_string(),
    }
}

/// `via 192.0.2.1 dev eth0`, or one `nexthop ...` a leg.
#[must_use]
pub fn words(legs: &[Leg], view: &View) -> String {
    let each = |leg: &Leg| {
        let gateway = leg
            .gateway
            .map_or(String::new(), |gateway| format!("via {gateway} "));
        let onlink = if leg.onlink { " onlink" } else { "" };
        format!("{gateway}dev {}{onlink}", view.name(leg.device))
    };
    match legs {
        [leg] => each(leg),
        legs => {
            let hops: Vec<String> = legs
                .iter()
                .map(|leg| format!("nexthop {}", each(leg)))
                .collect();
            hops.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::Mark;
    use crate::kernel::{Action, Event, Link, Place, Route};
    use crate::resolve::{NextHop, On};

    #[test]
    fn columns_line_up() {
        let mut view = View::default();
        for (index, name) in [(1, "eth0"), (2, "wan-uplink")] {
            view.apply(Event::Link(Link {
                index,
                name: name.to_owned(),
                up: true,
                carrier: true,
                loopback: false,
            }));
            let leg = Leg {
                gateway: None,
                device: index,
                onlink: false,
            };
            let connected = |prefix: String| Route {
                prefix: prefix.parse().unwrap(),
                table: 254,
                protocol: 2,
                metric: 0,
                action: Action::Unicast,
                legs: vec![leg],
            };
            for prefix in [
                format!("10.0.{index}.0/24"),
                format!("2001:db8:{index}::/64"),
            ] {
                view.apply(Event::Route(connected(prefix), Place::Last));
            }
        }
        let mark = Mark {
            table: 254,
            protocol: 179,
            metric: 2000,
        };
        let mut fib = Fib::new(mark, view);
        let hops = |all: &[&str]| -> Vec<NextHop> {
            let hop = |text: &&str| NextHop {
                address: text.parse().unwrap(),
                on: On::Unknown,
            };
            all.iter().map(hop).collect()
        };
        fib.want("192.0.2.1/32".parse().unwrap(), &hops(&["10.0.1.9"]));
        fib.due(9);
        fib.begin();
        fib.want("192.0.2.1/32".parse().unwrap(), &hops(&["10.0.2.9"]));
        fib.want(
            "0.0.0.0/0".parse().unwrap(),
            &hops(&["10.0.1.9", "10.0.2.9"]),
        );
        fib.want(
            "2001:db8:ff::/48".parse().unwrap(),
            &hops(&["2001:db8:1::9"]),
        );
        fib.want("198.51.100.0/24".parse().unwrap(), &hops(&["203.0.113.1"]));
        let mut changes = fib.due(9);
        changes.sort_by_key(|change| change.prefix);
        assert_eq!(
            plan(&fib, &changes),
            "\
add         default           nexthop via 10.0.1.9 dev eth0 nexthop via 10.0.2.9 dev wan-uplink
change      192.0.2.1         via 10.0.2.9 dev wan-uplink
            was               via 10.0.1.9 dev eth0
add         2001:db8:ff::/48  via 2001:db8:1::9 dev eth0 onlink
unresolved  198.51.100.0/24   203.0.113.1: only BGP's own routes lead there
"
        );
    }
}
