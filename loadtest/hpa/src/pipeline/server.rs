//! metrics-server: what it stores, and what it serves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Reading, Sample};
use crate::client::{RawContainerMetrics, RawPodMetrics};
use crate::time::Moment;

/// The last two distinct samples of each container.
///
/// Holds what the last poll showed, and nothing of containers it did not show.
#[derive(Debug, Clone, Default)]
pub struct MetricsServer {
    containers: BTreeMap<(String, String), Points>,
}

#[derive(Debug, Clone)]
struct Points {
    previous: Option<(Moment, Duration)>,
    last: Sample,
}

/// What a pod's containers used, each between its last two distinct samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// The pod's name.
    pub pod: String,
    /// Every container, by name.
    pub containers: Vec<ContainerUsage>,
    /// End of the window of the container that was sampled first.
    pub timestamp: Moment,
    /// Length of that window.
    pub window: Duration,
}

/// What a container used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    /// The container's name.
    pub container: String,
    /// CPU time used between the two samples.
    pub cpu: Duration,
    /// Time between the two samples; not zero.
    pub window: Duration,
    /// Working set at the later sample, in bytes.
    pub memory_bytes: u64,
}

impl MetricsServer {
    /// How often it polls.
    pub const PERIOD: Duration = Duration::from_secs(15);
    /// A container younger than [`Self::PERIOD`] is served from its start on, once it is this old.
    pub const FRESH: Duration = Duration::from_secs(10);

    /// Takes in a scrape. A sample that is the stored one still leaves the stored pair as it is.
    pub fn poll<'a>(&mut self, scrape: impl Iterator<Item = &'a Sample>) {
        let mut before = std::mem::take(&mut self.containers);
        for sample in scrape {
            let Reading {
                pod,
                container,
                started_at,
                ..
            } = &sample.reading;
            let key = (pod.clone(), container.clone());
            let points = match before.remove(&key) {
                Some(points) if points.last.at >= *started_at && points.last.at < sample.at => {
                    let previous = Some((points.last.at, points.last.reading.cpu));
                    Points {
                        previous,
                        last: sample.clone(),
                    }
                }
                Some(points) if points.last.at == sample.at => points,
                _ => {
                    let age = sample.at.since(*started_at);
                    let fresh = age > Self::FRESH && age < Self::PERIOD;
                    let previous = fresh.then_some((*started_at, Duration::ZERO));
                    Points {
                        previous,
                        last: sample.clone(),
                    }
                }
            };
            self.containers.insert(key, points);
        }
    }

    /// What `metrics.k8s.io` serves: each pod of which every container has two samples, with the
    /// window and time of the container that was sampled first.
    pub fn usage(&self) -> Vec<PodUsage> {
        let mut pods: BTreeMap<&str, Option<PodUsage>> = BTreeMap::new();
        for ((pod, container), points) in &self.containers {
            let usage = points.usage(container);
            let so_far = pods.remove(pod.as_str());
            let merged = match (so_far, usage) {
                (None, Some(usage)) => Some(PodUsage {
                    pod: pod.clone(),
                    timestamp: points.last.at,
                    window: usage.window,
                    containers: vec![usage],
                }),
                (Some(Some(mut merged)), Some(usage)) => {
                    if points.last.at < merged.timestamp {
                        (merged.timestamp, merged.window) = (points.last.at, usage.window);
                    }
                    merged.containers.push(usage);
                    Some(merged)
                }
                _ => None,
            };
            pods.insert(pod, merged);
        }
        pods.into_values().flatten().collect()
    }

    /// [`Self::usage`] as the autoscaler's metrics client reads it.
    pub fn pod_metrics(&self) -> Vec<RawPodMetrics> {
        let raw = |pod: PodUsage| RawPodMetrics {
            name: pod.pod,
            containers: pod.containers.into_iter().map(Into::into).collect(),
            timestamp: pod.timestamp,
            window: pod.window,
        };
        self.usage().into_iter().map(raw).collect()
    }
}

impl Points {
    /// Usage between the two samples; `None` with one only, or when the counter went back.
    fn usage(&self, container: &str) -> Option<ContainerUsage> {
        let (since, cpu_before) = self.previous?;
        let window = self.last.at.since(since);
        let cpu = self.last.reading.cpu.checked_sub(cpu_before)?;
        (!window.is_zero()).then(|| ContainerUsage {
            container: container.to_owned(),
            cpu,
            window,
            memory_bytes: self.last.reading.memory_bytes,
        })
    }
}

impl ContainerUsage {
    /// The average in billionths of a core, rounded down.
    pub fn nano_cores(&self) -> u64 {
        let window = self.window.as_nanos().max(1);
        u64::try_from(self.cpu.as_nanos() * 1_000_000_000 / window).unwrap_or(u64::MAX)
    }
}

impl From<ContainerUsage> for RawContainerMetrics {
    /// Quantities are read in thousandths, rounded up.
    fn from(usage: ContainerUsage) -> Self {
        let milli_cores = usage.nano_cores().div_ceil(1_000_000);
        let bytes = i64::try_from(usage.memory_bytes).unwrap_or(i64::MAX);
        let usage_milli = BTreeMap::from([
            (
                "cpu".to_owned(),
                i64::try_from(milli_cores).unwrap_or(i64::MAX),
            ),
            ("memory".to_owned(), bytes.saturating_mul(1000)),
        ]);
        Self {
            name: usage.container,
            usage_milli,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(container: &str, started: i64, at: i64, cpu_ms: u64) -> Sample {
        let reading = Reading {
            pod: "p".to_owned(),
            container: container.to_owned(),
            started_at: Moment::from_secs(started),
            cpu: Duration::from_millis(cpu_ms),
            memory_bytes: 7,
        };
        Sample {
            reading,
            at: Moment::from_secs(at),
        }
    }

    fn served(server: &MetricsServer) -> Option<(i64, i64, u64)> {
        let pods = server.pod_metrics();
        let pod = pods.first()?;
        let cpu = pod
            .containers
            .iter()
            .map(|container| container.usage_milli["cpu"])
            .sum();
        Some((cpu, pod.timestamp.millis() / 1000, pod.window.as_secs()))
    }

    #[test]
    fn the_difference_of_the_last_two_distinct_samples_is_served() {
        let mut server = MetricsServer::default();
        server.poll([sample("a", 0, 100, 0)].iter());
        assert_eq!(served(&server), None, "one sample only");
        server.poll([sample("a", 0, 110, 2000)].iter());
        assert_eq!(served(&server), Some((200, 110, 10)));
        server.poll([sample("a", 0, 110, 2000)].iter());
        assert_eq!(
            served(&server),
            Some((200, 110, 10)),
            "nothing new: as before"
        );
        server.poll([sample("a", 0, 130, 4000)].iter());
        assert_eq!(served(&server), Some((100, 130, 20)));
        server.poll([sample("a", 131, 135, 5)].iter());
        assert_eq!(served(&server), None, "restarted after the last sample");
    }

    #[test]
    fn a_young_container_counts_from_its_start_and_a_pod_needs_all_containers() {
        let mut server = MetricsServer::default();
        server.poll([sample("a", 0, 12, 1200)].iter());
        assert_eq!(served(&server), Some((100, 12, 12)));
        server.poll([sample("a", 0, 24, 2400), sample("b", 0, 24, 0)].iter());
        assert_eq!(served(&server), None, "b has one sample");
        server.poll([sample("a", 0, 40, 2400), sample("b", 0, 36, 1200)].iter());
        assert_eq!(
            served(&server),
            Some((100, 36, 12)),
            "time and window of the earlier"
        );
    }
}
