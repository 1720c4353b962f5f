//! A router's table in the form of `gobgp global rib`.

use crate::speaker::Route;
use serde_json::{Value, json};
use std::fmt::Write;

/// Columns as GoBGP's CLI prints them: 20 wide, wider for a longer value.
pub(super) fn text(routes: &[Route]) -> String {
    if routes.is_empty() {
        return "Network not in table\n".into();
    }
    let next_hop = |r: &Route| r.next_hop.map_or_else(String::new, |n| n.to_string());
    let width = |longest: Option<usize>| longest.unwrap_or(0).max(20);
    let prefixes = width(routes.iter().map(|r| r.prefix.len()).max());
    let next_hops = width(routes.iter().map(|r| next_hop(r).len()).max());
    let paths = width(routes.iter().map(|r| r.as_path.len()).max());
    let mut out = format!(
        "   {:prefixes$} {:next_hops$} {:paths$} {:10} Attrs\n",
        "Network", "Next Hop", "AS_PATH", "Age"
    );
    for route in routes {
        // Into a String: it can't fail.
        let _ = writeln!(
            out,
            "{:2} {:prefixes$} {:next_hops$} {:paths$} {:10} [{}]",
            marks(route),
            route.prefix,
            next_hop(route),
            route.as_path,
            age(route.age),
            route.attributes.join(" "),
        );
    }
    out
}

/// `*` usable, `>` best, `S` kept over a restart of the neighbor.
fn marks(route: &Route) -> String {
    let mut marks = String::new();
    if route.stale {
        marks.push('S');
    }
    if route.valid {
        marks.push('*');
    }
    if route.best {
        marks.push('>');
    }
    marks
}

fn age(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{days}d {hours:02}:{minutes:02}:{seconds:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// The same as data.
pub(super) fn data(routes: &[Route]) -> Value {
    let route = |r: &Route| {
        json!({
            "prefix": r.prefix,
            "next_hop": r.next_hop,
            "as_path": r.as_path,
            "age": r.age,
            "best": r.best,
            "valid": r.valid,
            "stale": r.stale,
            "attributes": r.attributes,
        })
    };
    routes.iter().map(route).collect()
}
