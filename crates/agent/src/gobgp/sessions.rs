//! Whether BGP was stopped and started again within one gobgpd.
//!
//! gobgpd 3 keeps a watch open over that, tells the new table in it, and never
//! says that the old one is gone. What gives it away are the neighbors: each
//! is a new object that counts from nothing.

use sdwan_gobgp::types::{Peer, SessionState};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// The neighbors, as they were last listed.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, Session>);

#[derive(Clone, Copy, Debug)]
struct Session {
    /// OPENs received, over all sessions.
    opens: u64,
    /// Since when it is established.
    since: Option<SystemTime>,
}

impl Session {
    /// One that only fell and came back has had another OPEN.
    fn is_of_another_object(self, before: Self) -> bool {
        let other = matches!((before.since, self.since), (Some(a), Some(b)) if a != b);
        self.opens < before.opens || (self.opens == before.opens && other)
    }
}

impl Sessions {
    /// Takes a new list, and says whether no neighbor is what it was before.
    pub(super) fn began_anew(&mut self, peers: &[Peer]) -> bool {
        let now = peers.iter().map(|peer| {
            let established = peer.state.session == SessionState::Established;
            let session = Session {
                opens: peer.state.messages.received.open,
                since: peer.timers.uptime.filter(|_| established),
            };
            (address(peer).to_owned(), session)
        });
        self.observe(now.collect())
    }

    fn observe(&mut self, now: BTreeMap<String, Session>) -> bool {
        if now.is_empty() {
            return false;
        }
        let before = std::mem::replace(&mut self.0, now);
        let still = |(address, before): (&String, &Session)| {
            let now = self.0.get(address)?;
            Some(now.is_of_another_object(*before))
        };
        let known: Vec<bool> = before.iter().filter_map(still).collect();
        !known.is_empty() && known.iter().all(|other| *other)
    }
}

/// As it is configured, or where a neighbor by interface was found.
pub(super) fn address(peer: &Peer) -> &str {
    match peer.conf.neighbor_address.as_str() {
        "" | "<nil>" | "invalid IP" => &peer.state.neighbor_address,
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn list(all: &[(&str, u64, Option<u64>)]) -> BTreeMap<String, Session> {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let one = |(address, opens, since): &(&str, u64, Option<u64>)| {
            let (opens, since) = (*opens, since.map(at));
            ((*address).to_owned(), Session { opens, since })
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn all_that_count_from_nothing_are_others() {
        let mut sessions = Sessions::default();
        let mut anew = |all: &[(&str, u64, Option<u64>)]| sessions.observe(list(all));
        assert!(!anew(&[("a", 1, Some(1)), ("b", 2, Some(1))]), "the first");
        assert!(!anew(&[("a", 1, Some(1)), ("b", 2, None)]), "one fell");
        assert!(!anew(&[("a", 2, Some(9)), ("b", 3, Some(9))]), "both fell");
        assert!(!anew(&[("a", 2, Some(9)), ("b", 1, Some(20))]), "one anew");
        assert!(!anew(&[]), "it may be about to get its neighbors");
        assert!(anew(&[("a", 0, None), ("c", 1, Some(30))]), "down yet");
        assert!(!anew(&[("a", 1, Some(40)), ("c", 1, Some(30))]));
        assert!(anew(&[("a", 1, Some(50)), ("c", 1, Some(50))]), "as often");
        assert!(!anew(&[("d", 1, Some(60))]), "replaced one by one");
    }
}
