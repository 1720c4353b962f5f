use super::*;
use sdwan_model::document::Document;
use sdwan_server::catalog::DeleteOptions;
use sdwan_store::faults::Fault;
use sdwan_store::{Commit, Op, Store as _};

const SITES: &str = "
schemas:
- id: site
  singular: site
  plural: sites
  prefix: /v2.0
  title: Site
  schema:
    type: object
    required: [name]
    properties:
      name: {title: Name, type: string, unique: true}
      note: {title: Note, type: [string, 'null']}
- id: rack
  singular: rack
  plural: racks
  prefix: /v2.0
  title: Rack
  parent: site
  on_parent_delete_cascade: true
  schema:
    type: object
    properties:
      label: {title: Label, type: [string, 'null']}
      router: {title: Router, type: [string, 'null'], relation: router}
";

fn schemas(text: &str) -> Schemas {
    Schemas::load(&[Document::parse("site.yaml", text).unwrap()]).unwrap()
}

async fn put(store: &Faulty, key: &str, value: &str) {
    let commit = Commit {
        id: Uuid::from_u128(IDS.fetch_add(1, Ordering::Relaxed).into()),
        when: Vec::new(),
        then: vec![Op::put(key, value)],
    };
    store.commit(commit).await.unwrap();
}

async fn refusal(store: &Arc<Faulty>, schemas: Schemas) -> String {
    match open(store, schemas, options("second")).await {
        Err(Error::Open(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}

#[tokio::test]
async fn a_restart_gives_the_same_state() {
    let site = Site::new().await;
    let one = site.router(1).await;
    site.router(2).await;
    let row = site.create("neighbor", neighbor(1, 1)).await.unwrap();
    site.create("policyinfo", policy(1, "s")).await.unwrap();
    let gone = site.create("neighbor", neighbor(1, 2)).await.unwrap();
    site.applied(&one.row.id).await;
    site.reach(&one.row.id, true).await;
    site.session(&one.row.id, &row, "UP").await;
    let delete = site
        .catalog
        .delete("neighbor", &gone.row.id, DeleteOptions::default());
    delete.await.unwrap();
    let revision = site.catalog.revision();
    let again = site.again("second").await;
    assert_eq!(mirror::rows(&again), mirror::rows(&site.catalog));
    assert_eq!(again.revision(), revision, "a start writes nothing");
    assert_eq!(
        status(&again, &gone.row.reference()),
        Some(Status::PendingDelete)
    );
    // What another process saw of a router proves nothing now.
    assert_eq!(status(&again, &row.row.reference()), Some(Status::Unknown));
    assert_eq!(site.status(&row), Some(Status::Up));
}

#[tokio::test]
async fn a_new_store_gets_its_format_and_key_though_commits_get_lost() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    // Each commit once on its way there and once on its way back.
    let lost = [Some(Fault::LostRequest), Some(Fault::LostAnswer)];
    store.next_commits(lost.into_iter().chain(lost));
    let catalog = open(&store, Schemas::builtin(), options("first")).await;
    assert!(catalog.is_ok());
    for key in ["/meta/format", "/meta/key"] {
        let stored = store.list(key).await.unwrap();
        assert_eq!(stored.entries.len(), 1, "{key}");
    }
}

#[tokio::test]
async fn a_newer_format_and_rows_that_no_longer_fit_are_refused() {
    let site = Site::new().await;
    let row = site.router(1).await;
    put(
        &site.store,
        "/config/v2.0/herons/1",
        r#"{"body":"{}","version":1}"#,
    )
    .await;
    let why = refusal(&site.store, Schemas::builtin()).await;
    assert!(why.contains("/config/v2.0/herons/1"), "{why}");
    let site = Site::new().await;
    put(
        &site.store,
        &format!("/config/v2.0/routers/{}", row.row.id),
        "{",
    )
    .await;
    let why = refusal(&site.store, Schemas::builtin()).await;
    assert!(why.contains("not JSON"), "{why}");
    let site = Site::new().await;
    put(&site.store, "/meta/format", "3").await;
    let why = refusal(&site.store, Schemas::builtin()).await;
    assert!(why.contains("format 3") && !why.contains('\n'), "{why}");
}

#[tokio::test]
async fn a_schema_change_that_rows_break_is_refused_and_names_them() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let catalog = open(&store, schemas(SITES), options("first"))
        .await
        .unwrap();
    let create = |body| catalog.create("site", body, WriteOptions::default());
    let first = create(json!({"name": "a", "note": "same"})).await.unwrap();
    assert!(first.status.is_none(), "nobody reports on it");
    let second = create(json!({"name": "b", "note": "same"})).await.unwrap();
    let required = SITES
        .replace("required: [name]", "required: [name, code]")
        .replace(
            "      note:",
            "      code: {title: Code, type: string}\n      note:",
        );
    let why = refusal(&store, schemas(&required)).await;
    assert!(
        why.contains(&first.row.id) && why.contains("/code"),
        "{why}"
    );
    let unique = SITES.replace("{title: Note,", "{title: Note, unique: true,");
    let why = refusal(&store, schemas(&unique)).await;
    assert!(
        why.contains(&second.row.id) && why.contains("same"),
        "{why}"
    );
    // Once the rows fit, the index is built.
    let patch = json!({"note": "other"});
    let id = second.row.id.as_str();
    let merge = sdwan_server::catalog::Mode::Merge;
    catalog
        .update("site", id, patch, merge, None, false)
        .await
        .unwrap();
    let stricter = open(&store, schemas(&unique), options("second"))
        .await
        .unwrap();
    let taken = json!({"name": "c", "note": "other"});
    let taken = stricter
        .create("site", taken, WriteOptions::default())
        .await;
    assert!(matches!(taken, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn children_go_with_their_parent_and_references_hold_rows_back() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let catalog = open(&store, schemas(SITES), options("first"))
        .await
        .unwrap();
    let plain = WriteOptions::default;
    let site = catalog
        .create("site", json!({"name": "a"}), plain())
        .await
        .unwrap();
    let router = catalog.create("router", router(1), plain()).await.unwrap();
    let under = WriteOptions {
        parent: Some(site.row.id.clone()),
        ..plain()
    };
    let body = json!({"label": "r1", "router": router.row.id});
    let rack = catalog.create("rack", body, under.clone()).await.unwrap();
    assert_eq!(rack.row.text("site_id"), Some(site.row.id.as_str()));
    let elsewhere = json!({"site_id": "another"});
    let elsewhere = catalog.create("rack", elsewhere, under).await;
    assert!(matches!(elsewhere, Err(Error::Invalid(_))));
    let delete = |kind, id| catalog.delete(kind, id, DeleteOptions::default());
    let held = delete("router", router.row.id.as_str()).await;
    assert!(
        matches!(held, Err(Error::Conflict(_))),
        "the rack refers to it"
    );
    delete("site", site.row.id.as_str()).await.unwrap();
    assert!(catalog.list("rack").is_empty() && catalog.list("site").is_empty());
    delete("router", router.row.id.as_str()).await.unwrap();
}
