//! A server's way to the daemons: each message takes its time, can get lost,
//! and is on its way even when its sender is gone.

use super::judge::Judge;
use super::process::{Cut, Process};
use crate::support::daemon::{Daemon, Network, title};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, unfold};
use sdwan_model::observed::{Observed, Version};
use sdwan_model::plan::Op;
use sdwan_server::speaker::{Counters, Dial, Error, Route, SessionEvent, Speaker};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The real client's patience with one call.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub struct Wires {
    pub network: Network,
    pub judge: Arc<Judge>,
    pub process: Arc<Process>,
}

impl Dial for Wires {
    fn dial(&self, address: &str) -> BoxFuture<'static, Result<Box<dyn Speaker>, Error>> {
        let wire = Wire {
            address: address.to_owned(),
            daemon: self.network.daemon(address),
            judge: self.judge.clone(),
            process: self.process.clone(),
            epoch: self.process.link(address).epoch,
        };
        let dial = self.network.dial(address);
        Box::pin(async move {
            wire.reach().await?;
            wire.process.travel().await;
            let inner = Arc::from(dial.await?);
            wire.reach().await?;
            Ok(Box::new(Connection { inner, wire }) as Box<dyn Speaker>)
        })
    }
}

/// What a connection goes through.
#[derive(Clone)]
struct Wire {
    address: String,
    daemon: Daemon,
    judge: Arc<Judge>,
    process: Arc<Process>,
    epoch: u64,
}

impl Wire {
    fn broken(&self) -> Result<Option<Cut>, Error> {
        let link = self.process.link(&self.address);
        match link.cut {
            Some(Cut::Refused) => Err(Error::Unreachable("connection refused".into())),
            _ if link.epoch != self.epoch => Err(Error::Unreachable("connection reset".into())),
            cut => Ok(cut),
        }
    }

    /// Ends when the server runs and hears the daemon.
    async fn reach(&self) -> Result<(), Error> {
        self.process.runs().await;
        if self.broken()? == Some(Cut::Silent) {
            tokio::time::sleep(PATIENCE).await;
            self.process.runs().await;
            return Err(Error::Unanswered("no answer in time".into()));
        }
        Ok(())
    }
}

struct Connection {
    inner: Arc<dyn Speaker>,
    wire: Wire,
}

impl Connection {
    async fn look<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.wire.reach().await?;
        self.wire.process.travel().await;
        let answer = answer.await;
        self.wire.process.travel().await;
        self.wire.reach().await?;
        answer
    }

    /// A write call on its way, whoever waits for it.
    async fn deliver(inner: Arc<dyn Speaker>, wire: Wire, op: Op, late: bool) -> Result<(), Error> {
        let got_lost = || Error::Unreachable("the call got lost".into());
        let lost = wire.process.loses_call();
        wire.process.travel().await;
        if wire.broken()?.is_some() || lost == Some(false) {
            return Err(got_lost());
        }
        let call = title(&op);
        let by = wire.process.name();
        wire.judge.arrives(by, &wire.address, &call, late).await;
        let before = wire.daemon.all_falls();
        let answer = inner.apply(&op).await;
        for (neighbor, falls) in wire.daemon.all_falls() {
            if falls > before.get(&neighbor).copied().unwrap_or_default() {
                wire.judge.fell(&wire.address, neighbor, &call, late);
            }
        }
        wire.process.travel().await;
        if lost == Some(true) {
            return Err(got_lost());
        }
        answer
    }
}

#[async_trait::async_trait]
impl Speaker for Connection {
    async fn observe(&self, said: Option<Version>) -> Result<Observed, Error> {
        self.look(self.inner.observe(said)).await
    }

    async fn apply(&self, op: &Op) -> Result<(), Error> {
        let late = self.wire.process.takes_late();
        if !late {
            self.wire.reach().await?;
        }
        let (answer, answered) = oneshot::channel();
        let (inner, wire, op) = (self.inner.clone(), self.wire.clone(), op.clone());
        tokio::spawn(async move {
            if late {
                wire.process.runs().await;
            }
            // Nobody may be there to hear it.
            let _ = answer.send(Self::deliver(inner, wire, op, late).await);
        });
        let answer = answered.await.unwrap();
        self.wire.reach().await?;
        answer
    }

    async fn heartbeat(&self) -> Result<u32, Error> {
        self.look(self.inner.heartbeat()).await
    }

    async fn watch(&self) -> Result<BoxStream<'static, Result<Vec<SessionEvent>, Error>>, Error> {
        let events = self.look(self.inner.watch()).await?;
        let open = Some((events, self.wire.clone()));
        Ok(unfold(open, |open| async move {
            let (mut events, wire) = open?;
            loop {
                let changed = wire.process.changed();
                match wire.broken() {
                    Err(error) => {
                        wire.process.runs().await;
                        return Some((Err(error), None));
                    }
                    Ok(Some(_)) => changed.await,
                    Ok(None) => tokio::select! {
                        biased;
                        () = changed => {}
                        batch = events.next() => {
                            // One message is not split by what happens meanwhile.
                            let batch = batch?;
                            wire.process.travel().await;
                            wire.process.runs().await;
                            return Some((batch, Some((events, wire))));
                        }
                    },
                }
            }
        })
        .boxed())
    }

    async fn counters(&self) -> Result<Vec<Counters>, Error> {
        self.look(self.inner.counters()).await
    }

    async fn rib(&self, prefix: Option<&str>) -> Result<Vec<Route>, Error> {
        self.look(self.inner.rib(prefix)).await
    }
}
