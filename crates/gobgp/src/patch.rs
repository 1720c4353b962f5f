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
//! Repeated fields grow in a merge, so address families are taken apart: one
//! that stays is merged with itself, one that goes is left out, one that
//! comes is added.

use crate::types::{AfiSafiSettings, Family, Peer, PeerSettings};
use crate::wire;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// `Peer.afi_safis`.
const AFI_SAFIS: usize = 10;

/// The bytes of `listed` with `settings` on top; `None` if those bytes are no
/// protobuf message.
pub(crate) fn merge(listed: &Peer, settings: &PeerSettings) -> Option<Bytes> {
    let listed_bytes = listed.listed.0.clone();
    let mut patch = settings.to_wire(&listed.conf.neighbor_address);
    let mut merged = BytesMut::with_capacity(listed_bytes.len() + 256);
    match &settings.afi_safis {
        None => merged.put(listed_bytes),
        Some(wanted) => {
            let kept = put_with_families(&mut merged, listed_bytes, wanted)?;
            let new = wanted
                .iter()
                .filter(|settings| !kept.contains(&settings.family));
            patch.afi_safis = new.map(AfiSafiSettings::to_wire).collect();
        }
    }
    merged.put_slice(&patch.encode_to_vec());
    Some(merged.freeze())
}

/// Copies a peer's fields, but of its families only those that are wanted,
/// each merged with what is wanted of it. Tells which those are.
fn put_with_families(
    merged: &mut BytesMut,
    mut peer: Bytes,
    wanted: &[AfiSafiSettings],
) -> Option<Vec<Family>> {
    let mut kept = Vec::new();
    while peer.has_remaining() {
        let field = take_field(&mut peer)?;
        let Some(afi_safi) = field.message.filter(|_| field.number == AFI_SAFIS) else {
            merged.put(field.whole);
            continue;
        };
        let family = family_of(afi_safi.clone())?;
        if let Some(settings) = wanted.iter().find(|wanted| Some(wanted.family) == family) {
            kept.push(settings.family);
            let change = settings.to_wire().encode_to_vec();
            prost::encode_length_delimiter(AFI_SAFIS << 3 | LENGTH_DELIMITED, merged).ok();
            prost::encode_length_delimiter(afi_safi.len() + change.len(), merged).ok();
            merged.put(afi_safi);
            merged.put_slice(&change);
        }
    }
    Some(kept)
}

/// The outer `None`: not a message. The inner: not a family's numbers.
fn family_of(afi_safi: Bytes) -> Option<Option<Family>> {
    let config = wire::AfiSafi::decode(afi_safi).ok()?.config;
    Some(
        config
            .and_then(|config| config.family)
            .and_then(|family| Family::from_wire(&family)),
    )
}

/// A field as it stands on the wire.
struct Field {
    number: usize,
    /// Key and content.
    whole: Bytes,
    /// The content alone of a length-delimited field.
    message: Option<Bytes>,
}

const VARINT: usize = 0;
const FIXED_64: usize = 1;
const LENGTH_DELIMITED: usize = 2;
const FIXED_32: usize = 5;

/// Takes the first field off an encoded message.
fn take_field(message: &mut Bytes) -> Option<Field> {
    let mut rest = message.clone();
    let key = prost::decode_length_delimiter(&mut rest).ok()?;
    let length = match key & 7 {
        VARINT => {
            let mut after = rest.clone();
            prost::decode_length_delimiter(&mut after).ok()?;
            rest.len() - after.len()
        }
        FIXED_64 => 8,
        FIXED_32 => 4,
        LENGTH_DELIMITED => prost::decode_length_delimiter(&mut rest).ok()?,
        _ => return None,
    };
    if length > rest.len() {
        return None;
    }
    let head = message.len() - rest.len();
    let whole = message.split_to(head + length);
    let content = whole.slice(head..);
    Some(Field {
        number: key >> 3,
        message: (key & 7 == LENGTH_DELIMITED).then_some(content),
        whole,
    })
}
