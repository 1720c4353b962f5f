//! Composition of the server: which store, which daemons, which clock.
