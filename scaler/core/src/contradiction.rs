//! Samples that cannot all be true. Nothing is decided on them, in either direction.
//!
//! A pod whose samples contradict each other counts as missing, as if it had sent none. What
//! counts as a contradiction is what no load can bring about, with room for clocks, rounding and
//! counters that are read one after the other:
//!
//! | contradiction | between | how far apart |
//! |---|---|---|
//! | more throttled periods than periods | two lines of one `cpu.stat` | more than one per sample |
//! | more CPU time than the node has | eBPF's on-CPU time of all its containers here, and the node's CPUs | a quarter, and a CPU second per CPU |
//! | a percentile without its events | a metric's count and its histogram | a factor of two, from 64 events on |
//!
//! What is merely unlikely is not listed: a wrong doubt freezes a deployment as surely as silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use foldhash::HashMap;

use crate::observation::PodObservation;
use crate::policy::MetricPolicy;
use crate::sample::{PodUid, Scheduling};
use crate::time::Timestamp;
use crate::windows::Windows;

/// Relative excess over what the node's CPUs can do that clocks explain.
const CPU_TOLERANCE: f64 = 1.25;
/// Seconds per CPU that a stint may reach back beyond the first interval.
const CPU_SLACK_SECONDS: f64 = 1.0;
/// Fewer events than this may be off by rounding alone.
const MIN_EVENTS: u64 = 64;

/// Why a pod's samples are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// It was throttled in more quota periods than there were.
    Throttling,
    /// With the deployment's other pods there, it used more CPU time than its node has.
    CpuTime,
    /// A metric's events and their distribution differ.
    Distribution,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Throttling => "throttled in more quota periods than there were",
            Self::CpuTime => "more CPU time than the node has",
            Self::Distribution => "a metric's events and their distribution differ",
        })
    }
}

/// The pods whose samples inside `window` contradict each other, and how.
pub(crate) fn find<'a>(
    metrics: &[MetricPolicy],
    pods: &[&'a PodObservation],
    windows: &Windows,
    window: Duration,
    now: Timestamp,
) -> BTreeMap<&'a PodUid, Contradiction> {
    let percentiles: BTreeSet<_> = metrics
        .iter()
        .filter(|metric| metric.statistic.quantile().is_some())
        .map(|metric| metric.metric)
        .collect();
    let mut found = BTreeMap::new();
    let mut cores_on: HashMap<&str, f64> = HashMap::default();
    for pod in pods {
        for container in &pod.containers {
            let samples = windows.recent(&pod.uid, &container.name, window, now);
            let mut on_cpu = 0.0;
            let mut elapsed = 0.0;
            for sample in samples.into_iter().flatten() {
                let scheduling = sample.scheduling();
                if scheduling.as_ref().is_some_and(throttled_too_often) {
                    found.insert(&pod.uid, Contradiction::Throttling);
                }
                let mut deltas = percentiles
                    .iter()
                    .filter_map(|metric| sample.metric(*metric));
                if deltas.any(|delta| differ(delta.count(), delta.distributed())) {
                    found.insert(&pod.uid, Contradiction::Distribution);
                }
                if let Some(scheduling) = scheduling {
                    on_cpu += scheduling.on_cpu.as_secs_f64();
                    elapsed += sample.interval().as_secs_f64();
                }
            }
            if let (Some(node), true) = (pod.node.as_deref(), elapsed > 0.0) {
                // A stint that began before the first interval is charged to it as a whole.
                *cores_on.entry(node).or_default() += on_cpu / (elapsed + CPU_SLACK_SECONDS);
            }
        }
    }
    let impossible: BTreeSet<&str> = cores_on
        .into_iter()
        .filter(|(node, cores)| {
            let newest = windows.recent_node(node, Duration::ZERO, now);
            let cpus = newest
                .and_then(|mut samples| samples.next())
                .map(|node| node.cpus);
            // A silent node says nothing that could be contradicted.
            cpus.is_some_and(|cpus| *cores > f64::from(cpus) * CPU_TOLERANCE)
        })
        .map(|(node, _)| node)
        .collect();
    for pod in pods {
        if pod
            .node
            .as_deref()
            .is_some_and(|node| impossible.contains(node))
        {
            found.entry(&pod.uid).or_insert(Contradiction::CpuTime);
        }
    }
    found
}

fn throttled_too_often(scheduling: &Scheduling) -> bool {
    scheduling.throttled_periods > scheduling.quota_periods.saturating_add(1)
}

/// Whether count and histogram of one delta cannot be of the same events. Both are scaled up where
/// events are sampled, and read one after the other, so they are never quite equal.
fn differ(counted: u64, distributed: u64) -> bool {
    let (fewer, more) = (counted.min(distributed), counted.max(distributed));
    more >= MIN_EVENTS && fewer.saturating_mul(2) < more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_may_be_one_period_off_and_no_more() {
        let scheduling = |throttled_periods| Scheduling {
            throttled_periods,
            quota_periods: 10,
            ..Scheduling::default()
        };
        assert!(!throttled_too_often(&scheduling(11)));
        assert!(throttled_too_often(&scheduling(12)));
    }

    #[test]
    fn a_count_without_its_distribution_is_a_contradiction() {
        assert!(!differ(0, 0));
        assert!(!differ(63, 0), "rounding");
        assert!(differ(64, 0));
        assert!(!differ(100, 50));
        assert!(differ(100, 49));
        assert!(differ(10, 1000));
        assert!(!differ(u64::MAX, u64::MAX));
    }
}
