//! Random histories: whatever happens, indexes and rows agree, and a restart
//! finds the same and repairs nothing.

use super::*;
use proptest::prelude::*;
use sdwan_server::catalog::OurRouter;
use sdwan_server::catalog::{Change, DeleteOptions, Mode};

#[derive(Clone, Debug)]
enum Act {
    Router(u32),
    Neighbor(u32, u32),
    Policy(u32, u32),
    Rename(usize, u32),
    Move(usize, u32),
    Delete(&'static str, usize, bool, bool),
    Swap(usize, usize),
    Pass(usize),
    Reach(usize, bool),
}

fn act() -> impl Strategy<Value = Act> {
    let some = 1..4u32;
    let kind = prop::sample::select(vec!["router", "neighbor", "policyinfo"]);
    prop_oneof![
        some.clone().prop_map(Act::Router),
        (some.clone(), 0..4u32).prop_map(|(r, n)| Act::Neighbor(r, n)),
        (some.clone(), 0..3u32).prop_map(|(r, n)| Act::Policy(r, n)),
        (0..4usize, some.clone()).prop_map(|(at, n)| Act::Rename(at, n)),
        (0..4usize, some).prop_map(|(at, n)| Act::Move(at, n)),
        (kind, 0..6usize, any::<bool>(), any::<bool>())
            .prop_map(|(kind, at, cascade, force)| Act::Delete(kind, at, cascade, force)),
        (0..4usize, 0..4usize).prop_map(|(a, b)| Act::Swap(a, b)),
        (0..4usize).prop_map(Act::Pass),
        (0..4usize, any::<bool>()).prop_map(|(at, up)| Act::Reach(at, up)),
    ]
}

fn patch(row: &Shown, patch: Value) -> Change {
    Change::Update {
        kind: row.row.kind.clone(),
        id: row.row.id.clone(),
        patch,
        mode: Mode::Merge,
        if_match: None,
    }
}

/// Does it, or is refused; either is fine.
async fn perform(site: &Site, act: &Act) {
    let pick = |kind: &str, at: usize| site.catalog.list(kind).into_iter().nth(at);
    let changes = match act {
        Act::Router(n) => return drop(site.create("router", router(*n)).await),
        Act::Neighbor(r, n) => return drop(site.create("neighbor", neighbor(*r, *n)).await),
        Act::Policy(r, n) => {
            let body = policy(*r, &format!("s{n}"));
            return drop(site.create("policyinfo", body).await);
        }
        Act::Rename(at, n) => {
            let change = |row| patch(&row, json!({"host_name": format!("GoBGP-{n}")}));
            pick("router", *at).map(change).into_iter().collect()
        }
        Act::Move(at, n) => {
            let change = |row| patch(&row, json!({"mgmt_addr": format!("192.168.200.{n}")}));
            pick("router", *at).map(change).into_iter().collect()
        }
        Act::Swap(a, b) => {
            let (Some(a), Some(b)) = (pick("router", *a), pick("router", *b)) else {
                return;
            };
            let name = |row: &Shown| json!({"host_name": row.row.text("host_name")});
            vec![patch(&a, name(&b)), patch(&b, name(&a))]
        }
        Act::Delete(kind, at, cascade, force) => {
            let Some(row) = pick(kind, *at) else { return };
            let options = DeleteOptions {
                cascade: *cascade,
                force: *force,
                ..DeleteOptions::default()
            };
            return drop(site.catalog.delete(kind, &row.row.id, options).await);
        }
        Act::Pass(at) => {
            if let Some(OurRouter { id: router, .. }) = site.catalog.routers(|_| false).get(*at) {
                site.applied(router).await;
            }
            return;
        }
        Act::Reach(at, up) => {
            if let Some(OurRouter { id: router, .. }) = site.catalog.routers(|_| false).get(*at) {
                site.reach(router, *up).await;
            }
            return;
        }
    };
    drop(site.catalog.transact(changes, false).await);
}

async fn check(site: &Site, acts: &[Act]) -> Result<(), TestCaseError> {
    let start = site.catalog.revision();
    let mut seen = mirror::Seen::default();
    for act in acts {
        perform(site, act).await;
    }
    seen.follow(&site.catalog, start).await;
    prop_assert_eq!(
        seen.rows(),
        mirror::shown(&site.catalog),
        "a watcher knows all"
    );
    let revision = site.catalog.revision();
    let again = site.again("first").await;
    prop_assert_eq!(again.revision(), revision, "nothing to repair");
    prop_assert_eq!(mirror::shown(&again), mirror::shown(&site.catalog));
    for OurRouter { id: router, .. } in again.routers(|_| false) {
        let (one, two) = (
            again.router_view(&router),
            site.catalog.router_view(&router),
        );
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
    let checked = upkeep::check(&*site.store).await;
    prop_assert_eq!(checked.problems, Vec::<String>::new());
    // Every neighbor is seen by exactly the router that it names.
    for row in site.catalog.list("neighbor") {
        if row.status.as_ref().unwrap().status == Status::PendingDelete {
            continue;
        }
        let name = row.row.text("host_name").unwrap();
        let router = site.catalog.resolve("router", name).unwrap();
        let view = site.catalog.router_view(&router.row.id).unwrap();
        prop_assert!(view.inputs.neighbors.iter().any(|n| n.id == row.row.id));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_leaves_rows_and_indexes_in_agreement(
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let site = Site::new().await;
            check(&site, &acts).await
        })?;
    }
}
