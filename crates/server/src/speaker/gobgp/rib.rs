//! The table in `gobgp global rib`'s words. Pure.

use crate::speaker::{Error, Route};
use sdwan_gobgp::bgp::{Attributes, Nlri, Origin};
use sdwan_gobgp::types::{Destination, Family, LookupType, Path, PathFilter};
use std::fmt::Display;
use std::net::IpAddr;
use std::time::SystemTime;

/// What to ask for: both unicast families, or one of them for a prefix. For a
/// mere address, the longest prefix that covers it.
pub(super) fn filters(prefix: Option<&str>) -> Result<Vec<PathFilter>, Error> {
    let Some(prefix) = prefix else {
        return Ok(vec![
            PathFilter::global(Family::IPV4_UNICAST),
            PathFilter::global(Family::IPV6_UNICAST),
        ]);
    };
    let (address, lookup) = match (prefix.parse::<ipnet::IpNet>(), prefix.parse::<IpAddr>()) {
        (Ok(net), _) => (net.addr(), LookupType::Longer),
        (_, Ok(address)) => (address, LookupType::Exact),
        _ => {
            return Err(Error::Refused(format!(
                "{prefix:?} is no prefix: expected e.g. 10.0.0.0/8, 2001:db8::/32 or an address"
            )));
        }
    };
    let family = match address {
        IpAddr::V4(_) => Family::IPV4_UNICAST,
        IpAddr::V6(_) => Family::IPV6_UNICAST,
    };
    let mut filter = PathFilter::global(family);
    filter.prefixes.push((prefix.to_owned(), lookup));
    Ok(vec![filter])
}

/// The routes in the order of their prefixes, of each the best first.
pub(super) fn routes(mut destinations: Vec<Destination>, now: SystemTime) -> Vec<Route> {
    let key = |destination: &Destination| -> Option<Nlri> {
        destination.paths.first().map(|path| path.nlri.clone())
    };
    destinations.sort_by_cached_key(key);
    let paths = destinations
        .iter()
        .flat_map(|destination| &destination.paths);
    paths.map(|path| route(path, now)).collect()
}

fn route(path: &Path, now: SystemTime) -> Route {
    let age = path
        .learned
        .and_then(|learned| now.duration_since(learned).ok());
    Route {
        prefix: path.nlri.to_string(),
        next_hop: path.attributes.next_hop,
        as_path: path
            .attributes
            .as_path
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        age: age.unwrap_or_default().as_secs(),
        best: path.best,
        valid: !path.is_nexthop_invalid,
        stale: path.stale,
        attributes: attributes(&path.attributes),
    }
}

/// All but AS_PATH and the next hop, which have columns of their own, in the
/// order of their type codes.
fn attributes(attributes: &Attributes) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(origin) = attributes.origin {
        let origin = match origin {
            Origin::Igp => "i",
            Origin::Egp => "e",
            Origin::Incomplete => "?",
        };
        texts.push(format!("{{Origin: {origin}}}"));
    }
    texts.extend(attributes.med.map(|med| format!("{{Med: {med}}}")));
    texts.extend(
        attributes
            .local_pref
            .map(|value| format!("{{LocalPref: {value}}}")),
    );
    if attributes.atomic_aggregate {
        texts.push("{AtomicAggregate}".to_owned());
    }
    texts.extend(attributes.aggregator.map(|aggregator| {
        format!(
            "{{Aggregate: {{AS: {}, Address: {}}}}}",
            aggregator.asn, aggregator.address
        )
    }));
    let communities = &attributes.communities;
    texts.extend(list(communities, |all| {
        format!("{{Communities: {}}}", all.join(", "))
    }));
    texts.extend(
        attributes
            .originator_id
            .map(|id| format!("{{Originator: {id}}}")),
    );
    let clusters = &attributes.cluster_list;
    texts.extend(list(clusters, |all| {
        format!("{{ClusterList: [{}]}}", all.join(" "))
    }));
    let extended = &attributes.ext_communities;
    texts.extend(list(extended, |all| {
        format!("{{Extcomms: [{}]}}", all.join("], ["))
    }));
    let large = &attributes.large_communities;
    texts.extend(list(large, |all| {
        format!("{{LargeCommunity: [ {}]}}", all.join(", "))
    }));
    let unknown = attributes.unknown.iter();
    texts.extend(unknown.map(|attribute| format!("{{Type: {}}}", attribute.type_code)));
    texts
}

fn list<T: Display>(items: &[T], text: impl Fn(Vec<String>) -> String) -> Option<String> {
    (!items.is_empty()).then(|| text(items.iter().map(ToString::to_string).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdwan_gobgp::bgp::{
        Aggregator, AsPath, Community, ExtCommunity, LargeCommunity, Segment, UnknownAttribute,
    };
    use std::time::Duration;

    fn destination(prefix: &str) -> Destination {
        let path = Path::new(prefix.parse().unwrap(), Attributes::default());
        Destination {
            prefix: prefix.to_owned(),
            paths: vec![path],
        }
    }

    #[test]
    fn prefixes_stand_in_the_order_of_their_numbers() {
        let listed = ["10.0.0.0/8", "9.0.0.0/8", "10.0.0.0/16"].map(destination);
        let routes = routes(listed.to_vec(), SystemTime::UNIX_EPOCH);
        let prefixes: Vec<_> = routes.iter().map(|route| route.prefix.as_str()).collect();
        assert_eq!(prefixes, ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/16"]);
        assert_eq!((routes[0].age, routes[0].next_hop), (0, None));
    }

    #[test]
    fn a_path_in_gobgps_words() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let attributes = Attributes {
            origin: Some(Origin::Incomplete),
            as_path: Some(AsPath(vec![
                Segment::Sequence(vec![65000]),
                Segment::Set(vec![65001, 65002]),
            ])),
            next_hop: Some([192, 0, 2, 9].into()),
            med: Some(0),
            local_pref: Some(100),
            atomic_aggregate: true,
            aggregator: Some(Aggregator {
                asn: 65003,
                address: [192, 0, 2, 3].into(),
            }),
            communities: vec![Community(65000 << 16 | 1), Community(0xffff_ff01)],
            originator_id: Some([192, 0, 2, 4].into()),
            cluster_list: vec![[192, 0, 2, 5].into(), [192, 0, 2, 6].into()],
            ext_communities: vec![ExtCommunity([0, 2, 0xfd, 0xe8, 0, 0, 0, 100]); 2],
            large_communities: vec![LargeCommunity {
                global_admin: 65000,
                local_data1: 1,
                local_data2: 2,
            }],
            unknown: vec![UnknownAttribute {
                flags: 0xc0,
                type_code: 99,
                value: "x".into(),
            }],
        };
        let mut destination = destination("10.0.0.0/24");
        destination.paths[0] = Path {
            learned: Some(now - Duration::from_secs(43)),
            best: true,
            is_nexthop_invalid: true,
            ..Path::new("10.0.0.0/24".parse().unwrap(), attributes)
        };
        let routes = routes(vec![destination], now);
        let expected = Route {
            prefix: "10.0.0.0/24".to_owned(),
            next_hop: Some([192, 0, 2, 9].into()),
            as_path: "65000 {65001,65002}".to_owned(),
            age: 43,
            best: true,
            valid: false,
            stale: false,
            attributes: [
                "{Origin: ?}",
                "{Med: 0}",
                "{LocalPref: 100}",
                "{AtomicAggregate}",
                "{Aggregate: {AS: 65003, Address: 192.0.2.3}}",
                "{Communities: 65000:1, no-export}",
                "{Originator: 192.0.2.4}",
                "{ClusterList: [192.0.2.5 192.0.2.6]}",
                "{Extcomms: [65000:100], [65000:100]}",
                "{LargeCommunity: [ 65000:1:2]}",
                "{Type: 99}",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        assert_eq!(routes, [expected]);
    }

    #[test]
    fn what_to_ask_for() {
        assert_eq!(filters(None).unwrap().len(), 2);
        let lookup = |text| filters(Some(text)).unwrap().remove(0).prefixes.remove(0).1;
        assert_eq!(lookup("10.0.0.0/8"), LookupType::Longer);
        assert_eq!(lookup("2001:db8::1"), LookupType::Exact);
        for wrong in ["", "10.0.0.0/33", "10.0.0", "x"] {
            assert!(filters(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
