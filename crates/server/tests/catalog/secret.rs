use super::*;
use sdwan_server::catalog::{DeleteOptions, Mode};

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
