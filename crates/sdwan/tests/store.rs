//! `sdwan store`: from one store to another and back, with the real program.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use sdwan_server::upkeep::Dump;
use sdwan_store::{Entry, Listing, Revision, sqlite};
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::etcd::Etcd;
use support::{Server, refused, stderr, stdout};

/// `sdwan store ...` in this folder.
fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sdwan"));
    command
        .current_dir(folder)
        .env_clear()
        .arg("store")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn store(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

#[track_caller]
fn must(folder: &Path, words: &[&str]) -> Output {
    let output = store(folder, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    output
}

/// What it says when it refuses.
#[track_caller]
fn fails(folder: &Path, words: &[&str]) -> String {
    let output = store(folder, words);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{words:?}: {}",
        stdout(&output)
    );
    stderr(&output)
}

fn read(path: &Path) -> Dump {
    Dump::read(&mut BufReader::new(File::open(path).unwrap())).unwrap()
}

/// What two stores have in common if one is the other's copy: all but the
/// holds that restores make.
fn body(path: &Path) -> Vec<sdwan_server::upkeep::Entry> {
    let mut entries = read(path).entries;
    entries.retain(|entry| entry.key != "/hold/*");
    entries
}

fn declare(server: &Server) {
    server.must(&[
        "router",
        "create",
        "--host_name",
        "GoBGP-1",
        "--router_id",
        "10.0.0.1",
        "--local_as",
        "65001",
        "--mgmt_addr",
        "127.0.0.1:1",
    ]);
    server.must(&[
        "neighbor",
        "create",
        "--host_name",
        "GoBGP-1",
        "--neighbor_addr",
        "192.0.2.1",
        "--peer_as",
        "65000",
        "--auth_password",
        "hunter2",
    ]);
    for (policy, med) in [("late", "1"), ("early", "2"), ("middle", "3")] {
        let action = format!("med {med}");
        server.must(&[
            "policyinfo",
            "create",
            "--host_name",
            "GoBGP-1",
            "--policy_name",
            policy,
            "--statement_name",
            policy,
            "--statement_action",
            &action,
            "--apply_direction",
            "export",
        ]);
    }
}

fn there_and_back(release: &str) {
    let server = Server::start();
    declare(&server);
    let folder = server.folder.path();
    // The server runs and goes on.
    let said = must(folder, &["dump", "--to", "first"]);
    assert!(stderr(&said).contains("sdwan.db.key"), "{}", stderr(&said));
    let first = folder.join("first");
    assert_eq!(
        fs::metadata(&first).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!fs::read_to_string(&first).unwrap().contains("hunter2"));
    let why = fails(folder, &["dump", "--to", "first"]);
    assert!(why.contains("first: exists already"), "{why}");
    must(folder, &["check"]);
    let why = fails(folder, &["restore", "--from", "first"]);
    assert!(why.contains("in use by process"), "{why}");

    let etcd = Etcd::start_release(release);
    let restore = command(folder, &["restore", "--etcd", &etcd.endpoint])
        .stdin(File::open(&first).unwrap())
        .output()
        .unwrap();
    assert!(restore.status.success(), "{}", stderr(&restore));
    assert!(stdout(&restore).contains("epoch 1"), "{}", stdout(&restore));
    let again = ["restore", "--etcd", &etcd.endpoint, "--from", "first"];
    let why = fails(folder, &again);
    assert!(why.contains("not empty"), "{why}");
    let checked = must(folder, &["check", "--etcd", &etcd.endpoint]);
    let sound = "sound: 1 routers, 1 neighbors, 3 policyinfos; ";
    assert!(stdout(&checked).starts_with(sound), "{}", stdout(&checked));
    must(
        folder,
        &["dump", "--etcd", &etcd.endpoint, "--to", "second"],
    );
    assert_eq!(body(&folder.join("second")), body(&first));

    must(
        folder,
        &["restore", "--database", "back.db", "--from", "second"],
    );
    let third = must(folder, &["dump", "--database", "back.db"]);
    fs::write(folder.join("third"), &third.stdout).unwrap();
    assert_eq!(body(&folder.join("third")), body(&first));
    assert_eq!(read(&folder.join("third")).header.epoch, 2);

    // A server on it, with the same key file, holds still until it is told.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(
        folder.join("sdwan.db.key"),
        elsewhere.path().join("sdwan.key"),
    )
    .unwrap();
    let moved = Server::start_with(elsewhere, &["--etcd", &etcd.endpoint]);
    let rows = |server: &Server| server.must(&["policyinfo", "list"]);
    assert_eq!(rows(&moved), rows(&server));
    let holds = || etcd.etcdctl(&["get", "--prefix", "/hold/"]);
    let words = "restored from the dump of ";
    assert!(holds().contains(words), "{}", holds());
    assert!(moved.sdwan(&["resume"]).status.success());
    assert_eq!(holds(), "");
}

#[test]
fn from_sqlite_to_etcd_3_4_and_back() {
    there_and_back("3.4");
}

#[test]
fn from_sqlite_to_etcd_3_5_and_back() {
    there_and_back("3.5");
}

#[test]
fn a_cut_dump_makes_no_database() {
    let server = Server::start();
    declare(&server);
    let folder = server.folder.path();
    let whole = must(folder, &["dump"]).stdout;
    for cut in [0, 1, whole.len() / 2, whole.len() - 20] {
        fs::write(folder.join("cut"), &whole[..cut]).unwrap();
        let words = ["restore", "--database", "new.db", "--from", "cut"];
        let why = fails(folder, &words);
        assert!(
            why.contains("cut: line ") && why.contains("nothing was written"),
            "{why}"
        );
        assert!(!folder.join("new.db").exists());
    }
    let why = fails(folder, &["dump", "--database", "nowhere.db"]);
    assert!(why.contains("nowhere.db"), "{why}");
}

#[test]
fn kinds_of_ones_own_are_checked_with_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let kinds = "schemas:\n- id: site\n  singular: site\n  plural: sites\n  prefix: /v2.0\n  \
                 title: Site\n  schema:\n    properties:\n      name: {type: string, title: Name}\n";
    fs::write(folder.path().join("site.yaml"), kinds).unwrap();
    let config = "database: {connection: ./own.db}\nschemas: [./site.yaml]\n";
    fs::write(folder.path().join("gohan.yaml"), config).unwrap();
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    server.must(&["site", "create", "--name", "Tokyo"]);
    let folder = server.folder.path();
    let checked = must(folder, &["check", "--config-file", "gohan.yaml"]);
    assert!(
        stdout(&checked).starts_with("sound: 1 sites; "),
        "{}",
        stdout(&checked)
    );
    let why = fails(folder, &["check", "--database", "own.db"]);
    assert!(why.contains("no schema has the plural sites"), "{why}");
}

/// So many that a restore takes its time: each policy is a commit.
const MANY: u64 = 2000;

fn many() -> Dump {
    let entry = |n: u64| Entry {
        key: format!("/config/v2.0/policyinfos/{:05}", MANY - n),
        value: b"{}".to_vec(),
        created: Revision(n),
        modified: Revision(n),
    };
    let mut listing = Listing {
        entries: (1..=MANY).map(entry).collect(),
        revision: Revision(MANY),
    };
    listing.entries.reverse();
    Dump::of(&listing, "2026-01-01T00:00:00Z".into()).unwrap()
}

#[test]
fn a_killed_restore_keeps_servers_away_until_it_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    many()
        .write(&mut File::create(folder.join("many")).unwrap())
        .unwrap();
    let words = ["restore", "--from", "many"];
    let mut child = command(folder, &words).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let under_way = || {
        let listing = sqlite::list(&folder.join("sdwan.db"), "/config/");
        listing.is_ok_and(|listing| listing.entries.len() > 10)
    };
    while !under_way() {
        assert!(child.try_wait().unwrap().is_none(), "it is too fast");
        assert!(Instant::now() < end, "nothing comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = sqlite::list(&folder.join("sdwan.db"), "/config/").unwrap();
    assert!((left.entries.len() as u64) < MANY);

    let said = refused(folder, &["--address", "127.0.0.1:0"]);
    assert!(said.contains("restore again"), "{said}");
    for verb in ["dump", "check"] {
        let why = fails(folder, &[verb]);
        assert!(why.contains("restore again"), "{why}");
    }
    let done = must(folder, &words);
    assert!(stdout(&done).contains("cleared away"), "{}", stdout(&done));
    must(folder, &["dump", "--to", "again"]);
    assert_eq!(body(&folder.join("again")), many().entries);
}
