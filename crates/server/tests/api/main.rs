//! The HTTP surface, on a store in memory: through the service itself where
//! that is enough, over a socket where connections matter.

mod about;
mod audit;
mod bad_input;
mod cluster;
mod discreet;
mod fake;
mod fib;
mod fresh;
mod guard;
mod harness;
mod hostile;
mod lists;
mod own_kinds;
mod routers;
mod rows;
mod socket;
mod tenants;
mod tls;
mod tokens;
mod transaction;
mod watch;
mod who;
