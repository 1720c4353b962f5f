//! Peers: what is written is what is listed.

use crate::daemon::{Daemon, Release};
use futures::StreamExt;
use sdwan_gobgp::types::{Global, PeerEventKind, PeerSettings, SessionState};
use sdwan_gobgp::{Api, PeerFilter};

fn global() -> Global {
    Global {
        asn: 65001,
        router_id: "192.0.2.1".to_owned(),
        listen_port: -1,
        ..Global::default()
    }
}

#[tokio::test]
async fn smoke() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        assert_eq!(
            client.api(),
            if release == Release::V4_8 {
                Api::V4
            } else {
                Api::V3
            }
        );
        let before = client.get_bgp().await.unwrap();
        assert_eq!((before.asn, before.router_id.as_str()), (0, ""));
        client.start_bgp(&global()).await.unwrap();
        println!("{:?}", client.get_bgp().await.unwrap());
        let mut events = client.watch_peers().await.unwrap().boxed();
        let first = events.next().await.unwrap().unwrap();
        assert_eq!(first.kind, PeerEventKind::EndOfInit);
        let address = "192.0.2.7".parse().unwrap();
        client
            .add_peer(address, &PeerSettings::new(65002))
            .await
            .unwrap();
        let peers = client.list_peers(PeerFilter::default()).await.unwrap();
        println!("{peers:#?}");
        assert_eq!(peers[0].address(), Some(address));
        assert_eq!(peers[0].conf.peer_asn, 65002);
        let event = events.next().await.unwrap().unwrap();
        println!("{event:?}");
        assert!(event.peer.unwrap().state.session < SessionState::Established);
        println!("{}", daemon.gobgp_json(&["neighbor"]));
    }
}
