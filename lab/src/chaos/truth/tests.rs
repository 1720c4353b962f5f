//! A world in which everything is true, and each thing that could be wrong with it.

use super::*;
use crate::chaos::declared::ANCHOR;
use crate::chaos::view::{NeighborRow, Peer, PolicyRow};

fn status(word: &str) -> Status {
    Status {
        word: word.to_owned(),
        reason: String::new(),
    }
}

fn end(router: usize, address: Ipv4Addr) -> End {
    (ROUTERS[router].to_owned(), address)
}

/// All rows as declared, with a policy on the first router.
fn rows() -> Rows {
    let mut rows = Rows::default();
    let neighbor = |word| NeighborRow {
        status: status(word),
        ..NeighborRow::default()
    };
    for (router, name) in ROUTERS.iter().enumerate() {
        rows.routers.insert((*name).to_owned(), status("ACTIVE"));
        rows.neighbors.insert(end(router, ANCHOR), neighbor("DOWN"));
    }
    for (one, other) in ground::sessions() {
        for (from, to) in [(one, other), (other, one)] {
            let address = ground::address(WAN, ROUTERS[to]);
            rows.neighbors.insert(end(from, address), neighbor("UP"));
        }
    }
    let policy = PolicyRow {
        status: status("ACTIVE"),
        action: "med set 7".to_owned(),
    };
    rows.policies
        .insert((ROUTERS[0].to_owned(), "w1".to_owned()), policy);
    rows
}

/// The daemons that such rows make.
fn daemons(rows: &Rows) -> BTreeMap<String, Daemon> {
    let mut daemons = BTreeMap::new();
    for (router, name) in ROUTERS.iter().enumerate() {
        let own = rows.neighbors.iter().filter(|((of, _), _)| of == name);
        let peers = own.map(|((_, address), row)| {
            let peer = Peer {
                established: row.status.word == "UP",
                description: row.description.clone(),
                ..Peer::default()
            };
            (*address, peer)
        });
        let daemon = Daemon {
            asn: ground::asn(router),
            peers: peers.collect(),
            ..Daemon::default()
        };
        daemons.insert((*name).to_owned(), daemon);
    }
    let first = daemons.get_mut(ROUTERS[0]).unwrap();
    first.policies.insert("w1/export".to_owned(), vec![7]);
    first.assigned.insert("w1/export".to_owned());
    daemons
}

#[track_caller]
fn only(found: &[String], line: &str) {
    assert_eq!(found, [line.to_owned()]);
}

#[test]
fn a_world_in_which_all_is_true_has_nothing_to_tell() {
    let rows = rows();
    assert_eq!(unwell(&rows), Vec::<String>::new());
    assert_eq!(untrue(&rows, &daemons(&rows)), Vec::<String>::new());
}

#[test]
fn rows_that_are_not_well_are_told() {
    let mut rows = rows();
    rows.routers
        .insert(ROUTERS[3].to_owned(), status("UNKNOWN"));
    only(
        &unwell(&rows),
        "router r03 is UNKNOWN and should be ACTIVE: ",
    );
    rows = self::rows();
    rows.neighbors.get_mut(&end(4, ANCHOR)).unwrap().status = status("UP");
    only(
        &unwell(&rows),
        "r04's neighbor 198.19.255.1 is UP and should be DOWN: ",
    );
    rows = self::rows();
    rows.neighbors
        .remove(&end(0, ground::address(WAN, ROUTERS[1])));
    only(&unwell(&rows), "r00's neighbor 10.0.0.101 is not declared");
}

#[test]
fn a_gobgpd_that_is_not_as_declared_is_told() {
    let rows = rows();
    let told = |change: fn(&mut Daemon), line: &str| {
        let mut daemons = daemons(&rows);
        change(daemons.get_mut(ROUTERS[0]).unwrap());
        only(&untrue(&rows, &daemons), line);
    };
    told(|daemon| daemon.asn = 0, "r00 runs AS 0");
    told(
        |daemon| drop(daemon.peers.remove(&ANCHOR)),
        "r00 has no peer 198.19.255.1",
    );
    told(
        |daemon| drop(daemon.peers.insert([198, 18, 0, 9].into(), Peer::default())),
        "r00 has a peer 198.18.0.9 that nobody declares",
    );
    told(
        |daemon| daemon.peers.get_mut(&ANCHOR).unwrap().description = "w 1".to_owned(),
        "r00's peer 198.19.255.1 is described as \"w 1\" and declared as \"\"",
    );
    told(
        |daemon| daemon.peers.get_mut(&ANCHOR).unwrap().established = true,
        "r00's neighbor 198.19.255.1 is DOWN, and its session is established",
    );
    told(
        |daemon| drop(daemon.policies.remove("w1/export")),
        "r00 has no policy w1/export",
    );
    told(
        |daemon| drop(daemon.policies.insert("w1/export".to_owned(), vec![8])),
        "r00's policy w1/export sets MED [8], declared is \"med set 7\"",
    );
    told(
        |daemon| drop(daemon.policies.insert("w2/export".to_owned(), vec![8])),
        "r00 has a policy w2/export that nobody declares",
    );
    told(
        |daemon| daemon.assigned.clear(),
        "r00's policy w1/export is not assigned",
    );
}

#[test]
fn servers_that_do_not_agree_are_told() {
    let (first, mut other) = (rows(), rows());
    assert_eq!(
        disagreements(&[("s0", rows()), ("s1", rows())]),
        Vec::<String>::new()
    );
    other
        .routers
        .insert(ROUTERS[0].to_owned(), status("UNKNOWN"));
    let found = disagreements(&[("s0", first), ("s2", other)]);
    assert!(
        found.len() == 1 && found[0].starts_with("\"r00\": s0 shows "),
        "{found:?}"
    );
}

#[test]
fn a_router_claimed_by_nobody_or_twice_is_told() {
    let claims = || {
        let by = |n: usize| vec![Some(format!("m{}", n % 2))];
        let routers = ROUTERS.iter().enumerate();
        Claims {
            members: ["m0".to_owned(), "m1".to_owned()].into(),
            routers: routers
                .map(|(n, router)| ((*router).to_owned(), by(n)))
                .collect(),
            own: ROUTERS.len() / 2,
        }
    };
    let said = |of: Claims| vec![("s0", of.clone()), ("s1", of)];
    assert_eq!(misclaimed(&said(claims())), Vec::<String>::new());
    for wrong in [
        vec![],
        vec![None],
        vec![Some("m9".to_owned())],
        vec![Some("m0".to_owned()), Some("m1".to_owned())],
    ] {
        let mut claims = claims();
        claims.routers.insert(ROUTERS[5].to_owned(), wrong);
        assert_eq!(misclaimed(&said(claims)).len(), 2);
    }
    let mut other = claims();
    other
        .routers
        .insert(ROUTERS[5].to_owned(), vec![Some("m0".to_owned())]);
    only(
        &misclaimed(&[("s0", claims()), ("s1", other)]),
        "s1 names other claims than s0",
    );
    let alone = Claims {
        own: ROUTERS.len(),
        ..claims()
    };
    only(&misclaimed(&[("s0", alone)]), "s0 knows 2 members of 1");
    // The claims are well, but a server has not let go of a router.
    let (mut first, second) = (claims(), claims());
    first.own += 1;
    only(
        &misclaimed(&[("s0", first), ("s1", second)]),
        "the servers work on [(\"s0\", 11), (\"s1\", 10)] routers, 21 together",
    );
}

#[test]
fn a_session_that_fell_is_told_unless_its_router_was_killed() {
    let rows = rows();
    let before = Falls::of(&rows, &daemons(&rows));
    let (one, other) = (end(2, ground::address(WAN, ROUTERS[0])), ROUTERS[0]);
    let mut after = daemons(&rows);
    after
        .get_mut(&one.0)
        .unwrap()
        .peers
        .get_mut(&one.1)
        .unwrap()
        .flaps = 1;
    let by_gobgpd = Falls::of(&rows, &after);
    let mut after = rows.clone();
    after.neighbors.get_mut(&one).unwrap().flaps = 1;
    let by_row = Falls::of(&after, &daemons(&rows));
    let mut after = daemons(&rows);
    let peer = after
        .get_mut(&one.0)
        .unwrap()
        .peers
        .get_mut(&one.1)
        .unwrap();
    peer.up_since = Some(std::time::SystemTime::UNIX_EPOCH);
    let by_time = Falls::of(&rows, &after);
    assert_eq!(before.since(&before, &[]), Vec::<String>::new());
    for fell in [by_gobgpd, by_row, by_time] {
        let found = fell.since(&before, &[]);
        assert!(found.len() == 1 && found[0].starts_with("r02's session with 10.0.0.100 fell"));
        assert_eq!(fell.since(&before, &[other]), Vec::<String>::new());
        assert_eq!(fell.since(&before, &["r02"]), Vec::<String>::new());
        assert_eq!(fell.since(&before, &["r05"]).len(), 1);
    }
}
