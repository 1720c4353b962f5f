//! Simulated gobgpds behind the management API of real ones, thousands in one process: what the
//! server does with many routers is measured on them, since a real gobgpd takes 25 MB.
//!
//! All listen on one port, each on an address of its own in 127.1.0.0/16: which one is meant is
//! told by the address that was connected to. They take the calls that the server makes for
//! neighbors; what writes policies is UNIMPLEMENTED. Their sessions wait in IDLE by the machine's
//! clock, and no neighbor ever connects.
//!
//! `tests/simulator_differential` holds them against the simulator, which is held against gobgpd.

mod calls;
mod messages;
mod router;

pub use router::Router;

use super::Flavor;
use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpSocket;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;

/// The first one's address; the others' follow.
const FIRST: u32 = u32::from_be_bytes([127, 1, 0, 0]);

/// The most that have room in 127.1.0.0/16.
const MOST: usize = 1 << 16;

/// All of a server's connections come at once.
const BACKLOG: u32 = 4096;

/// Running simulated gobgpds; they end when dropped.
#[derive(Debug)]
pub struct Fleet {
    port: u16,
    routers: Arc<[Arc<Router>]>,
    task: tokio::task::JoinHandle<()>,
}

impl Fleet {
    /// Starts so many, with nothing on them.
    ///
    /// # Errors
    /// When they can't listen, or there are no addresses for as many.
    pub async fn start(flavor: Flavor, count: usize) -> Result<Self> {
        ensure!(count <= MOST, "there are addresses for {MOST} gobgpds");
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
        let listener = socket.listen(BACKLOG).context("simulated gobgpds")?;
        let port = listener.local_addr()?.port();
        let routers: Arc<[_]> = (0..count).map(|_| Router::start(flavor)).collect();
        let service = Api {
            routers: Arc::clone(&routers),
        };
        let routes = tonic::service::Routes::from(axum::Router::new().fallback_service(service));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            // It ends with the listener; there is nobody to tell.
            let _ended = tonic::transport::Server::builder()
                .add_routes(routes)
                .serve_with_incoming(incoming)
                .await;
        });
        Ok(Self {
            port,
            routers,
            task,
        })
    }

    /// Where each is managed: `HOST:PORT`.
    pub fn addresses(&self) -> impl Iterator<Item = String> {
        let hosts = (FIRST..).map(Ipv4Addr::from);
        let addresses = hosts.map(|host| SocketAddr::from((host, self.port)).to_string());
        addresses.take(self.routers.len())
    }

    /// All of them, in the order of their addresses.
    #[must_use]
    pub fn routers(&self) -> &[Arc<Router>] {
        &self.routers
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Finds the one that is called.
#[derive(Clone)]
struct Api {
    routers: Arc<[Arc<Router>]>,
}

impl Api {
    fn called(&self, extensions: &http::Extensions) -> Option<Arc<Router>> {
        let connection = extensions.get::<TcpConnectInfo>()?;
        let IpAddr::V4(address) = connection.local_addr()?.ip() else {
            return None;
        };
        let index = u32::from(address).checked_sub(FIRST)?;
        self.routers.get(usize::try_from(index).ok()?).cloned()
    }
}

impl tower::Service<http::Request<axum::body::Body>> for Api {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let called = self.called(request.extensions());
        Box::pin(async move {
            Ok(match called {
                Some(router) => calls::answer(router, request).await,
                None => Status::unavailable("nobody has this address").into_http(),
            })
        })
    }
}
