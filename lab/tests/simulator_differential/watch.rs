//! A watcher of the daemon under test.

use crate::translate::from_event;
use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use sdwan_gobgp::types::{PeerEvent, PeerEventKind, PeerSettings};
use sdwan_gobgp::{Client, Error};
use sdwan_lab::sim::event::Event;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Far longer than an event takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// A peer that is added and deleted at once: every version tells of that with
/// one event, and all that it has told before has come when that has.
const MARK: [u8; 4] = [192, 0, 2, 200];

/// A watcher that reads on.
pub(crate) struct Watch {
    events: mpsc::UnboundedReceiver<Result<PeerEvent, Error>>,
}

impl Watch {
    pub(crate) async fn start(client: &Client) -> Result<Self> {
        let (tell, events) = mpsc::unbounded_channel();
        let watch = client.watch_peers().await?;
        tokio::spawn(watch.for_each(move |event| {
            // Nobody listens any more where the sequence has ended.
            let _ended = tell.send(event);
            std::future::ready(())
        }));
        Ok(Self { events })
    }

    /// All that it was told since it was asked last.
    pub(crate) async fn told(&mut self, client: &Client) -> Result<Vec<Event>> {
        let mark = IpAddr::from(MARK);
        let settings = PeerSettings {
            admin_down: Some(true),
            ..PeerSettings::new(65002)
        };
        match client.add_peer(mark, &settings).await {
            Ok(()) => client.delete_peer(&mark.to_string()).await?,
            // There are no peers then.
            Err(Error::NotStarted { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let mut told = Vec::new();
        loop {
            let event = timeout(LIMIT, self.events.recv()).await;
            let event = event.context("an event does not come")?;
            let event = event.context("the watch ends")??;
            match from_event(&event)? {
                Some(event) if event.address == mark => return Ok(told),
                event => told.extend(event),
            }
        }
    }
}

/// What a new watcher is told until the end of the first list.
pub(crate) async fn snapshot(client: &Client) -> Result<Vec<Event>> {
    let mut watch = Box::pin(client.watch_peers().await?);
    let mut told = Vec::new();
    loop {
        let event = timeout(LIMIT, watch.next()).await;
        let event = event.context("the first list does not end")?;
        let event = event.context("the watch ends")??;
        if event.kind == PeerEventKind::EndOfInit {
            return Ok(told);
        }
        told.extend(from_event(&event)?);
    }
}
