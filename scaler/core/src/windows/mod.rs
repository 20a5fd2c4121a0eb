//! The recent past of every container and node, in bounded memory.
//!
//! ```text
//! ContainerSample ─▶ packed (bytes) ─▶ series (one container) ─▶ Sample, one by one, for a window
//! ```

mod nodes;
mod packed;
mod series;

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;

use crate::sample::{ContainerSample, NodeSample, PodUid};
use crate::time::Timestamp;
use nodes::NodeSeries;
use series::{ContainerSeries, Keep};

pub use series::Sample;

/// A container or node that has sent nothing for longer than this many of its intervals is silent:
/// its last numbers say nothing about now.
///
/// Its interval is the longest of as many of its latest samples: ticks stay on a grid, so a late one
/// makes the next interval short, which does not make the source any faster.
pub const STALE_INTERVALS: u32 = 3;
/// Intervals shorter than this count as this long: it is the pace of decisions, and of a new source
/// the first sample may be the only one, and short.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How much a [`Windows`] may remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Samples older than this are forgotten. At least the longest window of a policy.
    pub retention: Duration,
    /// Samples of one container or node; the oldest makes room.
    pub samples: usize,
    /// Containers; a further one is refused and counted.
    pub containers: usize,
    /// Nodes; a further one is refused and counted.
    pub nodes: usize,
}

/// Recent samples, by (pod, container) and by node.
#[derive(Debug, Clone)]
pub struct Windows {
    capacity: Capacity,
    /// Pods have one to three containers: a search is as fast as a map.
    pods: HashMap<PodUid, Vec<(Arc<str>, ContainerSeries)>>,
    nodes: HashMap<Arc<str>, NodeSeries>,
    /// The longest window that is looked at nodes over.
    node_window: Duration,
    /// Containers in `pods`.
    containers: usize,
    refused: u64,
}

impl Default for Capacity {
    /// Enough for the largest cluster that Kubernetes supports, at one sample a second.
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(65),
            samples: 128,
            containers: 500_000,
            nodes: 10_000,
        }
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::new(Capacity::default())
    }
}

impl Windows {
    /// Remembers nothing yet, and never more than `capacity`.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            pods: HashMap::default(),
            nodes: HashMap::default(),
            node_window: capacity.retention,
            containers: 0,
            refused: 0,
        }
    }

    /// Nodes are looked at over `window` from now on, and what is older need not be kept.
    pub fn set_node_window(&mut self, window: Duration) {
        self.node_window = window;
    }

    /// Takes a sample of `container` of `pod`, to be kept for as long as the capacity allows. See
    /// [`Windows::record_for`].
    pub fn record(&mut self, pod: &PodUid, container: &str, sample: ContainerSample) {
        self.record_for(self.capacity.retention, pod, &Arc::from(container), &sample);
    }

    /// Takes a sample of `container` of `pod`, which is looked at over `window`: what is older than
    /// that is forgotten, but for the few samples by which silence is told. When there is no room
    /// for another container the sample is dropped and counted in [`Windows::refused`].
    ///
    /// Windows are most of the memory of a large cluster, and most are much shorter than the longest
    /// that a policy may have. One that grows is filled by what arrives from then on.
    ///
    /// The name is kept as it comes: containers that are called alike should share one.
    pub fn record_for(
        &mut self,
        window: Duration,
        pod: &PodUid,
        container: &Arc<str>,
        sample: &ContainerSample,
    ) {
        let keep = Keep {
            window,
            retention: self.capacity.retention,
            samples: self.capacity.samples,
        };
        let known = self.pods.get_mut(pod);
        if let Some(series) = known.and_then(|containers| find_mut(containers, container)) {
            return series.push(sample, keep);
        }
        if self.containers >= self.capacity.containers {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.containers += 1;
        let mut series = ContainerSeries::default();
        series.push(sample, keep);
        self.pods
            .entry(pod.clone())
            .or_default()
            .push((container.clone(), series));
    }

    /// Takes a sample of `node`. When there is no room for another node the sample is dropped and
    /// counted in [`Windows::refused`].
    pub fn record_node(&mut self, node: &str, sample: NodeSample) {
        let keep = Keep {
            window: self.node_window,
            retention: self.capacity.retention,
            samples: self.capacity.samples,
        };
        if let Some(series) = self.nodes.get_mut(node) {
            return series.push(sample, keep);
        }
        if self.nodes.len() >= self.capacity.nodes {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let mut series = NodeSeries::default();
        series.push(sample, keep);
        self.nodes.insert(Arc::from(node), series);
    }

    /// The samples of `container` of `pod` from less than `window` before `now`, oldest first, and
    /// in any case the latest. `None` when there is none or the latest is stale.
    #[must_use]
    pub fn recent<'a>(
        &'a self,
        pod: &PodUid,
        container: &str,
        window: Duration,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = Sample<'a>> + use<'a>> {
        self.of(pod).recent(container, window, now)
    }

    /// What is remembered of the containers of `pod`: for whoever asks more than once.
    pub(crate) fn of(&self, pod: &PodUid) -> PodWindows<'_> {
        PodWindows(self.pods.get(pod).map_or(&[], Vec::as_slice))
    }

    /// The samples of `node` from less than `window` before `now`, oldest first, and in any case
    /// the latest. `None` when there is none or the latest is stale.
    #[must_use]
    pub fn recent_node<'a>(
        &'a self,
        node: &str,
        window: Duration,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = &'a NodeSample> + use<'a>> {
        self.nodes.get(node)?.recent(window, now)
    }

    /// Whether the scheduler hook of `node` saw any container run less than `time` before `now`; false
    /// when the node is silent. Told for longer than its samples are kept.
    #[must_use]
    pub fn scheduler_seen(&self, node: &str, time: Duration, now: Timestamp) -> bool {
        let series = self.nodes.get(node);
        series.is_some_and(|series| series.scheduler_seen(time, now))
    }

    /// The names of the nodes of which something is remembered.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(|name| &**name)
    }

    /// Forgets everything about `pod`.
    pub fn forget(&mut self, pod: &PodUid) {
        if let Some(containers) = self.pods.remove(pod) {
            self.containers -= containers.len();
        }
    }

    /// Forgets what is older than the retention, and every container and node of which nothing is
    /// left. Call it every few seconds.
    pub fn prune(&mut self, now: Timestamp) {
        let retention = self.capacity.retention;
        self.pods.retain(|_, containers| {
            containers.retain_mut(|(_, series)| series.prune(retention, now));
            !containers.is_empty()
        });
        self.nodes.retain(|_, series| series.prune(retention, now));
        self.containers = self.pods.values().map(Vec::len).sum();
    }

    /// Samples that were dropped because there was no room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Containers of which something is remembered.
    #[must_use]
    pub fn containers(&self) -> usize {
        self.containers
    }
}

/// The windows of one pod's containers; none of a pod that is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodWindows<'a>(&'a [(Arc<str>, ContainerSeries)]);

impl<'a> PodWindows<'a> {
    /// As [`Windows::recent`].
    pub(crate) fn recent(
        self,
        container: &str,
        window: Duration,
        now: Timestamp,
    ) -> Option<impl Iterator<Item = Sample<'a>> + use<'a>> {
        let (_, series) = self.0.iter().find(|(name, _)| **name == *container)?;
        series.recent(window, now)
    }
}

fn find_mut<'a>(
    containers: &'a mut [(Arc<str>, ContainerSeries)],
    name: &str,
) -> Option<&'a mut ContainerSeries> {
    containers
        .iter_mut()
        .find(|(known, _)| **known == *name)
        .map(|(_, series)| series)
}

#[cfg(test)]
mod tests;
