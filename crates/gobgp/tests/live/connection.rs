//! The way to a daemon, and what is said when there is none.

use crate::daemon::{Daemon, Release};
use crate::session::eventually;
use sdwan_gobgp::types::{Global, PeerFilter, PeerSettings};
use sdwan_gobgp::{Api, Client, Error, Timeouts};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn hurried() -> Timeouts {
    let short = Duration::from_millis(300);
    Timeouts {
        connect: short,
        call: short,
        list: short,
    }
}

#[tokio::test]
async fn the_version_is_found_out() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        let expected = match release {
            Release::V3_10 | Release::V3_36 => Api::V3,
            Release::V4_8 => Api::V4,
        };
        assert_eq!(client.api(), expected);
        assert_eq!(client.address(), daemon.address);
        // The version-independent way to say "not started".
        let global = client.get_bgp().await.unwrap();
        assert_eq!((global.asn, global.router_id.as_str()), (0, ""));
    }
}

#[tokio::test]
async fn a_unix_socket_will_do() {
    let folder = tempfile::tempdir().unwrap();
    for release in Release::ALL {
        let socket = folder.path().join(release.name());
        let host = format!("unix://{}", socket.display());
        let _daemon = Daemon::start_with(release, &[host]).await;
        let address = format!("unix:{}", socket.display());
        let client = Client::connect(&address, Timeouts::default())
            .await
            .unwrap();
        assert_eq!(client.get_bgp().await.unwrap().asn, 0);
        assert_eq!(client.address(), address);
    }
}

#[tokio::test]
async fn a_daemon_that_comes_back_is_found_again() {
    for release in Release::ALL {
        let mut daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        client.start_bgp(&started()).await.unwrap();
        daemon.kill();
        let error = client.get_bgp().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.is_transient());
        daemon.restart().await;
        let asn = eventually(|| async { Some(client.get_bgp().await.ok()?.asn) }).await;
        assert_eq!(asn, 0);
    }
}

#[tokio::test]
async fn nobody_there() {
    // Bound, but nobody listens.
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(socket);
    let error = Client::connect(&address, Timeouts::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(
        text.contains(&address) && text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn somebody_who_does_not_answer() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let error = Client::connect(&address, hurried()).await.unwrap_err();
    assert!(
        matches!(error, Error::Deadline { call: "GetBgp", .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("within 0.3 s"), "{error}");
    drop(listener);
}

#[tokio::test]
async fn somebody_else() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let web = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok();
        }
    });
    let error = Client::connect(&address, Timeouts::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    web.abort();
    for wrong in ["", "gobgp:99999", "http://gobgp"] {
        let error = Client::connect(wrong, Timeouts::default())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{error:?}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn many_calls_side_by_side_on_one_connection() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        client.start_bgp(&started()).await.unwrap();
        let adding = (0..320_u32).map(|index| {
            let client = client.clone();
            tokio::spawn(async move {
                let address = Ipv4Addr::from(0x0a00_0000 + index);
                client.add_peer(address.into(), &passive()).await
            })
        });
        for added in futures::future::join_all(adding).await {
            added.unwrap().unwrap();
        }
        assert_eq!(
            client
                .list_peers(PeerFilter::default())
                .await
                .unwrap()
                .len(),
            320
        );
    }
}

fn passive() -> PeerSettings {
    PeerSettings {
        passive_mode: Some(true),
        ..PeerSettings::new(65002)
    }
}

fn started() -> Global {
    Global {
        asn: 65001,
        router_id: "192.0.2.1".to_owned(),
        listen_port: -1,
        ..Global::default()
    }
}
