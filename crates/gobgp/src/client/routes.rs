//! The best paths as they change.
//!
//! The answer's body is read by [`RouteReader`], past tonic's decoder: that
//! would keep a message until it is complete, and the room for it afterwards,
//! and versions before 3.27 send the table as one message.

use super::Client;
use crate::dialect::{Rpc, rpc};
use crate::error::Error;
use crate::routes::{BATCH, RouteReader};
use crate::types::{Family, RouteEvent};
use crate::wire;
use crate::wire::watch_event_request::{TableFilter, table_filter::Filter};
use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use http::header::{CONTENT_TYPE, TE};
use http_body_util::{BodyExt, Full};
use prost::Message;
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;

/// Version 3's numbers of filter types; they drift.
const BEST: i32 = 0;
const END_OF_RIB: i32 = 3;

/// A gobgpd that cuts its table sends the next piece in milliseconds: one that
/// sends nothing for so long has sent all.
const PIECE: Duration = Duration::from_secs(5);

const WATCH_EVENT: Rpc = rpc!("WatchEvent");

impl Client {
    /// The best paths of these families, [`RouteEvent::EndOfInit`], then each
    /// change: for a destination, all its best paths at once. End-of-RIBs
    /// that came before are told behind the table, later ones as they come.
    ///
    /// gobgpd is asked when the stream is first polled. How long its table
    /// takes to come is not bounded: it encodes some 50,000 routes a second,
    /// version 3 all of them before it sends the first.
    ///
    /// The stream ends, mostly with an error, when the connection does. It
    /// does not end when BGP is stopped, and tells nothing of it; where version
    /// 3 is started again, it goes on with the new table as if nothing was. So
    /// call [`Self::get_bgp`] now and then, begin anew where that fails or its
    /// `asn` is 0, and now and then for no reason. gobgpd queues without a
    /// bound for a reader that stalls, about 1 kB an event: read on.
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
        let watch = Watch {
            client: self.clone(),
            body: None,
            reader: RouteReader::new(self.api, families, global.use_multiple_paths),
        };
        let events = futures::stream::try_unfold(watch, async |mut watch| {
            let event = watch.next().await?;
            Ok(event.map(|event| (event, watch)))
        });
        Ok(events)
    }

    /// Asks for the routes. There is no answer before the first message is
    /// encoded: by versions before 3.27, the whole table.
    async fn route_body(&self) -> Result<Body, Status> {
        let mut channel = self.channel.clone();
        let failed = |error| Status::from_error(Box::new(error));
        poll_fn(|context| channel.poll_ready(context))
            .await
            .map_err(failed)?;
        let request = http::Request::post(http::Uri::from(WATCH_EVENT.path(self.api)))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .body(Body::new(Full::new(self.filters())))
            .map_err(|error| Status::internal(error.to_string()))?;
        let response = channel.call(request).await.map_err(failed)?;
        match Status::from_header_map(response.headers()) {
            Some(status) if status.code() != Code::Ok => Err(status),
            _ => Ok(response.into_body()),
        }
    }

    /// The request with gRPC's header in front.
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
            batch_size: BATCH,
        };
        let message = request.encode_to_vec();
        let mut framed = BytesMut::with_capacity(message.len() + 5);
        framed.put_u8(0);
        framed.put_u32(message.len() as u32);
        framed.put_slice(&message);
        framed.freeze()
    }
}

struct Watch {
    client: Client,
    /// Asked for by the first [`Self::next`].
    body: Option<Body>,
    reader: RouteReader,
}

impl Watch {
    async fn next(&mut self) -> Result<Option<RouteEvent>, Error> {
        loop {
            if let Some(event) = self.reader.event()? {
                return Ok(Some(event));
            }
            let data = if self.reader.may_be_complete() {
                match timeout(PIECE, self.data()).await {
                    Ok(data) => data,
                    Err(_) => return Ok(self.reader.complete()),
                }
            } else {
                self.data().await
            };
            match data {
                Ok(Some(data)) => self.reader.push(&data),
                Ok(None) => return Ok(None),
                Err(status) => return Err(self.client.error(WATCH_EVENT, &status)),
            }
        }
    }

    /// The body's next octets; `None` at its end.
    async fn data(&mut self) -> Result<Option<Bytes>, Status> {
        let body = match &mut self.body {
            Some(body) => body,
            none => none.insert(self.client.route_body().await?),
        };
        let Some(frame) = body.frame().await.transpose()? else {
            return Ok(None);
        };
        match frame.into_data() {
            Ok(data) => Ok(Some(data)),
            Err(frame) => match frame.trailers_ref().and_then(Status::from_header_map) {
                Some(status) if status.code() != Code::Ok => Err(status),
                _ => Ok(None),
            },
        }
    }
}
