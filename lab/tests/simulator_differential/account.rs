//! Accounts for events: each that gobgpd tells must be one that the simulator
//! tells, and in the same order, peer by peer.
//!
//! Between two peers there is no order, and none between a peer and what
//! version 3 still has to say (with a type of its own) of one that was deleted
//! at the same address: it comes from another thread.

use anyhow::{Result, bail, ensure};
use sdwan_lab::sim::Gobgpd;
use sdwan_lab::sim::event::{Event, EventKind};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

type Streams = BTreeMap<(IpAddr, EventKind), VecDeque<Event>>;

/// What is not accounted for yet.
#[derive(Default)]
pub(crate) struct Account {
    /// gobgpd has told it.
    heard: Streams,
    /// The simulator has told it.
    expected: Streams,
    /// How many are accounted for.
    pub(crate) settled: usize,
}

impl Account {
    /// gobgpd has told these.
    pub(crate) fn hear(&mut self, events: Vec<Event>) {
        sort_into(&mut self.heard, events);
    }

    /// Strikes out what both have told, and lets the outside do what only
    /// gobgpd has told of so far; it tells whether it could have.
    pub(crate) fn follow(
        &mut self,
        simulated: &mut Gobgpd,
        outside: impl Fn(&mut Gobgpd, &Event) -> bool,
    ) -> Result<()> {
        sort_into(&mut self.expected, simulated.heard());
        let told: Vec<_> = self.heard.keys().copied().collect();
        for stream in told {
            self.strike(stream)?;
            while let Some(next) = self.heard.get(&stream).and_then(VecDeque::front)
                && outside(simulated, next)
            {
                sort_into(&mut self.expected, simulated.heard());
                self.strike(stream)?;
            }
        }
        Ok(())
    }

    fn strike(&mut self, stream: (IpAddr, EventKind)) -> Result<()> {
        let heard = self.heard.entry(stream).or_default();
        let expected = self.expected.entry(stream).or_default();
        while let (Some(real), Some(simulated)) = (heard.front(), expected.front()) {
            ensure!(
                real == simulated,
                "gobgpd tells {real:?}, the simulator {simulated:?}"
            );
            heard.pop_front();
            expected.pop_front();
            self.settled += 1;
        }
        Ok(())
    }

    /// What gobgpd has yet to tell, if it is not all accounted for: an error
    /// where it has told more than the simulator.
    pub(crate) fn missing(&self) -> Result<Option<&Event>> {
        if let Some(event) = self.heard.values().flatten().next() {
            bail!("gobgpd tells {event:?}, the simulator nothing");
        }
        Ok(self.expected.values().flatten().next())
    }
}

fn sort_into(streams: &mut Streams, events: Vec<Event>) {
    for event in events {
        let stream = streams.entry((event.address, event.kind)).or_default();
        stream.push_back(event);
    }
}
