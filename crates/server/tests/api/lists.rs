//! Lists: every parameter alone, and all of them together against plain code.

use crate::harness::{App, NEIGHBORS, ROUTERS, Setup, app, app_with};
use crate::own_kinds::SITES;
use proptest::prelude::*;
use sdwan_model::plan::Verdict;
use sdwan_model::resource::ResourceRef;
use sdwan_model::status::{Monitoring, Reachability};
use sdwan_server::catalog::{Observation, Report};
use sdwan_store::memory::Memory;
use sdwan_store::{Commit, Op, Outcome, Store};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::sync::Arc;

const PATH: &str = "/v2.0/sites";

/// Rows with every kind of value in them.
async fn sites() -> App {
    let app = app_with(SITES).await;
    for (id, name, floor, open, note) in ROWS {
        let body = json!({
            "id": id, "name": name, "floor": floor, "shared": open, "note": note,
        });
        app.post(PATH, body).await.expect(201);
    }
    app
}

type Site = (
    &'static str,
    &'static str,
    Option<i64>,
    bool,
    Option<&'static str>,
);

const ROWS: [Site; 7] = [
    ("d", "Tokyo", Some(3), true, None),
    ("a", "Osaka", Some(-1), false, Some("x y")),
    ("c", "Nara", None, true, Some("&=?")),
    ("b", "Kobe", Some(10), false, Some("x y")),
    ("e", "東京", Some(3), false, Some("")),
    ("g", "tokyo", Some(0), true, Some("true")),
    ("f", "10", None, false, None),
];

fn ids(body: &Value) -> Vec<&str> {
    let rows = body["sites"].as_array().expect("a list");
    rows.iter()
        .map(|r| r["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test]
async fn the_default_order_is_by_id_and_the_whole_list() {
    let app = sites().await;
    let reply = app.get(PATH).await;
    assert_eq!(reply.header("x-total-count"), "7");
    assert!(reply.header("x-revision").parse::<u64>().is_ok());
    assert_eq!(ids(&reply.expect(200)), ["a", "b", "c", "d", "e", "f", "g"]);
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let app = app().await;
    assert_eq!(app.get(ROUTERS).await.expect(200), json!({ "routers": [] }));
}

#[tokio::test]
async fn the_total_counts_before_paging() {
    let app = sites().await;
    let reply = app
        .get(&format!("{PATH}?limit=2&offset=5&shared=false"))
        .await;
    assert_eq!(reply.header("x-total-count"), "4");
    assert_eq!(ids(&reply.expect(200)), [""; 0]);
    let reply = app.get(&format!("{PATH}?limit=0")).await;
    assert_eq!(reply.header("x-total-count"), "7");
    assert_eq!(ids(&reply.expect(200)), [""; 0]);
}

#[tokio::test]
async fn filters_are_in_within_a_property_and_and_between_them() {
    let app = sites().await;
    for (query, wanted) in [
        ("name=Nara", vec!["c"]),
        ("name=Nara&name=Kobe", vec!["b", "c"]),
        ("floor=3&shared=True", vec!["d"]),
        ("floor=3&shared=true", vec!["d"]),
        ("note=x+y", vec!["a", "b"]),
        ("note=x%20y&name=Kobe", vec!["b"]),
        ("note=%26%3D%3F", vec!["c"]),
        ("note=", vec!["e"]),
        ("name=%E6%9D%B1%E4%BA%AC", vec!["e"]),
        ("name=%ff", vec![]),
        ("floor=three", vec![]),
        ("name=Nara&floor=10&any_of=true", vec!["b", "c"]),
        ("any_of=true", vec!["a", "b", "c", "d", "e", "f", "g"]),
        ("floor=-1", vec!["a"]),
    ] {
        let reply = app.get(&format!("{PATH}?{query}")).await;
        assert_eq!(ids(&reply.expect(200)), wanted, "{query}");
    }
}

#[tokio::test]
async fn addresses_are_found_in_any_spelling() {
    let app = app().await;
    app.gobgp(1).await;
    app.neighbor("2001:db8::1").await;
    let list = app
        .get(&format!("{NEIGHBORS}?neighbor_addr=2001:0DB8:0::1"))
        .await;
    assert_eq!(list.header("x-total-count"), "1");
}

#[tokio::test]
async fn rows_can_be_chosen_by_status() {
    let app = app().await;
    app.gobgp(1).await;
    assert_eq!(
        app.count(&format!("{ROUTERS}?status=PENDING_CREATE")).await,
        1
    );
    assert_eq!(
        app.count(&format!("{ROUTERS}?status=ACTIVE&status=FAILED"))
            .await,
        0
    );
    app.get(&format!("{ROUTERS}?sort_key=status&sort_order=desc"))
        .await
        .expect(200);
}

#[tokio::test]
async fn what_a_list_does_not_understand_is_told_all_at_once() {
    let app = app().await;
    let query = "limit=-1&offset=x&sort_key=hostname&sort_order=up&any_of=perhaps&_fields=stat\
                 &host=x&limt=3&watch=1";
    let told = app.get(&format!("{ROUTERS}?{query}")).await.expect(400);
    insta::assert_json_snapshot!("wrong_list_parameters", told);
    for query in [
        "limit=-1",
        "offset=-1",
        "limit=1&limit=2",
        "limit=",
        "limit=1.5",
        "sort_key=nonsense",
        "sort_key=",
        "sort_order=ASC",
        "nonsense=1",
        "_fields=nonsense",
        "limit=99999999999999999999",
    ] {
        let reply = app.get(&format!("{ROUTERS}?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
    }
}

#[tokio::test]
async fn secrets_and_live_numbers_choose_no_rows() {
    let app = app().await;
    app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let url = format!("{NEIGHBORS}/{id}");
    app.patch(&url, serde_json::json!({ "auth_password": "hush" }))
        .await
        .expect(200);
    for query in [
        "auth_password=hush",
        "sort_key=auth_password",
        "uptime=1",
        "sort_key=uptime",
    ] {
        let reply = app.get(&format!("{NEIGHBORS}?{query}")).await;
        assert_eq!(reply.status, 400, "{query}");
    }
}

/// What a list must show, in plain code.
fn reference(ask: &Ask) -> (Vec<&'static str>, usize) {
    let text = |site: &Site, property: &str| -> Option<String> {
        match property {
            "id" => Some(site.0.to_owned()),
            "name" => Some(site.1.to_owned()),
            "floor" => site.2.map(|f| f.to_string()),
            "shared" => Some(site.3.to_string()),
            _ => site.4.map(str::to_owned),
        }
    };
    let mut rows: Vec<&Site> = ROWS.iter().collect();
    rows.sort_by_key(|site| site.0);
    if !ask.filters.is_empty() {
        rows.retain(|site| {
            let mut holds = ask.filters.iter().map(|(property, values)| {
                text(site, property).is_some_and(|have| {
                    values.iter().any(|v| match *property {
                        "shared" => v.eq_ignore_ascii_case(&have),
                        _ => *v == have,
                    })
                })
            });
            if ask.any_of {
                holds.any(|h| h)
            } else {
                holds.all(|h| h)
            }
        });
    }
    let compare = |a: &&Site, b: &&Site| -> Ordering {
        match ask.sort_key {
            "floor" => a.2.cmp(&b.2),
            "shared" => a.3.cmp(&b.3),
            property => text(a, property).cmp(&text(b, property)),
        }
    };
    rows.sort_by(|a, b| {
        if ask.descending {
            compare(b, a)
        } else {
            compare(a, b)
        }
    });
    let total = rows.len();
    let limit = ask.limit.unwrap_or(usize::MAX);
    let page = rows.into_iter().skip(ask.offset).take(limit);
    (page.map(|site| site.0).collect(), total)
}

#[derive(Clone, Debug)]
struct Ask {
    filters: Vec<(&'static str, Vec<&'static str>)>,
    any_of: bool,
    sort_key: &'static str,
    descending: bool,
    limit: Option<usize>,
    offset: usize,
}

impl Ask {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (property, values) in &self.filters {
            for value in values {
                query.append_pair(property, value);
            }
        }
        if self.any_of {
            query.append_pair("any_of", "true");
        }
        query.append_pair("sort_key", self.sort_key);
        query.append_pair("sort_order", if self.descending { "desc" } else { "asc" });
        if let Some(limit) = self.limit {
            query.append_pair("limit", &limit.to_string());
        }
        query.append_pair("offset", &self.offset.to_string());
        query.finish()
    }
}

fn filter() -> impl Strategy<Value = (&'static str, Vec<&'static str>)> {
    let of = |property: &'static str, values: &'static [&'static str]| {
        proptest::collection::vec(proptest::sample::select(values), 1..3)
            .prop_map(move |values| (property, values))
    };
    prop_oneof![
        of("id", &["a", "b", "z"]),
        of("name", &["Nara", "tokyo", "Tokyo", "東京", "10", "%", ""]),
        of("floor", &["3", "-1", "10", "0", "x", ""]),
        of("shared", &["true", "True", "false", "1"]),
        of("note", &["x y", "&=?", "", "true", "null"]),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    (
        proptest::collection::vec(filter(), 0..3),
        any::<bool>(),
        proptest::sample::select(&["id", "name", "floor", "shared", "note"][..]),
        any::<bool>(),
        proptest::option::of(0..9usize),
        0..9usize,
    )
        .prop_map(
            |(mut filters, any_of, sort_key, descending, limit, offset)| {
                filters.sort();
                filters.dedup_by_key(|(property, _)| *property);
                Ask {
                    filters,
                    any_of,
                    sort_key,
                    descending,
                    limit,
                    offset,
                }
            },
        )
}

#[test]
fn every_combination_of_parameters_is_what_plain_code_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let app = runtime.block_on(sites());
    proptest!(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }, |(ask in ask())| {
        let reply = runtime.block_on(app.get(&format!("{PATH}?{}", ask.query())));
        let total = reply.header("x-total-count").to_owned();
        let body = reply.expect(200);
        let (wanted, count) = reference(&ask);
        prop_assert_eq!(ids(&body), wanted, "{:?}", ask);
        prop_assert_eq!(total, count.to_string());
    });
}

#[tokio::test]
async fn a_list_with_fields_shows_only_these() {
    let app = Setup::default().start().await;
    app.gobgp(1).await;
    let list = app
        .get(&format!("{ROUTERS}?_fields=host_name&_fields=local_as"))
        .await;
    let wanted = json!({ "routers": [{ "host_name": "GoBGP-1", "local_as": 65001 }] });
    assert_eq!(list.expect(200), wanted);
}

/// Rows are kept as text between lists; never for longer than what they say is
/// true.
#[tokio::test]
async fn a_list_is_as_new_as_its_rows() {
    let store = Arc::new(Memory::new());
    let setup = Setup {
        store: Some(Arc::clone(&store) as Arc<dyn Store>),
        ..Setup::default()
    };
    let app = setup.start().await;
    let router = app.gobgp(1).await;
    let id = app.neighbor("192.168.0.1").await;
    let other = app.neighbor("192.168.0.2").await;
    let listed = async || {
        let list = app.get(NEIGHBORS).await;
        assert_eq!(list.header("x-total-count"), "2");
        let rows = list.expect(200);
        let rows = rows["neighbors"].as_array().cloned().expect("rows");
        let row = rows.into_iter().find(|row| row["id"] == *id);
        let row = row.expect("it is listed");
        (row["status"].clone(), row["description"].clone())
    };
    let row = ResourceRef::new("neighbor", &id);
    let verdict = Verdict::Applied { version: 1 };
    let report = Report {
        router: router.clone(),
        at: app.catalog.revision(),
        verdicts: [(row.clone(), verdict)].into(),
        ..Report::default()
    };
    let seen = |reachable, monitoring: &str| Observation {
        router: router.clone(),
        reachability: Some(Reachability {
            reachable,
            ..Reachability::default()
        }),
        sessions: [(
            row.clone(),
            Monitoring {
                version: 1,
                monitoring: monitoring.into(),
                ..Monitoring::default()
            },
        )]
        .into(),
    };
    assert_eq!(listed().await.0, "PENDING_CREATE");
    app.catalog.report(report).await.expect("stored");
    assert_eq!(listed().await.0, "UNKNOWN");
    app.catalog
        .observe(seen(true, "DOWN"))
        .await
        .expect("stored");
    assert_eq!(listed().await.0, "DOWN");
    app.catalog.observe(seen(true, "UP")).await.expect("stored");
    assert_eq!(listed().await.0, "UP");
    app.catalog
        .observe(seen(false, "UP"))
        .await
        .expect("stored");
    assert_eq!(listed().await.0, "UNKNOWN");
    app.patch(&format!("{NEIGHBORS}/{id}"), json!({"description": "new"}))
        .await
        .expect(200);
    assert_eq!(listed().await, (json!("PENDING_UPDATE"), json!("new")));
    // Somebody's word on a row that is not there is no row.
    let ghost = Op::put(
        "/state/v2.0/neighbors/ghost",
        "{\"version\": 1, \"state\": \"ACTIVE\"}",
    );
    let commit = Commit {
        id: uuid::Uuid::from_u128(u128::MAX),
        when: Vec::new(),
        then: vec![ghost],
    };
    let Outcome::Committed(revision) = store.commit(commit).await.expect("stored") else {
        panic!("nothing stands against it");
    };
    app.catalog.wait_for(revision).await;
    listed().await;
    let page = app.get(&format!("{NEIGHBORS}?limit=1&offset=1")).await;
    assert_eq!(page.header("x-total-count"), "2");
    let last = std::cmp::max(&id, &other);
    assert_eq!(page.json()["neighbors"][0]["id"], **last);
    app.delete(&format!("{NEIGHBORS}/{other}?force=true")).await;
    assert_eq!(app.get(NEIGHBORS).await.header("x-total-count"), "1");
}
