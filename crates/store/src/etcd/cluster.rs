//! The members of one etcd cluster: a deadline on every call, and another
//! member where one does not answer.

use super::Options;
use super::endpoint;
use super::failure::{Failure, Refusal, innermost};
use super::pause::Pause;
use super::tls::Speech;
use super::wire::{AuthenticateRequest, AuthenticateResponse, StatusRequest, StatusResponse};
use crate::Error;
use futures::FutureExt as _;
use futures::future::{join_all, select_ok};
use http::uri::PathAndQuery;
use prost::Message;
use secrecy::ExposeSecret as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// The services' calls.
pub(super) mod rpc {
    pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
    pub(crate) const TXN: &str = "/etcdserverpb.KV/Txn";
    pub(crate) const COMPACT: &str = "/etcdserverpb.KV/Compact";
    pub(crate) const WATCH: &str = "/etcdserverpb.Watch/Watch";
    pub(crate) const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
    pub(crate) const REVOKE: &str = "/etcdserverpb.Lease/LeaseRevoke";
    /// A stream, but one question and its answer look like any other call.
    pub(crate) const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
    pub(crate) const STATUS: &str = "/etcdserverpb.Maintenance/Status";
    pub(crate) const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";
}

/// etcd takes pings from 5 s on; a member that stands still is noticed within
/// the sum of both.
const PING_EVERY: Duration = Duration::from_secs(8);
const PING_TIMEOUT: Duration = Duration::from_secs(4);

/// What HTTP/2 does not ping, for want of calls, the kernel probes.
const PROBE_IDLE_EVERY: Duration = Duration::from_secs(15);

/// Between rounds over all members: an election takes a second or two.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Whether a call may be carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It comes to the same: also after a lost answer another member is asked.
    Harmless,
    /// Only where it was certainly not carried out.
    Unsent,
}

pub(super) struct Cluster {
    members: Vec<Member>,
    /// The member that answered last, or the one after that which didn't.
    current: AtomicUsize,
    /// Which cluster the first one that answered belongs to.
    id: OnceLock<u64>,
    speech: Speech,
    /// Whether one of them ever did.
    answered: AtomicBool,
    user: Option<super::User>,
    token: Mutex<Option<Token>>,
    /// A token costs etcd a tenth of a second of computing: one at a time.
    authenticating: tokio::sync::Mutex<()>,
    pub(super) timeouts: super::Timeouts,
}

type Token = MetadataValue<Ascii>;

struct Member {
    address: String,
    /// Known to belong to the same cluster as the others.
    met: AtomicBool,
    way: RwLock<Way>,
}

impl Member {
    fn way(&self) -> Way {
        let way = self.way.read().unwrap_or_else(PoisonError::into_inner);
        way.clone()
    }
}

/// How one gets to a member.
#[derive(Clone)]
struct Way {
    endpoint: Endpoint,
    /// All calls share it.
    channel: Channel,
}

impl Way {
    fn new(endpoint: Endpoint, timeouts: &super::Timeouts) -> Self {
        let endpoint = endpoint
            .connect_timeout(timeouts.connect)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(PROBE_IDLE_EVERY))
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            channel: endpoint.connect_lazy(),
            endpoint,
        }
    }
}

impl Cluster {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// [`Error::Open`] for endpoints that are none, or don't go together.
    pub(super) fn new(options: Options) -> Result<Self, Error> {
        let members = options.endpoints.iter().zip(endpoint::all(&options)?);
        Ok(Self {
            members: members
                .map(|(address, endpoint)| Member {
                    address: address.clone(),
                    met: AtomicBool::new(false),
                    way: RwLock::new(Way::new(endpoint, &options.timeouts)),
                })
                .collect(),
            current: AtomicUsize::new(0),
            id: OnceLock::new(),
            speech: Speech::of(options.tls.as_ref()),
            answered: AtomicBool::new(false),
            user: options.user,
            token: Mutex::default(),
            authenticating: tokio::sync::Mutex::default(),
            timeouts: options.timeouts,
        })
    }

    /// Goes to all members with these certificates from now on, once one of
    /// them has taken them; calls that are under way end as they began.
    ///
    /// # Errors
    /// [`Error::Open`] for what is no PEM, [`Error::Unavailable`] when no
    /// member answers to it; then all stays as it is.
    pub(super) async fn renew(&self, tls: super::Tls) -> Result<(), Error> {
        let addresses = self.members.iter().map(|member| member.address.clone());
        let options = Options {
            tls: Some(tls),
            timeouts: self.timeouts,
            ..Options::at(addresses.collect())
        };
        let ways = endpoint::all(&options)?.into_iter();
        let ways: Vec<_> = ways.map(|way| Way::new(way, &self.timeouts)).collect();
        let limit = self.timeouts.attempt;
        let tries = ways.iter().enumerate().map(|(index, way)| {
            let channel = way.channel.clone();
            let answer =
                self.on::<_, StatusResponse>(index, channel, rpc::STATUS, &StatusRequest {}, limit);
            answer.boxed()
        });
        select_ok(tries).await.map_err(Failure::into_error)?;
        for (member, new) in self.members.iter().zip(ways) {
            *member.way.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(())
    }

    /// When a call that starts now gives up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeouts.call
    }

    /// One question, one answer, from whichever member gives one before the
    /// deadline.
    pub(super) async fn call<Q, R>(
        &self,
        rpc: &'static str,
        request: &Q,
        again: Again,
        deadline: Instant,
    ) -> Result<R, Failure>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut pause = Pause::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut failed = Failure::NotSent("etcd: no time is left to ask it".into());
        loop {
            for _ in 0..self.members.len() {
                let limit = deadline.saturating_duration_since(Instant::now());
                if limit.is_zero() {
                    return Err(failed);
                }
                let index = self.index();
                let channel = self.members[index].way().channel;
                let limit = limit.min(self.timeouts.attempt);
                failed = match self.on(index, channel, rpc, request, limit).await {
                    Err(Failure::Lost(why)) if again == Again::Unsent => {
                        self.move_on(index);
                        return Err(Failure::Lost(why));
                    }
                    Err(
                        failure @ (Failure::NotSent(_) | Failure::Lost(_) | Failure::Foreign(_)),
                    ) => {
                        self.move_on(index);
                        failure
                    }
                    answer => {
                        self.answered.store(true, Relaxed);
                        return answer;
                    }
                };
            }
            if Instant::now() + pause.peek() >= deadline {
                return Err(failed);
            }
            pause.wait().await;
        }
    }

    /// The same of one member, over this channel to it.
    pub(super) async fn on<Q, R>(
        &self,
        index: usize,
        channel: Channel,
        rpc: &'static str,
        request: &Q,
        limit: Duration,
    ) -> Result<R, Failure>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let ask = async || {
            self.meet(index, channel.clone()).await?;
            let mut request = self.request(request.clone());
            // For etcd, so that it does not try for long what nobody waits for.
            request.set_timeout(limit + Duration::from_secs(1));
            self.ask(index, channel.clone(), rpc, request).await
        };
        let call = async {
            let token = self.token();
            match ask().await {
                Err(Failure::Token(why)) => {
                    let _one = self.authenticating.lock().await;
                    if self.token() == token {
                        self.authenticate(index, channel.clone(), why).await?;
                    }
                }
                answer => return answer,
            }
            match ask().await {
                Err(Failure::Token(why)) => Err(Failure::Refused(Refusal::Other(why))),
                answer => answer,
            }
        };
        self.within(index, limit, call).await
    }

    /// Meets all members that answer soon; the others are met when they are
    /// needed.
    ///
    /// # Errors
    /// [`Failure::Foreign`].
    pub(super) async fn meet_all(&self) -> Result<(), Failure> {
        let limit = self.timeouts.connect;
        let meetings = self.members.iter().enumerate().map(|(index, member)| {
            let meeting = self.meet(index, member.way().channel);
            self.within(index, limit, meeting)
        });
        let meetings = join_all(meetings).await;
        let foreign = |met: &Result<(), Failure>| matches!(met, Err(Failure::Foreign(_)));
        meetings.into_iter().find(foreign).unwrap_or(Ok(()))
    }

    /// Makes sure, before a member is asked anything, that it belongs to the
    /// same cluster as the others: what is written here is read there.
    async fn meet(&self, index: usize, channel: Channel) -> Result<(), Failure> {
        let member = &self.members[index];
        if member.met.load(Relaxed) {
            return Ok(());
        }
        let question = self.request(StatusRequest {});
        let status: StatusResponse = match self.ask(index, channel, rpc::STATUS, question).await {
            Err(Failure::Lost(why)) => return Err(Failure::NotSent(why)),
            answer => answer?,
        };
        let cluster = status.header.map_or(0, |header| header.cluster_id);
        if *self.id.get_or_init(|| cluster) != cluster {
            return Err(Failure::Foreign(format!(
                "etcd at {} is of another cluster than the other endpoints: take out those that \
                 don't belong to it",
                member.address
            )));
        }
        member.met.store(true, Relaxed);
        Ok(())
    }

    async fn ask<Q, R>(
        &self,
        index: usize,
        channel: Channel,
        rpc: &'static str,
        request: Request<Q>,
    ) -> Result<R, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut grpc = self.ready(index, channel).await?;
        let path = PathAndQuery::from_static(rpc);
        let codec = ProstCodec::<Q, R>::default();
        let answer = grpc.unary(request, path, codec).await;
        answer
            .map(Response::into_inner)
            .map_err(|status| self.failure(index, &status))
    }

    /// Opens a stream of answers to one question that stays open.
    pub(super) async fn stream<Q, R>(
        &self,
        index: usize,
        channel: Channel,
        rpc: &'static str,
        request: Q,
    ) -> Result<Streaming<R>, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        use futures::stream::{StreamExt as _, once, pending};
        let questions = once(std::future::ready(request)).chain(pending());
        let request = self.request(questions);
        let open = async {
            let mut grpc = self.ready(index, channel).await?;
            let path = PathAndQuery::from_static(rpc);
            let answer = grpc
                .streaming(request, path, ProstCodec::<Q, R>::default())
                .await;
            answer
                .map(Response::into_inner)
                .map_err(|status| self.failure(index, &status))
        };
        self.within(index, self.timeouts.attempt, open).await
    }

    /// The member to ask next.
    pub(super) fn index(&self) -> usize {
        self.current.load(Relaxed) % self.members.len()
    }

    /// Away from a member that failed, unless somebody else has moved on.
    pub(super) fn move_on(&self, from: usize) {
        let next = (from + 1) % self.members.len();
        let _moved = self.current.compare_exchange(from, next, Relaxed, Relaxed);
    }

    /// A connection of one's own, made when it is first used.
    pub(super) fn connection(&self, index: usize) -> Channel {
        self.members[index].way().endpoint.connect_lazy()
    }

    pub(super) fn failure(&self, index: usize, status: &Status) -> Failure {
        let fresh = !self.answered.load(Relaxed);
        let hint = self.speech.hint(status).filter(|_| fresh);
        Failure::of(&self.members[index].address, status, hint)
    }

    fn request<Q>(&self, question: Q) -> Request<Q> {
        let mut request = Request::new(question);
        let metadata = request.metadata_mut();
        // A member cut off from the others shall say so, not wait for them.
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = self.token() {
            metadata.insert("token", token);
        }
        request
    }

    fn token(&self) -> Option<Token> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        token.clone()
    }

    async fn ready(&self, index: usize, channel: Channel) -> Result<Grpc<Channel>, Failure> {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
        match grpc.ready().await {
            Ok(()) => Ok(grpc),
            Err(error) => Err(Failure::NotSent(format!(
                "etcd at {}: {}",
                self.members[index].address,
                innermost(&error)
            ))),
        }
    }

    async fn within<T>(
        &self,
        index: usize,
        limit: Duration,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout(limit, call).await.unwrap_or_else(|_| {
            let address = &self.members[index].address;
            let seconds = limit.as_secs_f32();
            Err(Failure::Lost(format!(
                "etcd at {address} did not answer within {seconds:.1} s"
            )))
        })
    }

    /// Gets a token; `why` is what etcd said to the lack of one.
    async fn authenticate(
        &self,
        index: usize,
        channel: Channel,
        why: String,
    ) -> Result<(), Failure> {
        let Some(user) = &self.user else {
            let why = format!("{why}: it asks for a user and a password");
            return Err(Failure::Refused(Refusal::Other(why)));
        };
        let question = Request::new(AuthenticateRequest {
            name: user.name.clone(),
            password: user.password.expose_secret().to_owned(),
        });
        let answer: AuthenticateResponse = self
            .ask(index, channel, rpc::AUTHENTICATE, question)
            .await?;
        let mut token: Token = answer.token.parse().map_err(|_| {
            Failure::Refused(Refusal::Other("etcd gave a token that is no text".into()))
        })?;
        // No log of headers shows it.
        token.set_sensitive(true);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }
}
