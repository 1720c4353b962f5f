//! The calls, by name.

use super::messages::{self as wire, Dialect};
use super::router::Router;
use crate::sim::state::Refusal;
use futures::StreamExt as _;
use futures::stream::{BoxStream, iter};
use prost::Message;
use sdwan_model::config::Direction;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

type Asked = http::Request<axum::body::Body>;
type Answered = http::Response<tonic::body::Body>;

/// Makes the call on the router.
pub(super) async fn answer(router: Arc<Router>, request: Asked) -> Answered {
    let dialect = Dialect::of(router.flavor());
    let path = request.uri().path().to_owned();
    let call = path
        .strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .filter(|(service, _)| *service == dialect.service());
    match call.map(|(_, call)| call) {
        Some("GetBgp") => {
            let tell = |_: wire::Empty| Ok(router.look(wire::global));
            unary(request, tell).await
        }
        Some("StartBgp") => {
            let start = |told| router.change(|daemon| daemon.start_bgp(&wire::started(told)?));
            unary(request, |told| start(told).map(empty)).await
        }
        Some(call @ ("AddPeer" | "UpdatePeer")) => write_peer(&router, call, request).await,
        Some(call @ ("DeletePeer" | "EnablePeer" | "DisablePeer")) => {
            on_peer(&router, call, request).await
        }
        Some("ResetPeer") => unary(request, |told| reset(&router, dialect, &told)).await,
        Some("ListPeer") => {
            let list = |_: wire::ListPeerRequest| rows(router.look(|d| dialect.peers(d)));
            stream(request, list).await
        }
        // No call makes any here.
        Some("ListDefinedSet") => {
            let list = |_| rows(Vec::<wire::ListDefinedSetResponse>::new());
            stream::<wire::ListDefinedSetRequest, _>(request, list).await
        }
        Some("ListStatement") => {
            let list = |_| rows(Vec::<wire::ListStatementResponse>::new());
            stream::<wire::ListStatementRequest, _>(request, list).await
        }
        Some("ListPolicy") => {
            let list = |_| rows(Vec::<wire::ListPolicyResponse>::new());
            stream::<wire::ListPolicyRequest, _>(request, list).await
        }
        Some("ListPolicyAssignment") => {
            let list = |told| rows(vec![router.look(|d| wire::assignment(d, told))]);
            stream(request, list).await
        }
        Some("WatchEvent") => {
            let watch = |_: wire::WatchEventRequest| watch(&router, dialect);
            stream(request, watch).await
        }
        _ => Status::unimplemented(format!("{path} is not simulated")).into_http(),
    }
}

async fn write_peer(router: &Arc<Router>, call: &str, request: Asked) -> Answered {
    match call {
        "AddPeer" => {
            let add = |told: wire::AddPeerRequest| {
                let (address, conf) = wire::told(told.peer)?;
                router.change(|daemon| daemon.add_peer(address, conf))
            };
            unary(request, |told| add(told).map(empty)).await
        }
        _ => {
            let update = |told: wire::UpdatePeerRequest| {
                let (address, conf) = wire::told(told.peer)?;
                router.change(|daemon| daemon.update_peer(address, conf))?;
                Ok(wire::UpdatePeerResponse::default())
            };
            unary(request, update).await
        }
    }
}

/// Those that tell nothing but a peer's address, in a message that is the same for all.
async fn on_peer(router: &Arc<Router>, call: &str, request: Asked) -> Answered {
    let make = |told: wire::DeletePeerRequest| {
        let address = peer(&told.address)?;
        router.change(|daemon| match call {
            "EnablePeer" => daemon.enable_peer(address),
            "DisablePeer" => daemon.disable_peer(address),
            _ => daemon.delete_peer(address),
        })
    };
    unary(request, |told| make(told).map(empty)).await
}

fn reset(
    router: &Arc<Router>,
    dialect: Dialect,
    told: &wire::ResetPeerRequest,
) -> Result<wire::Empty, Refusal> {
    let address = peer(&told.address)?;
    let ways: &[Direction] = match dialect.unshift(told.direction) {
        0 => &[Direction::Import],
        1 => &[Direction::Export],
        _ => &[Direction::Import, Direction::Export],
    };
    router.change(|daemon| match told.soft {
        false => daemon.reset_peer(address),
        true => ways
            .iter()
            .try_for_each(|way| daemon.soft_reset(address, *way)),
    })?;
    Ok(wire::Empty {})
}

fn peer(address: &str) -> Result<IpAddr, Refusal> {
    let unknown = |_| Refusal(format!("neighbor that has {address} doesn't exist"));
    address.parse().map_err(unknown)
}

fn watch(router: &Router, dialect: Dialect) -> Rows<wire::WatchEventResponse> {
    let (first, changes) = router.watch();
    let first: Vec<_> = first.iter().map(|event| dialect.event(event)).collect();
    let end = std::iter::once(wire::end_of_init());
    let changes = UnboundedReceiverStream::new(changes);
    let changes = changes.map(move |event| dialect.event(&event));
    iter(first.into_iter().chain(end))
        .chain(changes)
        .map(Ok)
        .boxed()
}

fn empty(_nothing: ()) -> wire::Empty {
    wire::Empty {}
}

type Rows<A> = BoxStream<'static, Result<A, Status>>;

fn rows<A: Send + 'static>(rows: Vec<A>) -> Rows<A> {
    iter(rows).map(Ok).boxed()
}

/// A call with one answer. gobgpd refuses with UNKNOWN.
async fn unary<Q, A>(request: Asked, answer: impl Fn(Q) -> Result<A, Refusal>) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let service = tower::service_fn(|request: Request<Q>| {
        let answer = answer(request.into_inner()).map(Response::new);
        std::future::ready(answer.map_err(|refusal| Status::unknown(refusal.0)))
    });
    let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
    grpc.unary(service, request).await
}

/// A call with a list for an answer, which may have no end.
async fn stream<Q, A>(request: Asked, answer: impl Fn(Q) -> Rows<A>) -> Answered
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let service = tower::service_fn(|request: Request<Q>| {
        let answer = Response::new(answer(request.into_inner()));
        std::future::ready(Ok::<_, Status>(answer))
    });
    let mut grpc = Grpc::new(ProstCodec::<A, Q>::default());
    grpc.server_streaming(service, request).await
}
