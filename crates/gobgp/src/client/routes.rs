//! The best paths as they change.

use super::Client;
use crate::dialect::{Api, Rpc, rpc};
use crate::error::Error;
use crate::routes::{BATCH, Reader};
use crate::types::{Family, RouteEvent};
use crate::wire;
use crate::wire::watch_event_request::{TableFilter, table_filter::Filter};
use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt};
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Status, Streaming};

/// Version 3's numbers of filter types; they drift.
const BEST: i32 = 0;
const END_OF_RIB: i32 = 3;

/// gRPC's own. Version 3 sends the table in one message: 100,000 routes are
/// 30 to 40 MB.
const MAX_TABLE: usize = u32::MAX as usize;

const WATCH_EVENT: Rpc = rpc!("WatchEvent");

impl Client {
    /// The best paths of these families, [`RouteEvent::EndOfInit`], then each
    /// change: for a destination, all its best paths at once. End-of-RIBs
    /// that came before are told behind the table, later ones as they come.
    ///
    /// The stream ends, mostly with an error, when the connection does. It
    /// does not end when BGP is stopped, and tells nothing then: call
    /// [`Self::get_bgp`] now and then, and begin anew where that fails or its
    /// `asn` is 0. gobgpd queues without a bound for a reader that stalls,
    /// about 1 kB an event: read on.
    ///
    /// With multiple paths in use, versions 4.0 to 4.6 tell changes in a way
    /// that can't be told from that of later ones: sets of theirs may keep
    /// paths that are gone.
    ///
    /// # Errors
    /// [`Error::NotStarted`] before BGP is started, [`Error::Invalid`] for
    /// families other than IPv4 and IPv6 unicast; else see [`Error`].
    pub async fn watch_routes(
        &self,
        families: &[Family],
    ) -> Result<impl Stream<Item = Result<RouteEvent, Error>> + Send + use<>, Error> {
        let rpc = WATCH_EVENT;
        let unicast = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        if !families.iter().all(|family| unicast.contains(family)) {
            return Err(Error::invalid(rpc, "only unicast routes can be watched"));
        }
        let global = self.get_bgp().await?;
        if global.asn == 0 {
            return Err(Error::NotStarted { call: rpc.name });
        }
        let call = self.open_with(rpc, self.filters(), Raw, MAX_TABLE);
        let messages = self.within(rpc, self.shared.timeouts.call, call).await?;
        let watch = Watch {
            client: self.clone(),
            messages,
            reader: Reader::new(self.api, families, global.use_multiple_paths),
        };
        let events = futures::stream::try_unfold(watch, async |mut watch| {
            let event = watch.next().await?;
            Ok(event.map(|event| (event, watch)))
        });
        Ok(events)
    }

    fn filters(&self) -> Bytes {
        let filter = |number| Filter {
            r#type: self.api.shift(number),
            init: true,
        };
        let request = wire::WatchEventRequest {
            peer: None,
            table: Some(TableFilter {
                filters: vec![filter(BEST), filter(END_OF_RIB)],
            }),
            // Not every version 3 knows it.
            batch_size: match self.api {
                Api::V3 => 0,
                Api::V4 => BATCH,
            },
        };
        request.encode_to_vec().into()
    }
}

struct Watch {
    client: Client,
    messages: Streaming<Bytes>,
    reader: Reader,
}

impl Watch {
    async fn next(&mut self) -> Result<Option<RouteEvent>, Error> {
        let malformed = |error| Error::malformed(WATCH_EVENT, &error);
        loop {
            if let Some(event) = self.reader.event().map_err(malformed)? {
                return Ok(Some(event));
            }
            match self.messages.next().await {
                None => return Ok(None),
                Some(Ok(message)) => self.reader.push(&message).map_err(malformed)?,
                Some(Err(status)) => return Err(self.client.error(WATCH_EVENT, &status)),
            }
        }
    }
}

/// Messages as their bytes, without a copy.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
