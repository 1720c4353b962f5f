//! A plan for people and for programs.

use sdwan_model::plan::{Plan, Verdict};
use sdwan_model::resource::ResourceRef;
use serde_json::{Value, json};

/// The plan's own text, and whether it is held back.
pub(super) fn text(plan: &Plan, held: bool) -> String {
    let held = if held {
        "on hold: none of this is sent before `sdwan resume`\n"
    } else {
        ""
    };
    format!("{plan}{held}")
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
