//! A peer's settings: what is written is what is listed, by this crate and by
//! `gobgp`.

use crate::daemon::Release;
use crate::peers::*;
use sdwan_gobgp::types::{
    AddPaths, AdminState, AfiSafi, AfiSafiSettings, Family, GracefulRestart,
    GracefulRestartSettings, Peer, PeerSettings, PeerType, PrefixLimit, RemovePrivate,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub(crate) fn everything() -> PeerSettings {
    PeerSettings {
        peer_asn: Some(65002),
        local_asn: Some(65009),
        description: Some("to the north".to_owned()),
        auth_password: Some("hunter2".to_owned().into()),
        remove_private: Some(RemovePrivate::Replace),
        allow_own_asn: Some(3),
        replace_peer_asn: Some(true),
        admin_down: Some(true),
        connect_retry: Some(7),
        hold_time: Some(9),
        keepalive_interval: Some(2),
        idle_hold_time_after_reset: Some(5),
        local_address: Some("127.0.0.9".parse().unwrap()),
        passive_mode: Some(true),
        remote_port: Some(1790),
        tcp_mss: Some(1200),
        bind_interface: Some("lo".to_owned()),
        ebgp_multihop: Some(7),
        graceful_restart: Some(GracefulRestartSettings {
            enabled: true,
            restart_time: 33,
            helper_only: true,
            deferral_time: 44,
            notification_enabled: true,
            longlived_enabled: true,
            local_restarting: true,
        }),
        afi_safis: Some(vec![
            AfiSafiSettings {
                family: Family::IPV4_UNICAST,
                graceful_restart: Some(true),
                add_paths: Some(AddPaths {
                    receive: true,
                    send_max: 4,
                }),
                prefix_limit: Some(PrefixLimit {
                    max_prefixes: 100,
                    shutdown_threshold_pct: 80,
                }),
            },
            Family::L2VPN_EVPN.into(),
        ]),
        ..PeerSettings::default()
    }
}

pub(crate) fn assert_everything(release: Release, peer: &Peer) {
    let conf = &peer.conf;
    assert_eq!(peer.address(), Some(neighbor()));
    assert!(!peer.is_dynamic());
    assert_eq!((conf.peer_asn, conf.local_asn), (65002, 65009));
    assert_eq!(conf.description, "to the north");
    assert_eq!(conf.auth_password.expose_secret(), "hunter2");
    assert_eq!(conf.peer_type, PeerType::External);
    assert_eq!(conf.remove_private, RemovePrivate::Replace);
    assert_eq!((conf.allow_own_asn, conf.replace_peer_asn), (3, true));
    assert!(conf.admin_down);
    assert_eq!(peer.state.admin, AdminState::Down);
    let timers = &peer.timers;
    assert_eq!(
        (
            timers.connect_retry,
            timers.hold_time,
            timers.keepalive_interval
        ),
        (7, 9, 2)
    );
    // 3.10 does not read it, and forgets its default in an update.
    match (release, timers.idle_hold_time_after_reset) {
        (Release::V3_10, idle) => assert!(matches!(idle, 0 | 30), "{idle}"),
        (_, idle) => assert_eq!(idle, 5),
    }
    let transport = &peer.transport;
    assert_eq!(
        (transport.local_address.as_str(), transport.remote_port),
        ("127.0.0.9", 1790)
    );
    assert!(transport.passive_mode);
    assert_eq!(
        transport.tcp_mss,
        if release == Release::V3_10 { 0 } else { 1200 }
    );
    assert_eq!(transport.bind_interface, "lo");
    assert_eq!(
        (peer.ebgp_multihop.enabled, peer.ebgp_multihop.multihop_ttl),
        (true, 7)
    );
    let restart = GracefulRestart {
        enabled: true,
        restart_time: 33,
        helper_only: true,
        deferral_time: 44,
        notification_enabled: true,
        longlived_enabled: true,
        peer_restarting: false,
        local_restarting: true,
    };
    assert_eq!(peer.graceful_restart, restart);
    let evpn = AfiSafi {
        family: Family::L2VPN_EVPN,
        enabled: true,
        graceful_restart: false,
        end_of_rib_received: false,
        add_paths: AddPaths::default(),
        prefix_limit: None,
        received: 0,
        accepted: 0,
        advertised: 0,
    };
    let ipv4 = AfiSafi {
        family: Family::IPV4_UNICAST,
        graceful_restart: true,
        add_paths: AddPaths {
            receive: true,
            send_max: 4,
        },
        prefix_limit: Some(PrefixLimit {
            max_prefixes: 100,
            shutdown_threshold_pct: 80,
        }),
        ..evpn.clone()
    };
    assert_eq!(peer.afi_safis, [ipv4, evpn]);
}

#[tokio::test]
async fn every_setting_makes_a_round_trip() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        client.add_peer(neighbor(), &everything()).await.unwrap();
        assert_everything(release, &only(&client).await);
        let old = release == Release::V3_10;
        assert_cli(
            &daemon,
            &[
                ("/conf/neighbor_address", json!(NEIGHBOR)),
                ("/conf/peer_asn", json!(65002)),
                ("/conf/local_asn", json!(65009)),
                ("/conf/description", json!("to the north")),
                ("/conf/auth_password", json!("hunter2")),
                ("/conf/type", drifting(release, 1)),
                ("/conf/remove_private", json!(2)),
                ("/conf/allow_own_asn", json!(3)),
                ("/conf/replace_peer_asn", json!(true)),
                ("/conf/admin_down", json!(true)),
                ("/state/session_state", json!(1)),
                ("/state/admin_state", drifting(release, 1)),
                ("/timers/config/connect_retry", json!(7)),
                ("/timers/config/hold_time", json!(9)),
                ("/timers/config/keepalive_interval", json!(2)),
                (
                    "/timers/config/idle_hold_time_after_reset",
                    json!(if old { 30 } else { 5 }),
                ),
                ("/transport/local_address", json!("127.0.0.9")),
                ("/transport/passive_mode", json!(true)),
                ("/transport/remote_port", json!(1790)),
                (
                    "/transport/tcp_mss",
                    if old { Value::Null } else { json!(1200) },
                ),
                ("/transport/bind_interface", json!("lo")),
                ("/ebgp_multihop/enabled", json!(true)),
                ("/ebgp_multihop/multihop_ttl", json!(7)),
                ("/graceful_restart/enabled", json!(true)),
                ("/graceful_restart/restart_time", json!(33)),
                ("/graceful_restart/helper_only", json!(true)),
                ("/graceful_restart/deferral_time", json!(44)),
                ("/graceful_restart/notification_enabled", json!(true)),
                ("/graceful_restart/longlived_enabled", json!(true)),
                ("/graceful_restart/local_restarting", json!(true)),
                ("/afi_safis/0/config/family", json!({"afi": 1, "safi": 1})),
                ("/afi_safis/0/config/enabled", json!(true)),
                (
                    "/afi_safis/0/mp_graceful_restart/config/enabled",
                    json!(true),
                ),
                ("/afi_safis/0/prefix_limits/max_prefixes", json!(100)),
                (
                    "/afi_safis/0/prefix_limits/shutdown_threshold_pct",
                    json!(80),
                ),
                (
                    "/afi_safis/0/add_paths/config",
                    json!({"receive": true, "send_max": 4}),
                ),
                ("/afi_safis/1/config/family", json!({"afi": 25, "safi": 70})),
            ],
        );
    }
}

#[tokio::test]
async fn settings_that_exclude_those() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        let inside = PeerSettings {
            ttl_security: Some(254),
            route_reflector_client: Some(true),
            route_reflector_cluster_id: Some("10.9.9.9".to_owned()),
            remove_private: Some(RemovePrivate::No),
            ..PeerSettings::new(65001)
        };
        client.add_peer(neighbor(), &inside).await.unwrap();
        let peer = only(&client).await;
        assert_eq!(peer.conf.peer_type, PeerType::Internal);
        assert_eq!(
            (peer.ttl_security.enabled, peer.ttl_security.ttl_min),
            (true, 254)
        );
        assert!(peer.route_reflector.route_reflector_client);
        assert_eq!(peer.route_reflector.route_reflector_cluster_id, "10.9.9.9");
        assert_eq!(peer.state.admin, AdminState::Up);
        assert_cli(
            &daemon,
            &[
                ("/conf/type", drifting(release, 0)),
                ("/state/admin_state", drifting(release, 0)),
                ("/ttl_security", json!({"enabled": true, "ttl_min": 254})),
                ("/route_reflector/route_reflector_client", json!(true)),
                (
                    "/route_reflector/route_reflector_cluster_id",
                    json!("10.9.9.9"),
                ),
            ],
        );
        client.delete_peer(NEIGHBOR).await.unwrap();
        let served = PeerSettings {
            route_server_client: Some(true),
            remove_private: Some(RemovePrivate::All),
            ..PeerSettings::new(65003)
        };
        client.add_peer(neighbor(), &served).await.unwrap();
        let peer = only(&client).await;
        assert!(peer.route_server.route_server_client);
        assert_eq!(peer.conf.remove_private, RemovePrivate::All);
        // What nobody says is gobgpd's default.
        assert_eq!(
            (peer.timers.hold_time, peer.timers.keepalive_interval),
            (90, 30)
        );
        assert_eq!(peer.conf.local_asn, 65001);
        assert_eq!(peer.transport.local_address, "0.0.0.0");
        assert_cli(
            &daemon,
            &[("/route_server/route_server_client", json!(true))],
        );
    }
}

#[tokio::test]
async fn an_update_changes_what_it_says_and_nothing_else() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        client.add_peer(neighbor(), &everything()).await.unwrap();
        let mut before = cli(&daemon);
        client
            .update_peer(&only(&client).await, &PeerSettings::default())
            .await
            .unwrap();
        assert_everything(release, &only(&client).await);
        let said = PeerSettings {
            description: Some(String::new()),
            auth_password: Some(String::new().into()),
            passive_mode: Some(false),
            admin_down: Some(false),
            ..PeerSettings::default()
        };
        client
            .update_peer(&only(&client).await, &said)
            .await
            .unwrap();
        let peer = only(&client).await;
        assert_eq!(peer.conf.description, "");
        assert_eq!(peer.conf.auth_password.expose_secret(), "");
        assert!(!peer.transport.passive_mode && !peer.conf.admin_down);
        // All that the daemon's tool knows, the subset's fields or not.
        let mut after = cli(&daemon);
        for side in [&mut before, &mut after] {
            for gone in ["state", "timers/state"] {
                take(side, gone);
            }
            for said in ["description", "auth_password", "admin_down"] {
                take(side, &format!("conf/{said}"));
            }
            take(side, "transport/passive_mode");
            // See assert_everything.
            if release == Release::V3_10 {
                take(side, "timers/config/idle_hold_time_after_reset");
            }
            for family in side["afi_safis"].as_array_mut().unwrap() {
                take(family, "state");
                take(family, "mp_graceful_restart/state");
            }
        }
        assert_eq!(before, after, "{}", release.name());
    }
}

/// Removes what stands at a path.
pub(crate) fn take(value: &mut Value, path: &str) {
    let (parent, name) = match path.rsplit_once('/') {
        Some((parent, name)) => (value.pointer_mut(&format!("/{parent}")), name),
        None => (Some(value), path),
    };
    if let Some(object) = parent.and_then(Value::as_object_mut) {
        object.remove(name);
    }
}

#[tokio::test]
async fn families_are_replaced_and_those_that_stay_keep_what_they_have() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client.add_peer(neighbor(), &everything()).await.unwrap();
        let families = vec![Family::IPV6_UNICAST.into(), Family::IPV4_UNICAST.into()];
        let said = PeerSettings {
            afi_safis: Some(families),
            ..PeerSettings::default()
        };
        client
            .update_peer(&only(&client).await, &said)
            .await
            .unwrap();
        let peer = only(&client).await;
        let families: Vec<_> = peer
            .afi_safis
            .iter()
            .map(|afi_safi| afi_safi.family)
            .collect();
        assert_eq!(families, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
        assert!(peer.afi_safis[0].graceful_restart);
        assert_eq!(
            peer.afi_safis[0].add_paths,
            AddPaths {
                receive: true,
                send_max: 4
            }
        );
        assert!(!peer.afi_safis[1].graceful_restart);
    }
}

#[tokio::test]
async fn a_peer_that_is_added_again_is_the_same_but_for_what_is_said() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client.add_peer(neighbor(), &everything()).await.unwrap();
        let listed = only(&client).await;
        client.delete_peer(NEIGHBOR).await.unwrap();
        let said = PeerSettings {
            hold_time: Some(30),
            ..PeerSettings::default()
        };
        client.add_peer_again(&listed, &said).await.unwrap();
        let mut peer = only(&client).await;
        assert_eq!(peer.timers.hold_time, 30);
        peer.timers.hold_time = 9;
        assert_everything(release, &peer);
    }
}

#[tokio::test]
async fn passwords_show_nowhere() {
    for release in Release::ALL {
        let (_daemon, client) = started(release).await;
        client.add_peer(neighbor(), &everything()).await.unwrap();
        let text = format!("{:?} {:?}", only(&client).await, everything());
        assert!(!text.contains("hunter2"), "{text}");
    }
}
