//! The speaker against real gobgpd of every version: what the planner writes
//! is what it observes.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[path = "../../gobgp/tests/live/daemon.rs"]
#[allow(dead_code, reason = "shared with the client's own tests")]
mod daemon;

use daemon::{Daemon, Release};
use futures::StreamExt;
use sdwan_gobgp::Timeouts;
use sdwan_gobgp::types::DefinedSet;
use sdwan_model::action::Action;
use sdwan_model::config::{
    AdminState, Direction, Disposition, Family, Global, Neighbor, Policy, Source, Statement,
};
use sdwan_model::observed::{DefaultAction, Observed, Peer, SessionState, SetKind};
use sdwan_model::plan::{Op, PeerChange};
use sdwan_model::resource::ResourceRef;
use sdwan_server::speaker::{Dial, Error, GobgpDial, SessionEvent, Speaker};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::SystemTime;

const SET: &str = "p/import/s";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn dial(daemon: &Daemon) -> Box<dyn Speaker> {
    let dial = GobgpDial::new(Timeouts::default(), SystemTime::now);
    dial.dial(&daemon.address).await.unwrap()
}

async fn started(release: Release) -> (Daemon, Box<dyn Speaker>) {
    let daemon = Daemon::start(release).await;
    let speaker = dial(&daemon).await;
    speaker.apply(&Op::StartBgp(global())).await.unwrap();
    (daemon, speaker)
}

fn global() -> Global {
    Global {
        asn: 65001,
        router_id: [192, 0, 2, 1].into(),
        listen_port: Some(0),
    }
}

async fn observe(speaker: &dyn Speaker) -> Observed {
    speaker.observe(None).await.unwrap()
}

fn source() -> Source {
    Source {
        resource: ResourceRef::new("neighbor", "1"),
        version: 1,
    }
}

fn neighbor(peer_as: u32) -> Neighbor {
    Neighbor {
        source: source(),
        peer_as,
        description: None,
        auth_password: None,
        hold_time: None,
        keepalive_interval: None,
        local_address: None,
        passive: None,
        ebgp_multihop: None,
        route_reflector_client: None,
        families: None,
        admin_state: None,
    }
}

fn everything() -> Neighbor {
    Neighbor {
        description: Some("to the north".to_owned()),
        auth_password: Some("hunter2".to_owned().into()),
        hold_time: Some(9),
        keepalive_interval: Some(2),
        local_address: Some(address("127.0.0.9")),
        passive: Some(true),
        route_reflector_client: Some(true),
        families: Some(BTreeSet::from([Family::Ipv4Unicast, Family::L2vpnEvpn])),
        admin_state: Some(AdminState::Down),
        ..neighbor(65001)
    }
}

fn assert_everything(peer: &Peer) {
    assert_eq!(peer.peer_as, 65001);
    assert_eq!(peer.description, "to the north");
    assert_eq!(peer.auth_password.expose_secret(), "hunter2");
    assert_eq!((peer.hold_time, peer.keepalive_interval), (9, 2));
    assert_eq!(peer.local_address, Some(address("127.0.0.9")));
    assert!(peer.passive && peer.route_reflector_client);
    assert_eq!(peer.ebgp_multihop, 0);
    assert_eq!(
        peer.families,
        BTreeSet::from([Family::Ipv4Unicast, Family::L2vpnEvpn])
    );
    assert_eq!(
        (peer.configured, peer.admin_state),
        (AdminState::Down, AdminState::Down)
    );
    assert_eq!(
        (peer.session, peer.established_at),
        (SessionState::Idle, None)
    );
    assert_eq!(peer.peer_group, "");
}

fn change(fields: Neighbor) -> Box<PeerChange> {
    Box::new(PeerChange {
        fields,
        names: Vec::new(),
    })
}

fn statement(name: &str, action: Option<&str>, disposition: Option<Disposition>) -> Statement {
    Statement {
        name: name.to_owned(),
        sources: Vec::new(),
        neighbor_set: SET.to_owned(),
        action: action.map(|text| text.parse().unwrap()),
        disposition,
    }
}

#[tokio::test]
async fn a_daemon_before_its_start_and_after() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let speaker = dial(&daemon).await;
        assert_eq!(speaker.heartbeat().await.unwrap(), 0);
        let before = observe(&*speaker).await;
        assert_eq!(before.global, None);
        assert!(before.peers.is_empty() && before.policies.is_empty());
        speaker.apply(&Op::StartBgp(global())).await.unwrap();
        assert_eq!(speaker.heartbeat().await.unwrap(), 65001);
        let after = observe(&*speaker).await;
        assert_eq!(after.global, Some(global()));
        for direction in [Direction::Import, Direction::Export] {
            assert_eq!(after.assignment(direction).default, DefaultAction::Accept);
            assert!(after.assignment(direction).policies.is_empty());
        }
    }
}

#[tokio::test]
async fn every_field_of_a_neighbor() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(everything())))
            .await
            .unwrap();
        let far = Neighbor {
            ebgp_multihop: Some(3),
            ..neighbor(65002)
        };
        speaker
            .apply(&Op::AddPeer(address("2001:db8::8"), Box::new(far)))
            .await
            .unwrap();
        let observed = observe(&*speaker).await;
        assert_everything(&observed.peers[&north]);
        let far = &observed.peers[&address("2001:db8::8")];
        assert_eq!((far.ebgp_multihop, far.local_address), (3, None));
        assert_eq!((far.hold_time, far.keepalive_interval), (90, 30));
        assert_eq!(far.families, BTreeSet::from([Family::Ipv6Unicast]));
        assert_eq!(far.configured, AdminState::Up);
        // Known from the iBGP peer since 3.11.
        let minor = match release {
            Release::V3_10 => None,
            Release::V3_36 => Some(36),
            Release::V4_8 => Some(8),
        };
        assert_eq!(observed.version.minor, minor);
    }
}

#[tokio::test]
async fn changes_keep_what_they_do_not_say() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(everything())))
            .await
            .unwrap();
        let kept = Neighbor {
            local_address: Some(address("127.0.0.9")),
            ..neighbor(65001)
        };
        for recreate in [false, true] {
            let changed = Neighbor {
                description: Some("changed".to_owned()),
                ..kept.clone()
            };
            let back = Neighbor {
                description: Some("to the north".to_owned()),
                ..kept.clone()
            };
            for (fields, description) in [(changed, "changed"), (back, "to the north")] {
                let change = change(fields);
                let op = match recreate {
                    false => Op::UpdatePeer(north, change),
                    true => Op::RecreatePeer(north, change),
                };
                speaker.apply(&op).await.unwrap();
                let observed = observe(&*speaker).await;
                assert_eq!(observed.peers[&north].description, description);
            }
            assert_everything(&observe(&*speaker).await.peers[&north]);
        }
        // Taken back to the defaults.
        let defaults = Neighbor {
            description: Some(String::new()),
            auth_password: Some(String::new().into()),
            local_address: Some(address("0.0.0.0")),
            passive: Some(false),
            families: Some(BTreeSet::from([Family::Ipv4Unicast])),
            admin_state: Some(AdminState::Up),
            ..neighbor(65001)
        };
        speaker
            .apply(&Op::UpdatePeer(north, change(defaults)))
            .await
            .unwrap();
        let peer = &observe(&*speaker).await.peers[&north];
        assert_eq!(peer.auth_password.expose_secret(), "");
        assert_eq!((peer.local_address, peer.passive), (None, false));
        assert_eq!(peer.families, BTreeSet::from([Family::Ipv4Unicast]));
        assert_eq!(peer.configured, AdminState::Up);
        assert_eq!(peer.hold_time, 9);
    }
}

#[tokio::test]
async fn many_updates_after_one_observation() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let addresses: Vec<IpAddr> = (1..=64_u8).map(|last| [10, 0, 0, last].into()).collect();
        for neighbor_address in &addresses {
            let passive = Neighbor {
                passive: Some(true),
                ..neighbor(65002)
            };
            speaker
                .apply(&Op::AddPeer(*neighbor_address, Box::new(passive)))
                .await
                .unwrap();
        }
        observe(&*speaker).await;
        let updates: Vec<Op> = addresses
            .iter()
            .map(|neighbor_address| {
                let description = Some(format!("number {neighbor_address}"));
                let fields = Neighbor {
                    description,
                    ..neighbor(65002)
                };
                Op::UpdatePeer(*neighbor_address, change(fields))
            })
            .collect();
        let sent = futures::future::join_all(updates.iter().map(|op| speaker.apply(op))).await;
        assert!(sent.iter().all(Result::is_ok));
        for (address, peer) in observe(&*speaker).await.peers {
            assert_eq!(peer.description, format!("number {address}"));
            assert!(peer.passive);
        }
    }
}

#[tokio::test]
async fn a_peer_is_held_down_and_let_up() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let north = address("192.0.2.7");
        speaker
            .apply(&Op::AddPeer(north, Box::new(neighbor(65002))))
            .await
            .unwrap();
        let mut events = speaker.watch().await.unwrap();
        let mut seen = Vec::new();
        while !seen.contains(&SessionEvent::Listed) {
            seen.extend(events.next().await.unwrap().unwrap());
        }
        let told = |event: &SessionEvent, down: bool| {
            matches!(event, SessionEvent::State { neighbor, admin_down, .. }
                if *neighbor == north && *admin_down == down)
        };
        assert!(seen.iter().any(|event| told(event, false)), "{seen:?}");
        speaker.apply(&Op::DisablePeer(north)).await.unwrap();
        let peer = &observe(&*speaker).await.peers[&north];
        assert_eq!(
            (peer.configured, peer.admin_state),
            (AdminState::Up, AdminState::Down)
        );
        while !seen.iter().any(|event| told(event, true)) {
            seen.extend(events.next().await.unwrap().unwrap());
        }
        speaker.apply(&Op::EnablePeer(north)).await.unwrap();
        assert_eq!(
            observe(&*speaker).await.peers[&north].admin_state,
            AdminState::Up
        );
        for op in [
            Op::SoftReset(north, Direction::Import),
            Op::SoftReset(north, Direction::Export),
            Op::HardReset(north),
        ] {
            speaker.apply(&op).await.unwrap();
        }
        let counters = speaker.counters().await.unwrap();
        assert_eq!(counters.len(), 1);
        assert_eq!((counters[0].neighbor, counters[0].uptime), (north, None));
    }
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        for op in [
            Op::DeletePeer(address("192.0.2.7")),
            Op::DeletePolicy("p".to_owned()),
            Op::DeleteNeighborSet("s".to_owned(), None),
            Op::DeleteNeighborSet("s".to_owned(), Some(BTreeSet::from([address("::1")]))),
        ] {
            speaker.apply(&op).await.unwrap();
        }
        let gone = Op::DisablePeer(address("192.0.2.7"));
        let error = speaker.apply(&gone).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        // Version 3 finds a peer by the text that somebody typed.
        daemon.gobgp(&["neighbor", "add", "2001:DB8::0007", "as", "65002"]);
        let typed = address("2001:db8::7");
        assert!(observe(&*speaker).await.peers.contains_key(&typed));
        speaker.apply(&Op::DeletePeer(typed)).await.unwrap();
        assert!(observe(&*speaker).await.peers.is_empty());
    }
}

/// Every form of the grammar that a version knows.
fn actions(release: Release) -> Vec<&'static str> {
    let mut all = vec![
        "community add 65000:1 no-export",
        "community remove 65000:1 no-export 65000:.*",
        "community replace 65000:1 0:0",
        "ext-community add rt:65000:100",
        "ext-community add rt:192.0.2.1:100 soo:65000:1",
        "ext-community remove rt:65000:100",
        "ext-community replace rt:65000:100",
        "large-community add 65000:1:2 4200000000:0:4294967295",
        "large-community remove 65000:1:2",
        "large-community replace 65000:1:2",
        "med add 10",
        "med sub 10",
        "med set 0",
        "med set 4294967295",
        "local-pref 1",
        "local-pref 4294967295",
        "as-prepend 4200000000 3",
        "as-prepend last-as 255",
        "next-hop 192.0.2.9",
        "next-hop 2001:db8::9",
        "next-hop self",
        "next-hop unchanged",
    ];
    if release > Release::V3_10 {
        all.push("next-hop peer-address");
    }
    all
}

#[tokio::test]
async fn every_action_comes_back_as_it_was_declared() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let neighbors = BTreeSet::from([address("192.0.2.7"), address("2001:db8::7")]);
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), neighbors.clone()))
            .await
            .unwrap();
        let mut statements: Vec<Statement> = actions(release)
            .iter()
            .enumerate()
            .map(|(index, text)| statement(&format!("p/import/{index}"), Some(text), None))
            .collect();
        statements.push(statement("p/import/a", None, Some(Disposition::Accept)));
        statements.push(statement("p/import/b", None, Some(Disposition::Reject)));
        statements.push(statement(
            "p/import/c",
            Some("med add 1"),
            Some(Disposition::Accept),
        ));
        statements.push(statement("p/import/d", None, None));
        let policy = Policy {
            name: "p/import".to_owned(),
            statements,
        };
        // One by one, and all at once: the same.
        let at_once = Op::SetPolicies {
            neighbor_sets: BTreeMap::from([(SET.to_owned(), neighbors.clone())]),
            policies: vec![policy.clone()],
        };
        for op in [Op::AddPolicy(policy.clone()), at_once] {
            speaker.apply(&op).await.unwrap();
            let observed = observe(&*speaker).await;
            assert_eq!(observed.policies.len(), 1);
            for (written, read) in policy
                .statements
                .iter()
                .zip(&observed.policies[0].statements)
            {
                let text = written.action.as_ref().map(Action::to_string);
                let body = read
                    .ours
                    .as_ref()
                    .unwrap_or_else(|| panic!("{text:?}: {read:?}"));
                assert_eq!(read.name, written.name);
                assert_eq!(body.action, written.action, "{} {text:?}", release.name());
                assert_eq!(body.disposition, written.disposition);
                assert_eq!(body.neighbor_set, SET);
            }
            assert_eq!(
                observed.policies[0].statements.len(),
                policy.statements.len()
            );
            assert!(observed.loose_statements.is_empty());
        }
    }
}

#[tokio::test]
async fn sets_and_assignments() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let pair = [address("192.0.2.7"), address("2001:db8::7")];
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), BTreeSet::from(pair)))
            .await
            .unwrap();
        let one = Some(BTreeSet::from([pair[1]]));
        speaker
            .apply(&Op::DeleteNeighborSet(SET.to_owned(), one))
            .await
            .unwrap();
        let policy = |name: &str| Policy {
            name: name.to_owned(),
            statements: vec![statement(&format!("{name}/s"), Some("med add 1"), None)],
        };
        for name in ["p/import", "q/import"] {
            speaker.apply(&Op::AddPolicy(policy(name))).await.unwrap();
        }
        let order = ["q/import", "p/import"].map(str::to_owned).to_vec();
        let assignment = Op::SetAssignment {
            direction: Direction::Import,
            policies: order.clone(),
            default: DefaultAction::Reject,
        };
        speaker.apply(&assignment).await.unwrap();
        let mut range = DefinedSet::neighbors("range", []);
        range.list.push("10.0.0.0/8".to_owned());
        daemon.client().await.add_defined_set(&range).await.unwrap();
        daemon.gobgp(&["policy", "prefix", "add", "net", "10.0.0.0/8"]);
        let observed = observe(&*speaker).await;
        assert_eq!(observed.import.policies, order);
        assert_eq!(observed.import.default, DefaultAction::Reject);
        assert_eq!(observed.export.default, DefaultAction::Accept);
        let set = |name: &str| {
            observed
                .defined_sets
                .iter()
                .find(|set| set.name == name)
                .unwrap()
        };
        assert_eq!(set(SET).neighbors, BTreeSet::from([pair[0]]));
        assert!(set(SET).complete && set(SET).kind == SetKind::Neighbor);
        assert!(!set("range").complete && set("range").neighbors.is_empty());
        assert_eq!(set("net").kind, SetKind::Prefix);
        // Used by a policy: gobgpd's own refusal, in its words.
        let used = Op::DeleteNeighborSet(SET.to_owned(), None);
        let error = speaker.apply(&used).await.unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
    }
}

#[tokio::test]
async fn what_people_add_to_a_statement_is_seen() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let neighbors = BTreeSet::from([address("192.0.2.7")]);
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), neighbors))
            .await
            .unwrap();
        daemon.gobgp(&["policy", "prefix", "add", "net", "10.0.0.0/8"]);
        let by_hand: [&[&str]; 3] = [
            &["condition", "prefix", "net"],
            &["condition", "route-type", "external"],
            &["action", "local-pref", "5"],
        ];
        for (index, words) in by_hand.iter().enumerate() {
            let name = format!("s{index}");
            let policy = Policy {
                name: format!("p{index}"),
                statements: vec![statement(&name, Some("med add 1"), None)],
            };
            speaker.apply(&Op::AddPolicy(policy)).await.unwrap();
            daemon.gobgp(&[&["policy", "statement", &name, "add"], *words].concat());
        }
        daemon.gobgp(&["policy", "statement", "add", "loose"]);
        let observed = observe(&*speaker).await;
        assert_eq!(observed.policies.len(), by_hand.len());
        for policy in &observed.policies {
            assert_eq!(
                policy.statements[0].ours,
                None,
                "{} {policy:?}",
                release.name()
            );
        }
        assert_eq!(observed.loose_statements, ["loose"]);
    }
}

#[tokio::test]
async fn the_table_in_gobgps_words() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let rib = ["global", "rib"];
        let added: [&[&str]; 4] = [
            &[
                "add",
                "10.1.0.0/16",
                "nexthop",
                "192.0.2.9",
                "origin",
                "igp",
                "med",
                "7",
            ],
            &[
                "add",
                "10.1.2.0/24",
                "nexthop",
                "192.0.2.9",
                "community",
                "65000:1,no-export",
            ],
            &[
                "add",
                "10.2.0.0/16",
                "nexthop",
                "192.0.2.9",
                "aspath",
                "65010 65011 {65012,65013}",
            ],
            &[
                "add",
                "9.0.0.0/8",
                "nexthop",
                "192.0.2.9",
                "large-community",
                "65000:1:2",
            ],
        ];
        for words in added {
            daemon.gobgp(&[&rib[..], words].concat());
        }
        let six = [
            "add",
            "2001:db8:1::/48",
            "nexthop",
            "2001:db8::9",
            "-a",
            "ipv6",
        ];
        daemon.gobgp(&[&rib[..], &six].concat());
        let routes = speaker.rib(None).await.unwrap();
        let prefixes: Vec<_> = routes.iter().map(|route| route.prefix.as_str()).collect();
        let sorted = [
            "9.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.2.0.0/16",
            "2001:db8:1::/48",
        ];
        assert_eq!(prefixes, sorted);
        let table = daemon.gobgp(&rib) + &daemon.gobgp(&["global", "rib", "-a", "ipv6"]);
        for route in &routes {
            let lines = table.lines().map(str::trim_end);
            let line = lines
                .clone()
                .find(|line| line.contains(&format!(" {} ", route.prefix)));
            let line = line.unwrap_or_else(|| panic!("{table}"));
            let attributes = format!("[{}]", route.attributes.join(" "));
            assert!(
                line.ends_with(&attributes),
                "{}: {attributes} in {line}",
                release.name()
            );
            assert!(
                line.contains(&route.next_hop.unwrap().to_string()),
                "{line}"
            );
            assert!(line.contains(&format!(" {} ", route.as_path)), "{line}");
            assert!(line.starts_with("*>") && route.best && route.valid && !route.stale);
            assert!(route.age < 3600, "{route:?}");
        }
        let within = |prefix: &'static str| async {
            let routes = speaker.rib(Some(prefix)).await.unwrap();
            routes
                .into_iter()
                .map(|route| route.prefix)
                .collect::<Vec<_>>()
        };
        assert_eq!(within("10.1.0.0/16").await, ["10.1.0.0/16", "10.1.2.0/24"]);
        assert_eq!(within("10.1.2.3").await, ["10.1.2.0/24"]);
        assert_eq!(within("2001:db8::/32").await, ["2001:db8:1::/48"]);
        let error = speaker.rib(Some("nonsense")).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn daemons_that_are_not_there_or_not_fit() {
    let mut daemon = Daemon::start(Release::V4_8).await;
    let speaker = dial(&daemon).await;
    speaker.apply(&Op::StartBgp(global())).await.unwrap();
    daemon.gobgp(&["global", "del", "all"]);
    let error = speaker.observe(None).await.unwrap_err();
    assert!(matches!(error, Error::NeedsRestart(_)), "{error:?}");
    daemon.kill();
    let error = speaker.heartbeat().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let dial = GobgpDial::new(Timeouts::default(), SystemTime::now);
    let error = dial.dial(&daemon.address).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let error = dial.dial("no address").await.err().unwrap();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}
