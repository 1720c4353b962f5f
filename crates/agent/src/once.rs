//! `--once`: from one look at gobgpd and the kernel, with or without `--dry-run`.

use crate::agent::{self, Settings, check_protocol};
use crate::fib::{Change, Fib};
use crate::gobgp::{self, FAMILIES};
use crate::hold::Hold;
use crate::netlink::{self, Writer};
use crate::render;
use futures::StreamExt;
use sdwan_gobgp::Client;
use sdwan_gobgp::types::{Family, PeerFilter, RouteEvent};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Instant, SystemTime};

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// gobgpd can't be asked.
    #[error(transparent)]
    Gobgpd(#[from] sdwan_gobgp::Error),
    /// The kernel can't be talked to, or somebody else has our mark.
    #[error(transparent)]
    Agent(#[from] agent::Error),
    /// It ended before it had told its table.
    #[error("gobgpd at {0} ended the stream of routes before it had told its table")]
    Ended(String),
}

impl From<netlink::Error> for Error {
    fn from(error: netlink::Error) -> Self {
        Self::Agent(error.into())
    }
}

/// What was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// For eyes.
    pub text: String,
    /// How many routes change.
    pub changes: usize,
    /// How many the kernel refused.
    pub refused: usize,
}

/// Brings the kernel's table in step with gobgpd's; only says how, if it is a
/// dry run. What gobgpd has not confirmed goes only if it has told everything.
///
/// # Errors
/// See [`Error`].
pub async fn once(settings: &Settings, dry_run: bool) -> Result<Outcome, Error> {
    let (view, own) = netlink::look(settings.mark)?.into_view();
    check_protocol(settings.mark, &own)?;
    let mut fib = Fib::new(settings.mark, view);
    fib.take_over(own);
    fib.begin();
    tell(settings, &mut fib).await?;
    let mut changes = Vec::new();
    while fib.is_due() {
        changes.extend(fib.due(usize::MAX));
    }
    changes.sort_by_key(|change| change.prefix);
    let refused = if dry_run {
        0
    } else {
        carry_out(settings, &mut fib, &changes)?
    };
    Ok(Outcome {
        text: text(settings, &fib, &changes),
        changes: changes.len(),
        refused,
    })
}

/// gobgpd's table, and what goes since it is not in there.
async fn tell(settings: &Settings, fib: &mut Fib) -> Result<(), Error> {
    let client = Client::connect(&settings.gobgpd, settings.options()).await?;
    let mut events = pin!(client.watch_routes(&FAMILIES).await?);
    loop {
        match events.next().await {
            Some(Ok(RouteEvent::Best(changes))) => {
                for change in changes {
                    let hops = gobgp::next_hops(&change, |address| fib.view().is_own(address));
                    fib.want(change.prefix.trunc(), &hops);
                }
            }
            Some(Ok(RouteEvent::EndOfInit)) => break,
            Some(Ok(RouteEvent::EndOfRib { .. })) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Error::Ended(settings.gobgpd.clone())),
        }
    }
    let peers = client.list_peers(PeerFilter::default()).await?;
    let (now, wall) = (Instant::now(), SystemTime::now());
    let mut hold = Hold::new(settings.hold, BTreeSet::new(), now);
    let neighbors = peers.iter().filter_map(|peer| gobgp::neighbor(peer, wall));
    let neighbors: Vec<_> = neighbors.collect();
    fib.neighbors(gobgp::interfaces(&neighbors));
    hold.observe(neighbors, now);
    for family in FAMILIES {
        let told = !hold.neighbors().is_empty() && hold.missing(family).is_empty();
        if told || settings.hold.is_zero() {
            fib.sweep(family == Family::IPV6_UNICAST);
        }
    }
    Ok(())
}

fn carry_out(settings: &Settings, fib: &mut Fib, changes: &[Change]) -> Result<usize, Error> {
    let _lock = agent::lock(settings.mark)?;
    let mut writer = Writer::open(settings.mark)?;
    writer.check_permission()?;
    let report = writer.write(changes)?;
    let refused = report.failed.len();
    for (prefix, trouble) in report.failed {
        fib.failed(prefix, trouble);
    }
    Ok(refused)
}

fn text(settings: &Settings, fib: &Fib, changes: &[Change]) -> String {
    let rows = render::plan(fib, changes);
    let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    let add = count(|change| change.old.is_none());
    let delete = count(|change| change.new.is_none());
    let change = changes.len() - add - delete;
    let counts = fib.counts();
    let mark = settings.mark;
    format!(
        "{rows}table {}, proto {}, metric {}: {add} to add, {change} to change, {delete} to delete, \
         {} kept for now, {} unresolved, {} wanted\n",
        mark.table,
        mark.protocol,
        mark.metric,
        counts.stale,
        counts.unresolved(),
        counts.wanted,
    )
}
