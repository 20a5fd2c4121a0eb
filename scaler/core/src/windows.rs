//! The recent past of every container and node, in bounded memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use crate::sample::{ContainerSample, NodeSample, PodUid};
use crate::time::Timestamp;

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
    pods: HashMap<PodUid, BTreeMap<String, Series<ContainerSample>>>,
    nodes: HashMap<String, Series<NodeSample>>,
    /// Containers in `pods`.
    containers: usize,
    refused: u64,
}

/// Samples of one source in order of time, oldest first; never empty once recorded into.
#[derive(Debug, Clone)]
struct Series<S>(VecDeque<S>);

/// A sample that knows which time it covers.
trait Timed {
    fn received_at(&self) -> Timestamp;
    fn interval(&self) -> Duration;
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
        if let Some(series) = self
            .pods
            .get_mut(pod)
            .and_then(|containers| containers.get_mut(container))
        {
            return series.push(sample, &self.capacity);
        }
        if self.containers >= self.capacity.containers {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.containers += 1;
        let series = Series(VecDeque::from([sample]));
        self.pods
            .entry(pod.clone())
            .or_default()
            .insert(container.to_owned(), series);
    }

    /// Takes a sample of `node`. When there is no room for another node the sample is dropped and
    /// counted in [`Windows::refused`].
    pub fn record_node(&mut self, node: &str, sample: NodeSample) {
        if let Some(series) = self.nodes.get_mut(node) {
            return series.push(sample, &self.capacity);
        }
        if self.nodes.len() >= self.capacity.nodes {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.nodes
            .insert(node.to_owned(), Series(VecDeque::from([sample])));
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
    ) -> Option<impl Iterator<Item = &'a ContainerSample> + use<'a>> {
        self.pods.get(pod)?.get(container)?.recent(window, now)
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

    /// The names of the nodes of which something is remembered.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
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
            containers.retain(|_, series| series.prune(retention, now));
            !containers.is_empty()
        });
        self.nodes.retain(|_, series| series.prune(retention, now));
        self.containers = self.pods.values().map(BTreeMap::len).sum();
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

impl<S: Timed> Series<S> {
    /// Puts `sample` where its time belongs. That is the end, but for reports that were held up on
    /// their way while later ones were not: what is older than the newest stays history, and never
    /// counts as the latest.
    fn push(&mut self, sample: S, capacity: &Capacity) {
        let at = sample.received_at();
        let place = self.0.partition_point(|known| known.received_at() <= at);
        self.0.insert(place, sample);
        if self.0.len() > capacity.samples.max(1) {
            self.0.pop_front();
        }
        let newest = self.0.back().map_or(at, Timed::received_at);
        self.prune(capacity.retention, newest);
    }

    /// Drops what is older than `retention`; tells whether anything is left.
    fn prune(&mut self, retention: Duration, now: Timestamp) -> bool {
        while self
            .0
            .front()
            .is_some_and(|oldest| now.since(oldest.received_at()) > retention)
        {
            self.0.pop_front();
        }
        !self.0.is_empty()
    }

    /// How long after the latest sample the source counts as silent.
    fn silent_after(&self) -> Duration {
        let latest = self.0.iter().rev().take(STALE_INTERVALS as usize);
        latest
            .map(Timed::interval)
            .fold(SHORTEST_INTERVAL, Duration::max)
            .saturating_mul(STALE_INTERVALS)
    }

    fn recent(&self, window: Duration, now: Timestamp) -> Option<impl Iterator<Item = &S>> {
        let latest = self.0.back()?;
        if now.since(latest.received_at()) > self.silent_after() {
            return None;
        }
        let inside = |sample: &S| now.since(sample.received_at()) < window;
        let first = self
            .0
            .partition_point(|sample| !inside(sample))
            .min(self.0.len() - 1);
        Some(self.0.range(first..))
    }
}

impl Timed for ContainerSample {
    fn received_at(&self) -> Timestamp {
        self.received_at
    }

    fn interval(&self) -> Duration {
        self.interval
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sample(at: u64) -> ContainerSample {
        ContainerSample {
            received_at: Timestamp::from_secs(at),
            interval: SECOND,
            ..ContainerSample::default()
        }
    }

    fn arrivals(windows: &Windows, pod: &str, window: u64, now: u64) -> Option<Vec<u64>> {
        let now = Timestamp::from_secs(now);
        let samples = windows.recent(&pod.into(), "server", SECOND * window as u32, now)?;
        Some(
            samples
                .map(|sample| sample.received_at.since_start().as_secs())
                .collect(),
        )
    }

    fn windows(capacity: Capacity, times: impl IntoIterator<Item = u64>) -> Windows {
        let mut windows = Windows::new(capacity);
        for at in times {
            windows.record(&"a".into(), "server", sample(at));
        }
        windows
    }

    #[test]
    fn a_window_ends_now_and_excludes_its_start() {
        let windows = windows(Capacity::default(), 1..=10);
        assert_eq!(arrivals(&windows, "a", 3, 10), Some(vec![8, 9, 10]));
        assert_eq!(arrivals(&windows, "a", 3, 11), Some(vec![9, 10]));
        assert_eq!(arrivals(&windows, "b", 3, 11), None);
    }

    #[test]
    fn the_latest_sample_counts_until_it_is_stale() {
        let windows = windows(Capacity::default(), [10]);
        assert_eq!(arrivals(&windows, "a", 1, 13), Some(vec![10]));
        assert_eq!(arrivals(&windows, "a", 60, 14), None);
    }

    #[test]
    fn a_short_interval_after_a_late_tick_does_not_make_silent_earlier() {
        let milliseconds = |time| Duration::from_millis(time);
        // Every two seconds; the tick of 14 s came 1.97 s late.
        let ticks = [
            (10_000, 2000),
            (12_000, 2000),
            (15_970, 3970),
            (16_000, 30),
            (18_000, 2000),
            (20_000, 2000),
        ];
        let silent_after = |ticks: &[(u64, u64)]| {
            let mut windows = Windows::default();
            for (at, interval) in ticks {
                let sample = ContainerSample {
                    received_at: Timestamp::new(milliseconds(*at)),
                    interval: milliseconds(*interval),
                    ..ContainerSample::default()
                };
                windows.record(&"a".into(), "server", sample);
            }
            let last = Timestamp::new(milliseconds(ticks[ticks.len() - 1].0));
            let heard = |after: &u64| {
                let now = last.after(milliseconds(*after));
                windows.recent(&"a".into(), "server", SECOND, now).is_some()
            };
            (0..20_000).step_by(30).filter(heard).last()
        };
        assert_eq!(silent_after(&ticks[..2]), Some(6000));
        assert_eq!(silent_after(&ticks[..4]), Some(11_910), "3 x 3.97 s");
        assert_eq!(silent_after(&ticks), Some(6000), "the late tick is past");
        assert_eq!(silent_after(&ticks[3..4]), Some(3000), "the only sample");
    }

    #[test]
    fn a_late_sample_takes_the_place_of_its_time() {
        let capacity = Capacity {
            samples: 4,
            ..Capacity::default()
        };
        let late = windows(capacity, [100, 103, 101]);
        assert_eq!(arrivals(&late, "a", 60, 103), Some(vec![100, 101, 103]));
        assert_eq!(arrivals(&late, "a", 1, 103), Some(vec![103]), "the latest");
        let full = windows(capacity, [100, 101, 102, 103, 99]);
        assert_eq!(
            arrivals(&full, "a", 60, 103),
            Some(vec![100, 101, 102, 103]),
            "the oldest makes room, though it came last"
        );
        let forgotten = windows(capacity, [100, 30]);
        assert_eq!(arrivals(&forgotten, "a", 1000, 100), Some(vec![100]));
    }

    #[test]
    fn old_samples_are_stale_however_many_come_at_once() {
        let windows = windows(Capacity::default(), 40..=69);
        assert_eq!(arrivals(&windows, "a", 60, 100), None);
    }

    #[test]
    fn memory_is_bounded_and_refusals_are_counted() {
        let capacity = Capacity {
            samples: 4,
            containers: 1,
            nodes: 1,
            ..Capacity::default()
        };
        let mut windows = windows(capacity, 1..=10);
        assert_eq!(arrivals(&windows, "a", 60, 10), Some(vec![7, 8, 9, 10]));
        windows.record(&"b".into(), "server", sample(10));
        windows.record_node("one", NodeSample::default());
        windows.record_node("two", NodeSample::default());
        assert_eq!((windows.containers(), windows.refused()), (1, 2));
        windows.forget(&"a".into());
        windows.record(&"b".into(), "server", sample(10));
        assert_eq!(arrivals(&windows, "b", 60, 10), Some(vec![10]));
    }

    #[test]
    fn pruning_forgets_the_dead() {
        let mut windows = windows(Capacity::default(), [1, 2]);
        windows.record(&"b".into(), "server", sample(60));
        windows.prune(Timestamp::from_secs(100));
        assert_eq!(windows.containers(), 1);
        assert_eq!(arrivals(&windows, "b", 60, 60), Some(vec![60]));
    }
}
