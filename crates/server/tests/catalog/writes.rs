use super::*;
use sdwan_server::catalog::{Change, Mode};

#[tokio::test]
async fn a_row_is_created_changed_and_read() {
    let site = Site::new().await;
    let created = site.router(1).await;
    assert_eq!(created.row.version, 1);
    assert_eq!(site.status(&created), Some(Status::PendingCreate));
    assert_eq!(created.row.body["id"], created.row.id.as_str());

    let patch = json!({"local_as": 65009});
    let id = created.row.id.as_str();
    let update = |patch, if_match, dry_run| {
        let catalog = &site.catalog;
        catalog.update("router", id, patch, Mode::Merge, if_match, dry_run)
    };
    let tried = update(patch.clone(), None, true).await.unwrap();
    assert_eq!(
        (tried.row.version, &tried.row.body["local_as"]),
        (2, &json!(65009))
    );
    assert_eq!(site.catalog.get("router", id).unwrap().row, created.row);

    let changed = update(patch.clone(), Some(1), false).await.unwrap();
    assert_eq!(changed.row.version, 2);
    assert_eq!(
        changed.row.created, created.row.created,
        "the order of creation stays"
    );
    let late = update(patch.clone(), Some(1), false).await.unwrap_err();
    assert!(matches!(
        late,
        Error::VersionMismatch {
            expected: 1,
            actual: 2,
            ..
        }
    ));

    let revision = site.catalog.revision();
    let same = update(patch, None, false).await.unwrap();
    assert_eq!(same.row.version, 2, "what changes nothing makes no version");
    assert_eq!(site.catalog.revision(), revision);

    let by_name = site.catalog.resolve("router", "GoBGP-1").unwrap();
    assert_eq!(by_name.row.id, id);
    assert!(matches!(
        site.catalog.resolve("router", "GoBGP-9"),
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn put_creates_and_replaces() {
    let site = Site::new().await;
    let id = "0483728d-546a-47d7-99ce-6734aa853c1e";
    let put = |body| {
        site.catalog
            .upsert("router", id, body, None, WriteOptions::default())
    };
    let (shown, created) = put(router(1)).await.unwrap();
    assert!(created && shown.row.id == id && shown.row.version == 1);
    let mut body = router(1);
    body["gobgp_version"] = json!("4.8");
    let (shown, created) = put(body).await.unwrap();
    assert!(!created && shown.row.version == 2);
    let (shown, _) = put(router(1)).await.unwrap();
    assert!(
        shown.row.text("gobgp_version").is_none(),
        "goes back to its default"
    );
    let with_id = json!({"id": "0483728d-546a-47d7-99ce-6734aa853c1f"});
    assert!(matches!(put(with_id).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn every_violation_at_once_and_nothing_stored() {
    let site = Site::new().await;
    site.router(1).await;
    let before = site.dump().await;
    let bad = json!({"host_name": "GoBGP-9", "neighbor_addr": "10.0.0.01", "peer_as": 0, "x": 1});
    let Err(Error::Invalid(violations)) = site.create("neighbor", bad).await else {
        panic!("it is wrong");
    };
    assert!(violations.len() >= 3, "{violations:?}");
    let orphan = neighbor(9, 1);
    let Err(Error::Invalid(violations)) = site.create("neighbor", orphan).await else {
        panic!("it has no router");
    };
    assert_eq!(violations[0].pointer, "/host_name");
    assert!(matches!(
        site.create("router", router(1)).await,
        Err(Error::Conflict(_))
    ));
    assert!(matches!(
        site.create("heron", router(1)).await,
        Err(Error::NotFound(_))
    ));
    let mut slash = router(2);
    slash["id"] = json!("a/b");
    assert!(matches!(
        site.create("router", slash).await,
        Err(Error::Invalid(_))
    ));
    assert_eq!(site.dump().await, before);
}

#[tokio::test]
async fn unique_values_swap_in_a_transaction() {
    let site = Site::new().await;
    let (one, two) = (site.router(1).await, site.router(2).await);
    let neighbor = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let rename = |row: &Shown, name: &str| Change::Update {
        kind: "router".into(),
        id: row.row.id.clone(),
        patch: json!({"host_name": name}),
        mode: Mode::Merge,
        if_match: None,
    };
    let alone = site
        .catalog
        .transact(vec![rename(&one, "GoBGP-2")], false)
        .await;
    assert!(matches!(alone, Err(Error::Conflict(_))));
    let swap = vec![rename(&one, "GoBGP-2"), rename(&two, "GoBGP-1")];
    let rows = site.catalog.transact(swap, false).await.unwrap();
    assert_eq!(
        rows[0].as_ref().unwrap().row.text("host_name"),
        Some("GoBGP-2")
    );
    let found = site.catalog.resolve("router", "GoBGP-1").unwrap();
    assert_eq!(found.row.id, two.row.id);
    // The neighbor stays with its router, whatever that is called now.
    let view = site.catalog.router_view(&one.row.id).unwrap();
    assert_eq!(view.inputs.neighbors.len(), 1);
    assert_eq!(view.inputs.neighbors[0].id, neighbor.row.id);
    assert_eq!(view.inputs.neighbors[0].text("host_name"), Some("GoBGP-2"));
    // And two that swap into the same name are refused.
    let clash = vec![rename(&one, "GoBGP-7"), rename(&two, "GoBGP-7")];
    assert!(matches!(
        site.catalog.transact(clash, false).await,
        Err(Error::Conflict(_))
    ));
}

#[tokio::test]
async fn a_renamed_router_keeps_its_rows_and_their_versions() {
    let site = Site::new().await;
    let one = site.router(1).await;
    let before = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let policy = site.create("policyinfo", policy(1, "s")).await.unwrap();
    site.applied(&one.row.id).await;
    site.reach(&one.row.id, true).await;
    let patch = json!({"host_name": "edge-1", "mgmt_addr": "192.168.200.99"});
    let update = site
        .catalog
        .update("router", &one.row.id, patch, Mode::Merge, None, false);
    update.await.unwrap();
    let after = site.catalog.get("neighbor", &before.row.id).unwrap();
    assert_eq!(after.row.text("host_name"), Some("edge-1"));
    assert_eq!(after.row.text("mgmt_addr"), Some("192.168.200.99"));
    assert_eq!(after.row.version, before.row.version);
    assert_eq!(site.status(&policy), Some(Status::Active));
    let gone = site.create("neighbor", neighbor(1, 2)).await;
    assert!(
        matches!(gone, Err(Error::Invalid(_))),
        "the old name is nobody's"
    );
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_names_the_change() {
    let site = Site::new().await;
    let create = |kind: &str, body| Change::Create {
        kind: kind.into(),
        body,
        parent: None,
    };
    let changes = vec![create("router", router(1)), create("neighbor", json!({}))];
    let Err(Error::Invalid(violations)) = site.catalog.transact(changes, false).await else {
        panic!("the second is wrong");
    };
    assert!(
        violations.iter().all(|v| v.pointer.starts_with("/1")),
        "{violations:?}"
    );
    assert!(site.catalog.list("router").is_empty());
    // A router and its neighbor arrive together, in any order.
    let changes = vec![
        create("neighbor", neighbor(1, 1)),
        create("router", router(1)),
    ];
    assert_eq!(
        site.catalog.transact(changes, false).await.unwrap().len(),
        2
    );
    let router = site.catalog.resolve("router", "GoBGP-1").unwrap();
    let view = site.catalog.router_view(&router.row.id).unwrap();
    assert_eq!(view.inputs.neighbors.len(), 1);
}

#[tokio::test]
async fn sisters_must_agree_also_when_they_come_at_once() {
    let site = Site::new().await;
    site.router(1).await;
    let (mut a, mut b) = (policy(1, "s"), policy(1, "s"));
    site.create("neighbor", neighbor(1, 1)).await.unwrap();
    a["apply_neighbor"] = json!("172.16.0.2");
    b["statement_action"] = json!("med 20");
    let (a, b) = tokio::join!(site.create("policyinfo", a), site.create("policyinfo", b));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
}
