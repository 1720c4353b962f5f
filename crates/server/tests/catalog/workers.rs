use super::*;
use sdwan_model::plan::{Effect, OwnedKey, OwnedKind, OwnedRecord, OwnedWrite};

use sdwan_server::catalog::{Marks, Mode, Scope};

#[tokio::test]
async fn status_follows_what_is_known() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    let row = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    assert_eq!(site.status(&row), Some(Status::PendingCreate));
    // The session is seen before it is acknowledged: neither is lost.
    site.reach(id, true).await;
    site.session(id, &row, "UP").await;
    assert_eq!(site.status(&row), Some(Status::PendingCreate));
    site.applied(id).await;
    assert_eq!(site.status(&row), Some(Status::Up));
    assert_eq!(site.status(&router), Some(Status::Active));
    site.session(id, &row, "DOWN").await;
    site.session(id, &row, "UP").await;
    site.session(id, &row, "DOWN").await;
    let shown = site.catalog.get("neighbor", &row.row.id).unwrap();
    assert_eq!(shown.monitoring.unwrap().flaps, 2);
    site.reach(id, false).await;
    assert_eq!(site.status(&row), Some(Status::Unknown));
    assert_eq!(site.status(&router), Some(Status::Unknown));
}

#[tokio::test]
async fn only_what_changes_is_written_and_only_what_is_true() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    site.applied(id).await;
    site.reach(id, true).await;
    let revision = site.catalog.revision();
    site.applied(id).await;
    site.reach(id, true).await;
    assert_eq!(
        site.catalog.revision(),
        revision,
        "nothing new, nothing written"
    );
    let word = |version, kind: &str, of: &str| Report {
        router: id.to_owned(),
        at: site.catalog.revision(),
        verdicts: [(ResourceRef::new(kind, of), Verdict::Applied { version })].into(),
        ..Report::default()
    };
    site.catalog.report(word(9, "router", id)).await.unwrap();
    site.catalog
        .report(word(1, "neighbor", "gone"))
        .await
        .unwrap();
    assert_eq!(
        site.catalog.revision(),
        revision,
        "neither from the future nor of the gone"
    );
    let patch = json!({"local_as": 65009});
    let update = site
        .catalog
        .update("router", id, patch, Mode::Merge, None, false);
    update.await.unwrap();
    assert_eq!(site.status(&router), Some(Status::PendingUpdate));
    site.catalog.report(word(1, "router", id)).await.unwrap();
    assert_eq!(
        site.status(&router),
        Some(Status::PendingUpdate),
        "a late word"
    );
    let failed = Report {
        verdicts: [(
            router.row.reference(),
            Verdict::Failed {
                version: 2,
                reason: "restart gobgpd".into(),
            },
        )]
        .into(),
        ..word(2, "router", id)
    };
    site.catalog.report(failed).await.unwrap();
    let status = site.catalog.get("router", id).unwrap().status.unwrap();
    assert_eq!(
        (status.status, status.reason.as_str()),
        (Status::Failed, "restart gobgpd")
    );
    site.catalog.report(word(2, "router", id)).await.unwrap();
    assert_eq!(site.status(&router), Some(Status::Active));
}

#[tokio::test]
async fn ownership_is_recorded_before_and_settled_after() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    let key = |name: &str| OwnedKey {
        kind: OwnedKind::Policy,
        name: name.into(),
    };
    let record = OwnedRecord {
        owed: [Effect::SoftIn, Effect::SoftOut].into(),
        ..OwnedRecord::default()
    };
    let writes = vec![
        OwnedWrite::Put(key("p/import"), record.clone()),
        OwnedWrite::Put(key("p/export"), record),
    ];
    site.catalog.intents(id, writes).await.unwrap();
    let done = Report {
        router: id.to_owned(),
        at: site.catalog.revision(),
        owned: vec![
            OwnedWrite::Done(key("p/import"), Effect::SoftIn),
            OwnedWrite::Done(key("p/import"), Effect::SoftOut),
            OwnedWrite::Remove(key("p/export")),
        ],
        ..Report::default()
    };
    site.catalog.report(done).await.unwrap();
    let owned = site.catalog.router_view(id).unwrap().owned;
    assert_eq!(owned.len(), 1);
    assert!(owned[&key("p/import")].owed.is_empty());
    let nobody = site
        .catalog
        .intents("gone", vec![OwnedWrite::Remove(key("x"))]);
    assert!(matches!(nobody.await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_change_marks_its_router_and_a_word_on_it_does_not() {
    let site = Site::new().await;
    let mut dirty = site.catalog.dirty();
    assert_eq!(dirty.next().await, Marks::All, "no routers yet");
    let one = site.router(1).await;
    let two = site.router(2).await;
    let both = Marks::Of([one.row.id.clone(), two.row.id.clone()].into());
    assert_eq!(dirty.next().await, both);
    let row = site.create("neighbor", neighbor(2, 1)).await.unwrap();
    let second = Marks::Of([two.row.id.clone()].into());
    assert_eq!(dirty.next().await, second);
    site.applied(&two.row.id).await;
    site.reach(&two.row.id, true).await;
    site.session(&two.row.id, &row, "UP").await;
    let release = sdwan_server::catalog::DeleteOptions::default();
    site.catalog
        .delete("neighbor", &row.row.id, release)
        .await
        .unwrap();
    site.catalog
        .hold(Scope::Router(one.row.id.clone()), "maintenance")
        .await
        .unwrap();
    assert_eq!(dirty.next().await, both);
    site.reach(&two.row.id, false).await;
    site.catalog.hold(Scope::All, "restored").await.unwrap();
    assert_eq!(dirty.next().await, both);
    assert_eq!(site.catalog.dirty().next().await, Marks::All);
}

#[tokio::test]
async fn holds_are_kept_with_their_reason() {
    let site = Site::new().await;
    let id = site.router(1).await.row.id.clone();
    let one = Scope::Router(id.clone());
    let held = || site.catalog.router_view(&id).unwrap().hold;
    assert!(!held());
    site.catalog.hold(one.clone(), "a").await.unwrap();
    site.catalog.hold(Scope::All, "b").await.unwrap();
    assert_eq!(site.catalog.holds()[&one].why, "a");
    site.catalog.resume(one.clone()).await.unwrap();
    assert!(held(), "all are");
    site.catalog.resume(Scope::All).await.unwrap();
    site.catalog.resume(Scope::All).await.unwrap();
    assert!(!held() && site.catalog.holds().is_empty());
    let unknown = site.catalog.hold(Scope::Router("gone".into()), "c").await;
    assert!(matches!(unknown, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn the_address_has_its_port() {
    let site = Site::new().await;
    site.router(1).await;
    assert_eq!(
        site.catalog.routers(|_| false)[0].address,
        "192.168.200.1:50051"
    );
}
