//! The database as a file: what is refused and in which words, who holds the
//! lock, and live copies.

#![allow(clippy::unwrap_used)]

use sdwan_store::sqlite::{Options, Sqlite, backup, list};
use sdwan_store::{Commit, Error, Op, Outcome, Store};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use uuid::Uuid;

/// A folder, and a database's path in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    (folder, path)
}

async fn open(path: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(path, Options::default()).await
}

async fn put(store: &Sqlite, then: Vec<Op>) {
    let commit = Commit {
        id: Uuid::new_v4(),
        when: vec![],
        then,
    };
    let outcome = store.commit(commit).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
}

async fn put_pair(store: &Sqlite, n: usize) {
    put(
        store,
        vec![
            Op::put(format!("/one/{n}"), "x"),
            Op::put(format!("/two/{n}"), "x"),
        ],
    )
    .await;
}

/// A database with something in it, closed.
async fn filled(path: &Path) {
    let store = open(path).await.unwrap();
    for n in 0..20 {
        put(&store, vec![Op::put(format!("/{n}"), vec![b'v'; 5000])]).await;
    }
    store.close().await;
}

/// One line that names the file and says this.
#[track_caller]
fn refused<T>(result: Result<T, Error>, path: &Path, why: &str) {
    match result {
        Err(Error::Open(text)) => {
            assert!(text.starts_with(&path.display().to_string()), "{text}");
            assert!(text.contains(why), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was taken", path.display()),
    }
}

#[tokio::test]
async fn a_directory_is_refused() {
    let (folder, _) = place();
    refused(open(folder.path()).await, folder.path(), "is a directory");
}

#[tokio::test]
async fn a_device_is_refused() {
    let path = Path::new("/dev/null");
    refused(open(path).await, path, "is not a regular file");
}

#[tokio::test]
async fn a_missing_folder_is_refused() {
    let (folder, _) = place();
    let path = folder.path().join("missing/test.db");
    refused(
        open(&path).await,
        &path,
        "can't be found or made: No such file",
    );
}

#[tokio::test]
async fn a_place_that_takes_no_files_is_refused() {
    // Not even from root.
    let path = Path::new("/sys/test.db");
    refused(
        open(path).await,
        path,
        "needs /sys/test.db.lock beside it: Permission denied",
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    for text in ["a", "schemas:\n", &"no database\n".repeat(1000)] {
        let (_folder, path) = place();
        fs::write(&path, text).unwrap();
        refused(open(&path).await, &path, "is not a database");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let (_folder, path) = place();
    let theirs = rusqlite::Connection::open(&path).unwrap();
    theirs
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
        .unwrap();
    theirs.close().unwrap();
    let before = fs::read(&path).unwrap();
    refused(open(&path).await, &path, "is another program's database");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let (_folder, path) = place();
    filled(&path).await;
    let raised = rusqlite::Connection::open(&path).unwrap();
    raised.pragma_update(None, "user_version", 99).unwrap();
    raised.close().unwrap();
    refused(
        open(&path).await,
        &path,
        "has format 99, written by a newer sdwan",
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let (_folder, path) = place();
    filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let middle = whole.len() / 2;

    let mut scribbled = whole.clone();
    scribbled[middle..middle + 9000].fill(0xA5);
    fs::write(&path, scribbled).unwrap();
    refused(open(&path).await, &path, "is damaged");

    fs::write(&path, &whole[..middle]).unwrap();
    refused(open(&path).await, &path, "is damaged");

    fs::write(&path, whole).unwrap();
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_second_server_is_refused_and_told_who_has_it() {
    let (folder, path) = place();
    let first = open(&path).await.unwrap();
    let holder = format!("is in use by process {}", std::process::id());
    refused(open(&path).await, &path, &holder);
    #[cfg(unix)]
    {
        let alias = folder.path().join("alias.db");
        std::os::unix::fs::symlink(&path, &alias).unwrap();
        refused(open(&alias).await, &alias, &holder);
    }
    // The refusals took nothing away from it.
    put_pair(&first, 1).await;
    drop(first);
    let again = open(&path).await.unwrap();
    assert_eq!(again.list("/").await.unwrap().entries.len(), 2);
    drop(folder);
}

#[cfg(unix)]
#[tokio::test]
async fn others_may_not_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = place();
    let store = open(&path).await.unwrap();
    put_pair(&store, 1).await;
    store.backup(folder.path().join("copy.db")).await.unwrap();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn names_are_names_and_not_uris() {
    let (folder, _) = place();
    let path = folder.path().join("file:test?mode=memory#%41");
    filled(&path).await;
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_one_moment_of_a_store_in_use() {
    let (folder, path) = place();
    let store = open(&path).await.unwrap();
    let copies = async {
        for n in 0..5 {
            let copy = folder.path().join(format!("copy{n}.db"));
            // As another process would, and as the server itself does.
            if n % 2 == 0 {
                store.backup(&copy).await.unwrap();
            } else {
                backup(&path, &copy).unwrap();
            }
        }
    };
    let writes = async {
        for n in 0..100 {
            put_pair(&store, n).await;
        }
    };
    tokio::join!(copies, writes);
    for n in 0..5 {
        let path = folder.path().join(format!("copy{n}.db"));
        let copy = open(&path).await.unwrap();
        let listing = copy.list("/").await.unwrap();
        // Each commit has two keys and one revision.
        assert_eq!(listing.entries.len() as u64, 2 * listing.revision.0);
        put_pair(&copy, 1000).await;
    }
    assert_eq!(store.list("/").await.unwrap().entries.len(), 200);
}

#[tokio::test]
async fn a_store_in_use_is_listed_as_it_lists_itself() {
    let (folder, path) = place();
    let store = open(&path).await.unwrap();
    for n in 0..10 {
        put_pair(&store, n).await;
        for prefix in ["", "/one/", "/none/"] {
            let own = store.list(prefix).await.unwrap();
            assert_eq!(list(&path, prefix).unwrap(), own);
        }
    }
    store.close().await;
    assert_eq!(list(&path, "/").unwrap().entries.len(), 20);

    let missing = folder.path().join("missing.db");
    refused(list(&missing, "/"), &missing, "isn't there");
    assert!(!missing.exists());
    let letter = folder.path().join("letter");
    fs::write(&letter, "dear friend").unwrap();
    refused(list(&letter, "/"), &letter, "is not a database");
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_leaves_nothing() {
    let (folder, path) = place();
    let store = open(&path).await.unwrap();
    put_pair(&store, 1).await;

    let precious = folder.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    refused(store.backup(&precious).await, &precious, "exists already");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    refused(store.backup(&path).await, &path, "exists already");

    let nowhere = folder.path().join("missing/copy.db");
    refused(store.backup(&nowhere).await, &nowhere, "can't be");
    let missing = folder.path().join("missing.db");
    refused(
        backup(&missing, &folder.path().join("copy.db")),
        &missing,
        "isn't there",
    );
    refused(
        backup(&precious, &folder.path().join("copy.db")),
        &precious,
        "is not a database",
    );

    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("test.db"))
        .collect();
    names.sort();
    assert_eq!(names, ["precious"]);
}
