//! A way to an etcd on which what is sent may be held up: it arrives late, as
//! it may on any network.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) struct Wire {
    pub(crate) address: String,
    held: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(etcd: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (held, holding) = watch::channel(false);
        let etcd = etcd.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&etcd).await.unwrap();
                let (from_near, to_near) = near.into_split();
                let (from_far, to_far) = far.into_split();
                let never = watch::channel(false).1;
                tokio::spawn(carry(from_near, to_far, holding.clone()));
                tokio::spawn(carry(from_far, to_near, never));
            }
        });
        Self {
            address,
            held,
            task,
        }
    }

    /// Whether what is sent to etcd waits.
    pub(crate) fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends with either side, or with the wire where nothing may pass any more.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut held: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // Whoever never holds has dropped the sender.
        if *held.borrow() && held.wait_for(|held| !held).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
