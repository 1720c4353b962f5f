//! What a human made with GoBGP's own tools is his, whatever is declared beside it.

use anyhow::{Result, ensure};
use sdwan_gobgp::types::{DefinedType, PolicyDirection, SessionState};
use sdwan_lab::fleet::{Fleet, Gate, Gobgpd, Server};
use serde_json::json;

use super::ground::{A, B, BOTH, C, PREFIX, far, on};

/// R as its operator configured it: a peer in a group, and a range of dynamic ones.
const CONFIGURATION: &str = r#"
[global.config]
  as = 65001
  router-id = "10.0.0.1"
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "G"
    peer-as = 65003
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "D"
    peer-as = 65004
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-group = "G"
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "10.0.0.4/32"
    peer-group = "D"
"#;

/// And what he typed since.
const TYPED: [&str; 24] = [
    "neighbor add 10.0.0.99 as 65099",
    "policy prefix add theirs-p 10.0.0.0/8 16..24",
    "policy neighbor add theirs-n 10.0.0.3/32",
    "policy as-path add theirs-a ^65003_",
    "policy community add theirs-c 65001:1",
    "policy ext-community add theirs-e rt:65001:1",
    "policy large-community add theirs-l 1:2:3",
    "policy statement add theirs-1",
    "policy statement theirs-1 add condition neighbor theirs-n",
    "policy statement theirs-1 add action med add 11",
    "policy statement add theirs-2",
    "policy statement theirs-2 add condition prefix theirs-p",
    "policy statement theirs-2 add condition as-path theirs-a",
    "policy statement theirs-2 add condition community theirs-c",
    "policy statement theirs-2 add condition ext-community theirs-e",
    "policy statement theirs-2 add condition large-community theirs-l",
    "policy statement theirs-2 add action reject",
    "policy add theirs-first theirs-2",
    "policy add theirs-second theirs-1",
    "policy add theirs-spare",
    "global policy export add theirs-first theirs-second default accept",
    "global policy import add theirs-first default accept",
    "policy statement add theirs-loose",
    "policy statement theirs-loose add action accept",
];

/// Everything on R that has no name of ours: ours hold a `/`.
fn theirs(fleet: &Fleet, r: &Gobgpd) -> Result<Vec<String>> {
    let client = r.client();
    fleet.run(async {
        let mut found = Vec::new();
        for kind in DefinedType::LISTED {
            for set in client.list_defined_sets(kind).await? {
                if !set.name.contains('/') {
                    found.push(format!("{set:?}"));
                }
            }
        }
        for statement in client.list_statements().await? {
            if !statement.name.contains('/') {
                found.push(format!("{statement:?}"));
            }
        }
        for policy in client.list_policies().await? {
            if !policy.name.contains('/') {
                found.push(format!("{policy:?}"));
            }
        }
        found.sort();
        for direction in [PolicyDirection::Import, PolicyDirection::Export] {
            for mut assignment in client.list_policy_assignments("global", direction).await? {
                assignment
                    .policies
                    .retain(|policy| !policy.name.contains('/'));
                found.push(format!("{assignment:?}"));
            }
        }
        let peers = client
            .list_peers(sdwan_gobgp::types::PeerFilter::default())
            .await?;
        let mut peers: Vec<_> = peers
            .iter()
            .filter(|peer| peer.state.neighbor_address != "10.0.0.2")
            .map(|peer| format!("{:?} {:?}", peer.conf, peer.timers.uptime))
            .collect();
        peers.sort();
        found.extend(peers);
        Ok(found)
    })
}

#[test]
fn what_a_human_made_survives_everything_we_do() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B", "C"])?;
        let (a, b, c) = (
            far(&fleet, "A", A)?,
            far(&fleet, "B", B)?,
            far(&fleet, "C", C)?,
        );
        let r = fleet.configured("R", release, CONFIGURATION)?;
        for line in TYPED {
            r.cli(line)?;
        }
        b.until_established(r.wan()?)?;
        c.until_established(r.wan()?)?;
        r.announce(PREFIX)?;
        b.until_route(PREFIX, "with their MED", |route| route.med == Some(11))?;
        let before = theirs(&fleet, &r)?;
        let unchanged = |when: &str| {
            let now = theirs(&fleet, &r)?;
            ensure!(now == before, "{when}:\n{now:#?}\nbefore:\n{before:#?}");
            Ok(())
        };

        let mut server = Server::start(&fleet)?;
        let router = server.router("R")?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        let policy = server.export("R", "p", "A", "med 21")?;
        server.until(&row, "UP")?;
        a.until_route(PREFIX, "with our MED", |route| route.med == Some(21))?;
        server.until(&policy, "ACTIVE")?;
        unchanged("created")?;
        server.update(&policy, &json!({"statement_action": "med 22"}))?;
        a.until_route(PREFIX, "with our new MED", |route| route.med == Some(22))?;
        server.until(&policy, "ACTIVE")?;
        unchanged("updated")?;
        server.kill()?;
        server.go_on()?;
        server.until(&policy, "ACTIVE")?;
        let second = server.export("R", "q", "A", "community add 65001:5")?;
        server.until(&second, "ACTIVE")?;
        server.delete(&policy, "")?;
        a.until_route(PREFIX, "with our community", |route| {
            route.communities.len() == 1
        })?;
        server.until_gone(&policy)?;
        unchanged("after a restart of the server")?;
        server.delete(&router, "?cascade=true")?;
        for row in [&router, &row, &second] {
            server.until_gone(row)?;
        }
        r.until_no_peer(a.wan()?)?;
        unchanged("deleted")?;
        b.until_route(PREFIX, "with their MED", |route| route.med == Some(11))?;
        ensure!(b.falls(r.wan()?)? == 0 && c.falls(r.wan()?)? == 0);
        Ok(())
    });
}

#[test]
fn a_peer_that_a_human_made_is_adopted_if_it_is_as_declared_and_else_left() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let r = fleet.gobgpd("R", release)?;
        r.cli("global as 65001 router-id 10.0.0.1")?;
        r.cli("neighbor add 10.0.0.2 as 65002")?;
        r.cli("neighbor add 10.0.0.3 as 65003")?;
        a.until_established(r.wan()?)?;
        b.until_established(r.wan()?)?;
        let gate = Gate::before(&fleet, &r.management()?)?;
        let server = Server::start(&fleet)?;
        let router = server.router_at("R", &gate.address(), &json!({}))?;
        let equal = server.neighbor("R", "A", A, &json!({}))?;
        let different = server.neighbor("R", "B", B, &json!({"hold_time": 30}))?;
        server.until(&router, "ACTIVE")?;
        server.until(&equal, "UP")?;
        let shown = server.until(&different, "FAILED")?;
        let reason = shown["status_reason"].as_str().unwrap_or_default();
        ensure!(reason.contains("hold_time 90 -> 30"), "{shown}");
        server.until_in_step(&router)?;
        ensure!(gate.writes().is_empty(), "{:?}", gate.writes());
        // He says so: it is taken over as it is.
        server.update(&different, &json!({"hold_time": null}))?;
        server.until(&different, "UP")?;
        ensure!(gate.writes().is_empty(), "{:?}", gate.writes());
        ensure!(a.falls(r.wan()?)? == 0 && b.falls(r.wan()?)? == 0);
        Ok(())
    });
}

#[test]
fn a_daemon_of_another_as_is_sent_nothing() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let mut r = fleet.gobgpd("R", release)?;
        r.start_bgp(64999)?;
        let gate = Gate::before(&fleet, &r.management()?)?;
        let server = Server::start(&fleet)?;
        let router = server.router_at("R", &gate.address(), &json!({}))?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        let shown = server.until(&router, "FAILED")?;
        let reason = shown["status_reason"].as_str().unwrap_or_default();
        ensure!(
            reason.contains("restart gobgpd") && reason.contains("64999"),
            "{shown}"
        );
        // Pending from the start; the reason comes with the pass that saw the row.
        server.until_shown(&row, "PENDING_CREATE with a reason", |shown| {
            shown["status"] == "PENDING_CREATE" && shown["status_reason"].is_string()
        })?;
        ensure!(gate.writes().is_empty(), "{:?}", gate.writes());
        r.restart()?;
        server.until(&router, "ACTIVE")?;
        server.until(&row, "UP")?;
        ensure!(a.expect_peer(r.wan()?)?.state.session == SessionState::Established);
        Ok(())
    });
}
