//! The client against the real server, with no gobgpd behind it.

mod support;

use serde_json::Value;
use support::{Server, free_port, stderr, stdout};

fn router(server: &Server, name: &str, number: u8) -> String {
    // Nobody listens there: what is declared is what this is about.
    let address = format!("127.0.0.1:{}", free_port());
    let id = format!("10.0.1.{number}");
    server.must(&[
        "router",
        "create",
        "--host_name",
        name,
        "--router_id",
        &id,
        "--local_as",
        "65001",
        "--mgmt_addr",
        &address,
    ])
}

#[test]
fn created_rows_are_printed_as_in_the_transcript() {
    let server = Server::start();
    let printed = server.must(&[
        "router",
        "create",
        "--host_name",
        "GoBGP-1",
        "--router_id",
        "10.0.1.1",
        "--local_as",
        "65001",
        "--mgmt_addr",
        "127.0.0.103",
    ]);
    let id = printed
        .lines()
        .find_map(|l| l.strip_prefix("| id        | "))
        .unwrap()[..36]
        .to_owned();
    assert_eq!(
        printed,
        format!(
            "\
+-----------+--------------------------------------+
| PROPERTY  |                VALUE                 |
+-----------+--------------------------------------+
| host_name | GoBGP-1                              |
| id        | {id} |
| local_as  |                                65001 |
| mgmt_addr | 127.0.0.103                          |
| router_id | 10.0.1.1                             |
| status    | PENDING_CREATE                       |
+-----------+--------------------------------------+

"
        )
    );
}

#[test]
fn a_row_is_shown_changed_and_deleted_by_its_name() {
    let server = Server::start();
    router(&server, "a", 1);
    router(&server, "b", 2);
    server.must(&["router", "set", "--local_as", "65009", "a"]);
    let shown: Value =
        serde_json::from_str(&server.must(&["router", "show", "a", "-o", "json"])).unwrap();
    assert_eq!(shown["router"]["local_as"], 65009);
    server.must(&["router", "delete", "--force", "a"]);
    let left: Value =
        serde_json::from_str(&server.must(&["router", "list", "-o", "json"])).unwrap();
    let names: Vec<_> = left["routers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["host_name"])
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn an_unknown_name_deletes_nothing_and_fails() {
    let server = Server::start();
    router(&server, "only", 1);
    for name in ["nobody", "..", "", "only/../only", "%"] {
        let output = server.client(&["router", "delete", name]);
        assert!(!output.status.success(), "{name:?}");
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).is_empty());
    }
    assert_eq!(
        server.client(&["router", "delete", "nobody"]).status.code(),
        Some(4)
    );
    assert!(server.must(&["router", "list"]).contains("| only "));
}

#[test]
fn every_violation_is_told_at_once_and_nothing_is_stored() {
    let server = Server::start();
    let output = server.client(&[
        "router",
        "create",
        "--host_name",
        "r",
        "--router_id",
        "010.0.0.1",
        "--local_as",
        "0",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for property in ["router_id", "local_as", "mgmt_addr"] {
        assert!(said.contains(property), "{said}");
    }
    let rows: Value =
        serde_json::from_str(&server.must(&["router", "list", "-o", "json"])).unwrap();
    assert_eq!(rows["routers"], serde_json::json!([]));
}

#[test]
fn shell_metacharacters_are_only_text() {
    let server = Server::start();
    let folder = server.folder.path().join("touched");
    let evil = format!("$(touch {0}); `touch {0}` | touch {0}", folder.display());
    router(&server, "r", 1);
    server.must(&[
        "neighbor",
        "create",
        "--host_name",
        "r",
        "--neighbor_addr",
        "192.0.2.1",
        "--peer_as",
        "65000",
        "--description",
        &evil,
    ]);
    let shown = server.must(&["neighbor", "show", "192.0.2.1"]);
    assert!(shown.contains(&evil), "{shown}");
    assert!(!folder.exists());
}

#[test]
fn a_secret_is_taken_and_never_told() {
    let server = Server::start();
    let secret = "correct-horse-battery";
    router(&server, "r", 1);
    let mut told = server.must(&[
        "neighbor",
        "create",
        "--host_name",
        "r",
        "--neighbor_addr",
        "192.0.2.1",
        "--peer_as",
        "65000",
        "--auth_password",
        secret,
    ]);
    told += &server.must(&["neighbor", "show", "192.0.2.1", "-o", "json"]);
    told += &server.must(&["neighbor", "list", "-o", "wide"]);
    let refused = server.client(&[
        "neighbor",
        "set",
        "--auth_password",
        &"x".repeat(500),
        "192.0.2.1",
    ]);
    told += &stderr(&refused);
    assert!(!refused.status.success());
    told += &server.log();
    assert!(!told.contains(secret) && !told.contains("xxxxx"), "{told}");
    let folder = server.kill();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{}", entry.path().display());
        }
    }
}

#[test]
fn a_kind_of_ones_own_has_commands_flags_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("site.yaml"),
        "\
schemas:
- id: site
  singular: site
  plural: sites
  prefix: /v1.0
  title: Site
  description: A place with routers
  schema:
    type: object
    required: [name]
    propertiesOrder: [id, name, floors, contacts]
    properties:
      id: {type: string, title: ID, permission: [create]}
      name: {type: string, title: Name, unique: true, permission: [create, update]}
      floors: {type: [integer, 'null'], title: Floors, default: 1, permission: [create, update]}
      contacts: {type: [array, 'null'], title: Contacts, items: {type: string}, permission: [create, update]}
- id: rack
  singular: rack
  plural: racks
  parent: site
  actions:
    blink: {path: /:id/blink, method: POST, description: Blink its LED}
  schema: {properties: {}}
",
    )
    .unwrap();
    let config = "schemas: [site.yaml]\n";
    std::fs::write(folder.path().join("gohan.yaml"), config).unwrap();
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    server.must(&[
        "site",
        "create",
        "--name",
        "Tokyo",
        "--contacts",
        "noc,desk",
    ]);
    server.must(&["site", "set", "--floors", "<null>", "Tokyo"]);
    let shown: Value =
        serde_json::from_str(&server.must(&["site", "show", "Tokyo", "-o", "json"])).unwrap();
    assert_eq!(shown["site"]["floors"], Value::Null);
    assert_eq!(
        shown["site"]["contacts"],
        serde_json::json!(["noc", "desk"])
    );
    server.must(&["rack", "create", "--site_id", "Tokyo"]);
    let racks = server.must(&["rack", "list", "--site_id", "Tokyo", "--fields", "site_id"]);
    assert!(
        racks.lines().count() > 4,
        "a name filters like its id: {racks}"
    );
    let help = server.must(&["rack", "--help"]);
    assert!(help.contains("blink   Blink its LED"), "{help}");
    let completions = stdout(&server.sdwan(&["completions", "bash"]));
    assert!(completions.contains("--site_id"), "kinds are completed");
    let listed = server.must(&["site", "list"]);
    assert!(listed.contains("|    CONTACTS    |"), "{listed}");
    assert!(!listed.contains("STATUS"), "nobody reports on it: {listed}");
}

#[test]
fn whichever_server_is_asked_while_it_waits_has_seen_the_write() {
    let server = Server::start();
    router(&server, "r", 1);
    let set = ["set", "--local_as", "65002", "--timeout", "1", "r"];
    let delete = ["delete", "--force", "--timeout", "60", "r"];
    // The router never answers, but a deletion by force is over at once.
    for (words, code) in [(&set[..], 6), (&delete[..], 0)] {
        let output = server.client(&[&["router"], words, &["--wait", "--verbosity", "1"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let mut asked = said.lines().filter(|line| line.starts_with("GET "));
        let last = asked.next_back().unwrap();
        assert!(last.contains("?min_revision="), "{said}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let server = Server::start();
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let output = server.client(&["--endpoint", &endpoint, "router", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains(&endpoint), "{}", stderr(&output));
    let words = |kind: &'static [&'static str]| [&["--endpoint", &endpoint], kind].concat();
    let general = server.client(&words(&["--help"]));
    assert!(general.status.success() && stdout(&general).contains("Exit codes"));
    let of_a_kind = server.client(&words(&["router", "create", "--help"]));
    assert_eq!(of_a_kind.status.code(), Some(3), "{}", stderr(&of_a_kind));
}

#[test]
fn a_password_in_the_servers_url_is_neither_taken_nor_told() {
    let server = Server::start();
    let endpoint = server.endpoint.replace("://", "://op:hunter2@");
    let output = server.client(&["--endpoint", &endpoint, "router", "list"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("names a user") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn a_server_of_another_kind_is_no_missing_row() {
    let server = Server::start();
    let endpoint = format!("{}/nowhere", server.endpoint);
    let output = server.client(&["--endpoint", &endpoint, "router", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("/nowhere/gohan/v0.1/schemas"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_resumed_router_that_is_held_with_all_others_is_told() {
    let server = Server::start();
    router(&server, "r1", 1);
    let says = |words: &[&str]| stdout(&server.sdwan(words));
    assert_eq!(says(&["hold", "r1"]), "r1 on hold: observed, not touched\n");
    says(&["hold", "--why", "night"]);
    assert_eq!(
        says(&["resume", "r1"]),
        "r1 resumed, but every router is on hold: end that with `sdwan resume`\n"
    );
    says(&["hold", "r1"]);
    assert_eq!(
        says(&["resume"]),
        "every router resumed but r1: each has a hold of its own\n"
    );
    assert_eq!(says(&["resume", "r1"]), "r1 resumed\n");
}

#[test]
fn a_plan_for_an_unreachable_router_says_why() {
    let server = Server::start();
    router(&server, "lonely", 1);
    let output = server.sdwan(&["plan", "lonely"]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("127.0.0.1"), "{}", stderr(&output));
}

#[test]
fn gohan_without_sdwan_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let gohan = folder.path().join("gohan");
    std::fs::copy(env!("CARGO_BIN_EXE_gohan"), &gohan).unwrap();
    let alone = || {
        let mut command = std::process::Command::new(&gohan);
        command.env("PATH", folder.path()).arg("--version");
        command.output().unwrap()
    };
    let output = alone();
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("sdwan can't be run"), "{said}");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sdwan"), folder.path().join("sdwan")).unwrap();
    let output = alone();
    assert!(stdout(&output).starts_with("sdwan "), "{output:?}");
}
