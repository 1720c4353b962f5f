//! What becomes of a peer's session: by calls, and by the clock and the
//! neighbor, whose doings are inputs here. gobgpd has no CONNECT; a session
//! that has fallen waits in IDLE before it is ACTIVE again, a new one does not.

use super::peer::Peer;
use super::state::{Gobgpd, Refusal};
use sdwan_model::config::{AdminState, Direction, Family};
use sdwan_model::observed::SessionState;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// In IDLE, unless a reset makes it another time.
const IDLE_HOLD: Duration = Duration::from_secs(5);

/// Calls.
impl Gobgpd {
    /// `EnablePeer`.
    pub fn enable_peer(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let peer = self.peer(address)?;
        if peer.admin_state == AdminState::Down {
            peer.admin_state = AdminState::Up;
            self.idles(address);
        }
        Ok(())
    }

    /// `DisablePeer`.
    pub fn disable_peer(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let peer = self.peer(address)?;
        peer.admin_state = AdminState::Down;
        match peer.session {
            SessionState::Idle => peer.waits = None,
            _ => self.fall(address),
        }
        Ok(())
    }

    /// `ResetPeer`, hard. Version 4 keeps one of a session that is not up,
    /// and resets that as soon as it is; version 3 only lets it wait longer
    /// the next time that it falls.
    pub fn reset_peer(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let remembers = self.flavor.at_least(4, 0);
        let peer = self.peer(address)?;
        let up = peer.session == SessionState::Established;
        match up || !remembers {
            true => peer.idle_hold = peer.reset_hold,
            false => peer.owes_reset = true,
        }
        if up {
            self.fall(address);
        }
        Ok(())
    }
}

/// What no call does.
impl Gobgpd {
    /// How long a session has to wait in IDLE, if it does.
    pub fn idle_hold(&self, address: IpAddr) -> Option<Duration> {
        self.peers.get(&address)?.waits
    }

    /// A session has waited long enough.
    pub fn idle_hold_expires(&mut self, address: IpAddr) {
        if let Some(peer) = self.peers.get_mut(&address)
            && peer.waits.take().is_some()
        {
            peer.idle_hold = IDLE_HOLD;
            self.turn(address, SessionState::Active);
        }
    }

    /// A neighbor connects to this address of ours; whether we talk to it.
    pub fn neighbor_connects(&mut self, address: IpAddr, to: IpAddr) -> bool {
        let port = self.global.as_ref().and_then(|global| global.listen_port);
        let Some(peer) = self.in_state(address, SessionState::Active) else {
            return false;
        };
        if peer.conf.local_address.is_some_and(|local| local != to) {
            return false;
        }
        peer.connected_to = Some(SocketAddr::new(to, port.unwrap_or_default()));
        self.turn(address, SessionState::OpenSent);
        true
    }

    /// A neighbor sends its OPEN; whether we take it.
    pub fn neighbor_opens(&mut self, address: IpAddr, asn: u32, id: Ipv4Addr) -> bool {
        let Some(peer) = self.in_state(address, SessionState::OpenSent) else {
            return false;
        };
        if peer.conf.peer_as != asn {
            self.fall(address);
            return false;
        }
        self.confirm(address, id);
        true
    }

    /// A neighbor accepts our connection from this address of ours and sends
    /// its OPEN; whether we take it. Version 4 tells of neither before it has.
    pub fn neighbor_accepts(
        &mut self,
        address: IpAddr,
        from: IpAddr,
        asn: u32,
        id: Ipv4Addr,
    ) -> bool {
        if !self.flavor.at_least(4, 0) {
            return self.neighbor_connects(address, from) && self.neighbor_opens(address, asn, id);
        }
        let Some(peer) = self.in_state(address, SessionState::Active) else {
            return false;
        };
        if peer.conf.passive || peer.conf.peer_as != asn {
            return false;
        }
        peer.connected_to = Some(SocketAddr::new(from, 0));
        self.confirm(address, id);
        true
    }

    /// A neighbor sends its first KEEPALIVE: routes meet the policies as they
    /// are now.
    pub fn neighbor_confirms(&mut self, address: IpAddr) {
        let import = self.chain(address, Direction::Import);
        let export = self.chain(address, Direction::Export);
        let clock = self.clock + 1;
        let Some(peer) = self.in_state(address, SessionState::OpenConfirm) else {
            return;
        };
        peer.come_up(clock, import, export);
        let owes = std::mem::take(&mut peer.owes_reset);
        self.clock = clock;
        self.turn(address, SessionState::Established);
        if owes {
            let _same = self.reset_peer(address);
        }
    }

    /// A neighbor ends the connection, or the link fails.
    pub fn neighbor_leaves(&mut self, address: IpAddr) {
        if self.peers.get(&address).is_some_and(Peer::is_connected) {
            self.fall(address);
        }
    }

    /// Every neighbor connects, as whom its peer expects: sessions that may come
    /// up do; one that is reset as it comes up does so again.
    pub fn sessions_come_up(&mut self) {
        let addresses: Vec<IpAddr> = self.peers.keys().copied().collect();
        for address in addresses {
            self.comes_up(address);
            self.comes_up(address);
        }
    }

    fn comes_up(&mut self, address: IpAddr) {
        let Some(peer) = self.peers.get(&address) else {
            return;
        };
        let (own, asn) = (own_address(peer), peer.conf.peer_as);
        let asked = self.asked_password(address).unwrap_or_default();
        let knows_it = peer.conf.auth_password == asked;
        self.idle_hold_expires(address);
        if !knows_it {
            return;
        }
        self.neighbor_connects(address, own);
        self.neighbor_opens(address, asn, Ipv4Addr::new(192, 0, 2, 2));
        self.neighbor_confirms(address);
    }
}

/// What both come to.
impl Gobgpd {
    /// A peer that is added.
    pub(super) fn begin(&mut self, address: IpAddr, peer: Peer) {
        self.peers.insert(address, peer);
        if !self.flavor.at_least(4, 0) {
            self.tell(address);
        }
        self.idles(address);
    }

    /// A peer that is deleted; whether there was one.
    pub(super) fn end(&mut self, address: IpAddr) -> bool {
        let Some(peer) = self.peers.remove(&address) else {
            return false;
        };
        self.tell_last(address, peer);
        true
    }

    fn confirm(&mut self, address: IpAddr, id: Ipv4Addr) {
        let learns = !self.flavor.at_least(4, 0);
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.identifier = Some(id);
            if learns {
                peer.router_id = Some(id);
            }
        }
        self.turn(address, SessionState::OpenConfirm);
    }

    fn in_state(&mut self, address: IpAddr, state: SessionState) -> Option<&mut Peer> {
        self.peers
            .get_mut(&address)
            .filter(|peer| peer.session == state)
    }

    fn fall(&mut self, address: IpAddr) {
        let Some(peer) = self.peers.get_mut(&address) else {
            return;
        };
        peer.fall();
        self.turn(address, SessionState::Idle);
        self.idles(address);
    }

    /// A session that is IDLE waits, unless it is held down; not to wait at
    /// all is to be ACTIVE at once.
    fn idles(&mut self, address: IpAddr) {
        let Some(peer) = self.in_state(address, SessionState::Idle) else {
            return;
        };
        let hold = peer.idle_hold;
        peer.waits = (peer.admin_state == AdminState::Up).then_some(hold);
        if hold.is_zero() {
            self.idle_hold_expires(address);
        }
    }

    fn turn(&mut self, address: IpAddr, to: SessionState) {
        let forgets = self.flavor.at_least(4, 0);
        let Some(peer) = self.peers.get_mut(&address) else {
            return;
        };
        peer.session = to;
        if forgets && peer.admin_state == AdminState::Down {
            peer.router_id = None;
        }
        self.tell(address);
    }
}

/// The address that a neighbor without a configured one connects to.
fn own_address(peer: &Peer) -> IpAddr {
    let other = match peer.conf.families.first() {
        Some(Family::Ipv6Unicast) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]),
        _ => IpAddr::from([10, 255, 0, 1]),
    };
    peer.conf.local_address.unwrap_or(other)
}
