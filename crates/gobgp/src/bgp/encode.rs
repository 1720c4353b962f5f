//! Writes path attributes.

use super::attributes::{code, flag};
use super::{Aggregator, AsPath, Attributes, Nlri};
use crate::types::Family;
use bytes::Bytes;
use std::net::IpAddr;

impl Attributes {
    /// Writes them for a path to `nlri`, each with its header, in the order of
    /// their type codes. The next hop goes into NEXT_HOP for an IPv4 prefix
    /// with an IPv4 next hop, else into MP_REACH_NLRI.
    pub fn encode(&self, family: Family, nlri: &Nlri) -> Vec<Bytes> {
        let mut all = Vec::new();
        self.put_well_known(&mut all);
        match self.next_hop {
            Some(IpAddr::V4(address)) if family == Family::IPV4_UNICAST => {
                put(
                    &mut all,
                    flag::TRANSITIVE,
                    code::NEXT_HOP,
                    &address.octets(),
                );
            }
            Some(address) => {
                let value = mp_reach(family, address, nlri);
                put(&mut all, flag::OPTIONAL, code::MP_REACH_NLRI, &value);
            }
            None => {}
        }
        self.put_optional(&mut all);
        for attribute in &self.unknown {
            put(
                &mut all,
                attribute.flags,
                attribute.type_code,
                &attribute.value,
            );
        }
        all.sort_by_key(|(type_code, _)| *type_code);
        all.into_iter().map(|(_, attribute)| attribute).collect()
    }

    fn put_well_known(&self, all: &mut Vec<(u8, Bytes)>) {
        let flags = flag::TRANSITIVE;
        if let Some(origin) = self.origin {
            put(all, flags, code::ORIGIN, &[origin as u8]);
        }
        if let Some(as_path) = &self.as_path {
            put(all, flags, code::AS_PATH, &AsPath::encode(as_path));
        }
        if let Some(local_pref) = self.local_pref {
            put(all, flags, code::LOCAL_PREF, &local_pref.to_be_bytes());
        }
        if self.atomic_aggregate {
            put(all, flags, code::ATOMIC_AGGREGATE, &[]);
        }
    }

    fn put_optional(&self, all: &mut Vec<(u8, Bytes)>) {
        const LOCAL: u8 = flag::OPTIONAL;
        const PASSED_ON: u8 = flag::OPTIONAL | flag::TRANSITIVE;
        if let Some(med) = self.med {
            put(all, LOCAL, code::MULTI_EXIT_DISC, &med.to_be_bytes());
        }
        if let Some(Aggregator { asn, address }) = self.aggregator {
            put(
                all,
                PASSED_ON,
                code::AGGREGATOR,
                &octets([asn, address.into()]),
            );
        }
        if let Some(originator_id) = self.originator_id {
            put(all, LOCAL, code::ORIGINATOR_ID, &originator_id.octets());
        }
        let lists = [
            (
                PASSED_ON,
                code::COMMUNITIES,
                octets(self.communities.iter().map(|c| c.0)),
            ),
            (
                LOCAL,
                code::CLUSTER_LIST,
                octets(self.cluster_list.iter().map(|id| (*id).into())),
            ),
            (
                PASSED_ON,
                code::EXTENDED_COMMUNITIES,
                self.ext_communities.iter().flat_map(|c| c.0).collect(),
            ),
            (
                PASSED_ON,
                code::LARGE_COMMUNITY,
                octets(
                    self.large_communities
                        .iter()
                        .flat_map(|c| [c.global_admin, c.local_data1, c.local_data2]),
                ),
            ),
        ];
        for (flags, type_code, value) in lists.iter().filter(|(_, _, value)| !value.is_empty()) {
            put(all, *flags, *type_code, value);
        }
    }
}

fn put(all: &mut Vec<(u8, Bytes)>, flags: u8, type_code: u8, value: &[u8]) {
    all.push((type_code, join(flags, type_code, value)));
}

fn octets(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// An attribute with its header. A value can't be longer than the 65535 octets
/// of a BGP message (RFC 8654); more is cut off.
fn join(flags: u8, type_code: u8, value: &[u8]) -> Bytes {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    let mut attribute = Vec::with_capacity(value.len() + 4);
    match u8::try_from(value.len()) {
        Ok(length) => attribute.extend([flags & !flag::EXTENDED_LENGTH, type_code, length]),
        Err(_) => {
            let [.., high, low] = value.len().to_be_bytes();
            attribute.extend([flags | flag::EXTENDED_LENGTH, type_code, high, low]);
        }
    }
    attribute.extend_from_slice(value);
    attribute.into()
}

/// RFC 4760, 3: AFI, SAFI, next hop with its length, a reserved octet, NLRI.
fn mp_reach(family: Family, next_hop: IpAddr, nlri: &Nlri) -> Vec<u8> {
    let next_hop = match next_hop {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mut value = family.afi.to_be_bytes().to_vec();
    value.extend([family.safi, next_hop.len() as u8]);
    value.extend(next_hop);
    value.push(0);
    value.extend(nlri.encode());
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::{
        Community, ExtCommunity, LargeCommunity, Nlri, Origin, Segment, UnknownAttribute,
    };
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn segment() -> impl Strategy<Value = Segment> {
        let ases = vec(any::<u32>(), 1..5);
        (0..4, ases).prop_map(|(kind, ases)| match kind {
            0 => Segment::Set(ases),
            1 => Segment::Sequence(ases),
            2 => Segment::ConfedSequence(ases),
            _ => Segment::ConfedSet(ases),
        })
    }

    fn origin() -> impl Strategy<Value = Origin> {
        prop_oneof![
            Just(Origin::Igp),
            Just(Origin::Egp),
            Just(Origin::Incomplete)
        ]
    }

    prop_compose! {
        fn attributes()(
            (origin, as_path, next_hop) in
                (option::of(origin()), option::of(vec(segment(), 0..4)), option::of(any::<IpAddr>())),
            (med, local_pref, atomic_aggregate) in any::<(Option<u32>, Option<u32>, bool)>(),
            aggregator in option::of(any::<(u32, Ipv4Addr)>()),
            communities in vec(any::<u32>(), 0..80),
            originator_id in any::<Option<Ipv4Addr>>(),
            cluster_list in vec(any::<Ipv4Addr>(), 0..4),
            ext_communities in vec(any::<[u8; 8]>(), 0..4),
            large_communities in vec(any::<[u32; 3]>(), 0..4),
            unknown in vec(any::<u8>(), 0..300),
        ) -> Attributes {
            Attributes {
                origin,
                as_path: as_path.map(AsPath),
                next_hop,
                med,
                local_pref,
                atomic_aggregate,
                aggregator: aggregator.map(|(asn, address)| Aggregator { asn, address }),
                communities: communities.into_iter().map(Community).collect(),
                originator_id,
                cluster_list,
                ext_communities: ext_communities.into_iter().map(ExtCommunity).collect(),
                large_communities: large_communities
                    .into_iter()
                    .map(|[global_admin, local_data1, local_data2]| LargeCommunity {
                        global_admin, local_data1, local_data2,
                    })
                    .collect(),
                unknown: vec![UnknownAttribute {
                    flags: if unknown.len() > 255 { 0xd0 } else { 0xc0 },
                    type_code: 99,
                    value: unknown.into(),
                }],
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn what_is_written_is_read(attributes in attributes(), v6 in any::<bool>()) {
            let family = if v6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST };
            let nlri = Nlri::decode(family, Bytes::from_static(&[8, 10]));
            let encoded = attributes.encode(family, &nlri);
            prop_assert_eq!(Attributes::decode(&encoded), attributes);
        }

        #[test]
        fn reading_never_panics(attributes in vec(vec(any::<u8>(), 0..60), 0..6)) {
            let attributes: Vec<Bytes> = attributes.into_iter().map(Bytes::from).collect();
            let read = Attributes::decode(&attributes);
            prop_assert!(read.unknown.len() <= attributes.len());
        }

        #[test]
        fn values_that_are_damaged_show_as_unknown_or_read(
            type_code in 0_u8..40, value in vec(any::<u8>(), 0..40),
        ) {
            let attribute = join(flag::TRANSITIVE, type_code, &value);
            let read = Attributes::decode([&attribute]);
            let unknown = read.unknown.first();
            prop_assert!(unknown.is_none_or(|u| u.type_code == type_code && u.value == value));
            // Nothing is lost without a trace.
            prop_assert!(unknown.is_some() || read != Attributes::default() || value.is_empty());
        }
    }

    #[test]
    fn the_first_of_two_counts() {
        let med = |value: u32| join(flag::OPTIONAL, code::MULTI_EXIT_DISC, &value.to_be_bytes());
        assert_eq!(Attributes::decode([&med(1), &med(2)]).med, Some(1));
    }
}
