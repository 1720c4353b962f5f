//! Bodies: defaults, canonical values, and every violation at once.

use super::*;
use crate::schema::Schemas;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

fn builtin(id: &str) -> Arc<Kind> {
    Arc::clone(Schemas::builtin().get(id).unwrap())
}

/// A user's kind with one of everything.
fn thing() -> Arc<Kind> {
    let text = "
schemas:
- id: thing
  singular: thing
  plural: things
  prefix: /v2.0
  schema:
    required: [name]
    properties:
      id: {type: string, permission: [create]}
      name: {type: string, minLength: 1, maxLength: 8}
      note: {type: [string, 'null'], default: none}
      plain: {type: string}
      size: {type: integer, default: 3}
      ratio: {type: number, exclusiveMinimum: 0}
      made: {type: string, permission: [create]}
      later: {type: string, permission: [update]}
      never: {type: string, permission: []}
      key: {type: [string, 'null'], format: secret, minLength: 2}
      nets: {type: array, items: {type: string, format: cidr}, uniqueItems: true}
      link:
        type: object
        required: [to]
        additionalProperties: false
        properties:
          to: {type: string, format: ip}
          mtu: {type: integer, minimum: 68}
";
    let document = crate::document::Document::parse("thing.yaml", text).unwrap();
    let schemas = Schemas::load(&[document]).unwrap();
    Arc::clone(schemas.get("thing").unwrap())
}

fn body(value: Value) -> Body {
    serde_json::from_value(value).unwrap()
}

fn lines(violations: &[Violation]) -> Vec<String> {
    let line = |v: &Violation| format!("{} {}", v.pointer, v.message);
    violations.iter().map(line).collect()
}

fn refusal(refused: Result<Body, Refused>) -> Vec<String> {
    lines(&refused.unwrap_err().violations)
}

fn create_says(kind: &Kind, value: Value) -> Vec<String> {
    refusal(create(kind, value))
}

fn router() -> Value {
    json!({
        "host_name": "GoBGP-1",
        "mgmt_addr": "192.168.200.103",
        "router_id": "10.0.1.1",
        "local_as": 65001,
    })
}

fn with(mut value: Value, name: &str, set: Value) -> Value {
    value[name] = set;
    value
}

#[test]
fn the_transcripts_rows_are_right() {
    let row = create(&builtin("router"), router()).unwrap();
    let expected = body(json!({
        "host_name": "GoBGP-1",
        "mgmt_addr": "192.168.200.103",
        "router_id": "10.0.1.1",
        "local_as": 65001,
        "listen_port": null,
        "gobgp_version": null,
        "fib": null,
        "zebra_url": null,
        "zebra_version": null,
        "zebra_software_name": null,
        "zebra_confirmed": null,
    }));
    assert_eq!(row, expected);
    assert!(row.keys().eq(expected.keys()), "in the schema's order");
    let neighbor = json!({
        "host_name": "GoBGP-1", "neighbor_addr": "192.168.0.1", "peer_as": 65000,
        "mgmt_addr": "192.168.200.103",
    });
    create(&builtin("neighbor"), neighbor).unwrap();
    let policyinfo = json!({
        "host_name": "GoBGP-1", "mgmt_addr": "192.168.200.103", "policy_name": "policy1",
        "statement_name": "statement1", "statement_action": "next-hop self",
        "route_disposition": "accept", "apply_direction": "export",
        "apply_neighbor": "172.16.0.2", "exist": "New",
    });
    create(&builtin("policyinfo"), policyinfo).unwrap();
}

/// A router with these properties, and where it is refused.
fn refused_at(more: Value) -> Vec<String> {
    let mut body = router();
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    match create(&builtin("router"), body) {
        Ok(_) => Vec::new(),
        Err(refused) => refused.violations.into_iter().map(|v| v.pointer).collect(),
    }
}

#[test]
fn a_zebra_is_whole_and_known_to_work_or_refused() {
    let zebra = |more: Value| {
        let mut whole = json!({
            "fib": "zebra", "zebra_url": "unix:/run/frr/zserv.api", "zebra_version": 6,
            "zebra_software_name": "frr8.4", "gobgp_version": "3.36",
        });
        let more = more.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(more);
        refused_at(whole)
    };
    for fine in [
        json!({}),
        json!({"gobgp_version": "4.8", "zebra_url": "tcp:127.0.0.1:2600"}),
        json!({"zebra_url": "tcp:[::1]:2600", "zebra_confirmed": false}),
        json!({"gobgp_version": null, "zebra_confirmed": true}),
        json!({"zebra_software_name": "frr9.1", "zebra_confirmed": true}),
        json!({"zebra_software_name": "quagga", "zebra_version": 3, "zebra_confirmed": true}),
    ] {
        assert_eq!(zebra(fine.clone()), [""; 0], "{fine}");
    }
    for (wrong, at) in [
        (
            json!({"zebra_url": null, "zebra_version": null, "zebra_software_name": null}),
            vec!["/zebra_url", "/zebra_version", "/zebra_software_name"],
        ),
        (
            json!({"zebra_url": "/run/frr/zserv.api", "zebra_version": 7, "zebra_software_name": "FRR 8"}),
            vec!["/zebra_url", "/zebra_version", "/zebra_software_name"],
        ),
        (json!({"zebra_url": "unix:relative"}), vec!["/zebra_url"]),
        (json!({"zebra_url": "tcp:127.0.0.1"}), vec!["/zebra_url"]),
        // Known to break, and nobody's word helps.
        (
            json!({"gobgp_version": "3.10", "zebra_confirmed": true}),
            vec!["/zebra_software_name"],
        ),
        (
            json!({"gobgp_version": "3.17"}),
            vec!["/zebra_software_name"],
        ),
        (
            json!({"zebra_software_name": "frr10.3", "zebra_confirmed": true}),
            vec!["/zebra_software_name"],
        ),
        (
            json!({"gobgp_version": "4.8", "zebra_software_name": "frr10"}),
            vec!["/zebra_software_name"],
        ),
        // Somebody has to have tried it.
        (json!({"gobgp_version": null}), vec!["/zebra_confirmed"]),
        (
            json!({"zebra_software_name": "frr8.5", "zebra_confirmed": false}),
            vec!["/zebra_confirmed"],
        ),
        (json!({"zebra_version": 5}), vec!["/zebra_confirmed"]),
    ] {
        assert_eq!(zebra(wrong.clone()), at, "{wrong}");
    }
}

#[test]
fn a_zebras_properties_go_with_a_zebra_only() {
    let all = json!({
        "zebra_url": "unix:/run/frr/zserv.api", "zebra_version": 6,
        "zebra_software_name": "frr8.4", "zebra_confirmed": false,
    });
    let pointers = [
        "/zebra_url",
        "/zebra_version",
        "/zebra_software_name",
        "/zebra_confirmed",
    ];
    for fib in [Value::Null, json!("none"), json!("agent")] {
        assert_eq!(refused_at(json!({ "fib": fib })), [""; 0]);
        assert_eq!(refused_at(with(all.clone(), "fib", fib)), pointers);
    }
    // What is wrong is the word, and nothing follows from it.
    assert_eq!(refused_at(with(all, "fib", json!("quagga"))), ["/fib"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let neighbor = json!({
        "id": "not/a-uuid",
        "hots_name": "GoBGP-1",
        "mgmt_addr": "10.0.0.1:99999",
        "neighbor_addr": "192.168.00.1",
        "peer_as": "65000",
        "description": "two\nlines",
        "auth_password": 12345678,
        "hold_time": 2,
        "keepalive_interval": 0,
        "local_address": "0.0.0.0/0",
        "passive": "yes",
        "ebgp_multihop": 256,
        "families": ["ipv4-unicast", "ipv4-unicast", "ipv5"],
        "admin_state": "on",
        "status": "UP",
        "route_reflector_client": {"a": 1},
    });
    let says = refusal(create(&builtin("neighbor"), neighbor));
    insta::assert_snapshot!("neighbor", says.join("\n"));
    let router = json!({
        "host_name": "$(reboot)",
        "mgmt_addr": "http://10.0.0.1",
        "router_id": "0.0.0.0",
        "local_as": 0,
        "listen_port": 65536,
        "gobgp_version": "5",
        "status_reason": null,
    });
    let says = refusal(create(&builtin("router"), router));
    insta::assert_snapshot!("router", says.join("\n"));
    let policyinfo = json!({
        "host_name": null,
        "policy_name": "a/b",
        "statement_name": "a b; rm -rf /",
        "statement_action": "next-hop nowhere",
        "route_disposition": "drop",
        "apply_neighbor": "192.168.0.1/24",
        "exist": "Old",
        "position": -1.5,
    });
    let says = refusal(create(&builtin("policyinfo"), policyinfo));
    insta::assert_snapshot!("policyinfo", says.join("\n"));
    let thing = json!({
        "name": "",
        "nme": 1,
        "plain": null,
        "size": 1.5,
        "ratio": 0,
        "later": "x",
        "never": "x",
        "key": "k",
        "nets": ["10.0.0.1/8", 7, "10.0.0.0/8", "10.0.0.0/8"],
        "link": {"mtu": 1, "two": 2},
    });
    insta::assert_snapshot!(
        "thing",
        create_says(&super::tests::thing(), thing).join("\n")
    );
}

#[test]
fn local_as_is_what_rfc_6793_and_7607_allow() {
    let kind = builtin("router");
    for right in [
        json!(1),
        json!(65001),
        json!(4_294_967_295_u64),
        json!(65001.0),
    ] {
        let row = create(&kind, with(router(), "local_as", right)).unwrap();
        assert!(row["local_as"].is_u64(), "{row:?}");
    }
    for wrong in [
        json!(0),
        json!(4_294_967_296_u64),
        json!(-1),
        json!(1.5),
        json!(1e30),
    ] {
        let says = create_says(&kind, with(router(), "local_as", wrong));
        assert_eq!(says.len(), 1, "{says:?}");
        assert!(says[0].starts_with("/local_as must be "), "{says:?}");
    }
}

#[test]
fn hold_time_is_at_least_3() {
    let neighbor = json!({"host_name": "r", "neighbor_addr": "10.0.0.1", "peer_as": 1});
    let kind = builtin("neighbor");
    for (hold, right) in [
        (0, false),
        (2, false),
        (3, true),
        (65535, true),
        (65536, false),
    ] {
        let value = with(neighbor.clone(), "hold_time", json!(hold));
        assert_eq!(create(&kind, value).is_ok(), right, "{hold}");
    }
    let value = with(neighbor.clone(), "hold_time", json!(2));
    let says = create_says(&kind, value);
    assert_eq!(says, ["/hold_time must be 3 to 65535, not 2"]);
    let slow = with(neighbor.clone(), "hold_time", json!(9));
    let slow = with(slow, "keepalive_interval", json!(9));
    assert!(create_says(&kind, slow)[0].contains("less than the hold_time of 9"));
    let slow = with(neighbor, "keepalive_interval", json!(90));
    let says = create_says(&kind, slow.clone());
    assert!(
        says[0].contains("less than the hold_time of 90"),
        "GoBGP's own: {says:?}"
    );
    let says = create_says(&kind, with(slow, "hold_time", json!("long")));
    assert_eq!(
        says.len(),
        1,
        "nothing is held against what is wrong: {says:?}"
    );
}

#[test]
fn a_neighbor_is_one_router() {
    let kind = builtin("neighbor");
    let row = json!({"host_name": "r", "neighbor_addr": "224.0.0.5", "peer_as": 1});
    let says = create_says(&kind, with(row, "local_address", json!("239.1.1.1")));
    let message = "is a multicast address, not that of one router";
    assert_eq!(
        says,
        [
            format!("/neighbor_addr {message}"),
            format!("/local_address {message}")
        ]
    );
}

#[test]
fn addresses_come_out_canonical() {
    let row = json!({
        "host_name": "r", "neighbor_addr": "2001:DB8::0:1", "peer_as": 1,
        "mgmt_addr": "GOBGP-1", "local_address": "2001:db8:0::2",
    });
    let row = create(&builtin("neighbor"), row).unwrap();
    assert_eq!(row["neighbor_addr"], "2001:db8::1");
    assert_eq!(row["mgmt_addr"], "gobgp-1");
    assert_eq!(row["local_address"], "2001:db8::2");
    let says = create_says(
        &thing(),
        json!({"name": "x", "nets": ["2001:DB8::/32", "2001:db8::/32"]}),
    );
    assert_eq!(
        says,
        ["/nets must not have an item twice"],
        "in two spellings"
    );
    let row = json!({"name": "x", "nets": ["2001:DB8::/32"], "link": {"to": "FE80::1"}});
    let row = create(&thing(), row).unwrap();
    assert_eq!(row["nets"], json!(["2001:db8::/32"]));
    assert_eq!(row["link"]["to"], "fe80::1");
}

#[test]
fn both_ends_of_a_session_are_of_one_family() {
    let row = json!({
        "host_name": "r", "neighbor_addr": "10.0.0.1", "peer_as": 1, "local_address": "::1",
    });
    let says = create_says(&builtin("neighbor"), row);
    assert_eq!(
        says,
        ["/local_address must be of the same family as the neighbor_addr 10.0.0.1"]
    );
}

#[test]
fn a_statement_does_something() {
    let row = json!({
        "host_name": "r", "policy_name": "p", "statement_name": "s", "apply_direction": "import",
    });
    let kind = builtin("policyinfo");
    let says = create_says(&kind, row.clone());
    assert_eq!(says.len(), 1);
    assert!(
        says[0].starts_with("/statement_action is required unless"),
        "{says:?}"
    );
    let row = create(&kind, with(row, "route_disposition", json!("reject"))).unwrap();
    assert_eq!(row["apply_neighbor"], "", "all neighbors");
}

#[test]
fn defaults_and_nulls_are_filled_in() {
    let row = create(&thing(), json!({"name": "x"})).unwrap();
    let expected = json!({"name": "x", "note": "none", "size": 3, "key": null});
    assert_eq!(
        row,
        body(expected),
        "what is neither nullable nor given is absent"
    );
    let row = create(&thing(), json!({"name": "x", "note": null})).unwrap();
    assert_eq!(row["note"], Value::Null, "a null that is given is meant");
}

#[test]
fn secrets_are_in_no_message() {
    let kind = thing();
    let secret = "\u{1}hunter2-hunter2";
    let neighbor = json!({
        "host_name": "r", "neighbor_addr": "10.0.0.1", "peer_as": 1, "auth_password": secret,
    });
    let mut told = create_says(&builtin("neighbor"), neighbor);
    for wrong in [
        json!("h"),
        json!([secret]),
        json!({"a": secret}),
        json!(12345),
    ] {
        told.extend(create_says(
            &kind,
            json!({"name": "x", "key": wrong.clone()}),
        ));
        let current = create(&kind, json!({"name": "x"})).unwrap();
        let patch = json!({"key": wrong});
        told.extend(refusal(update(&kind, &current, patch, false)));
    }
    assert_eq!(told.len(), 9);
    for line in told {
        assert!(
            !line.contains("hunter2") && !line.contains("12345"),
            "{line}"
        );
    }
}

#[test]
fn the_mask_is_no_secret_but_means_unchanged() {
    let kind = thing();
    let says = create_says(&kind, json!({"name": "x", "key": MASK}));
    assert!(says[0].starts_with("/key is the mask"), "{says:?}");
    let current = body(json!({"name": "x", "key": "sealed"}));
    for replace in [false, true] {
        let patch = json!({"name": "y", "key": MASK});
        let row = update(&kind, &current, patch, replace).unwrap();
        assert_eq!(row["key"], "sealed");
    }
}

#[test]
fn a_patch_changes_what_it_names() {
    let kind = builtin("router");
    let mut current = create(&kind, router()).unwrap();
    current.insert("id".into(), json!("r1"));
    let row = update(
        &kind,
        &current,
        json!({"local_as": 65002, "listen_port": 1790}),
        false,
    );
    let row = row.unwrap();
    assert_eq!(
        (&row["local_as"], &row["listen_port"]),
        (&json!(65002), &json!(1790))
    );
    assert_eq!(row["host_name"], "GoBGP-1");
    assert_eq!(row["id"], "r1");
    let row = update(&kind, &row, json!({"listen_port": null}), false).unwrap();
    assert_eq!(row["listen_port"], Value::Null);
}

#[test]
fn a_put_takes_back_what_it_leaves_out() {
    let kind = thing();
    let current = json!({
        "id": "t", "name": "x", "plain": "p", "size": 9, "note": null, "made": "once",
        "key": "sealed",
    });
    let row = update(&kind, &body(current), json!({"name": "y"}), true).unwrap();
    let expected = json!({
        "id": "t", "name": "y", "note": "none", "size": 3, "made": "once", "key": "sealed",
    });
    assert_eq!(
        row,
        body(expected),
        "but not what it can't give, nor secrets"
    );
    let says = refusal(update(&kind, &row, json!({}), true));
    assert_eq!(says, ["/name is required"]);
}

#[test]
fn an_id_in_an_update_is_refused_even_if_it_is_the_same() {
    let kind = builtin("router");
    let mut current = create(&kind, router()).unwrap();
    current.insert("id".into(), json!("r1"));
    for replace in [false, true] {
        let patch = with(router(), "id", json!("r1"));
        let says = refusal(update(&kind, &current, patch, replace));
        assert_eq!(
            says,
            ["/id can't be given here: a row's id is in its URL and never changes"]
        );
    }
}

#[test]
fn what_can_not_change_may_be_sent_as_it_is() {
    let kind = builtin("neighbor");
    let row = json!({"host_name": "r", "neighbor_addr": "2001:db8::1", "peer_as": 1});
    let current = create(&kind, row.clone()).unwrap();
    let same = with(row.clone(), "neighbor_addr", json!("2001:DB8::1"));
    assert_eq!(update(&kind, &current, same, true), Ok(current.clone()));
    let other = with(row, "neighbor_addr", json!("2001:db8::2"));
    let says = refusal(update(&kind, &current, other, true));
    assert_eq!(
        says,
        ["/neighbor_addr can't be changed: delete the row and create it anew"]
    );
    let says = refusal(update(&kind, &current, json!({"status": "UP"}), false));
    assert_eq!(says, ["/status is read-only"]);
    let row = body(json!({"name": "x"}));
    let says = refusal(update(&thing(), &row, json!({"never": "x"}), false));
    assert_eq!(says, ["/never is read-only"]);
}

#[test]
fn what_is_right_of_a_refused_body_is_handed_on() {
    let kind = builtin("router");
    let wrong =
        json!({"host_name": "a", "local_as": 0, "mgmt_addr": "192.168.200.103:50051", "x": 1});
    let refused = create(&kind, wrong.clone()).unwrap_err();
    assert_eq!(refused.violations.len(), 3, "{refused:?}");
    assert_eq!(refused.right["host_name"], "a");
    assert_eq!(refused.right["mgmt_addr"], "192.168.200.103:50051");
    assert!(!refused.right.contains_key("local_as") && !refused.right.contains_key("x"));
    let current = create(&kind, router()).unwrap();
    let refused = update(&kind, &current, wrong, false).unwrap_err();
    assert_eq!(refused.right["host_name"], "a");
    assert_eq!(refused.right["local_as"], 65001, "as it was");
}

#[test]
fn bodies_that_are_no_objects() {
    let kind = thing();
    for (value, found) in [
        (json!(1), "a number"),
        (json!([]), "a list"),
        (json!(null), "null"),
    ] {
        let says = create_says(&kind, value.clone());
        assert_eq!(says, [format!(" the body must be an object, not {found}")]);
        let says = refusal(update(&kind, &Body::new(), value, false));
        assert_eq!(says, [format!(" the body must be an object, not {found}")]);
    }
}

#[test]
fn nested_10_000_deep_is_refused_and_dropped_without_a_stack() {
    let kind = thing();
    // Made by a loop, as it must be taken apart: no stack is that deep.
    let deep = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let says = create_says(&kind, deep(10_000));
    assert_eq!(says, [" is nested deeper than 64 levels"]);
    let value = deep(1_000_000);
    let patch = Value::Object([("link".to_owned(), value)].into_iter().collect());
    let says = refusal(update(&kind, &Body::new(), patch, false));
    assert_eq!(says, [" is nested deeper than 64 levels"]);
}

#[test]
fn a_hostile_width_gets_a_bounded_answer() {
    let kind = thing();
    let many: Body = (0..50_000).map(|i| (format!("x{i}"), json!(1))).collect();
    let says = create_says(&kind, Value::Object(many));
    assert_eq!(says.len(), MAX_TOLD + 2);
    assert!(says.contains(&" 49900 more unknown properties".to_owned()));
    let wide = json!({"name": "x", "nets": vec![1; 50_000]});
    let says = create_says(&kind, wide);
    assert!(says.len() <= MAX_TOLD + 1, "{}", says.len());
    let long = Value::Object([("n".repeat(1_000_000), json!(1))].into_iter().collect());
    let refused = create(&kind, long).unwrap_err();
    assert!(
        refused.violations[0].message.len() < 200,
        "the message is short, the pointer is theirs"
    );
}

#[test]
fn ids_are_safe_in_urls_and_keys() {
    let kind = thing();
    for id in ["a", "A-1_b.c:d~e", "0483728d-546a-47d7-99ce-6734aa853c1e"] {
        assert!(
            create(&kind, json!({"id": id, "name": "x"})).is_ok(),
            "{id}"
        );
    }
    for id in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "*",
        "a%2fb",
        "\n",
        "é",
        &"a".repeat(129),
    ] {
        let says = create_says(&kind, json!({"id": id, "name": "x"}));
        assert_eq!(
            says,
            ["/id must be 1 to 128 letters, digits or any of - _ . : ~"],
            "{id}"
        );
    }
    assert!(create_says(&kind, json!({"id": 7, "name": "x"}))[0].starts_with("/id must be text"));
}

#[test]
fn a_wrapper_is_taken_off() {
    let kind = thing();
    let bare = json!({"name": "x"});
    assert_eq!(unwrap(&kind, json!({"thing": {"name": "x"}})), bare);
    assert_eq!(unwrap(&kind, bare.clone()), bare);
    for other in [
        json!({"thing": 1}),
        json!({"thing": {}, "name": "x"}),
        json!([]),
    ] {
        assert_eq!(
            unwrap(&kind, other.clone()),
            other,
            "left for validation to refuse"
        );
    }
}

#[test]
fn stored_rows_are_held_against_a_changed_schema() {
    let kind = thing();
    let right = body(json!({"id": "a", "name": "x", "key": {"sealed": "anyhow"}}));
    assert_eq!(stored(&kind, &right), []);
    let wrong = body(json!({"id": "a", "gone": 1, "size": "three", "later": "set once"}));
    let expected = [
        "/gone unknown property \"gone\"",
        "/name is required",
        "/size must be an integer, not the text \"three\"",
    ];
    let found = lines(&stored(&kind, &wrong));
    for line in expected {
        assert!(
            found.iter().any(|f| f.starts_with(line)),
            "{line} in {found:?}"
        );
    }
    assert_eq!(found.len(), 3, "{found:?}");
}

/// Values that fit a property, or nearly.
fn likely() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..70_000u32).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<std::net::IpAddr>().prop_map(|a| Value::from(a.to_string())),
        "[A-Za-z0-9.:/_-]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["accept", "import", "up", "New", "4.8", "med +10", ""])
            .prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!(["ipv4-unicast"])),
        Just(json!({"to": "10.0.0.1"})),
        Just(json!(["10.0.0.0/8", "10.0.0.0/8"])),
    ]
}

fn kinds() -> Vec<Arc<Kind>> {
    let schemas = Schemas::builtin();
    schemas.iter().cloned().chain([thing()]).collect()
}

fn any_body() -> impl Strategy<Value = (Arc<Kind>, Value)> {
    prop::sample::select(kinds()).prop_flat_map(|kind| {
        let mut names: Vec<String> = kind.properties.keys().cloned().collect();
        names.push("unknown".to_owned());
        let members = prop::collection::btree_map(prop::sample::select(names), likely(), 0..10);
        members.prop_map(move |m| (Arc::clone(&kind), Value::Object(m.into_iter().collect())))
    })
}

/// What is taken can be sent: nothing is accepted only to fail later.
#[test]
fn what_is_taken_compiles() {
    let neighbor = json!({"host_name": "r", "neighbor_addr": "10.0.0.1", "peer_as": 1});
    let policyinfo = json!({
        "host_name": "r", "policy_name": "p", "statement_name": "s",
        "apply_direction": "import", "statement_action": "med 1",
    });
    let numbers = [
        0,
        1,
        2,
        3,
        4,
        89,
        90,
        91,
        255,
        256,
        65535,
        65536,
        4_294_967_295,
        4_294_967_296_u64,
    ];
    let texts = [
        "",
        " ",
        "a",
        "a b",
        "a/b",
        ".",
        "up",
        "accept",
        "export",
        "3.10",
        "med 0",
        "next-hop ::",
        "0.0.0.0",
        "10.0.0.1",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "fe80::1",
        "::ffff:10.0.0.2",
        "::ffff:224.0.0.1",
        "::ffff:0.0.0.0",
    ];
    let lists = [
        json!([]),
        json!(["ipv4-unicast"]),
        json!(["ipv6-unicast", "l2vpn-evpn"]),
    ];
    let edges = numbers
        .iter()
        .map(|n| json!(n))
        .chain(texts.map(Value::from))
        .chain(lists);
    let edges: Vec<Value> = edges
        .chain([Value::Null, json!(true), json!(1.0)])
        .collect();
    let mut taken = 0;
    for (id, good) in [
        ("router", router()),
        ("neighbor", neighbor),
        ("policyinfo", policyinfo),
    ] {
        let kind = builtin(id);
        for (name, edge) in kind
            .properties
            .keys()
            .flat_map(|n| edges.iter().map(move |e| (n, e)))
        {
            let Ok(body) = create(&kind, with(good.clone(), name, edge.clone())) else {
                continue;
            };
            taken += 1;
            let (kind, id) = (kind.id.clone(), "x".to_owned());
            let row = crate::resource::Row {
                kind,
                id,
                version: 1,
                created: 1,
                body,
            };
            let mut inputs = crate::compile::Inputs::default();
            match row.kind.as_str() {
                "router" => inputs.router = Some(row),
                "neighbor" => inputs.neighbors.push(row),
                _ => inputs.policies.push(row),
            }
            let refused = crate::compile::compile(&inputs).refused;
            assert!(refused.is_empty(), "{name} {edge}: {refused:?}");
        }
    }
    assert!(taken > 100, "{taken}");
}

/// Bodies that are right more often than not.
fn good_neighbor() -> impl Strategy<Value = Value> {
    let optional = |s: BoxedStrategy<Value>| prop::option::of(s);
    (
        prop_oneof![
            9 => any::<std::net::IpAddr>(),
            1 => prop::sample::select(vec!["::".parse().unwrap(), "::ffff:0.0.0.0".parse().unwrap()]),
        ],
        1..=u32::MAX,
        optional((3..=65535u32).prop_map(Value::from).boxed()),
        optional((1..=255u8).prop_map(Value::from).boxed()),
        optional(any::<bool>().prop_map(Value::from).boxed()),
        optional("[ -~]{0,20}".prop_map(Value::from).boxed()),
        optional("[!-~]{1,20}".prop_map(Value::from).boxed()),
    )
        .prop_map(
            |(address, peer_as, hold, hops, passive, description, password)| {
                json!({
                    "host_name": "r", "neighbor_addr": address.to_string(), "peer_as": peer_as,
                    "hold_time": hold, "ebgp_multihop": hops, "passive": passive,
                    "description": description, "auth_password": password,
                })
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes in, nothing panics, every violation has its pointer,
    /// and what comes out goes in again unchanged.
    #[test]
    fn created_rows_are_right_again((kind, value) in any_body()) {
        match create(&kind, value) {
            Ok(row) => {
                prop_assert_eq!(create(&kind, Value::Object(row.clone())), Ok(row.clone()));
                prop_assert_eq!(stored(&kind, &row), vec![]);
            }
            Err(refused) => {
                prop_assert!(!refused.violations.is_empty());
                prop_assert!(refused.violations.iter().all(|v| v.pointer.starts_with('/')));
                // What is called right is.
                for (name, value) in &refused.right {
                    prop_assert_eq!(super::value(&kind.properties[name], value), vec![]);
                }
            }
        }
    }

    #[test]
    fn good_rows_are_taken_and_stay_right(value in good_neighbor(), peer_as in 1..=u32::MAX) {
        let kind = builtin("neighbor");
        let Ok(row) = create(&kind, value.clone()) else {
            // No neighbor has such an address, however it is written.
            let address: std::net::IpAddr = value["neighbor_addr"].as_str().unwrap().parse().unwrap();
            let address = address.to_canonical();
            prop_assert!(address.is_unspecified() || address.is_multicast());
            return Ok(());
        };
        prop_assert_eq!(create(&kind, Value::Object(row.clone())), Ok(row.clone()));
        let patched = update(&kind, &row, json!({"peer_as": peer_as}), false).unwrap();
        prop_assert_eq!(&patched["peer_as"], &json!(peer_as));
        prop_assert_eq!(update(&kind, &patched, json!({"peer_as": row["peer_as"]}), false), Ok(row));
    }

    /// An update that is taken leaves a row that is right.
    #[test]
    fn updated_rows_are_right((kind, value) in any_body(), replace in any::<bool>()) {
        let current = match kind.id.as_str() {
            "router" => router(),
            "neighbor" => json!({"host_name": "r", "neighbor_addr": "10.0.0.1", "peer_as": 1}),
            "policyinfo" => json!({
                "host_name": "r", "policy_name": "p", "statement_name": "s",
                "apply_direction": "import", "route_disposition": "accept",
            }),
            _ => json!({"name": "x"}),
        };
        let current = create(&kind, current).unwrap();
        if let Ok(row) = update(&kind, &current, value, replace) {
            prop_assert_eq!(stored(&kind, &row), vec![]);
        }
    }
}
