//! The whole server on a socket: what only a connection shows.

use crate::harness::{gobgp, options};
use futures::future::BoxFuture;
use sdwan_server::config::Config;
use sdwan_server::reconcile::Settings;
use sdwan_server::server::{Deps, Error, Server};
use sdwan_server::speaker::{self, Dial, Speaker};
use sdwan_store::memory::Memory;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No daemon anywhere.
struct Nowhere;

impl Dial for Nowhere {
    fn dial(&self, address: &str) -> BoxFuture<'static, Result<Box<dyn Speaker>, speaker::Error>> {
        let message = format!("nothing listens at {address}");
        Box::pin(async { Err(speaker::Error::Unreachable(message)) })
    }
}

pub fn deps() -> Deps {
    let catalog = options();
    Deps {
        store: Arc::new(Memory::new()),
        secrets: catalog.secrets,
        dial: Arc::new(Nowhere),
        ids: catalog.ids,
        clock: catalog.clock,
        random: Arc::new(|| [7; 32]),
        settings: Settings::new(Arc::new(|| 0.5)),
        instance: "test".into(),
        cluster: None,
    }
}

pub fn anywhere() -> Config {
    Config {
        address: "127.0.0.1:0".parse().expect("an address"),
        ..Config::default()
    }
}

fn client() -> reqwest::Client {
    let builder = sdwan_http::local().expect("a client");
    builder.build().expect("a client")
}

pub async fn start() -> (Server, String) {
    let server = Server::start(&anywhere(), deps()).await.expect("it starts");
    let url = format!("http://{}", server.address());
    (server, url)
}

#[tokio::test]
async fn a_started_server_answers_and_stops_in_order() {
    let (server, url) = start().await;
    let client = client();
    let reply = client
        .post(format!("{url}/v2.0/routers"))
        .json(&gobgp(1))
        .send()
        .await;
    assert_eq!(reply.expect("an answer").status(), 201);
    let list: Value = client
        .get(format!("{url}/v2.0/routers"))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(list["routers"][0]["host_name"], "GoBGP-1");

    // A watch that is open does not keep it from stopping.
    let mut watch = client
        .get(format!("{url}/v2.0/routers?watch=true"))
        .send()
        .await
        .expect("an answer");
    assert!(watch.chunk().await.expect("a chunk").is_some());
    server.stop().await;
    while watch.chunk().await.expect("an orderly end").is_some() {}
    assert!(client.get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let (server, _) = start().await;
    let mut config = anywhere();
    config.address = server.address().to_string().parse().expect("an address");
    let told = Server::start(&config, deps())
        .await
        .err()
        .expect("the port is in use")
        .to_string();
    let wanted = format!(
        "can't listen on {}: Address already in use (os error 98): name another with --address",
        server.address()
    );
    assert_eq!(told, wanted);
    server.stop().await;
}

#[tokio::test]
async fn it_does_not_listen_where_others_can_reach_it_unasked() {
    let config = Config {
        address: "0.0.0.0:0".parse().expect("an address"),
        ..Config::default()
    };
    let error = Server::start(&config, deps()).await.err().expect("refused");
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert!(error.to_string().contains("--insecure"), "{error}");
}

#[tokio::test]
async fn kinds_that_want_the_same_url_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.yaml");
    let text = "
schemas:
- {id: a, singular: a, plural: schemas, prefix: /gohan/v0.1, schema: {type: object, properties: {id: {type: string}}}}
- {id: b, singular: b, plural: bs, prefix: /v2.0, schema: {type: object, properties: {id: {type: string}}}}
";
    std::fs::write(&path, text).expect("written");
    let config = Config {
        schemas: vec![path],
        ..anywhere()
    };
    let told = Server::start(&config, deps())
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(told.contains("/gohan/v0.1/schemas"), "{told}");
}

/// Writes these bytes and reads until the server closes.
pub async fn talk(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address())
        .await
        .expect("connected");
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    // Who is refused need not be heard out, and a reset after the answer is as
    // good as an end.
    let _ = tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
    String::from_utf8(answer).expect("UTF-8")
}

#[tokio::test]
async fn nonsense_on_the_wire_is_refused_and_others_go_on() {
    let (server, url) = start().await;
    assert!(
        talk(&server, b"nonsense\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400")
    );
    let smuggle = b"POST /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n";
    assert!(talk(&server, smuggle).await.starts_with("HTTP/1.1 400"));
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    assert!(
        talk(&server, long.as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let dots = b"GET /v2.0/../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(talk(&server, dots).await.starts_with("HTTP/1.1 404"));
    let absolute =
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(talk(&server, absolute).await.starts_with("HTTP/1.1 421"));
    let head = b"HEAD /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = talk(&server, head).await.to_lowercase();
    assert!(
        answer.contains("content-length: 14\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    let ready = client()
        .get(format!("{url}/readyz"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        ready.json::<Value>().await.expect("JSON"),
        json!({ "status": "ready" })
    );
    server.stop().await;
}

// The clock moves on whenever everybody waits: no second passes here.
#[tokio::test(start_paused = true)]
async fn who_says_nothing_more_is_not_waited_for() {
    let (server, _) = start().await;
    // `talk` comes back when the server has closed the connection.
    talk(&server, b"").await;
    talk(&server, b"GET /v2.0/routers HTTP/1.1\r\nHost: local").await;
    let half = b"POST /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\
                 Content-Type: application/json\r\nConnection: close\r\n\r\n{";
    assert!(talk(&server, half).await.starts_with("HTTP/1.1 408"));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let (server, _) = start().await;
    let head = b"POST /v2.0/routers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\
                 Content-Type: application/json\r\nConnection: close\r\n\r\n";
    assert!(talk(&server, head).await.starts_with("HTTP/1.1 413"));
    server.stop().await;
}
