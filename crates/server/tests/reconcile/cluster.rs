//! Several servers on one store: each router has one of them, whoever dies,
//! and no daemon and no reader notices.

use crate::support::{Server, World};
use sdwan_model::observed::SessionState;
use sdwan_model::resource::ResourceRef;
use sdwan_server::cluster::{Role, Settings};
use sdwan_server::live::Live;
use sdwan_store::{Commit, Condition, Op, Outcome, Store};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

const A: &str = "192.168.0.1";
const B: &str = "172.16.0.2";
const ROUTERS: u8 = 12;

/// Longer than a lease.
const LEASE: Duration = Duration::from_secs(10);

fn address(n: u8) -> String {
    format!("192.0.2.{n}:50051")
}

/// Routers, each with one neighbor whose session is up.
async fn fabric(world: &World, server: &Server) -> (Vec<ResourceRef>, Vec<ResourceRef>) {
    let (mut routers, mut neighbors) = (Vec::new(), Vec::new());
    for n in 1..=ROUTERS {
        routers.push(server.router(n).await);
        neighbors.push(server.neighbor(n, A).await);
    }
    for (n, neighbor) in (1..).zip(&neighbors) {
        server.becomes(neighbor, "DOWN").await;
        world
            .daemon(&address(n))
            .session(A, SessionState::Established, "");
        server.becomes(neighbor, "UP").await;
    }
    server.quiet(world).await;
    (routers, neighbors)
}

fn writes(world: &World) -> Vec<String> {
    let daemons = (1..=ROUTERS).map(|n| world.daemon(&address(n)));
    daemons.flat_map(|daemon| daemon.take_writes()).collect()
}

/// Every status that readers at this server are told of from now on.
fn listen(server: &Server) -> Arc<Mutex<Vec<String>>> {
    use futures::StreamExt;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (told, mut changes) = (
        heard.clone(),
        server.catalog.changes(server.catalog.revision()),
    );
    tokio::spawn(async move {
        while let Some(Ok(step)) = changes.next().await {
            for event in &step.events {
                told.lock().unwrap().push(format!("{event:?}"));
            }
        }
    });
    heard
}

async fn all_have_one(servers: &[&Server], routers: &[ResourceRef]) {
    let shares = || servers.iter().map(|s| s.share(routers)).collect::<Vec<_>>();
    let taken = || shares().iter().sum::<usize>() == routers.len();
    servers[0]
        .until(
            "every router is claimed",
            || format!("{:?}", shares()),
            taken,
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_joins_takes_its_share_and_nobody_notices() {
    let world = World::new();
    let one = world.join().await;
    let (routers, neighbors) = fabric(&world, &one).await;
    assert_eq!(one.share(&routers), routers.len());
    writes(&world);
    let heard = listen(&one);
    let began = Instant::now();
    let two = world.join().await;
    two.until("it has a share", String::new, || two.share(&routers) > 0)
        .await;
    all_have_one(&[&one, &two], &routers).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let before = one.share(&routers);
    assert!((1..routers.len()).contains(&before), "{before}");
    one.quiet(&world).await;
    assert_eq!(one.share(&routers), before, "a share stays");
    assert_eq!(writes(&world), [""; 0]);
    for neighbor in &neighbors {
        assert_eq!(
            (one.status(neighbor), two.status(neighbor)),
            ("UP".into(), "UP".into())
        );
    }
    assert_eq!(*heard.lock().unwrap(), [""; 0], "readers noticed");
    // Both work: a fall is seen wherever the router is.
    for (n, neighbor) in (1..).zip(&neighbors) {
        world
            .daemon(&address(n))
            .session(A, SessionState::Idle, "hold timer expired");
        one.becomes(neighbor, "DOWN").await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_hands_over_before_it_is_gone() {
    let world = World::new();
    let one = world.join().await;
    let (routers, neighbors) = fabric(&world, &one).await;
    let two = world.join().await;
    all_have_one(&[&one, &two], &routers).await;
    two.quiet(&world).await;
    writes(&world);
    let heard = listen(&two);
    let began = Instant::now();
    one.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    two.until("it has all", String::new, || {
        two.share(&routers) == routers.len()
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(two.membership.members().len(), 1);
    // Nothing was under way, so nothing is waited for.
    let neighbor = two.neighbor(1, B).await;
    two.becomes(&neighbor, "DOWN").await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    two.quiet(&world).await;
    assert_eq!(writes(&world), [format!("AddPeer {B}")]);
    for neighbor in &neighbors {
        assert_eq!(two.status(neighbor), "UP");
    }
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    let of_the_new = |event: &String| event.contains(&neighbor.id) || event.contains(B);
    assert!(heard.iter().all(of_the_new), "{heard:#?}");
    two.stop().await;
    assert_eq!(
        world.keys("/cluster/").await,
        [""; 0],
        "nothing is left behind"
    );
}

#[tokio::test(start_paused = true)]
async fn a_killed_servers_routers_are_taken_over_within_its_lease() {
    let world = World::new();
    let one = world.join().await;
    let (routers, neighbors) = fabric(&world, &one).await;
    let two = world.join().await;
    all_have_one(&[&one, &two], &routers).await;
    two.quiet(&world).await;
    let lost: Vec<usize> = (0..routers.len())
        .filter(|n| one.has(&routers[*n]))
        .collect();
    let lost_at = |n: usize| address(u8::try_from(n + 1).unwrap());
    let observes = |n: usize| world.daemon(&lost_at(n)).observes();
    let seen: Vec<usize> = lost.iter().map(|n| observes(*n)).collect();
    writes(&world);
    one.kill().await;
    let died = Instant::now();
    // A change that waits for whoever comes.
    let first = lost[0];
    let late = two.neighbor(u8::try_from(first + 1).unwrap(), B).await;
    let has_all = || two.share(&routers) == routers.len();
    two.until("it has all", String::new, has_all).await;
    let taken = Instant::now();
    let took = taken - died;
    assert!(took <= LEASE + Duration::from_secs(1), "{took:?}");
    for (n, seen) in lost.iter().zip(seen) {
        two.becomes(&neighbors[*n], "UP").await;
        two.until("it looked", String::new, || observes(*n) > seen)
            .await;
    }
    let watched = taken.elapsed();
    assert!(watched < Duration::from_secs(2), "{watched:?}");
    assert_eq!(
        writes(&world),
        [""; 0],
        "calls of the dead may be under way"
    );
    two.becomes(&late, "DOWN").await;
    let caution = sdwan_gobgp::Timeouts::default().late();
    assert!(
        taken.elapsed() >= caution,
        "written after {:?}",
        taken.elapsed()
    );
    let daemon = world.daemon(&lost_at(first));
    let (seen, written) = (daemon.observes(), Instant::now());
    two.until("a second look", String::new, || {
        daemon.observes() > seen + 1
    })
    .await;
    assert!(written.elapsed() < 2 * caution);
    assert_eq!(writes(&world), [format!("AddPeer {B}")]);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn past_its_lease_a_server_only_watches() {
    let world = World::new();
    let one = world.join().await;
    let router = one.router(1).await;
    let neighbor = one.neighbor(1, A).await;
    one.becomes(&neighbor, "DOWN").await;
    one.quiet(&world).await;
    let daemon = world.daemon(&address(1));
    daemon.take_writes();
    one.store.set_down(true);
    // Within the lease it repairs, after it it looks on.
    daemon.by_hand(|observed| observed.peers.clear());
    one.until("repaired", String::new, || daemon.peers() == [A])
        .await;
    sleep(2 * LEASE).await;
    daemon.by_hand(|observed| observed.peers.clear());
    daemon.take_writes();
    sleep(Duration::from_secs(120)).await;
    assert_eq!(daemon.take_writes(), [""; 0]);
    // Readers at the others are told that nobody knows.
    let two = world.join().await;
    two.until("taken", String::new, || two.has(&router)).await;
    two.until("repaired", String::new, || daemon.peers() == [A])
        .await;
    two.becomes(&neighbor, "DOWN").await;
    // It comes back and takes what is its own, without a word on the rest.
    one.store.set_down(false);
    one.until("a member again", String::new, || {
        one.membership.members().len() == 2
    })
    .await;
    all_have_one(&[&one, &two], &[router]).await;
    one.quiet(&world).await;
    assert_eq!(one.status(&neighbor), "DOWN");
    assert_eq!(daemon.falls(A), 0);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_word_of_a_server_that_lost_its_claim_is_not_taken() {
    let world = World::new();
    let one = world.join().await;
    let router = one.router(1).await;
    one.becomes(&router, "ACTIVE").await;
    one.quiet(&world).await;
    // Its mirror stands still while another takes the router.
    let claim = format!("/cluster/claims/{}", router.id);
    let before = world.store.list(&claim).await.unwrap().entries.remove(0);
    let stolen = Commit {
        id: Uuid::from_u128(1),
        when: vec![Condition::AtRevision(claim.clone(), before.modified)],
        then: vec![Op::put(
            claim,
            json!({"member": "thief", "lease": 7}).to_string(),
        )],
    };
    one.store.cut_watches();
    assert!(matches!(
        world.store.commit(stolen).await.unwrap(),
        Outcome::Committed(_)
    ));
    let revision = world.revision().await;
    let word = sdwan_server::catalog::Observation {
        router: router.id.clone(),
        reachability: Some(sdwan_model::status::Reachability::default()),
        ..Default::default()
    };
    let told = one.catalog.observe(word).await;
    assert!(
        matches!(told, Err(sdwan_server::catalog::Error::Unclaimed(_))),
        "{told:?}"
    );
    assert_eq!(world.revision().await, revision);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_for_the_api_serves_all_and_has_no_router() {
    let world = World::new();
    let api = world
        .join_as(Settings {
            role: Role::Api,
            ..Settings::default()
        })
        .await;
    let router = api.router(1).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(api.status(&router), "PENDING_CREATE");
    assert_eq!(world.daemon(&address(1)).dials(), 0);
    let worker = world.join().await;
    api.becomes(&router, "ACTIVE").await;
    assert!(worker.has(&router));
    let plan = api.supervisor.plan(&router.id).await.unwrap();
    assert_eq!(plan.steps.len(), 0, "through a connection of its own");
    let dials = world.daemon(&address(1)).dials();
    api.supervisor.plan(&router.id).await.unwrap();
    assert_eq!(world.daemon(&address(1)).dials(), dials, "which is kept");
    world.daemon(&address(1)).restart_empty();
    api.supervisor.plan(&router.id).await.unwrap();
    worker.stop().await;
    api.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_format_is_raised_when_the_last_server_knows_the_next() {
    let mut world = World::new();
    let old = world.join().await;
    world.format += 1;
    let new = world.join().await;
    sleep(Duration::from_secs(60)).await;
    let format = async |world: &World| {
        let listing = world.store.list("/meta/format").await.unwrap();
        String::from_utf8(listing.entries[0].value.clone()).unwrap()
    };
    assert_eq!(format(&world).await, (world.format - 1).to_string());
    old.stop().await;
    new.quiet(&world).await;
    assert_eq!(format(&world).await, world.format.to_string());
    // The older one is not let in again.
    world.format -= 1;
    let refused = world.try_open().await.err().unwrap().to_string();
    assert!(
        refused.contains("format 3") && refused.contains("newer"),
        "{refused}"
    );
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn routers_that_are_deleted_leave_no_claim() {
    let world = World::new();
    let one = world.join().await;
    let router = one.router(1).await;
    one.becomes(&router, "ACTIVE").await;
    one.delete(&router).await;
    one.becomes(&router, "GONE").await;
    one.quiet(&world).await;
    let left: Vec<String> = world.keys("/cluster/").await;
    assert_eq!(left, [format!("/cluster/members/{}", one.name())]);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_readers_are_told_and_all_is_caught_up_later() {
    let world = World::new();
    let one = world.join().await;
    let (_, neighbors) = fabric(&world, &one).await;
    assert_eq!(one.catalog.stale(), None);
    one.store.set_down(true);
    sleep(Duration::from_secs(60)).await;
    let age = one.catalog.stale().unwrap();
    assert!(
        (Duration::from_secs(55)..=Duration::from_secs(65)).contains(&age),
        "{age:?}"
    );
    for (n, neighbor) in (1..).zip(&neighbors) {
        assert_eq!(one.status(neighbor), "UP", "as it was");
        world
            .daemon(&address(n))
            .session(A, SessionState::Idle, "hold timer expired");
    }
    let refused = one
        .catalog
        .create("neighbor", json!({}), Default::default())
        .await;
    assert!(refused.is_err());
    sleep(Duration::from_secs(60)).await;
    one.store.set_down(false);
    for neighbor in &neighbors {
        one.becomes(neighbor, "DOWN").await;
        assert!(one.reason(neighbor).contains("hold timer expired"));
    }
    assert_eq!(one.catalog.stale(), None);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_no_watch_shows_keeps_nobody_waiting() {
    let world = World::new();
    let one = world.join().await;
    let nothing = Commit {
        id: Uuid::from_u128(1),
        when: Vec::new(),
        then: vec![Op::delete("/nowhere")],
    };
    let Outcome::Committed(revision) = world.store.commit(nothing).await.unwrap() else {
        panic!("nothing stands against it")
    };
    assert!(one.catalog.revision() < revision);
    let waited = tokio::time::timeout(Duration::from_secs(5), one.catalog.wait_for(revision));
    waited.await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(one.catalog.stale(), None);
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_servers_calls_are_waited_for_wherever_its_router_goes() {
    let world = World::new();
    let one = world.join().await;
    let (routers, _) = fabric(&world, &one).await;
    let two = world.join().await;
    all_have_one(&[&one, &two], &routers).await;
    two.quiet(&world).await;
    let ours = |n: &u8| one.has(&routers[usize::from(*n - 1)]);
    let lost: Vec<u8> = (1..=ROUTERS).filter(ours).collect();
    writes(&world);
    one.kill().await;
    let mut late = Vec::new();
    for n in &lost {
        late.push(two.neighbor(*n, B).await);
    }
    let has_all = || two.share(&routers) == routers.len();
    two.until("it has all", String::new, has_all).await;
    let taken = Instant::now();
    // Who gets some of them a moment later has no call under way, but the
    // dead server may.
    let three = world.join().await;
    let has_some = || {
        lost.iter()
            .any(|n| three.has(&routers[usize::from(*n - 1)]))
    };
    three.until("it has some", String::new, has_some).await;
    let caution = sdwan_gobgp::Timeouts::default().late();
    assert!(taken.elapsed() < caution, "{:?}", taken.elapsed());
    // It was claimed a little before that showed.
    sleep(caution - taken.elapsed() - Duration::from_secs(1)).await;
    assert_eq!(writes(&world), [""; 0]);
    for neighbor in &late {
        three.becomes(neighbor, "DOWN").await;
    }
    two.stop().await;
    three.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_a_router_back_waits_for_who_had_it_meanwhile() {
    let world = World::new();
    let one = world.join().await;
    let router = one.router(1).await;
    one.becomes(&router, "ACTIVE").await;
    one.quiet(&world).await;
    // It watches on, while another takes the router and dies in its turn.
    one.store.set_down(true);
    let two = world.join().await;
    two.until("taken", String::new, || two.has(&router)).await;
    let late = two.neighbor(1, A).await;
    two.kill().await;
    sleep(2 * LEASE).await;
    assert_eq!(world.keys("/cluster/claims").await, [""; 0]);
    let back = Instant::now();
    one.store.set_down(false);
    one.becomes(&late, "DOWN").await;
    let waited = back.elapsed();
    assert!(
        waited >= sdwan_gobgp::Timeouts::default().late(),
        "{waited:?}"
    );
    one.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_deleted_leaves_no_word_that_its_deleter_had_not_seen() {
    let world = World::new();
    let in_role = |role| Settings {
        role,
        ..Settings::default()
    };
    let worker = world.join_as(in_role(Role::Worker)).await;
    let api = world.join_as(in_role(Role::Api)).await;
    let router = api.router(1).await;
    api.becomes(&router, "ACTIVE").await;
    api.quiet(&world).await;
    let neighbor = api.neighbor(1, A).await;
    api.store.cut_watches();
    let daemon = world.daemon(&address(1));
    worker
        .until("it is there", String::new, || daemon.peers() == [A])
        .await;
    daemon.session(A, SessionState::Established, "");
    worker.becomes(&neighbor, "UP").await;
    let seen = api.shown(&neighbor).unwrap().monitoring;
    assert!(seen.is_none(), "not seen yet");
    api.delete(&neighbor).await;
    api.becomes(&neighbor, "GONE").await;
    api.quiet(&world).await;
    for prefix in ["/state/v2.0/neighbors", "/monitoring/v2.0/neighbors"] {
        assert_eq!(world.keys(prefix).await, [""; 0]);
    }
    worker.stop().await;
    api.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_router_that_takes_anothers_place_waits_for_calls_of_whoever_had_that() {
    let world = World::new();
    let one = world.join().await;
    let router = one.router(1).await;
    let old = one.neighbor(1, A).await;
    one.becomes(&old, "DOWN").await;
    one.quiet(&world).await;
    let daemon = world.daemon(&address(1));
    daemon.take_writes();
    daemon.cut();
    one.delete_cascading(&router).await;
    let again = one.router(1).await;
    let new = one.neighbor(1, B).await;
    daemon.mend();
    let declared = Instant::now();
    one.becomes(&new, "DOWN").await;
    let waited = declared.elapsed();
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
    one.becomes(&again, "ACTIVE").await;
    one.quiet(&world).await;
    assert_eq!(daemon.peers(), [B]);
    one.stop().await;
    assert_eq!(world.keys("/cluster/").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_is_declared_anew_waits_for_the_dead_server_of_the_one_that_is_gone() {
    let world = World::new();
    let one = world.join().await;
    let (routers, _) = fabric(&world, &one).await;
    let two = world.join().await;
    all_have_one(&[&one, &two], &routers).await;
    two.quiet(&world).await;
    let lost = (1..=ROUTERS).find(|n| one.has(&routers[usize::from(*n - 1)]));
    let lost = lost.unwrap();
    one.kill().await;
    two.until("it has all", String::new, || {
        two.share(&routers) == routers.len()
    })
    .await;
    two.forget(&routers[usize::from(lost - 1)]).await;
    let again = two.router(lost).await;
    let neighbor = two.neighbor(lost, B).await;
    let declared = Instant::now();
    two.becomes(&neighbor, "DOWN").await;
    let waited = declared.elapsed();
    assert!(waited >= Duration::from_secs(4), "{waited:?}");
    two.becomes(&again, "ACTIVE").await;
    two.quiet(&world).await;
    two.stop().await;
    assert_eq!(world.keys("/cluster/").await, [""; 0]);
}
