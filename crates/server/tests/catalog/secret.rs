use super::*;
use sdwan_server::catalog::{DeleteOptions, Mode, forget_key, secrets_of};
use sdwan_store::{Commit, Op, Store as _};

const SECRET: &str = "correct-horse-battery";

fn with_secret() -> Value {
    let mut body = neighbor(1, 1);
    body["auth_password"] = json!(SECRET);
    body
}

async fn envelope(site: &Site) -> String {
    let dump = site.dump().await;
    let row = dump
        .iter()
        .find(|line| line.starts_with("/config/v2.0/neighbors/"));
    let at = row.unwrap().find("sealed:").unwrap();
    row.unwrap()[at..].split('\\').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_secret_is_never_shown_and_never_stored_in_the_clear() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let row = site.create("neighbor", with_secret()).await.unwrap();
    assert_eq!(row.row.text("auth_password"), Some("********"));
    let id = row.row.id.as_str();
    let view = site.catalog.router_view(&router.row.id).unwrap();
    assert_eq!(view.inputs.neighbors[0].text("auth_password"), Some(SECRET));
    assert!(view.sealed.is_empty());

    let mut told = site.dump().await;
    let duplicate = site.create("neighbor", with_secret()).await.unwrap_err();
    told.push(format!("{duplicate} {duplicate:?}"));
    let patch = json!({"auth_password": format!("{SECRET}\u{e9}")});
    let invalid = site
        .catalog
        .update("neighbor", id, patch, Mode::Merge, None, false);
    let invalid = invalid.await.unwrap_err();
    told.push(format!("{invalid} {invalid:?}"));
    told.push(format!("{:?}", site.catalog.get("neighbor", id)));
    told.push(format!("{:?}", site.catalog.list("neighbor")));
    let mut dry = neighbor(1, 2);
    dry["auth_password"] = json!(SECRET);
    let dry_run = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    told.push(format!(
        "{:?}",
        site.catalog.create("neighbor", dry, dry_run).await.unwrap()
    ));
    site.catalog
        .delete("neighbor", id, DeleteOptions::default())
        .await
        .unwrap();
    told.extend(site.dump().await);
    let secret = told.iter().find(|text| text.contains(SECRET));
    assert_eq!(secret, None);
    let sealed = site
        .dump()
        .await
        .into_iter()
        .find(|line| line.contains("sealed:"));
    assert_eq!(sealed, None, "not even sealed, once the row is deleted");
}

#[tokio::test]
async fn an_unchanged_secret_keeps_its_envelope() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let row = site.create("neighbor", with_secret()).await.unwrap();
    let sealed = envelope(&site).await;
    let id = row.row.id.as_str();
    let update = |patch| {
        site.catalog
            .update("neighbor", id, patch, Mode::Merge, None, false)
    };
    let same = update(json!({"auth_password": SECRET})).await.unwrap();
    assert_eq!(same.row.version, 1, "the same secret is no change");
    update(json!({"auth_password": "********", "description": "x"}))
        .await
        .unwrap();
    update(json!({"description": "y"})).await.unwrap();
    assert_eq!(envelope(&site).await, sealed);
    // A rename rewrites the row, not the secret.
    let rename = json!({"host_name": "edge"});
    let renamed = site
        .catalog
        .update("router", &router.row.id, rename, Mode::Merge, None, false);
    renamed.await.unwrap();
    assert_eq!(envelope(&site).await, sealed);
    let changed = update(json!({"auth_password": "another one"}))
        .await
        .unwrap();
    assert_eq!(changed.row.version, 4);
    assert_ne!(envelope(&site).await, sealed);
    let taken = update(json!({"auth_password": null})).await.unwrap();
    assert!(taken.row.text("auth_password").is_none());
    let view = site.catalog.router_view(&router.row.id).unwrap();
    assert!(view.inputs.neighbors[0].text("auth_password").is_none());
}

#[tokio::test]
async fn without_its_key_a_row_is_held_back_with_the_reason() {
    let site = Site::new().await;
    let router = site.router(1).await;
    let row = site.create("neighbor", with_secret()).await.unwrap();
    site.create("neighbor", neighbor(1, 2)).await.unwrap();
    forget_key(&*site.store, Uuid::from_u128(1 << 100))
        .await
        .unwrap();
    for secrets in [
        SecretBox::from_key([8; 32]),
        SecretBox::missing("no key file"),
    ] {
        let options = Options {
            secrets,
            ..options("second")
        };
        let catalog = open(&site.store, Schemas::builtin(), options)
            .await
            .unwrap();
        let view = catalog.router_view(&router.row.id).unwrap();
        assert_eq!(view.inputs.neighbors.len(), 1);
        let [(source, reason)] = view.sealed.as_slice() else {
            panic!("{:?}", view.sealed);
        };
        assert_eq!(
            (&source.resource, source.version),
            (&row.row.reference(), 1)
        );
        assert!(reason.contains("key"), "{reason}");
        // What has nothing to do with it goes on, the secret stays as it is.
        let patch = json!({"description": "x"});
        let id = row.row.id.as_str();
        let update = catalog.update("neighbor", id, patch, Mode::Merge, None, true);
        assert_eq!(
            update.await.unwrap().row.text("auth_password"),
            Some("********")
        );
    }
}

#[tokio::test]
async fn without_a_key_a_secret_is_not_taken() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let keyless = Options {
        secrets: SecretBox::missing("no key file"),
        ..options("first")
    };
    let catalog = open(&store, Schemas::builtin(), keyless).await.unwrap();
    let plain = WriteOptions::default;
    catalog.create("router", router(1), plain()).await.unwrap();
    let error = catalog.create("neighbor", with_secret(), plain()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Secret(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(SECRET));
    assert!(catalog.list("neighbor").is_empty());
}

#[tokio::test]
async fn a_server_with_another_key_does_not_start() {
    let site = Site::new().await;
    let first = SecretBox::from_key([7; 32]);
    let id = first.id().unwrap();
    let entries = site.store.list("/meta/key").await.unwrap().entries;
    assert_eq!(entries[0].value, id.as_bytes());
    let with = |secrets| Options {
        secrets,
        ..options("second")
    };
    let revision = site.catalog.revision();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sdwan.key");
    let other = SecretBox::from_file(&path).unwrap();
    let other_id = other.id().unwrap().to_owned();
    let refused = open(&site.store, Schemas::builtin(), with(other)).await;
    let why = refused.err().unwrap().to_string();
    for word in [
        path.to_str().unwrap(),
        id,
        &other_id,
        "copy",
        "--replace-key",
    ] {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(site.store.list("/").await.unwrap().revision, revision);

    // A key that would fit nothing is not even made.
    std::fs::remove_file(&path).unwrap();
    let why = secrets_of(&*site.store, &path).await.unwrap_err();
    let why = why.to_string();
    assert!(why.contains("missing") && why.contains(id), "{why}");
    assert!(!path.exists());

    // Where it is lost for good.
    forget_key(&*site.store, Uuid::from_u128(2 << 100))
        .await
        .unwrap();
    let new = secrets_of(&*site.store, &path).await.unwrap();
    let new_id = new.id().unwrap().to_owned();
    open(&site.store, Schemas::builtin(), with(new))
        .await
        .unwrap();
    let entries = site.store.list("/meta/key").await.unwrap().entries;
    assert_eq!(entries[0].value, new_id.as_bytes());
}

#[tokio::test]
async fn of_two_servers_that_start_at_once_on_a_new_store_one_key_stays() {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let with = |key| Options {
        secrets: SecretBox::from_key([key; 32]),
        ..options("either")
    };
    let (one, other) = tokio::join!(
        open(&store, Schemas::builtin(), with(1)),
        open(&store, Schemas::builtin(), with(2)),
    );
    let refused: Vec<_> = [one.err(), other.err()].into_iter().flatten().collect();
    let [Error::Secret(why)] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert!(why.to_string().contains("copy that key"), "{why}");
}

#[tokio::test]
async fn the_key_of_a_newer_store_is_not_forgotten() {
    let site = Site::new().await;
    let newer = Commit {
        id: Uuid::from_u128(3 << 100),
        when: Vec::new(),
        then: vec![Op::put("/meta/format", "99")],
    };
    site.store.commit(newer).await.unwrap();
    let refused = forget_key(&*site.store, Uuid::from_u128(4 << 100)).await;
    assert!(matches!(refused, Err(Error::Open(_))), "{refused:?}");
    let entries = site.store.list("/meta/key").await.unwrap().entries;
    assert_eq!(entries.len(), 1);
}
