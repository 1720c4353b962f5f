//! Others on the same etcd: outsiders, further stores, and etcd's own guards.

use crate::daemon::{Daemon, NEWER, OLDEST};
use crate::{commit, keys, made, next, put};
use sdwan_store::etcd::{Etcd, Options, User};
use sdwan_store::{Condition, Error, Op, Revision, Store};
use std::time::Duration;

#[tokio::test]
async fn entries_lie_under_their_own_keys() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    let mut watch = store.watch("/", Revision(0)).await.unwrap();
    store
        .commit(commit([], [Op::put("/config/a", "mine")]))
        .await
        .unwrap();
    let printed = daemon.etcdctl(&["get", "--print-value-only", "/config/a"]);
    assert_eq!(printed.trim(), "mine");
    daemon.etcdctl(&["put", "/state/a", "theirs"]);
    assert_eq!(keys(&store, "").await, ["/config/a", "/state/a"]);
    next(&mut watch).await.unwrap().unwrap();
    let theirs = next(&mut watch).await.unwrap().unwrap();
    assert_eq!(theirs.changes[0].key(), "/state/a");
}

#[tokio::test]
async fn stores_with_different_prefixes_see_nothing_of_each_other() {
    let daemon = Daemon::start(OLDEST).await;
    let plain = daemon.store().await;
    let options = |prefix: &str| Options {
        prefix: prefix.into(),
        ..daemon.options()
    };
    let one = Etcd::open(options("one")).await.unwrap();
    let two = Etcd::open(options("two")).await.unwrap();
    let mut watch = one.watch("", Revision(0)).await.unwrap();
    put(&two, "/k").await;
    let none = commit([Condition::NoneUnder(String::new())], [Op::put("/k", "")]);
    let revision = made(one.commit(none).await.unwrap());
    assert_eq!(next(&mut watch).await.unwrap().unwrap().revision, revision);
    assert_eq!(keys(&one, "").await, ["/k"]);
    // The one without a prefix has it all.
    assert_eq!(keys(&plain, "").await, ["one/k", "two/k"]);
}

/// As an operator's hand may, or a restored backup.
#[tokio::test]
async fn the_records_lease_may_vanish() {
    let daemon = Daemon::start(OLDEST).await;
    let store = daemon.store().await;
    put(&store, "/a").await;
    let leases = daemon.etcdctl(&["lease", "list"]);
    let leases: Vec<_> = leases.lines().filter(|line| !line.contains(' ')).collect();
    assert_eq!(leases.len(), 1, "{leases:?}");
    daemon.etcdctl(&["lease", "revoke", leases[0]]);
    put(&store, "/b").await;
    assert_eq!(keys(&store, "/").await, ["/a", "/b"]);
}

#[tokio::test]
async fn a_user_and_a_password_open_a_guarded_etcd() {
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start(release).await;
        for arguments in [
            &["user", "add", "root:sesame"][..],
            &["user", "grant-role", "root", "root"],
            &["auth", "enable"],
        ] {
            daemon.etcdctl(arguments);
        }
        let as_root = |password: &str| Options {
            user: Some(User {
                name: "root".into(),
                password: password.to_owned().into(),
            }),
            ..daemon.options()
        };
        let store = Etcd::open(as_root("sesame")).await.unwrap();
        let mut watch = store.watch("/", Revision(0)).await.unwrap();
        let revision = put(&store, "/k").await;
        assert_eq!(next(&mut watch).await.unwrap().unwrap().revision, revision);
        for options in [daemon.options(), as_root("wrong")] {
            let refused = match Etcd::open(options).await {
                Ok(store) => store.list("/").await.err(),
                Err(error) => Some(error),
            };
            let Some(Error::Unavailable(why)) = refused else {
                panic!("{refused:?}");
            };
            assert!(!why.contains("wrong"), "{why}");
            assert!(why.contains("password"), "{why}");
        }
    }
}

/// As the manual says of its rights.
#[tokio::test]
async fn a_user_needs_no_rights_beyond_the_prefix() {
    for release in [OLDEST, NEWER] {
        let daemon = Daemon::start(release).await;
        for arguments in [
            &["user", "add", "root:sesame"][..],
            &["user", "grant-role", "root", "root"],
            &["role", "add", "wan"],
            &[
                "role",
                "grant-permission",
                "wan",
                "--prefix=true",
                "readwrite",
                "wan",
            ],
            &["user", "add", "sdwan:sesame"],
            &["user", "grant-role", "sdwan", "wan"],
            &["auth", "enable"],
        ] {
            daemon.etcdctl(arguments);
        }
        let under = |prefix: &str| Options {
            prefix: prefix.into(),
            user: Some(User {
                name: "sdwan".into(),
                password: "sesame".to_owned().into(),
            }),
            ..daemon.options()
        };
        let store = Etcd::open(under("wan")).await.unwrap();
        let mut watch = store.watch("", Revision(0)).await.unwrap();
        let lease = store.grant(Duration::from_secs(60)).await.unwrap();
        let leased = Op::Put {
            key: "/leased".into(),
            value: Vec::new(),
            lease: Some(lease),
        };
        let when: Vec<_> = (0..100)
            .map(|n| Condition::Absent(format!("/{n}")))
            .collect();
        let then: Vec<_> = (0..200).map(|n| Op::put(format!("/{n}"), "")).collect();
        let sent = commit(when, [then, vec![leased]].concat());
        let revision = made(store.commit(sent.clone()).await.unwrap());
        assert_eq!(next(&mut watch).await.unwrap().unwrap().revision, revision);
        assert_eq!(store.committed(sent.id).await.unwrap(), Some(revision));
        store.keep_alive(lease).await.unwrap();
        store.revoke(lease).await.unwrap();
        assert_eq!(keys(&store, "").await.len(), 200);

        let elsewhere = Etcd::open(under("")).await.unwrap();
        let refused = elsewhere.commit(commit([], [Op::put("/k", "")])).await;
        assert!(
            matches!(&refused, Err(Error::Unavailable(why)) if why.contains("permission")),
            "{refused:?}"
        );
    }
}
