use super::*;
use futures::StreamExt;
use sdwan_server::catalog::{Changes, DeleteOptions, What};
use sdwan_store::{Commit, Op, Revision, Store as _};

/// The events of one revision in short: `put neighbor ID` or `deleted ...`.
fn short(changes: &Changes) -> Vec<String> {
    let events = changes.events.iter();
    events
        .map(|event| match &event.what {
            What::Put(shown) => {
                let status = shown.status.as_ref().map(|s| s.status.as_str());
                format!("{} {}", event.resource.kind, status.unwrap_or("-"))
            }
            What::Deleted => format!("{} gone", event.resource.kind),
        })
        .collect()
}

#[tokio::test]
async fn a_watcher_sees_every_revision_once_and_resumes() {
    let site = Site::new().await;
    let start = site.catalog.revision();
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    let row = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    site.applied(id).await;
    site.reach(id, true).await;
    site.catalog
        .delete("neighbor", &row.row.id, DeleteOptions::default())
        .await
        .unwrap();
    site.applied(id).await;
    let seen: Vec<_> = site
        .catalog
        .changes(start)
        .take(6)
        .map(Result::unwrap)
        .collect()
        .await;
    let told: Vec<_> = seen
        .iter()
        .map(|changes| short(changes).join(", "))
        .collect();
    assert_eq!(
        told,
        [
            "router PENDING_CREATE",
            "neighbor PENDING_CREATE",
            "neighbor UNKNOWN, router UNKNOWN",
            "neighbor DOWN, router ACTIVE",
            "neighbor PENDING_DELETE",
            "neighbor gone",
        ]
    );
    let resumed: Vec<_> = site
        .catalog
        .changes(seen[3].revision)
        .take(2)
        .collect()
        .await;
    assert_eq!(resumed[0].as_ref().unwrap().revision, seen[4].revision);
    let future = Revision(site.catalog.revision().0 + 1);
    let mut other = site.catalog.changes(future);
    assert!(other.next().await.unwrap().is_err(), "from another store");
    assert!(other.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_broken_watch_goes_on_unnoticed() {
    let site = Site::new().await;
    let mut changes = site.catalog.changes(site.catalog.revision());
    site.router(1).await;
    site.store.cut_watches();
    site.router(2).await;
    for _ in 0..2 {
        assert_eq!(short(&changes.next().await.unwrap().unwrap()).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn after_compaction_the_differences_are_told() {
    let site = Site::new().await;
    let one = site.router(1).await;
    let two = site.router(2).await;
    let row = site.create("neighbor", neighbor(2, 1)).await.unwrap();
    let mut dirty = site.catalog.dirty();
    dirty.next().await;
    let mut changes = site.catalog.changes(site.catalog.revision());

    // Another server writes while this one is cut off, and history is lost.
    let memory = Arc::clone(&site.store);
    let other = site.again("second").await;
    memory.set_down(true);
    memory.set_down(false);
    let options = DeleteOptions::default();
    other
        .delete("neighbor", &row.row.id, options.clone())
        .await
        .unwrap();
    other.delete("router", &one.row.id, options).await.unwrap();
    let three = other
        .create("router", router(3), WriteOptions::default())
        .await
        .unwrap();
    site.store.compact(three.revision).await.unwrap();

    let news = changes.next().await.unwrap().unwrap();
    assert_eq!(
        short(&news),
        [
            "neighbor PENDING_DELETE",
            "router PENDING_DELETE",
            "router PENDING_CREATE"
        ],
        "{:?}",
        news.events
            .iter()
            .map(|e| e.resource.to_string())
            .collect::<Vec<_>>()
    );
    let all = [&one, &two, &three].map(|row| row.row.id.clone());
    assert_eq!(dirty.next().await, all.into());
    assert_eq!(site.dump().await.len(), site.dump().await.len());
    assert_eq!(rows(&site.catalog), rows(&other));
}

#[tokio::test]
async fn a_foreign_word_of_gohans_shape_counts_and_nonsense_does_not_hurt() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let id = router.row.id.as_str();
    site.reach(id, true).await;
    let say = |value: &str| {
        let store = Arc::clone(&site.store);
        let op = Op::put(format!("/state/v2.0/routers/{id}"), value);
        async move {
            let commit = Commit {
                id: Uuid::from_u128(IDS.fetch_add(1, Ordering::Relaxed).into()),
                when: Vec::new(),
                then: vec![op],
            };
            store.commit(commit).await.unwrap();
            store.list("/meta").await.unwrap().revision
        }
    };
    let at = say(r#"{"version": 1, "error": "", "state": "ACTIVE"}"#).await;
    site.catalog.wait_for(at).await;
    assert_eq!(site.status(&router), Some(Status::Active));
    let at = say("{nonsense").await;
    site.catalog.wait_for(at).await;
    assert_eq!(
        site.status(&router),
        Some(Status::Active),
        "what was known stays"
    );
}

pub(super) fn rows(catalog: &Catalog) -> Vec<String> {
    let kinds = catalog.schemas().iter();
    kinds
        .flat_map(|kind| catalog.list(&kind.id))
        .map(|shown| format!("{:?}", shown.row))
        .collect()
}
