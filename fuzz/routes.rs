//! What the fuzz target of the route reader does with its input and what must
//! hold of the outcome. A plain function of bytes, so that a stable test runs
//! it too.

use sdwan_gobgp::types::{Family, RouteEvent};
use sdwan_gobgp::{Api, RouteReader};

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// An answer to `WatchEvent` is read as far as it makes sense, in the same way
/// however it is cut. The first byte picks the version, whether several paths
/// are in use, and the cut.
pub fn route_answer(data: &[u8]) {
    let Some((pick, answer)) = data.split_first() else {
        return;
    };
    let api = [Api::V3, Api::V4][usize::from(pick & 1)];
    let reader = || RouteReader::new(api, &FAMILIES, pick & 2 != 0);
    let (told, refused) = read(reader(), answer, usize::MAX);
    let cut = read(reader(), answer, 1 + usize::from(pick >> 2));
    assert_eq!((&told, refused), (&cut.0, cut.1));
    let complete = told.iter().filter(|event| **event == RouteEvent::EndOfInit);
    assert!(complete.count() <= 1);
    for event in &told {
        if let RouteEvent::Best(changes) = event {
            assert!(!changes.is_empty());
        }
    }
}

/// The events, and whether an error came behind them.
fn read(mut reader: RouteReader, answer: &[u8], size: usize) -> (Vec<RouteEvent>, bool) {
    let mut told = Vec::new();
    for piece in answer.chunks(size) {
        reader.push(piece);
        loop {
            match reader.event() {
                Ok(Some(event)) => told.push(event),
                Ok(None) => break,
                Err(_) => return (told, true),
            }
        }
    }
    (told, false)
}
