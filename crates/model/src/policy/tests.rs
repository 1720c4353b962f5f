//! What files mean, and what holds whatever they say.

use super::*;
use crate::resource::{Body, Row};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Networks belong to tenants, sites to nobody.
const KINDS: &str = "
schemas:
- id: network
  singular: network
  plural: networks
  prefix: /v2.0
  actions: {reboot: {path: /:id/reboot, method: POST}}
  schema:
    type: object
    properties:
      id: {type: string, permission: [create]}
      name: {type: string}
      tenant_id: {type: [string, 'null']}
      state: {type: [string, 'null']}
      level: {type: [integer, 'null']}
      key: {type: [string, 'null'], format: secret}
- id: site
  singular: site
  plural: sites
  prefix: /v2.0
  schema:
    type: object
    properties:
      id: {type: string, permission: [create]}
      name: {type: string}
";

static SCHEMAS: LazyLock<Schemas> =
    LazyLock::new(|| Schemas::load(&[Document::parse("kinds.yaml", KINDS).unwrap()]).unwrap());

fn kinds() -> &'static Schemas {
    &SCHEMAS
}

fn load(policies: &str) -> Result<(Policies, Vec<Error>), Vec<Error>> {
    let text = format!("policies:\n{policies}");
    Policies::load(&[Document::parse("p.yaml", &text).unwrap()], kinds())
}

/// Policies that are right, and of which nothing has to be said.
fn policies(text: &str) -> Policies {
    let (policies, warnings) = load(text).unwrap_or_else(|e| panic!("{e:#?}"));
    assert_eq!(warnings, []);
    policies
}

fn errors(text: &str) -> Vec<String> {
    let errors = load(text).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

fn caller(role: &str, tenant: Option<&str>) -> Caller {
    Caller {
        id: "u".to_owned(),
        name: "u".to_owned(),
        roles: vec![role.to_owned()],
        tenant: tenant.map(|id| Tenant {
            id: id.to_owned(),
            name: format!("name of {id}"),
        }),
    }
}

fn row(kind: &str, body: Value) -> Row {
    let Value::Object(body) = body else {
        panic!("no object")
    };
    Row {
        kind: kind.to_owned(),
        id: body["id"].as_str().unwrap().to_owned(),
        version: 1,
        created: 1,
        body,
    }
}

fn network(tenant: Option<&str>) -> Row {
    row(
        "network",
        json!({ "id": "n", "name": "n", "tenant_id": tenant, "state": "UP" }),
    )
}

/// The actions that a caller has on a row.
fn on(policies: &Policies, caller: &Caller, row: &Row) -> String {
    let kinds = kinds();
    let kind = kinds.get(&row.kind).unwrap();
    let access = policies.access(caller);
    let shown = [
        (access.list(kind).fields(row).is_some(), 'L'),
        (access.create(kind).fields_of_new(&row.body).is_some(), 'c'),
        (access.on("read", kind, &row.id).fields(row).is_some(), 'r'),
        (
            access.on("update", kind, &row.id).fields(row).is_some(),
            'u',
        ),
        (
            access.on("delete", kind, &row.id).fields(row).is_some(),
            'd',
        ),
        (
            access.on("reboot", kind, &row.id).fields(row).is_some(),
            'x',
        ),
    ];
    shown
        .iter()
        .map(|(may, c)| if *may { *c } else { '-' })
        .collect()
}

#[test]
fn there_are_three_roles_without_any_file() {
    let none = Policies::default();
    let site = row("site", json!({ "id": "s", "name": "s" }));
    let own = network(Some("a"));
    for (role, on_site, on_own, on_others) in [
        ("admin", "Lcrudx", "Lcrudx", "Lcrudx"),
        ("operator", "Lcrudx", "Lcrudx", "------"),
        ("reader", "L-r---", "L-r---", "------"),
        ("member", "------", "------", "------"),
        ("manager", "------", "------", "------"),
        ("Admin", "------", "------", "------"),
        ("Nobody", "------", "------", "------"),
    ] {
        let caller = caller(role, Some("a"));
        assert_eq!(on(&none, &caller, &site), on_site, "{role}");
        assert_eq!(on(&none, &caller, &own), on_own, "{role}");
        for others in [network(Some("b")), network(None)] {
            assert_eq!(on(&none, &caller, &others), on_others, "{role}");
        }
    }
    let without = caller("operator", None);
    assert_eq!(on(&none, &without, &own), "------");
    assert_eq!(on(&none, &without, &network(None)), "------");
}

#[test]
fn only_an_admin_decides_who_may_do_what() {
    let none = Policies::default();
    let access = |role| none.access(&caller(role, None));
    for path in ["/sdwan/v1/tokens", "/sdwan/v1/tokens/1", "/sdwan/v1/audit"] {
        assert!(access("admin").allows("read", path));
        assert!(!access("operator").allows("read", path));
        assert!(!access("reader").allows("read", path));
    }
    assert!(access("operator").allows("read", "/sdwan/v1/tokenss"));
    assert!(access("reader").allows("read", "/metrics"));
    assert!(!access("reader").allows("update", "/sdwan/v1/holds/all"));
}

#[test]
fn a_role_that_a_file_allows_something_is_the_files_alone() {
    let file = policies("- {principal: reader, action: read, resource: {path: /v2.0/sites(/.*)?}}");
    let reader = caller("reader", Some("a"));
    assert_eq!(
        on(&file, &reader, &row("site", json!({ "id": "s" }))),
        "L-r---"
    );
    assert_eq!(on(&file, &reader, &network(Some("a"))), "------");
    let operator = caller("operator", Some("a"));
    assert_eq!(on(&file, &operator, &network(Some("a"))), "Lcrudx");
}

#[test]
fn one_that_a_file_only_denies_something_keeps_the_rest() {
    let text =
        "- {principal: admin, action: delete, effect: Deny, resource: {path: /v2.0/networks.*}}";
    let file = policies(text);
    assert_eq!(
        on(&file, &caller("admin", None), &network(Some("a"))),
        "Lcru-x"
    );
    assert!(!file.access(&caller("admin", None)).is_everything());
}

#[test]
fn a_row_that_is_denied_is_in_no_list() {
    let text = "- {principal: reader, action: '*', effect: deny, resource: {path: /v2.0/sites/s}}";
    let reader = caller("reader", None);
    let file = policies(text);
    assert_eq!(
        on(&file, &reader, &row("site", json!({ "id": "s" }))),
        "------"
    );
    assert_eq!(
        on(&file, &reader, &row("site", json!({ "id": "t" }))),
        "L-r---"
    );
    let kinds = kinds();
    let access = file.access(&reader);
    assert!(!access.list(kinds.get("site").unwrap()).is_everything());
    assert!(access.list(kinds.get("router").unwrap()).is_everything());
}

#[test]
fn rows_are_a_tenants_own_unless_a_policy_names_others() {
    let own = network(Some("a"));
    let other = network(Some("b"));
    let a = caller("member", Some("a"));
    for (condition, on_own, on_other) in [
        ("[]", "Lcrudx", "------"),
        ("[is_owner]", "Lcrudx", "------"),
        ("[{type: belongs_to, tenant_id: b}]", "Lcrudx", "Lcrudx"),
        (
            "[is_owner, {type: belongs_to, tenant_id: b, action: read}]",
            "Lcrudx",
            "L-r---",
        ),
        (
            "[is_owner, {type: belongs_to, tenant_id: bb}]",
            "Lcrudx",
            "------",
        ),
        (
            "[{or: [is_owner, {match: {property: state, type: eq, value: UP}}]}]",
            "Lcrudx",
            "L-rudx",
        ),
        (
            "[{or: [is_owner, {match: {property: state, type: neq, value: UP}}]}]",
            "Lcrudx",
            "------",
        ),
        (
            "[{and: [is_owner, {match: {property: state, type: eq, value: [DOWN, X]}}]}]",
            "------",
            "------",
        ),
        (
            "[{type: property, match: {state: [UP]}}]",
            "Lcrudx",
            "------",
        ),
        (
            "[{type: property, match: {state: DOWN}}]",
            "------",
            "------",
        ),
        (
            "[{type: property, action: delete, match: {state: DOWN}}]",
            "Lcru-x",
            "------",
        ),
    ] {
        let text = format!(
            "- {{principal: member, action: '*', resource: {{path: .*}}, condition: {condition}}}"
        );
        let file = policies(&text);
        assert_eq!(on(&file, &a, &own), on_own, "{condition}");
        assert_eq!(on(&file, &a, &other), on_other, "{condition}");
        let everybodys = on(&file, &a, &network(None));
        assert!(!condition.starts_with("[is_owner") || everybodys == "------");
    }
}

#[test]
fn what_has_no_owner_is_not_ones_own() {
    let file =
        policies("- {principal: member, action: '*', resource: {path: .*}, condition: [is_owner]}");
    let site = row("site", json!({ "id": "s" }));
    assert_eq!(on(&file, &caller("member", Some("a")), &site), "------");
    assert!(
        !file
            .access(&caller("member", Some("a")))
            .allows("read", "/metrics")
    );
}

#[test]
fn a_policy_can_be_for_some_tenants_only() {
    for (whose, a, none) in [
        ("tenant_id: a", true, false),
        ("tenant_id: 'a|c'", true, false),
        ("tenant_id: aa", false, false),
        ("tenant_name: name of a", true, false),
        ("tenant_name: name", false, false),
        ("scope: [tenant]", true, false),
        ("scope: [domain]", false, true),
        ("scope: [tenant, domain]", true, true),
    ] {
        let text = format!("- {{principal: noc, action: read, resource: {{path: .*}}, {whose}}}");
        let file = policies(&text);
        let may = |tenant| {
            file.access(&caller("noc", tenant))
                .allows("read", "/metrics")
        };
        assert_eq!((may(Some("a")), may(None)), (a, none), "{whose}");
        assert!(!may(Some("b")) || !whose.contains("_"), "{whose}");
    }
}

#[test]
fn an_update_must_be_allowed_before_and_after_it() {
    let kinds = kinds();
    let kind = kinds.get("network").unwrap();
    let text = "
- principal: member
  action: update
  resource: {path: /v2.0/networks/.*}
  condition:
  - type: property
    match: {state: {UP: [DOWN, ERROR]}}
";
    let file = policies(text);
    let access = file.access(&caller("member", Some("a")));
    let right = access.on("update", kind, "n");
    let before = network(Some("a"));
    let may = |name: &str, value: &str| {
        let mut after = before.body.clone();
        after.insert(name.to_owned(), value.into());
        right.fields_of_change(&before.body, &after).is_some()
    };
    assert!(may("state", "DOWN"));
    assert!(!may("state", "UP"));
    let mut given = before.body.clone();
    given.insert("state".into(), "DOWN".into());
    given.insert("tenant_id".into(), "b".into());
    assert!(right.fields_of_change(&before.body, &given).is_none());
}

#[test]
fn nobody_gives_away_what_a_test_lets_him_change() {
    let kinds = kinds();
    let kind = kinds.get("network").unwrap();
    let file = policies(
        "- {principal: member, action: '*', resource: {path: .*}, condition: [{or: [is_owner, {match: {property: state, type: eq, value: UP}}]}]}",
    );
    let access = file.access(&caller("member", Some("a")));
    let right = access.on("update", kind, "n");
    let (own, other, third) = (network(Some("a")), network(Some("b")), network(Some("c")));
    let may =
        |before: &Row, after: &Row| right.fields_of_change(&before.body, &after.body).is_some();
    assert!(may(&other, &other) && may(&own, &own) && may(&other, &own));
    assert!(!may(&own, &other) && !may(&other, &third));
}

#[test]
fn properties_add_up_over_the_policies_that_hold_for_a_row() {
    let kinds = kinds();
    let kind = kinds.get("network").unwrap();
    let text = "
- {principal: m, action: read, resource: {path: /v2.0/networks.*, properties: [name, tenant_id]}}
- principal: m
  action: read
  resource: {path: /v2.0/networks.*, blacklistProperties: [level, name]}
  condition: [{type: property, match: {state: UP}}]
";
    let file = policies(text);
    let access = file.access(&caller("m", Some("a")));
    let right = access.list(kind);
    let shown = |row: &Row| -> Vec<&str> {
        let fields = right.fields(row).unwrap();
        let names = kind.properties.keys().map(String::as_str);
        names.filter(|name| fields.contains(name)).collect()
    };
    assert_eq!(
        shown(&network(Some("a"))),
        ["id", "name", "tenant_id", "state", "key"]
    );
    let down = row(
        "network",
        json!({ "id": "n", "tenant_id": "a", "state": "DOWN" }),
    );
    assert_eq!(shown(&down), ["id", "name", "tenant_id"]);
    assert!(!right.widest().contains("level"));
}

#[test]
fn nobody_is_who_does_not_say_and_what_he_may_everybody_may() {
    let file = policies(
        "- {id: favicon, principal: Nobody, resource: {path: /favicon.ico}}
- {principal: Nobody, action: '*', resource: {path: '/v2.0/(sites|networks).*'}}",
    );
    let member = caller("member", Some("a"));
    for caller in [&Caller::nobody(), &member] {
        let access = file.access(caller);
        assert!(access.allows("read", "/favicon.ico"));
        assert!(!access.allows("create", "/favicon.ico"));
        assert_eq!(
            on(&file, caller, &row("site", json!({ "id": "s" }))),
            "Lcrudx"
        );
        assert_eq!(on(&file, caller, &network(Some("a"))), "------");
    }
    assert!(Policies::default().access(&Caller::nobody()).is_nothing());
}

#[test]
fn the_kinds_that_a_caller_knows_have_what_he_may() {
    let text = "
- {principal: m, action: read, resource: {path: /v2.0/networks.*, properties: [name, state]}}
- {principal: m, action: update, resource: {path: /v2.0/networks/.*, properties: [state]}}
- {principal: m, action: reboot, resource: {path: /v2.0/networks/.*}}
";
    let file = policies(text);
    let trimmed = kinds().for_caller(&file.access(&caller("m", Some("a"))));
    let ids: Vec<&str> = trimmed.iter().map(|kind| kind.id.as_str()).collect();
    assert_eq!(ids, ["network"]);
    let source = &trimmed.get("network").unwrap().source;
    assert_eq!(source["schema"]["permission"], json!(["read", "update"]));
    assert_eq!(
        source["schema"]["propertiesOrder"],
        json!(["id", "name", "state"])
    );
    let permission = |name: &str| &source["schema"]["properties"][name]["permission"];
    assert_eq!(*permission("name"), json!([]));
    assert_eq!(*permission("state"), json!(["update"]));
    assert!(source["actions"].get("reboot").is_some());
    let none = kinds().for_caller(&file.access(&caller("x", None)));
    assert_eq!(none.iter().count(), 0);
}

#[test]
fn what_is_wrong_is_told_all_at_once_with_its_place() {
    let text = "
- {action: read, resource: {path: .*}}
- {principal: m, resource: {path: .*}}
- {principal: m, action: raed, effect: dney, resource: {path: .*}}
- {principal: m, action: read}
- {principal: m, action: read, resource: {path: '['}}
- {principal: m, action: read, resource: {path: 'a)|(b'}}
- {principal: m, action: read, resource: {path: .*, properties: [nmae], blacklistProperties: [id]}}
- {principal: m, action: read, resource: {path: .*, properties: [nmae]}}
- {principal: m, action: read, resource: {path: .*, blacklistProperties: [id]}}
- {principal: m, action: read, resource: {path: .*}, condition: [is_ownr, is_domain_owner, {tpye: property}]}
- {principal: m, action: read, resource: {path: .*}, condition: [{type: property, match: {status: UP, key: k, stat: UP}}]}
- {principal: m, action: read, resource: {path: .*}, condition: is_owner}
- {principal: m, action: read, effect: deny, resource: {path: .*}, condition: [is_owner]}
- {principal: m, action: __attach__, resource: {path: .*}, relation_property: x, target_condition: []}
- {principal: m, action: read, resource: {path: .*}, scope: [admin, tennant]}
- {principal: m, action: read, resource: {path: .*}, tenant: a}
- 7
";
    insta::assert_snapshot!(errors(text).join("\n"));
}

#[test]
fn what_does_less_than_it_seems_to_is_said() {
    let text = "
- {principal: m, action: read, resource: {path: /v2.0/networks}}
- {principal: m, action: read, resource: {path: /v2.0/networks*}}
- {principal: m, action: read, resource: {path: /v2.0/sites.*}, condition: [is_owner]}
- {principal: m, action: create, resource: {path: /v2.0/networks}}
";
    let (_, warnings) = load(text).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_public_gohans_example_means_what_it_says() {
    let text = "
- {action: read, effect: allow, id: member_schema, principal: Member, resource: {path: /gohan/v0.1/schemas*}}
- {action: 'read', id: m1, principal: Member, condition: [is_owner, {type: belongs_to, action: '*', tenant_id: b}], resource: {path: '/v2.0/networks/[^/]+/?$', properties: [id, name]}}
- {action: '*', id: m2, principal: Member, condition: [is_owner], effect: allow, resource: {path: '/v2.0/networks/?$', properties: [id, name, tenant_id]}}
- {action: reboot, id: m3, principal: Member, condition: [is_owner], effect: allow, resource: {path: '/v2.0/networks/[^/]+/?$'}}
";
    let (file, _) = load(text).unwrap();
    let a = caller("Member", Some("a"));
    assert_eq!(on(&file, &a, &network(Some("a"))), "Lcr--x");
    assert_eq!(on(&file, &a, &network(Some("b"))), "--r---");
    assert_eq!(on(&file, &a, &network(Some("c"))), "------");
}

/// One policy of a few that overlap in many ways.
fn any_policy() -> impl Strategy<Value = String> {
    let role = prop::sample::select(vec!["admin", "m", "n", "Nobody"]);
    let action = prop::sample::select(vec!["'*'", "read", "create", "update", "delete", "reboot"]);
    let path = prop::sample::select(vec![
        ".*",
        "/v2.0/networks",
        "/v2.0/networks.*",
        "'/v2.0/networks/[^/]+'",
        "/v2.0/networks/n",
        "/v2.0/sites.*",
        "'/v2.0/(networks|sites)/s'",
    ]);
    let properties = prop::sample::select(vec![
        "",
        ", properties: [name]",
        ", properties: [tenant_id, state]",
        ", blacklistProperties: [name]",
    ]);
    let rest = prop::sample::select(vec![
        "",
        ", condition: [is_owner]",
        ", tenant_id: a",
        ", scope: [domain]",
        ", condition: [{type: belongs_to, tenant_id: b}]",
        ", condition: [{type: property, match: {state: [UP]}}]",
        ", condition: [{or: [is_owner, {match: {property: state, type: eq, value: UP}}]}]",
    ]);
    (role, action, path, properties, rest, any::<bool>()).prop_map(
        |(role, action, path, properties, rest, deny)| {
            let (effect, properties, rest) = match deny {
                true => ("deny", "", ""),
                false => ("allow", properties, rest),
            };
            // Paths that have none of the properties are refused.
            let (properties, rest) = match path.contains("sites.") {
                true => ("", ""),
                false => (properties, rest),
            };
            format!("- {{principal: {role}, action: {action}, effect: {effect}, resource: {{path: {path}{properties}}}{rest}}}\n")
        },
    )
}

/// Everything that a caller may do, in words.
fn everything(policies: &Policies) -> Vec<String> {
    let kinds = kinds();
    let mut all = Vec::new();
    for role in ["admin", "m", "n", "Nobody"] {
        for tenant in [None, Some("a"), Some("b")] {
            let caller = caller(role, tenant);
            let access = policies.access(&caller);
            for row in rows() {
                let kind = kinds.get(&row.kind).unwrap();
                let fields = access
                    .list(kind)
                    .fields(&row)
                    .map(|fields| fields.into_owned());
                let shown = access.sees(kind, &row);
                let on = on(policies, &caller, &row);
                all.push(format!(
                    "{role} {tenant:?} {} {on} {fields:?} {shown:?}",
                    row.id
                ));
            }
            all.push(format!("{}", access.allows("read", "/metrics")));
        }
    }
    all
}

fn rows() -> Vec<Row> {
    let down = row(
        "network",
        json!({ "id": "s", "tenant_id": "a", "state": "DOWN" }),
    );
    let site = row("site", json!({ "id": "s", "name": "s" }));
    vec![
        network(None),
        network(Some("a")),
        network(Some("b")),
        down,
        site,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_order_of_policies_never_matters(
        (list, shuffled) in prop::collection::vec(any_policy(), 1..6)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
    ) {
        let (one, _) = load(&list.concat()).unwrap();
        let (other, _) = load(&shuffled.concat()).unwrap();
        prop_assert_eq!(everything(&one), everything(&other));
    }

    #[test]
    fn deny_beats_whatever_allows(
        list in prop::collection::vec(any_policy(), 0..6),
        path in prop::sample::select(vec!["/v2.0/networks/n", "/v2.0/networks.*", ".*"]),
    ) {
        let deny = format!("- {{principal: m, action: '*', effect: deny, resource: {{path: {path}}}}}\n");
        let (file, _) = load(&(list.concat() + &deny)).unwrap();
        for tenant in [None, Some("a"), Some("b")] {
            let on = on(&file, &caller("m", tenant), &network(Some("a")));
            let only_item = path == "/v2.0/networks/n";
            let kept = if only_item { &on[2..] } else { &on[..] };
            prop_assert!(kept.chars().all(|c| c == '-'), "{}", on);
            prop_assert!(on.starts_with('-'), "{}", on);
        }
    }

    #[test]
    fn a_policy_more_never_takes_from_another_role(
        list in prop::collection::vec(any_policy(), 0..5), more in any_policy(),
    ) {
        prop_assume!(more.contains("principal: n,"));
        let (one, _) = load(&(list.concat() + "- {principal: x, action: read, resource: {path: .*}}\n")).unwrap();
        let (two, _) = load(&(list.concat() + &more)).unwrap();
        for tenant in [None, Some("a")] {
            for row in rows() {
                let caller = caller("m", tenant);
                prop_assert_eq!(on(&one, &caller, &row), on(&two, &caller, &row));
            }
        }
    }
}

#[test]
fn a_body_is_needed_to_say_what_is_ones_own() {
    let kinds = kinds();
    let access = Policies::default().access(&caller("operator", Some("a")));
    let right = access.create(kinds.get("network").unwrap());
    assert!(right.fields_of_new(&Body::new()).is_none());
}

/// Who copies his first policy from the documentation gets it right.
#[test]
fn the_documentations_policies_are_right() {
    let text = include_str!("../../../../docs/POLICIES.md");
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let mut found = 0;
    for block in blocks.filter(|block| block.contains("policies:")) {
        let document = Document::parse("POLICIES.md", block).unwrap();
        let (_, warnings) =
            Policies::load(&[document], kinds()).unwrap_or_else(|e| panic!("{e:#?}"));
        assert_eq!(warnings, [], "{block}");
        found += 1;
    }
    assert!(found >= 5, "{found}");
}
