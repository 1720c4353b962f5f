//! A plan for people and for programs.

use sdwan_model::plan::{Disturbance, Op, Plan, Stage, Verdict};
use sdwan_model::resource::ResourceRef;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

/// One aligned line a step, then what else there is to say.
pub(super) fn text(plan: &Plan, held: bool) -> String {
    let rows: Vec<[String; 4]> = plan
        .steps
        .iter()
        .map(|step| {
            let disturbance = disturbance(step.disturbance).to_owned();
            [
                stage(step.stage).to_owned(),
                call(&step.op),
                disturbance,
                step.why.clone(),
            ]
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|r| r[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    if rows.is_empty() {
        out.push_str("nothing to do\n");
    }
    for [stage, call, disturbance, why] in &rows {
        let [a, b, c] = widths;
        let line = format!("{stage:a$}  {call:b$}  {disturbance:c$}  {why}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for (row, verdict) in &plan.verdicts {
        let told = match verdict {
            Verdict::Applied { .. } => continue,
            Verdict::Failed { reason, .. } => format!("failed: {reason}"),
            Verdict::Waiting { reason, .. } => format!("waiting: {reason}"),
        };
        // Into a String: it can't fail.
        let _ = writeln!(out, "{row} {told}");
    }
    for note in &plan.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if held {
        out.push_str("on hold: none of this is sent before `sdwan resume`\n");
    }
    out
}

/// The steps, verdicts and notes as data.
pub(super) fn data(plan: &Plan) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({
                "stage": stage(step.stage),
                "op": call(&step.op),
                "disturbance": disturbance(step.disturbance),
                "why": step.why,
                "resources": step.resources,
            })
        })
        .collect();
    let verdicts: Vec<Value> = plan.verdicts.iter().map(|(r, v)| verdict(r, v)).collect();
    json!({ "steps": steps, "verdicts": verdicts, "notes": plan.notes })
}

fn verdict(row: &ResourceRef, verdict: &Verdict) -> Value {
    let (word, version, reason) = match verdict {
        Verdict::Applied { version } => ("applied", version, None),
        Verdict::Failed { version, reason } => ("failed", version, Some(reason)),
        Verdict::Waiting { version, reason } => ("waiting", version, Some(reason)),
    };
    json!({
        "kind": row.kind,
        "id": row.id,
        "version": version,
        "verdict": word,
        "reason": reason,
    })
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Start => "start",
        Stage::DeletePeers => "delete-peers",
        Stage::Policies => "policies",
        Stage::Assign => "assign",
        Stage::Sweep => "sweep",
        Stage::AddPeers => "add-peers",
        Stage::UpdatePeers => "update-peers",
        Stage::Refresh => "refresh",
    }
}

fn disturbance(disturbance: Disturbance) -> &'static str {
    match disturbance {
        Disturbance::None => "none",
        Disturbance::SoftRefresh => "soft-refresh",
        Disturbance::SessionReset => "session-reset",
        Disturbance::DaemonRestart => "daemon-restart",
    }
}

/// A management call by its name and what it is about; no secrets.
fn call(op: &Op) -> String {
    match op {
        Op::StartBgp(global) => format!("StartBgp AS {} {}", global.asn, global.router_id),
        Op::AddPeer(peer, neighbor) => format!("AddPeer {peer} AS {}", neighbor.peer_as),
        Op::UpdatePeer(peer, change) => format!("UpdatePeer {peer} {}", change.names.join(", ")),
        Op::DeletePeer(peer) => format!("DeletePeer {peer}"),
        Op::EnablePeer(peer) => format!("EnablePeer {peer}"),
        Op::DisablePeer(peer) => format!("DisablePeer {peer}"),
        Op::SetPolicies { policies, .. } => {
            let names: Vec<&str> = policies.iter().map(|p| p.name.as_str()).collect();
            format!("SetPolicies {}", or_none(&names))
        }
        Op::AddNeighborSet(name, peers) => format!("AddDefinedSet {name} {}", list(peers)),
        Op::DeleteNeighborSet(name, None) => format!("DeleteDefinedSet {name}"),
        Op::DeleteNeighborSet(name, Some(peers)) => {
            format!("DeleteDefinedSet {name} {}", list(peers))
        }
        Op::AddPolicy(policy) => format!("AddPolicy {}", policy.name),
        Op::DeletePolicy(name) => format!("DeletePolicy {name}"),
        Op::SetAssignment {
            direction,
            policies,
            default,
        } => {
            let names: Vec<&str> = policies.iter().map(String::as_str).collect();
            let (direction, default) = (format!("{direction:?}"), format!("{default:?}"));
            format!(
                "SetPolicyAssignment {} {} default {}",
                direction.to_lowercase(),
                or_none(&names),
                default.to_lowercase()
            )
        }
        Op::SoftReset(peer, direction) => {
            format!(
                "ResetPeer soft {} {peer}",
                format!("{direction:?}").to_lowercase()
            )
        }
        Op::HardReset(peer) => format!("ResetPeer {peer}"),
    }
}

fn list(peers: &BTreeSet<IpAddr>) -> String {
    let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
    peers.join(",")
}

fn or_none(names: &[&str]) -> String {
    match names {
        [] => "(none)".into(),
        some => some.join(","),
    }
}
