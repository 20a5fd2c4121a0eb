//! The connections of this agent: a bidirectional gRPC stream to each scaler.
//!
//! ```text
//!                        ┌── stream to the leader  ── reports ──▶  scaler
//!  measuring thread ─▶ Outbox                     ◀─ configuration ─┘
//!                        └── streams to standbys (idle) ◀─ "standby; the leader is there" ── scaler
//!                   ◀── Orders ◀── whichever leads
//! ```
//!
//! Of several scalers one leads. The streams to the others stay open and idle, so that the moment one
//! of them takes over it has every agent on the line: no name to resolve, no handshake, no storm of
//! thousands of agents at once, which a scaler with one core would need many seconds for. It says so
//! with its configuration, and gets the last few reports once more, so that its windows are full.
//!
//! Two addresses may lead to one scaler: its own, and that of a Service. It says with its answer who it
//! is, and the second stream to it ends before its Hello, which would take the place of the first.
//!
//! A stream that ends is opened again after a jittered, growing delay. Meanwhile measuring goes on,
//! so that a scaler's restart loses nothing; after a grace time without any leader everything is
//! detached until one is back.

mod endpoint;
mod following;
mod hold;
mod outbox;
mod scalers;
mod session;
mod shared;
mod trouble;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use viperscale_proto::v1;

pub use endpoint::{Address, EndpointError, TlsFiles};
pub use following::StreamId;
pub use outbox::{KEPT, Numbered, Outbox, SOLE_READER};

use crate::monitor::Interval;
use crate::orders::Orders;
use hold::{backoff, hold};
use shared::Common;

/// Names are resolved again this often: scalers come and go with their pods. Jittered, for the sake
/// of the cluster's DNS.
const RESOLVE_EVERY: Duration = Duration::from_secs(15);

/// What keeps the streams up.
#[derive(Debug)]
pub struct Stream {
    /// Where scalers are.
    pub addresses: Vec<Address>,
    /// The first message of each stream.
    pub hello: v1::Hello,
    /// The interval when the scaler names none.
    pub default_interval: Duration,
    /// How long measuring goes on without a leader.
    pub grace: Duration,
    /// Reports to send.
    pub reports: Arc<Outbox<Interval>>,
    /// Where configurations go.
    pub orders: Arc<Orders>,
    /// Kept up to date.
    pub link: watch::Sender<Link>,
}

/// Whether a scaler is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// None has sent a configuration yet.
    #[default]
    NeverUp,
    /// One has, and its stream holds.
    Up,
    /// Its stream ended.
    Lost {
        /// How many have ended so, which tells this loss from one before.
        times: u64,
    },
}

impl Stream {
    /// Holds the streams for ever; ends when it is dropped.
    pub async fn run(self) {
        let mut lost = self.link.subscribe();
        let orders = self.orders.clone();
        let common = Arc::new(Common::new(
            self.hello,
            self.default_interval,
            self.reports,
            self.orders,
            self.link,
        ));
        let mut release = pin!(release_when_lost(&mut lost, self.grace, &orders));
        let mut hold = pin!(hold_all(&self.addresses, &common));
        tokio::select! {
            () = &mut hold => {}
            () = &mut release => {}
        }
    }
}

/// Holds a stream to each scaler that can be found, and finds them anew every few seconds and
/// whenever a standby says where the leader is.
async fn hold_all(addresses: &[Address], common: &Arc<Common>) {
    let mut streams = JoinSet::new();
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    let mut told = common.told.subscribe();
    loop {
        let leader = told.borrow_and_update().clone();
        let (found, complete) = scalers::find(addresses, leader.as_deref()).await;
        while streams.try_join_next().is_some() {}
        held.retain(|_, stream| !stream.task.is_finished());
        for (authority, stream) in &held {
            // A DNS server that is away takes no scaler away.
            let wanted = found.contains_key(authority) || !complete;
            stream.wanted.send_replace(wanted);
        }
        for (authority, endpoint) in found {
            if held.len() < 2 * scalers::MOST && !held.contains_key(&authority) {
                let (wanted, is_wanted) = watch::channel(true);
                let common = common.clone();
                let task = streams.spawn(async move { hold(endpoint, &common, is_wanted).await });
                held.insert(authority, Held { wanted, task });
            }
        }
        tokio::select! {
            () = sleep(jittered(RESOLVE_EVERY)) => {}
            _ = told.changed() => {}
        }
    }
}

/// A stream to one scaler. One that is not found any more is kept as long as it works.
struct Held {
    wanted: watch::Sender<bool>,
    task: AbortHandle,
}

/// Between the time and a quarter more, drawn anew each time.
fn jittered(time: Duration) -> Duration {
    time + backoff().next().unwrap_or_default().min(time / 4)
}

/// Detaches everything each time no scaler was followed for `grace`. Ends with the sender only.
async fn release_when_lost(link: &mut watch::Receiver<Link>, grace: Duration, orders: &Orders) {
    loop {
        // The sender lives as long as `run`, which polls this.
        let Ok(lost) = link
            .wait_for(|link| matches!(link, Link::Lost { .. }))
            .await
            .map(|link| *link)
        else {
            return;
        };
        // Not for `Up`: a stream that ends at once is never seen up, and leaves a plan all the same.
        tokio::select! {
            _ = link.wait_for(|link| *link != lost) => continue,
            () = sleep(grace) => {
                tracing::warn!(?grace, "no scaler for too long: detaching");
                orders.release();
            }
        }
        let _ = link.wait_for(|link| *link != lost).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_long_loss_releases() {
        let (link, mut receiver) = watch::channel(Link::NeverUp);
        let orders = Orders::default();
        let grace = Duration::from_secs(60);
        let script = async {
            link.send_replace(Link::Up);
            tokio::task::yield_now().await;
            link.send_replace(Link::Lost { times: 1 });
            sleep(grace / 2).await;
            link.send_replace(Link::Up);
            sleep(2 * grace).await;
            assert!(taken(&orders).plan.is_none(), "it came back in time");
            link.send_replace(Link::Lost { times: 2 });
            sleep(2 * grace).await;
            assert!(matches!(taken(&orders).plan, Some(None)), "released");
        };
        tokio::select! {
            () = script => {}
            () = release_when_lost(&mut receiver, grace, &orders) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_stream_of_a_moment_brought_is_released_too() {
        let (link, mut receiver) = watch::channel(Link::NeverUp);
        let orders = Orders::default();
        let grace = Duration::from_secs(60);
        let script = async {
            for times in 1..=2 {
                link.send_replace(Link::Up);
                link.send_replace(Link::Lost { times });
                sleep(grace / 2).await;
                assert!(taken(&orders).plan.is_none(), "it may come back");
                sleep(grace).await;
                assert!(matches!(taken(&orders).plan, Some(None)), "released");
            }
        };
        tokio::select! {
            () = script => {}
            () = release_when_lost(&mut receiver, grace, &orders) => {}
        }
    }

    fn taken(orders: &Orders) -> crate::orders::Pending {
        orders.take(Some(std::time::Instant::now()))
    }
}
