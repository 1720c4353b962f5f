use super::*;
use futures::{FutureExt, StreamExt};
use sdwan_server::catalog::{Changes, DeleteOptions, Marks, What};
use sdwan_store::{Commit, Op, Revision, Store as _};
use std::collections::{BTreeMap, BTreeSet};

/// The events of one revision in short: the kind, and its status or `gone`.
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
    let memory: Arc<dyn sdwan_store::Store> = Arc::new(Memory::new());
    let site = Site::on(Arc::new(Faulty::new(Arc::clone(&memory)))).await;
    let one = site.router(1).await;
    let two = site.router(2).await;
    let row = site.create("neighbor", neighbor(2, 1)).await.unwrap();
    site.reach(&two.row.id, true).await;
    let mut dirty = site.catalog.dirty();
    dirty.next().await;
    let mut changes = site.catalog.changes(site.catalog.revision());

    // Another server writes while this one is cut off, and history is lost.
    let theirs = Arc::new(Faulty::new(Arc::clone(&memory)));
    let other = open(&theirs, Schemas::builtin(), options("second"));
    let other = other.await.unwrap();
    site.store.set_down(true);
    let options = DeleteOptions::default();
    let delete = other.delete("neighbor", &row.row.id, options.clone());
    delete.await.unwrap();
    other.delete("router", &one.row.id, options).await.unwrap();
    let three = other.create("router", router(3), WriteOptions::default());
    let three = three.await.unwrap();
    memory.compact(three.revision).await.unwrap();
    site.store.set_down(false);

    let news = changes.next().await.unwrap().unwrap();
    assert_eq!(news.revision, three.revision, "all at once");
    let told: BTreeSet<String> = short(&news).into_iter().collect();
    let expected = [
        "neighbor PENDING_DELETE",
        "router PENDING_CREATE",
        "router PENDING_DELETE",
    ];
    assert_eq!(told, expected.map(str::to_owned).into());
    let all = [&one, &two, &three].map(|row| row.row.id.clone());
    assert_eq!(dirty.next().await, Marks::Of(all.into()));
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

/// Every row as readers see it.
pub(super) fn shown(catalog: &Catalog) -> BTreeMap<String, String> {
    let kinds = catalog.schemas().iter();
    let rows = kinds.flat_map(|kind| catalog.list(&kind.id));
    rows.map(|row| (row.row.reference().to_string(), text(&row)))
        .collect()
}

fn text(shown: &Shown) -> String {
    format!("{:?} {:?} {:?}", shown.row, shown.status, shown.monitoring)
}

/// What somebody knows who only follows the changes.
#[derive(Default)]
pub(super) struct Seen(BTreeMap<String, String>);

impl Seen {
    pub(super) async fn follow(&mut self, catalog: &Catalog, after: Revision) {
        let mut changes = catalog.changes(after);
        // The stream waits for more once it has told everything.
        while let Some(news) = changes.next().now_or_never().flatten() {
            for event in &news.unwrap().events {
                let name = event.resource.to_string();
                match &event.what {
                    What::Put(shown) => self.0.insert(name, text(shown)),
                    What::Deleted => self.0.remove(&name),
                };
            }
        }
    }

    pub(super) fn rows(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
}
