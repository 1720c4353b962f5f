use super::*;
use sdwan_model::plan::{OwnedKey, OwnedKind, OwnedRecord, OwnedWrite};
use sdwan_server::catalog::DeleteOptions;
use sdwan_store::faults::Fault;

fn peer(name: &str) -> OwnedKey {
    OwnedKey {
        kind: OwnedKind::Peer,
        name: name.into(),
    }
}

async fn delete(site: &Site, row: &Shown) -> Result<(), Error> {
    let options = DeleteOptions::default();
    site.catalog
        .delete(&row.row.kind, &row.row.id, options)
        .await
}

fn cascade(force: bool) -> DeleteOptions {
    DeleteOptions {
        cascade: true,
        force,
        ..DeleteOptions::default()
    }
}

#[tokio::test]
async fn a_deleted_row_waits_for_its_router() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let row = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    delete(&site, &row).await.unwrap();
    assert_eq!(site.status(&row), Some(Status::PendingDelete));
    delete(&site, &row).await.expect("again is no error");
    let view = site.catalog.router_view(&router.row.id).unwrap();
    assert!(view.inputs.neighbors.is_empty());
    assert_eq!(view.deleting.len(), 1);
    site.applied(&router.row.id).await;
    assert!(site.catalog.get("neighbor", &row.row.id).is_none());
    assert!(matches!(delete(&site, &row).await, Err(Error::NotFound(_))));
    let left = site.dump().await;
    assert!(
        !left.iter().any(|line| line.contains(&row.row.id)),
        "{left:#?}"
    );
}

#[tokio::test]
async fn what_is_declared_again_meanwhile_takes_over() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let old = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let owned = vec![OwnedWrite::Put(peer("172.16.0.2"), OwnedRecord::default())];
    site.catalog.intents(&router.row.id, owned).await.unwrap();
    delete(&site, &old).await.unwrap();
    let new = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    assert_ne!(new.row.id, old.row.id);
    assert!(
        site.catalog.get("neighbor", &old.row.id).is_none(),
        "nothing to wait for"
    );
    let view = site.catalog.router_view(&router.row.id).unwrap();
    assert!(view.deleting.is_empty());
    assert!(
        view.owned.contains_key(&peer("172.16.0.2")),
        "what is there stays ours"
    );
}

#[tokio::test]
async fn a_late_word_on_the_old_row_does_not_touch_the_new_one() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = "0483728d-546a-47d7-99ce-6734aa853c1e";
    let put = || {
        let options = WriteOptions::default();
        site.catalog
            .upsert("neighbor", id, neighbor(1, 1), None, options)
    };
    let (old, _) = put().await.unwrap();
    let pass = site.catalog.router_view(&router.row.id).unwrap();
    delete(&site, &old).await.unwrap();
    let (new, created) = put().await.unwrap();
    assert!(created);
    delete(&site, &new).await.unwrap();
    put().await.unwrap();
    delete(&site, &new).await.unwrap();
    // The pass that began with the first of them reports only now.
    let late = Report {
        router: router.row.id.clone(),
        at: pass.revision,
        verdicts: [(old.row.reference(), Verdict::Applied { version: 1 })].into(),
        released: vec![old.row.reference()],
        ..Report::default()
    };
    site.catalog.report(late.clone()).await.unwrap();
    assert_eq!(
        site.status(&new),
        Some(Status::PendingDelete),
        "not released"
    );
    put().await.unwrap();
    site.catalog.report(late).await.unwrap();
    assert_eq!(
        site.status(&new),
        Some(Status::PendingCreate),
        "not applied"
    );
}

#[tokio::test]
async fn a_router_with_neighbors_stays_unless_cascading() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let row = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let policy = site.create("policyinfo", policy(1, "s")).await.unwrap();
    let Err(Error::Conflict(violations)) = delete(&site, &router).await else {
        panic!("it is referred to");
    };
    assert!(
        violations[0].message.contains(&row.row.id),
        "{violations:?}"
    );
    let id = router.row.id.as_str();
    site.catalog
        .delete("router", id, cascade(false))
        .await
        .unwrap();
    for row in [&router, &row, &policy] {
        assert_eq!(site.status(row), Some(Status::PendingDelete));
    }
    assert_eq!(site.catalog.routers(|_| false).len(), 1, "still has work");
    let view = site.catalog.router_view(id).unwrap();
    assert!(view.inputs.router.is_none());
    assert_eq!(view.deleting.len(), 3);
    site.applied(id).await;
    assert!(site.catalog.routers(|_| false).is_empty());
    assert_nothing_is_left(&site).await;
}

/// But the store's own matters.
async fn assert_nothing_is_left(site: &Site) {
    let mut left = site.dump().await;
    left.retain(|entry| !entry.starts_with("/meta/"));
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_router_gone_for_good_is_forgotten_with_all_that_it_owned() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let owned =
        (0..10).map(|n| OwnedWrite::Put(peer(&format!("172.16.0.{n}")), OwnedRecord::default()));
    site.catalog.intents(id, owned.collect()).await.unwrap();
    site.reach(id, false).await;
    // First as usual; then, since nothing happens, for good.
    site.catalog
        .delete("router", id, cascade(false))
        .await
        .unwrap();
    site.catalog
        .delete("router", id, cascade(true))
        .await
        .unwrap();
    assert_nothing_is_left(&site).await;
    // And at once.
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let owned = vec![OwnedWrite::Put(peer("172.16.0.9"), OwnedRecord::default())];
    site.catalog.intents(id, owned).await.unwrap();
    site.catalog
        .delete("router", id, cascade(true))
        .await
        .unwrap();
    assert_nothing_is_left(&site).await;
}

#[tokio::test]
async fn a_router_declared_again_meanwhile_keeps_what_it_has() {
    let site = Site::new().await;
    let old = site.router(1).await;
    site.create("neighbor", neighbor(1, 1)).await.unwrap();
    site.create("neighbor", neighbor(1, 2)).await.unwrap();
    let owned = vec![OwnedWrite::Put(peer("172.16.0.2"), OwnedRecord::default())];
    site.catalog
        .intents(&old.row.id, owned.clone())
        .await
        .unwrap();
    let pass = site.catalog.router_view(&old.row.id).unwrap();
    site.catalog
        .delete("router", &old.row.id, cascade(false))
        .await
        .unwrap();
    let new = site.router(1).await;
    site.create("neighbor", neighbor(1, 1)).await.unwrap();
    let view = site.catalog.router_view(&new.row.id).unwrap();
    assert!(view.owned.contains_key(&peer("172.16.0.2")));
    assert_eq!(view.inputs.neighbors.len(), 1);
    assert_eq!(
        view.deleting.len(),
        1,
        "the one that was not declared again"
    );
    assert!(site.catalog.router_view(&old.row.id).is_none());
    // A pass under the old id finds out before it sends anything.
    let late = site.catalog.intents(&old.row.id, owned).await;
    assert!(matches!(late, Err(Error::NotFound(_))));
    drop(pass);
}

#[tokio::test]
async fn a_cascade_too_large_for_one_commit_goes_in_several() {
    const NEIGHBORS: u32 = 1200;
    let site = Site::new().await;
    let router = site.router(1).await;
    let other = site.router(2).await;
    for n in 0..NEIGHBORS {
        site.create("neighbor", neighbor(1, n)).await.unwrap();
    }
    site.create("neighbor", neighbor(2, 1)).await.unwrap();
    let id = router.row.id.as_str();
    site.catalog
        .delete("router", id, cascade(false))
        .await
        .unwrap();
    let view = site.catalog.router_view(id).unwrap();
    assert_eq!(view.deleting.len(), NEIGHBORS as usize + 1);
    assert_eq!(site.status(&router), Some(Status::PendingDelete));
    site.applied(id).await;
    assert_eq!(site.catalog.list("router").len(), 1);
    assert_eq!(site.catalog.list("neighbor").len(), 1);
    let view = site.catalog.router_view(&other.row.id).unwrap();
    assert_eq!(view.inputs.neighbors.len(), 1);
    let left = site.dump().await;
    assert!(!left.iter().any(|line| line.contains(id)), "{left:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_cascade_that_was_cut_off_is_finished_by_the_next_server() {
    const NEIGHBORS: u32 = 1100;
    let site = Site::new().await;
    let router = site.router(1).await;
    for n in 0..NEIGHBORS {
        site.create("neighbor", neighbor(1, n)).await.unwrap();
    }
    let id = router.row.id.as_str();
    // The mark and a first part get through, then the store is gone.
    site.store
        .next_commits([None, None, Some(Fault::Unavailable)]);
    let cut_off = site.catalog.delete("router", id, cascade(false)).await;
    assert!(matches!(cut_off, Err(Error::Store(_))));
    assert_eq!(site.status(&router), Some(Status::PendingDelete));
    let view = site.catalog.router_view(id).unwrap();
    assert!(view.inputs.router.is_none() && view.inputs.neighbors.is_empty());
    let adopted = site.create("neighbor", neighbor(1, NEIGHBORS)).await;
    assert!(matches!(adopted, Err(Error::Invalid(_))), "{adopted:?}");
    let patch = json!({"local_as": 7});
    let merge = sdwan_server::catalog::Mode::Merge;
    let changed = site.catalog.update("router", id, patch, merge, None, false);
    assert!(matches!(changed.await, Err(Error::Conflict(_))));
    assert!(matches!(
        site.create("router", super::router(1)).await,
        Err(Error::Conflict(_))
    ));

    let next = site.again("second").await;
    let mut revision = next.revision();
    let all = NEIGHBORS as usize + 1;
    while next.router_view(id).unwrap().deleting.len() < all {
        revision.0 += 1;
        next.wait_for(revision).await;
    }
    let left = site.dump().await;
    let live = |line: &&String| line.starts_with("/config") || line.starts_with("/index");
    assert_eq!(left.iter().find(live), None);
}
