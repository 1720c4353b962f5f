//! Servers whose store is an etcd.

mod support;

use support::etcd::Etcd;
use support::{Server, free_port, refused};

const SECRET: [&str; 8] = [
    "neighbor",
    "create",
    "--host_name",
    "shared",
    "--neighbor_addr",
    "172.16.0.1",
    "--auth_password",
    "hunter2",
];

const ROUTER: [&str; 10] = [
    "router",
    "create",
    "--host_name",
    "shared",
    "--router_id",
    "10.0.0.1",
    "--local_as",
    "65001",
    "--mgmt_addr",
    "127.0.0.1:1",
];

#[test]
fn what_is_declared_is_in_etcd_under_gohans_keys_and_survives_the_server() {
    let etcd = Etcd::start();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder, &["--etcd", &etcd.endpoint]);
    server.must(&ROUTER);
    let keys = etcd.etcdctl(&["get", "--prefix", "--keys-only", "/config/v2.0/routers/"]);
    assert_eq!(keys.trim().lines().count(), 1, "{keys}");
    let folder = server.kill();
    assert!(!folder.path().join("sdwan.db").exists());
    assert!(folder.path().join("sdwan.key").exists());

    // The file says it too, and the command line's endpoints go over its own.
    let text = format!(
        "etcd: {{endpoints: [\"{}\"], prefix: wan}}\n",
        etcd.endpoint
    );
    std::fs::write(folder.path().join("gohan.yaml"), text).unwrap();
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    assert!(!server.must(&["router", "list"]).contains("shared"));
    server.must(&ROUTER);
    let nowhere = format!("etcd: [\"http://127.0.0.1:{}\"]\n", free_port());
    let folder = server.kill();
    std::fs::write(folder.path().join("gohan.yaml"), nowhere).unwrap();
    let words = ["--config-file", "gohan.yaml", "--etcd", &etcd.endpoint];
    let server = Server::start_with(folder, &words);
    assert!(server.must(&["router", "list"]).contains("| shared "));
}

#[test]
fn an_etcd_that_is_not_there_or_not_alone_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let said = refused(folder.path(), &["--etcd", &nowhere]);
    assert!(said.contains(&nowhere), "{said}");
    let said = refused(folder.path(), &["--etcd", "h:1", "--database", "x.db"]);
    assert!(said.contains("--database"), "{said}");
    std::fs::write(folder.path().join("gohan.yaml"), "etcd: [h:1]\n").unwrap();
    let words = ["--config-file", "gohan.yaml", "--database", "x.db"];
    let said = refused(folder.path(), &words);
    assert!(
        said.contains("--database") && said.contains("etcd"),
        "{said}"
    );
    let said = refused(folder.path(), &["--etcd", "http://127.0.0.1"]);
    assert!(said.contains("HOST:PORT"), "{said}");
}

#[test]
fn servers_of_one_etcd_share_a_key_or_do_not_start() {
    let etcd = Etcd::start();
    let words = ["--etcd", etcd.endpoint.as_str()];
    let first = Server::start_with(tempfile::tempdir().unwrap(), &words);
    first.must(&ROUTER);
    first.must(&[&SECRET[..], &["--peer_as", "65000"]].concat());
    let elsewhere = tempfile::tempdir().unwrap();
    let said = refused(elsewhere.path(), &words);
    assert!(said.contains("./sdwan.key is missing"), "{said}");
    assert!(!elsewhere.path().join("sdwan.key").exists());
    // What the words tell him to do.
    let copy = elsewhere.path().join("copied.key");
    std::fs::copy(first.folder.path().join("sdwan.key"), &copy).unwrap();
    let named = [&words[..], &["--key-file", "copied.key"]].concat();
    let second = Server::start_with(elsewhere, &named);
    assert!(second.must(&["neighbor", "list"]).contains("172.16.0.1"));
    drop((first, second));
    let lost = tempfile::tempdir().unwrap();
    let server = Server::start_with(lost, &[&words[..], &["--replace-key"]].concat());
    let lost = server.kill();
    Server::start_with(lost, &words);
}
