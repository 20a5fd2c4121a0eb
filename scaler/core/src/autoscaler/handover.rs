//! What one process's autoscaler hands over to the next one's.

use super::{Autoscaler, FeedKey, feed_key};
use crate::policy::{Response, ScalingPolicy};
use crate::response::feed::Feed;
use crate::statistic::Statistic;
use crate::time::Timestamp;

/// What a policy's autoscaler has learned about one of its metrics, to be handed to the next process.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The metric's container; `None` is all of them.
    pub container: Option<String>,
    /// Its statistic.
    pub statistic: Statistic,
    /// The utilisation at which waiting equals the threshold, in (0, 1).
    pub utilisation: f64,
}

impl Autoscaler {
    /// Starts at `now` in the place of another process, or of this one before it was restarted.
    ///
    /// `changes` (when, from, to) are those that were seen, oldest first: they count for the rate
    /// limits as if they were our own. Recommendations are not handed over; the replicas that there
    /// are stand for those of the past, so nothing is taken away for a whole stabilisation window,
    /// and in any case not before one window of samples is full.
    #[must_use]
    pub fn taking_over(
        policy: ScalingPolicy,
        changes: impl IntoIterator<Item = (Timestamp, u32, u32)>,
        now: Timestamp,
    ) -> Self {
        let settled_at = Some(now.after(policy.window));
        let mut autoscaler = Self {
            settled_at,
            ..Self::new(policy)
        };
        for (at, from, to) in changes {
            autoscaler.scaled(from, to, at);
        }
        autoscaler
    }

    /// What was learned so far, for [`Autoscaler::remember`] of the next process.
    #[must_use]
    pub fn learned(&self) -> Vec<Learned> {
        let learned = |((container, statistic), feed): (&FeedKey, &Feed)| Learned {
            container: container.clone(),
            statistic: *statistic,
            utilisation: feed.utilisation(),
        };
        self.feeds.iter().map(learned).collect()
    }

    /// Goes on with what another process learned. What the policy does not ask about, and what this
    /// one has begun to learn itself, is passed over.
    pub fn remember(&mut self, learned: impl IntoIterator<Item = Learned>) {
        for learned in learned {
            let key = (learned.container, learned.statistic);
            let is_asked = self
                .policy
                .metrics
                .iter()
                .any(|metric| metric.response == Response::Queueing && feed_key(metric) == key);
            if is_asked {
                let window = self.policy.window;
                self.feeds
                    .entry(key)
                    .or_insert_with(|| Feed::resume(window, learned.utilisation));
            }
        }
    }
}
