//! What a report may say. A node agent is privileged on its node, and nowhere else: it is believed
//! about the pods that the API server says live there, and about nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scaler_core::windows::Capacity;
use scaler_core::{ContainerSample, Log2Histogram, MetricDelta, NodeSample, Scheduling, Timestamp};
use thiserror::Error;
use viperscale_proto::v1 as wire;

use super::convert::metric_from_wire;
use super::familiar::Familiar;
use super::plausible::Bounds;
use crate::controller::{ContainerReport, NodeReport};
use crate::workloads::Index;

/// Kubernetes allows some hundred pods on a node; this many containers is no node.
const MAX_CONTAINERS: usize = 10_000;
/// A `Metadata.name` is at most a DNS subdomain.
const MAX_NAME: usize = 253;
/// An instance is a number or a UUID.
const MAX_INSTANCE: usize = 64;
/// Reports of more intervals than this at once say nothing about now, and would keep a silent source
/// fresh for too long.
const MAX_INTERVALS: u32 = 10;
/// What happened in less is too little to be a sample. See [`is_too_short`].
const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_secs(600);
/// No machine has more.
const MAX_CPUS: u32 = 65_536;

/// Why a message ends its stream.
#[derive(Debug, Error, PartialEq)]
pub(super) enum Invalid {
    #[error("the first message must be a Hello")]
    NoHello,
    #[error("a second Hello; one stream says it once")]
    SecondHello,
    #[error("an empty message; expected a Hello or a Report")]
    Empty,
    #[error("node_name has {0} bytes; expected 1 to {MAX_NAME}")]
    NodeName(usize),
    #[error("node_name {0:?} is no Node's name; expected lower-case letters, digits, '-' and '.'")]
    NodeNameCharacters(String),
    #[error("instance has {0} bytes; expected at most {MAX_INSTANCE}")]
    Instance(usize),
    #[error("interval_ns is {0}; expected at most {MAX_INTERVAL:?}")]
    Interval(u64),
    #[error("{0} containers in one report; expected at most {MAX_CONTAINERS}")]
    TooManyContainers(usize),
    #[error("node.cpus is {0}; expected 1 to {MAX_CPUS}")]
    Cpus(u32),
}

/// Container samples by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    /// Of a pod that the API server says lives on another node.
    pub(super) foreign_pod: u64,
    /// Of a pod that is not known (yet, or any more).
    pub(super) unknown_pod: u64,
    /// Of a container that the pod does not have, or of a pod that no Deployment owns.
    pub(super) not_a_target: u64,
    /// A second sample of a container in one report.
    pub(super) duplicate: u64,
    /// Metrics (not samples) that were left out: unknown, or with senseless numbers.
    pub(super) invalid_metric: u64,
    /// Metrics, schedulings and nodes that were left out because nothing can do so much in so
    /// little time; see [`super::plausible`].
    pub(super) implausible: u64,
}

/// Checks how an agent names its node and itself.
pub(super) fn node_name(hello: &wire::Hello) -> Result<Arc<str>, Invalid> {
    let name = hello.node_name.as_str();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Invalid::NodeName(name.len()));
    }
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if !name.bytes().all(fits) {
        return Err(Invalid::NodeNameCharacters(name.to_owned()));
    }
    if hello.instance.len() > MAX_INSTANCE {
        return Err(Invalid::Instance(hello.instance.len()));
    }
    Ok(name.into())
}

/// Checks a report of `node`: refuses what no agent of ours would send, and leaves out what it may
/// not say.
///
/// `cpus` is what the agent's Hello says; a report's own number counts for itself.
///
/// Samples are stamped with the end of their interval, `received_at` less the report's age, so that
/// what queued up during an outage does not pass for fresh. No age is refused: an agent with a long
/// queue truthfully sends old reports after a long outage, and ending its stream for it would only
/// make it come back with the next one. See [`is_outdated`].
///
/// `familiar` is what the stream's last report was about.
pub(super) fn report(
    node: &Arc<str>,
    cpus: u32,
    mut report: wire::Report,
    received_at: Timestamp,
    index: &Index,
    familiar: &mut Familiar,
) -> Result<(NodeReport, Counts), Invalid> {
    let interval = Duration::from_nanos(report.interval_ns);
    if interval > MAX_INTERVAL {
        return Err(Invalid::Interval(report.interval_ns));
    }
    if report.containers.len() > MAX_CONTAINERS {
        return Err(Invalid::TooManyContainers(report.containers.len()));
    }
    let age = Duration::from_nanos(report.age_ns);
    let ended_at = Timestamp::new(received_at.since_start().saturating_sub(age));
    let mut counts = Counts::default();
    let sample = report
        .node
        .map(|node| node_sample(node, ended_at, interval))
        .transpose()?;
    let cpus = sample.as_ref().map_or(cpus, |sample| sample.cpus);
    let mut sample = sample.filter(|sample| counts.plausible(allows_node(sample)));

    let targets = familiar.recognize(node, index, &mut report.containers, &mut counts);
    counts.accepted += targets.len() as u64;
    let mut containers = Vec::with_capacity(targets.len());
    for (container, target) in report.containers.into_iter().zip(targets) {
        let bounds = Bounds {
            interval,
            cpus: cpus.clamp(1, MAX_CPUS),
            cpu_limit: target.cpu_limit,
        };
        let scheduling = container
            .scheduling
            .map(scheduling)
            .filter(|scheduling| counts.plausible(bounds.allow_scheduling(scheduling)));
        containers.push(ContainerReport {
            pod: target.pod.clone(),
            container: target.container.clone(),
            deployment: target.deployment.clone(),
            sample: ContainerSample {
                received_at: ended_at,
                interval,
                metrics: metrics(container.metrics, &bounds, &mut counts),
                scheduling,
            },
        });
    }
    if let Some(sample) = &mut sample {
        let ran = |report: &ContainerReport| {
            report.sample.scheduling.as_ref().is_some_and(|scheduling| {
                scheduling.voluntary_switches > 0 || !scheduling.on_cpu.is_zero()
            })
        };
        sample.scheduler_seen = containers.iter().any(ran);
    }
    Ok((
        NodeReport {
            node: node.clone(),
            received_at,
            age,
            sample,
            containers,
        },
        counts,
    ))
}

/// Whether a report's interval is too short to tell anything, as that of an agent that was held up
/// may be. The next one says more: no reason to end the stream.
pub(super) fn is_too_short(report: &wire::Report) -> bool {
    Duration::from_nanos(report.interval_ns) < MIN_INTERVAL
}

/// Whether a report covers so many intervals that it says nothing about now, as the first one of a
/// machine that stood still does. What no machine would send ends the stream, see [`report`].
pub(super) fn is_too_long(report: &wire::Report, interval: Duration) -> bool {
    let covered = Duration::from_nanos(report.interval_ns);
    covered <= MAX_INTERVAL && covered > interval.saturating_mul(MAX_INTERVALS)
}

/// Whether the windows would forget a report at once.
pub(super) fn is_outdated(report: &NodeReport) -> bool {
    report.age > Capacity::default().retention
}

fn node_sample(
    node: wire::NodeSample,
    ended_at: Timestamp,
    interval: Duration,
) -> Result<NodeSample, Invalid> {
    if !(1..=MAX_CPUS).contains(&node.cpus) {
        return Err(Invalid::Cpus(node.cpus));
    }
    Ok(NodeSample {
        received_at: ended_at,
        interval,
        cpus: node.cpus,
        busy: Duration::from_nanos(node.busy_ns),
        stolen: Duration::from_nanos(node.stolen_ns),
        cpu_pressure: Duration::from_nanos(node.cpu_pressure_ns),
        // Told by the containers.
        scheduler_seen: false,
    })
}

/// No CPU is busy or stolen for longer than it is there, and pressure counts a moment once.
fn allows_node(sample: &NodeSample) -> bool {
    let most = sample.interval.mul_f64(1.25) + Duration::from_millis(200);
    let of_all = most.saturating_mul(sample.cpus);
    sample.busy <= of_all && sample.stolen <= of_all && sample.cpu_pressure <= most
}

impl Counts {
    /// Counts what is left out.
    fn plausible(&mut self, plausible: bool) -> bool {
        self.implausible += u64::from(!plausible);
        plausible
    }
}

fn metrics(
    samples: Vec<wire::MetricSample>,
    bounds: &Bounds,
    counts: &mut Counts,
) -> BTreeMap<scaler_core::Metric, MetricDelta> {
    let mut metrics = BTreeMap::new();
    for sample in samples {
        // What is recorded whole is sent without its rate.
        let sampling = match sample.sampling {
            0.0 => 1.0,
            rate => rate,
        };
        let sampling_is_sane = sampling > 0.0 && sampling <= 1.0;
        // Infinite is a truth; NaN and negative are not.
        let error_is_sane = sample.relative_error >= 0.0;
        let buckets_are_sane = sample.log2_buckets.len() <= Log2Histogram::MAX_BUCKETS;
        match metric_from_wire(sample.metric) {
            Some(metric) if sampling_is_sane && error_is_sane && buckets_are_sane => {
                let delta = MetricDelta {
                    count: sample.count,
                    sum: sample.sum,
                    histogram: Log2Histogram::from_buckets(sample.log2_buckets),
                    sampling,
                    relative_error: sample.relative_error,
                };
                if counts.plausible(bounds.allow_metric(&delta)) {
                    metrics.insert(metric, delta);
                }
            }
            _ => counts.invalid_metric += 1,
        }
    }
    metrics
}

fn scheduling(scheduling: wire::Scheduling) -> Scheduling {
    Scheduling {
        on_cpu: Duration::from_nanos(scheduling.on_cpu_ns),
        wait: Duration::from_nanos(scheduling.wait_ns),
        voluntary_switches: scheduling.voluntary_switches,
        involuntary_switches: scheduling.involuntary_switches,
        throttled: Duration::from_nanos(scheduling.throttled_ns),
        throttled_periods: scheduling.throttled_periods,
        quota_periods: scheduling.quota_periods,
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
