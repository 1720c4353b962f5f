//! A watch: its own connection, so that a slow reader holds nobody up; opened
//! again where it breaks, from the last revision that was told whole.
//!
//! It starts at that revision rather than after it, and leaves out what is
//! known: so etcd refuses it exactly when something after that revision may be
//! gone.

use super::cluster::{Cluster, rpc};
use super::failure::{Failure, Refusal};
use super::layout::{Layout, Range};
use super::pause::Pause;
use super::txn;
use super::wire::{
    self, Event, RangeRequest, RangeResponse, WatchCreateRequest, WatchRequest, WatchResponse,
    event::Type, watch_request::RequestUnion,
};
use crate::{Batch, Change, Error, Revision, Watch};
use futures::stream::{StreamExt as _, try_unfold};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::Streaming;
use tonic::transport::Channel;

/// Between tries to open it again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The watch of `prefix` after `after`; ends when `open` closes.
///
/// # Errors
/// [`Error::Compacted`], or [`Error::Unavailable`] when no member answers in
/// time.
pub(super) async fn follow(
    cluster: Arc<Cluster>,
    layout: Layout,
    prefix: &str,
    after: Revision,
    open: watch::Receiver<()>,
) -> Result<Watch, Error> {
    let deadline = cluster.deadline();
    let mut follower = Follower {
        range: layout.under(prefix),
        gathered: Gathered::after(after),
        layout,
        cluster,
        answers: None,
        ready: VecDeque::new(),
        pause: Pause::new(FIRST_PAUSE, LONGEST_PAUSE),
    };
    follower.open(Some(deadline)).await?;
    let watch = try_unfold((follower, open), |(mut follower, mut open)| async move {
        let batch = tokio::select! {
            biased;
            batch = follower.next() => batch?,
            // The sender never sends: this is its end.
            _ = open.changed() => return Err(Error::Unavailable("it was closed".into())),
        };
        Ok(Some((batch, (follower, open))))
    });
    Ok(watch.boxed())
}

struct Follower {
    cluster: Arc<Cluster>,
    layout: Layout,
    range: Range,
    gathered: Gathered,
    answers: Option<Box<Answers>>,
    ready: VecDeque<Batch>,
    /// Before it is opened again.
    pause: Pause,
}

/// An open stream, and the connection that is its own.
struct Answers {
    member: usize,
    since: Instant,
    stream: Streaming<WatchResponse>,
    _connection: Channel,
}

/// How opening it ended.
enum Opened {
    Open(Box<Answers>),
    Compacted(Revision),
}

impl Follower {
    async fn next(&mut self) -> Result<Batch, Error> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            let Some(answers) = &mut self.answers else {
                self.open(None).await?;
                continue;
            };
            let (member, since) = (answers.member, answers.since);
            let broken = match answers.stream.message().await {
                Ok(Some(answer)) if answer.compact_revision != 0 => {
                    let oldest = wire::revision(answer.compact_revision);
                    return Err(Error::Compacted { oldest });
                }
                Ok(Some(answer)) if !answer.canceled => {
                    self.ready = self.gathered.take(&self.layout, answer);
                    continue;
                }
                Ok(Some(answer)) => format!("etcd ends it: {:?}", answer.cancel_reason),
                Ok(None) => "it closed the stream".into(),
                Err(status) => {
                    let failure = self.cluster.failure(member, &status);
                    failure.into_error().to_string()
                }
            };
            tracing::info!(why = broken, after = %self.gathered.after, "the watch is opened again");
            self.answers = None;
            self.gathered.drop_partial();
            self.cluster.move_on(member);
            // It may break as soon as it is open, time and again.
            if since.elapsed() > LONGEST_PAUSE {
                self.pause.reset();
            }
            self.pause.wait().await;
        }
    }

    /// Opens it at some member, however long that takes if there is no deadline.
    async fn open(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        loop {
            let member = self.cluster.index();
            let failure = match self.open_at(member).await {
                Ok(Opened::Open(answers)) => {
                    self.answers = Some(answers);
                    return Ok(());
                }
                Ok(Opened::Compacted(oldest)) => return Err(Error::Compacted { oldest }),
                Err(failure @ Failure::Refused(_)) => return Err(failure.into_error()),
                Err(failure) => failure,
            };
            self.cluster.move_on(member);
            if deadline.is_some_and(|deadline| Instant::now() + self.pause.peek() >= deadline) {
                return Err(failure.into_error());
            }
            tracing::debug!(?failure, "the watch can't be opened yet");
            self.pause.wait().await;
        }
    }

    async fn open_at(&self, member: usize) -> Result<Opened, Failure> {
        let connection = self.cluster.connection(member);
        // etcd opens a watch before it looks whether it can: so it is asked
        // first. The member that knows of the compaction now will refuse then.
        let compacted = self.is_compacted(member, &connection).await?;
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest {
                key: self.range.from.clone(),
                range_end: self.range.to.clone(),
                start_revision: self.start(),
                fragment: true,
            })),
        };
        let mut stream: Streaming<WatchResponse> = self
            .cluster
            .stream(member, connection.clone(), rpc::WATCH, request)
            .await?;
        loop {
            let limit = self.cluster.timeouts.attempt;
            let answer = match timeout(limit, stream.message()).await {
                Ok(Ok(Some(answer))) => answer,
                Ok(Err(status)) => return Err(self.cluster.failure(member, &status)),
                Ok(Ok(None)) => return Err(Failure::Lost("etcd: it closed the watch".into())),
                Err(_) => return Err(Failure::Lost("etcd: it does not open the watch".into())),
            };
            if answer.compact_revision != 0 {
                return Ok(Opened::Compacted(wire::revision(answer.compact_revision)));
            }
            if answer.canceled {
                let why = format!("etcd refuses the watch: {}", answer.cancel_reason);
                return Err(Failure::Refused(Refusal::Other(why)));
            }
            if answer.created && !compacted {
                return Ok(Opened::Open(Box::new(Answers {
                    member,
                    since: Instant::now(),
                    stream,
                    _connection: connection,
                })));
            }
        }
    }

    /// Whether revisions after the last one told may be gone.
    async fn is_compacted(&self, member: usize, connection: &Channel) -> Result<bool, Failure> {
        let question = RangeRequest {
            key: self.range.from.clone(),
            revision: self.start(),
            keys_only: true,
            ..RangeRequest::default()
        };
        let limit = self.cluster.timeouts.attempt;
        let answer: Result<RangeResponse, _> = self
            .cluster
            .on(member, connection.clone(), rpc::RANGE, &question, limit)
            .await;
        match answer {
            Ok(_) | Err(Failure::Refused(Refusal::Future)) => Ok(false),
            Err(Failure::Refused(Refusal::Compacted)) => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    /// An empty etcd is at revision 1; 0 would mean the newest.
    fn start(&self) -> i64 {
        wire::to_wire(self.gathered.after).max(1)
    }
}

/// What etcd sent, put together to whole revisions.
#[derive(Debug)]
struct Gathered {
    /// Everything up to this revision is told.
    after: Revision,
    /// The one that may go on in the next part of the answer.
    partial: Option<Batch>,
}

impl Gathered {
    const fn after(after: Revision) -> Self {
        Self {
            after,
            partial: None,
        }
    }

    /// The revisions that are whole with this answer.
    fn take(&mut self, layout: &Layout, answer: WatchResponse) -> VecDeque<Batch> {
        let mut whole = VecDeque::new();
        for event in answer.events {
            let at = event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
            let revision = wire::revision(at);
            if revision <= self.after {
                continue;
            }
            if self
                .partial
                .as_ref()
                .is_some_and(|partial| partial.revision != revision)
            {
                whole.extend(self.finish());
            }
            let partial = self.partial.get_or_insert_with(|| Batch {
                revision,
                changes: Vec::new(),
            });
            partial.changes.extend(change(layout, event));
        }
        if !answer.fragment {
            whole.extend(self.finish());
        }
        whole
    }

    /// None where nothing in it was an entry.
    fn finish(&mut self) -> Option<Batch> {
        let mut batch = self.partial.take()?;
        self.after = batch.revision;
        batch.changes.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        (!batch.changes.is_empty()).then_some(batch)
    }

    /// The rest of it won't come over a stream that broke.
    fn drop_partial(&mut self) {
        self.partial = None;
    }
}

fn change(layout: &Layout, event: Event) -> Option<Change> {
    let is_put = event.r#type() == Type::Put;
    let kv = event.kv?;
    if is_put {
        return txn::entry(layout, kv).map(Change::Put);
    }
    let key = layout.entry(kv.key)?;
    Some(Change::Delete { key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::wire::KeyValue;

    fn answer(fragment: bool, events: &[(&str, i64)]) -> WatchResponse {
        let event = |(key, at): &(&str, i64)| Event {
            r#type: Type::Delete.into(),
            kv: Some(KeyValue {
                key: key.as_bytes().into(),
                mod_revision: *at,
                ..KeyValue::default()
            }),
        };
        WatchResponse {
            fragment,
            events: events.iter().map(event).collect(),
            ..WatchResponse::default()
        }
    }

    fn told(gathered: &mut Gathered, answer: WatchResponse) -> Vec<(u64, Vec<String>)> {
        let batches = gathered.take(&Layout::new(String::new()), answer);
        let keys = |batch: &Batch| batch.changes.iter().map(|c| c.key().to_owned()).collect();
        batches
            .iter()
            .map(|batch| (batch.revision.0, keys(batch)))
            .collect()
    }

    #[test]
    fn a_revision_in_parts_is_told_once_it_is_whole() {
        let mut gathered = Gathered::after(Revision(4));
        let first = answer(true, &[("/b", 4), ("/b", 5), ("/c", 6)]);
        assert_eq!(told(&mut gathered, first), [(5, vec!["/b".to_owned()])]);
        assert_eq!(told(&mut gathered, answer(true, &[("/a", 6)])), []);
        let last = answer(false, &[("/b", 6), ("/d", 7)]);
        let expected = [
            (6, ["/a", "/b", "/c"].map(str::to_owned).to_vec()),
            (7, vec!["/d".to_owned()]),
        ];
        assert_eq!(told(&mut gathered, last), expected);
    }

    #[test]
    fn what_broke_off_comes_again_from_its_start() {
        let mut gathered = Gathered::after(Revision(0));
        assert_eq!(told(&mut gathered, answer(true, &[("/a", 2)])), []);
        gathered.drop_partial();
        assert_eq!(gathered.after, Revision(0));
        let again = answer(false, &[("/a", 2), ("/b", 2)]);
        let expected = [(2, ["/a", "/b"].map(str::to_owned).to_vec())];
        assert_eq!(told(&mut gathered, again), expected);
    }
}
