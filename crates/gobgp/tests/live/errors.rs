//! gobgpd's refusals by what a caller can do about them: nearly all have the
//! same code, so it is their texts that tell, on every version.

use crate::daemon::{Daemon, Release};
use crate::peers::started;
use sdwan_gobgp::Error;
use sdwan_gobgp::types::{
    Conditions, DefinedSet, DefinedType, MatchSet, PeerFilter, PeerSettings, Policy,
    PolicyAssignment, PolicyDirection, ResetDirection, RouteAction, Statement,
};
use std::net::IpAddr;

fn address() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

fn conditioned(name: &str, neighbor_set: &str) -> Policy {
    let conditions = Conditions {
        neighbor_set: Some(MatchSet::any(neighbor_set)),
        ..Conditions::default()
    };
    let statement = Statement {
        name: name.to_owned(),
        conditions,
        ..Statement::default()
    };
    Policy {
        name: name.to_owned(),
        statements: vec![statement],
    }
}

fn exported(name: &str) -> PolicyAssignment {
    PolicyAssignment::global(PolicyDirection::Export, [name], RouteAction::Accept)
}

#[tokio::test]
async fn peers() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        let settings = PeerSettings::new(65002);
        client.add_peer(address(), &settings).await.unwrap();
        let twice = client.add_peer(address(), &settings).await.unwrap_err();
        assert!(matches!(twice, Error::Exists { .. }), "{twice:?}");
        assert_eq!(
            twice.to_string(),
            "AddPeer: can't overwrite the existing peer: 192.0.2.7"
        );
        let listed = client
            .list_peers(PeerFilter::default())
            .await
            .unwrap()
            .remove(0);
        client.delete_peer("192.0.2.7").await.unwrap();
        let grouped = PeerSettings {
            peer_group: Some("g".to_owned()),
            ..settings
        };
        for outcome in [
            client.delete_peer("192.0.2.7").await,
            client.enable_peer("192.0.2.7").await,
            client.disable_peer("192.0.2.7").await,
            client.reset_peer("192.0.2.7").await,
            client
                .soft_reset_peer("192.0.2.7", ResetDirection::Both)
                .await,
            client
                .update_peer(&listed, &PeerSettings::default())
                .await
                .map(drop),
            client.add_peer(address(), &grouped).await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
            assert!(!error.is_transient());
        }
    }
}

#[tokio::test]
async fn policies() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client
            .add_defined_set(&DefinedSet::neighbors("n", [address()]))
            .await
            .unwrap();
        client.add_policy(&conditioned("p", "n")).await.unwrap();
        client.set_policy_assignment(&exported("p")).await.unwrap();
        for outcome in [
            client.delete_policy("p").await,
            client.delete_statement("p").await,
            client.delete_defined_set(DefinedType::Neighbor, "n").await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::InUse { .. }), "{error:?}");
        }
        for outcome in [
            client.delete_policy("q").await,
            client.delete_statement("q").await,
            client.delete_defined_set(DefinedType::Neighbor, "q").await,
            client
                .delete_from_defined_set(&DefinedSet::neighbors("q", [address()]))
                .await,
            client.set_policy_assignment(&exported("q")).await,
            client.add_policy(&conditioned("q", "q")).await,
            client.set_policies(&[], &[conditioned("q", "q")]).await,
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        }
        let twice = client.add_policy(&conditioned("p", "n")).await.unwrap_err();
        assert!(matches!(twice, Error::Exists { .. }), "{twice:?}");
        let mut wrong = DefinedSet::neighbors("m", []);
        wrong.list.push("nonsense".to_owned());
        for outcome in [
            client.add_policy(&Policy::default()).await,
            client.add_defined_set(&wrong).await,
            client.add_statement(&Statement::default()).await,
            client.list_defined_sets(DefinedType::Tag).await.map(drop),
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        }
        // Nothing of all that changed anything.
        assert_eq!(
            client.list_policies().await.unwrap(),
            [conditioned("p", "n")]
        );
    }
}

#[tokio::test]
async fn before_the_start() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let client = daemon.client().await;
        let error = client
            .add_peer(address(), &PeerSettings::new(65002))
            .await
            .unwrap_err();
        assert_eq!(error, Error::NotStarted { call: "AddPeer" });
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn after_the_stop() {
    let (daemon, client) = started(Release::V4_8).await;
    daemon.gobgp(&["global", "del", "all"]);
    let error = client.list_peers(PeerFilter::default()).await.unwrap_err();
    assert_eq!(error, Error::Stopped { call: "ListPeer" });
    assert!(!error.is_transient());
}
