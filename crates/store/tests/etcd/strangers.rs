//! Endpoints that don't belong together: what was written at one of them would
//! not be there at the other.

use crate::daemon::{Daemon, OLDEST};
use crate::{commit, keys, made, put};
use sdwan_store::etcd::{Etcd, Options, Timeouts};
use sdwan_store::{Error, Op, Store};
use std::time::Duration;

#[tokio::test]
async fn endpoints_of_two_clusters_are_refused() {
    let (one, other) = (Daemon::start(OLDEST).await, Daemon::start(OLDEST).await);
    let both = vec![one.address.clone(), other.address.clone()];
    let refused = Etcd::open(Options::at(both)).await;
    let Err(Error::Open(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("another cluster"), "{why}");
    let named = [&one, &other].map(|etcd| why.contains(&etcd.address));
    assert!(named.contains(&true), "{why}");
}

#[tokio::test]
async fn a_stranger_that_comes_up_later_is_not_written_to() {
    let mut one = Daemon::start(OLDEST).await;
    let mut other = Daemon::start(OLDEST).await;
    other.kill();
    let options = Options {
        timeouts: Timeouts {
            call: Duration::from_secs(3),
            ..Timeouts::default()
        },
        ..Options::at(vec![one.address.clone(), other.address.clone()])
    };
    let store = Etcd::open(options).await.unwrap();
    put(&store, "/k").await;
    other.restart().await;
    one.kill();
    let refused = loop {
        // The first may meet the connection as it breaks.
        match store.commit(commit([], [Op::put("/lost", "")])).await {
            Ok(sdwan_store::Outcome::Unknown) => {}
            refused => break refused,
        }
    };
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert_eq!(keys(&other.store().await, "").await, [""; 0]);
    one.restart().await;
    made(store.commit(commit([], [Op::put("/l", "")])).await.unwrap());
}
