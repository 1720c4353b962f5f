//! A client for the management API of [GoBGP], versions 3 and 4 alike.
//!
//! GoBGP is managed over gRPC, and its two major versions do not speak the
//! same: the service has another path, a dozen enums have moved by one, some
//! messages have been rebuilt. This crate finds out which one answers and
//! hides the difference behind plain types with GoBGP's own names:
//!
//! - peers: list with state and counters, add, update without losing what is
//!   not said, delete, hold down, reset, watch;
//! - defined sets, statements, policies and their assignments;
//! - routes: list any table, add and withdraw, with attributes decoded from
//!   BGP's own bytes ([`bgp`]), which both versions share;
//! - best paths: the table and then every change, several paths a destination
//!   where they are in use, End-of-RIBs, in memory that a large table does not
//!   fill ([`Client::watch_routes`]);
//! - errors by what a caller can do about them: gobgpd answers nearly
//!   everything with the same code, so its texts are read.
//!
//! Every field and every enum that is used is proved by a round trip on real
//! daemons: 3.10, 3.36 and 4.8. Calls have deadlines, can run side by side on
//! one connection, and never do more than they say: an address that is empty,
//! which gobgpd takes for "all peers", is not sent.
//!
//! ```no_run
//! use sdwan_gobgp::types::{Global, PeerFilter, PeerSettings, SessionState};
//! use sdwan_gobgp::{Client, Error, Timeouts};
//! use futures::TryStreamExt;
//!
//! # async fn example() -> Result<(), Error> {
//! let client = Client::connect("192.0.2.1:50051", Timeouts::default()).await?;
//! if client.get_bgp().await?.asn == 0 {
//!     let router_id = "192.0.2.1".to_owned();
//!     client.start_bgp(&Global { asn: 65001, router_id, ..Global::default() }).await?;
//! }
//! let settings = PeerSettings { hold_time: Some(9), ..PeerSettings::new(65002) };
//! client.add_peer([192, 0, 2, 2].into(), &settings).await?;
//!
//! let mut events = Box::pin(client.watch_peers().await?);
//! while let Some(event) = events.try_next().await? {
//!     if event.peer.is_some_and(|peer| peer.state.session == SessionState::Established) {
//!         break;
//!     }
//! }
//! for peer in client.list_peers(PeerFilter::default()).await? {
//!     println!("{} {:?}", peer.conf.neighbor_address, peer.state.session);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What packets follow, as it changes:
//!
//! ```no_run
//! use sdwan_gobgp::types::{Family, RouteEvent};
//! # use sdwan_gobgp::{Client, Error};
//! # use futures::TryStreamExt;
//!
//! # async fn example(client: Client) -> Result<(), Error> {
//! let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
//! let mut events = Box::pin(client.watch_routes(&families).await?);
//! while let Some(event) = events.try_next().await? {
//!     match event {
//!         RouteEvent::Best(changes) => {
//!             for change in changes {
//!                 let next_hops = change.paths.iter().map(|path| path.next_hop);
//!                 println!("{} via {:?}", change.prefix, next_hops.collect::<Vec<_>>());
//!             }
//!         }
//!         RouteEvent::EndOfInit => println!("these were all, now the changes"),
//!         RouteEvent::EndOfRib { neighbor, .. } => println!("{neighbor} has sent all"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is not here: VRFs, RPKI, BMP, MRT, and peer groups as objects of
//! their own.
//!
//! [GoBGP]: https://osrg.github.io/gobgp/

pub mod bgp;
mod client;
mod dialect;
mod error;
mod fields;
mod patch;
mod routes;
pub mod types;
mod wire;

pub use client::{Client, Identity, Options, Timeouts, Tls};
pub use dialect::Api;
pub use error::Error;
pub use routes::RouteReader;
