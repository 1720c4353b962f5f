//! What one client may cost: `limits`. Times are in seconds.

use super::keys;
use super::section::Section;
use crate::limits::Limits;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A day: longer is no limit.
const SECONDS: RangeInclusive<u64> = 1..=24 * 60 * 60;

pub(super) fn limits(top: &Section<'_>) -> Limits {
    let section = top.section("limits", &keys::LIMITS);
    let default = Limits::default();
    let count = |key, range: RangeInclusive<u64>, default: usize| {
        let number = section.number(key, range).map(usize::try_from);
        number.and_then(Result::ok).unwrap_or(default)
    };
    let rate = |key, default: u32| {
        let number = section.number(key, 0..=1_000_000).map(u32::try_from);
        number.and_then(Result::ok).unwrap_or(default)
    };
    let time = |key, default: Duration| {
        let seconds = section.number(key, SECONDS);
        seconds.map_or(default, Duration::from_secs)
    };
    let limits = Limits {
        connections: count("connections", 16..=1_000_000, default.connections),
        connections_per_peer: count(
            "connections_per_peer",
            1..=1_000_000,
            default.connections_per_peer,
        ),
        handshake: time("handshake_timeout", default.handshake),
        head: time("head_timeout", default.head),
        body: time("body_timeout", default.body),
        request: time("request_timeout", default.request),
        stall: time("stall_timeout", default.stall),
        // hyper reads 8 KiB at least, and this is its buffer.
        head_bytes: count("head_bytes", 8 << 10..=1 << 20, default.head_bytes),
        headers: count("headers", 16..=1000, default.headers),
        // hyper takes no longer one.
        url_bytes: count("url_bytes", 256..=65_534, default.url_bytes),
        body_bytes: count("body_bytes", 4 << 10..=64 << 20, default.body_bytes),
        // Each level is one of the stack's, too.
        nesting: count("nesting", 8..=128, default.nesting),
        requests_per_second: rate("requests_per_second", default.requests_per_second),
        watches: count("watches", 0..=1_000_000, default.watches),
        failed_logins_per_minute: rate(
            "failed_logins_per_minute",
            default.failed_logins_per_minute,
        ),
        ..default
    };
    if limits.body >= limits.request {
        let message = "\"body_timeout\" must be less than \"request_timeout\", \
                       whose part it is";
        section.error("body_timeout", message);
    }
    limits
}
