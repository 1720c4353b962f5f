//! Tokens as an operator meets them: the first one in a file, the others by
//! `sdwan token`.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use support::etcd::Etcd;
use support::{Server, refused, stderr, stdout};

fn start() -> Server {
    Server::start_with(
        tempfile::tempdir().expect("a folder"),
        &["--auth", "tokens"],
    )
}

fn admin(server: &Server) -> String {
    let file = server.folder.path().join("sdwan.db.admin-token");
    let mode = std::fs::metadata(&file)
        .expect("a token")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(file).expect("text");
    token.trim_end().to_owned()
}

fn must(server: &Server, token: &str, words: &[&str]) -> String {
    let output = server.sdwan_as(token, words);
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn the_first_token_opens_the_door_to_all_others() {
    let server = start();
    let list = ["client", "router", "list"];
    let nobody = server.sdwan(&list);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("token"), "{}", stderr(&nobody));

    let admin = admin(&server);
    must(&server, &admin, &list);
    let words = ["token", "create", "--name", "ci", "--role", "operator"];
    let more = ["--role", "x", "--tenant", "blue", "--expires", "30d"];
    let made = must(&server, &admin, &[&words[..], &more].concat());
    let token = made.strip_suffix('\n').unwrap();
    must(&server, token, &list);
    let taken = server.sdwan_as(&admin, &words);
    assert_eq!(taken.status.code(), Some(5), "{}", stderr(&taken));

    let table = must(&server, &admin, &["token", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    let column = lines[0].find("ROLES").unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line[column..].starts_with("operator,x  blue")),
        "{table}"
    );

    // By itself, it is known by its id alone.
    let made = must(
        &server,
        &admin,
        &["token", "create", "--name", "lost", "--role", "reader"],
    );
    let lost = made.trim_end();
    let id = lost.split('_').nth(1).unwrap();
    let revoke = ["token", "revoke", "--verbosity", "1", lost];
    let output = server.sdwan_as(&admin, &revoke);
    assert_eq!(stdout(&output), format!("{id} is revoked\n"));
    assert!(!stderr(&output).contains(lost), "{}", stderr(&output));
    assert_eq!(server.sdwan_as(lost, &list).status.code(), Some(1));

    let revoke = ["token", "revoke", "ci"];
    assert_eq!(must(&server, &admin, &revoke), "ci is revoked\n");
    assert_eq!(server.sdwan_as(token, &list).status.code(), Some(1));
    assert_eq!(server.sdwan_as(&admin, &revoke).status.code(), Some(4));

    let log = server.log();
    for token in [&admin, token] {
        let secret = token.splitn(3, '_').nth(2).unwrap();
        assert!(!log.contains(secret), "{log}");
    }
    assert!(log.contains("sdwan.db.admin-token"), "{log}");

    // It lasts, and no second one is made.
    let server = Server::start_with(server.kill(), &["--auth", "tokens"]);
    must(&server, &admin, &list);
    assert!(!server.log().contains("admin-token"), "{}", server.log());
}

#[test]
fn each_caller_has_the_commands_that_he_may_use() {
    let server = start();
    let admin = admin(&server);
    let token = |name: &str, role: &str| {
        let words = ["token", "create", "--name", name, "--role", role];
        must(&server, &admin, &words).trim_end().to_owned()
    };
    let (reader, nobody) = (token("reader", "reader"), token("nobody", "none"));
    let create = [
        "client",
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
    ];
    let dry = [&create[..], &["--dry-run"]].concat();
    // The schemas are kept between commands, but for each caller his own.
    for _ in 0..2 {
        must(&server, &admin, &dry);
        let refused = server.sdwan_as(&reader, &create);
        assert_eq!(refused.status.code(), Some(1));
        assert_eq!(stderr(&refused), "no policy lets you create routers\n");
        let refused = server.sdwan_as(&nobody, &create);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            stderr(&refused).contains("no policy lets you read /gohan/v0.1/schemas"),
            "{}",
            stderr(&refused)
        );
    }
    let requests = |words: &[&str]| {
        let words = [words, &["--verbosity", "1"]].concat();
        stderr(&server.sdwan_as(&reader, &words))
            .matches("GET ")
            .count()
    };
    let list = ["client", "router", "list"];
    assert_eq!((requests(&list), requests(&list)), (1, 1));
    let kept = server.folder.path().join(".cache/sdwan/schemas.json");
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(!kept.contains(&reader[6..]), "a token in the cache");
}

#[test]
fn who_is_not_let_in_is_told_what_to_do() {
    let server = start();
    let said = |output: &std::process::Output| {
        assert_eq!(output.status.code(), Some(1));
        stderr(output)
    };
    let list = ["client", "router", "list"];
    let text = said(&server.sdwan(&list));
    let endpoint = &server.endpoint;
    assert!(
        text.starts_with(&format!(
            "{endpoint} asks who you are; it takes tokens of its own\nLog in with `sdwan login`"
        )),
        "{text}"
    );
    let text = said(&server.sdwan_as("nonsense", &list));
    assert!(text.contains("the one in OS_TOKEN"), "{text}");
    assert!(!text.contains("nonsense"), "{text}");
    // Help is there for everybody.
    let help = server.sdwan(&["client", "--help"]);
    assert!(help.status.success() && stdout(&help).contains("Exit codes"));
    assert!(
        stderr(&help).contains("Kinds are left out"),
        "{}",
        stderr(&help)
    );
}

#[test]
fn whoever_has_to_prove_himself_may_come_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), &["--address", "0.0.0.0:0", "--auth", "none"]);
    assert!(said.contains("--auth tokens"), "{said}");
    let said = refused(folder.path(), &["--auth", "some"]);
    assert!(said.contains("neither none nor tokens"), "{said}");
    let everywhere = ["--address", "0.0.0.0:0", "--auth", "tokens"];
    let mut child = support::server_command(folder.path(), &everywhere)
        .spawn()
        .unwrap();
    let file = folder.path().join("sdwan.db.admin-token");
    let end = Instant::now() + Duration::from_secs(60);
    while !file.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let made = file.exists();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(made, "it did not start");
}

/// Until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn servers_of_one_etcd_take_the_same_tokens_and_none_for_long_without_it() {
    let etcd = Etcd::start();
    let shared = tempfile::tempdir().unwrap();
    let key = shared.path().join("key").display().to_string();
    let start = || {
        let folder = tempfile::tempdir().unwrap();
        let words = "auth: tokens\ntokens: {max_age: 10}\n";
        std::fs::write(folder.path().join("gohan.yaml"), words).unwrap();
        let words = ["--config-file", "gohan.yaml", "--key-file", &key];
        Server::start_with(folder, &[&words[..], &["--etcd", &etcd.endpoint]].concat())
    };
    let one = start();
    let file = |server: &Server| server.folder.path().join("sdwan.admin-token");
    let admin = std::fs::read_to_string(file(&one)).unwrap();
    let admin = admin.trim_end();
    let two = start();
    assert!(!file(&two).exists());

    let list = ["client", "router", "list"];
    let takes = |server: &Server, token: &str| server.sdwan_as(token, &list).status.success();
    let made = must(
        &one,
        admin,
        &["token", "create", "--name", "ci", "--role", "reader"],
    );
    let ci = made.trim_end();
    until("the other takes it", || takes(&two, ci));
    assert!(takes(&one, ci));
    must(&two, admin, &["token", "revoke", "ci"]);
    assert!(!takes(&two, ci));
    until("the other takes it no more", || !takes(&one, ci));

    etcd.stop();
    for server in [&one, &two] {
        until("it can't tell whether tokens were revoked", || {
            stderr(&server.sdwan_as(admin, &list)).contains("revoked can't be told")
        });
    }
    etcd.go_on();
    until("it takes tokens again", || {
        takes(&one, admin) && takes(&two, admin)
    });
}
