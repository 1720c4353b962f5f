//! Rules between rows: unique values, references, sisters, renames.

use super::*;
use crate::document::Document;
use crate::validate;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows by name, as they will be; a transaction's own go last in `holder`.
#[derive(Default)]
struct Rows {
    schemas: Schemas,
    rows: BTreeMap<ResourceRef, Row>,
    written: Vec<ResourceRef>,
}

impl Rows {
    fn new() -> Self {
        Self {
            schemas: Schemas::builtin(),
            ..Self::default()
        }
    }

    /// Puts a row there unjudged, its properties validated.
    fn put(&mut self, kind: &str, id: &str, body: Value) -> Row {
        let row = self.row(kind, id, body);
        self.rows.insert(row.reference(), row.clone());
        row
    }

    fn row(&self, kind: &str, id: &str, body: Value) -> Row {
        let of = self.schemas.get(kind).unwrap();
        let mut body = validate::create(of, body).unwrap();
        body.insert("id".to_owned(), id.into());
        Row {
            kind: kind.to_owned(),
            id: id.to_owned(),
            version: 1,
            created: 1,
            body,
        }
    }

    /// Writes a row and judges it.
    fn write(&mut self, row: &Row) -> Result<Row, Vec<Broken>> {
        let mut row = row.clone();
        self.written = vec![row.reference()];
        self.rows.insert(row.reference(), row.clone());
        check(&self.schemas, self, &mut row)?;
        self.rows.insert(row.reference(), row.clone());
        Ok(row)
    }

    fn create(&mut self, kind: &str, id: &str, body: Value) -> Result<Row, Vec<Broken>> {
        let row = self.row(kind, id, body);
        self.write(&row)
    }
}

impl View for Rows {
    fn get(&self, kind: &str, id: &str) -> Option<Row> {
        self.rows.get(&ResourceRef::new(kind, id)).cloned()
    }

    fn find(&self, kind: &str, property: &str, value: &Value) -> Vec<Row> {
        let rows = self.rows.values().filter(|row| row.kind == kind);
        let rows = rows.filter(|row| row.body.get(property) == Some(value));
        rows.cloned().collect()
    }

    fn holder(&self, kind: &str, label: &str, value: &str) -> Option<ResourceRef> {
        let holds = |row: &&Row| {
            let values = unique_values(&self.schemas, row);
            row.kind == kind && values.iter().any(|(l, v)| l == label && v == value)
        };
        let holders: Vec<&Row> = self.rows.values().filter(holds).collect();
        let untouched = |row: &&&Row| !self.written.contains(&row.reference());
        let first = holders.iter().find(untouched).or(holders.first());
        first.map(|row| row.reference())
    }
}

fn router(host_name: &str, mgmt_addr: &str, router_id: &str) -> Value {
    json!({
        "host_name": host_name, "mgmt_addr": mgmt_addr, "router_id": router_id,
        "local_as": 65001,
    })
}

fn neighbor(host_name: &str, address: &str) -> Value {
    json!({"host_name": host_name, "neighbor_addr": address, "peer_as": 65000})
}

fn policy(direction: &str, action: &str, to: &str) -> Value {
    json!({
        "host_name": "r1", "policy_name": "p", "statement_name": "s",
        "apply_direction": direction, "statement_action": action, "apply_neighbor": to,
    })
}

/// One router and one neighbor.
fn lab() -> Rows {
    let mut rows = Rows::new();
    rows.create("router", "R1", router("r1", "10.0.0.1", "1.1.1.1"))
        .unwrap();
    rows.create("neighbor", "N1", neighbor("r1", "192.168.0.1"))
        .unwrap();
    rows
}

fn lines(broken: &[Broken]) -> Vec<String> {
    let line = |broken: &Broken| {
        let violation = broken.violation();
        let code = match broken {
            Broken::Invalid(_) => 400,
            Broken::Taken { .. } => 409,
        };
        format!("{code} {} {}", violation.pointer, violation.message)
    };
    broken.iter().map(line).collect()
}

#[test]
fn a_neighbor_gets_its_routers_address() {
    let mut rows = lab();
    let row = rows
        .create("neighbor", "N2", neighbor("r1", "10.9.9.9"))
        .unwrap();
    assert_eq!(row.text("mgmt_addr"), Some("10.0.0.1"));
    let order: Vec<&String> = row.body.keys().take(3).collect();
    assert_eq!(
        order,
        ["id", "host_name", "mgmt_addr"],
        "in the schema's order"
    );
}

#[test]
fn a_given_address_must_be_the_routers_however_it_is_written() {
    let mut rows = lab();
    let mut body = neighbor("r1", "10.9.9.9");
    body["mgmt_addr"] = "10.0.0.1:50051".into();
    let row = rows.create("neighbor", "N2", body.clone()).unwrap();
    assert_eq!(
        row.text("mgmt_addr"),
        Some("10.0.0.1:50051"),
        "as it was given"
    );
    body["mgmt_addr"] = "10.0.0.1:50052".into();
    let broken = rows.create("neighbor", "N2", body).unwrap_err();
    assert_eq!(
        lines(&broken),
        [
            r#"400 /mgmt_addr must be "10.0.0.1", the mgmt_addr of its router, not "10.0.0.1:50052": leave it out to have it filled in"#
        ]
    );
}

#[test]
fn a_neighbor_of_no_router_is_refused() {
    let broken = lab()
        .create("neighbor", "N2", neighbor("r9", "10.9.9.9"))
        .unwrap_err();
    assert_eq!(
        lines(&broken),
        [r#"400 /host_name Related resource does not exist: no router has the host_name "r9""#]
    );
}

#[test]
fn unique_values_are_taken_once() {
    let mut rows = lab();
    let broken = rows
        .create("router", "R2", router("r1", "10.0.0.1:50051", "1.1.1.1"))
        .unwrap_err();
    assert_eq!(
        lines(&broken),
        [
            r#"409 /host_name "r1" is taken by router R1"#,
            r#"409 /mgmt_addr "10.0.0.1:50051" is taken by router R1"#,
            r#"409 /local_as 65001 with router_id "1.1.1.1" is taken by router R1"#,
        ]
    );
    let mut rows = lab();
    let broken = rows
        .create("neighbor", "N2", neighbor("r1", "192.168.0.1"))
        .unwrap_err();
    assert_eq!(
        lines(&broken),
        [r#"409 /neighbor_addr "192.168.0.1" with host_name "r1" is taken by neighbor N1"#]
    );
}

#[test]
fn one_address_may_be_a_neighbor_of_two_routers() {
    let mut rows = lab();
    rows.create("router", "R2", router("r2", "10.0.0.2", "2.2.2.2"))
        .unwrap();
    rows.create("neighbor", "N2", neighbor("r2", "192.168.0.1"))
        .unwrap();
}

#[test]
fn a_row_may_keep_its_own_values() {
    let mut rows = lab();
    let row = rows.get("router", "R1").unwrap();
    assert_eq!(rows.write(&row), Ok(row));
}

#[test]
fn values_swap_within_one_transaction() {
    let mut rows = lab();
    rows.create("router", "R2", router("r2", "10.0.0.2", "2.2.2.2"))
        .unwrap();
    let one = rows.put("router", "R1", router("r2", "10.0.0.2", "2.2.2.2"));
    let two = rows.put("router", "R2", router("r1", "10.0.0.1", "1.1.1.1"));
    rows.written = vec![one.reference(), two.reference()];
    for mut row in [one, two] {
        assert_eq!(check(&rows.schemas, &rows, &mut row), Ok(()));
    }
}

#[test]
fn of_two_new_rows_that_collide_one_is_told() {
    let mut rows = lab();
    let one = rows.put("router", "R2", router("r2", "10.0.0.2", "2.2.2.2"));
    let two = rows.put("router", "R3", router("r2", "10.0.0.3", "3.3.3.3"));
    rows.written = vec![one.reference(), two.reference()];
    let told = [one, two]
        .into_iter()
        .filter_map(|mut row| check(&rows.schemas, &rows, &mut row).err())
        .count();
    assert_eq!(told, 1);
}

#[test]
fn sisters_agree_or_are_refused_by_name() {
    let mut rows = lab();
    rows.create(
        "policyinfo",
        "P1",
        policy("export", "next-hop self", "10.0.0.2"),
    )
    .unwrap();
    rows.create(
        "policyinfo",
        "P2",
        policy("export", "next-hop self", "10.0.0.3"),
    )
    .unwrap();
    // Other directions compile to other policies.
    rows.create("policyinfo", "P3", policy("import", "med 10", "10.0.0.2"))
        .unwrap();
    let mut body = policy("export", "med 10", "10.0.0.4");
    body["route_disposition"] = "reject".into();
    body["position"] = 7.into();
    let broken = rows.create("policyinfo", "P4", body).unwrap_err();
    let told = lines(&broken);
    assert_eq!(told.len(), 3);
    assert_eq!(
        told[0],
        "400 /statement_action must be \"next-hop self\" as in policyinfo P1: both rows are \
         statement \"s\" of policy \"p\" for export; change all of them in one transaction, or \
         delete the others first"
    );
    assert!(told[1].starts_with("400 /route_disposition must be left unset as in"));
    assert!(told[2].starts_with("400 /position must be left unset as in"));
}

#[test]
fn a_statement_is_attached_to_a_neighbor_once() {
    let mut rows = lab();
    rows.create("policyinfo", "P1", policy("export", "next-hop self", ""))
        .unwrap();
    let broken = rows
        .create("policyinfo", "P2", policy("export", "next-hop self", ""))
        .unwrap_err();
    let told = lines(&broken);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("409 /apply_neighbor "), "{told:?}");
}

#[test]
fn references_are_resolved_to_ids() {
    let rows = lab();
    let row = rows.get("neighbor", "N1").unwrap();
    let found = references(&rows.schemas, &rows, &row);
    assert_eq!(found, [(ResourceRef::new("router", "R1"), false)]);
}

const FAMILY: &str = "
schemas:
- id: site
  singular: site
  plural: sites
  schema:
    properties:
      name: {type: string, unique: true}
- id: rack
  singular: rack
  plural: racks
  parent: site
  on_parent_delete_cascade: true
  schema:
    indexes: {n: {columns: [site_id, name], type: unique}}
    properties:
      name: {type: [string, 'null']}
      size: {type: [integer, 'null'], unique: true}
      near: {type: [string, 'null'], relation: site, relation_column: name}
      label: {type: [string, 'null'], unique: true, relation: site, relation_column: name}
- id: plate
  singular: plate
  plural: plates
  schema:
    properties:
      of: {type: string, relation: rack, relation_column: label}
";

fn family() -> Rows {
    let document = Document::parse("f.yaml", FAMILY).unwrap();
    let schemas = Schemas::load(&[document]).unwrap();
    let mut rows = Rows {
        schemas,
        ..Rows::default()
    };
    rows.put("site", "S1", json!({"name": "tokyo"}));
    rows
}

#[test]
fn an_operators_kind_has_the_same_rules() {
    let mut rows = family();
    let rack = json!({"site_id": "S1", "name": "a", "near": "tokyo", "size": 4});
    let row = rows.create("rack", "K1", rack).unwrap();
    // Parent and neighbor are one row: deleting it takes this one along.
    assert_eq!(
        references(&rows.schemas, &rows, &row),
        [(ResourceRef::new("site", "S1"), true)]
    );
    let broken = rows
        .create(
            "rack",
            "K2",
            json!({"site_id": "S9", "near": "kyoto", "size": 4}),
        )
        .unwrap_err();
    assert_eq!(
        lines(&broken),
        [
            r#"400 /near Related resource does not exist: no site has the name "kyoto""#,
            r#"400 /site_id Related resource does not exist: no site has the id "S9""#,
            "409 /size 4 is taken by rack K1",
        ]
    );
}

#[test]
fn null_is_not_taken() {
    let mut rows = family();
    for id in ["K1", "K2"] {
        rows.rows.remove(&ResourceRef::new("rack", "K2"));
        let row = rows.create("rack", id, json!({"site_id": "S1"})).unwrap();
        assert_eq!(unique_values(&rows.schemas, &row), []);
    }
}

#[test]
fn no_value_looks_like_two() {
    let rows = family();
    let key = |site: &str, name: &str| {
        let row = rows.row("rack", "K", json!({"site_id": site, "name": name}));
        unique_values(&rows.schemas, &row)
    };
    assert_ne!(key("a", "b+c"), key("a+b", "c"));
    assert_ne!(key("a", "\",\"b"), key("a\",\"", "b"));
    assert_eq!(
        key("a", "b"),
        [("site_id+name".to_owned(), r#"["a","b"]"#.to_owned())]
    );
}

/// Before and after of one row whose properties change.
fn change(rows: &Rows, kind: &str, id: &str, set: &[(&str, &str)]) -> (Row, Row) {
    let before = rows.get(kind, id).unwrap();
    let mut after = before.clone();
    after.version += 1;
    for (name, value) in set {
        after.body.insert((*name).to_owned(), (*value).into());
    }
    (before, after)
}

#[test]
fn a_renamed_routers_rows_follow_and_keep_their_version() {
    let mut rows = lab();
    rows.create("policyinfo", "P1", policy("export", "next-hop self", ""))
        .unwrap();
    let renamed = change(&rows, "router", "R1", &[("host_name", "tokyo")]);
    let followed = follow_renames(&rows.schemas, &rows, &[renamed]);
    let names: Vec<String> = followed.iter().map(|r| r.reference().to_string()).collect();
    assert_eq!(names, ["neighbor N1", "policyinfo P1"]);
    for row in followed {
        assert_eq!((row.text("host_name"), row.version), (Some("tokyo"), 1));
        assert_eq!(row.text("mgmt_addr"), Some("10.0.0.1"));
    }
}

#[test]
fn a_moved_routers_rows_follow() {
    let mut rows = lab();
    let mut body = neighbor("r1", "10.9.9.9");
    body["mgmt_addr"] = "10.0.0.1:50051".into();
    rows.create("neighbor", "N2", body).unwrap();
    let moved = change(
        &rows,
        "router",
        "R1",
        &[("host_name", "tokyo"), ("mgmt_addr", "10.0.0.7")],
    );
    let followed = follow_renames(&rows.schemas, &rows, &[moved]);
    assert_eq!(followed.len(), 2);
    for row in followed {
        assert_eq!(row.text("host_name"), Some("tokyo"));
        assert_eq!(row.text("mgmt_addr"), Some("10.0.0.7"));
    }
}

#[test]
fn nothing_follows_what_did_not_change() {
    let rows = lab();
    let same = change(&rows, "router", "R1", &[("router_id", "9.9.9.9")]);
    assert_eq!(follow_renames(&rows.schemas, &rows, &[same]), []);
}

#[test]
fn swapped_names_are_followed_at_once() {
    let mut rows = lab();
    rows.create("router", "R2", router("r2", "10.0.0.2", "2.2.2.2"))
        .unwrap();
    rows.create("neighbor", "N2", neighbor("r2", "192.168.0.2"))
        .unwrap();
    let changes = [
        change(&rows, "router", "R1", &[("host_name", "r2")]),
        change(&rows, "router", "R2", &[("host_name", "r1")]),
    ];
    let followed = follow_renames(&rows.schemas, &rows, &changes);
    let names: Vec<_> = followed
        .iter()
        .map(|r| (r.id.as_str(), r.text("host_name")))
        .collect();
    assert_eq!(names, [("N1", Some("r2")), ("N2", Some("r1"))]);
}

#[test]
fn a_rows_own_change_is_kept_while_it_follows() {
    let rows = lab();
    let changes = [
        change(&rows, "router", "R1", &[("host_name", "tokyo")]),
        change(&rows, "neighbor", "N1", &[("description", "new")]),
    ];
    let followed = follow_renames(&rows.schemas, &rows, &changes);
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].text("host_name"), Some("tokyo"));
    assert_eq!(followed[0].text("description"), Some("new"));
    assert_eq!(followed[0].version, 2);
}

#[test]
fn names_of_names_follow() {
    let mut rows = family();
    rows.put("rack", "K1", json!({"site_id": "S1", "label": "tokyo"}));
    rows.put("plate", "L1", json!({"of": "tokyo"}));
    let renamed = change(&rows, "site", "S1", &[("name", "osaka")]);
    let followed = follow_renames(&rows.schemas, &rows, &[renamed]);
    let names: Vec<_> = followed.iter().map(|r| r.reference().to_string()).collect();
    assert_eq!(names, ["plate L1", "rack K1"]);
    assert_eq!(followed[0].text("of"), Some("osaka"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// After any renames, all at once, every neighbor still names the router
    /// that it named before, and every rule still holds.
    #[test]
    fn renames_keep_every_reference(
        names in Just(vec!["a", "b", "c", "d", "e"]).prop_shuffle(),
        moved in prop::collection::vec(any::<bool>(), 3),
        of in prop::collection::vec(0..3usize, 1..6),
    ) {
        let mut rows = Rows::new();
        for (i, name) in ["a", "b", "c"].iter().enumerate() {
            let body = router(name, &format!("10.0.0.{i}"), &format!("1.1.1.{}", i + 1));
            rows.create("router", &format!("R{i}"), body).unwrap();
        }
        for (i, router) in of.iter().enumerate() {
            let name = ["a", "b", "c"][*router];
            let body = neighbor(name, &format!("192.168.0.{}", i + 1));
            rows.create("neighbor", &format!("N{i}"), body).unwrap();
        }
        let changes: Vec<(Row, Row)> = (0..3)
            .map(|i| {
                let address = format!("10.0.{}.{i}", u8::from(moved[i]));
                let set = [("host_name", names[i]), ("mgmt_addr", address.as_str())];
                change(&rows, "router", &format!("R{i}"), &set)
            })
            .collect();
        let followed = follow_renames(&rows.schemas, &rows, &changes);
        let routers = changes.into_iter().map(|(_, new)| new);
        for row in routers.chain(followed) {
            rows.rows.insert(row.reference(), row);
        }
        for (i, router) in of.iter().enumerate() {
            let mut row = rows.get("neighbor", &format!("N{i}")).unwrap();
            prop_assert_eq!(check(&rows.schemas, &rows, &mut row), Ok(()));
            let named = ResourceRef::new("router", format!("R{router}"));
            prop_assert_eq!(references(&rows.schemas, &rows, &row), vec![(named, false)]);
        }
    }
}
