//! The recent samples of one node, in order of time.

use std::collections::VecDeque;
use std::time::Duration;

use super::STALE_INTERVALS;
use super::series::{Keep, Timed, first_inside};
use crate::sample::NodeSample;
use crate::time::Timestamp;

/// Samples of one node.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeSeries {
    samples: VecDeque<NodeSample>,
    /// When the scheduler hook last saw something run; remembered for longer than the samples.
    scheduler_seen_at: Option<Timestamp>,
}

impl NodeSeries {
    /// Puts `sample` where its time belongs, as those of containers are.
    pub(super) fn push(&mut self, sample: NodeSample, keep: Keep) {
        let at = sample.received_at;
        if sample.scheduler_seen {
            self.scheduler_seen_at = self.scheduler_seen_at.max(Some(at));
        }
        let samples = &mut self.samples;
        let place = samples.partition_point(|known| known.received_at <= at);
        samples.insert(place, sample);
        let newest = samples.back().map_or(at, |sample| sample.received_at);
        while samples.front().is_some_and(|oldest| {
            let age = newest.since(oldest.received_at);
            samples.len() > keep.samples.max(1)
                || age > keep.retention
                || age > keep.window && samples.len() > STALE_INTERVALS as usize
        }) {
            samples.pop_front();
        }
    }

    /// Whether the hook saw something run less than `time` before `now`, and the node still reports.
    pub(super) fn scheduler_seen(&self, time: Duration, now: Timestamp) -> bool {
        first_inside(&self.samples, Duration::ZERO, now).is_some()
            && self
                .scheduler_seen_at
                .is_some_and(|at| now.since(at) < time)
    }

    /// Forgets what is older than `retention`; tells whether anything is left.
    pub(super) fn prune(&mut self, retention: Duration, now: Timestamp) -> bool {
        let old = |sample: &NodeSample| now.since(sample.received_at) > retention;
        let surplus = self.samples.partition_point(old);
        self.samples.drain(..surplus);
        !self.samples.is_empty()
    }

    pub(super) fn recent(
        &self,
        window: Duration,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = &NodeSample>> {
        let first = first_inside(&self.samples, window, now)?;
        Some(self.samples.range(first..))
    }
}

impl Timed for NodeSample {
    fn received_at(&self) -> Timestamp {
        self.received_at
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}
