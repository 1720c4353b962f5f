//! The orchestrator on real daemons, from outside: the real `sdwan server`, real gobgpd on a wire,
//! and what the far side of a session sees of it.
//!
//! Each test runs on the oldest and the newest gobgpd, side by side, in worlds of their own.

mod agent;
mod bring_up;
mod by_hand;
mod crash;
mod deletes;
mod ground;
mod hold;
mod late;
mod policies;
mod restart;
mod sessions;
mod updates;
