//! The one connection of this agent: a bidirectional gRPC stream to the scaler.
//!
//! ```text
//!  measuring thread ─▶ Queue (drops the oldest) ─▶ session ─▶ scaler
//!                   ◀───────── Orders ◀─────────── session ◀─ configuration
//! ```
//!
//! A stream that ends is opened again after a jittered, growing delay. Meanwhile measuring goes on,
//! so that a scaler's restart loses nothing; after a grace time without any scaler everything is
//! detached until one is back.

mod endpoint;
mod queue;
mod session;
mod trouble;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::transport::Endpoint;
use viperscale_proto::v1;

pub use endpoint::{EndpointError, TlsFiles, endpoint};
pub use queue::Queue;

use crate::instruments;
use crate::monitor::Interval;
use crate::orders::Orders;
use session::{Session, SessionEnd};

/// Delays between attempts: the first is 0.2 to 0.4 s, they double, and none exceeds 10 s. Each is
/// drawn between its step and twice that, so that the agents of a cluster do not come back at once.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(2.0)
        .without_max_times()
        .with_jitter()
        .build()
}

/// What keeps the stream up.
#[derive(Debug)]
pub struct Stream {
    /// Where the scaler is and how to talk to it.
    pub endpoint: Endpoint,
    /// The first message of each stream.
    pub hello: v1::Hello,
    /// The interval when the scaler names none.
    pub default_interval: Duration,
    /// How long measuring goes on without a scaler.
    pub grace: Duration,
    /// Reports to send.
    pub reports: Arc<Queue<Interval>>,
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
    /// Holds the stream for ever; ends when it is dropped.
    pub async fn run(self) {
        let mut lost = self.link.subscribe();
        let mut release = pin!(release_when_lost(&mut lost, self.grace, &self.orders));
        let mut hold = pin!(self.hold());
        tokio::select! {
            () = &mut hold => {}
            () = &mut release => {}
        }
    }

    async fn hold(&self) {
        let mut delays = backoff();
        let mut times = 0;
        loop {
            let session = Session { stream: self };
            let end = session.run().await;
            let answered = *self.link.borrow() == Link::Up;
            if answered {
                times += 1;
                self.link.send_replace(Link::Lost { times });
                delays = backoff();
            }
            instruments::stream_failed();
            let delay = delays.next().unwrap_or(Duration::from_secs(10));
            log_end(&end, answered, delay);
            sleep(delay).await;
        }
    }
}

/// Failing to connect is logged at each attempt, at a level that does not flood: the delays grow to
/// 10 s.
fn log_end(end: &SessionEnd, answered: bool, retry_in: Duration) {
    if answered {
        tracing::warn!(error = %end, ?retry_in, "stream ended");
    } else {
        tracing::warn!(error = %end, ?retry_in, "no stream");
    }
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

    #[test]
    fn delays_start_small_and_stay_bounded() {
        let delays: Vec<Duration> = backoff().take(50).collect();
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(10));
        assert!(
            delays.iter().all(|delay| (least..=most).contains(delay)),
            "{delays:?}"
        );
        assert!(delays[0] < Duration::from_millis(400));
        assert!(
            delays[49] >= Duration::from_secs(5),
            "they grow to the limit"
        );
    }

    #[test]
    fn delays_of_two_agents_differ() {
        let (one, other): (Vec<_>, Vec<_>) =
            (backoff().take(5).collect(), backoff().take(5).collect());
        assert_ne!(one, other);
    }

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
