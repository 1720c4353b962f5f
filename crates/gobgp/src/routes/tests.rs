//! Answers as either version writes them, put together here field by field.

use super::*;
use crate::dialect::Api::{V3, V4};
use std::net::{IpAddr, Ipv6Addr};

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

fn varint(mut value: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    while value >= 0x80 {
        octets.push(value as u8 | 0x80);
        value >>= 7;
    }
    octets.push(value as u8);
    octets
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn content(field: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = varint(content.len() as u64);
    [varint(field << 3 | 2), length, content.to_vec()].concat()
}

/// A path as gobgpd has it.
#[derive(Clone)]
struct Sent {
    /// Nothing for an End-of-RIB.
    prefix: Option<(&'static str, u64)>,
    family: Family,
    /// NEXT_HOP's if there is one, or else MP_REACH_NLRI's.
    next_hops: Vec<&'static str>,
    mp_reach: bool,
    withdrawn: bool,
    neighbor: &'static str,
    identifier: u64,
}

impl Sent {
    fn v4(address: &'static str, length: u64, next_hop: &'static str) -> Self {
        Self {
            prefix: Some((address, length)),
            family: Family::IPV4_UNICAST,
            next_hops: vec![next_hop],
            mp_reach: false,
            withdrawn: false,
            neighbor: "192.0.2.2",
            identifier: 0,
        }
    }

    fn v6(address: &'static str, length: u64, next_hops: &[&'static str]) -> Self {
        Self {
            family: Family::IPV6_UNICAST,
            next_hops: next_hops.to_vec(),
            mp_reach: true,
            ..Self::v4(address, length, "")
        }
    }

    fn end_of_rib(family: Family) -> Self {
        Self {
            prefix: None,
            family,
            next_hops: Vec::new(),
            ..Self::v4("", 0, "")
        }
    }

    fn from(self, neighbor: &'static str) -> Self {
        Self { neighbor, ..self }
    }

    fn withdrawn(self) -> Self {
        Self {
            withdrawn: true,
            ..self
        }
    }

    fn encode(&self, api: Api) -> Vec<u8> {
        // `Any {type_url, value}`, or a oneof's field.
        let wrap = |name: &str, field: u64, message: Vec<u8>| match api {
            V3 => {
                let url = format!("type.googleapis.com/apipb.{name}");
                [content(1, url), content(2, message)].concat()
            }
            V4 => content(field, message),
        };
        let family = [
            number(1, self.family.afi.into()),
            number(2, self.family.safi.into()),
        ]
        .concat();
        let mut path = Vec::new();
        if let Some((address, length)) = self.prefix {
            let prefix = [number(1, length), content(2, address)].concat();
            path.extend(content(1, wrap("IPAddressPrefix", 1, prefix)));
            path.extend(content(2, wrap("OriginAttribute", 2, number(1, 2))));
        }
        if self.mp_reach {
            let next_hops = self.next_hops.iter().flat_map(|hop| content(2, hop));
            let reach = content(1, &family).into_iter().chain(next_hops).collect();
            path.extend(content(2, wrap("MpReachNLRIAttribute", 12, reach)));
        } else if let Some(next_hop) = self.next_hops.first() {
            let next_hop = wrap("NextHopAttribute", 4, content(1, next_hop));
            path.extend(content(2, next_hop));
        }
        path.extend(content(3, number(1, 1_700_000_000)));
        if self.withdrawn {
            path.extend(number(5, 1));
        }
        path.extend(content(9, family));
        path.extend(number(10, 65002));
        path.extend(content(11, "192.0.2.2"));
        path.extend(content(15, self.neighbor));
        path.extend(number(18, self.identifier));
        path
    }
}

/// A message with these paths, as gRPC frames it.
fn message(api: Api, paths: &[Sent]) -> Vec<u8> {
    let table: Vec<_> = paths
        .iter()
        .flat_map(|path| content(2, path.encode(api)))
        .collect();
    let message = content(3, table);
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

/// All that a reader makes of an answer which comes in pieces of that size.
fn read(reader: &mut RouteReader, answer: &[u8], size: usize) -> Vec<RouteEvent> {
    let mut events = Vec::new();
    for piece in answer.chunks(size) {
        reader.push(piece);
        while let Some(event) = reader.event().unwrap() {
            events.push(event);
        }
    }
    events
}

fn events(api: Api, multiple_paths: bool, answer: &[u8]) -> Vec<RouteEvent> {
    let mut reader = RouteReader::new(api, &FAMILIES, multiple_paths);
    read(&mut reader, answer, usize::MAX)
}

fn told(next_hop: &str) -> BestPath {
    BestPath {
        next_hop: next_hop.parse().unwrap(),
        link_local: None,
        neighbor: Some(IpAddr::from([192, 0, 2, 2])),
        interface: None,
        source_id: Some([192, 0, 2, 2].into()),
        source_asn: 65002,
        identifier: 0,
    }
}

fn change(prefix: &str, paths: &[BestPath]) -> BestChange {
    BestChange {
        prefix: prefix.parse().unwrap(),
        paths: paths.to_vec(),
    }
}

fn best(prefix: &str, paths: &[BestPath]) -> RouteEvent {
    RouteEvent::Best(vec![change(prefix, paths)])
}

#[test]
fn a_table_and_changes_however_they_are_cut() {
    let zone = "fe80::2%eth0";
    let link_local: Ipv6Addr = "fe80::2".parse().unwrap();
    let evpn = Sent {
        family: Family::L2VPN_EVPN,
        ..Sent::v6("", 0, &["2001:db8::2"])
    };
    for api in [V3, V4] {
        let answer = [
            message(
                api,
                &[
                    Sent::v4("0.0.0.0", 0, "192.0.2.9"),
                    evpn.clone(),
                    Sent::v6("2001:db8:1::", 48, &["2001:db8::2", "fe80::2"]),
                    Sent::v6("2001:db8:2::1", 128, &["fe80::2"]).from(zone),
                    // RFC 8950.
                    Sent {
                        family: Family::IPV4_UNICAST,
                        ..Sent::v6("10.1.0.0", 16, &["2001:db8::2"])
                    },
                    Sent::v4("10.2.0.0", 16, "invalid IP").from("<nil>"),
                ],
            ),
            message(api, &[Sent::end_of_rib(Family::IPV6_UNICAST)]),
            message(api, &[]),
            message(api, &[evpn.clone(), Sent::v4("10.1.0.0", 16, "192.0.2.9")]),
            message(api, &[Sent::v4("0.0.0.0", 0, "").withdrawn()]),
            message(api, &[Sent::end_of_rib(Family::IPV4_UNICAST).from(zone)]),
        ]
        .concat();
        let expected = [
            RouteEvent::Best(vec![
                change("0.0.0.0/0", &[told("192.0.2.9")]),
                change(
                    "2001:db8:1::/48",
                    &[BestPath {
                        link_local: Some(link_local),
                        ..told("2001:db8::2")
                    }],
                ),
                change(
                    "2001:db8:2::1/128",
                    &[BestPath {
                        neighbor: Some(link_local.into()),
                        interface: Some("eth0".to_owned()),
                        ..told("fe80::2")
                    }],
                ),
                change("10.1.0.0/16", &[told("2001:db8::2")]),
                change(
                    "10.2.0.0/16",
                    &[BestPath {
                        neighbor: None,
                        ..told("0.0.0.0")
                    }],
                ),
            ]),
            RouteEvent::EndOfInit,
            RouteEvent::EndOfRib {
                neighbor: [192, 0, 2, 2].into(),
                interface: None,
                family: Family::IPV6_UNICAST,
            },
            best("10.1.0.0/16", &[told("192.0.2.9")]),
            best("0.0.0.0/0", &[]),
            RouteEvent::EndOfRib {
                neighbor: link_local.into(),
                interface: Some("eth0".to_owned()),
                family: Family::IPV4_UNICAST,
            },
        ];
        for size in [1, 7, 100, usize::MAX] {
            let mut reader = RouteReader::new(api, &FAMILIES, false);
            assert_eq!(read(&mut reader, &answer, size), expected, "{api:?} {size}");
        }
    }
}

/// Distinct destinations.
fn many(count: usize) -> Vec<Sent> {
    let address = |index: usize| format!("10.{}.{}.0", index >> 8, index & 0xff);
    (0..count)
        .map(|index| Sent::v4(address(index).leak(), 24, "192.0.2.9"))
        .collect()
}

#[test]
fn a_table_comes_in_pieces_and_is_complete_once() {
    let batch = BATCH as usize + 1;
    // More than is told in an event, and the last piece is not full.
    let sent = many(2 * CHUNK + 5);
    let cut = |api| -> Vec<Vec<u8>> {
        let pieces = sent.chunks(batch);
        pieces.map(|paths| message(api, paths)).collect()
    };
    // Exactly full: what follows is empty.
    let full = [message(V4, &sent[..batch]), message(V4, &[])].concat();
    for (events, count) in [
        (events(V3, false, &message(V3, &sent)), sent.len()),
        (events(V4, false, &cut(V4).concat()), sent.len()),
        (events(V4, false, &full), batch),
        (events(V3, false, &cut(V3).concat()), sent.len()),
    ] {
        let (last, table) = events.split_last().unwrap();
        assert_eq!(*last, RouteEvent::EndOfInit);
        let sizes = table.iter().map(|event| match event {
            RouteEvent::Best(changes) => changes.len(),
            event => panic!("{event:?}"),
        });
        let sizes: Vec<_> = sizes.collect();
        assert!(
            sizes.iter().all(|size| (1..=CHUNK).contains(size)),
            "{sizes:?}"
        );
        assert_eq!(sizes.iter().sum::<usize>(), count);
    }
    let pieces = cut(V4);
    let unfinished = events(V4, false, &pieces[..pieces.len() - 1].concat());
    assert_eq!(unfinished.len(), 1, "as much as an event holds");
    assert!(!unfinished.contains(&RouteEvent::EndOfInit));
}

#[test]
fn a_table_of_just_one_piece_is_complete_when_nothing_follows() {
    let sent = many(BATCH as usize + 1);
    let mut reader = RouteReader::new(V3, &FAMILIES, false);
    reader.push(&message(V3, &sent));
    assert_eq!(reader.event(), Ok(None));
    assert!(reader.may_be_complete());
    let Some(RouteEvent::Best(changes)) = reader.complete() else {
        panic!("nothing of the table");
    };
    assert_eq!(changes.len(), sent.len());
    assert_eq!(reader.event(), Ok(Some(RouteEvent::EndOfInit)));
    assert!(!reader.may_be_complete() && reader.complete().is_none());
    // A piece that is on its way is waited for, one that sends a second cuts,
    // and version 4 always does.
    let (began, second) = (message(V3, &[])[..1].to_vec(), message(V3, &sent));
    for (api, more) in [(V3, began), (V3, second), (V4, Vec::new())] {
        let mut reader = RouteReader::new(api, &FAMILIES, false);
        reader.push(&message(api, &sent));
        assert_eq!(reader.event(), Ok(None));
        reader.push(&more);
        assert_eq!(reader.event(), Ok(None));
        assert!(!reader.may_be_complete());
    }
}

#[test]
fn a_set_of_paths_is_told_whole() {
    let [a, b, c] = ["192.0.2.11", "192.0.2.12", "192.0.2.13"];
    let path = |neighbor, next_hop| Sent::v4("10.1.0.0", 16, next_hop).from(neighbor);
    let learned = |neighbor: &str, next_hop: &str| BestPath {
        neighbor: neighbor.parse().ok(),
        ..told(next_hop)
    };
    // Set by set, and as what leaves, then what comes.
    let whole = [
        vec![path(a, "10.0.0.1"), path(b, "10.0.0.2")],
        vec![
            path(a, "10.0.0.1"),
            path(b, "10.0.0.9"),
            path(c, "10.0.0.3"),
        ],
        vec![path(c, "10.0.0.3")],
        vec![],
        vec![path(a, "10.0.0.1").withdrawn()],
    ];
    let parts = [
        vec![path(a, "10.0.0.1"), path(b, "10.0.0.2")],
        vec![path(b, "10.0.0.9"), path(c, "10.0.0.3")],
        vec![
            path(a, "10.0.0.1").withdrawn(),
            path(b, "10.0.0.9").withdrawn(),
        ],
        vec![],
        vec![path(c, "10.0.0.3").withdrawn()],
    ];
    let expected = [
        vec![learned(a, "10.0.0.1"), learned(b, "10.0.0.2")],
        vec![
            learned(a, "10.0.0.1"),
            learned(b, "10.0.0.9"),
            learned(c, "10.0.0.3"),
        ],
        vec![learned(c, "10.0.0.3")],
        vec![],
    ];
    for (api, messages) in [(V3, whole), (V4, parts)] {
        let answer: Vec<_> = messages.iter().flat_map(|m| message(api, m)).collect();
        let mut events = events(api, true, &answer);
        assert_eq!(events.remove(1), RouteEvent::EndOfInit);
        assert_eq!(
            events,
            expected.clone().map(|paths| best("10.1.0.0/16", &paths))
        );
    }
}

#[test]
fn sets_are_kept_by_source_and_path_identifier() {
    let identified = |identifier, next_hop| Sent {
        identifier,
        ..Sent::v4("10.1.0.0", 16, next_hop)
    };
    let other = Sent::v4("10.2.0.0", 16, "10.0.0.1");
    let answer = [
        message(V4, &[]),
        message(
            V4,
            &[identified(1, "10.0.0.1"), other, identified(2, "10.0.0.2")],
        ),
        message(V4, &[identified(1, "").withdrawn()]),
    ]
    .concat();
    let path = |identifier, next_hop| BestPath {
        identifier,
        ..told(next_hop)
    };
    let both = [path(1, "10.0.0.1"), path(2, "10.0.0.2")];
    assert_eq!(
        events(V4, true, &answer)[1..],
        [
            RouteEvent::Best(vec![
                change("10.1.0.0/16", &both),
                change("10.2.0.0/16", &[told("10.0.0.1")]),
            ]),
            best("10.1.0.0/16", &both[1..]),
        ]
    );
}

#[test]
fn a_set_that_two_messages_share_is_one() {
    let mut sent = many(BATCH as usize);
    let split = |neighbor| Sent::v4("172.16.0.0", 16, "10.0.0.1").from(neighbor);
    sent.push(split("192.0.2.11"));
    let answer = [
        message(V4, &sent),
        message(
            V4,
            &[split("192.0.2.12"), Sent::v4("172.17.0.0", 16, "10.0.0.1")],
        ),
    ]
    .concat();
    for multiple_paths in [false, true] {
        let events = events(V4, multiple_paths, &answer);
        let changes = events.iter().flat_map(|event| match event {
            RouteEvent::Best(changes) => &changes[..],
            _ => &[],
        });
        let paths: Vec<_> = changes.map(|change| change.paths.len()).collect();
        assert_eq!(paths[BATCH as usize..], [2, 1]);
    }
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let wrong_family = Sent {
        family: Family::IPV6_UNICAST,
        ..Sent::v4("10.1.0.0", 16, "10.0.0.1")
    };
    for api in [V3, V4] {
        for sent in [
            Sent::v4("10.1.0.0", 33, "10.0.0.1"),
            Sent::v4("10.1.0.0", 300, "10.0.0.1"),
            Sent::v4("nonsense", 8, "10.0.0.1"),
            wrong_family.clone(),
            Sent::end_of_rib(Family::IPV4_UNICAST).from("invalid IP"),
        ] {
            let mut reader = RouteReader::new(api, &FAMILIES, false);
            reader.push(&message(api, &[sent]));
            let error = reader.event().unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{error}");
        }
    }
    for (answer, part) in [
        (&b"\x01\0\0\0\0"[..], "compressed"),
        (b"\0\0\0\0\x02\x1a\x01", "cut off"),
        (b"\0\0\0\0\x02\x1f\x00", "cut off"),
        (b"\0\xff\xff\xff\xff\x12\xff\xff\xff\x7f", "octets"),
    ] {
        let mut reader = RouteReader::new(V4, &FAMILIES, false);
        reader.push(answer);
        let error = reader.event().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn fields_of_later_versions_are_stepped_over() {
    let table = content(2, Sent::v4("10.1.0.0", 16, "10.0.0.1").encode(V4));
    let unknown = [number(7, 1), content(9, "x"), vec![11 << 3 | 1], vec![0; 8]].concat();
    let table = [unknown.clone(), table, unknown.clone()].concat();
    let message = [unknown.clone(), content(3, table), unknown].concat();
    let mut answer = vec![0, 0, 0, 0, message.len() as u8];
    answer.extend(message);
    assert_eq!(
        events(V4, false, &answer),
        [
            best("10.1.0.0/16", &[told("10.0.0.1")]),
            RouteEvent::EndOfInit
        ]
    );
}
