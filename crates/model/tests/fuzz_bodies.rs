//! The bodies of the fuzz targets, bounded and on stable: what is right with
//! some of its bytes replaced, cut or doubled reaches further than noise.

#[path = "../../../fuzz/bodies.rs"]
mod bodies;

use proptest::prelude::*;

/// One thing done to a text.
#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, Vec<u8>),
    Cut(usize, usize),
    Double(usize, usize),
}

impl Edit {
    fn apply(&self, data: &mut Vec<u8>) {
        let within = |at: usize, data: &Vec<u8>| at % (data.len() + 1);
        match self {
            Self::Replace(at, bytes) => {
                let at = within(*at, data);
                let end = (at + bytes.len()).min(data.len());
                data.splice(at..end, bytes.iter().copied());
            }
            Self::Cut(at, length) => {
                let at = within(*at, data);
                let end = (at + length).min(data.len());
                data.drain(at..end);
            }
            Self::Double(at, length) => {
                let at = within(*at, data);
                let end = (at + length).min(data.len());
                let twice = data[at..end].to_vec();
                data.splice(at..at, twice);
            }
        }
    }
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        "[-a-z0-9:,\\[\\]{}&*'\" \n/.+]{1,4}".prop_map(String::into_bytes),
    ];
    prop_oneof![
        (any::<usize>(), bytes).prop_map(|(at, bytes)| Edit::Replace(at, bytes)),
        (any::<usize>(), 0..40usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        (any::<usize>(), 0..200usize).prop_map(|(at, length)| Edit::Double(at, length)),
    ]
}

/// One of the seeds, edited a few times.
fn edited(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec(any_edit(), 0..4);
    (prop::sample::select(seeds), edits).prop_map(|(seed, edits)| {
        let mut data = seed.to_vec();
        for edit in edits {
            edit.apply(&mut data);
        }
        data
    })
}

const SCHEMAS: &[&[u8]] = &[
    include_bytes!("../src/schema/testdata/broken.yaml"),
    b"schemas:\n- id: a\n  singular: a\n  plural: as\n  schema:\n    required: [n]\n    properties:\n      n: {type: string, format: ip, default: 10.0.0.1}\n      m: {type: [integer, 'null'], minimum: 1}\n      l: {type: array, items: {type: string, enum: [x, y]}, uniqueItems: true}\n",
    b"schemas:\n- {id: a, type: abstract, schema: {properties: {n: {type: string, pattern: '^a'}}}}\n- {id: b, singular: b, plural: bs, extends: [a], parent: router, schema: {}}\n",
    br#"{"schemas": [{"id": "router", "schema": {"properties": {"site": {"type": "string"}}}}]}"#,
];

const POLICIES: &[&[u8]] = &[
    b"policies:\n- {principal: noc, action: read, resource: {path: '/v2.0/(routers|neighbors)(/.*)?', properties: [host_name, status]}}\n- {principal: noc, action: '*', effect: deny, resource: {path: /sdwan/.*}}\n",
    b"policies:\n- principal: member\n  action: update\n  scope: [tenant]\n  tenant_id: 'a|b'\n  resource: {path: .*, blacklistProperties: [auth_password]}\n  condition:\n  - is_owner\n  - {type: belongs_to, action: read, tenant_id: b}\n  - {type: property, match: {host_name: {a: [b, c]}, peer_as: [1, 2]}}\n  - or: [is_owner, {and: [{match: {property: local_as, type: neq, value: 1}}]}]\n- {principal: Nobody, resource: {path: /favicon.ico}}\n",
];

const BODIES: &[&[u8]] = &[
    br#"0{"host_name":"r","mgmt_addr":"10.0.0.1","router_id":"1.1.1.1","local_as":65001}"#,
    br#"1{"host_name":"r","neighbor_addr":"2001:db8::1","peer_as":1,"hold_time":9,"keepalive_interval":3,"families":["ipv4-unicast"],"auth_password":"x","passive":true,"local_address":"::1"}"#,
    br#"2{"policyinfo":{"host_name":"r","policy_name":"p","statement_name":"s","statement_action":"med +10","apply_direction":"import","apply_neighbor":"","position":1}}"#,
];

const ACTIONS: &[&[u8]] = &[
    b"next-hop self",
    b"next-hop 2001:db8::1",
    b"med +10",
    b"med 4294967295",
    b"local-pref 200",
    b"community add 65000:1 no-export",
    b"ext-community replace rt:65000:1 soo:10.0.0.1:2",
    b"large-community remove 1:2:3",
    b"as-prepend last-as 5",
    b"as-prepend 65001 3",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn schema_file(data in edited(SCHEMAS)) {
        bodies::schema_file(&data);
    }

    #[test]
    fn policy_file(data in edited(POLICIES)) {
        bodies::policy_file(&data);
    }

    #[test]
    fn api_body(data in edited(BODIES)) {
        bodies::api_body(&data);
    }

    #[test]
    fn statement_action(data in edited(ACTIONS)) {
        bodies::statement_action(&data);
    }
}

/// Found by libFuzzer: to YAML a lone CR ends a line, too.
#[test]
fn errors_are_placed_also_where_lines_end_in_cr() {
    bodies::policy_file(b"policies:\r\r\r- {principal: a, resource: {path: ')'}}");
    bodies::schema_file(b"schemas:\r\r\r- {id: a, colour: red}");
}

/// The seeds themselves get as far as they should: else the rest is noise.
#[test]
fn seeds_are_right() {
    use sdwan_model::{document::Document, schema::Schemas, validate};
    for schema in &SCHEMAS[1..] {
        let text = std::str::from_utf8(schema).unwrap();
        Schemas::load(&[Document::parse("seed", text).unwrap()]).unwrap();
    }
    for policies in POLICIES {
        let text = std::str::from_utf8(policies).unwrap();
        let document = Document::parse("seed", text).unwrap();
        sdwan_model::policy::Policies::load(&[document], &Schemas::builtin()).unwrap();
    }
    for (kind, body) in Schemas::builtin().iter().zip(BODIES) {
        let value = serde_json::from_slice(&body[1..]).unwrap();
        validate::create(kind, validate::unwrap(kind, value)).unwrap();
        bodies::api_body(body);
    }
    for action in ACTIONS {
        let text = std::str::from_utf8(action).unwrap();
        text.parse::<sdwan_model::action::Action>().unwrap();
    }
}
