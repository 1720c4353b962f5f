//! Several changes, all or none.

use crate::harness::{NEIGHBORS, POLICIES, ROUTERS, app, gobgp, neighbor};
use serde_json::{Value, json};

const PATH: &str = "/sdwan/v1/transaction";

#[tokio::test]
async fn rows_that_need_each_other_are_created_together() {
    let app = app().await;
    let changes = json!({ "changes": [
        { "op": "create", "kind": "neighbor", "body": neighbor("192.168.0.1") },
        { "op": "create", "kind": "router", "body": gobgp(1) },
    ] });
    let dry = app
        .post(&format!("{PATH}?dry_run=true"), changes.clone())
        .await
        .expect(200);
    assert_eq!(dry["rows"][1]["router"]["host_name"], "GoBGP-1");
    assert_eq!(app.count(ROUTERS).await, 0);
    let done = app.post(PATH, changes).await.expect(200);
    assert_eq!(done["rows"][0]["neighbor"]["mgmt_addr"], "192.168.200.103");
    assert_eq!(
        (app.count(ROUTERS).await, app.count(NEIGHBORS).await),
        (1, 1)
    );
}

#[tokio::test]
async fn unique_values_swap() {
    let app = app().await;
    let (one, two) = (app.gobgp(1).await, app.gobgp(2).await);
    let rename = |id: &str, name: &str| json!({ "op": "update", "kind": "router", "id": id, "body": { "host_name": name } });
    let changes = json!({ "changes": [rename(&one, "GoBGP-2"), rename(&two, "GoBGP-1")] });
    app.post(PATH, changes).await.expect(200);
    let shown = app.get(&format!("{ROUTERS}/{one}")).await.expect(200);
    assert_eq!(shown["router"]["host_name"], "GoBGP-2");
}

#[tokio::test]
async fn sister_policies_change_their_action_together() {
    let app = app().await;
    app.gobgp(1).await;
    let mut ids = Vec::new();
    for address in ["172.16.0.2", "172.16.1.2"] {
        let body = json!({
            "host_name": "GoBGP-1", "policy_name": "p", "statement_name": "s",
            "statement_action": "med 1", "apply_direction": "export", "apply_neighbor": address,
        });
        let created = app.post(POLICIES, body).await.expect(201);
        ids.push(
            created["policyinfo"]["id"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    let change = |id: &String| {
        let body = json!({ "statement_action": "med 2" });
        json!({ "op": "update", "kind": "policyinfo", "id": id, "body": body })
    };
    let url = format!("{POLICIES}/{}", ids[0]);
    let alone = json!({ "statement_action": "med 2" });
    app.patch(&url, alone).await.expect(400);
    let changes: Vec<Value> = ids.iter().map(change).collect();
    app.post(PATH, json!({ "changes": changes }))
        .await
        .expect(200);
    let list = app.get(&format!("{POLICIES}?statement_action=med+2")).await;
    assert_eq!(list.header("x-total-count"), "2");
}

#[tokio::test]
async fn one_wrong_change_stops_all_and_every_violation_has_its_place() {
    let app = app().await;
    let changes = json!({ "changes": [
        { "op": "create", "kind": "router", "body": gobgp(1) },
        { "op": "create", "kind": "router", "body": { "host_name": "x y", "local_as": 0 } },
        { "op": "delete", "kind": "router", "id": "absent" },
    ] });
    let reply = app.post(PATH, changes).await;
    assert!(reply.status.is_client_error(), "{}", reply.text);
    assert_eq!(app.count(ROUTERS).await, 0);
    let wrong = json!({ "changes": [
        { "op": "create", "kind": "router", "body": { "host_name": "x y", "local_as": 0,
          "mgmt_addr": "192.0.2.1", "router_id": "10.0.0.1" } },
        { "op": "create", "kind": "router", "body": gobgp(1) },
    ] });
    let pointers = ["/changes/0/body/host_name", "/changes/0/body/local_as"];
    app.post(PATH, wrong)
        .await
        .expect_violations(400, &pointers);
    let alone = json!({ "changes": [{ "op": "create", "kind": "router", "body": 5 }] });
    app.post(PATH, alone)
        .await
        .expect_violations(400, &["/changes/0"]);
}

#[tokio::test]
async fn rules_are_broken_at_the_change_that_breaks_them() {
    let app = app().await;
    let id = app.gobgp(1).await;
    app.neighbor("192.168.0.1").await;
    let create = |kind: &str, body: Value| json!({ "op": "create", "kind": kind, "body": body });
    let policy = |neighbor: &str, action: &str| {
        json!({
            "host_name": "GoBGP-1", "policy_name": "p", "statement_name": "s",
            "statement_action": action, "apply_direction": "export", "apply_neighbor": neighbor,
        })
    };
    let mut anonymous = gobgp(2);
    anonymous["local_as"] = json!(0);
    let changes = json!({ "changes": [
        // A router that is wrong can still be named,
        create("router", anonymous),
        create("neighbor", json!({
            "host_name": "GoBGP-2", "neighbor_addr": "192.168.1.1", "peer_as": 65000
        })),
        // taken names are taken, whatever else is wrong,
        create("router", gobgp(1)),
        create("neighbor", json!({
            "host_name": "GoBGP-3", "neighbor_addr": "192.168.0.1", "peer_as": 0
        })),
        // and what a wrong row means for its sisters can't be known.
        create("policyinfo", policy("10.0.0.1", "nonsense")),
        create("policyinfo", policy("10.0.0.2", "med 1")),
    ] });
    let reply = app.post(PATH, changes).await;
    let pointers = [
        "/changes/0/body/local_as",
        "/changes/2/body/host_name",
        "/changes/2/body/local_as",
        "/changes/2/body/mgmt_addr",
        "/changes/3/body/host_name",
        "/changes/3/body/peer_as",
        "/changes/4/body/statement_action",
    ];
    reply.expect_violations(400, &pointers);
    let changes = json!({ "changes": [
        create("router", gobgp(2)),
        create("router", gobgp(1)),
        { "op": "delete", "kind": "router", "id": id },
    ] });
    app.post(PATH, changes)
        .await
        .expect_violations(409, &["/changes/2"]);
    assert_eq!(app.count(ROUTERS).await, 1);
}

#[tokio::test]
async fn rows_that_refer_to_each_other_go_together_in_any_order() {
    for reversed in [false, true] {
        let app = app().await;
        let router = app.gobgp(1).await;
        let neighbor = app.neighbor("192.168.0.1").await;
        let delete = |kind: &str, id: &str| json!({ "op": "delete", "kind": kind, "id": id });
        let mut changes = vec![delete("router", &router), delete("neighbor", &neighbor)];
        if reversed {
            changes.reverse();
        }
        app.post(PATH, json!({ "changes": changes }))
            .await
            .expect(200);
        let left = app.get(NEIGHBORS).await.expect(200);
        assert_eq!(left["neighbors"][0]["status"], "PENDING_DELETE");
    }
}

#[tokio::test]
async fn nonsense_is_told_at_once() {
    let app = app().await;
    let body = json!({ "change": 1, "changes": [
        5, {}, { "op": "create" }, { "op": "make", "kind": "router", "id": "x" },
        { "op": "update", "kind": "routr", "id": "x", "colour": 1 },
        { "op": "delete", "kind": "router" }, { "op": "delete", "kind": "router", "id": 5 },
        { "op": "delete", "kind": "router", "id": "x", "if_match": "1" },
    ] });
    let told = app.post(PATH, body).await.expect(400);
    insta::assert_json_snapshot!("wrong_transaction", told["violations"]);
    app.post(PATH, json!([]))
        .await
        .expect_violations(400, &[""]);
    app.post(PATH, json!({}))
        .await
        .expect_violations(400, &["/changes"]);
    app.get(PATH).await.expect(405);
}
