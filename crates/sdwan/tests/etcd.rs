//! Servers whose store is an etcd.

#![allow(clippy::unwrap_used, reason = "tests")]

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

const TUNNELS: &str = "
schemas:
- id: tunnel
  singular: tunnel
  plural: tunnels
  prefix: /v2.0
  title: Tunnel
  description: Between two sites
  metadata: {state_versioning: true}
  schema:
    properties:
      name: {title: Name, type: string, unique: true}
      mtu: {title: MTU, type: integer, default: 1400}
";

/// A worker that knows Gohan's layout and nothing of this program.
struct Worker<'a>(&'a Etcd);

impl Worker<'_> {
    /// The id and version of the one tunnel, and a property of its body.
    fn tunnel(&self) -> (String, u64, u64) {
        let text = self
            .0
            .etcdctl(&["get", "--prefix", "/config/v2.0/tunnels/"]);
        let (key, value) = text.trim().split_once('\n').unwrap();
        let row: serde_json::Value = serde_json::from_str(value).unwrap();
        let body: serde_json::Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        let id = key.rsplit('/').next().unwrap().to_owned();
        (
            id,
            row["version"].as_u64().unwrap(),
            body["mtu"].as_u64().unwrap(),
        )
    }

    fn says(&self, what: &str, id: &str, value: &str) {
        self.0
            .etcdctl(&["put", &format!("/{what}/v2.0/tunnels/{id}"), value]);
    }
}

#[test]
fn a_worker_from_outside_reports_on_an_operators_own_kind() {
    let etcd = Etcd::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tunnels.yaml"), TUNNELS).unwrap();
    let text = format!("etcd: [\"{}\"]\nschemas: [tunnels.yaml]\n", etcd.endpoint);
    std::fs::write(folder.path().join("gohan.yaml"), text).unwrap();
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    server.must(&["tunnel", "create", "--name", "east"]);
    let shows = |status: &str| {
        let list = || server.must(&["tunnel", "list"]);
        for _ in 0..100 {
            if list().contains(&format!("| {status} ")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("never {status}: {}", list());
    };
    shows("PENDING_CREATE");

    let worker = Worker(&etcd);
    let (id, version, mtu) = worker.tunnel();
    assert_eq!((version, mtu), (1, 1400));
    // It can't know a version that is yet to come, and must not wedge the row.
    worker.says(
        "state",
        &id,
        r#"{"version": 2, "error": "", "state": "ACTIVE"}"#,
    );
    worker.says(
        "state",
        &id,
        r#"{"version": 1, "error": "", "state": "ACTIVE"}"#,
    );
    shows("ACTIVE");
    worker.says("monitoring", &id, r#"{"version": 1, "monitoring": "DOWN"}"#);
    shows("DOWN");
    worker.says("monitoring", &id, r#"{"version": 1, "monitoring": "UP"}"#);
    shows("UP");
    worker.says(
        "state",
        &id,
        r#"{"version": 2, "error": "", "state": "ACTIVE"}"#,
    );
    server.must(&["tunnel", "set", "--mtu", "1300", "east"]);
    shows("PENDING_CREATE");
    let (_, version, mtu) = worker.tunnel();
    assert_eq!((version, mtu), (2, 1300));
    worker.says(
        "state",
        &id,
        r#"{"version": 2, "error": "no such port", "state": "FAILED"}"#,
    );
    shows("FAILED");
    assert!(
        server
            .must(&["tunnel", "show", "east", "--output-format", "json"])
            .contains("no such port")
    );
    worker.says("state", &id, "nonsense");
    shows("PENDING_CREATE");
    // Whatever it says, a server starts, and says the same.
    let folder = server.kill();
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    assert!(
        server
            .must(&["tunnel", "list"])
            .contains("| PENDING_CREATE ")
    );
    worker.says(
        "state",
        &id,
        r#"{"version": 2, "error": "", "state": "ACTIVE"}"#,
    );
    server.must(&["tunnel", "delete", "east"]);
    for what in ["config", "state", "monitoring"] {
        let left = etcd.etcdctl(&["get", "--prefix", &format!("/{what}/v2.0/tunnels/")]);
        assert_eq!(left, "", "{what}");
    }
}
