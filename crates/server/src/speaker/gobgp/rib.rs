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
