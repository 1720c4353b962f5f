//! A gRPC relay between a server and a real gobgpd that understands no
//! message: it forwards bytes and tells a hook about every call.
//!
//! Why: "killed between any two calls" needs somebody who stands between two
//! calls of a real server to a real daemon, and can hold one for as long as
//! it takes to kill either side.

use anyhow::Context;
use futures::StreamExt;
use futures::future::BoxFuture;
use prost::bytes::{Buf, BufMut, Bytes};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

/// One call that passes through.
#[derive(Clone, Debug)]
pub struct Call {
    /// 0 for the first call since the relay started.
    pub number: usize,
    /// The RPC's name, e.g. `AddPeer`.
    pub method: String,
}

/// What the hook is told, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request is here, the daemon has not seen it.
    Before,
    /// The daemon has answered, the caller has not seen it.
    After,
}

/// Called at each [`Moment`] of each call; the call goes on when it returns.
pub type Hook = Arc<dyn Fn(Call, Moment) -> BoxFuture<'static, ()> + Send + Sync>;

/// A running relay; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens on `listen` and forwards to the gobgpd at `daemon`.
    ///
    /// # Errors
    /// The address can't be bound or the daemon's is no address.
    pub async fn start(listen: SocketAddr, daemon: &str, hook: Hook) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("the relay on {listen}"))?;
        let address = listener.local_addr()?;
        let channel = Endpoint::from_shared(format!("http://{daemon}"))?.connect_lazy();
        let relay = Relay {
            channel,
            hook,
            count: Arc::new(AtomicUsize::new(0)),
        };
        let routes = tonic::service::Routes::from(axum::Router::new().fallback_service(relay));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            // It ends with the listener; there is nobody to tell.
            let _ = tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming(incoming)
                .await;
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Relay {
    channel: Channel,
    hook: Hook,
    count: Arc<AtomicUsize>,
}

impl tower::Service<http::Request<axum::body::Body>> for Relay {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let one = Forward {
            channel: self.channel.clone(),
            hook: Arc::clone(&self.hook),
            path: request.uri().path().to_owned(),
            call: Call { number, method },
        };
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(one, request).await) })
    }
}

/// One call on its way; every kind of RPC is treated as a stream each way.
struct Forward {
    channel: Channel,
    hook: Hook,
    path: String,
    call: Call,
}

impl tonic::server::StreamingService<Bytes> for Forward {
    type Response = Bytes;
    type ResponseStream = futures::stream::BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (channel, hook) = (self.channel.clone(), Arc::clone(&self.hook));
        let (path, call) = (self.path.clone(), self.call.clone());
        Box::pin(async move {
            hook(call.clone(), Moment::Before).await;
            let path = http::uri::PathAndQuery::try_from(path)
                .map_err(|e| Status::invalid_argument(e.to_string()))?;
            let mut client = tonic::client::Grpc::new(channel);
            client
                .ready()
                .await
                .map_err(|e| Status::unavailable(e.to_string()))?;
            let messages = request
                .into_inner()
                .filter_map(async |m: Result<Bytes, _>| m.ok());
            let answer = client.streaming(Request::new(messages), path, Raw).await;
            hook(call, Moment::After).await;
            answer.map(|response| response.map(StreamExt::boxed))
        })
    }
}

/// Messages as they are.
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

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
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
