//! Policies, proved by the routes that the far sides hold.

use anyhow::{Result, ensure};
use sdwan_gobgp::bgp::{Attributes, Community, Segment};
use sdwan_lab::fleet::{Fleet, Gobgpd, Row, Server};
use sdwan_lab::tools::Release;
use serde_json::{Value, json};

use super::ground::{A, ALL, AS, B, BOTH, C, PREFIX, far, on};

#[test]
fn every_action_is_seen_by_its_neighbor_and_no_other() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B", "C"])?;
        // A is of another AS and announces; B and C are inside.
        let (a, b, c) = (
            far(&fleet, "A", A)?,
            far(&fleet, "B", AS)?,
            far(&fleet, "C", AS)?,
        );
        a.announce(PREFIX)?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        for (node, asn) in [("A", A), ("B", AS), ("C", AS)] {
            let row = server.neighbor("R", node, asn, &json!({}))?;
            server.until(&row, "UP")?;
        }
        let from_a = a.wan()?;
        let untouched = |route: &Attributes| {
            route.next_hop == Some(from_a.into())
                && route.local_pref == Some(100)
                && route.med.is_none()
                && route.communities.is_empty()
                && ases(route) == [A]
        };
        b.until_route(PREFIX, "as it came", untouched)?;
        c.until_route(PREFIX, "as it came", untouched)?;
        let row = server.export("R", "p", "B", "next-hop self")?;
        let near = r.wan()?;
        b.until_route(PREFIX, "via R", |route| route.next_hop == Some(near.into()))?;
        let actions: [(&str, Holds<'_>); 5] = [
            ("med 120", &|route| route.med == Some(120)),
            ("local-pref 250", &|route| route.local_pref == Some(250)),
            ("community add 65001:42", &|route| {
                route.communities == [Community(65001 << 16 | 42)]
            }),
            ("as-prepend 65009 3", &|route| {
                ases(route) == [65009, 65009, 65009, A]
            }),
            ("next-hop self", &|route| {
                route.next_hop == Some(near.into()) && route.med.is_none()
            }),
        ];
        for (action, holds) in actions {
            server.update(&row, &json!({"statement_action": action}))?;
            b.until_route(PREFIX, action, holds)?;
            server.until(&row, "ACTIVE")?;
            c.until_route(PREFIX, "as it came", untouched)?;
        }
        // Import: what comes from A is preferred less, inside as well.
        let import = server.create(
            "policyinfos",
            &json!({
                "host_name": "R", "policy_name": "in", "statement_name": "s",
                "statement_action": "local-pref 70", "apply_direction": "import",
                "apply_neighbor": from_a.to_string(), "route_disposition": "accept",
            }),
        )?;
        c.until_route(PREFIX, "less preferred", |route| {
            route.local_pref == Some(70)
        })?;
        server.until(&import, "ACTIVE")?;
        server.delete(&import, "")?;
        server.delete(&row, "")?;
        b.until_route(PREFIX, "as it came", untouched)?;
        c.until_route(PREFIX, "as it came", untouched)?;
        server.until_in_step(&router)?;
        for far in [&a, &b, &c] {
            ensure!(far.falls(near)? == 0);
        }
        Ok(())
    });
}

/// What a route must be like.
type Holds<'a> = &'a dyn Fn(&Attributes) -> bool;

fn ases(route: &Attributes) -> Vec<u32> {
    let segments = route.as_path.iter().flat_map(|path| &path.0);
    let ases = segments.flat_map(|segment| match segment {
        Segment::Sequence(ases) | Segment::Set(ases) => ases.clone(),
        _ => Vec::new(),
    });
    ases.collect()
}

fn rejecting(fleet: &Fleet, server: &Server, node: &str) -> Result<Row> {
    server.create(
        "policyinfos",
        &json!({
            "host_name": "R", "policy_name": "none", "statement_name": "s",
            "route_disposition": "reject", "apply_direction": "export",
            "apply_neighbor": fleet.wan(node)?.to_string(),
        }),
    )
}

/// B and C with R's route; a row that keeps it from B.
fn narrow(
    release: Release,
    body: impl FnOnce(&Fleet, &Server, &Gobgpd, &Gobgpd, &Row) -> Result<()>,
) -> Result<()> {
    let fleet = Fleet::lay(&["R", "B", "C"])?;
    let (b, c) = (far(&fleet, "B", B)?, far(&fleet, "C", C)?);
    let r = fleet.gobgpd("R", release)?;
    let server = Server::start(&fleet)?;
    let version: Value = json!({"gobgp_version": release.name()});
    let router = server.router_at("R", &fleet.management("R")?.to_string(), &version)?;
    for (node, asn) in [("B", B), ("C", C)] {
        let row = server.neighbor("R", node, asn, &json!({}))?;
        server.until(&row, "UP")?;
    }
    r.announce(PREFIX)?;
    b.until_route(PREFIX, "", |_| true)?;
    c.until_route(PREFIX, "", |_| true)?;
    let row = rejecting(&fleet, &server, "B")?;
    body(&fleet, &server, &r, &b, &row)?;
    server.until(&row, "ACTIVE")?;
    b.until_no_route(PREFIX)?;
    c.until_route(PREFIX, "", |_| true)?;
    ensure!(c.falls(r.wan()?)? == 0);
    // Widening needs no reset anywhere.
    let falls = b.falls(r.wan()?)?;
    server.delete(&row, "")?;
    b.until_route(PREFIX, "again", |_| true)?;
    server.until_gone(&row)?;
    server.until_in_step(&router)?;
    ensure!(b.falls(r.wan()?)? == falls);
    Ok(())
}

#[test]
fn a_narrowed_export_is_withdrawn_or_says_that_it_needs_a_reset() {
    on(ALL, |release| {
        narrow(release, |_, server, r, b, row| {
            if release == Release::V4_8 {
                b.until_no_route(PREFIX)?;
                ensure!(b.falls(r.wan()?)? == 0);
                return Ok(());
            }
            let shown = server.until(row, "FAILED")?;
            let reason = shown["status_reason"].as_str().unwrap_or_default();
            ensure!(
                reason.contains("needs reset") && reason.contains("10.0.0.2"),
                "{shown}"
            );
            ensure!(b.paths(PREFIX)?.len() == 1, "this version does withdraw it");
            // The far side's hand, which is quicker than R's own reset.
            b.cli("neighbor 10.0.0.1 disable")?;
            b.until_fallen(r.wan()?)?;
            b.cli("neighbor 10.0.0.1 enable")?;
            b.until_established(r.wan()?)
        })
    });
}

/// An empty `apply_neighbor` means the declared ones, also those that come later; a stranger is
/// not meant.
#[test]
fn all_neighbors_are_those_that_are_declared() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B", "C"])?;
        let (a, b, c) = (
            far(&fleet, "A", A)?,
            far(&fleet, "B", B)?,
            far(&fleet, "C", C)?,
        );
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let all = server.create(
            "policyinfos",
            &json!({
                "host_name": "R", "policy_name": "all", "statement_name": "s",
                "statement_action": "med 3", "apply_direction": "export", "apply_neighbor": "",
                "route_disposition": "accept",
            }),
        )?;
        server.until(&router, "ACTIVE")?;
        r.cli("neighbor add 10.0.0.4 as 65004")?;
        r.announce(PREFIX)?;
        // With no neighbor there is nothing to apply it to, and nothing matches everybody.
        c.until_route(PREFIX, "untouched", |route| route.med.is_none())?;
        server.until_shown(&all, "PENDING_CREATE with a reason", |shown| {
            shown["status"] == "PENDING_CREATE" && shown["status_reason"].is_string()
        })?;
        for (node, asn, far) in [("A", A, &a), ("B", B, &b)] {
            let row = server.neighbor("R", node, asn, &json!({}))?;
            server.until(&row, "UP")?;
            far.until_route(PREFIX, "with MED 3", |route| route.med == Some(3))?;
        }
        server.until(&all, "ACTIVE")?;
        c.until_route(PREFIX, "untouched", |route| route.med.is_none())?;
        ensure!(c.falls(r.wan()?)? == 0 && a.falls(r.wan()?)? == 0);
        Ok(())
    });
}
