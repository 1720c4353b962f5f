//! The table against a kernel of a few maps.

use super::*;
use crate::fib::audit::{Look, Own};
use crate::kernel::{Action, Link, Place};
use crate::resolve::{On, resolve};
use proptest::prelude::*;
use std::collections::BTreeMap;

const MARK: Mark = Mark {
    table: 254,
    protocol: 179,
    metric: 2000,
};

fn prefix(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn hop(text: &str) -> NextHop {
    NextHop {
        address: text.parse().unwrap(),
        on: On::Unknown,
    }
}

fn link(index: u32, up: bool, carrier: bool) -> Event {
    Event::Link(Link {
        index,
        name: format!("eth{index}"),
        up,
        carrier,
        loopback: false,
    })
}

fn connected(to: &str, device: u32) -> Route {
    let v6 = to.contains(':');
    Route {
        prefix: prefix(to),
        table: 254,
        protocol: 2,
        metric: if v6 { 256 } else { 0 },
        action: Action::Unicast,
        legs: vec![Leg {
            gateway: None,
            device,
            onlink: false,
        }],
    }
}

fn through(to: &str, gateways: &[(&str, u32)]) -> Route {
    let leg = |(gateway, device): &(&str, u32)| Leg {
        gateway: Some(gateway.parse().unwrap()),
        device: *device,
        onlink: false,
    };
    Route {
        protocol: 4,
        legs: gateways.iter().map(leg).collect(),
        ..connected(to, 0)
    }
}

fn came(route: Route) -> Event {
    Event::Route(route, Place::First)
}

fn look(own: Vec<Route>) -> Vec<Own> {
    let mut look = Look::default();
    own.into_iter().for_each(|route| look.take(MARK, route));
    look.into_parts().1
}

/// eth1 with 10.0.1.0/24 and 2001:db8:1::/64, eth2 likewise with 2.
fn fib() -> Fib {
    let mut fib = Fib::new(MARK, View::default());
    for index in [1, 2] {
        fib.kernel(link(index, true, true));
        for own in [
            format!("10.0.{index}.1/24"),
            format!("2001:db8:{index}::1/64"),
        ] {
            fib.kernel(Event::Address(own.parse().unwrap(), index));
        }
        fib.kernel(came(connected(&format!("10.0.{index}.0/24"), index)));
        fib.kernel(came(connected(&format!("2001:db8:{index}::/64"), index)));
    }
    fib
}

/// Applies all that is due to a kernel of maps.
fn carry_out(fib: &mut Fib, kernel: &mut BTreeMap<IpNet, Vec<Leg>>) -> usize {
    let mut count = 0;
    while fib.is_due() {
        for change in fib.due(3) {
            count += 1;
            let there = kernel.remove(&change.prefix);
            assert_eq!(there.as_deref(), change.old.as_deref(), "{}", change.prefix);
            assert_ne!(change.old, change.new);
            if let Some(new) = change.new {
                kernel.insert(change.prefix, new.to_vec());
            }
        }
    }
    assert_eq!(*kernel, fib.installed());
    count
}

fn words(kernel: &BTreeMap<IpNet, Vec<Leg>>) -> Vec<String> {
    let leg = |leg: &Leg| match leg.gateway {
        Some(gateway) => format!(" {gateway}%{}", leg.device),
        None => format!(" %{}", leg.device),
    };
    let legs = |legs: &Vec<Leg>| legs.iter().map(leg).collect::<String>();
    let rows = kernel.iter();
    rows.map(|(prefix, l)| format!("{prefix}{}", legs(l)))
        .collect()
}

#[test]
fn a_next_hop_is_found_on_a_link_and_behind_a_gateway() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.kernel(came(through("192.0.2.0/24", &[("10.0.2.9", 2)])));
    fib.want(prefix("203.0.113.0/24"), &[hop("10.0.1.7")]);
    fib.want(prefix("198.51.100.0/24"), &[hop("192.0.2.1")]);
    fib.want(prefix("0.0.0.0/0"), &[hop("192.0.2.1"), hop("10.0.1.7")]);
    fib.want(prefix("2001:db8:ff::/48"), &[hop("2001:db8:1::7")]);
    carry_out(&mut fib, &mut kernel);
    assert_eq!(
        words(&kernel),
        [
            "0.0.0.0/0 10.0.1.7%1 10.0.2.9%2",
            "198.51.100.0/24 10.0.2.9%2",
            "203.0.113.0/24 10.0.1.7%1",
            "2001:db8:ff::/48 2001:db8:1::7%1",
        ]
    );
}

#[test]
fn nothing_is_reached_through_ours() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.want(prefix("192.0.2.0/24"), &[hop("10.0.1.7")]);
    fib.want(prefix("198.51.100.0/24"), &[hop("192.0.2.1")]);
    // Within itself, and the same through a default route of ours.
    fib.want(prefix("203.0.113.0/24"), &[hop("203.0.113.1")]);
    fib.want(prefix("0.0.0.0/0"), &[hop("10.0.1.7")]);
    carry_out(&mut fib, &mut kernel);
    assert_eq!(
        words(&kernel),
        ["0.0.0.0/0 10.0.1.7%1", "192.0.2.0/24 10.0.1.7%1"]
    );
    assert_eq!(fib.counts().unresolved, BTreeMap::from([("no_route", 2)]));
    let mut reasons: Vec<_> = fib.unresolved(9).into_iter().map(|u| u.reason).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "192.0.2.1: only BGP's own routes lead there",
            "203.0.113.1: only BGP's own routes lead there"
        ]
    );
}

#[test]
fn a_late_next_hop_brings_its_routes_and_takes_them() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.want(prefix("198.51.100.0/24"), &[hop("192.0.2.1")]);
    fib.want(prefix("198.51.101.0/24"), &[hop("192.0.2.1")]);
    fib.want(prefix("203.0.113.0/24"), &[hop("10.0.1.7")]);
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
    let route = through("192.0.2.0/24", &[("10.0.2.9", 2)]);
    fib.kernel(came(route.clone()));
    assert_eq!(carry_out(&mut fib, &mut kernel), 2);
    fib.kernel(Event::RouteGone(route));
    assert_eq!(carry_out(&mut fib, &mut kernel), 2);
    assert_eq!(words(&kernel), ["203.0.113.0/24 10.0.1.7%1"]);
    assert!(fib.notices().contains(&Notice::NextHop {
        address: "192.0.2.1".parse().unwrap(),
        reason: Some(Reason::NoRoute("192.0.2.1".parse().unwrap())),
    }));
}

#[test]
fn a_link_moves_only_what_was_found_over_it() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    for last in 0..9 {
        let to = format!("203.0.{last}.0/24");
        fib.want(
            prefix(&to),
            &[hop(if last < 2 { "10.0.1.7" } else { "10.0.2.7" })],
        );
    }
    fib.want(prefix("0.0.0.0/0"), &[hop("10.0.1.7"), hop("10.0.2.7")]);
    carry_out(&mut fib, &mut kernel);
    fib.kernel(link(1, true, false));
    assert_eq!(carry_out(&mut fib, &mut kernel), 3);
    assert_eq!(kernel[&prefix("0.0.0.0/0")].len(), 1);
    assert!(
        !fib.is_audit_due(),
        "the kernel keeps routes without a carrier"
    );
    let reason = &fib.unresolved(1)[0].reason;
    assert_eq!(reason, "10.0.1.7: eth1 has no carrier");
    fib.kernel(link(1, true, true));
    assert_eq!(carry_out(&mut fib, &mut kernel), 3);
    fib.kernel(link(1, false, false));
    assert!(fib.is_audit_due(), "the kernel drops routes silently");
    assert_eq!(carry_out(&mut fib, &mut kernel), 3);
    // The route goes with the link; what is wrong is the link all the same.
    fib.kernel(Event::RouteGone(connected("10.0.1.0/24", 1)));
    let reason = &fib.unresolved(1)[0].reason;
    assert_eq!(reason, "10.0.1.7: eth1 is down");
}

#[test]
fn a_link_that_was_down_between_two_looks_is_put_right_by_the_audit() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.want(prefix("203.0.113.0/24"), &[hop("10.0.1.7")]);
    carry_out(&mut fib, &mut kernel);
    fib.kernel(link(1, false, false));
    fib.kernel(link(1, true, true));
    assert_eq!(
        carry_out(&mut fib, &mut kernel),
        0,
        "as if nothing had been"
    );
    kernel.clear();
    let others = fib.view().clone();
    fib.audit(Look::new(others));
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
}

#[test]
fn what_drops_packets_and_what_is_here_is_no_next_hop() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.kernel(came(Route {
        action: Action::Blackhole,
        legs: vec![],
        ..through("192.0.2.0/24", &[])
    }));
    for (to, via) in [
        ("1.0.0.0/8", "192.0.2.1"),
        ("2.0.0.0/8", "10.0.1.1"),
        ("3.0.0.0/8", "fe80::1"),
    ] {
        fib.want(prefix(to), &[hop(via)]);
    }
    assert_eq!(carry_out(&mut fib, &mut kernel), 0);
    let mut reasons: Vec<_> = fib.unresolved(9).into_iter().map(|u| u.reason).collect();
    reasons.sort();
    assert_eq!(
        reasons,
        [
            "10.0.1.1: an address of this host's own",
            "192.0.2.1: the kernel's route blackhole 192.0.2.0/24 drops it",
            "fe80::1: a link-local address, and gobgpd doesn't tell of which interface",
        ]
    );
    fib.kernel(Event::AddressGone("10.0.1.1".parse().unwrap(), 1));
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
}

#[test]
fn a_link_local_next_hop_is_where_its_neighbor_is() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    let at = |on| NextHop {
        address: "fe80::9".parse().unwrap(),
        on,
    };
    let neighbor = "2001:db8:2::7".parse().unwrap();
    fib.want(prefix("2001:db8:aa::/48"), &[at(On::Neighbor(neighbor))]);
    fib.want(
        prefix("2001:db8:bb::/48"),
        &[at(On::Interface("eth1".to_owned()))],
    );
    fib.want(
        prefix("2001:db8:cc::/48"),
        &[at(On::Interface("eth7".to_owned()))],
    );
    carry_out(&mut fib, &mut kernel);
    assert_eq!(
        words(&kernel),
        ["2001:db8:aa::/48 fe80::9%2", "2001:db8:bb::/48 fe80::9%1"]
    );
    assert_eq!(
        fib.unresolved(1)[0].reason,
        "fe80::9: there is no interface eth7"
    );
    fib.kernel(link(7, true, true));
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
}

#[test]
fn what_an_earlier_run_left_stays_until_it_is_known_what_is_wanted() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    let left = |to: &str| Route {
        protocol: 179,
        metric: 2000,
        ..through(to, &[("10.0.1.7", 1)])
    };
    let own = ["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8"].map(left);
    for route in &own {
        kernel.insert(route.prefix, route.legs.clone());
    }
    assert_eq!(fib.take_over(look(own.to_vec())), 4);
    assert_eq!(carry_out(&mut fib, &mut kernel), 0);
    fib.begin();
    fib.want(prefix("1.0.0.0/8"), &[hop("10.0.1.7")]);
    fib.want(prefix("2.0.0.0/8"), &[hop("10.0.2.7")]);
    fib.want(prefix("3.0.0.0/8"), &[]);
    assert_eq!(
        carry_out(&mut fib, &mut kernel),
        2,
        "one moves, one is withdrawn"
    );
    assert_eq!((fib.counts().stale, kernel.len()), (1, 3));
    assert_eq!(fib.stale(), [prefix("4.0.0.0/8")]);
    assert_eq!((fib.sweep(true), fib.sweep(false)), (0, 1));
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
    assert_eq!(
        words(&kernel),
        ["1.0.0.0/8 10.0.1.7%1", "2.0.0.0/8 10.0.2.7%2"]
    );
    // gobgpd begins again with nothing: all stays, and follows the links.
    fib.begin();
    assert_eq!(
        (carry_out(&mut fib, &mut kernel), fib.counts().stale),
        (0, 2)
    );
    fib.kernel(link(2, true, false));
    assert_eq!(carry_out(&mut fib, &mut kernel), 1);
    assert_eq!(fib.sweep(false), 2);
    carry_out(&mut fib, &mut kernel);
    assert!(fib.is_empty() && kernel.is_empty());
}

#[test]
fn a_second_route_of_ours_is_taken_away() {
    let mut fib = fib();
    let left = |via| Route {
        protocol: 179,
        metric: 2000,
        ..through("1.0.0.0/8", &[(via, 1)])
    };
    fib.take_over(look(vec![left("10.0.1.7"), left("10.0.1.8")]));
    let stray = Change {
        prefix: prefix("1.0.0.0/8"),
        old: Some(left("10.0.1.8").legs.into()),
        new: None,
    };
    assert_eq!(fib.due(9), [stray]);
    assert_eq!(fib.counts().installed, 1);
}

#[test]
fn what_others_do_to_ours_is_put_right() {
    let (mut fib, mut kernel) = (fib(), BTreeMap::new());
    fib.want(prefix("1.0.0.0/8"), &[hop("10.0.1.7")]);
    fib.want(
        prefix("2001:db8:aa::/48"),
        &[hop("2001:db8:1::7"), hop("2001:db8:2::7")],
    );
    carry_out(&mut fib, &mut kernel);
    let own = |to: &str, via: &str| Route {
        protocol: 179,
        metric: 2000,
        ..through(to, &[(via, 1)])
    };
    kernel.remove(&prefix("1.0.0.0/8"));
    kernel
        .get_mut(&prefix("2001:db8:aa::/48"))
        .unwrap()
        .remove(0);
    fib.kernel(Event::RouteGone(own("1.0.0.0/8", "10.0.1.7")));
    fib.kernel(Event::RouteGone(own("2001:db8:aa::/48", "2001:db8:1::7")));
    assert_eq!(carry_out(&mut fib, &mut kernel), 2);
    assert_eq!(kernel[&prefix("2001:db8:aa::/48")].len(), 2);
    // Of another metric: not ours.
    fib.kernel(Event::RouteGone(Route {
        metric: 5,
        ..own("1.0.0.0/8", "10.0.1.7")
    }));
    assert_eq!(carry_out(&mut fib, &mut kernel), 0);
}

#[test]
fn a_taken_metric_is_reported_and_tried_again_when_it_is_free() {
    let mut fib = fib();
    let rival = Route {
        metric: 2000,
        ..through("1.0.0.0/8", &[("10.0.2.9", 2)])
    };
    fib.kernel(came(rival.clone()));
    fib.want(prefix("1.0.0.0/8"), &[hop("10.0.1.7")]);
    assert_eq!(fib.due(9).len(), 1);
    fib.failed(prefix("1.0.0.0/8"), Trouble::Taken);
    assert!(!fib.is_due() && !fib.is_audit_due());
    assert_eq!(
        fib.counts().unresolved,
        BTreeMap::from([("metric_taken", 1)])
    );
    assert_eq!(
        fib.unresolved(1)[0].reason,
        "somebody else's route of protocol 4 has the metric 2000"
    );
    fib.kernel(Event::RouteGone(rival));
    assert_eq!(fib.due(9).len(), 1);
    assert_eq!(fib.counts().unresolved(), 0);
    // By nobody that is known: there may be a route of ours that we know nothing of.
    fib.failed(prefix("1.0.0.0/8"), Trouble::Taken);
    assert!(fib.is_audit_due());
}

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Want(u8, Vec<u8>),
    Begin,
    Sweep,
    Link(u32, bool, bool),
    Connected(u32, bool),
    Static(u8, u8, bool),
    Own(u8, bool),
    Neighbor(Option<u32>),
    Audit,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..12u8, prop::collection::vec(0..7u8, 0..3)).prop_map(|(p, h)| Step::Want(p, h)),
        1 => Just(Step::Begin),
        1 => Just(Step::Sweep),
        2 => (1..3u32, any::<bool>(), any::<bool>()).prop_map(|(i, u, c)| Step::Link(i, u, c)),
        2 => (1..3u32, any::<bool>()).prop_map(|(i, on)| Step::Connected(i, on)),
        2 => (0..3u8, 0..3u8, any::<bool>()).prop_map(|(p, v, on)| Step::Static(p, v, on)),
        1 => (0..6u8, any::<bool>()).prop_map(|(a, on)| Step::Own(a, on)),
        1 => prop::option::of(1..4u32).prop_map(Step::Neighbor),
        1 => Just(Step::Audit),
        3 => Just(Step::Flush),
    ]
}

fn some_prefix(n: u8) -> IpNet {
    let all = [
        "0.0.0.0/0",
        "10.0.1.7/32",
        "2001:db8:1::7/128",
        "::/0",
        "192.0.2.0/24",
    ];
    match all.get(usize::from(n)) {
        Some(text) => prefix(text),
        None if n.is_multiple_of(2) => prefix(&format!("100.{n}.0.0/16")),
        None => prefix(&format!("2001:db8:{n}::/48")),
    }
}

fn some_hop(n: u8) -> NextHop {
    let all = [
        "10.0.1.7",
        "10.0.2.7",
        "192.0.2.1",
        "2001:db8:1::7",
        "2001:db8:2::7",
    ];
    match all.get(usize::from(n)) {
        Some(text) => hop(text),
        None if n.is_multiple_of(2) => NextHop {
            on: On::Interface("eth2".to_owned()),
            ..hop("fe80::5")
        },
        None => NextHop {
            on: On::Neighbor("fe80::9".parse().unwrap()),
            ..hop("fe80::9")
        },
    }
}

fn some_static(to: u8, via: u8) -> Route {
    let to = ["192.0.2.0/24", "192.0.0.0/8", "0.0.0.0/0"][usize::from(to)];
    match via {
        0 => through(to, &[("10.0.1.9", 1)]),
        1 => through(to, &[("10.0.1.9", 1), ("10.0.2.9", 2)]),
        _ => Route {
            action: Action::Unreachable,
            legs: vec![],
            ..through(to, &[])
        },
    }
}

proptest! {
    /// However it came about, the table is what the last state makes it.
    #[test]
    fn step_by_step_is_as_from_scratch(steps in prop::collection::vec(step(), 0..60)) {
        let (mut fib, mut kernel) = (fib(), BTreeMap::new());
        let mut told: BTreeMap<IpNet, (Vec<NextHop>, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Want(to, hops) => {
                    let (to, hops) = (some_prefix(to), hops.into_iter().map(some_hop).collect::<Vec<_>>());
                    fib.want(to, &hops);
                    if hops.is_empty() { told.remove(&to); } else { told.insert(to, (hops, true)); }
                }
                Step::Begin => {
                    fib.begin();
                    told.values_mut().for_each(|(_, fresh)| *fresh = false);
                }
                Step::Sweep => {
                    fib.sweep(false);
                    told.retain(|to, (_, fresh)| *fresh || to.addr().is_ipv6());
                }
                Step::Link(index, up, carrier) => { fib.kernel(link(index, up, up && carrier)); }
                Step::Connected(index, on) => {
                    let route = connected(&format!("10.0.{index}.0/24"), index);
                    fib.kernel(if on { came(route) } else { Event::RouteGone(route) });
                }
                Step::Static(to, via, on) => {
                    let route = some_static(to, via);
                    fib.kernel(if on { came(route) } else { Event::RouteGone(route) });
                }
                Step::Own(address, on) => {
                    let address = some_hop(address).address;
                    fib.kernel(if on { Event::Address(address.into(), 2) } else { Event::AddressGone(address, 2) });
                }
                Step::Neighbor(index) => {
                    let there = index.map(|n| ("fe80::9".parse().unwrap(), format!("eth{n}")));
                    fib.neighbors(there.into_iter().collect());
                }
                Step::Audit => {
                    carry_out(&mut fib, &mut kernel);
                    // The kernel has lost every other route.
                    let mut lose = false;
                    kernel.retain(|_, _| { lose = !lose; lose });
                    let own = kernel.iter().map(|(to, legs)| Route {
                        prefix: *to, table: 254, protocol: 179, metric: 2000,
                        action: Action::Unicast, legs: legs.clone(),
                    });
                    let mut look = Look::new(fib.view().clone());
                    own.for_each(|route| look.take(MARK, route));
                    fib.audit(look);
                }
                Step::Flush => { carry_out(&mut fib, &mut kernel); }
            }
        }
        carry_out(&mut fib, &mut kernel);
        let mut expected = BTreeMap::new();
        for (to, (hops, _)) in &told {
            let answers = hops.iter().filter_map(|hop| resolve(fib.view(), &fib.interfaces, hop).legs.ok());
            let legs: BTreeSet<Leg> = answers.flatten().collect();
            if !legs.is_empty() {
                expected.insert(*to, legs.into_iter().collect::<Vec<_>>());
            }
        }
        prop_assert_eq!(&kernel, &expected);
        let counts = fib.counts();
        prop_assert_eq!(counts.wanted, told.len());
        prop_assert_eq!(counts.installed, kernel.len());
        prop_assert_eq!(counts.unresolved(), told.len() - kernel.len());
        prop_assert_eq!(counts.stale, told.values().filter(|(_, fresh)| !fresh).count());
        prop_assert_eq!(fib.unresolved(usize::MAX).len(), counts.unresolved());
        // Nothing is held for nobody.
        let all: Vec<IpNet> = told.keys().copied().collect();
        for to in all { fib.want(to, &[]); }
        carry_out(&mut fib, &mut kernel);
        prop_assert!(fib.is_empty() && kernel.is_empty());
        prop_assert_eq!(fib.hops.ids().count() + fib.sets.ids().count() + fib.legs.ids().count(), 0);
        prop_assert_eq!(fib.by_address.len() + fib.by_link.len() + fib.by_name.len(), 0);
    }
}
