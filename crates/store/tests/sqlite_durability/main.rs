//! What the SQLite store acknowledged is there after the worst: the process
//! killed in the middle of writing, the disk failing or full, and, as far as
//! the system calls tell, the power cut.
//!
//! Each test starts itself once more as a child process that writes.

#![allow(clippy::unwrap_used)]

mod child;
mod kill;
mod strace;
