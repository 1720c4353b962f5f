//! How the server starts, refuses to, and comes back.

mod support;

use std::net::{Ipv4Addr, TcpListener};
use support::{Server, free_port, refused};

fn one_line(said: &str) -> &str {
    let errors: Vec<_> = said.lines().filter(|l| l.starts_with("sdwan: ")).collect();
    let [line] = errors[..] else {
        panic!("not one line: {said}")
    };
    line
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), &["--address", &address]);
    assert!(one_line(&said).contains(&address), "{said}");
    assert!(one_line(&said).contains("in use"), "{said}");
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let first = Server::start();
    let address = format!("127.0.0.1:{}", free_port());
    let said = refused(first.folder.path(), &["--address", &address]);
    assert!(one_line(&said).contains("sdwan.db"), "{said}");
}

#[test]
fn a_corrupt_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sdwan.db");
    let bytes = b"this is no database, it is a letter to a friend".repeat(100);
    std::fs::write(&path, &bytes).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let said = refused(folder.path(), &["--address", &address]);
    assert!(one_line(&said).contains("sdwan.db"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("gohan.yaml"),
        "address: 127.0.0.1:0\ndatabse: {}\n",
    )
    .unwrap();
    let said = refused(folder.path(), &["--config-file", "gohan.yaml"]);
    assert!(said.contains("gohan.yaml:2"), "{said}");
    assert!(said.contains("database"), "{said}");
}

#[test]
fn listening_to_the_world_needs_to_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), &["--address", "0.0.0.0:0"]);
    assert!(one_line(&said).contains("--insecure"), "{said}");
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let server = Server::start();
    server.must(&[
        "router",
        "create",
        "--host_name",
        "kept",
        "--router_id",
        "10.0.0.1",
        "--local_as",
        "65001",
        "--mgmt_addr",
        "127.0.0.1:1",
    ]);
    let server = Server::start_with(server.kill(), &[]);
    assert!(server.must(&["router", "list"]).contains("| kept "));
}

#[test]
fn a_copy_of_the_running_store_can_be_served() {
    let server = Server::start();
    server.must(&[
        "router",
        "create",
        "--host_name",
        "copied",
        "--router_id",
        "10.0.0.1",
        "--local_as",
        "65001",
        "--mgmt_addr",
        "127.0.0.1:1",
    ]);
    let elsewhere = tempfile::tempdir().unwrap();
    let database = server.folder.path().join("sdwan.db");
    let copy = elsewhere.path().join("sdwan.db");
    let words = [
        "store",
        "backup",
        "--database",
        database.to_str().unwrap(),
        copy.to_str().unwrap(),
    ];
    assert!(server.sdwan(&words).status.success());
    assert!(
        !server.sdwan(&words).status.success(),
        "a copy must not be overwritten"
    );
    let key = server.folder.path().join("sdwan.db.key");
    std::fs::copy(key, elsewhere.path().join("sdwan.db.key")).unwrap();
    let other = Server::start_with(elsewhere, &[]);
    assert!(other.must(&["router", "list"]).contains("| copied "));
}

#[test]
fn logs_are_json_when_asked_for() {
    let server = Server::start_with(tempfile::tempdir().unwrap(), &["--log-format", "json"]);
    server.must(&["router", "list"]);
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}
