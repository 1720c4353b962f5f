use super::gated::{Gate, Gated};
use super::*;
use futures::future::join_all;
use sdwan_server::catalog::{DeleteOptions, Mode};
use sdwan_store::faults::Fault;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_that_want_a_name_one_gets_it() {
    let site = Arc::new(Site::new().await);
    let tasks = (0..100).map(|n| {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let mut body = router(n);
            body["host_name"] = json!("wanted");
            site.create("router", body).await
        })
    });
    let results: Vec<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    for result in results {
        assert!(
            matches!(result, Ok(_) | Err(Error::Conflict(_))),
            "{result:?}"
        );
    }
    assert_eq!(site.catalog.list("router").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_of_neighbors_does_not_conflict() {
    let site = Arc::new(Site::new().await);
    site.router(1).await;
    let before = site.catalog.revision();
    let tasks = (0..200).map(|n| {
        let site = Arc::clone(&site);
        tokio::spawn(async move { site.create("neighbor", neighbor(1, n)).await })
    });
    for result in join_all(tasks).await {
        result.unwrap().unwrap();
    }
    assert_eq!(site.catalog.list("neighbor").len(), 200);
    assert_eq!(site.catalog.revision().0, before.0 + 200, "one commit each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_one_of_many_updates_of_a_row_counts() {
    let site = Arc::new(Site::new().await);
    let id = site.router(1).await.row.id.clone();
    let tasks = (0..50).map(|n| {
        let (site, id) = (Arc::clone(&site), id.clone());
        tokio::spawn(async move {
            let patch = json!({"local_as": 1000 + n});
            let catalog = &site.catalog;
            catalog
                .update("router", &id, patch, Mode::Merge, None, false)
                .await
        })
    });
    for result in join_all(tasks).await {
        result.unwrap().unwrap();
    }
    assert_eq!(site.catalog.get("router", &id).unwrap().row.version, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_neighbor_outlives_its_router() {
    for _ in 0..20 {
        let site = Arc::new(Site::new().await);
        let id = site.router(1).await.row.id.clone();
        let delete = site.catalog.delete("router", &id, DeleteOptions::default());
        let create = site.create("neighbor", neighbor(1, 1));
        let (deleted, created) = tokio::join!(delete, create);
        assert!(
            deleted.is_ok() != created.is_ok(),
            "{deleted:?} {created:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_resolved_before_answering() {
    let site = Site::new().await;
    site.store.next_commits([Some(Fault::LostAnswer)]);
    let first = site.router(1).await;
    assert_eq!(first.row.version, 1);
    site.store
        .next_commits([Some(Fault::LostRequest), Some(Fault::LostAnswer)]);
    let second = site.router(2).await;
    assert_eq!(site.catalog.list("router").len(), 2);
    site.store.next_commits([Some(Fault::LostAnswer)]);
    let patch = json!({"local_as": 7});
    let id = second.row.id.as_str();
    let updated = site
        .catalog
        .update("router", id, patch, Mode::Merge, None, false);
    assert_eq!(updated.await.unwrap().row.version, 2, "once, not twice");
    site.store.next_commits([Some(Fault::Unavailable)]);
    assert!(matches!(
        site.create("router", router(3)).await,
        Err(Error::Store(_))
    ));
    assert_eq!(site.catalog.list("router").len(), 2);
}

#[tokio::test]
async fn two_servers_on_one_store_are_never_both_right() {
    let site = Site::new().await;
    let other = site.again("second").await;
    let options = WriteOptions::default;
    let mut rival = router(1);
    rival["mgmt_addr"] = json!("192.168.200.9");
    rival["router_id"] = json!("10.0.1.9");
    let (here, there) = tokio::join!(
        site.catalog.create("router", router(1), options()),
        other.create("router", rival, options()),
    );
    assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
    // What one writes the other reads, and refers to.
    let revision = site.catalog.revision();
    other.wait_for(revision).await;
    let created = other
        .create("neighbor", neighbor(1, 1), options())
        .await
        .unwrap();
    site.catalog.wait_for(created.revision).await;
    assert_eq!(site.catalog.list("neighbor").len(), 1);
}

/// A commit's answer comes late: whoever is quicker changes the row before
/// its writer is told of it.
#[tokio::test]
async fn a_write_is_answered_with_what_it_made() {
    for then in ["deleted", "changed"] {
        let gated = Arc::new(Gated::new(Arc::new(Memory::new())));
        let site = Site::on(Arc::new(Faulty::new(gated.clone()))).await;
        let other = site.again("second").await;
        let (writer, open) = (site.catalog.clone(), gated.clone());
        let gate: Gate = Arc::new(move |place| {
            let (writer, other, open) = (writer.clone(), other.clone(), open.clone());
            Box::pin(async move {
                if place == "after a commit" {
                    open.gate(None);
                    overtake(&other, then).await;
                    writer.wait_for(other.revision()).await;
                }
            })
        });
        gated.gate(Some(gate));
        let created = site.router(1).await;
        let (version, local_as) = (created.row.version, created.row.body.get("local_as"));
        assert_eq!((version, local_as), (1, Some(&json!(65001))), "{then}");
    }
}

/// Finds the only router, and leaves it another way.
async fn overtake(catalog: &Arc<Catalog>, then: &str) {
    while catalog.list("router").is_empty() {
        tokio::task::yield_now().await;
    }
    let id = catalog.list("router")[0].row.id.clone();
    if then == "deleted" {
        let options = DeleteOptions {
            force: true,
            ..DeleteOptions::default()
        };
        return catalog.delete("router", &id, options).await.unwrap();
    }
    let patch = json!({"local_as": 7});
    let update = catalog.update("router", &id, patch, Mode::Merge, None, false);
    update.await.unwrap();
}
