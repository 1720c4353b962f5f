//! Compile: names, unions, order, refusals, and that nothing depends on the
//! order in which rows come.

use super::*;
use crate::config::{AdminState, Disposition, Family};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn row(kind: &str, id: &str, created: u64, body: Value) -> Row {
    let Value::Object(body) = body else {
        panic!("a body is an object")
    };
    Row {
        kind: kind.to_owned(),
        id: id.to_owned(),
        version: 1,
        created,
        body,
    }
}

fn router() -> Row {
    row(
        "router",
        "r1",
        1,
        json!({"host_name": "GoBGP-3", "router_id": "10.0.1.3", "local_as": 65001, "mgmt_addr": "192.168.200.105"}),
    )
}

fn neighbor(id: &str, address: &str, peer_as: u32) -> Row {
    let body = json!({"host_name": "GoBGP-3", "neighbor_addr": address, "peer_as": peer_as, "description": null});
    row("neighbor", id, 2, body)
}

fn policy(id: &str, created: u64, neighbor: &str, more: Value) -> Row {
    let mut body = json!({
        "host_name": "GoBGP-3", "policy_name": "policy1", "statement_name": "statement1",
        "statement_action": "next-hop self", "route_disposition": "accept",
        "apply_direction": "export", "apply_neighbor": neighbor, "exist": "New",
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    row("policyinfo", id, created, body)
}

fn addresses(list: &[&str]) -> BTreeSet<IpAddr> {
    list.iter().map(|a| a.parse().unwrap()).collect()
}

/// GoBGP-3 of the demo.
fn demo() -> Inputs {
    Inputs {
        router: Some(router()),
        neighbors: vec![
            neighbor("n1", "172.16.0.1", 65001),
            neighbor("n2", "172.16.1.1", 65001),
            neighbor("n3", "192.168.2.2", 65002),
        ],
        policies: vec![
            policy("p1", 5, "172.16.0.1", json!({})),
            policy("p2", 6, "172.16.1.1", json!({"exist": "Existing"})),
        ],
    }
}

fn config_of(compiled: Compiled) -> RouterConfig {
    match compiled.desired {
        Ok(Desired::Config(config)) => *config,
        other => panic!("no configuration: {other:?}"),
    }
}

fn reasons(compiled: &Compiled) -> String {
    let desired = compiled.desired.as_ref().ok();
    let waiting = desired
        .and_then(Desired::config)
        .into_iter()
        .flat_map(|config| &config.waiting);
    compiled
        .refused
        .iter()
        .map(|(row, why)| format!("{row} refused: {why}"))
        .chain(waiting.map(|(source, why)| format!("{} waits: {why}", source.resource)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn rows_that_share_a_statement_share_its_neighbor_set() {
    let compiled = compile(&demo());
    assert_eq!(reasons(&compiled), "");
    let config = config_of(compiled);
    assert_eq!(config.global.asn, 65001);
    assert_eq!(config.neighbors.len(), 3);
    assert_eq!(config.export, ["policy1/export"]);
    assert_eq!(config.import, Vec::<String>::new());
    let statement = &config.policies["policy1/export"].statements[0];
    assert_eq!(statement.name, "policy1/export/statement1");
    assert_eq!(statement.disposition, Some(Disposition::Accept));
    assert_eq!(statement.sources.len(), 2);
    assert_eq!(
        config.neighbor_sets[&statement.neighbor_set],
        addresses(&["172.16.0.1", "172.16.1.1"])
    );
}

#[test]
fn a_policy_in_both_directions_is_two() {
    let mut inputs = demo();
    inputs.policies.push(policy(
        "p3",
        7,
        "172.16.0.1",
        json!({"apply_direction": "import"}),
    ));
    let config = config_of(compile(&inputs));
    assert_eq!(config.import, ["policy1/import"]);
    assert_eq!(config.export, ["policy1/export"]);
    assert_eq!(
        config.policies["policy1/import"].statements[0].name,
        "policy1/import/statement1"
    );
}

#[test]
fn order_is_by_position_and_then_by_creation() {
    let mut inputs = demo();
    for (id, created, name, position) in [
        ("a", 10, "late", json!(null)),
        ("b", 9, "early", json!(null)),
        ("c", 12, "second", json!(20)),
        ("d", 11, "first", json!(7)),
    ] {
        let more = json!({"policy_name": name, "position": position});
        inputs.policies.push(policy(id, created, "", more));
    }
    let config = config_of(compile(&inputs));
    assert_eq!(
        config.export,
        [
            "first/export",
            "second/export",
            "policy1/export",
            "early/export",
            "late/export"
        ]
    );
}

#[test]
fn no_neighbor_named_is_all_of_them_and_never_an_empty_set() {
    let mut inputs = demo();
    inputs.policies = vec![policy("p1", 5, "", json!({}))];
    let config = config_of(compile(&inputs));
    assert_eq!(config.neighbor_sets["policy1/export/statement1"].len(), 3);

    inputs.neighbors.clear();
    inputs
        .policies
        .push(policy("p2", 6, "10.9.9.9", json!({"policy_name": "other"})));
    let compiled = compile(&inputs);
    insta::assert_snapshot!(reasons(&compiled), @r"
    policyinfo p1 waits: waits for a neighbor to be declared on this router
    policyinfo p2 waits: waits for neighbor 10.9.9.9 to be declared on this router
    ");
    let config = config_of(compiled);
    assert!(config.policies.is_empty() && config.neighbor_sets.is_empty());
    assert!(config.export.is_empty());
}

#[test]
fn refused_rows_hold_their_objects_and_the_rest_goes_on() {
    let mut inputs = demo();
    inputs.policies.extend([
        policy(
            "p3",
            7,
            "192.168.2.2",
            json!({"route_disposition": "reject"}),
        ),
        policy("p4", 8, "192.168.2.2", json!({"policy_name": "good"})),
        policy(
            "p5",
            9,
            "192.168.2.2",
            json!({"policy_name": "a b", "statement_action": "nexthop"}),
        ),
    ]);
    inputs.neighbors.extend([
        neighbor("n4", "10.0.0.4", 0),
        neighbor("n5", "10.0.0.5", 65005),
        neighbor("n6", "10.0.0.5", 65006),
    ]);
    let compiled = compile(&inputs);
    insta::assert_snapshot!(reasons(&compiled), @r#"
    neighbor n4 refused: peer_as: is not a number of 1 to 4294967295
    neighbor n5 refused: neighbor_addr 10.0.0.5 is declared 2 times on this router (n5, n6): delete all but one
    neighbor n6 refused: neighbor_addr 10.0.0.5 is declared 2 times on this router (n5, n6): delete all but one
    policyinfo p1 refused: rows that share statement policy1/export/statement1 disagree (next-hop self, accept | next-hop self, reject): make them equal, or give this one a statement_name of its own
    policyinfo p2 refused: rows that share statement policy1/export/statement1 disagree (next-hop self, accept | next-hop self, reject): make them equal, or give this one a statement_name of its own
    policyinfo p3 refused: rows that share statement policy1/export/statement1 disagree (next-hop self, accept | next-hop self, reject): make them equal, or give this one a statement_name of its own
    policyinfo p5 refused: policy_name: "a b" is empty or holds `/`, a space or a control character; statement_action: `nexthop` is no action: did you mean `next-hop`?
    "#);
    let config = config_of(compiled);
    assert_eq!(config.held.peers, addresses(&["10.0.0.4", "10.0.0.5"]));
    assert!(config.held.policies.contains_key("policy1/export"));
    assert!(config.held.unknown);
    assert_eq!(
        config.held.neighbors.len(),
        3,
        "p5 may be about any neighbor"
    );
    assert_eq!(config.export, ["policy1/export", "good/export"]);
    assert_eq!(config.policies.keys().collect::<Vec<_>>(), ["good/export"]);
}

#[test]
fn a_policy_with_one_refused_row_is_held_as_a_whole() {
    let mut inputs = demo();
    inputs.policies.push(policy(
        "p3",
        7,
        "192.168.2.2",
        json!({"statement_name": "statement2", "statement_action": "med"}),
    ));
    let compiled = compile(&inputs);
    insta::assert_snapshot!(reasons(&compiled), @r"
    policyinfo p3 refused: statement_action: expected `add N`, `sub N`, `set N`, `+N`, `-N` or `N` after `med`
    policyinfo p1 waits: policy policy1/export stays as it is: policyinfo p3 is refused
    policyinfo p2 waits: policy policy1/export stays as it is: policyinfo p3 is refused
    ");
    let config = config_of(compiled);
    assert!(config.policies.is_empty());
    assert_eq!(config.held.neighbors.len(), 3);
}

#[test]
fn every_property_of_a_neighbor() {
    let mut inputs = demo();
    inputs.neighbors = vec![row(
        "neighbor",
        "n1",
        2,
        json!({
            "neighbor_addr": "2001:db8::1", "peer_as": 4294967295_u32, "description": "x",
            "auth_password": "s3cret", "hold_time": 9, "keepalive_interval": 3,
            "local_address": "2001:db8::2", "passive": true, "ebgp_multihop": 5,
            "route_reflector_client": false, "families": ["ipv6-unicast", "l2vpn-evpn"],
            "admin_state": "down",
        }),
    )];
    let config = config_of(compile(&inputs));
    let neighbor = config.neighbors.values().next().unwrap();
    assert_eq!(neighbor.peer_as, u32::MAX);
    assert_eq!(
        neighbor.auth_password.as_ref().unwrap().expose_secret(),
        "s3cret"
    );
    assert_eq!(neighbor.hold_time, Some(9));
    assert_eq!(neighbor.admin_state, Some(AdminState::Down));
    assert_eq!(
        neighbor.families,
        Some(BTreeSet::from([Family::Ipv6Unicast, Family::L2vpnEvpn]))
    );
}

#[test]
fn a_router_that_is_refused_is_not_one_that_goes() {
    let mut inputs = demo();
    inputs.router = None;
    let compiled = compile(&inputs);
    assert!(matches!(compiled.desired, Ok(Desired::Gone)) && compiled.refused.is_empty());

    let mut bad = router();
    bad.body.insert("router_id".into(), json!("10.0.0.0.1"));
    bad.body.insert("local_as".into(), json!(0));
    inputs.router = Some(bad);
    let compiled = compile(&inputs);
    assert!(compiled.desired.is_err(), "what it is to be can't be known");
    insta::assert_snapshot!(reasons(&compiled), @"router r1 refused: local_as: is not a number of 1 to 4294967295; router_id: `10.0.0.0.1` is not an IPv4 address");
}

/// Rows of all kinds, right and wrong, that meet often.
fn any_rows() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    let address = prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "10.0.0.3", "", "10.0.0.x"]);
    let neighbors = prop::collection::vec((address.clone(), 0..3_u32), 0..5).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(i, (address, peer_as))| neighbor(&format!("n{i}"), address, peer_as))
            .collect()
    });
    let words = (
        prop::sample::select(vec!["p", "q", "a/b"]),
        prop::sample::select(vec!["s", "t"]),
        prop::sample::select(vec!["next-hop self", "med 1", "", "nonsense"]),
        prop::sample::select(vec!["import", "export", "both"]),
        prop::option::of(0..3_u64),
        0..4_u64,
    );
    let policies = prop::collection::vec((address, words), 0..8).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(
                |(i, (address, (p, s, action, direction, position, created)))| {
                    let more = json!({
                        "policy_name": p, "statement_name": s, "statement_action": action,
                        "apply_direction": direction, "position": position,
                    });
                    policy(&format!("p{i}"), created, address, more)
                },
            )
            .collect()
    });
    (neighbors, policies)
}

proptest! {
    #[test]
    fn the_order_of_rows_never_matters((neighbors, policies) in any_rows(), seed in any::<u64>()) {
        let inputs = Inputs { router: Some(router()), neighbors, policies };
        let mut shuffled = inputs.clone();
        let rotate = |rows: &mut Vec<Row>| if !rows.is_empty() {
            let by = usize::try_from(seed % rows.len() as u64).unwrap();
            rows.rotate_left(by);
            if seed % 2 == 0 { rows.reverse(); }
        };
        rotate(&mut shuffled.neighbors);
        rotate(&mut shuffled.policies);
        prop_assert_eq!(format!("{:?}", compile(&inputs)), format!("{:?}", compile(&shuffled)));
    }

    #[test]
    fn every_row_has_a_word_and_no_set_is_empty((neighbors, policies) in any_rows()) {
        let inputs = Inputs { router: Some(router()), neighbors, policies };
        let compiled = compile(&inputs);
        let config = config_of(compiled.clone());
        let mut words: Vec<ResourceRef> = compiled.refused.into_keys().collect();
        words.extend(config.waiting.iter().map(|(source, _)| source.resource.clone()));
        words.extend(config.neighbors.values().map(|n| n.source.resource.clone()));
        for statement in config.policies.values().flat_map(|p| &p.statements) {
            words.extend(statement.sources.iter().map(|s| s.row.resource.clone()));
            prop_assert!(!config.neighbor_sets[&statement.neighbor_set].is_empty());
        }
        words.sort();
        let mut rows: Vec<ResourceRef> = inputs.neighbors.iter().chain(&inputs.policies).map(Row::reference).collect();
        rows.sort();
        prop_assert_eq!(words, rows);
    }
}

#[test]
fn a_zebra_is_compiled_and_half_of_one_is_refused() {
    let mut inputs = demo();
    let body = &mut inputs.router.as_mut().unwrap().body;
    body.insert("fib".into(), json!("zebra"));
    body.insert("zebra_url".into(), json!("unix:/run/frr/zserv.api"));
    body.insert("zebra_version".into(), json!(6));
    let compiled = compile(&inputs);
    assert!(compiled.desired.is_err());
    assert_eq!(
        reasons(&compiled),
        "router r1 refused: zebra_software_name: is missing"
    );
    let body = &mut inputs.router.as_mut().unwrap().body;
    body.insert("zebra_software_name".into(), json!("frr8.4"));
    let zebra = config_of(compile(&inputs)).zebra.unwrap();
    assert_eq!(
        zebra.zebra.to_string(),
        "zebra unix:/run/frr/zserv.api (frr8.4, API 6)"
    );
    assert!(!zebra.confirmed);
    for other in [json!("none"), json!("agent"), Value::Null] {
        let body = &mut inputs.router.as_mut().unwrap().body;
        body.insert("fib".into(), other);
        assert!(config_of(compile(&inputs)).zebra.is_none());
    }
}
