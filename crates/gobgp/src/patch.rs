//! An update that changes what is said and nothing else.
//!
//! gobgpd's `UpdatePeer` takes a whole peer: a field that is left out goes
//! back to its default, and for many fields the session flaps. A message that
//! is decoded and encoded again loses every field that the subset in
//! `proto/gobgp.proto` lacks, and any that a later gobgpd adds. So the listed
//! peer's own bytes are sent back, followed by the bytes of what changes:
//! protobuf defines such a concatenation as a merge, in which the last value
//! of a field wins. That loses nothing, not even fields that nobody here has
//! heard of, which a completed .proto could not promise.
//!
//! Two fields are more than copied. Repeated ones grow in a merge, so address
//! families are taken apart: one that stays is merged with itself, one that
//! goes is left out, one that comes is added. And `state` is no configuration:
//! it is left out.
//!
//! One thing an echo can't know: of a session that is or was up, gobgpd lists
//! the session's own source address in place of the configured one. Sent back
//! as it is listed, that alone is a change, and the session flaps.

use crate::fields::{Fields, Value};
use crate::types::{AfiSafiSettings, Family, Peer, PeerSettings};
use crate::wire;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// Numbers of `Peer`'s fields.
const STATE: u64 = 5;
const AFI_SAFIS: u64 = 10;

/// The key of a field of `Peer` that is a message.
const AFI_SAFIS_KEY: usize = (AFI_SAFIS as usize) << 3 | 2;

/// The bytes of `listed` with `settings` on top; `None` if those bytes are no
/// protobuf message.
pub(crate) fn merge(listed: &Peer, settings: &PeerSettings) -> Option<Bytes> {
    let peer = &listed.listed.0;
    let mut patch = settings.to_wire(&listed.conf.neighbor_address);
    let mut merged = BytesMut::with_capacity(peer.len() + 256);
    let mut kept = Vec::new();
    let mut fields = Fields::of(peer);
    loop {
        let before = fields.rest();
        let Some((number, value)) = fields.take().ok()? else {
            break;
        };
        match (number, value, &settings.afi_safis) {
            (STATE, _, _) => {}
            (AFI_SAFIS, Value::Bytes(afi_safi), Some(wanted)) => {
                kept.extend(put_family(&mut merged, afi_safi, wanted)?);
            }
            _ => merged.put_slice(&before[..before.len() - fields.rest().len()]),
        }
    }
    patch
        .afi_safis
        .retain(|wanted| family_of(wanted).is_none_or(|family| !kept.contains(&family)));
    merged.put_slice(&patch.encode_to_vec());
    Some(merged.freeze())
}

/// Copies a listed family with what is wanted of it, if it is wanted, and
/// tells which one it is. The outer `None`: not a message.
fn put_family(
    merged: &mut BytesMut,
    listed: &[u8],
    wanted: &[AfiSafiSettings],
) -> Option<Option<Family>> {
    let family = family_of(&wire::AfiSafi::decode(listed).ok()?);
    let Some(settings) = wanted.iter().find(|wanted| Some(wanted.family) == family) else {
        return Some(None);
    };
    let change = settings.to_wire().encode_to_vec();
    put_length(merged, AFI_SAFIS_KEY);
    put_length(merged, listed.len() + change.len());
    merged.put_slice(listed);
    merged.put_slice(&change);
    Some(family)
}

/// A key or a length; room for it is never lacking.
fn put_length(merged: &mut BytesMut, length: usize) {
    let mut varint = Vec::with_capacity(10);
    let written = prost::encode_length_delimiter(length, &mut varint);
    debug_assert!(written.is_ok());
    merged.put_slice(&varint);
}

fn family_of(afi_safi: &wire::AfiSafi) -> Option<Family> {
    Family::from_wire(afi_safi.config.as_ref()?.family.as_ref()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Api;
    use proptest::prelude::*;

    /// A peer that lists fields of which the subset knows nothing.
    fn listed(extra: &[u8]) -> Peer {
        let mut bytes = wire::Peer {
            conf: Some(wire::PeerConf {
                neighbor_address: "192.0.2.7".to_owned(),
                description: Some("before".to_owned()),
                admin_down: Some(true),
                ..Default::default()
            }),
            state: Some(wire::PeerState {
                flops: 9,
                ..Default::default()
            }),
            afi_safis: [(1, 1), (2, 1)]
                .map(|(afi, safi)| wire::AfiSafi {
                    config: Some(wire::AfiSafiConfig {
                        family: Some(wire::Family { afi, safi }),
                        enabled: true,
                    }),
                    state: Some(wire::AfiSafiState {
                        received: 5,
                        ..Default::default()
                    }),
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        }
        .encode_to_vec();
        bytes.extend_from_slice(extra);
        Peer::from_wire(bytes.into(), Api::V4).unwrap()
    }

    fn merged(listed: &Peer, settings: &PeerSettings) -> (wire::Peer, Bytes) {
        let bytes = merge(listed, settings).unwrap();
        (wire::Peer::decode(bytes.clone()).unwrap(), bytes)
    }

    #[test]
    fn what_is_not_said_stays_and_zeros_are_written() {
        // Field 99, of every wire type.
        let extra = [
            &b"\x98\x06\x07\x99\x06"[..],
            &[1; 8],
            b"\x9d\x06",
            &[2; 4],
            b"\x9a\x06\x01x",
        ]
        .concat();
        let settings = PeerSettings {
            admin_down: Some(false),
            ..PeerSettings::default()
        };
        let (peer, bytes) = merged(&listed(&extra), &settings);
        let conf = peer.conf.unwrap();
        assert_eq!(conf.description.as_deref(), Some("before"));
        assert_eq!(conf.admin_down, Some(false));
        assert!(bytes.windows(extra.len()).any(|window| window == extra));
        assert_eq!(peer.state, None);
        assert_eq!(peer.afi_safis.len(), 2);
    }

    #[test]
    fn families_stay_go_and_come() {
        let mut stays = AfiSafiSettings::from(Family::IPV6_UNICAST);
        stays.graceful_restart = Some(true);
        let settings = PeerSettings {
            afi_safis: Some(vec![stays, Family::L2VPN_EVPN.into()]),
            ..PeerSettings::default()
        };
        let (peer, _) = merged(&listed(&[]), &settings);
        let families: Vec<_> = peer.afi_safis.iter().map(family_of).collect();
        assert_eq!(
            families,
            [Some(Family::IPV6_UNICAST), Some(Family::L2VPN_EVPN)]
        );
        let [v6, evpn] = &peer.afi_safis[..] else {
            panic!("two families")
        };
        assert_eq!(v6.state.unwrap().received, 5);
        assert!(v6.mp_graceful_restart.unwrap().config.unwrap().enabled());
        assert_eq!(evpn.state, None);
    }

    #[test]
    fn secrets_do_not_show() {
        let mut peer = listed(&[]);
        let settings = PeerSettings {
            auth_password: Some("hunter2".to_owned().into()),
            ..PeerSettings::default()
        };
        let bytes = merge(&peer, &settings).unwrap();
        peer = Peer::from_wire(bytes, Api::V4).unwrap();
        let wire = settings.to_wire("192.0.2.7");
        for text in [
            format!("{peer:?}"),
            format!("{settings:?}"),
            format!("{wire:?}"),
        ] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut peer = listed(&[]);
            peer.listed.0 = bytes.clone().into();
            let settings = PeerSettings {
                afi_safis: Some(vec![Family::IPV4_UNICAST.into()]),
                ..PeerSettings::default()
            };
            let decodes = wire::Peer::decode(&bytes[..]).is_ok();
            prop_assert!(merge(&peer, &settings).is_some() || !decodes);
        }
    }
}
