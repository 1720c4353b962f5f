//! A client for GoBGP's management API that speaks versions 3 and 4.
//!
//! Why: no crate offers it, and the two versions differ in gRPC paths, enum
//! numbers and a few messages. One hand-written .proto subset and a dialect
//! per version hide that behind plain types. The crate uses nothing else of
//! this workspace.

pub mod bgp;
mod client;
mod dialect;
mod error;
mod patch;
pub mod types;
mod wire;

pub use client::{Client, Timeouts};
pub use dialect::Api;
pub use error::Error;
