//! The reading of answers that no well-behaved daemon gives, and of those it does.

use super::*;
use sdwan_gobgp::types::{Actions, Count, NextHopAction, PolicyAssignment};

fn started(peers: Vec<types::Peer>) -> Answer {
    let global = types::Global {
        asn: 65001,
        router_id: "192.0.2.1".to_owned(),
        listen_port: 179,
        ..types::Global::default()
    };
    Answer {
        global,
        peers,
        ..Answer::not_started()
    }
}

fn neighbor(address: &str) -> types::Peer {
    let mut peer = types::Peer::default();
    peer.conf.neighbor_address = address.to_owned();
    peer
}

fn seen(answer: Answer) -> Observed {
    observed(Api::V4, Version::parse("4.5"), answer).unwrap()
}

#[test]
fn peers_that_are_nobodys_to_configure_are_left_out() {
    let mut dynamic = neighbor("");
    dynamic.state.neighbor_address = "192.0.2.8".to_owned();
    let by_interface = neighbor("fe80::1%eth0");
    let seen = seen(started(vec![dynamic, by_interface, neighbor("192.0.2.7")]));
    let addresses: Vec<_> = seen.peers.keys().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.7"]);
}

#[test]
fn two_spellings_of_one_address_are_refused() {
    let peers = vec![neighbor("2001:db8::7"), neighbor("2001:DB8::7")];
    let spelled = spellings(&peers);
    assert_eq!(spelled.values().collect::<Vec<_>>(), ["2001:DB8::7"]);
    let error = observed(Api::V3, None, started(peers)).unwrap_err();
    assert!(error.to_string().contains("2001:db8::7"), "{error}");
}

#[test]
fn the_daemon_knows_its_version_better_than_its_operator() {
    let told = |text: &str| {
        let mut peer = neighbor("192.0.2.7");
        peer.state.software_version = text.to_owned();
        seen(started(vec![neighbor("192.0.2.8"), peer]))
            .version
            .minor
    };
    assert_eq!(told("GoBGP/4.8.0"), Some(8));
    for no_version in [
        "",
        "GoBGP/3.36.0",
        "GoBGP/4",
        "GoBGP/4.x",
        "4.8.0",
        "other/4.8",
    ] {
        assert_eq!(told(no_version), Some(5), "{no_version}");
    }
}

/// Somebody put another gobgpd there since.
#[test]
fn a_version_of_another_api_says_nothing() {
    let said = Version::parse("3.36.0");
    let observed = observed(Api::V4, said, started(Vec::new())).unwrap();
    assert_eq!(observed.version.minor, None);
}

#[test]
fn what_is_listed_becomes_what_is_observed() {
    let mut peer = neighbor("192.0.2.7");
    peer.ebgp_multihop.multihop_ttl = 7;
    peer.timers.hold_time = 1 << 20;
    peer.transport.local_address = "::".to_owned();
    peer.state.admin = types::AdminState::PrefixLimit;
    let seen = seen(started(vec![peer]));
    let peer = &seen.peers[&"192.0.2.7".parse::<IpAddr>().unwrap()];
    assert_eq!((peer.ebgp_multihop, peer.hold_time), (0, u16::MAX));
    assert_eq!(peer.local_address, None);
    assert_eq!(
        (peer.configured, peer.admin_state),
        (AdminState::Up, AdminState::Down)
    );
    assert_eq!(peer.session, SessionState::Unknown(0));
    assert_eq!(seen.global.unwrap().listen_port, Some(179));
    let mut nowhere = started(Vec::new());
    nowhere.global.listen_port = -1;
    assert_eq!(
        super::observed(Api::V3, None, nowhere)
            .unwrap()
            .global
            .unwrap()
            .listen_port,
        Some(0)
    );
}

#[test]
fn an_answer_that_makes_no_sense_is_no_observation() {
    let mut unnamed = started(Vec::new());
    unnamed.global.router_id = "<none>".to_owned();
    let mut unknown = started(Vec::new());
    let default = RouteAction::Other(9);
    let import = types::PolicyDirection::Import;
    unknown
        .assignments
        .push(PolicyAssignment::global(import, [""; 0], default));
    for answer in [unnamed, unknown] {
        let error = observed(Api::V3, None, answer).unwrap_err();
        assert!(matches!(error, Error::Incomplete(_)), "{error:?}");
    }
}

#[test]
fn only_our_own_shape_of_statement_is_ours() {
    let ours = types::Statement {
        name: "s".to_owned(),
        conditions: Conditions {
            neighbor_set: Some(MatchSet::any("n")),
            ..Conditions::default()
        },
        actions: Actions {
            next_hop: Some(NextHopAction::SelfAddress),
            route_action: RouteAction::Accept,
            ..Actions::default()
        },
        has_unknown: false,
    };
    assert_eq!(body(&ours).unwrap().disposition, Some(Disposition::Accept));
    let changes: [fn(&mut types::Statement); 8] = [
        |s| s.has_unknown = true,
        |s| s.conditions.neighbor_set = None,
        |s| s.conditions.neighbor_set.as_mut().unwrap().match_type = MatchType::Invert,
        |s| s.conditions.prefix_set = Some(MatchSet::any("p")),
        |s| s.conditions.med_eq = Some(1),
        |s| {
            let comparison = types::Comparison::Eq;
            s.conditions.as_path_length = Some(Count {
                comparison,
                value: 1,
            });
        },
        |s| s.actions.local_pref = Some(1),
        |s| s.actions.route_action = RouteAction::Other(3),
    ];
    for change in changes {
        let mut changed = ours.clone();
        change(&mut changed);
        assert_eq!(body(&changed), None, "{changed:?}");
    }
}

#[test]
fn statements_of_no_policy_are_loose() {
    let named = |name: &str| types::Statement {
        name: name.to_owned(),
        ..Default::default()
    };
    let policy = types::Policy {
        name: "p".to_owned(),
        statements: vec![named("a")],
    };
    let answer = Answer {
        policies: vec![policy],
        statements: vec![named("a"), named("b")],
        ..started(Vec::new())
    };
    assert_eq!(seen(answer).loose_statements, ["b"]);
}
