//! `statement_action` to and from what gobgpd holds.

use sdwan_gobgp::types::{
    Actions, AsPrepend, CommunityAction, CommunityActionType, MedAction, MedActionType,
    NextHopAction,
};
use sdwan_model::action::{Action, CommunityKind, NextHop, SetOp};

/// Writes an action.
pub(super) fn to_gobgp(action: &Action) -> Actions {
    let mut actions = Actions::default();
    match action {
        Action::Community(op, values) => actions.community = Some(communities(*op, values)),
        Action::ExtCommunity(op, values) => actions.ext_community = Some(communities(*op, values)),
        Action::LargeCommunity(op, values) => {
            actions.large_community = Some(communities(*op, values));
        }
        Action::MedAdjust(by) => {
            actions.med = Some(MedAction {
                kind: MedActionType::Modify,
                value: *by,
            });
        }
        Action::MedSet(value) => {
            let value = i64::from(*value);
            actions.med = Some(MedAction {
                kind: MedActionType::Replace,
                value,
            });
        }
        Action::LocalPref(value) => actions.local_pref = Some(*value),
        Action::AsPrepend(asn, times) => {
            actions.as_prepend = Some(AsPrepend {
                asn: *asn,
                repeat: u32::from(*times),
            });
        }
        Action::NextHop(next_hop) => actions.next_hop = Some(next_hop_action(*next_hop)),
    }
    actions
}

fn communities(op: SetOp, values: &[String]) -> CommunityAction {
    let kind = match op {
        SetOp::Add => CommunityActionType::Add,
        SetOp::Remove => CommunityActionType::Remove,
        SetOp::Replace => CommunityActionType::Replace,
    };
    CommunityAction {
        kind,
        communities: values.to_vec(),
    }
}

fn next_hop_action(next_hop: NextHop) -> NextHopAction {
    match next_hop {
        NextHop::Address(address) => NextHopAction::Address(address),
        NextHop::SelfAddress => NextHopAction::SelfAddress,
        NextHop::Unchanged => NextHopAction::Unchanged,
        NextHop::PeerAddress => NextHopAction::PeerAddress,
    }
}

/// Reads the one action that a statement of ours may have. The outer `None`:
/// more than one, or one that is none of [`Action`]'s.
pub(super) fn from_gobgp(actions: &Actions) -> Option<Option<Action>> {
    let Actions {
        route_action: _,
        community,
        ext_community,
        large_community,
        med,
        as_prepend,
        next_hop,
        local_pref,
        origin,
    } = actions;
    if origin.is_some() {
        return None;
    }
    let mut all = Vec::new();
    for (kind, action) in [
        (CommunityKind::Standard, community),
        (CommunityKind::Extended, ext_community),
        (CommunityKind::Large, large_community),
    ] {
        all.extend(action.as_ref().map(|action| from_communities(kind, action)));
    }
    all.extend(med.map(from_med));
    all.extend(as_prepend.map(from_as_prepend));
    all.extend(next_hop.map(from_next_hop));
    all.extend(local_pref.map(|value| Some(Action::LocalPref(value))));
    match all.len() {
        0 => Some(None),
        1 => all.pop().flatten().map(Some),
        _ => None,
    }
}

fn from_communities(kind: CommunityKind, action: &CommunityAction) -> Option<Action> {
    let op = match action.kind {
        CommunityActionType::Add => SetOp::Add,
        CommunityActionType::Remove => SetOp::Remove,
        CommunityActionType::Replace => SetOp::Replace,
        CommunityActionType::Other(_) => return None,
    };
    Action::communities(kind, op, action.communities.iter().map(String::as_str)).ok()
}

fn from_med(med: MedAction) -> Option<Action> {
    match med.kind {
        MedActionType::Modify => Some(Action::MedAdjust(med.value)),
        MedActionType::Replace => med.value.try_into().ok().map(Action::MedSet),
        MedActionType::Other(_) => None,
    }
}

fn from_as_prepend(prepend: AsPrepend) -> Option<Action> {
    let times = prepend.repeat.try_into().ok()?;
    Some(Action::AsPrepend(prepend.asn, times))
}

fn from_next_hop(next_hop: NextHopAction) -> Option<Action> {
    Some(Action::NextHop(match next_hop {
        NextHopAction::Address(address) => NextHop::Address(address),
        NextHopAction::SelfAddress => NextHop::SelfAddress,
        NextHopAction::Unchanged => NextHop::Unchanged,
        NextHopAction::PeerAddress => NextHop::PeerAddress,
        NextHopAction::Other => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdwan_gobgp::types::Origin;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "community add 65000:1 no-export",
            "community remove 65000:1 ^65000:",
            "community replace 65000:1",
            "ext-community add rt:65000:100",
            "large-community replace 65000:1:2",
            "med add 10",
            "med sub 10",
            "med set 4294967295",
            "local-pref 200",
            "as-prepend 4200000000 3",
            "as-prepend last-as 255",
            "next-hop 192.0.2.1",
            "next-hop 2001:db8::1",
            "next-hop self",
            "next-hop unchanged",
            "next-hop peer-address",
        ] {
            let action: Action = text.parse().unwrap();
            assert_eq!(from_gobgp(&to_gobgp(&action)), Some(Some(action)), "{text}");
        }
    }

    #[test]
    fn what_is_not_ours_is_not_read() {
        assert_eq!(from_gobgp(&Actions::default()), Some(None));
        let two = Actions {
            local_pref: Some(1),
            next_hop: Some(NextHopAction::SelfAddress),
            ..Actions::default()
        };
        let origin = Actions {
            origin: Some(Origin::Igp),
            ..Actions::default()
        };
        let huge = MedAction {
            kind: MedActionType::Replace,
            value: i64::MAX,
        };
        let med = Actions {
            med: Some(huge),
            ..Actions::default()
        };
        let often = AsPrepend {
            asn: None,
            repeat: 256,
        };
        let prepend = Actions {
            as_prepend: Some(often),
            ..Actions::default()
        };
        for actions in [two, origin, med, prepend] {
            assert_eq!(from_gobgp(&actions), None, "{actions:?}");
        }
    }
}
