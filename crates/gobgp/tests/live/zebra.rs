//! What gobgpd says where there is no zebra. Where there is one, it would
//! change this machine's routes.

use crate::daemon::{Daemon, everywhere, free_port};
use crate::peers::started;
use sdwan_gobgp::types::Zebra;
use sdwan_gobgp::{Client, Error, Timeouts};
use std::time::Duration;
use tokio::net::TcpListener;

fn at(url: &str) -> Zebra {
    Zebra::new(url, 6, "frr8.4")
}

#[tokio::test]
async fn nobody_there() {
    everywhere(async |release| {
        let (_daemon, client) = started(release).await;
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("unix:{}/zserv.api", folder.path().display());
        let port = format!("tcp:127.0.0.1:{}", free_port());
        let nonsense = Zebra {
            route_types: vec!["directly-connected".to_owned(), "nonsense".to_owned()],
            ..at(&socket)
        };
        let tracking = Zebra {
            route_types: vec!["static".to_owned()],
            nexthop_trigger_delay: Some(3),
            mpls_label_range_size: 16,
            ..at(&port)
        };
        for (zebra, part) in [
            (at(&socket), "no such file"),
            (at(&port), "connection refused"),
            (at("nonsense"), "unsupported url: nonsense"),
            // Looked at first: names and software get there.
            (
                nonsense,
                "unknown route type: nonsense in version: 6 (frr8.4",
            ),
            (tracking, "connection refused"),
        ] {
            let error = client.enable_zebra(&zebra).await.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
        }
        for version in [0, 1, 7] {
            let error = client.enable_zebra(&Zebra::new("", version, "")).await;
            assert!(matches!(error, Err(Error::Invalid { .. })), "{error:?}");
        }
        assert_eq!(client.get_bgp().await.unwrap().asn, 65001);
    })
    .await;
}

/// A client that does not wait long.
async fn hurried(daemon: &Daemon) -> Client {
    let timeouts = Timeouts {
        call: Duration::from_millis(500),
        ..Timeouts::default()
    };
    Client::connect(&daemon.address, timeouts).await.unwrap()
}

#[tokio::test]
async fn somebody_who_says_nothing_holds_up_the_whole_daemon() {
    everywhere(async |release| {
        let (daemon, client) = started(release).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let silent = at(&format!("tcp:{}", listener.local_addr().unwrap()));
        let hurried = hurried(&daemon).await;
        let (error, connection) = tokio::join!(hurried.enable_zebra(&silent), listener.accept());
        assert!(matches!(error, Err(Error::Deadline { .. })), "{error:?}");
        let error = hurried.get_bgp().await;
        assert!(matches!(error, Err(Error::Deadline { .. })), "{error:?}");
        // It goes on when the other one goes away; not so where it connects
        // once more and is cut off at once, which can stop it for good.
        drop(listener);
        drop(connection);
        assert_eq!(client.get_bgp().await.unwrap().asn, 65001);
    })
    .await;
}
