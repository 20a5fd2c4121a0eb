//! What the streams to all scalers share.

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
        let reports = Arc::new(Outbox::bounded(NonZeroUsize::MIN));
        let link = watch::Sender::new(Link::NeverUp);
        let orders = Arc::new(Orders::default());
        let common = Common::new(
            v1::Hello::default(),
            DEFAULT_INTERVAL,
            reports,
            orders,
            link,
        );
        let ((a, _), (b, followed)) = (common.open(), common.open());
        common.configured(a, configuration(1));
        common.configured(b, configuration(2));
        common.lost(a);
        assert_eq!(*common.link.borrow(), Link::Up);
        assert_eq!(followed.borrow().stream(), Some(b));
        common.lost(b);
        assert_eq!(*common.link.borrow(), Link::Lost { times: 1 });
    }
}
