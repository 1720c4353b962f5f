//! Addresses and networks.

use crate::value::quote;
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address; an IPv4-mapped IPv6 one is the IPv4 address that gobgpd would
/// make of it.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(refuse(text, "an IPv4 or IPv6 address")),
    }
}

pub(super) fn ipv4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse()
        .map_err(|_| refuse(text, "an IPv4 address, e.g. 192.0.2.1"))
}

pub(super) fn ipv6(text: &str) -> Result<Ipv6Addr, String> {
    text.parse()
        .map_err(|_| refuse(text, "an IPv6 address, e.g. 2001:db8::1"))
}

/// IPv4 or IPv6, without host bits.
pub(super) fn network(text: &str) -> Result<String, String> {
    let net = prefix(text, "a network, e.g. 10.0.0.0/24")?;
    without_host_bits(text, net)
}

pub(super) fn ipv4_network(text: &str) -> Result<String, String> {
    let net = ipv4_prefix(text, "an IPv4 network, e.g. 10.0.0.0/24")?;
    without_host_bits(text, net.into())
}

/// A host's address with its prefix length.
pub(super) fn ipv4_interface(text: &str) -> Result<String, String> {
    let net = ipv4_prefix(
        text,
        "an IPv4 address with its prefix length, e.g. 10.0.0.1/24",
    )?;
    // Both addresses of a /31 are hosts' (RFC 3021).
    if net.prefix_len() == 31 {
        return Ok(net.to_string());
    }
    if net.addr() == net.network() {
        return Err(format!(
            "{} is the network's own address, not a host's",
            quote(text)
        ));
    }
    if net.addr() == net.broadcast() {
        return Err(format!(
            "{} is the broadcast address, not a host's",
            quote(text)
        ));
    }
    Ok(net.to_string())
}

/// An IPv4 address with or without prefix length, or an IPv4 network.
pub(super) fn address_or_network(text: &str) -> Result<String, String> {
    if !text.contains('/') {
        return Ok(ipv4(text)?.to_string());
    }
    ipv4_network(text).or_else(|_| ipv4_interface(text))
}

fn prefix(text: &str, expected: &str) -> Result<IpNet, String> {
    let Some((address, length)) = text.split_once('/') else {
        return Err(refuse(text, expected));
    };
    if length.len() > 1 && length.starts_with('0') {
        let right = match length.trim_start_matches('0') {
            "" => prefix(&format!("{address}/0"), expected),
            rest => prefix(&format!("{address}/{rest}"), expected),
        };
        let right = right.map_err(|_| refuse(text, expected))?;
        return Err(format!("{} has leading zeros: write {right}", quote(text)));
    }
    // Not IpNet's own parser: it reads leading zeros.
    let address: IpAddr = address.parse().map_err(|_| refuse(text, expected))?;
    let digits = length.bytes().all(|b| b.is_ascii_digit());
    let length = length.parse().ok().filter(|_| digits);
    length
        .and_then(|length| IpNet::new(address, length).ok())
        .ok_or_else(|| refuse(text, expected))
}

fn ipv4_prefix(text: &str, expected: &str) -> Result<Ipv4Net, String> {
    match prefix(text, expected)? {
        IpNet::V4(net) => Ok(net),
        IpNet::V6(_) => Err(format!("must be {expected}, not {}", quote(text))),
    }
}

fn without_host_bits(text: &str, net: IpNet) -> Result<String, String> {
    if net.addr() != net.network() {
        return Err(format!(
            "{} has host bits set: write {}",
            quote(text),
            net.trunc()
        ));
    }
    Ok(net.to_string())
}

/// Says what was expected, or, where only leading zeros are in the way, what
/// would be right: some parsers read them as octal, so nobody may guess.
fn refuse(text: &str, expected: &str) -> String {
    let (address, rest) = match text.split_once('/') {
        Some((address, length)) => (address, format!("/{length}")),
        None => (text, String::new()),
    };
    match without_leading_zeros(address) {
        Some(right) => format!("{} has leading zeros: write {right}{rest}", quote(text)),
        None => format!("must be {expected}, not {}", quote(text)),
    }
}

fn without_leading_zeros(address: &str) -> Option<Ipv4Addr> {
    let octets: Vec<&str> = address
        .split('.')
        .map(|octet| match octet.trim_start_matches('0') {
            "" if !octet.is_empty() => "0",
            rest => rest,
        })
        .collect();
    let right = octets.join(".");
    if right == address {
        return None;
    }
    right.parse().ok()
}
