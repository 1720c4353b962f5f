//! Peers and their sessions.

use super::Client;
use crate::dialect::{Rpc, rpc};
use crate::error::Error;
use crate::patch;
use crate::types::{Peer, PeerEvent, PeerEventKind, PeerFilter, PeerSettings, ResetDirection};
use crate::wire;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use prost::Message;
use std::net::IpAddr;

impl Client {
    /// The peers, with their state.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_peers(&self, filter: PeerFilter<'_>) -> Result<Vec<Peer>, Error> {
        let rpc = rpc!("ListPeer");
        let request = wire::ListPeerRequest {
            address: filter.address.unwrap_or_default().to_owned(),
            enable_advertised: filter.advertised,
        };
        let rows: Vec<wire::ListPeerResponse> = self.list(rpc, request).await?;
        rows.into_iter()
            .map(|row| {
                Peer::from_wire(row.peer, self.api).map_err(|error| Error::malformed(rpc, &error))
            })
            .collect()
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// [`Error::Invalid`] without an AS; else see [`Error`].
    pub async fn add_peer(&self, address: IpAddr, settings: &PeerSettings) -> Result<(), Error> {
        let rpc = rpc!("AddPeer");
        // A member of a group may take its AS from there.
        if settings.peer_asn.unwrap_or(0) == 0 && settings.peer_group.is_none() {
            return Err(Error::invalid(rpc, "a peer needs an AS, 1 to 4294967295"));
        }
        let peer = settings
            .to_wire(&address.to_string())
            .encode_to_vec()
            .into();
        self.unary::<_, wire::Empty>(rpc, wire::AddPeerRequest { peer })
            .await
            .map(drop)
    }

    /// Adds a peer that was `listed` and deleted since, with what `settings`
    /// says of it changed and all else as it was. The way to change what
    /// [`Self::update_peer`] ignores. What it says of the local address holds
    /// here too.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_peer_again(
        &self,
        listed: &Peer,
        settings: &PeerSettings,
    ) -> Result<(), Error> {
        let rpc = rpc!("AddPeer");
        let peer = merged(rpc, listed, settings)?;
        self.unary::<_, wire::Empty>(rpc, wire::AddPeerRequest { peer })
            .await
            .map(drop)
    }

    /// Changes what `settings` says of a peer and keeps all else as it was
    /// `listed`. Whether routes that were received must be evaluated again
    /// is the answer.
    ///
    /// Say the local address: of a session that is or was up, gobgpd lists
    /// the session's own instead of the configured one, and sending that back
    /// makes the session flap.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn update_peer(&self, listed: &Peer, settings: &PeerSettings) -> Result<bool, Error> {
        let rpc = rpc!("UpdatePeer");
        let peer = merged(rpc, listed, settings)?;
        let request = wire::UpdatePeerRequest {
            peer,
            do_soft_reset_in: false,
        };
        let answer: wire::UpdatePeerResponse = self.unary(rpc, request).await?;
        Ok(answer.needs_soft_reset_in)
    }

    /// Deletes a peer; `address` is spelled as it is listed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty address; else see [`Error`].
    pub async fn delete_peer(&self, address: &str) -> Result<(), Error> {
        let rpc = rpc!("DeletePeer");
        let request = wire::DeletePeerRequest {
            address: one(rpc, address)?,
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Lets the session come up again after [`Self::disable_peer`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty address; else see [`Error`].
    pub async fn enable_peer(&self, address: &str) -> Result<(), Error> {
        let rpc = rpc!("EnablePeer");
        let request = wire::EnablePeerRequest {
            address: one(rpc, address)?,
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Holds the session down until [`Self::enable_peer`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty address; else see [`Error`].
    pub async fn disable_peer(&self, address: &str) -> Result<(), Error> {
        let rpc = rpc!("DisablePeer");
        let request = wire::DisablePeerRequest {
            address: one(rpc, address)?,
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Evaluates routes again while the session stays.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty address; else see [`Error`].
    pub async fn soft_reset_peer(
        &self,
        address: &str,
        direction: ResetDirection,
    ) -> Result<(), Error> {
        let rpc = rpc!("ResetPeer");
        let request = wire::ResetPeerRequest {
            address: one(rpc, address)?,
            soft: true,
            direction: self.api.shift(direction.number()),
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Brings the session down; it comes up again after the idle hold time,
    /// half a minute by default.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty address; else see [`Error`].
    pub async fn reset_peer(&self, address: &str) -> Result<(), Error> {
        let rpc = rpc!("ResetPeer");
        let request = wire::ResetPeerRequest {
            address: one(rpc, address)?,
            soft: false,
            direction: self.api.shift(ResetDirection::In.number()),
        };
        self.unary::<_, wire::Empty>(rpc, request).await.map(drop)
    }

    /// Every peer now, an [`PeerEventKind::EndOfInit`], then each change. The
    /// stream ends, mostly with an error, when the connection does. gobgpd
    /// queues without a bound for a reader that stalls: read on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn watch_peers(
        &self,
    ) -> Result<impl Stream<Item = Result<PeerEvent, Error>> + Send + use<>, Error> {
        let rpc = rpc!("WatchEvent");
        let request = wire::WatchEventRequest {
            peer: Some(wire::watch_event_request::PeerFilter {}),
            ..Default::default()
        };
        let events = self
            .stream::<_, wire::WatchEventResponse>(rpc, request)
            .await?;
        let client = self.clone();
        Ok(events.filter_map(move |event| {
            let event = match event {
                Ok(event) => event.peer.map(|event| client.peer_event(event)),
                Err(status) => Some(Err(client.error(rpc, &status))),
            };
            std::future::ready(event)
        }))
    }

    fn peer_event(&self, event: wire::watch_event_response::PeerEvent) -> Result<PeerEvent, Error> {
        let kind = PeerEventKind::from_number(event.r#type);
        let peer = match kind {
            PeerEventKind::EndOfInit => None,
            _ => Some(
                Peer::from_wire(event.peer, self.api)
                    .map_err(|error| Error::malformed(rpc!("WatchEvent"), &error))?,
            ),
        };
        Ok(PeerEvent { kind, peer })
    }
}

/// A listed peer with `settings` on top.
fn merged(rpc: Rpc, listed: &Peer, settings: &PeerSettings) -> Result<Bytes, Error> {
    if settings.peer_asn == Some(0) {
        return Err(Error::invalid(rpc, "AS 0 is reserved"));
    }
    patch::merge(listed, settings)
        .ok_or_else(|| Error::invalid(rpc, "the listed peer is none of gobgpd's"))
}

/// An address that means one peer: an empty one means all of them to gobgpd.
fn one(rpc: Rpc, address: &str) -> Result<String, Error> {
    if address.is_empty() {
        return Err(Error::invalid(
            rpc,
            "an empty address would mean every peer",
        ));
    }
    Ok(address.to_owned())
}
