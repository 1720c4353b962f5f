//! TLS with the real program on each of its sides: the command line and the
//! API, the server and gobgpd, the agent and gobgpd.

mod agent;
mod api;
mod authority;
mod gobgpd;
mod server;
