//! Dump, restore, check.

use super::*;
use proptest::prelude::*;
use sdwan_model::plan::{OwnedKey, OwnedKind, OwnedRecord, OwnedWrite};
use sdwan_server::catalog::{Change, DeleteOptions, Scope};
use sdwan_server::upkeep::{self, Checked, Dump, Restore, Restored};
use sdwan_store::faults::Fault;
use sdwan_store::{
    Commit, Error as StoreError, LeaseId, Listing, Op, Outcome, Revision, Store, Watch,
};
use std::io::Cursor;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const THEN: &str = "2026-03-01T12:00:00Z";

/// A network with a bit of everything: a secret, sessions, what agents say, a
/// row on its way out, policies whose ids are not in their order of creation.
async fn site() -> Site {
    let site = Site::new().await;
    let one = site.router(1).await;
    site.router(2).await;
    let mut body = neighbor(1, 1);
    body["auth_password"] = json!("hunter2");
    let peer = site.create("neighbor", body).await.unwrap();
    let gone = site.create("neighbor", neighbor(1, 2)).await.unwrap();
    for (id, statement) in [("c", "first"), ("a", "second"), ("b", "third")] {
        let mut body = policy(1, statement);
        body["id"] = json!(uuid(id));
        site.create("policyinfo", body).await.unwrap();
    }
    // These two at once.
    let create = |id: &str| {
        let mut body = policy(2, id);
        body["id"] = json!(uuid(id));
        Change::Create {
            kind: "policyinfo".into(),
            body,
            parent: None,
        }
    };
    let both = vec![create("f"), create("0")];
    site.catalog.transact(both, false).await.unwrap();
    let owned = OwnedKey::new(OwnedKind::Peer, "172.16.0.2");
    let owned = OwnedWrite::Put(owned, OwnedRecord::default());
    site.catalog
        .intents(&one.row.id, vec![owned])
        .await
        .unwrap();
    site.applied(&one.row.id).await;
    site.reach(&one.row.id, true).await;
    site.session(&one.row.id, &peer, "UP").await;
    let options = DeleteOptions::default();
    let delete = site.catalog.delete("neighbor", &gone.row.id, options);
    delete.await.unwrap();
    put(&*site.store, "/meta/note", "\u{e9}".as_bytes()).await;
    site
}

/// A row's id that starts with this digit.
fn uuid(digit: &str) -> String {
    format!("{digit}0000000-0000-4000-8000-000000000000")
}

async fn put(store: &dyn Store, key: &str, value: impl Into<Vec<u8>>) {
    let then = vec![Op::put(key, value)];
    let (id, when) = (id(), Vec::new());
    store.commit(Commit { id, when, then }).await.unwrap();
}

fn id() -> Uuid {
    Uuid::from_u128(IDS.fetch_add(1, Ordering::Relaxed).into())
}

async fn dump(store: &dyn Store) -> Dump {
    let listing = store.list("/").await.unwrap();
    Dump::of(&listing, THEN.into()).unwrap()
}

fn text(dump: &Dump) -> Vec<u8> {
    let mut text = Vec::new();
    dump.write(&mut text).unwrap();
    text
}

fn read(text: &[u8]) -> Result<Dump, upkeep::Error> {
    Dump::read(&mut Cursor::new(text))
}

async fn restore(store: &dyn Store, dump: &Dump) -> Result<Restored, upkeep::Error> {
    let restore = Restore {
        store,
        ids: &id,
        now: "2026-03-02T00:00:00Z".into(),
        progress: &|_, _| {},
    };
    restore.run(dump).await
}

pub(super) async fn check(store: &dyn Store) -> Checked {
    let listing = store.list("/").await.unwrap();
    upkeep::check(&listing, Arc::new(Schemas::builtin()))
}

/// All but the hold that a restore makes.
fn body(dump: &Dump) -> Vec<&upkeep::Entry> {
    let entries = dump.entries.iter();
    entries.filter(|entry| entry.key != "/hold/*").collect()
}

fn new_store() -> Arc<Faulty> {
    Arc::new(Faulty::new(Arc::new(Memory::new())))
}

/// Ids of the policies in their order of creation.
fn policies(catalog: &Catalog) -> Vec<(String, bool)> {
    let mut rows: Vec<_> = catalog
        .list("policyinfo")
        .iter()
        .map(|shown| (shown.row.created, shown.row.id.clone()))
        .collect();
    rows.sort();
    let together = |at: usize| at > 0 && rows[at - 1].0 == rows[at].0;
    (0..rows.len())
        .map(|at| (rows[at].1.clone(), together(at)))
        .collect()
}

#[tokio::test]
async fn what_is_dumped_is_restored_and_dumped_again() {
    let site = site().await;
    let first = dump(&*site.store).await;
    let text = text(&first);
    assert!(!String::from_utf8_lossy(&text).contains("hunter2"));
    assert_eq!(read(&text).unwrap(), first);

    let store = new_store();
    let restored = restore(&*store, &first).await.unwrap();
    assert_eq!((restored.epoch, restored.again), (1, false));
    let second = dump(&*store).await;
    assert_eq!(second.header.epoch, 1);
    assert_eq!(body(&second), body(&first));
    assert!(check(&*store).await.problems.is_empty());

    // A server on it shows the same rows, in the same order, and holds still.
    let copy = Site::on(Arc::clone(&store)).await;
    let catalog = &copy.catalog;
    assert_eq!(policies(catalog), policies(&site.catalog));
    let order = ["c", "a", "b", "0", "f"].map(uuid);
    let ids = policies(catalog).into_iter().map(|(id, _)| id);
    assert_eq!(ids.collect::<Vec<_>>(), order);
    let shown = |catalog: &Catalog| {
        let rows = ["router", "neighbor", "policyinfo"].map(|kind| catalog.list(kind));
        let all = rows.concat();
        let said = all
            .into_iter()
            .map(|s| (s.row.body.clone(), s.row.version, s.monitoring));
        said.collect::<Vec<_>>()
    };
    assert_eq!(shown(catalog), shown(&site.catalog));
    // Nothing is known of the routers until this server has reached them; then
    // each status is what it was.
    copy.reach(&catalog.list("router")[0].row.id, true).await;
    for kind in ["router", "neighbor", "policyinfo"] {
        for row in site.catalog.list(kind) {
            assert_eq!(copy.status(&row), site.status(&row), "{}", row.row.id);
        }
    }
    let holds = catalog.holds();
    let hold = &holds[&Scope::All];
    assert!(
        hold.why.contains("sdwan resume") && hold.why.contains(THEN),
        "{hold}"
    );
    // What a router owns survives, and no pass is told an old revision.
    let id = &catalog.list("router")[0].row.id;
    let (old, new) = (site.catalog.router_view(id), catalog.router_view(id));
    let (old, new) = (old.unwrap(), new.unwrap());
    assert_eq!((old.owned.len(), &old.owned), (1, &new.owned));
    assert_eq!(old.states, new.states);
    let newest = new.inputs.policies.iter().map(|row| row.created).max();
    assert!(new.hold && newest <= Some(new.revision.0));

    // Once more: another epoch, and the earlier hold is not forgotten.
    let third = new_store();
    assert_eq!(restore(&*third, &second).await.unwrap().epoch, 2);
    let hold = &Site::on(third).await.catalog.holds()[&Scope::All];
    assert!(hold.why.contains("was on hold since 2026-03-02"), "{hold}");
}

#[tokio::test]
async fn who_runs_and_what_they_see_is_not_dumped() {
    let site = site().await;
    put(&*site.store, "/cluster/members/m", "{}").await;
    put(&*site.store, "/cluster/keepers/r", "m").await;
    put(&*site.store, "/meta/note", [0xff, 0]).await;
    let dump = dump(&*site.store).await;
    let has = |prefix: &str| dump.entries.iter().any(|e| e.key.starts_with(prefix));
    assert!(has("/config/") && has("/state/") && has("/monitoring/") && has("/deleting/"));
    assert!(!has("/cluster/") && !has("/reachability/") && !has("/meta/format"));
    // What is no text goes as well.
    let again = read(&text(&dump)).unwrap();
    let key = again
        .entries
        .iter()
        .find(|e| e.key == "/meta/note")
        .unwrap();
    assert_eq!(key.value, [0xff, 0]);
}

#[tokio::test]
async fn a_cut_or_changed_dump_is_refused() {
    let site = site().await;
    let whole = text(&dump(&*site.store).await);
    assert!(read(&whole).is_ok());
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    for cut in 0..lines.len() {
        let why = read(&lines[..cut].concat()).unwrap_err().to_string();
        assert!(why.contains("nothing was written"), "{why}");
        let without = [&lines[..cut], &lines[cut + 1..]].concat().concat();
        assert!(read(&without).is_err(), "without line {cut}");
        let twice = [&lines[..=cut], &lines[cut..]].concat().concat();
        assert!(read(&twice).is_err(), "line {cut} twice");
    }
    for at in (0..whole.len() - 1).step_by(7) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_err(), "byte {at}");
        assert!(read(&whole[..at]).is_err(), "up to byte {at}");
    }
    let newer = String::from_utf8(whole).unwrap();
    let newer = newer.replacen("\"sdwan_store_dump\":1", "\"sdwan_store_dump\":2", 1);
    let why = read(newer.as_bytes()).unwrap_err().to_string();
    assert!(why.contains("format 2") && why.contains("newer"), "{why}");
    let mut newer = dump(&*site.store).await;
    newer.header.store_format = 1000;
    let why = read(&text(&newer)).unwrap_err().to_string();
    assert!(why.contains("format 1000"), "{why}");
    let why = read(b"SQLite format 3\0").unwrap_err().to_string();
    assert!(why.contains("no dump"), "{why}");
}

#[tokio::test]
async fn only_an_empty_store_takes_a_dump() {
    let site = site().await;
    let before = site.dump().await;
    let dump = dump(&*site.store).await;
    let why = restore(&*site.store, &dump).await.unwrap_err().to_string();
    assert!(
        why.contains("not empty") && why.contains("/config/v2.0/"),
        "{why}"
    );
    assert_eq!(site.dump().await, before);
}

#[tokio::test(start_paused = true)]
async fn wherever_a_restore_breaks_off_no_server_starts_and_it_starts_over() {
    let site = site().await;
    let dump = dump(&*site.store).await;
    let mut commits = 0;
    loop {
        let store = new_store();
        let fault = Some(Fault::Unavailable);
        store.next_commits(std::iter::repeat_n(None, commits).chain([fault]));
        let first = restore(&*store, &dump).await;
        // So many commits are all that it takes.
        if first.is_ok() {
            break;
        }
        let listing = store.list("/").await.unwrap();
        if commits == 0 {
            assert!(listing.entries.is_empty(), "nothing was sent");
        } else {
            let why = first.unwrap_err().to_string();
            assert!(why.contains("restore again"), "{why}");
            let refused = open(&store, Schemas::builtin(), options("second")).await;
            let Err(Error::Open(why)) = refused else {
                panic!("a server starts after {commits} commits");
            };
            assert!(why.contains("restore again"), "{why}");
            assert!(Dump::of(&listing, THEN.into()).is_err());
            assert!(!check(&*store).await.problems.is_empty());
        }
        // It may be another dump, of which nothing of the first may be in.
        put_if_restoring(&*store, "/config/v2.0/routers/left", commits > 0).await;
        let again = restore(&*store, &dump).await.unwrap();
        assert_eq!(again.again, commits > 0);
        let now = self::dump(&*store).await;
        assert_eq!(body(&now), body(&dump), "after {commits} commits");
        assert!(check(&*store).await.problems.is_empty());
        commits += 1;
    }
    assert!(
        commits >= 5,
        "{commits}: one for the mark, the policies in order, the end"
    );
}

async fn put_if_restoring(store: &dyn Store, key: &str, restoring: bool) {
    if restoring {
        put(store, key, "left from before").await;
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answers_make_no_difference() {
    let site = site().await;
    let dump = dump(&*site.store).await;
    let store = new_store();
    let faults = [Fault::LostAnswer, Fault::LostRequest].map(Some);
    store.next_commits(faults.into_iter().cycle().take(8));
    restore(&*store, &dump).await.unwrap();
    assert_eq!(body(&self::dump(&*store).await), body(&dump));
}

#[tokio::test]
async fn two_restores_at_once_do_not_mix() {
    let site = site().await;
    let one = dump(&*site.store).await;
    let mut two = one.clone();
    two.entries
        .retain(|entry| !entry.key.contains("policyinfos"));
    let store = new_store();
    let (first, second) = tokio::join!(restore(&*store, &one), restore(&*store, &two));
    let now = dump(&*store).await;
    match (first, second) {
        (Ok(_), Err(_)) => assert_eq!(body(&now), body(&one)),
        (Err(_), Ok(_)) => assert_eq!(body(&now), body(&two)),
        (first, second) => panic!("{first:?} {second:?}"),
    }
}

/// A store in which a restore begins as soon as somebody has looked.
struct Raced {
    inner: Memory,
    looked: AtomicBool,
}

#[async_trait::async_trait]
impl Store for Raced {
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let listing = self.inner.list(prefix).await?;
        if !self.looked.swap(true, Ordering::Relaxed) {
            put(&self.inner, "/meta/restoring", "just now").await;
        }
        Ok(listing)
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, StoreError> {
        self.inner.watch(prefix, after).await
    }

    async fn commit(&self, commit: Commit) -> Result<Outcome, StoreError> {
        self.inner.commit(commit).await
    }

    async fn committed(&self, id: Uuid) -> Result<Option<Revision>, StoreError> {
        self.inner.committed(id).await
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.inner.grant(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.inner.compact(revision).await
    }
}

#[tokio::test]
async fn a_server_that_starts_while_a_restore_begins_does_not() {
    let raced = Arc::new(Raced {
        inner: Memory::new(),
        looked: AtomicBool::new(false),
    });
    let store: Arc<dyn Store> = Arc::clone(&raced) as _;
    let schemas = Arc::new(Schemas::builtin());
    let Err(Error::Open(why)) = Catalog::open(store, schemas, options("first")).await else {
        panic!("it started");
    };
    assert!(why.contains("restore again"), "{why}");
    // And it has written nothing that the restore would trip over.
    let left = raced.inner.list("/").await.unwrap().entries;
    let left: Vec<&str> = left.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(left, ["/meta/restoring"]);
}

#[tokio::test]
async fn a_restore_of_many_rows_takes_several_commits() {
    let mut dump = dump(&*site().await.store).await;
    dump.entries.clear();
    for n in 0..9000 {
        dump.entries.push(upkeep::Entry {
            key: format!("/owned/1/peer/{n:05}"),
            value: vec![b'x'; 300],
            order: None,
        });
    }
    let largest = 1024 * 1024 - "/meta/restoring".len() - "/owned/2/peer/x".len();
    dump.entries.push(upkeep::Entry {
        key: "/owned/2/peer/x".into(),
        value: vec![b'x'; largest],
        order: None,
    });
    assert_eq!(read(&text(&dump)).unwrap(), dump);
    let store = new_store();
    restore(&*store, &dump).await.unwrap();
    assert_eq!(body(&self::dump(&*store).await), body(&dump).clone());
    dump.entries.last_mut().unwrap().value.push(b'x');
    let why = read(&text(&dump)).unwrap_err().to_string();
    assert!(
        why.contains("/owned/2/peer/x") && why.contains("larger"),
        "{why}"
    );
}

#[tokio::test]
async fn a_check_names_everything_that_is_wrong() {
    let site = site().await;
    let sound = check(&*site.store).await;
    assert_eq!(sound.problems, [""; 0]);
    let rows = [("routers", 2), ("neighbors", 2), ("policyinfos", 5)];
    assert_eq!(
        sound.rows,
        rows.map(|(plural, rows)| (plural.to_owned(), rows))
    );

    let routers = site.catalog.list("router");
    let router = &routers[0].row.id;
    let peer = &site.catalog.list("neighbor")[0];
    let config = |plural: &str, id: &str| format!("/config/v2.0/{plural}/{id}");
    let row = |body: Value| json!({"version": 1, "body": body.to_string()}).to_string();
    let mut orphan = neighbor(7, 1);
    orphan["mgmt_addr"] = json!("192.168.200.7");
    let mut bare = peer.row.body.clone();
    bare.insert("auth_password".into(), json!("hunter2"));
    let mut twin = router_body(&routers[1]);
    twin["host_name"] = json!("twin");
    let session = json!({"version": 9, "monitoring": "UP"}).to_string();
    let wrong = [
        ("/nonsense".to_owned(), "x".to_owned(), "no key of this"),
        (config("herons", "1"), row(json!({})), "herons"),
        (config("neighbors", "bad"), "{".into(), "not JSON"),
        (config("neighbors", "orphan"), row(orphan), "GoBGP-7"),
        (
            config("neighbors", "short"),
            row(json!({"peer_as": 1})),
            "neighbor_addr",
        ),
        (
            config("neighbors", &peer.row.id),
            row(json!(bare)),
            "sealed",
        ),
        (config("routers", "twin"), row(twin), "mgmt_addr"),
        (
            "/state/v2.0/routers/gone".into(),
            r#"{"version":1,"state":"ACTIVE"}"#.into(),
            "no such row",
        ),
        (
            format!("/monitoring/v2.0/neighbors/{}", peer.row.id),
            session,
            "version 9",
        ),
        (
            "/owned/gone/peer/10.0.0.1".into(),
            "{}".into(),
            "no router gone",
        ),
        (
            "/hold/gone".into(),
            r#"{"since":"","why":""}"#.into(),
            "no router gone",
        ),
        (
            "/index/unique/routers/host_name/ghost".into(),
            router.clone(),
            "no row calls for it",
        ),
        (
            format!("/index/reference/routers/{router}/neighbors/ghost"),
            String::new(),
            "no row calls for it",
        ),
        ("/meta/epoch".into(), "many".into(), "not a number"),
        ("/meta/format".into(), "99".into(), "format 99"),
    ];
    let key = "/meta/key";
    let right = site.store.list(key).await.unwrap().entries.remove(0).value;
    put(&*site.store, key, "another").await;
    let told = check(&*site.store).await.problems.join("\n");
    assert!(
        told.contains("/auth_password: it is sealed with key"),
        "{told}"
    );
    put(&*site.store, key, right).await;
    for (key, value, _) in &wrong {
        put(&*site.store, key, value.as_bytes()).await;
    }
    let delete = Commit {
        id: id(),
        when: Vec::new(),
        then: vec![Op::delete("/index/unique/routers/host_name/GoBGP-1")],
    };
    site.store.commit(delete).await.unwrap();
    let checked = check(&*site.store).await;
    let told = checked.problems.join("\n");
    for (key, _, why) in &wrong {
        let named = |problem: &&String| {
            problem.contains(why) && (problem.contains(key) || key.starts_with("/meta/"))
        };
        assert!(
            checked.problems.iter().any(|p| named(&p)),
            "{key} {why}:\n{told}"
        );
    }
    assert!(
        told.contains("host_name/GoBGP-1: missing in the index"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}

fn router_body(shown: &Shown) -> Value {
    Value::Object(shown.row.body.clone())
}

fn entries() -> impl Strategy<Value = Vec<upkeep::Entry>> {
    let text = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let ordered = (
        "/config/v2[.]0/policyinfos/[^/]{0,8}",
        text.clone(),
        any::<u64>().prop_map(Some),
    );
    let other = ("/(state|owned|[^\0cmr][^/]{0,9}/).{0,9}", text, Just(None));
    let entry = prop_oneof![ordered, other];
    prop::collection::vec(entry, 0..20).prop_map(|mut entries| {
        entries.sort();
        entries.dedup_by(|a, b| a.0 == b.0);
        let entry = |(key, value, order)| upkeep::Entry { key, value, order };
        entries.into_iter().map(entry).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_is_written_is_read_back(entries in entries(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let listing = Listing { entries: Vec::new(), revision: Revision(7) };
        let mut dump = Dump::of(&listing, THEN.into()).unwrap();
        dump.entries = entries;
        let mut text = text(&dump);
        prop_assert_eq!(read(&text).unwrap(), dump);
        // One bit makes it another text; the last line's end is no part of it.
        let at = at.index(text.len() - 1);
        text[at] ^= 1 << bit;
        prop_assert!(read(&text).is_err());
    }
}
