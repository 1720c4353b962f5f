//! The speaker itself.

use super::Client;
use crate::dialect::rpc;
use crate::error::Error;
use crate::types::{Global, Zebra};
use crate::wire;

impl Client {
    /// What runs; `asn` is 0 until BGP is started. Cheap: the heartbeat.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get_bgp(&self) -> Result<Global, Error> {
        let answer: wire::GetBgpResponse = self.unary(rpc!("GetBgp"), wire::Empty {}).await?;
        // A message with nothing but defaults in it may be left out.
        Ok(Global::from_wire(answer.global.unwrap_or_default()))
    }

    /// Starts BGP. Only ever for a daemon whose `asn` is 0: with another
    /// port, a second start silently replaces AS and table and keeps old
    /// peers.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start_bgp(&self, global: &Global) -> Result<(), Error> {
        let request = wire::StartBgpRequest {
            global: Some(global.to_wire()),
        };
        self.unary::<_, wire::Empty>(rpc!("StartBgp"), request)
            .await
            .map(drop)
    }

    /// Connects gobgpd to a zebra, for the life of its process: no call ends
    /// it, and gobgpd doesn't connect again when zebra is started anew.
    ///
    /// An `Ok` says that something answered, not that routes are installed
    /// rightly: with a zebra of another version than it was told, gobgpd
    /// installs nonsense, or panics (3.10 with FRR 8.4).
    ///
    /// It waits for zebra in its one management thread. Where something
    /// listens that says nothing, the whole daemon stands still until that
    /// goes away; where something accepts and closes at once, it may stand
    /// still for good.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a version that no zebra has, [`Error::Exists`]
    /// for a gobgpd that has a zebra; else see [`Error`].
    pub async fn enable_zebra(&self, zebra: &Zebra) -> Result<(), Error> {
        let rpc = rpc!("EnableZebra");
        if !(2..=6).contains(&zebra.version) {
            // gobgpd would take another one without a word.
            return Err(Error::invalid(rpc, "zebra's API versions are 2 to 6"));
        }
        self.unary::<_, wire::Empty>(rpc, zebra.to_wire())
            .await
            .map(drop)
    }
}
