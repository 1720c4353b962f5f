//! The SQLite store keeps the trait's promises.
#![allow(clippy::unwrap_used)]

use sdwan_store::conformance::Subject;
use sdwan_store::sqlite::{Options, Sqlite};

async fn fresh() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let store = Sqlite::open(path, Options::default()).await.unwrap();
    Subject::keeping(store, folder)
}

sdwan_store::conformance!(fresh());
