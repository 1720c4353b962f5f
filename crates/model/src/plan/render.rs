//! A plan as text: what `sdwan plan` prints, and what the golden tests hold.

use super::{Disturbance, Op, Plan, Verdict};
use crate::observed::DefaultAction;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

impl Display for Plan {
    /// One line a step: the call, what it is about, what it does to the
    /// network, why. Then what can't be done or has to wait, then notes.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            let applied = |verdict: &Verdict| matches!(verdict, Verdict::Applied { .. });
            f.write_str(match self.verdicts.values().all(applied) {
                true => "in step, nothing to do\n",
                false => "no steps\n",
            })?;
        }
        let lines: Vec<[String; 4]> = self
            .steps
            .iter()
            .map(|step| {
                [
                    step.op.call().to_owned(),
                    step.op.object(),
                    step.disturbance.to_string(),
                    step.why.clone(),
                ]
            })
            .collect();
        let width = |column: usize| {
            lines
                .iter()
                .map(|line| line[column].len())
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1), width(2)];
        for [call, object, disturbance, why] in &lines {
            let [a, b, c] = widths;
            writeln!(f, "{call:a$}  {object:b$}  {disturbance:c$}  {why}")?;
        }
        for (row, verdict) in &self.verdicts {
            match verdict {
                Verdict::Applied { .. } => {}
                Verdict::Failed { reason, .. } => writeln!(f, "failed: {row}: {reason}")?,
                Verdict::Waiting { reason, .. } => writeln!(f, "waiting: {row}: {reason}")?,
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl Display for Disturbance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::SoftRefresh => "soft refresh",
            Self::SessionReset => "session reset",
            Self::DaemonRestart => "daemon restart",
        })
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.call(), self.object())
    }
}

impl Op {
    /// The RPC's name.
    pub fn call(&self) -> &'static str {
        match self {
            Self::StartBgp(_) => "StartBgp",
            Self::EnableZebra(_) => "EnableZebra",
            Self::AddPeer(..) => "AddPeer",
            Self::UpdatePeer(..) => "UpdatePeer",
            Self::RecreatePeer(..) => "DeletePeer, AddPeer",
            Self::DeletePeer(_) => "DeletePeer",
            Self::EnablePeer(_) => "EnablePeer",
            Self::DisablePeer(_) => "DisablePeer",
            Self::SetPolicies { .. } => "SetPolicies",
            Self::AddNeighborSet(..) => "AddDefinedSet",
            Self::DeleteNeighborSet(..) => "DeleteDefinedSet",
            Self::AddPolicy(_) => "AddPolicy",
            Self::DeletePolicy(_) => "DeletePolicy",
            Self::SetAssignment { .. } => "SetPolicyAssignment",
            Self::SoftReset(..) | Self::HardReset(_) => "ResetPeer",
        }
    }

    /// The peer that the call is about, where it is about one.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::AddPeer(address, _)
            | Self::UpdatePeer(address, _)
            | Self::RecreatePeer(address, _)
            | Self::DeletePeer(address)
            | Self::EnablePeer(address)
            | Self::DisablePeer(address)
            | Self::SoftReset(address, _)
            | Self::HardReset(address) => Some(*address),
            _ => None,
        }
    }

    /// What the call is about, for people. No secrets.
    pub fn object(&self) -> String {
        match self {
            Self::StartBgp(global) => format!("AS {} router-id {}", global.asn, global.router_id),
            Self::EnableZebra(zebra) => zebra.to_string(),
            Self::AddPeer(address, neighbor) => {
                format!("neighbor {address} AS {}", neighbor.peer_as)
            }
            Self::UpdatePeer(address, _)
            | Self::RecreatePeer(address, _)
            | Self::DeletePeer(address)
            | Self::EnablePeer(address)
            | Self::DisablePeer(address) => format!("neighbor {address}"),
            Self::SetPolicies { policies, .. } => match policies.as_slice() {
                [] => "no policies".to_owned(),
                [policy] => format!("policy {}", policy.name),
                policies => format!("{} policies", policies.len()),
            },
            Self::AddNeighborSet(name, members) => {
                format!("neighbor set {name} + {}", names(members))
            }
            Self::DeleteNeighborSet(name, None) => format!("neighbor set {name}"),
            Self::DeleteNeighborSet(name, Some(members)) => {
                format!("neighbor set {name} - {}", names(members))
            }
            Self::AddPolicy(policy) => format!("policy {}", policy.name),
            Self::DeletePolicy(name) => format!("policy {name}"),
            Self::SetAssignment {
                direction,
                policies,
                default,
            } => {
                let list = match policies.as_slice() {
                    [] => "nothing".to_owned(),
                    names => names.join(" "),
                };
                let default = match default {
                    DefaultAction::None => "as it is",
                    DefaultAction::Accept => "accept",
                    DefaultAction::Reject => "reject",
                };
                format!("global {}: {list}, default {default}", direction.as_str())
            }
            Self::SoftReset(address, direction) => {
                format!("neighbor {address} soft {}", direction.as_str())
            }
            Self::HardReset(address) => format!("neighbor {address}"),
        }
    }
}

fn names(addresses: &BTreeSet<IpAddr>) -> String {
    if addresses.len() > 3 {
        return format!("{} addresses", addresses.len());
    }
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(" ")
}

/// The first few of them, for a sentence.
pub(super) fn some_of(addresses: &[IpAddr]) -> String {
    const NAMED: usize = 5;
    let named = addresses.iter().take(NAMED).map(IpAddr::to_string);
    let mut text = named.collect::<Vec<_>>().join(", ");
    if let Some(more) = addresses.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
