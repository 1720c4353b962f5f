//! Connections: one task each, bounded in number, in how long a client may
//! take to say what it wants and to take the answer, and ended in order when
//! the server stops.

mod places;
mod tls;

pub use places::Counts;
pub use tls::{Error, Tls};

use crate::config::Address;
use crate::limits::Limits;
use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use places::{Place, Places};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long requests that are under way have when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// Where a request came from, among its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Whose certificate the client has shown, where it was asked for one; among
/// the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Subject(pub(crate) Arc<str>);

/// How connections are served.
pub(crate) struct Service {
    /// Answers the requests.
    pub(crate) router: Router,
    /// What a client may cost.
    pub(crate) limits: Limits,
    /// The server's certificate, where TLS is spoken.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Connections are counted here.
    pub(crate) counts: Counts,
}

/// Listens; on every address where no host is named, over IPv4 alone where
/// the machine has no IPv6.
///
/// # Errors
/// The system's.
pub(crate) async fn bind(address: &Address) -> io::Result<TcpListener> {
    match &address.host {
        Some(host) => TcpListener::bind((host.as_str(), address.port)).await,
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, address.port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port)).await
            }
            other => other,
        },
    }
}

/// Serves until `stop`, then lets requests that are under way end.
pub(crate) async fn serve(listener: TcpListener, service: Service, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let places = Places::new(&service.limits, service.counts.clone());
    let service = Arc::new(service);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else {
            continue;
        };
        let connection = attend(stream, peer, Arc::clone(&service), stop.clone());
        tracker.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    tracker.close();
    if timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!(open = tracker.len(), "connections did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Places>,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let free = places.free().await?;
    match listener.accept().await {
        Ok((stream, mut peer)) => {
            // Where both IPv4 and IPv6 are listened to, an IPv4 address comes
            // as an IPv6 one.
            peer.set_ip(peer.ip().to_canonical());
            Some((stream, peer, places.take(free, peer)?))
        }
        Err(error) => {
            // Mostly a client that has gone again. When the process has no
            // file descriptor left, trying at once would only burn time.
            tracing::warn!(%error, "no connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn attend(
    stream: TcpStream,
    peer: SocketAddr,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    // Answers are written whole; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    // Who reads nothing more would keep what it was to be sent for ever.
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(service.limits.stall));
    let stream = Box::pin(stream);
    let Some(tls) = &service.tls else {
        return converse(stream, peer, None, &service, stop).await;
    };
    // A handshake is no request that the server's end would wait for.
    let shaken = tokio::select! {
        () = stop.cancelled() => return,
        shaken = timeout(service.limits.handshake, tls.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok((stream, subject))) => converse(stream, peer, subject, &service, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    subject: Option<Subject>,
    service: &Service,
    stop: CancellationToken,
) {
    let Service { router, limits, .. } = service;
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        if let Some(subject) = &subject {
            request.extensions_mut().insert(subject.clone());
        }
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
