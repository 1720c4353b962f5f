//! What a configuration may say, and what is told of a wrong one.

use super::*;

fn load_with(text: &str, insecure: bool) -> Result<Loaded, String> {
    let document = Document::parse("gohan.yaml", text).map_err(|e| e.to_string())?;
    file::parse(&document, Path::new("etc"), insecure, None).map_err(|e| e.to_string())
}

fn load(text: &str) -> Result<Loaded, String> {
    load_with(text, false)
}

fn errors(text: &str) -> String {
    load(text).expect_err("the configuration was accepted")
}

#[test]
fn no_file_is_an_embedded_store_on_loopback() {
    let config = Config::default();
    assert_eq!(config.database, Path::new("./sdwan.db"));
    assert_eq!(config.address.to_string(), "127.0.0.1:9998");
    assert_eq!(config.guard(), Ok(()));
    assert!(config.logging.stderr.is_some());
}

#[test]
fn an_empty_file_is_no_file() {
    let defaults = Config::default();
    for text in ["", "# nothing\n", "{}"] {
        assert_eq!(load(text).expect(text).config, defaults, "{text:?}");
    }
}

#[test]
fn every_key_that_this_server_follows_is_followed() {
    let loaded = load(
        r#"
database: {type: sqlite3, connection: ./wan.db}
schemas: [./sites.yaml, /etc/more.json]
address: "[::1]:8080"
hosts: [SDWAN.example.net]
tls: {enabled: false, key_file: a, cert_file: b}
document_root: .
etcd: []
keystone: {use_keystone: false, auth_url: "http://k/v2.0", password: x, version: v2.0}
cors: [https://ui.example.net, "http://localhost:3000"]
logging:
  stderr: {enabled: true, level: WARNING, format: json}
  file: {enabled: true, level: DEBUG, filename: ./wan.log}
"#,
    )
    .expect("a right file");
    let config = loaded.config;
    assert_eq!(config.database, Path::new("etc/./wan.db"));
    assert_eq!(
        config.schemas,
        [PathBuf::from("etc/./sites.yaml"), "/etc/more.json".into()]
    );
    assert_eq!(config.address.to_string(), "[::1]:8080");
    assert_eq!(config.hosts, ["sdwan.example.net"]);
    assert_eq!(
        config.cors,
        ["https://ui.example.net", "http://localhost:3000"]
    );
    let stderr = config.logging.stderr.expect("stderr is on");
    assert_eq!((stderr.level, stderr.format), (Level::Warn, Format::Json));
    let file = config.logging.file.expect("the file is on");
    assert_eq!(file.path, Path::new("etc/./wan.log"));
    assert_eq!((file.level, file.format), (Level::Debug, Format::Text));
}

#[test]
fn the_seeds_own_file_asks_its_keystone() {
    let seed = r#"database:
    type: "sqlite3"
    connection: "./gobgp.db"
schemas:
    - "./etc/gohan.json"
    - "./gobgp_schema.yaml"
address: ":9998"
tls:
    enabled: false
document_root: "/etc/gohan/"
etcd:
    - "http://127.0.0.1:2379"
keystone:
    use_keystone: true
    fake: false
    auth_url: "http://192.0.2.1:5000/v2.0"
    user_name: "admin"
    tenant_name: "admin"
    password: "hush"
cors: "*"
logging:
    stderr:
        enabled: true
        level: INFO
    file:
        enabled: true
        level: INFO
        filename: ./gohan.log
"#;
    let loaded = load(seed).expect("every key means something");
    assert!(!format!("{loaded:?}").contains("hush"));
    let Some(Identity::Keystone(keystone)) = loaded.config.auth.identity else {
        panic!("it asks for Keystone");
    };
    assert_eq!(keystone.auth_url.as_str(), "http://192.0.2.1:5000/v2.0");
    let Login::User { name, project, .. } = &keystone.login else {
        panic!("it has a user");
    };
    assert_eq!(
        (name.as_str(), project.as_deref()),
        ("admin", Some("admin"))
    );
}

#[test]
fn unknown_keys_name_their_place_and_the_nearest_known_one() {
    insta::assert_snapshot!(errors("adress: \":1\"\ndatabase:\n  typ: sqlite3\n  wat: 1\n"), @r#"
    gohan.yaml:1:1: unknown key "adress", did you mean "address"?
    gohan.yaml:3:3: unknown key "typ", did you mean "type"?
    gohan.yaml:4:3: unknown key "wat": known are type, connection, auto_migrate, cascade_delete, deadlock_retry_tx, drop_on_create, initial_data, legacy, max_open_conn, migrations, no_init
    "#);
}

#[test]
fn every_wrong_type_is_told_at_once_without_its_value() {
    let told = errors(
        "database: here\nschemas: {a: b}\naddress: 9998\ntls: {enabled: yes please}\n\
         keystone: {use_keystone: hush}\nlogging: [1]\ncors: [1]\n",
    );
    insta::assert_snapshot!(told, @r#"
    gohan.yaml:1:1: "database" must be a mapping, not text
    gohan.yaml:2:1: "schemas" must be a list, not an object
    gohan.yaml:3:1: "address" must be text, not a number
    gohan.yaml:4:7: "enabled" must be true or false, not text
    gohan.yaml:5:12: "use_keystone" must be true or false, not text
    gohan.yaml:6:1: "logging" must be a mapping, not a list
    gohan.yaml:7:8: this must be text, not a number
    "#);
    assert!(!told.contains("hush"));
}

#[test]
fn keys_of_gohan_that_mean_nothing_here_warn() {
    let loaded = load(
        "profiling: {enabled: true}\ndatabase: {max_open_conn: 100}\n\
                       keystone: {use_keystone: false, fake: true}\nschemas: [\"embed://etc/schema/gohan.json\"]\n\
                       document_root: embed\n",
    )
    .expect("warnings only");
    let told: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    gohan.yaml:1:1: "profiling" is not used: no profiler is built in
    gohan.yaml:2:12: "max_open_conn" is not used: the embedded store takes care of it
    gohan.yaml:3:33: "fake" is not used: "use_keystone" is false
    gohan.yaml:4:11: embed://etc/schema/gohan.json is not used: Gohan's own kinds are built in
    gohan.yaml:5:1: "embed" is not used: no web UI is built in
    "#);
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn unsupported_features_fail_closed() {
    for (text, word) in [
        ("keystone: {use_keystone: true}", "auth_url"),
        (
            "keystone: {use_keystone: true, auth_url: \"http://u:p@k/v3\"}",
            "a user in it",
        ),
        (
            "keystone: {use_keystone: true, auth_url: \"ftp://k\"}",
            "no URL",
        ),
        (
            "keystone: {use_keystone: true, auth_url: \"http://k/v3\"}",
            "user_name",
        ),
        (
            "keystone: {use_keystone: true, auth_url: \"http://k/v3\", user_name: u}",
            "password_file",
        ),
        (
            "keystone: {use_keystone: true, auth_url: \"http://k/v3\", user_name: u, password: p, \
             application_credential_id: i, application_credential_secret: s}",
            "no user",
        ),
        (
            "keystone: {use_keystone: true, auth_url: \"http://k/v3\", user_name: u, password: p, \
             version: v1}",
            "v3 is",
        ),
        ("tls: {enabled: true}", "TLS needs a \"cert_file\""),
        (
            "tls: {enabled: true, cert_file: c}",
            "TLS needs a \"key_file\"",
        ),
        (
            "tls: {enabled: true, cert_file: c, key_file: k, ca: a}",
            "client_ca_file",
        ),
        ("gobgpd: {tls: {enabled: true}}", "ca_file"),
        (
            "gobgpd: {tls: {enabled: true, ca_file: a, cert_file: c}}",
            "key_file",
        ),
        ("gobgpd: {tls: {without: [\"h:x\"]}}", "port"),
        ("limits: {connections: 15}", "from 16 to 1000000"),
        ("limits: {connections: -1}", "from 16 to 1000000"),
        ("limits: {stall_timeout: 0}", "from 1 to 86400"),
        ("limits: {stall_timeout: 1.5}", "whole number"),
        (
            "limits: {body_timeout: 30}",
            "less than \"request_timeout\"",
        ),
        ("limits: {head_bytes: 4096}", "from 8192"),
        ("limits: {conections: 20}", "did you mean \"connections\""),
        ("etcd: [\"http://127.0.0.1\"]", "HOST:PORT"),
        ("etcd: \"ftp://127.0.0.1:2379\"", "ftp"),
        ("etcd: {}", "endpoints"),
        ("etcd: {endpoints: []}", "endpoints"),
        ("etcd: {endpoints: \"h:1\", user: me}", "password_file"),
        (
            "etcd: {endpoints: \"h:1\", ca_file: a, cert_file: c}",
            "key_file",
        ),
        (
            "etcd: {endpoints: \"h:1\", cert_file: c, key_file: k}",
            "ca_file",
        ),
        ("etcd: {endpoints: \"h:1\", password: hush}", "user"),
        (
            "etcd: {endpoints: \"h:1\", user: me, password: hush, password_file: p}",
            "not both",
        ),
        ("database: {type: mysql}", "sqlite3"),
        ("database: {connection: \":memory:\"}", "restart"),
        ("database: {connection: \"\"}", "empty"),
        ("cors: \"*\"", "any web page"),
        ("cors: \"example.net\"", "no origin"),
        ("cors: \"https://example.net/\"", "no origin"),
        ("cors: \"https://user@example.net\"", "no origin"),
        ("hosts: [\"a/b\"]", "no host name"),
        ("logging: {file: {enabled: true}}", "filename"),
        ("logging: {stderr: {level: LOUD}}", "no level"),
    ] {
        let told = errors(text);
        assert!(told.contains(word), "{text}: {told}");
        assert!(told.starts_with("gohan.yaml:1:"), "{text}: {told}");
    }
}

#[test]
fn an_etcd_is_a_list_or_a_mapping_and_goes_before_the_database() {
    let etcd = |text: &str| load(text).expect(text).config.etcd;
    assert_eq!(etcd("etcd: []"), None);
    let one = vec!["http://127.0.0.1:2379".to_owned()];
    for text in [
        "etcd: [\"http://127.0.0.1:2379\"]",
        "etcd: http://127.0.0.1:2379",
        "etcd: {endpoints: [\"http://127.0.0.1:2379\"]}",
    ] {
        assert_eq!(etcd(text), Some(Etcd::at(one.clone())), "{text}");
    }
    let mapped = etcd(
        "etcd: {endpoints: [a:1, b:2], prefix: wan, user: me, password_file: pass, \
         ca_file: /ca, cert_file: cert, key_file: key}",
    );
    let expected = Etcd {
        endpoints: vec!["a:1".into(), "b:2".into()],
        prefix: "wan".into(),
        user: Some(("me".into(), Password::In("etc/pass".into()))),
        ca_file: Some("/ca".into()),
        identity: Some(("etc/cert".into(), "etc/key".into())),
    };
    assert_eq!(mapped, Some(expected));

    let both = "database: {connection: ./wan.db}\netcd: [a:1]\nkey_file: ./wan.key\n";
    let Loaded { config, warnings } = load(both).expect("both");
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["gohan.yaml:1:1: \"database\" is not used: etcd is the store"]
    );
    assert_eq!(config.secrets_key(), Path::new("etc/./wan.key"));
}

#[test]
fn the_secrets_key_lies_beside_the_database() {
    let mut config = Config::default();
    assert_eq!(config.secrets_key(), Path::new("./sdwan.db.key"));
    config.etcd = Some(Etcd::at(vec!["a:1".into()]));
    assert_eq!(config.secrets_key(), Path::new("./sdwan.key"));
}

#[test]
fn a_password_comes_from_a_file_that_not_everybody_reads_and_is_never_told() {
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;
    let text = "etcd: {endpoints: \"h:1\", user: me, password: hush}";
    let config = load(text).expect("a password").config;
    assert!(!format!("{config:?}").contains("hush"));
    let options = config.etcd.expect("etcd").options().expect("no files");
    assert_eq!(
        options.user.expect("a user").password.expose_secret(),
        "hush"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pass");
    let etcd = Etcd {
        user: Some(("me".into(), Password::In(path.clone()))),
        ..Etcd::at(vec!["h:1".into()])
    };
    let told = || etcd.options().expect_err("no password").to_string();
    assert!(told().contains("pass: No such file"), "{}", told());
    let allow = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("a mode");
    };
    std::fs::write(&path, "\nhush").expect("written");
    allow(0o600);
    assert!(told().contains("first line is empty"), "{}", told());
    std::fs::write(&path, "hush \r\nnot this\n").expect("written");
    allow(0o604);
    assert!(told().contains("chmod 600"), "{}", told());
    assert!(!told().contains("hush"), "{}", told());
    allow(0o640);
    let user = etcd.options().expect("readable").user.expect("a user");
    assert_eq!(user.password.expose_secret(), "hush ");
    assert!(!format!("{user:?}").contains("hush"));
}

#[test]
fn certificates_for_etcd_come_from_files_and_only_the_key_is_a_secret() {
    use secrecy::ExposeSecret as _;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let everybody = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, everybody).expect("a mode");
        path
    };
    let key = write("key", "the key");
    let etcd = Etcd {
        ca_file: Some(write("ca", "the ca")),
        identity: Some((write("cert", "the cert"), key.clone())),
        ..Etcd::at(vec!["https://h:1".into()])
    };
    let told = etcd.options().expect_err("an open key").to_string();
    assert!(told.contains("key: everybody"), "{told}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let tls = etcd.options().expect("readable").tls.expect("TLS");
    let identity = tls.identity.expect("an identity");
    assert_eq!((&*tls.ca, &*identity.certificate), ("the ca", "the cert"));
    assert_eq!(identity.key.expose_secret(), "the key");
    std::fs::remove_file(folder.path().join("ca")).expect("removed");
    let told = etcd.options().expect_err("no CA").to_string();
    assert!(told.contains("ca: No such file"), "{told}");
}

#[test]
fn what_is_shown_to_clients_counts_where_it_is_enabled() {
    let tls = |text: &str| load(text).expect(text).config.tls;
    assert_eq!(tls("tls: {cert_file: c, key_file: k}"), None);
    assert_eq!(
        tls("tls: {enabled: false, cert_file: c, key_file: k}"),
        None
    );
    let expected = Tls {
        cert_file: "etc/c".into(),
        key_file: "/k".into(),
        client_ca_file: None,
    };
    let text = "tls: {enabled: true, cert_file: c, key_file: /k}";
    assert_eq!(tls(text), Some(expected.clone()));
    let text = "tls: {enabled: true, cert_file: c, key_file: /k, client_ca_file: a}";
    let expected = Tls {
        client_ca_file: Some("etc/a".into()),
        ..expected
    };
    assert_eq!(tls(text), Some(expected));
}

#[test]
fn with_tls_somebody_has_to_be_asked_all_the_same() {
    let text = "{address: \":1\", tls: {enabled: true, cert_file: c, key_file: k}}";
    assert!(errors(text).contains("--insecure"));
}

#[test]
fn every_limit_can_be_set() {
    use std::time::Duration;
    let limits = load(
        "limits: {connections: 100, connections_per_peer: 10, handshake_timeout: 1, \
         head_timeout: 2, body_timeout: 3, request_timeout: 4, stall_timeout: 5, \
         head_bytes: 8192, headers: 50, url_bytes: 1000, body_bytes: 5000, nesting: 20, \
         requests_per_second: 0, watches: 0, failed_logins_per_minute: 6}",
    );
    let seconds = Duration::from_secs;
    let expected = Limits {
        connections: 100,
        connections_per_peer: 10,
        handshake: seconds(1),
        head: seconds(2),
        body: seconds(3),
        request: seconds(4),
        stall: seconds(5),
        head_bytes: 8192,
        headers: 50,
        url_bytes: 1000,
        body_bytes: 5000,
        nesting: 20,
        requests_per_second: 0,
        watches: 0,
        failed_logins_per_minute: 6,
        ..Limits::default()
    };
    assert_eq!(limits.expect("right").config.limits, expected);
}

#[test]
fn tls_towards_gobgpds_is_read_from_files() {
    let gobgpd = |text: &str| load(text).expect(text).config.gobgpd;
    assert_eq!(gobgpd("gobgpd: {tls: {ca_file: a}}"), None);
    let text = "gobgpd: {tls: {enabled: true, ca_file: a, cert_file: c, key_file: k, \
                server_name: gobgp.example, without: [192.0.2.1, \"R2.example:50052\"]}}";
    let expected = Gobgpd {
        ca_file: "etc/a".into(),
        identity: Some(("etc/c".into(), "etc/k".into())),
        server_name: Some("gobgp.example".into()),
        without: ["192.0.2.1:50051".into(), "r2.example:50052".into()].into(),
    };
    assert_eq!(gobgpd(text), Some(expected.clone()));
    let told = expected.tls().expect_err("no files").to_string();
    assert!(told.contains("No such file"), "{told}");

    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca");
    std::fs::write(&ca_file, "no PEM").expect("written");
    let gobgpd = Gobgpd {
        ca_file,
        ..Gobgpd::default()
    };
    let told = gobgpd.tls().expect_err("no certificate").to_string();
    assert!(
        told.contains("gobgpd.tls") && told.contains("authority's certificate"),
        "{told}"
    );
}

#[test]
fn only_insecure_listens_where_others_can_reach() {
    for address in [
        ":9998",
        "0.0.0.0:9998",
        "[::]:1",
        "192.0.2.1:1",
        "wan.example:1",
    ] {
        let text = format!("address: {address:?}");
        assert!(errors(&text).contains("--insecure"), "{address}");
        let config = load_with(&text, true).expect(address).config;
        assert_eq!(config.guard(), Ok(()), "{address}");
        let meant = Config {
            insecure: false,
            ..config
        };
        assert!(matches!(meant.guard(), Err(Error::Exposed(_))), "{address}");
    }
    for address in [
        "127.0.0.1:9998",
        "127.9.9.9:0",
        "[::1]:9998",
        "localhost:9998",
    ] {
        assert!(load(&format!("address: {address:?}")).is_ok(), "{address}");
    }
}

#[test]
fn callers_are_asked_for_tokens_where_that_is_said() {
    let auth = |text: &str| load(text).expect(text).config.auth;
    assert!(auth("{}").is_none() && auth("auth: none").is_none());
    assert_eq!(auth("auth: tokens"), Auth::by_tokens());
    let patient = auth("auth: tokens\ntokens: {max_age: 300}").tokens;
    let max_age = std::time::Duration::from_secs(300);
    assert_eq!(patient.map(|tokens| tokens.max_age), Some(max_age));
    let fake = auth("keystone: {fake: true}");
    assert!(!fake.is_none() && !fake.protects());
    let both = auth("auth: tokens\nkeystone: {use_keystone: true, fake: true}");
    assert!(both.tokens.is_some() && both.identity == Some(Identity::Fake));
    for (text, word) in [
        ("auth: token", "neither none nor tokens"),
        ("auth: none\nkeystone: {fake: true}", "contradicts"),
        ("auth: tokens\ntokens: {max_age: 9}", "from 10"),
        ("auth: tokens\ntokens: {max_age: 1m}", "whole seconds"),
        ("tokens: {min_age: 9}", "max_age"),
    ] {
        let told = errors(text);
        assert!(told.contains(word), "{text}: {told}");
    }
    let unused = load("tokens: {max_age: 60}").expect("a warning").warnings;
    assert!(unused[0].to_string().contains("not used"), "{unused:?}");
}

#[test]
fn a_keystone_is_asked_as_the_file_says() {
    let keystone = |more: &str| {
        let text = format!(
            "keystone: {{use_keystone: true, auth_url: \"http://192.0.2.1:5000/v3\", {more}}}"
        );
        let loaded = load(&text).unwrap_or_else(|told| panic!("{text}: {told}"));
        match loaded.config.auth.identity {
            Some(Identity::Keystone(keystone)) => (*keystone, loaded.warnings.len()),
            other => panic!("{text}: {other:?}"),
        }
    };
    let user = "user_name: u, password: hush";
    for (more, seconds) in [
        ("", 60),
        (", cache_ttl: 0", 0),
        (", cache_ttl: 90", 90),
        (", cache_ttl: 15m", 900),
        (", use_auth_cache: false, cache_ttl: 15m", 0),
        (", use_auth_cache: true", 60),
    ] {
        let (keystone, warnings) = keystone(&format!("{user}{more}"));
        assert_eq!(
            (keystone.cache_ttl.as_secs(), warnings),
            (seconds, 0),
            "{more}"
        );
    }
    let (old, warnings) = keystone(&format!("{user}, version: v2.0, ca_file: ca.pem"));
    assert_eq!((old.ca_file, warnings), (Some("etc/ca.pem".into()), 1));
    let application = "application_credential_id: i, application_credential_secret_file: s";
    let (application, _) = keystone(application);
    let secret = Password::In("etc/s".into());
    let id = "i".to_owned();
    assert_eq!(application.login, Login::Application { id, secret });
    let told = errors(
        "keystone: {use_keystone: true, auth_url: \"http://k/v3\", user_name: u, \
         password: hush, cache_ttl: soon}",
    );
    assert!(told.contains("15m") && !told.contains("hush"), "{told}");
}

#[test]
fn where_callers_prove_who_they_are_others_may_reach_the_server() {
    let text = "address: \":9998\"\ncors: \"*\"\nauth: tokens\n";
    let config = load(text).expect("protected").config;
    assert_eq!(config.cors, ["*"]);
    assert_eq!(config.guard(), Ok(()));
    // Everybody has the fake Keystone's tokens.
    let told = errors("address: \":9998\"\ncors: \"*\"\nkeystone: {fake: true}\n");
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(
        told.contains("--insecure") && told.contains("any web page"),
        "{told}"
    );
}

#[test]
fn addresses_read_and_print_alike() {
    for text in [":0", "127.0.0.1:9998", "[::1]:65535", "a-b.example:1"] {
        let address: Address = text.parse().expect(text);
        assert_eq!(address.to_string(), text);
    }
    for text in [
        "",
        "9998",
        "127.0.0.1",
        "h:65536",
        "h:+1",
        "h:",
        "::1:1",
        "[::1:1",
        "a b:1",
        "h:1 ",
    ] {
        let told = text.parse::<Address>().expect_err(text);
        assert!(told.contains("HOST:PORT"), "{told}");
    }
}

#[test]
fn gohans_own_schema_files_are_passed_over_and_others_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let own = write(
        "copied.json",
        r#"{"schemas": [{"id": "schema", "prefix": "/gohan/v0.1"}]}"#,
    );
    let extensions = write("ext.yaml", "extensions: [{id: x, code: y}]");
    let mine = write("sites.yaml", "schemas: [{id: site, prefix: /v2.0}]");
    let missing = folder.path().join("gohan.json");
    let config = Config {
        schemas: vec![own, extensions, mine, missing],
        ..Config::default()
    };
    let (documents, warnings) = config.read_schemas().expect("readable");
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].value["schemas"][0]["id"], "site");
    assert_eq!(warnings.len(), 3, "{warnings:?}");

    let text = "schemas: [{id: site}]\npolicies: [{id: all}]\nextensions: [{id: x}]\n";
    let config = Config {
        schemas: vec![
            write("whole.yaml", text),
            write("policies.yaml", "policies: []\nextensions: []\n"),
        ],
        ..Config::default()
    };
    let (documents, warnings) = config.read_schemas().expect("readable");
    assert_eq!(documents.len(), 2);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("whole.yaml:3:1: \"extensions\" is not used: "));
    assert!(warnings[1].contains("policies.yaml:2:1: \"extensions\" is not used: "));

    let broken = write("broken.yaml", "schemas: [\n");
    let latin = folder.path().join("latin.yaml");
    std::fs::write(&latin, b"title: \xe9").expect("written");
    let config = Config {
        schemas: vec![broken, folder.path().join("absent.yaml"), latin],
        ..Config::default()
    };
    let told = config
        .read_schemas()
        .expect_err("three problems")
        .to_string();
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.contains("broken.yaml:") && told.contains("absent.yaml:1:1: No such file"));
    assert!(told.contains("latin.yaml:1:1: not UTF-8 after byte 7"));
}

#[test]
fn a_schema_file_that_is_not_there_is_told_where_it_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gohan.yaml");
    let text = "schemas:\n- ./gohan.json\n- embed://etc/schema/gohan.json\n- absent.yaml\n";
    std::fs::write(&path, text).expect("written");
    let told = Config::load(&path, false, None).expect_err("no such file");
    let absent = folder.path().join("absent.yaml");
    assert_eq!(
        told.to_string(),
        format!(
            "{}:4:3: {} can't be read: No such file or directory (os error 2)",
            path.display(),
            absent.display()
        )
    );
    std::fs::write(&path, "schemas: absent.yaml\n").expect("written");
    let told = Config::load(&path, false, None).expect_err("no such file");
    assert!(told.to_string().contains("gohan.yaml:1:1: "), "{told}");
}

#[test]
fn the_command_lines_address_goes_over_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gohan.yaml");
    std::fs::write(&path, "address: \":9998\"\n").expect("written");
    assert!(Config::load(&path, false, None).is_err(), "exposed");
    let address: Address = "127.0.0.1:9990".parse().expect("an address");
    let loaded = Config::load(&path, false, Some(address.clone())).expect("not exposed");
    assert_eq!(loaded.config.address, address);
}

#[test]
fn the_manuals_files_are_right() {
    let manual = include_str!("../../../../docs/OPERATIONS.md");
    let mut files = manual.split("```yaml\n").skip(1).map(|rest| {
        let (file, _) = rest.split_once("```").expect("a block that ends");
        file
    });
    let configuration = files.next().expect("a configuration");
    let loaded = load(configuration).expect("a right configuration");
    assert_eq!(loaded.config.schemas, [Path::new("etc/./sites.yaml")]);
    assert!(loaded.config.tls.is_some());
    let tokens = files.next().expect("a configuration with tokens");
    assert_eq!(
        load(tokens).expect("a right configuration").config.auth,
        Auth::by_tokens()
    );
    let keystone = files.next().expect("a configuration with a Keystone");
    let auth = load(keystone).expect("a right configuration").config.auth;
    assert!(matches!(auth.identity, Some(Identity::Keystone(_))));
    let tls = files.next().expect("a configuration with TLS");
    let tls = load(tls).expect("a right configuration").config.tls;
    assert!(tls.is_some_and(|tls| tls.client_ca_file.is_some()));
    let gobgpd = files.next().expect("a configuration of TLS with gobgpd");
    let gobgpd = load(gobgpd).expect("a right configuration").config.gobgpd;
    assert!(gobgpd.is_some_and(|gobgpd| gobgpd.identity.is_some()));
    let etcd = files.next().expect("a configuration with an etcd");
    let etcd = load(etcd).expect("a right configuration").config.etcd;
    assert!(etcd.is_some_and(|etcd| etcd.identity.is_some()));
    let cluster = files.next().expect("a configuration of one of several");
    let loaded = load(cluster).expect("a right configuration");
    assert_eq!(loaded.config.cluster, crate::cluster::Settings::default());
    let schemas = files.next().expect("schemas");
    let document = Document::parse("sites.yaml", schemas).expect("YAML");
    let schemas = sdwan_model::schema::Schemas::load(&[document]).expect("right schemas");
    assert!(schemas.get("rack").is_some());
}

#[test]
fn a_missing_file_is_one_clear_line() {
    let told = Config::load(Path::new("/nonexistent/gohan.yaml"), false, None)
        .expect_err("no such file")
        .to_string();
    assert_eq!(
        told,
        "/nonexistent/gohan.yaml: No such file or directory (os error 2)"
    );
}

#[test]
fn an_audit_is_kept_where_that_is_asked_for() {
    let audit = |text: &str| load(text).expect(text).config;
    assert_eq!(audit("hosts: []").audit, None);
    assert_eq!(audit("audit: {enabled: false}").audit, None);
    assert_eq!(audit("audit:").audit, Some(Audit::default()));
    let usual = audit("database: {connection: wan.db}\naudit: {}");
    assert_eq!(usual.audit, Some(Audit::default()));
    assert_eq!(usual.audit_file(), Some("etc/wan.db.audit".into()));
    let shared = audit("etcd: ['http://a:1']\naudit: {}");
    assert_eq!(shared.audit_file(), Some("./sdwan.audit".into()));
    let all = "audit: {file: who, max_size: 1GiB, keep: 3, syslog: 'udp://log:514', \
               reads: all, heads: 60}";
    let all = audit(all).audit.expect("an audit");
    assert_eq!(all.file, Some("etc/who".into()));
    assert_eq!((all.max_size, all.keep, all.reads), (1 << 30, 3, true));
    assert_eq!(all.heads.as_secs(), 60);
    let to = all.syslog.expect("a syslog").to_string();
    assert_eq!(to, "udp://log:514");
    let local = audit("audit: {syslog: true}").audit.expect("an audit");
    assert_eq!(local.syslog, Some(crate::audit::Syslog::default()));
    assert_eq!(
        audit("audit: {syslog: false}").audit,
        Some(Audit::default())
    );
}

#[test]
fn a_wrong_audit_is_told() {
    for (text, told) in [
        ("{files: x}", "\"file\""),
        ("{max_size: 64}", "text"),
        ("{max_size: 64MB}", "MiB"),
        ("{max_size: 1KiB}", "64KiB"),
        ("{keep: 0}", "from 1"),
        ("{heads: 0}", "from 1"),
        ("{syslog: log.example.net}", "udp://"),
        ("{syslog: 7}", "text"),
        ("{reads: some}", "refused or all"),
        ("true", "mapping"),
    ] {
        let said = errors(&format!("audit: {text}"));
        assert!(said.contains(told), "{text}: {said}");
    }
}
