//! Packets follow BGP: a gobgpd's best routes in the kernel's table.

pub mod announce;
pub mod fib;
pub mod hold;
mod intern;
pub mod kernel;
pub mod netlink;
pub mod resolve;
mod rows;
