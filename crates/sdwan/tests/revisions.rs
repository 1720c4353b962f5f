//! Servers that share a real etcd, and reads through one of what was written
//! through another.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use support::Server;
use support::etcd::Etcd;

/// A bare request: status and `X-Revision`.
fn ask(server: &Server, method: &str, path: &str, body: &str) -> (u16, String) {
    let host = server.endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let mut lines = answer.lines();
    let revision = lines.find_map(|line| line.strip_prefix("x-revision: "));
    (status, revision.unwrap_or_default().to_owned())
}

#[test]
fn what_is_written_through_one_server_is_read_through_the_other() {
    let etcd = Etcd::start();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key").display().to_string();
    let words = ["--etcd", &etcd.endpoint, "--key-file", &key];
    let start = || Server::start_with(tempfile::tempdir().unwrap(), &words);
    let (one, two) = (start(), start());
    for n in 1..=20 {
        let (writer, reader) = if n % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        let body = format!(
            r#"{{"host_name":"r{n}","router_id":"10.0.0.{n}","local_as":1,"mgmt_addr":"127.0.0.1:{n}"}}"#
        );
        let (status, at) = ask(writer, "POST", "/v2.0/routers", &body);
        assert_eq!(status, 201);
        let path = format!("/v2.0/routers?host_name=r{n}&min_revision={at}");
        let (status, seen) = ask(reader, "GET", &path, "");
        assert_eq!(status, 200);
        let number = |text: &str| text.parse::<u64>().unwrap();
        assert!(number(&seen) >= number(&at), "{seen} {at}");
    }
    // Others use the etcd, too. A server that starts has seen their revisions,
    // of which no watch of ours tells.
    for n in 0..50 {
        etcd.etcdctl(&["put", &format!("others/{n}"), ""]);
    }
    let three = start();
    let (_, at) = ask(&three, "GET", "/v2.0/routers", "");
    let path = format!("/v2.0/routers?min_revision={at}");
    for server in [&one, &two, &three] {
        assert_eq!(ask(server, "GET", &path, "").0, 200);
    }
    let (status, _) = ask(&one, "GET", "/v2.0/routers?min_revision=999999999", "");
    assert_eq!(status, 410);
}
