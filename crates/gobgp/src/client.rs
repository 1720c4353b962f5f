//! The connection: detection of the version, a deadline on every call.

/// A connection to one gobgpd. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {}
