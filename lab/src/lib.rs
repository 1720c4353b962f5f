//! The lab: real daemons in network namespaces, and what is proved on them.
//!
//! - [`world`]: namespaces of its own, from which nothing gets out and in which nothing stays
//! - [`topology`]: networks as data, the demo's among them; [`network`] lays one in [`netns`]
//! - [`daemon`], [`frr`], [`bird`], [`vrrp`]: the daemons on its nodes
//! - [`wan`], [`orchestrator`]: the demo's network with all its daemons, and the product itself
//! - [`scenario`]: states to bring them to; [`demo`]: the walk through the seed's transcript
//! - [`visit`]: looking around in a running lab; [`harness`]: how a test gets a world of its own
//! - [`sim`]: gobgpd's management side, simulated
//! - [`fleet`]: a few routers and the server, for tests of the orchestrator
//! - [`agent`]: `sdwan agent`, and the routes in a node's kernel
//! - [`proxy`]: a relay that stops between two calls
//! - [`terminal`]: a terminal, for what asks whoever sits there
//! - [`keystone`]: a Keystone, and who is known to it

pub mod agent;
pub mod bench;
pub mod bird;
pub mod chaos;
pub mod daemon;
pub mod demo;
pub mod fleet;
pub mod frr;
pub mod gobgp;
pub mod harness;
pub mod keystone;
pub mod netns;
pub mod network;
pub mod orchestrator;
pub mod proxy;
pub mod reach;
pub mod scenario;
pub mod sim;
pub mod table;
pub mod term;
pub mod terminal;
pub mod tools;
pub mod topology;
pub mod visit;
pub mod vrrp;
pub mod wait;
pub mod wan;
pub mod world;
