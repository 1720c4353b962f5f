//! An operator's own kinds: no code, and all of the API.

use crate::harness::{app_with, gobgp, request};
use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

/// Parents, relations, actions, `abstract` and `extends`.
pub const SITES: &str = "
schemas:
- id: named
  type: abstract
  schema:
    propertiesOrder: [id, name]
    required: [name]
    properties:
      id: {title: ID, type: string, permission: [create]}
      name: {title: Name, type: string, unique: true, permission: [create, update]}
- id: site
  singular: site
  plural: sites
  prefix: /v2.0
  extends: [named]
  actions:
    evacuate: {path: /:id/evacuate, method: POST, input: {type: object}}
    census: {path: /census, method: GET}
  schema:
    type: object
    propertiesOrder: [floor, shared, note]
    properties:
      floor: {title: Floor, type: [integer, 'null'], permission: [create, update]}
      shared: {title: Shared, type: boolean, default: false, permission: [create, update]}
      note: {title: Note, type: [string, 'null'], permission: [create, update]}
- id: rack
  singular: rack
  plural: racks
  prefix: /v2.0
  parent: site
  on_parent_delete_cascade: true
  extends: [named]
  schema:
    type: object
    propertiesOrder: [units, router_id, serial, vlan]
    properties:
      units: {title: Units, type: integer, default: 42, minimum: 1, permission: [create]}
      router_id:
        title: Router
        type: [string, 'null']
        relation: router
        relation_property: router
        permission: [create, update]
      serial: {title: Serial, type: [string, 'null'], permission: []}
      vlan: {title: VLAN, type: [string, 'null'], format: port, permission: [create, update]}
- id: desk
  singular: desk
  plural: desks
  prefix: /office/v1
  parent: site
  extends: [named]
  schema: {type: object, properties: {}}
";

const SITE: &str = "/v2.0/sites";
const RACKS: &str = "/v2.0/sites/tokyo/racks";

async fn tokyo() -> crate::harness::App {
    let app = app_with(SITES).await;
    for id in ["tokyo", "osaka"] {
        app.post(SITE, json!({ "id": id, "name": id }))
            .await
            .expect(201);
    }
    app
}

#[tokio::test]
async fn a_kind_of_a_schema_file_is_a_resource() {
    let app = tokyo().await;
    let shown = app.get(&format!("{SITE}/tokyo")).await.expect(200);
    let wanted = json!({
        "site": { "id": "tokyo", "name": "tokyo", "floor": null, "shared": false, "note": null },
    });
    assert_eq!(shown, wanted);
    let again = json!({ "name": "tokyo" });
    app.post(SITE, again)
        .await
        .expect_violations(409, &["/name"]);
    app.get("/v2.0/nameds").await.expect(404);
}

#[tokio::test]
async fn children_live_below_their_parent_and_beside_it() {
    let app = tokyo().await;
    let created = app.post(RACKS, json!({ "id": "r1", "name": "r1" })).await;
    assert_eq!(created.header("location"), "/v2.0/racks/r1");
    let body = created.expect(201);
    assert_eq!(body["rack"]["site_id"], "tokyo");
    assert_eq!(body["rack"]["units"], 42);
    app.post(
        "/v2.0/racks",
        json!({ "id": "r2", "name": "r2", "site_id": "osaka" }),
    )
    .await
    .expect(201);

    assert_eq!(app.count(RACKS).await, 1);
    assert_eq!(app.count("/v2.0/racks").await, 2);
    assert_eq!(app.count("/v2.0/racks?site_id=osaka").await, 1);
    app.get(&format!("{RACKS}/r1")).await.expect(200);
    app.get(&format!("{RACKS}/r2")).await.expect(404);
    app.delete(&format!("{RACKS}/r2")).await.expect(404);
    app.patch(&format!("{RACKS}/r2"), json!({ "vlan": "1" }))
        .await
        .expect(404);
    app.put(&format!("{RACKS}/r2"), json!({ "name": "r2" }))
        .await
        .expect(404);
    app.get("/v2.0/sites/absent/racks").await.expect(404);
    app.post("/v2.0/sites/absent/racks", json!({ "name": "x" }))
        .await
        .expect(404);
    app.put(&format!("{RACKS}/r3"), json!({ "name": "r3" }))
        .await
        .expect(201);
    assert_eq!(app.count(RACKS).await, 2);
    app.delete(&format!("{RACKS}/r3")).await.expect(204);
}

#[tokio::test]
async fn a_child_without_its_parent_is_refused() {
    let app = tokyo().await;
    app.post("/v2.0/racks", json!({ "name": "x" }))
        .await
        .expect_violations(400, &["/site_id"]);
    let absent = json!({ "name": "x", "site_id": "absent" });
    app.post("/v2.0/racks", absent)
        .await
        .expect_violations(400, &["/site_id"]);
    let other = json!({ "name": "x", "site_id": "osaka" });
    app.post(RACKS, other)
        .await
        .expect_violations(400, &["/site_id"]);
}

#[tokio::test]
async fn deleting_a_parent_takes_along_the_children_that_say_so() {
    let app = tokyo().await;
    app.post(RACKS, json!({ "id": "r1", "name": "r1" }))
        .await
        .expect(201);
    app.delete(&format!("{SITE}/tokyo")).await.expect(204);
    app.get("/v2.0/racks/r1").await.expect(404);
    app.post(
        "/office/v1/desks",
        json!({ "name": "d", "site_id": "osaka" }),
    )
    .await
    .expect(201);
    app.delete(&format!("{SITE}/osaka")).await.expect(409);
}

#[tokio::test]
async fn a_child_with_another_prefix_is_below_both() {
    let app = tokyo().await;
    app.post("/office/v1/sites/tokyo/desks", json!({ "name": "d1" }))
        .await
        .expect(201);
    app.post("/v2.0/sites/tokyo/desks", json!({ "name": "d2" }))
        .await
        .expect(201);
    assert_eq!(app.count("/office/v1/desks").await, 2);
    app.get("/v2.0/desks").await.expect(404);
}

#[tokio::test]
async fn a_relation_shows_the_row_that_it_names() {
    let app = tokyo().await;
    let router = app.gobgp(1).await;
    let created = app
        .post(
            RACKS,
            json!({ "id": "r1", "name": "r1", "router_id": router }),
        )
        .await;
    let body = created.expect(201);
    assert_eq!(body["rack"]["router_id"], router.as_str());
    assert_eq!(body["rack"]["router"]["host_name"], "GoBGP-1");
    let none = app.post(RACKS, json!({ "name": "r2" })).await.expect(201);
    assert_eq!(none["rack"]["router"], Value::Null);
    let absent = json!({ "name": "r3", "router_id": "absent" });
    let told = app
        .post(RACKS, absent)
        .await
        .expect_violations(400, &["/router_id"]);
    assert!(
        told["error"]
            .as_str()
            .is_some_and(|e| e.contains("does not exist")),
        "{told}"
    );
    let refused = app
        .delete(&format!("/v2.0/routers/{router}"))
        .await
        .expect(409);
    insta::assert_json_snapshot!("still_referenced", refused);
}

#[tokio::test]
async fn permissions_and_formats_hold() {
    let app = tokyo().await;
    app.post(
        RACKS,
        json!({ "id": "r1", "name": "r1", "units": 12, "vlan": "80" }),
    )
    .await
    .expect(201);
    let url = "/v2.0/racks/r1";
    app.patch(url, json!({ "units": 13 }))
        .await
        .expect_violations(400, &["/units"]);
    app.patch(url, json!({ "serial": "x" }))
        .await
        .expect_violations(400, &["/serial"]);
    app.patch(url, json!({ "vlan": "65536" }))
        .await
        .expect_violations(400, &["/vlan"]);
    app.patch(url, json!({ "vlan": null })).await.expect(200);
}

#[tokio::test]
async fn declared_actions_are_there_and_answer_501() {
    let app = tokyo().await;
    let told = app
        .post(&format!("{SITE}/tokyo/evacuate"), json!({}))
        .await
        .expect(501);
    insta::assert_json_snapshot!("action", told);
    app.get(&format!("{SITE}/census")).await.expect(501);
    let get = app.get(&format!("{SITE}/tokyo/evacuate")).await;
    assert_eq!(get.header("allow"), "POST, OPTIONS");
    get.expect(405);
    let reply = app
        .send(request(
            Method::POST,
            &format!("{SITE}/tokyo/nonsense"),
            Body::empty(),
        ))
        .await;
    reply.expect(404);
}

#[tokio::test]
async fn own_kinds_show_no_status_of_a_worker() {
    let app = tokyo().await;
    let site = app.get(&format!("{SITE}/tokyo")).await.expect(200);
    assert!(site["site"].get("status").is_none(), "{site}");
    app.delete(&format!("{SITE}/tokyo")).await.expect(204);
    app.get(&format!("{SITE}/tokyo")).await.expect(404);
    app.post("/v2.0/routers", gobgp(1)).await.expect(201);
}

#[tokio::test]
async fn siblings_that_refer_to_each_other_go_with_their_parent() {
    let schemas = "
schemas:
- {id: site, singular: site, plural: sites, schema: {properties: {}}}
- id: link
  singular: link
  plural: links
  parent: site
  on_parent_delete_cascade: true
  schema:
    properties:
      twin_id: {type: [string, 'null'], relation: link}
";
    let app = app_with(schemas).await;
    app.post("/sites", json!({ "id": "s" })).await.expect(201);
    for (id, twin) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
        let body = json!({ "id": id, "twin_id": twin });
        app.post("/sites/s/links", body).await.expect(201);
    }
    app.patch("/links/a", json!({ "twin_id": "c" }))
        .await
        .expect(200);
    app.delete("/sites/s").await.expect(204);
    assert_eq!(app.count("/links").await, 0);
}
