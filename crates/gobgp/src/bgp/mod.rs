//! Routes as BGP writes them: what gobgpd lists of a path is raw bytes, in
//! which versions 3 and 4 agree.
//!
//! The bytes come from neighbors that nobody here controls. Reading is bounded
//! by their length, never panics, and never fails: what is not understood is
//! shown as an [`UnknownAttribute`] or as [`Nlri::Other`].

mod as_path;
mod attributes;
mod community;
mod encode;
mod nlri;
mod reader;

pub use as_path::{AsPath, Segment};
pub use attributes::{Aggregator, Attributes, Origin, UnknownAttribute};
pub use community::{Community, ExtCommunity, LargeCommunity};
pub use nlri::Nlri;
