//! The bodies of the fuzz targets, bounded and on stable: a real answer with
//! some of its bytes replaced, cut or doubled reaches further than noise.

#[path = "../../../fuzz/routes.rs"]
mod routes;

use proptest::collection::vec;
use proptest::prelude::*;

/// What gobgpd 3.36 answered, of an IPv4 and an IPv6 route.
const V3: &[u8] = b"\0\0\0\x01\xe9\x1a\xe6\x03\x12\xc8\x01\n9\n)type.googleapis.com/apipb.\
      IPAddressPrefix\x12\x0c\x08\x10\x12\x0810.1.0.0\x12/\n)type.googleapis\
      .com/apipb.OriginAttribute\x12\x02\x08\x02\x129\n*type.googleapis.com/\
      apipb.NextHopAttribute\x12\x0b\n\x09192.0.2.9\x1a\x06\x08\xb2\xf4\x9c\
      \xd8\x06:\0J\x04\x08\x01\x10\x01Z\x05<nil>z\x05<nil>\x98\x01\x01\x12\
      \x98\x02\n=\n)type.googleapis.com/apipb.IPAddressPrefix\x12\x10\x080\
      \x12\x0c2001:db8:1::\x12/\n)type.googleapis.com/apipb.OriginAttribute\
      \x12\x02\x08\x02\x12\x84\x01\n.type.googleapis.com/apipb.MpReachNLRIAt\
      tribute\x12R\n\x04\x08\x02\x10\x01\x12\x0b2001:db8::9\x1a=\n)type.goog\
      leapis.com/apipb.IPAddressPrefix\x12\x10\x080\x12\x0c2001:db8:1::\x1a\
      \x06\x08\xb3\xf4\x9c\xd8\x06:\0J\x04\x08\x02\x10\x01Z\x05<nil>z\x05<ni\
      l>\x98\x01\x01";

/// What 4.8 answered of the same.
const V4: &[u8] = b"\0\0\0\0\x93\x1a\x90\x01\x126\n\x0e\n\x0c\x08\x10\x12\x0810.1.0.0\x12\
      \x04\x12\x02\x08\x02\x12\x0d\"\x0b\n\x09192.0.2.9\x1a\x06\x08\xb7\xf4\
      \x9c\xd8\x06J\x04\x08\x01\x10\x01\x98\x01\x01\x12V\n\x12\n\x10\x080\
      \x12\x0c2001:db8:1::\x12\x04\x12\x02\x08\x02\x12)b'\n\x04\x08\x02\x10\
      \x01\x12\x0b2001:db8::9\x1a\x12\n\x10\x080\x12\x0c2001:db8:1::\x1a\x06\
      \x08\xb7\xf4\x9c\xd8\x06J\x04\x08\x02\x10\x01\x98\x01\x01";

/// One thing done to an answer.
#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, u8),
    Cut(usize, usize),
    Double(usize, usize),
}

impl Edit {
    fn apply(&self, data: &mut Vec<u8>) {
        let range = |at: usize, length: usize| {
            let at = at % (data.len() + 1);
            at..(at + length).min(data.len())
        };
        match self {
            Self::Replace(at, byte) => {
                let range = range(*at, 1);
                data[range].fill(*byte);
            }
            Self::Cut(at, length) => {
                let range = range(*at, *length);
                data.drain(range);
            }
            Self::Double(at, length) => {
                let range = range(*at, *length);
                let twice = data[range.clone()].to_vec();
                data.splice(range.start..range.start, twice);
            }
        }
    }
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => any::<(usize, u8)>().prop_map(|(at, byte)| Edit::Replace(at, byte)),
        1 => (any::<usize>(), 0..40_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => (any::<usize>(), 0..200_usize).prop_map(|(at, length)| Edit::Double(at, length)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn answers(
        pick in any::<u8>(),
        answers in vec(prop::sample::select(&[V3, V4][..]), 0..4),
        edits in vec(any_edit(), 0..4),
    ) {
        let mut data = answers.concat();
        for edit in edits {
            edit.apply(&mut data);
        }
        data.insert(0, pick);
        routes::route_answer(&data);
    }

    #[test]
    fn noise(data in vec(any::<u8>(), 0..300)) {
        routes::route_answer(&data);
    }
}

/// The seeds are what they are said to be.
#[test]
fn real_answers_are_read_to_their_end() {
    use sdwan_gobgp::types::{Family, RouteEvent};
    use sdwan_gobgp::{Api, RouteReader};

    for (api, answer) in [(Api::V3, V3), (Api::V4, V4)] {
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let mut reader = RouteReader::new(api, &families, false);
        reader.push(answer);
        let Some(RouteEvent::Best(changes)) = reader.event().expect("a table") else {
            panic!("{api:?}");
        };
        let prefixes: Vec<_> = changes.iter().map(|c| c.prefix.to_string()).collect();
        assert_eq!(prefixes, ["10.1.0.0/16", "2001:db8:1::/48"]);
        assert_eq!(
            reader.event().expect("its end"),
            Some(RouteEvent::EndOfInit)
        );
    }
}
