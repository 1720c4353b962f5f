//! Clients that mean harm, or break in ways that look like it: what each of
//! them gets, and that everybody else goes on.

use crate::harness::{NEVER, ROUTERS, Setup, gobgp};
use crate::socket::{anywhere, deps, start, talk};
use crate::who::caller;
use sdwan_server::config::{Auth, Config, Identity};
use sdwan_server::limits::Limits;
use sdwan_server::server::Server;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn limited(limits: Limits) -> Server {
    let config = Config {
        limits,
        ..anywhere()
    };
    Server::start(&config, deps()).await.expect("it starts")
}

/// The status of the first answer to these bytes; 0 where none came before
/// the end.
async fn status(server: &Server, bytes: &[u8]) -> u16 {
    let answer = tokio::time::timeout(PATIENCE, talk(server, bytes));
    let answer = answer.await.expect("the server closes");
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|a| a.get(..3));
    code.map_or(0, |code| code.parse().expect("a status"))
}

/// A well-behaved client gets an answer.
async fn others_are_served(server: &Server) {
    let head = b"GET /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(status(server, head).await, 200);
}

// The clock moves on whenever everybody waits: no second passes here.
#[tokio::test(start_paused = true)]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let (server, _) = start().await;
    let mut slow = TcpStream::connect(server.address()).await.expect("there");
    slow.write_all(b"GET /v2.0/routers HTTP/1.1\r\nX: ")
        .await
        .expect("written");
    assert!(drip(&mut slow, b"a").await, "the connection was kept");
    others_are_served(&server).await;
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_byte_by_byte_is_a_408() {
    let (server, _) = start().await;
    let mut slow = TcpStream::connect(server.address()).await.expect("there");
    let head = b"POST /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\
                 Content-Type: application/json\r\nConnection: close\r\n\r\n{";
    slow.write_all(head).await.expect("written");
    let mut answer = [0; 12];
    for _ in 0..120 {
        let _ = slow.write_all(b" ").await;
        let read = tokio::time::timeout(Duration::from_secs(1), slow.read_exact(&mut answer));
        if read.await.is_ok_and(|read| read.is_ok()) {
            break;
        }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    others_are_served(&server).await;
    server.stop().await;
}

/// A byte a second; whether the server has closed within two minutes of them.
async fn drip(stream: &mut TcpStream, byte: &[u8]) -> bool {
    for _ in 0..120 {
        let gone = stream.write_all(byte).await.is_err();
        let mut answer = [0; 64];
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer));
        if gone || matches!(read.await, Ok(Ok(0) | Err(_))) {
            return true;
        }
    }
    false
}

/// A connection from another address of this machine.
async fn connect_from(server: &Server, address: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((address, 0)))?;
    socket.connect(server.address()).await
}

#[tokio::test]
async fn a_thousand_idle_connections_leave_room_for_others() {
    let limits = Limits {
        head: NEVER,
        ..Limits::default()
    };
    let server = limited(limits).await;
    let mut idle = Vec::new();
    for n in 0..1000_u16 {
        let address = [127, 0, 1, (n % 10) as u8 + 1];
        idle.push(connect_from(&server, address).await.expect("connected"));
    }
    for _ in 0..10 {
        others_are_served(&server).await;
    }
    // They are there still: one of them asks.
    let stream = idle.last_mut().expect("one");
    let head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(idle);
    server.stop().await;
}

#[tokio::test]
async fn one_address_gets_its_share_of_the_connections_and_no_more() {
    let limits = Limits {
        connections: 64,
        connections_per_peer: 16,
        head: NEVER,
        ..Limits::default()
    };
    let server = limited(limits).await;
    let mut greedy = Vec::new();
    for _ in 0..100 {
        greedy.push(connect_from(&server, [127, 0, 1, 1]).await.expect("there"));
    }
    let mut refused = 0;
    for stream in &mut greedy[16..] {
        let mut nothing = [0; 1];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut nothing));
        let read = read.await.expect("closed");
        refused += usize::from(matches!(read, Ok(0) | Err(_)));
    }
    assert_eq!(refused, 84);
    others_are_served(&server).await;
    // With fewer, it may have more again.
    drop(greedy);
    let end = tokio::time::Instant::now() + PATIENCE;
    let head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    loop {
        let metrics = talk(&server, head).await;
        assert!(metrics.contains("\nsdwan_http_connections_refused_total 84\n"));
        // This one is its own.
        if metrics.contains("\nsdwan_http_connections 1\n") {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{metrics}");
    }
    let mut stream = connect_from(&server, [127, 0, 1, 1]).await.expect("there");
    stream.write_all(head).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_stalls_loses_its_watch() {
    let limits = Limits {
        stall: Duration::from_millis(200),
        ..Limits::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own.yaml");
    let text = "schemas: [{id: note, singular: note, plural: notes, prefix: /v2.0, \
                schema: {type: object, properties: {id: {type: string}, text: {type: string}}}}]";
    std::fs::write(&own, text).expect("written");
    let config = Config {
        limits,
        schemas: vec![own],
        ..anywhere()
    };
    let server = Server::start(&config, deps()).await.expect("it starts");
    let mut lazy = TcpStream::connect(server.address()).await.expect("there");
    lazy.write_all(b"GET /v2.0/notes?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .expect("written");
    let mut first = [0; 15];
    lazy.read_exact(&mut first).await.expect("a watch");
    assert_eq!(&first, b"HTTP/1.1 200 OK");

    // More than all buffers on the way hold.
    let body = json!({ "text": "x".repeat(900_000) }).to_string();
    let head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let create = format!(
            "POST /v2.0/notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(status(&server, create.as_bytes()).await, 201);
        let metrics = talk(&server, head).await;
        if metrics.contains("\nsdwan_http_connections 1\n") {
            break;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "the watch is there still"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_name() {
    let (server, _) = start().await;
    let get = |url: &str, headers: &str| {
        format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let url = |length: usize| format!("/v2.0/routers?limit={}", "1".repeat(length));
    let many = |count: usize| "X: y\r\n".repeat(count);
    let chunks = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(17) + "0\r\n\r\n";
    let mut wrong = Vec::new();
    for (what, bytes, expected) in [
        ("98 more headers", get("/healthz", &many(98)), 200),
        ("99 more headers", get("/healthz", &many(99)), 431),
        ("10,000 headers", get("/healthz", &many(10_000)), 431),
        (
            "a long header",
            get("/healthz", &format!("X: {}\r\n", "y".repeat(60_000))),
            200,
        ),
        (
            "a longer one",
            get("/healthz", &format!("X: {}\r\n", "y".repeat(200_000))),
            431,
        ),
        ("a long URL", get(&url(8_000), ""), 400),
        ("a longer one", get(&url(9_000), ""), 414),
        ("one over what a URL may be", get(&url(65_600), ""), 414),
        (
            "a body of more than 1 MiB, unannounced",
            format!(
                "POST {ROUTERS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
            413,
        ),
    ] {
        let got = status(&server, bytes.as_bytes()).await;
        if got != expected {
            wrong.push(format!("{what}: {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    others_are_served(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn every_bound_can_be_set() {
    let limits = Limits {
        head_bytes: 16 * 1024,
        headers: 20,
        url_bytes: 300,
        body_bytes: 4096,
        nesting: 8,
        ..Limits::default()
    };
    let server = limited(limits).await;
    let get = |url: &str, headers: &str| {
        format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
    };
    let post = |body: &str| {
        format!(
            "POST {ROUTERS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    for (bytes, expected) in [
        (get("/healthz", &"X: y\r\n".repeat(30)), 431),
        (
            get("/healthz", &format!("X: {}\r\n", "y".repeat(20_000))),
            431,
        ),
        (get(&format!("/{}", "x".repeat(300)), ""), 414),
        (post(&" ".repeat(5000)), 413),
    ] {
        assert_eq!(status(&server, bytes.as_bytes()).await, expected);
    }
    let deep = talk(&server, post(&("[".repeat(9) + &"]".repeat(9))).as_bytes()).await;
    assert!(deep.contains("nested deeper than 8 levels"), "{deep}");
    server.stop().await;
}

/// Requests that some server somewhere reads in two ways. Each with what it
/// gets here; 0 is an end without an answer.
#[tokio::test]
async fn what_is_malformed_or_ambiguous_is_refused() {
    let (server, _) = start().await;
    let end = "Connection: close\r\n\r\n";
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{lines}{end}");
    let post = |lines: &str, body: &str| {
        format!("POST {ROUTERS} HTTP/1.1\r\nHost: localhost\r\n{lines}{end}{body}")
    };
    let plain = |text: &str| text.to_owned();
    let mut wrong = Vec::new();
    for (bytes, expected) in [
        // The request line.
        (
            plain("GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            400,
        ),
        (plain("GET /healthz\r\n\r\n"), 400),
        (
            plain("GET /health z HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            400,
        ),
        (
            plain("GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            421,
        ),
        (
            plain("GET /healthz HTTP/3.1\r\nHost: localhost\r\n\r\n"),
            400,
        ),
        (
            plain("G\u{0}T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            400,
        ),
        (
            format!("get /healthz HTTP/1.1\r\nHost: localhost\r\n{end}"),
            405,
        ),
        (
            format!("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n{end}"),
            404,
        ),
        (
            format!("TRACE /healthz HTTP/1.1\r\nHost: localhost\r\n{end}"),
            405,
        ),
        // Header lines.
        (format!("GET /healthz HTTP/1.1\r\n{end}"), 400),
        (get("Host: localhost\r\n"), 400),
        (get("X: a\r\n b\r\n"), 400),
        (get("X: a\r\n\tb\r\n"), 400),
        (get("X : a\r\n"), 400),
        (get(" X: a\r\n"), 400),
        (get(": a\r\n"), 400),
        (get("X\r\n"), 400),
        (get("X: \u{0}\r\n"), 400),
        (get("X: a\rb\r\n"), 400),
        (get("X\u{0}: a\r\n"), 400),
        // A bare LF ends a line, as RFC 9112 (2.2) lets it.
        (get("X: a\n"), 200),
        // Two lengths, or one that is none.
        (
            post("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "),
            400,
        ),
        (post("Content-Length: 2, 3\r\n", "{} "), 400),
        (post("Content-Length: +2\r\n", "{}"), 400),
        (post("Content-Length: -2\r\n", "{}"), 400),
        (post("Content-Length: 0x2\r\n", "{}"), 400),
        (post("Content-Length: 99999999999999999999\r\n", "{}"), 400),
        // Other encodings than chunked, and chunks that are none.
        (post("Transfer-Encoding: identity\r\n", "{}"), 400),
        (post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400),
        (
            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
            400,
        ),
        (
            post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
            400,
        ),
        (
            post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
            400,
        ),
        (
            post("Transfer-Encoding: chunked\r\n", "2\r\n{}XX0\r\n\r\n"),
            400,
        ),
        (
            format!(
                "POST {ROUTERS} HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
        ),
    ] {
        let got = status(&server, bytes.as_bytes()).await;
        if got != expected {
            wrong.push(format!("{bytes:?}: {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    others_are_served(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_request_with_two_lengths_hides_no_second_one() {
    let (server, _) = start().await;
    let hidden = "POST /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
    let chunks = "0\r\n\r\n";
    let length = format!("Content-Length: {}\r\n", chunks.len() + hidden.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    for lines in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        // No "Connection: close": it is the server's to end it.
        let both = format!(
            "PUT /sdwan/v1/holds/all HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{chunks}{hidden}"
        );
        let answers = tokio::time::timeout(PATIENCE, talk(&server, both.as_bytes()));
        let answers = answers.await.expect("the server closes");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
    server.stop().await;
}

/// Only the one spelling of a path leads to what stands there: no rule about
/// a path is got round by another.
#[tokio::test]
async fn paths_have_one_spelling() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("made");
    std::fs::write(folder.path().join("secret"), "hush").expect("written");
    let setup = Setup {
        config: Config {
            document_root: Some(root),
            ..Config::default()
        },
        ..Setup::default()
    };
    let app = setup.start().await;
    let id = app.gobgp(1).await;
    app.get(&format!("/v2.0/routers/{id}")).await.expect(200);
    let mut wrong = Vec::new();
    for path in [
        "/v2.0/routers/../routers",
        "/v2.0/./routers",
        "/v2.0/%2e/routers",
        "/v2.0/x/../routers",
        "/v2.0/x/%2e%2e/routers",
        "/v2.0/x%2f..%2frouters",
        "/v2.0//routers",
        "//v2.0/routers",
        "/v2.0%2frouters",
        "/v2.0/routers//ID",
        "/v2.0/routers/./ID",
        "/v2.0/routers/%2e%2e/routers/ID",
        "/v2.0/routers/ID%2fplan",
        "/v2.0/routers/ID%00",
        "/v2.0/routers/ID%20",
        "/v2.0/routers/ID;a=b",
        "/v2.0/routers/ID/../ID",
        "/v2.0/routers%00",
        "/v2.0/routers%ff",
        "/v2.0/routers;",
        "/v2.0/routers;a=b",
        "/v2.0/routers.json",
        "/v2.0/routers//",
        "/v2.0/%72outers",
        "/v2.0/ROUTERS",
        "/V2.0/routers",
        "/healthz/../v2.0/routers",
        "/healthz/%2e%2e/v2.0/routers",
        "/healthz%2f..%2fv2.0%2frouters",
        "/healthz;/v2.0/routers",
        "/healthz/v2.0/routers",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/..%5csecret",
        "/%c0%ae%c0%ae/secret",
        "/....//secret",
        "/secret%00.html",
    ] {
        let path = path.replace("ID", &id);
        let reply = app.get(&path).await;
        if reply.status != 404 || ["hush", "GoBGP-1"].iter().any(|w| reply.text.contains(w)) {
            wrong.push(format!("{path}: {} {}", reply.status, reply.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // One slash at the end is ignored.
    for path in ["/v2.0/routers/", "/v2.0/routers/ID/"] {
        let path = path.replace("ID", &id);
        app.get(&path).await.expect(200);
    }
}

/// Without a token, and with one that may not: what is not theirs has no other
/// spelling either.
#[tokio::test]
async fn no_spelling_leads_past_a_refusal() {
    let by_tokens = Setup {
        config: Config {
            auth: Auth::by_tokens(),
            ..Config::default()
        },
        ..Setup::default()
    };
    let unasked = by_tokens.start().await;
    let reader = Setup {
        caller: Some(caller("reader")),
        ..Setup::default()
    };
    let reader = reader.start().await;
    let mut wrong = Vec::new();
    for (path, without_token, by_a_reader) in [
        ("/sdwan/v1/tokens", 401, 403),
        ("/sdwan/v1/tokens/", 401, 403),
        ("/sdwan/v1/tokens/a%2fb", 401, 403),
        ("/sdwan/v1/audit", 401, 403),
        ("/sdwan/v1/./tokens", 401, 404),
        ("/sdwan/v1/%2e/tokens", 401, 404),
        ("/sdwan/v1//tokens", 401, 404),
        ("//sdwan/v1/tokens", 401, 404),
        ("/sdwan/v1/%74okens", 401, 404),
        ("/sdwan/v1%2ftokens", 401, 404),
        ("/sdwan/v1/TOKENS", 401, 404),
        ("/SDWAN/v1/tokens", 401, 404),
        ("/sdwan/v1/tokens;a=b", 401, 404),
        ("/sdwan/v1/tokens%00", 401, 404),
        ("/sdwan/v1/tokens%20", 401, 404),
        ("/sdwan/v1/cluster/../tokens", 401, 404),
        ("/sdwan/v1/cluster/%2e%2e/tokens", 401, 404),
        ("/sdwan/v1/cluster%2f..%2ftokens", 401, 404),
        ("/v2.0/routers/../../sdwan/v1/tokens", 401, 404),
        ("/v2.0/routers/..%2f..%2fsdwan%2fv1%2ftokens", 401, 404),
        ("/healthz", 200, 200),
        ("/healthz/", 200, 200),
        ("/healthz//", 401, 404),
        ("/Healthz", 401, 404),
        ("/healthz/../sdwan/v1/tokens", 401, 404),
        ("/healthz/%2e%2e/sdwan/v1/tokens", 401, 404),
        ("/healthz;/../sdwan/v1/tokens", 401, 404),
        ("/healthz%2f..%2fsdwan%2fv1%2ftokens", 401, 404),
        ("/healthz?/sdwan/v1/tokens", 200, 200),
        ("/sdwan/v1/tokens?/healthz", 401, 403),
        ("/sdwan/v1/tokens?path=/healthz", 401, 403),
    ] {
        for (app, expected) in [(&unasked, without_token), (&reader, by_a_reader)] {
            let reply = app.get(path).await;
            if reply.status != expected {
                wrong.push(format!("{path}: {}, not {expected}", reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_file_that_is_denied_is_denied_however_its_path_is_spelled() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("docs/inner part")).expect("made");
    for (file, text) in [
        ("open.html", "hello"),
        ("secret.html", "hush"),
        ("inner part/secret", "hush"),
    ] {
        std::fs::write(root.path().join("docs").join(file), text).expect("written");
    }
    let setup = Setup {
        schemas: Some(
            "policies:
             - {principal: guest, action: read, resource: {path: '/docs/.*'}}
             - {principal: guest, action: read, effect: deny, resource: {path: '/docs/inner part/.*'}}
             - {principal: guest, action: read, effect: deny, resource: {path: /docs/secret.html}}",
        ),
        config: Config {
            document_root: Some(root.path().to_owned()),
            ..Config::default()
        },
        caller: Some(caller("guest")),
        ..Setup::default()
    };
    let app = setup.start().await;
    let mut wrong = Vec::new();
    for (path, expected) in [
        ("/docs/open.html", 200),
        ("/docs/%6fpen.html", 200),
        ("/docs/secret.html", 404),
        ("/docs/secret.html/", 404),
        ("/docs/%73ecret.html", 404),
        ("/docs/secret%2ehtml", 404),
        ("/docs//secret.html", 404),
        ("/docs/./secret.html", 404),
        ("/docs/%2e/secret.html", 404),
        ("/docs/%2fsecret.html", 404),
        ("/docs/a/../secret.html", 404),
        ("/docs/.%2fsecret.html", 404),
        ("/docs%2fsecret.html", 404),
        ("//docs/secret.html", 404),
        ("/./docs/secret.html", 404),
        ("/docs/secret.html%00", 404),
        ("/docs/secret.html;a=b", 404),
        ("/docs/SECRET.html", 404),
        ("/docs/inner%20part/secret", 404),
        ("/docs/inner+part/secret", 404),
        ("/docs/inner%20part//secret", 404),
        ("/docs//inner%20part/secret", 404),
        ("/docs/inner%20part%2fsecret", 404),
        ("/docs/inner%20part/%zz", 404),
        ("/docs/inner%20part/%ff", 404),
    ] {
        let reply = app.get(path).await;
        if reply.status != expected || reply.text.contains("hush") {
            wrong.push(format!("{path}: {} {}", reply.status, reply.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn deep_nesting_costs_nothing() {
    let (server, _) = start().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [65, 128, 10_000, 100_000] {
            let body = open.repeat(levels) + "1" + &close.repeat(levels);
            let post = format!(
                "POST {ROUTERS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            assert_eq!(
                status(&server, post.as_bytes()).await,
                400,
                "{open} {levels}"
            );
        }
    }
    others_are_served(&server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_leaves_others_served() {
    // Being served is what is asked for here, not how soon.
    let limits = Limits {
        request: NEVER,
        body: NEVER,
        ..Limits::default()
    };
    let server = limited(limits).await;
    let flood: Vec<_> = (0..4)
        .map(|_| {
            let address = server.address();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("there");
                let one = "GET /v2.0/routers HTTP/1.1\r\nHost: localhost\r\n\r\n";
                let many = one.repeat(500);
                let (mut read, mut write) = stream.split();
                let reading = async {
                    let mut sink = [0; 16 * 1024];
                    while read.read(&mut sink).await.is_ok_and(|n| n > 0) {}
                };
                // Until the test has seen enough.
                let writing = async { while write.write_all(many.as_bytes()).await.is_ok() {} };
                tokio::join!(reading, writing);
            })
        })
        .collect();
    for n in 1..=5 {
        let body = gobgp(n).to_string();
        let post = format!(
            "POST {ROUTERS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = talk(&server, post.as_bytes()).await;
        let (_, row) = answer.split_once("\r\n\r\n").expect("a body");
        let row: Value = serde_json::from_str(row).expect("JSON");
        assert_eq!(row["router"]["host_name"], format!("GoBGP-{n}"), "{answer}");
    }
    for client in flood {
        client.abort();
    }
    server.stop().await;
}

/// A server that takes the tokens that everybody knows.
async fn asking(limits: Limits) -> Server {
    let config = Config {
        auth: Auth {
            tokens: None,
            identity: Some(Identity::Fake),
        },
        limits,
        ..anywhere()
    };
    Server::start(&config, deps()).await.expect("it starts")
}

fn get_as(token: &str, url: &str) -> String {
    format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {token}\r\n")
}

#[tokio::test]
async fn guessing_tokens_soon_gets_no_more_answers() {
    let server = asking(Limits {
        failed_logins_per_minute: 1,
        ..Limits::default()
    })
    .await;
    let end = "Connection: close\r\n\r\n";
    let ask = async |token| {
        let head = get_as(token, "/v2.0/routers") + end;
        talk(&server, head.as_bytes()).await
    };
    // Who shows nothing has guessed nothing.
    for _ in 0..3 {
        let head = b"GET /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(status(&server, head).await, 401);
    }
    assert!(ask("guess").await.starts_with("HTTP/1.1 401"));
    let answer = ask("another").await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    // Who is known is served all the same: he may share the guesser's address.
    assert!(ask("admin_token").await.starts_with("HTTP/1.1 200"));
    // Elsewhere one may still try, and probes need none.
    let mut other = connect_from(&server, [127, 0, 0, 9]).await.expect("there");
    let head = get_as("another", "/v2.0/routers") + end;
    other.write_all(head.as_bytes()).await.expect("written");
    let mut answer = String::new();
    other.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{end}");
    assert_eq!(status(&server, head.as_bytes()).await, 200);
    server.stop().await;
}

/// What some proxy, framework or gateway would take for who asks, for what,
/// or from where: here only the request itself is looked at.
#[tokio::test]
async fn no_header_changes_who_asks_or_what_for() {
    let server = asking(Limits::default()).await;
    let mut wrong = Vec::new();
    for (lines, expected) in [
        // Who asks.
        ("X-Auth-Token: admin_token\r\n", 200),
        ("x-auth-token:\t admin_token \r\n", 200),
        ("Authorization: bearer admin_token\r\n", 200),
        ("Cookie: a=b; Auth-Token=admin_token\r\n", 200),
        ("", 401),
        ("X_Auth_Token: admin_token\r\n", 401),
        ("HTTP-X-Auth-Token: admin_token\r\n", 401),
        ("X-Subject-Token: admin_token\r\n", 401),
        ("X-Service-Token: admin_token\r\n", 401),
        ("Proxy-Authorization: Bearer admin_token\r\n", 401),
        ("Authorization: Basic YWRtaW46YWRtaW4=\r\n", 401),
        ("Cookie: auth-token=admin_token\r\n", 401),
        (
            "X-User-Id: admin\r\nX-Roles: admin\r\nX-Identity-Status: Confirmed\r\n",
            401,
        ),
        ("X-Remote-User: admin\r\nX-Forwarded-User: admin\r\n", 401),
        (
            "X-Client-Cert: admin\r\nX-SSL-Client-Verify: SUCCESS\r\n",
            401,
        ),
        // Several answers to that are none.
        (
            "X-Auth-Token: admin_token\r\nX-Auth-Token: admin_token\r\n",
            401,
        ),
        ("X-Auth-Token: guess\r\nX-Auth-Token: admin_token\r\n", 401),
        ("X-Auth-Token: guess, admin_token\r\n", 401),
        (
            "X-Auth-Token: guess\r\nAuthorization: Bearer admin_token\r\n",
            401,
        ),
        (
            "X-Auth-Token: guess\r\nCookie: Auth-Token=admin_token\r\n",
            401,
        ),
        (
            "X-Auth-Token:\r\nAuthorization: Bearer admin_token\r\n",
            401,
        ),
        ("Authorization: Bearer\r\n", 401),
        // What for.
        ("X-Original-URL: /healthz\r\n", 401),
        (
            "X-Rewrite-URL: /healthz\r\nX-Forwarded-Uri: /healthz\r\n",
            401,
        ),
        (
            "X-HTTP-Method-Override: OPTIONS\r\nX-HTTP-Method: OPTIONS\r\n",
            401,
        ),
        (
            "X-Auth-Token: admin_token\r\nX-HTTP-Method-Override: DELETE\r\n",
            200,
        ),
        (
            "X-Auth-Token: admin_token\r\nX-Original-URL: /nothing\r\n",
            200,
        ),
        // From where.
        (
            "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n",
            401,
        ),
        (
            "Forwarded: for=127.0.0.1;host=localhost\r\nVia: 1.1 localhost\r\n",
            401,
        ),
        // How it goes on: no other protocol, and no header is dropped.
        (
            "X-Auth-Token: admin_token\r\nConnection: X-Auth-Token\r\n",
            200,
        ),
        (
            "X-Auth-Token: admin_token\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            200,
        ),
        (
            "X-Auth-Token: admin_token\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            200,
        ),
    ] {
        let head = format!(
            "GET /v2.0/routers HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"
        );
        let got = status(&server, head.as_bytes()).await;
        if got != expected {
            wrong.push(format!("{lines:?}: {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    server.stop().await;
}

#[tokio::test]
async fn guesses_count_for_the_connection_whatever_is_said_of_their_origin() {
    let server = asking(Limits {
        failed_logins_per_minute: 5,
        ..Limits::default()
    })
    .await;
    let mut answers = Vec::new();
    for n in 1..=8 {
        let head = get_as(&format!("guess-{n}"), "/v2.0/routers");
        let from = format!(
            "X-Forwarded-For: 198.51.100.{n}\r\nX-Real-IP: 198.51.100.{n}\r\n\
             Forwarded: for=198.51.100.{n}\r\nConnection: close\r\n\r\n"
        );
        answers.push(status(&server, (head + &from).as_bytes()).await);
    }
    assert_eq!(answers, [401, 401, 401, 401, 401, 429, 429, 429]);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_that_asks_too_often_waits_and_others_do_not() {
    let server = asking(Limits {
        requests_per_second: 1,
        ..Limits::default()
    })
    .await;
    let one = get_as("admin_token", "/gohan/v0.1/version") + "\r\n";
    let last = get_as("admin_token", "/gohan/v0.1/version") + "Connection: close\r\n\r\n";
    let answers = talk(&server, (one.repeat(99) + &last).as_bytes()).await;
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
    assert!(answers.contains("HTTP/1.1 429"), "{answers}");
    assert!(answers.contains("\r\nretry-after: 1\r\n"), "{answers}");
    let other = get_as("demo_token", "/gohan/v0.1/version") + "Connection: close\r\n\r\n";
    assert_ne!(status(&server, other.as_bytes()).await, 429);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_has_so_many_watches_and_no_more() {
    let server = asking(Limits {
        watches: 2,
        ..Limits::default()
    })
    .await;
    let watch = async |token| {
        let mut stream = TcpStream::connect(server.address()).await.expect("there");
        let head = get_as(token, "/v2.0/routers?watch=true") + "\r\n";
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        (stream, String::from_utf8(first.to_vec()).expect("text"))
    };
    let mut open = Vec::new();
    for _ in 0..2 {
        let (stream, answer) = watch("admin_token").await;
        assert_eq!(answer, "HTTP/1.1 200");
        open.push(stream);
    }
    assert_eq!(watch("admin_token").await.1, "HTTP/1.1 429");
    assert_ne!(watch("demo_token").await.1, "HTTP/1.1 429");
    // One that has ended leaves its place.
    open.pop();
    let end = tokio::time::Instant::now() + PATIENCE;
    while watch("admin_token").await.1 != "HTTP/1.1 200" {
        assert!(tokio::time::Instant::now() < end, "no place");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
}
