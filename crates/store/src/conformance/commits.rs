//! Commits: their conditions, limits and outcomes.

use super::{Subject, answered, commit, keys, made, put_all};
use crate::faults::{Fault, Faulty};
use crate::{Commit, Condition, Entry, Error, MAX_BYTES, MAX_OPS, Op, Outcome, Revision, Store};
use Condition::{Absent, AtRevision, Exists, NoneUnder, NothingNewer};

/// All of a commit's keys carry one revision, which is the listing's.
pub async fn a_commit_makes_one_revision(store: Subject) {
    let before = answered(store.list("").await);
    assert_eq!(before.entries, []);
    let revision = put_all(&*store, [Op::put("/b", "2"), Op::put("/a", "1")]).await;
    assert!(revision > before.revision);
    let after = answered(store.list("").await);
    assert!(after.revision >= revision);
    let entry = |key: &str, value: &str| Entry {
        key: key.into(),
        value: value.into(),
        created: revision,
        modified: revision,
    };
    assert_eq!(after.entries, [entry("/a", "1"), entry("/b", "2")]);
}

/// `created` outlives updates, not deletion; `modified` is the last write.
pub async fn a_key_remembers_who_created_it(store: Subject) {
    let first = put_all(&*store, [Op::put("/k", "1")]).await;
    let second = put_all(&*store, [Op::put("/k", "2")]).await;
    assert!(second > first);
    let entry = only(&*store).await;
    assert_eq!((entry.created, entry.modified), (first, second));
    assert_eq!(entry.value, b"2");

    put_all(&*store, [Op::delete("/k")]).await;
    assert!(keys(&*store, "").await.is_empty());
    let again = put_all(&*store, [Op::put("/k", "3")]).await;
    let entry = only(&*store).await;
    assert_eq!((entry.created, entry.modified), (again, again));
}

async fn only(store: &dyn Store) -> Entry {
    let mut entries = answered(store.list("").await).entries;
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// An empty commit, and one that deletes nothing, each make a revision.
pub async fn a_commit_without_changes_makes_a_revision(store: Subject) {
    let first = put_all(&*store, []).await;
    let second = put_all(&*store, [Op::delete("/nowhere")]).await;
    assert!(first > Revision(0));
    assert!(second > first);
    assert!(answered(store.list("").await).revision >= second);
}

/// Every condition, where it holds and where it doesn't.
pub async fn each_condition_holds_when_it_says(store: Subject) {
    let a = put_all(&*store, [Op::put("/x/a", "")]).await;
    let b = put_all(&*store, [Op::put("/x/b", "")]).await;
    // Written and gone: a deletion is not "newer".
    put_all(&*store, [Op::put("/x/c", "")]).await;
    let gone = put_all(&*store, [Op::delete("/x/c")]).await;
    let key = String::from;
    let table = [
        (Absent(key("/x/c")), true),
        (Absent(key("/x")), true),
        (Absent(key("/x/a")), false),
        (Exists(key("/x/a")), true),
        (Exists(key("/x/c")), false),
        (Exists(key("/x/")), false),
        (AtRevision(key("/x/a"), a), true),
        (AtRevision(key("/x/a"), b), false),
        (AtRevision(key("/x/c"), gone), false),
        (AtRevision(key("/x/c"), Revision(0)), false),
        (NoneUnder(key("/y")), true),
        (NoneUnder(key("/x/c")), true),
        (NoneUnder(key("/x/")), false),
        (NoneUnder(key("/x/a")), false),
        (NoneUnder(key("")), false),
        (NothingNewer(key("/x/"), b), true),
        (NothingNewer(key("/x/"), a), false),
        (NothingNewer(key("/x/a"), a), true),
        (NothingNewer(key("/x/b"), a), false),
        (NothingNewer(key("/x/"), Revision(0)), false),
        (NothingNewer(key("/y"), Revision(0)), true),
        (NothingNewer(key(""), gone), true),
        (NothingNewer(key(""), a), false),
    ];
    for (condition, holds) in table {
        // Deletes what isn't there: the next row finds the same entries.
        let told = commit([condition.clone()], [Op::delete("/nowhere")]);
        let outcome = answered(store.commit(told).await);
        let held = matches!(outcome, Outcome::Committed(_));
        assert_eq!(held, holds, "{condition:?}: {outcome:?}");
    }
}

/// A commit's own changes neither meet nor break its conditions.
pub async fn conditions_see_the_state_before_the_commit(store: Subject) {
    let absent = Absent("/k".into());
    made(store.commit(commit([absent], [Op::put("/k", "")])).await);
    let exists = Exists("/k".into());
    made(store.commit(commit([exists], [Op::delete("/k")])).await);
}

/// One condition that fails is enough, and then nothing happens.
pub async fn a_conflict_writes_nothing(store: Subject) {
    put_all(&*store, [Op::put("/there", "1")]).await;
    let before = answered(store.list("").await);
    let when = [Exists("/there".into()), Exists("/missing".into())];
    let refused = commit(when, [Op::put("/new", ""), Op::delete("/there")]);
    let id = refused.id;
    assert_eq!(answered(store.commit(refused).await), Outcome::Conflict);
    assert_eq!(answered(store.list("").await), before);
    assert_eq!(answered(store.committed(id).await), None);
}

/// Which of the two should win?
pub async fn a_key_twice_is_refused(store: Subject) {
    for twice in [Op::put("/k", "2"), Op::delete("/k")] {
        refused(&*store, commit([], [Op::put("/k", "1"), twice])).await;
    }
}

/// etcd has none either.
pub async fn an_empty_key_is_refused(store: Subject) {
    refused(&*store, commit([], [Op::put("", "")])).await;
    refused(&*store, commit([Absent(String::new())], [])).await;
}

async fn refused(store: &dyn Store, commit: Commit) {
    let result = store.commit(commit).await;
    assert!(matches!(result, Err(Error::Invalid(_))), "{result:?}");
    assert!(keys(store, "").await.is_empty());
}

/// [`MAX_OPS`], and [`MAX_BYTES`] of keys and values.
pub async fn the_largest_commit_is_taken(store: Subject) {
    let many: Vec<_> = (0..MAX_OPS)
        .map(|n| Op::put(format!("/n/{n}"), ""))
        .collect();
    put_all(&*store, many).await;
    assert_eq!(keys(&*store, "/n/").await.len(), MAX_OPS);

    let many: Vec<_> = (0..MAX_OPS).map(|n| Exists(format!("/n/{n}"))).collect();
    made(store.commit(commit(many, [])).await);

    let large = vec![7; MAX_BYTES - "/large".len()];
    put_all(&*store, [Op::put("/large", large.clone())]).await;
    let listing = answered(store.list("/large").await);
    assert!(listing.entries.iter().any(|entry| entry.value == large));
}

/// One operation, one condition or one byte more.
pub async fn a_larger_commit_is_refused(store: Subject) {
    let key = |n| format!("/n/{n}");
    let half = "k".repeat(MAX_BYTES / 2);
    let too_large = [
        commit(
            [],
            (0..=MAX_OPS)
                .map(|n| Op::delete(key(n)))
                .collect::<Vec<_>>(),
        ),
        commit(
            (0..=MAX_OPS).map(|n| Absent(key(n))).collect::<Vec<_>>(),
            [],
        ),
        commit([], [Op::put("/large", vec![7; MAX_BYTES])]),
        // A range counts twice.
        commit([NoneUnder(half)], [Op::delete("/k")]),
    ];
    for commit in too_large {
        let result = store.commit(commit).await;
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    }
    assert!(keys(&*store, "").await.is_empty());
}

/// Even when its conditions no longer hold.
pub async fn the_same_id_is_applied_once(store: Subject) {
    let once = commit([Absent("/k".into())], [Op::put("/k", "1")]);
    let revision = made(store.commit(once.clone()).await);
    put_all(&*store, [Op::put("/k", "2")]).await;
    let before = answered(store.list("").await);
    assert_eq!(made(store.commit(once).await), revision);
    assert_eq!(answered(store.list("").await), before);
}

/// The answer is lost after the commit was made.
pub async fn a_lost_answer_is_resolved_by_id(store: Subject) {
    let faulty = Faulty::new(store.share());
    faulty.next_commits([Some(Fault::LostAnswer)]);
    let lost = commit([Absent("/k".into())], [Op::put("/k", "1")]);
    assert_eq!(
        answered(faulty.commit(lost.clone()).await),
        Outcome::Unknown
    );

    let revision = answered(faulty.committed(lost.id).await);
    assert_eq!(revision, Some(only(&*store).await.modified));
    // To commit once more is as good as asking.
    assert_eq!(Some(made(faulty.commit(lost).await)), revision);
}

/// The commit is lost before it was made.
pub async fn a_lost_request_is_resolved_by_id(store: Subject) {
    let faulty = Faulty::new(store.share());
    faulty.next_commits([Some(Fault::LostRequest)]);
    let lost = commit([Absent("/k".into())], [Op::put("/k", "1")]);
    assert_eq!(
        answered(faulty.commit(lost.clone()).await),
        Outcome::Unknown
    );

    assert_eq!(answered(faulty.committed(lost.id).await), None);
    assert!(keys(&*store, "").await.is_empty());
    let revision = made(faulty.commit(lost.clone()).await);
    assert_eq!(answered(faulty.committed(lost.id).await), Some(revision));
}

/// Any text is a key, and a prefix is its bytes, not its characters or parts.
pub async fn keys_are_ordered_and_matched_by_bytes(store: Subject) {
    let mut all = [
        "/",
        "/a",
        "/a/",
        "/a/1",
        "/a\0",
        "/a\u{7f}",
        "/a\u{80}",
        "/aa",
        "/é",
        "/e\u{301}",
        "/ÿ",
        "/\u{7ff}",
        "/\u{800}",
        "/\u{ffff}",
        "/\u{10000}",
        "/\u{10ffff}",
        "/\u{10ffff}\u{10ffff}",
        "0",
        "it's \"quoted\"; -- %_*?",
    ];
    let puts: Vec<_> = all.iter().map(|key| Op::put(*key, "")).collect();
    put_all(&*store, puts).await;
    all.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for prefix in all.into_iter().chain(["", "/A", "/\u{fffe}", "1", "~"]) {
        let expected: Vec<_> = all.iter().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(
            keys(&*store, prefix).await.iter().collect::<Vec<_>>(),
            expected,
            "{prefix:?}"
        );
        // Conditions match as listings do.
        let none = commit([NoneUnder(prefix.into())], []);
        let outcome = answered(store.commit(none).await);
        assert_eq!(
            outcome == Outcome::Conflict,
            !expected.is_empty(),
            "{prefix:?}"
        );
    }
}

/// An empty value is a value.
pub async fn values_are_any_bytes(store: Subject) {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    put_all(
        &*store,
        [Op::put("/all", bytes.clone()), Op::put("/none", "")],
    )
    .await;
    let entries = answered(store.list("").await).entries;
    let values: Vec<_> = entries.into_iter().map(|entry| entry.value).collect();
    assert_eq!(values, [bytes, Vec::new()]);
}
