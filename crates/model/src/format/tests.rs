//! Formats: what each takes, refuses, and makes canonical.

use super::*;
use proptest::prelude::*;

/// Format, text, canonical text.
const TAKEN: &[(&str, &str, &str)] = &[
    ("mac", "00:1B:21:0a:0b:0C", "00:1b:21:0a:0b:0c"),
    ("ip", "10.0.0.1", "10.0.0.1"),
    ("ip", "2001:DB8:0:0::1", "2001:db8::1"),
    ("ip", "::ffff:10.0.0.1", "10.0.0.1"),
    ("ip-or-empty", "", ""),
    ("ip-or-empty", "FE80::1", "fe80::1"),
    ("ipv4", "255.255.255.255", "255.255.255.255"),
    ("ipv6", "::", "::"),
    ("cidr", "10.0.0.0/24", "10.0.0.0/24"),
    ("cidr", "0.0.0.0/0", "0.0.0.0/0"),
    ("cidr", "10.0.0.1/32", "10.0.0.1/32"),
    ("cidr", "2001:DB8::/32", "2001:db8::/32"),
    ("cidr-or-ipv4", "10.0.0.1", "10.0.0.1"),
    ("cidr-or-ipv4", "10.0.0.0/24", "10.0.0.0/24"),
    ("cidr-or-ipv4", "10.0.0.1/24", "10.0.0.1/24"),
    ("ipv4-network", "172.16.0.0/12", "172.16.0.0/12"),
    ("ipv4-address-with-cidr", "10.0.0.1/24", "10.0.0.1/24"),
    ("ipv4-address-with-cidr", "10.0.0.0/31", "10.0.0.0/31"),
    ("ipv4-address-with-cidr", "10.0.0.1/31", "10.0.0.1/31"),
    ("regex", "^a[0-9]+$", "^a[0-9]+$"),
    (
        "uuid",
        "0483728D546A47D799CE6734AA853C1E",
        "0483728d-546a-47d7-99ce-6734aa853c1e",
    ),
    (
        "hyph-uuid",
        "0483728D-546a-47d7-99ce-6734aa853c1e",
        "0483728d-546a-47d7-99ce-6734aa853c1e",
    ),
    (
        "non-hyph-uuid",
        "0483728d546a47d799ce6734aa853c1E",
        "0483728d546a47d799ce6734aa853c1e",
    ),
    ("port", "1", "1"),
    ("port", "65535", "65535"),
    ("yaml", "{a: [", "{a: ["),
    ("text", "anything\n", "anything\n"),
    ("version", "1", "1"),
    ("version", "v1.2", "v1.2"),
    ("version", "1.2.3-rc.1+build.7", "1.2.3-rc.1+build.7"),
    (
        "version-constraint",
        ">= 1.2, < 3.0.0 || ~4.1",
        ">= 1.2, < 3.0.0 || ~4.1",
    ),
    ("version-constraint", "1.2 - 1.4.5", "1.2 - 1.4.5"),
    ("version-constraint", "1.x", "1.x"),
    ("version-constraint", "^2 !=2.3", "^2 !=2.3"),
    ("secret", "p4ss", "p4ss"),
    ("gobgp-action", "next-hop self", "next-hop self"),
    ("mgmt-addr", "192.168.200.103", "192.168.200.103"),
    (
        "mgmt-addr",
        "192.168.200.103:50051",
        "192.168.200.103:50051",
    ),
    (
        "mgmt-addr",
        "GoBGP-1.Example:50052",
        "gobgp-1.example:50052",
    ),
    ("mgmt-addr", "2001:DB8::1", "2001:db8::1"),
    ("mgmt-addr", "[2001:DB8::1]", "2001:db8::1"),
    ("mgmt-addr", "[2001:DB8::1]:7", "[2001:db8::1]:7"),
    ("mgmt-addr", "[::ffff:10.0.0.1]:7", "10.0.0.1:7"),
];

/// Format, text, what the refusal says.
const REFUSED: &[(&str, &str, &str)] = &[
    ("mac", "00:1b:21:0a:0b", "must be a MAC address"),
    ("mac", "00-1b-21-0a-0b-0c", "must be a MAC address"),
    ("ip", "", "must be an IPv4 or IPv6 address"),
    ("ip", "10.0.0", "must be an IPv4 or IPv6 address"),
    ("ip", "10.0.0.1 ", "must be an IPv4 or IPv6 address"),
    ("ip", "fe80::1%eth0", "must be an IPv4 or IPv6 address"),
    (
        "ip",
        "10.00.0.01",
        r#""10.00.0.01" has leading zeros: write 10.0.0.1"#,
    ),
    ("ip", "1\u{1b}[31m", r#"not "1\u{1b}[31m""#),
    ("ipv4", "2001:db8::1", "must be an IPv4 address"),
    ("ipv4", "256.0.0.1", "must be an IPv4 address"),
    ("ipv6", "10.0.0.1", "must be an IPv6 address"),
    (
        "cidr",
        "10.0.0.1/24",
        r#""10.0.0.1/24" has host bits set: write 10.0.0.0/24"#,
    ),
    (
        "cidr",
        "2001:db8::1/32",
        r#""2001:db8::1/32" has host bits set: write 2001:db8::/32"#,
    ),
    ("cidr", "10.0.0.0", "must be a network"),
    ("cidr", "10.0.0.0/33", "must be a network"),
    ("cidr", "10.0.0.0/", "must be a network"),
    ("cidr", "10.0.0.0/08", "leading zeros: write 10.0.0.0/8"),
    ("cidr", "10.00.0.0/8", "leading zeros: write 10.0.0.0/8"),
    ("cidr", "10.0.0.0/00", "leading zeros: write 10.0.0.0/0"),
    ("cidr", "x\u{1b}/08", "must be a network"),
    ("cidr-or-ipv4", "10.0.0.255/24", "is the broadcast address"),
    ("cidr-or-ipv4", "2001:db8::1", "must be an IPv4 address"),
    ("ipv4-network", "2001:db8::/32", "must be an IPv4 network"),
    ("ipv4-network", "10.0.0.1/24", "has host bits set"),
    (
        "ipv4-address-with-cidr",
        "10.0.0.0/24",
        "is the network's own address",
    ),
    (
        "ipv4-address-with-cidr",
        "10.0.0.255/24",
        "is the broadcast address",
    ),
    (
        "ipv4-address-with-cidr",
        "10.0.0.1",
        "with its prefix length",
    ),
    (
        "regex",
        "a(",
        r#""a(" is not a regular expression: unclosed group"#,
    ),
    ("uuid", "0483728d", "must be a UUID"),
    (
        "hyph-uuid",
        "0483728d546a47d799ce6734aa853c1e",
        "with hyphens",
    ),
    (
        "hyph-uuid",
        "0483728d-546a-07d7-99ce-6734aa853c1e",
        "with hyphens",
    ),
    (
        "non-hyph-uuid",
        "0483728d-546a-47d7-99ce-6734aa853c1e",
        "without hyphens",
    ),
    ("port", "0", "1 to 65535"),
    ("port", "65536", "1 to 65535"),
    ("port", "+80", "1 to 65535"),
    ("port", "0080", r#""0080" has leading zeros: write 80"#),
    ("version", "", "must be a version"),
    ("version", "1.2.3.4", "must be a version"),
    ("version", "1..2", "must be a version"),
    ("version-constraint", "", "must be a version constraint"),
    ("version-constraint", ">= ", "must be a version constraint"),
    (
        "version-constraint",
        "> < 1",
        "must be a version constraint",
    ),
    ("version-constraint", "1 ||", "must be a version constraint"),
    ("version-constraint", "><1", "must be a version constraint"),
    ("gobgp-action", "next-hop nowhere", ""),
    ("mgmt-addr", "", "must be host or host:port"),
    ("mgmt-addr", "http://10.0.0.1", "without a scheme"),
    (
        "mgmt-addr",
        "10.0.0.1:0",
        r#"the port of "10.0.0.1:0" must be 1 to 65535"#,
    ),
    ("mgmt-addr", "10.0.0.1:70000", "must be 1 to 65535"),
    ("mgmt-addr", "10.0.0.01", "leading zeros: write 10.0.0.1"),
    ("mgmt-addr", "10.0.0", "must be an IPv4 address"),
    ("mgmt-addr", "[10.0.0.1]:1", "in brackets"),
    ("mgmt-addr", "[::1]x", "in brackets"),
    ("mgmt-addr", "a b", "must be host or host:port"),
    ("mgmt-addr", "-a", "must be host or host:port"),
    ("mgmt-addr", "a..b", "must be host or host:port"),
    ("mgmt-addr", "$(reboot)", "must be host or host:port"),
];

fn named(name: &str) -> Format {
    Format::named(name).unwrap_or_else(|| panic!("no format {name}"))
}

#[test]
fn canonical_texts() {
    for (format, text, expected) in TAKEN {
        let found = named(format).canonical(text);
        assert_eq!(found.as_deref(), Ok(*expected), "{format} {text:?}");
    }
}

#[test]
fn refusals_say_what_would_be_right() {
    for (format, text, expected) in REFUSED {
        let found = named(format).canonical(text).expect_err(text);
        assert!(found.contains(expected), "{format} {text:?}: {found}");
    }
}

#[test]
fn one_endpoint_has_one_key() {
    for spelling in ["gobgp-1", "GoBGP-1", "gobgp-1:50051"] {
        assert_eq!(Format::MgmtAddr.key(spelling), "gobgp-1:50051");
    }
    for spelling in ["2001:db8::1", "[2001:DB8::1]", "[2001:db8:0::1]:50051"] {
        assert_eq!(Format::MgmtAddr.key(spelling), "[2001:db8::1]:50051");
    }
    assert_eq!(Format::MgmtAddr.key("not an address"), "not an address");
}

#[test]
fn every_format_of_gohan_is_known() {
    for name in [
        "mac",
        "ipv4",
        "cidr",
        "cidr-or-ipv4",
        "ipv4-network",
        "ipv4-address-with-cidr",
        "regex",
        "uuid",
        "hyph-uuid",
        "non-hyph-uuid",
        "port",
        "yaml",
        "text",
        "version",
        "version-constraint",
    ] {
        assert!(names().contains(&name), "{name}");
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(all().map(|(_, f)| f).collect::<Vec<_>>())
}

/// Text that has a chance to be right.
fn likely() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::IpAddr>().prop_map(|a| a.to_string()),
        (any::<std::net::Ipv4Addr>(), 0..33u8).prop_map(|(a, l)| format!("{a}/{l}")),
        (any::<std::net::Ipv6Addr>(), 0..129u8).prop_map(|(a, l)| format!("{a}/{l}")),
        (any::<std::net::Ipv6Addr>(), any::<u16>()).prop_map(|(a, p)| format!("[{a}]:{p}")),
        "[A-Za-z0-9-]{1,8}(\\.[a-z0-9]{1,4}){0,2}(:[0-9]{1,5})?",
        "[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
        "([0-9A-F]{2}:){5}[0-9a-f]{2}",
        "(>=|<|~)? ?[0-9]{1,2}(\\.[0-9x]){0,3}",
        "\\PC{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn canonical_text_is_its_own(format in any_format(), text in likely()) {
        if let Ok(right) = format.canonical(&text) {
            prop_assert_eq!(format.canonical(&right), Ok(right.clone()));
            prop_assert_eq!(format.key(&right), format.key(&text));
        }
    }

    #[test]
    fn every_endpoint_reads_back(text in likely()) {
        if let Ok(address) = text.parse::<MgmtAddr>() {
            let endpoint: MgmtAddr = address.endpoint().parse().unwrap();
            prop_assert_eq!(endpoint.endpoint(), address.endpoint());
            prop_assert_eq!(endpoint.port(), address.port());
        }
    }
}
