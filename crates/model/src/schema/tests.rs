//! Schema files: what they define, and every fault at once.

use super::*;
use serde_json::json;

fn document(name: &str, text: &str) -> Document {
    Document::parse(name, text).unwrap()
}

fn load(text: &str) -> Schemas {
    Schemas::load(&[document("a.yaml", text)]).unwrap_or_else(|e| panic!("{}", lines(&e)))
}

fn refusal(text: &str) -> String {
    lines(&Schemas::load(&[document("a.yaml", text)]).unwrap_err())
}

fn lines(errors: &[document::Error]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

const NETWORKS: &str = "
schemas:
- id: base
  type: abstract
  schema:
    propertiesOrder: [id, name]
    required: [name]
    properties:
      id: {title: ID, type: string, format: uuid, permission: [create]}
      name: {title: Name, type: string, unique: true, sql: varchar(255)}
- id: network
  singular: network
  plural: networks
  prefix: /v2.0
  namespace: neutron
  extends: [base]
  metadata: {nosync: true, sync_key_template: '/x/{{id}}'}
  actions:
    reset: {path: /:id/reset, method: post, input: {type: object}}
  schema:
    required: [cidr]
    indexes:
      together: {columns: [cidr, vlan], type: UNIQUE}
      fast: {columns: [vlan]}
    properties:
      vlan: {type: [integer, 'null'], minimum: 1, maximum: 4094, indexed: true}
      cidr: {type: string, format: cidr}
      router_id:
        type: ['null', string]
        relation: router
        relation_property: router
        on_delete_cascade: true
- id: port
  singular: port
  plural: ports
  prefix: /v2.0
  parent: network
  on_parent_delete_cascade: true
  schema:
    properties:
      tags: {type: array, items: {type: string}, default: [], permission: []}
";

#[test]
fn the_embedded_schemas_load() {
    let schemas = load::load(&[]).unwrap_or_else(|e| panic!("{}", lines(&e)));
    let ids: Vec<&str> = schemas.iter().map(|k| k.id.as_str()).collect();
    assert_eq!(ids, ["router", "neighbor", "policyinfo"]);
}

/// Properties of a built-in kind that default tables show, sorted as they do.
fn shown(id: &str, which: fn(&Property) -> bool) -> Vec<String> {
    let kind = Arc::clone(Schemas::builtin().get(id).unwrap());
    let mut names: Vec<String> = kind
        .properties
        .iter()
        .filter(|(_, p)| which(p))
        .map(|(name, _)| name.clone())
        .collect();
    names.sort();
    names
}

#[test]
fn default_tables_show_the_seeds_columns() {
    for which in [(|p| p.view) as fn(&Property) -> bool, |p| p.detail_view] {
        let router = [
            "host_name",
            "id",
            "local_as",
            "mgmt_addr",
            "router_id",
            "status",
        ];
        assert_eq!(shown("router", which), router);
        let neighbor = [
            "host_name",
            "id",
            "mgmt_addr",
            "neighbor_addr",
            "peer_as",
            "status",
        ];
        assert_eq!(shown("neighbor", which), neighbor);
        let policyinfo = [
            "apply_direction",
            "apply_neighbor",
            "exist",
            "host_name",
            "id",
            "mgmt_addr",
            "policy_name",
            "route_disposition",
            "statement_action",
            "statement_name",
            "status",
        ];
        assert_eq!(shown("policyinfo", which), policyinfo);
    }
}

#[test]
fn embedded_families_are_those_that_compile() {
    let schemas = Schemas::builtin();
    let source = &schemas.get("neighbor").unwrap().properties["families"].source;
    for family in source["items"]["enum"].as_array().unwrap() {
        serde_json::from_value::<crate::config::Family>(family.clone()).unwrap();
    }
}

#[test]
fn built_in_kinds_have_a_status_and_neighbors_a_session() {
    let schemas = load(NETWORKS);
    let of = |id: &str| {
        let kind = schemas.get(id).unwrap();
        (kind.builtin, kind.has_status(), kind.has_session())
    };
    assert_eq!(of("router"), (true, true, false));
    assert_eq!(of("neighbor"), (true, true, true));
    assert_eq!(of("policyinfo"), (true, true, false));
    assert_eq!(of("network"), (false, false, false));
}

#[test]
fn an_operators_kind_has_all_that_its_file_says() {
    let schemas = load(NETWORKS);
    assert!(schemas.get("base").is_none(), "abstract kinds have no rows");
    let network = schemas.get("network").unwrap();
    let names: Vec<&String> = network.properties.keys().collect();
    assert_eq!(names, ["id", "name", "vlan", "cidr", "router_id"]);
    assert_eq!(network.required, ["name", "cidr"]);
    assert_eq!(network.url(), "/v2.0/networks");
    assert_eq!(network.namespace.as_deref(), Some("neutron"));
    assert_eq!(
        network.unique_together,
        IndexMap::from([(
            "cidr+vlan".to_owned(),
            vec!["cidr".to_owned(), "vlan".to_owned()]
        )])
    );
    assert_eq!(network.actions["reset"].method, "POST");
    assert_eq!(network.metadata["nosync"], true);
    let vlan = &network.properties["vlan"];
    assert_eq!(
        (vlan.types.as_slice(), vlan.nullable),
        (&["integer".to_owned()][..], true)
    );
    let router = network.properties["router_id"].relation.as_ref().unwrap();
    assert_eq!((router.kind.as_str(), router.by.as_str()), ("router", "id"));
    assert_eq!(router.joined_as.as_deref(), Some("router"));
    assert!(router.on_delete_cascade);
    assert!(schemas.by_plural("networks").is_some());
}

#[test]
fn a_child_names_its_parent() {
    let schemas = load(NETWORKS);
    let port = schemas.get("port").unwrap();
    assert_eq!(port.parent_property().as_deref(), Some("network_id"));
    assert_eq!(port.required, ["network_id"]);
    let relation = port.properties["network_id"].relation.as_ref().unwrap();
    assert_eq!(relation.kind, "network");
    assert!(relation.on_delete_cascade);
    assert!(port.properties.contains_key("id"), "without being written");
    let tags = &port.properties["tags"];
    assert!(
        !tags.on_create && !tags.on_update,
        "an empty list is read-only"
    );
    let children: Vec<&str> = schemas.children("network").map(|k| k.id.as_str()).collect();
    assert_eq!(children, ["port"]);
}

#[test]
fn files_refer_to_each_other_in_any_order() {
    let (one, two) = NETWORKS.split_once("- id: port").unwrap();
    let two = format!("schemas:\n- id: port{two}");
    let files = [document("two.yaml", &two), document("one.yaml", one)];
    let schemas = Schemas::load(&files).unwrap_or_else(|e| panic!("{}", lines(&e)));
    let ids: Vec<&str> = schemas.iter().map(|k| k.id.as_str()).collect();
    assert_eq!(ids, ["router", "neighbor", "policyinfo", "port", "network"]);
}

#[test]
fn json_files_are_read_as_well() {
    let value = document("a.yaml", NETWORKS).value;
    let schemas = load(&serde_json::to_string_pretty(&value).unwrap());
    assert!(schemas.get("port").is_some());
}

#[test]
fn additions_to_a_built_in_kind_merge() {
    let schemas = load(
        "
schemas:
- id: router
  singular: router
  plural: routers
  description: Ours
  metadata: {colour: blue}
  schema:
    required: [host_name]
    properties:
      host_name: {type: string, unique: true, title: Name, sql: varchar(64)}
      status: {type: string, permission: [], view: false}
      site: {type: string, default: Tokyo}
",
    );
    let router = schemas.get("router").unwrap();
    assert!(router.builtin);
    assert_eq!(router.description, "Ours");
    assert_eq!(
        router.metadata,
        json!({"state_versioning": true, "colour": "blue"})
    );
    assert_eq!(router.properties["host_name"].title, "Name");
    assert_eq!(
        router.source["schema"]["properties"]["host_name"]["title"],
        "Name"
    );
    assert!(router.properties["host_name"].source["pattern"].is_string());
    assert!(!router.properties["status"].view && router.properties["status"].computed);
    assert_eq!(router.properties["site"].default, Some(json!("Tokyo")));
    let required = ["host_name", "mgmt_addr", "router_id", "local_as"];
    assert_eq!(router.required, required, "the file can't take away");
    let last = router.properties.keys().next_back().unwrap();
    assert_eq!(last, "site");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let broken = document("broken.yaml", include_str!("testdata/broken.yaml"));
    let errors = Schemas::load(&[broken]).unwrap_err();
    insta::assert_snapshot!("broken", lines(&errors));
}

#[test]
fn errors_are_in_order_of_files_and_lines() {
    let wrong = "schemas:\n- {id: x}\n- {id: y, plurl: z}\n";
    let files = [document("b.yaml", wrong), document("a.yaml", wrong)];
    let errors = Schemas::load(&files).unwrap_err();
    let mut sorted = errors.clone();
    sorted.sort_by_key(|e| (e.file == "a.yaml", e.line, e.column));
    assert_eq!(errors, sorted);
    assert!(
        errors
            .iter()
            .any(|e| e.message.contains(r#"declared twice, first in b.yaml:2"#))
    );
}

#[test]
fn a_file_without_schemas_says_what_is_missing() {
    assert_eq!(
        refusal("kinds: []"),
        "a.yaml:1:1: unknown key \"kinds\": known are schemas, policies, extensions\n\
         a.yaml:1:1: the file has no schemas: it must list them under the key schemas"
    );
    assert_eq!(
        refusal(""),
        "a.yaml:1:1: the file must be a mapping, not null"
    );
    assert_eq!(
        refusal("schemas: {a: b}"),
        "a.yaml:1:1: \"schemas\" must be a list, not an object"
    );
}

#[test]
fn gohans_form_shows_the_whole_schema() {
    let schemas = load(NETWORKS);
    insta::assert_json_snapshot!("port", schemas.get("port").unwrap().source);
}

#[test]
fn views_are_a_flag_or_a_list_of_names() {
    let text = "
schemas:
- id: a
  singular: a
  plural: as
  schema:
    properties:
      both: {type: string, view: [detail, list, create]}
      alone: {type: string, view: [detail]}
      none: {type: string, view: []}
      hidden: {type: string, view: false}
      wrong: {type: string, view: [detial, 5]}
policies: []
extensions: []
";
    let document = |text: &str| Document::parse("views.yaml", text).unwrap();
    let errors = Schemas::load(&[document(text)]).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "views.yaml:12:36: unknown view \"detial\", did you mean \"detail\"?",
            "views.yaml:12:44: this must be text, not a number",
        ]
    );
    let right = text.replace("view: [detial, 5]", "view: true");
    let schemas = Schemas::load(&[document(&right)]).unwrap();
    let properties = &schemas.get("a").unwrap().properties;
    let shown = |name: &str| (properties[name].view, properties[name].detail_view);
    assert_eq!(shown("both"), (true, true));
    assert_eq!(shown("alone"), (false, true));
    assert_eq!(shown("none"), (false, false));
    assert_eq!(shown("hidden"), (false, true));
    assert_eq!(shown("wrong"), (true, true));
}
