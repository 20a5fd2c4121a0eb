//! What the streams to all scalers share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use viperscale_proto::v1;

use super::following::{Following, Heard, StreamId};
use super::{Link, Outbox};
use crate::instruments;
use crate::monitor::Interval;
use crate::orders::Orders;
use crate::plan::Plan;

/// One agent's side of all its streams.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) hello: v1::Hello,
    pub(super) default_interval: Duration,
    pub(super) reports: Arc<Outbox<Interval>>,
    pub(super) orders: Arc<Orders>,
    pub(super) link: watch::Sender<Link>,
    /// Read by the streams, to know whether reports are theirs to send.
    followed: watch::Sender<Following>,
    /// Where standbys say that the leader is.
    pub(super) told: watch::Sender<Option<String>>,
    /// Which scaler each stream has reached, by what scalers say of themselves.
    reached: watch::Sender<BTreeMap<String, StreamId>>,
    next_stream: AtomicU64,
    /// Losses so far; each is told from the one before it.
    losses: Mutex<u64>,
}

impl Common {
    pub(super) fn new(
        hello: v1::Hello,
        default_interval: Duration,
        reports: Arc<Outbox<Interval>>,
        orders: Arc<Orders>,
        link: watch::Sender<Link>,
    ) -> Self {
        Self {
            hello,
            default_interval,
            reports,
            orders,
            link,
            followed: watch::Sender::new(Following::default()),
            told: watch::Sender::new(None),
            reached: watch::Sender::new(BTreeMap::new()),
            next_stream: AtomicU64::new(1),
            losses: Mutex::new(0),
        }
    }

    /// A new stream's id, and how it learns whether it is followed.
    pub(super) fn open(&self) -> (StreamId, watch::Receiver<Following>) {
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        (id, self.followed.subscribe())
    }

    /// A configuration came over `stream`.
    pub(super) fn configured(&self, stream: StreamId, configuration: v1::Configuration) {
        let (revision, term) = (configuration.revision, configuration.term);
        let mut heard = Heard::Outdated;
        self.followed
            .send_modify(|following| heard = following.configured(stream, term));
        match heard {
            Heard::Outdated => {
                tracing::info!(revision, term, "passing over a scaler whose term is over");
                return;
            }
            Heard::NewLeader => {
                tracing::info!(term, "following this scaler");
                self.reports.rewind(stream);
            }
            Heard::Leader => {}
        }
        tracing::info!(
            revision,
            targets = configuration.targets.len(),
            "configuration"
        );
        let plan = Plan::from_configuration(configuration, self.default_interval);
        self.orders.follow(plan);
        if self.link.send_replace(Link::Up) != Link::Up {
            instruments::stream_up();
        }
    }

    /// `stream` has ended, or its scaler does not lead any more.
    pub(super) fn lost(&self, stream: StreamId) {
        let mut followed = false;
        self.followed.send_if_modified(|following| {
            followed = following.lost(stream);
            followed
        });
        if followed {
            let mut times = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
            *times += 1;
            self.link.send_replace(Link::Lost { times: *times });
            instruments::leader_lost();
        }
    }

    /// `stream` has reached `scaler`; false when another one has.
    pub(super) fn reached(&self, stream: StreamId, scaler: &str) -> bool {
        self.reached.send_if_modified(|reached| {
            let is_first = !reached.contains_key(scaler);
            if is_first {
                reached.insert(scaler.to_owned(), stream);
            }
            is_first
        })
    }

    /// `stream` has ended.
    pub(super) fn left(&self, stream: StreamId) {
        self.reached.send_if_modified(|reached| {
            let before = reached.len();
            reached.retain(|_, by| *by != stream);
            reached.len() < before
        });
    }

    /// Waits until no stream has reached `scaler`.
    pub(super) async fn until_left(&self, scaler: &str) {
        let mut reached = self.reached.subscribe();
        // The sender is here.
        let _ = reached
            .wait_for(|reached| !reached.contains_key(scaler))
            .await;
    }

    /// A standby says where the leader is.
    pub(super) fn told(&self, standby: v1::Standby) {
        if !standby.leader_address.is_empty() {
            self.told.send_if_modified(|told| {
                let news = told.as_deref() != Some(standby.leader_address.as_str());
                *told = Some(standby.leader_address);
                news
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::plan::DEFAULT_INTERVAL;

    fn configuration(term: u64) -> v1::Configuration {
        v1::Configuration {
            term,
            ..v1::Configuration::default()
        }
    }

    #[test]
    fn a_change_of_the_leader_is_no_loss_of_it() {
        let common = common();
        let ((a, _), (b, followed)) = (common.open(), common.open());
        common.configured(a, configuration(1));
        common.configured(b, configuration(2));
        common.lost(a);
        assert_eq!(*common.link.borrow(), Link::Up);
        assert_eq!(followed.borrow().stream(), Some(b));
        common.lost(b);
        assert_eq!(*common.link.borrow(), Link::Lost { times: 1 });
    }

    fn common() -> Common {
        Common::new(
            v1::Hello::default(),
            DEFAULT_INTERVAL,
            Arc::new(Outbox::bounded(NonZeroUsize::MIN)),
            Arc::new(Orders::default()),
            watch::Sender::new(Link::NeverUp),
        )
    }

    #[tokio::test]
    async fn one_stream_reaches_a_scaler_until_it_ends() {
        let common = common();
        assert!(common.reached(1, "a") && common.reached(2, "b"));
        assert!(!common.reached(3, "a"));
        common.left(3);
        assert!(!common.reached(4, "a"), "it was another that ended");
        let left = async { common.until_left("a").await };
        tokio::join!(left, async { common.left(1) });
        assert!(common.reached(5, "a"));
    }
}
