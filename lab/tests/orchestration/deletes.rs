//! What is deleted goes, in any order, and takes nothing else along.

use anyhow::{Result, ensure};
use sdwan_lab::fleet::{Fleet, Gobgpd, Row, Server};
use serde_json::json;

use super::ground::{A, B, BOTH, PREFIX, far, on};

/// All orders of some things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in things.iter().enumerate() {
        let mut rest = things.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

/// Whether the router has let go of all that was declared; BGP still runs.
fn until_bare(server: &Server, r: &Gobgpd, rows: &[Row]) -> Result<()> {
    for row in rows {
        server.until_gone(row)?;
    }
    ensure!(r.peers()?.is_empty());
    ensure!(
        r.cli("policy -j")?.trim_end() == "[]",
        "{}",
        r.cli("policy")?
    );
    ensure!(
        r.cli("policy neighbor -j")?.trim_end() == "[]",
        "{}",
        r.cli("policy neighbor")?
    );
    ensure!(r.asn()? == 65001);
    Ok(())
}

#[test]
fn deletes_in_any_order_converge() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        for order in orders(&[0, 1, 2, 3, 4]).iter().step_by(7) {
            let rows = [
                server.router("R")?,
                server.neighbor("R", "A", A, &json!({}))?,
                server.neighbor("R", "B", B, &json!({}))?,
                server.export("R", "p", "A", "med 1")?,
                server.export("R", "p", "B", "med 1")?,
            ];
            server.until(&rows[1], "DOWN")?;
            server.until(&rows[4], "ACTIVE")?;
            for &index in order {
                let row = &rows[index];
                // A router takes the rest along; what is on its way already says nothing new.
                let how = if index == 0 { "?cascade=true" } else { "" };
                match server.show(row)? {
                    Some(shown) if shown["status"] != "PENDING_DELETE" => {
                        server.delete(row, how)?
                    }
                    _ => {}
                }
            }
            until_bare(&server, &r, &rows)?;
        }
        Ok(())
    });
}

#[test]
fn one_of_two_rows_that_share_a_policy_goes_and_the_other_stays() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let to_a = server.neighbor("R", "A", A, &json!({}))?;
        let to_b = server.neighbor("R", "B", B, &json!({}))?;
        let first = server.export("R", "shared", "A", "med 50")?;
        let second = server.export("R", "shared", "B", "med 50")?;
        server.until(&to_a, "UP")?;
        server.until(&to_b, "UP")?;
        r.announce(PREFIX)?;
        a.until_route(PREFIX, "with MED 50", |route| route.med == Some(50))?;
        b.until_route(PREFIX, "with MED 50", |route| route.med == Some(50))?;
        server.delete(&first, "")?;
        a.until_route(PREFIX, "without MED", |route| route.med.is_none())?;
        server.until_gone(&first)?;
        server.until(&second, "ACTIVE")?;
        b.until_route(PREFIX, "with MED 50", |route| route.med == Some(50))?;
        server.delete(&second, "")?;
        b.until_route(PREFIX, "without MED", |route| route.med.is_none())?;
        server.until_gone(&second)?;
        server.until_in_step(&router)?;
        ensure!(a.falls(r.wan()?)? == 0 && b.falls(r.wan()?)? == 0);
        Ok(())
    });
}

#[test]
fn a_router_that_is_gone_for_good_can_be_forced_out() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let mut r = fleet.gobgpd("R", release)?;
        let server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let neighbor = server.neighbor("R", "A", A, &json!({}))?;
        let policy = server.export("R", "p", "A", "med 1")?;
        server.until(&neighbor, "DOWN")?;
        server.until(&policy, "ACTIVE")?;
        let refused = server.delete(&router, "");
        ensure!(refused.is_err_and(|error| error.to_string().contains("409")));
        r.kill()?;
        server.until(&neighbor, "UNKNOWN")?;
        server.delete(&router, "?cascade=true")?;
        for row in [&router, &neighbor, &policy] {
            server.until(row, "PENDING_DELETE")?;
        }
        server.delete(&router, "?force=true")?;
        for row in [&router, &neighbor, &policy] {
            server.until_gone(row)?;
        }
        // Its names are free.
        server.router("R")?;
        server.neighbor("R", "A", A, &json!({}))?;
        Ok(())
    });
}
