//! The speaker itself.

use super::Client;
use crate::dialect::rpc;
use crate::error::Error;
use crate::types::Global;
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
}
