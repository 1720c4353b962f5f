//! The grammar: what it takes, what it refuses in which words, and that what
//! gobgpd lists back reads as the same action.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Action {
    text.parse()
        .unwrap_or_else(|why| panic!("`{text}` is refused: {why}"))
}

fn refusal(text: &str) -> String {
    match text.parse::<Action>() {
        Ok(action) => panic!("`{text}` is taken as {action:?}"),
        Err(why) => why,
    }
}

#[test]
fn canonical_text() {
    for (written, canonical) in [
        ("next-hop self", "next-hop self"),
        ("  next-hop\tSELF ", "next-hop self"),
        ("next-hop unchanged", "next-hop unchanged"),
        ("next-hop peer-address", "next-hop peer-address"),
        ("next-hop 2001:DB8:0::1", "next-hop 2001:db8::1"),
        ("next-hop ::ffff:10.0.0.1", "next-hop 10.0.0.1"),
        ("med +10", "med add 10"),
        ("med -10", "med sub 10"),
        ("med 100", "med set 100"),
        ("med add 10", "med add 10"),
        ("med set 4294967295", "med set 4294967295"),
        ("local-pref 200", "local-pref 200"),
        ("as-prepend 65001 3", "as-prepend 65001 3"),
        ("as-prepend last-as 255", "as-prepend last-as 255"),
        (
            "community add 65000:1 no-export",
            "community add 65000:1 65535:65281",
        ),
        (
            "community add 100 65000:1 65000:1",
            "community add 0:100 65000:1",
        ),
        ("community remove ^65000:1$", "community remove 65000:1"),
        ("community remove NO_EXPORT", "community remove 65535:65281"),
        ("community remove ^65000:.*$", "community remove ^65000:.*$"),
        ("community replace internet", "community replace 0:0"),
        (
            "ext-community add RT:65000:1",
            "ext-community add rt:65000:1",
        ),
        (
            "ext-community add rt:70000:1",
            "ext-community add rt:1.4464:1",
        ),
        (
            "ext-community add soo:10.0.0.1:1 valid",
            "ext-community add soo:10.0.0.1:1 valid",
        ),
        (
            "ext-community add encap:vxlan lb:65000:125000",
            "ext-community add encap:vxlan lb:65000:125000",
        ),
        (
            "ext-community remove rt:^65000:1$",
            "ext-community remove rt:65000:1",
        ),
        (
            "ext-community remove encap:vxlan",
            "ext-community remove encap:^VXLAN$",
        ),
        (
            "large-community add 4294967295:0:1",
            "large-community add 4294967295:0:1",
        ),
        (
            "large-community remove ^^1:2:3$$",
            "large-community remove 1:2:3",
        ),
        (
            "large-community remove 1:2:.*",
            "large-community remove 1:2:.*",
        ),
    ] {
        let action = parse(written);
        assert_eq!(action.to_string(), canonical, "written as `{written}`");
        assert_eq!(parse(canonical), action);
    }
}

#[test]
fn refusals_say_what_was_expected_where() {
    let words: Vec<String> = [
        "",
        "nexthop self",
        "frobnicate",
        "accept",
        "next-hop",
        "next-hop foo",
        "next-hop 0.0.0.0",
        "next-hop 010.0.0.1",
        "next-hop self self",
        "med",
        "med +0",
        "med add -5",
        "med set 4294967296",
        "local-pref 0",
        "local-pref +5",
        "as-prepend 65001",
        "as-prepend 65001 256",
        "as-prepend 1.10 3",
        "community 65000:1",
        "community add",
        "community add 70000:1 65000:x",
        "community remove 70000:1",
        "community remove [",
        "ext-community add color:1",
        "ext-community add lb:1:16777217",
        "ext-community remove valid",
        "large-community add 1:2",
        "next-hop self; reboot",
        "next-hop $(reboot)",
    ]
    .iter()
    .map(|text| format!("{text:?}: {}", refusal(text)))
    .collect();
    insta::assert_snapshot!(words.join("\n"));
}

/// Rows of what GoBGP 3.10, 3.36 and 4.8 list for what was sent.
#[test]
fn listings_read_as_what_was_sent() {
    for (kind, op, sent, listed) in [
        (
            CommunityKind::Standard,
            SetOp::Add,
            "no-export",
            "65535:65281",
        ),
        (
            CommunityKind::Standard,
            SetOp::Remove,
            "65000:1",
            "^65000:1$",
        ),
        (CommunityKind::Standard, SetOp::Remove, "100", "^0:100$"),
        (
            CommunityKind::Standard,
            SetOp::Remove,
            "65000:[0-9]+",
            "65000:[0-9]+",
        ),
        (
            CommunityKind::Standard,
            SetOp::Remove,
            "6.000:1",
            "^6.000:1$",
        ),
        (
            CommunityKind::Extended,
            SetOp::Add,
            "encap:vxlan",
            "encap:VXLAN",
        ),
        (
            CommunityKind::Extended,
            SetOp::Add,
            "encap:ip-in-ip",
            "encap:IP in IP",
        ),
        (
            CommunityKind::Extended,
            SetOp::Remove,
            "rt:10.0.0.1:1",
            "rt:^10.0.0.1:1$",
        ),
        (
            CommunityKind::Extended,
            SetOp::Remove,
            "lb:65000:1000",
            "lb:^65000:1000$",
        ),
        (
            CommunityKind::Large,
            SetOp::Remove,
            "65000:1:2",
            "^65000:1:2$",
        ),
    ] {
        assert_eq!(
            Action::communities(kind, op, [sent]).unwrap(),
            Action::communities(kind, op, [listed]).unwrap(),
            "{sent} and {listed}"
        );
    }
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "community",
            "ext-community",
            "large-community",
            "med",
            "local-pref",
            "as-prepend",
            "next-hop",
            "add",
            "sub",
            "set",
            "remove",
            "replace",
            "self",
            "last-as",
            "valid",
            "no-export",
            "^65000:.*$",
            "rt:70000:1",
            "encap:gre",
            "lb:1:2",
        ])
        .prop_map(str::to_owned),
        any::<u32>().prop_map(|n| n.to_string()),
        (any::<u16>(), any::<u32>()).prop_map(|(a, b)| format!("{a}:{b}")),
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c)| format!("{a}:{b}:{c}")),
        any::<IpAddr>().prop_map(|a| a.to_string()),
        "[-+]?[0-9]{1,11}",
        "[ -~]{0,12}",
    ]
}

proptest! {
    #[test]
    fn never_panics_and_what_it_takes_reads_back(
        words in prop::collection::vec(any_word(), 0..6),
        noise in "\\PC{0,24}",
    ) {
        for text in [words.join(" "), noise] {
            if let Ok(action) = text.parse::<Action>() {
                let canonical = action.to_string();
                prop_assert_eq!(canonical.parse::<Action>(), Ok(action));
            }
        }
    }
}
