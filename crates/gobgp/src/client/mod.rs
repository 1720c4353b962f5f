//! The connection: detection of the version, a deadline on every call.
//!
//! One HTTP/2 connection a client, shared by its clones; calls run side by
//! side on it. It has no HTTP/2 keepalive: gobgpd answers such pings with
//! GOAWAY `too_many_pings`. To notice a dead daemon, call
//! [`Client::get_bgp`] now and then. A connection that broke is made again by
//! the next call; after [`Error::Deadline`] it may be stuck rather than
//! broken, and [`Client::connect`] makes a fresh one.

mod address;
mod bgp;
mod paths;
mod peers;
mod policies;
mod routes;
mod tls;

pub use sdwan_tls::Identity;
pub use tls::Tls;

use crate::dialect::{Api, Rpc};
use crate::error::Error;
use address::Address;
use futures::TryStreamExt;
use http::uri::PathAndQuery;
use prost::Message;
use std::sync::Arc;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// The largest answer that is taken: a peer or a policy is one message, so
/// only something broken comes near it.
const MAX_MESSAGE: usize = 256 << 20;

/// Flow control: large listings shall not wait for window updates.
const WINDOW: u32 = 4 << 20;

/// All streams share it: a watch whose reader stalls shall leave room for
/// other calls.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection.
    pub connect: Duration,
    /// For a call with one answer, and for the start of a watch.
    pub call: Duration,
    /// For a listing, from the request to its last row.
    pub list: Duration,
}

impl Default for Timeouts {
    /// 2 s to connect, 5 s a call, 30 s a listing: a table of 100,000 routes
    /// takes a second, and stalls other calls for as long.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            call: Duration::from_secs(5),
            list: Duration::from_secs(30),
        }
    }
}

/// How long Linux keeps packets for a host whose link-layer address it has to
/// ask for: three times, a second each (`neigh/*/mcast_solicit`,
/// `retrans_time_ms`). They go out as soon as it answers, whatever has become
/// of their connection.
const NEIGHBOR_QUEUE: Duration = Duration::from_secs(3);

impl Timeouts {
    /// How long after its start a call that had no answer may still be made:
    /// its connection is dropped with it, what the kernel has in its hands by
    /// then is not.
    pub fn late(&self) -> Duration {
        self.call + NEIGHBOR_QUEUE
    }
}

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// With TLS; over a Unix socket, gobgpd's name is `localhost` unless
    /// another is given.
    pub tls: Option<Tls>,
}

impl From<Timeouts> for Options {
    /// Without TLS.
    fn from(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            tls: None,
        }
    }
}

/// A connection to one gobgpd. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    channel: Channel,
    api: Api,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    timeouts: Timeouts,
}

impl Client {
    /// Connects to `HOST`, `HOST:PORT`, `[IPV6]:PORT` (the port defaults to
    /// 50051) or `unix:PATH`, and finds out which version answers.
    ///
    /// # Errors
    /// [`Error::Address`] for text that is no address, [`Error::Unreachable`],
    /// [`Error::Deadline`], [`Error::NotGobgp`] when something else answers,
    /// [`Error::Tls`].
    pub async fn connect(address: &str, options: impl Into<Options>) -> Result<Self, Error> {
        Self::connect_as(address, options, Api::V4).await
    }

    /// Likewise, trying `likely` first: a call less where that is right.
    ///
    /// # Errors
    /// As of [`Self::connect`].
    pub async fn connect_as(
        address: &str,
        options: impl Into<Options>,
        likely: Api,
    ) -> Result<Self, Error> {
        let options = options.into();
        let timeouts = options.timeouts;
        let hint = tls::hint(options.tls.as_ref());
        let address: Address = address.parse()?;
        let mut client = Self {
            channel: address.channel(&options)?,
            shared: Arc::new(Shared { address, timeouts }),
            api: likely,
        };
        // The wrong service answers UNIMPLEMENTED, which is NotGobgp.
        match client.get_bgp().await {
            Err(Error::NotGobgp { .. }) => {}
            answer => return answer.map(|_| client).map_err(|error| error.hinted(hint)),
        }
        client.api = match likely {
            Api::V3 => Api::V4,
            Api::V4 => Api::V3,
        };
        client.get_bgp().await.map(|_| client)
    }

    /// The version that answered.
    pub fn api(&self) -> Api {
        self.api
    }

    /// Where it is connected to, port included.
    pub fn address(&self) -> String {
        self.shared.address.to_string()
    }

    /// A call with one answer.
    async fn unary<Q, R>(&self, rpc: Rpc, request: Q) -> Result<R, Error>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let call = async {
            let (mut grpc, path) = self.ready(rpc).await?;
            grpc.unary(Request::new(request), path, ProstCodec::<Q, R>::default())
                .await
        };
        let limit = self.shared.timeouts.call;
        self.within(rpc, limit, call)
            .await
            .map(Response::into_inner)
    }

    /// A call whose answer is a list of rows.
    async fn list<Q, R>(&self, rpc: Rpc, request: Q) -> Result<Vec<R>, Error>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let call = async {
            let rows = self.open::<Q, R>(rpc, request).await?;
            rows.try_collect().await
        };
        self.within(rpc, self.shared.timeouts.list, call).await
    }

    /// A call whose answer does not end. The deadline is on its start.
    async fn stream<Q, R>(&self, rpc: Rpc, request: Q) -> Result<Streaming<R>, Error>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        self.within(rpc, self.shared.timeouts.call, self.open(rpc, request))
            .await
    }

    async fn open<Q, R>(&self, rpc: Rpc, request: Q) -> Result<Streaming<R>, Status>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let (mut grpc, path) = self.ready(rpc).await?;
        let codec = ProstCodec::<Q, R>::default();
        grpc.server_streaming(Request::new(request), path, codec)
            .await
            .map(Response::into_inner)
    }

    async fn ready(&self, rpc: Rpc) -> Result<(Grpc<Channel>, PathAndQuery), Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        grpc.ready()
            .await
            .map_err(|error| Status::from_error(Box::new(error)))?;
        Ok((grpc, rpc.path(self.api)))
    }

    async fn within<T>(
        &self,
        rpc: Rpc,
        limit: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(self.error(rpc, &status)),
            Err(_) => Err(Error::Deadline {
                address: self.address(),
                call: rpc.name,
                seconds: limit.as_secs_f64(),
            }),
        }
    }

    fn error(&self, rpc: Rpc, status: &Status) -> Error {
        Error::from_status(&self.address(), rpc.name, status)
    }
}
