//! A plan for people and for programs.

use crate::catalog::{Hold, Scope};
use sdwan_model::plan::{Plan, Verdict};
use sdwan_model::resource::ResourceRef;
use serde_json::{Value, json};

/// The plan's own text, and what holds it back.
pub(super) fn text(plan: &Plan, router: &str, holds: &[(Scope, Hold)]) -> String {
    let mut text = plan.to_string();
    for (scope, hold) in holds {
        text += &match scope {
            Scope::All => {
                format!("every router is {hold}\n  nothing is sent before `sdwan resume`\n")
            }
            Scope::Router(_) => {
                format!("{hold}\n  nothing is sent before `sdwan resume {router}`\n")
            }
        };
    }
    text
}

/// The steps, verdicts and notes as data.
pub(super) fn data(plan: &Plan) -> Value {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({
                "stage": step.stage,
                "op": step.op.call(),
                "object": step.op.object(),
                "disturbance": step.disturbance,
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
