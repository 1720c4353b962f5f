//! `GET /sdwan/v1/cluster`: the servers that share the store, and who of them
//! looks after which router.

use super::Api;
use super::problem::Problem;
use super::query::Params;
use super::routers::respond;
use crate::cluster::Member;
use axum::body::Body;
use http::{Response, Uri};
use sdwan_model::policy::Access;
use sdwan_model::resource::Row;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Every member and every router.
pub(super) fn show(api: &Api, access: &Access, uri: &Uri) -> Result<Response<Body>, Problem> {
    Params::new(uri).finish(&[])?;
    let members = api.membership.members();
    let routers = routers(api, access);
    Ok(respond(&json!({
        "members": members.iter().map(|(id, member)| data(id, member, &routers)).collect::<Value>(),
        "routers": routers.iter().map(Router::data).collect::<Value>(),
        "text": text(&members, &routers),
    })))
}

struct Router {
    id: String,
    host_name: String,
    member: Option<String>,
}

impl Router {
    fn data(&self) -> Value {
        json!({ "id": self.id, "host_name": self.host_name, "member": self.member })
    }
}

/// Those that the caller sees, in the order of their names.
fn routers(api: &Api, access: &Access) -> Vec<Router> {
    let snapshot = api.catalog.snapshot();
    let kind = api.catalog.schemas().get("router");
    let router = |row: &Arc<Row>| {
        let seen = access.sees(kind?, row)?;
        let name = row.text("host_name").filter(|_| seen.contains("host_name"));
        Some(Router {
            member: api.catalog.member_of(&row.id),
            host_name: name.unwrap_or(&row.id).to_owned(),
            id: row.id.clone(),
        })
    };
    let mut routers: Vec<Router> = snapshot.rows("router").filter_map(router).collect();
    routers.sort_by(|a, b| a.host_name.cmp(&b.host_name));
    routers
}

fn count(member: &str, routers: &[Router]) -> usize {
    let theirs = |router: &&Router| router.member.as_deref() == Some(member);
    routers.iter().filter(theirs).count()
}

fn data(id: &str, member: &Member, routers: &[Router]) -> Value {
    json!({
        "id": id,
        "role": member.role.as_str(),
        "version": member.version,
        "format": member.format,
        "address": member.address,
        "since": member.since,
        "leaving": member.leaving,
        "routers": count(id, routers),
    })
}

fn text(members: &BTreeMap<String, Member>, routers: &[Router]) -> String {
    let mut rows = vec![
        [
            "MEMBER", "ROLE", "VERSION", "FORMAT", "ADDRESS", "SINCE", "ROUTERS",
        ]
        .map(str::to_owned),
    ];
    rows.extend(members.iter().map(|(id, member)| {
        let leaving = if member.leaving { ", leaving" } else { "" };
        [
            id.clone(),
            format!("{}{leaving}", member.role.as_str()),
            member.version.clone(),
            member.format.to_string(),
            member.address.clone(),
            member.since.clone(),
            count(id, routers).to_string(),
        ]
    }));
    let mut out = String::new();
    columns(&mut out, &rows);
    if !routers.is_empty() {
        out.push('\n');
        let mut rows = vec![["HOST NAME", "MEMBER"].map(str::to_owned)];
        rows.extend(routers.iter().map(|router| {
            let member = router.member.clone();
            [
                router.host_name.clone(),
                member.unwrap_or_else(|| "nobody".to_owned()),
            ]
        }));
        columns(&mut out, &rows);
    }
    out
}

/// A table as text: each column as wide as its widest text.
pub(super) fn columns<const N: usize>(out: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            // Into a String: it can't fail.
            let _ = write!(line, "{text:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
