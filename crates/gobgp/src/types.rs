//! GoBGP's objects as plain Rust values, the same for versions 3 and 4.
//! Names and meanings are GoBGP's own.
