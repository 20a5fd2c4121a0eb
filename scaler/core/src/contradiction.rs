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
//! What a sample says against itself is [`Doubts`](crate::doubts::Doubts), and looked for when it
//! arrives. What is merely unlikely is not listed: a wrong doubt freezes a deployment as surely as silence.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use foldhash::HashMap;

use crate::doubts::Metrics;
use crate::pods::MeasuredPod;
use crate::policy::MetricPolicy;
use crate::sample::PodUid;
use crate::time::Timestamp;
use crate::windows::Windows;

/// Relative excess over what the node's CPUs can do that clocks explain.
const CPU_TOLERANCE: f64 = 1.25;
/// Seconds per CPU that a stint may reach back beyond the first interval.
const CPU_SLACK_SECONDS: f64 = 1.0;

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
    pods: &[MeasuredPod<'a>],
    windows: &Windows,
    window: Duration,
    now: Timestamp,
) -> BTreeMap<&'a PodUid, Contradiction> {
    let percentiles: Metrics = metrics
        .iter()
        .filter(|metric| metric.statistic.quantile().is_some())
        .map(|metric| metric.metric)
        .collect();
    let mut found = BTreeMap::new();
    let mut cores_on: HashMap<&str, f64> = HashMap::default();
    cores_on.reserve(pods.len());
    for pod in pods {
        for container in &pod.containers {
            let samples = pod.windows.recent(&container.name, window, now);
            let mut on_cpu = Duration::ZERO;
            let mut elapsed = Duration::ZERO;
            for sample in samples.into_iter().flatten() {
                let doubts = sample.doubts();
                if doubts.throttling() {
                    found.insert(&pod.pod.uid, Contradiction::Throttling);
                }
                if doubts.distribution(percentiles) {
                    found.insert(&pod.pod.uid, Contradiction::Distribution);
                }
                if let Some(time) = sample.on_cpu() {
                    on_cpu = on_cpu.saturating_add(time);
                    elapsed = elapsed.saturating_add(sample.interval());
                }
            }
            if let (Some(node), false) = (pod.pod.node.as_deref(), elapsed.is_zero()) {
                // A stint that began before the first interval is charged to it as a whole.
                *cores_on.entry(node).or_default() +=
                    on_cpu.as_secs_f64() / (elapsed.as_secs_f64() + CPU_SLACK_SECONDS);
            }
        }
    }
    cores_on.retain(|node, cores| {
        let newest = || windows.recent_node(node, Duration::ZERO, now)?.next();
        // A node has a CPU at least, and a silent one says nothing that could be contradicted.
        *cores > CPU_TOLERANCE
            && newest().is_some_and(|node| *cores > f64::from(node.cpus) * CPU_TOLERANCE)
    });
    if cores_on.is_empty() {
        return found;
    }
    for pod in pods {
        if pod
            .node
            .as_deref()
            .is_some_and(|node| cores_on.contains_key(node))
        {
            found.entry(&pod.pod.uid).or_insert(Contradiction::CpuTime);
        }
    }
    found
}
