//! From samples to the one number of a metric.

use std::time::Duration;

use crate::metric::{Kind, Metric};
use crate::observation::PodObservation;
use crate::pods::MeasuredPod;
use crate::policy::MetricPolicy;
use crate::sample::MetricDelta;
use crate::statistic::Statistic;
use crate::time::Timestamp;
use crate::unit::Unit;
use crate::windows::Sample;

/// What a metric amounts to over a window and a set of pods.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measurement {
    /// The statistic, in its unit; `None` when no pod had a sample, or a ratio had no whole.
    pub(crate) value: Option<f64>,
    /// Recorded events behind it; where they are sampled, fewer than there were.
    pub(crate) events: u64,
    /// Half the width of the value's 95 % interval that comes from sampling, as a share of it. `None`
    /// where it is not known: of percentiles, without a value, and where nothing was recorded.
    pub(crate) relative_error: Option<f64>,
    /// Pods with samples of the metric in all wanted containers.
    pub(crate) used: u32,
    /// Pods without.
    pub(crate) missing: u32,
}

/// A metric, and of how many of the pods, from the first on, it is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) policy: &'a MetricPolicy,
    pub(crate) pods: usize,
}

/// Looks back over `window` at `pods`, once for all metrics: samples are many, and reading them is what
/// a decision takes its time for. What each amounts to, in the order of `wanted`.
///
/// Percentiles and means are those of the events of all pods together. Rates, and shares of time,
/// are per pod: summed over its containers, then the mean over the pods.
pub(crate) fn measure(
    wanted: &[Wanted<'_>],
    pods: &[MeasuredPod<'_>],
    window: Duration,
    now: Timestamp,
) -> Vec<Measurement> {
    let mut tallies: Vec<Tally<'_>> = wanted.iter().copied().map(Tally::new).collect();
    for (index, pod) in pods.iter().enumerate() {
        for tally in &mut tallies {
            tally.begin_pod(index);
        }
        for container in &pod.containers {
            let mut concerned = false;
            for tally in &mut tallies {
                concerned |= tally.begin_container(&container.name);
            }
            if !concerned {
                continue;
            }
            let samples = pod.windows.recent(&container.name, window, now);
            for sample in samples.into_iter().flatten() {
                for tally in &mut tallies {
                    tally.add(&sample);
                }
            }
            for tally in &mut tallies {
                tally.end_container();
            }
        }
        for tally in &mut tallies {
            tally.end_pod();
        }
    }
    tallies.into_iter().map(Tally::measurement).collect()
}

/// One metric while samples are added up: pod after pod, and of each, container after container.
#[derive(Debug)]
struct Tally<'a> {
    wanted: Wanted<'a>,
    all: MetricDelta,
    /// Sum over pods.
    rates: f64,
    used: u32,
    /// What the pod at hand did so far.
    of_pod: MetricDelta,
    /// Growth per second of its containers so far; `None` before the first.
    rate: Option<f64>,
    /// Whether the pod counts: it is one of those wanted, and none of its wanted containers was silent.
    counts: bool,
    /// Whether the container at hand is wanted.
    listens: bool,
    /// How far the pod had grown before the container at hand.
    before: u64,
    /// The time that the samples of the container at hand cover.
    elapsed: Duration,
}

impl<'a> Tally<'a> {
    fn new(wanted: Wanted<'a>) -> Self {
        Self {
            wanted,
            all: MetricDelta::default(),
            rates: 0.0,
            used: 0,
            of_pod: MetricDelta::default(),
            rate: None,
            counts: false,
            listens: false,
            before: 0,
            elapsed: Duration::ZERO,
        }
    }

    fn begin_pod(&mut self, index: usize) {
        self.counts = index < self.wanted.pods;
        self.of_pod.clear();
        self.rate = None;
    }

    /// Whether it wants this container's samples.
    fn begin_container(&mut self, name: &str) -> bool {
        let MetricPolicy {
            container, metric, ..
        } = self.wanted.policy;
        self.listens = self.counts && is_wanted(container.as_deref(), name);
        self.before = growth(*metric, &self.of_pod);
        self.elapsed = Duration::ZERO;
        self.listens
    }

    fn add(&mut self, sample: &Sample<'_>) {
        if self.listens
            && let Some(measured) = sample.metric(self.wanted.policy.metric)
        {
            measured.merge_into(&mut self.of_pod);
            self.elapsed = self.elapsed.saturating_add(sample.interval());
        }
    }

    fn end_container(&mut self) {
        if !self.listens {
            return;
        }
        if self.elapsed.is_zero() {
            self.counts = false;
            return;
        }
        let grown = growth(self.wanted.policy.metric, &self.of_pod).saturating_sub(self.before);
        *self.rate.get_or_insert(0.0) += grown as f64 / self.elapsed.as_secs_f64();
    }

    fn end_pod(&mut self) {
        if let (true, Some(rate)) = (self.counts, self.rate) {
            self.all.merge(&self.of_pod);
            self.rates += rate;
            self.used += 1;
        }
    }

    fn measurement(self) -> Measurement {
        let Self {
            wanted, all, used, ..
        } = self;
        let policy = wanted.policy;
        let value = (used > 0)
            .then(|| statistic(policy, &all, self.rates / f64::from(used)))
            .flatten();
        let states_error = policy.statistic.quantile().is_none() && value.is_some();
        Measurement {
            value,
            relative_error: Some(all.relative_error)
                .filter(|error| states_error && error.is_finite()),
            events: all.recorded(),
            used,
            missing: wanted.pods as u32 - used,
        }
    }
}

/// Whether a metric that is about the container `wanted`, or any, is about this one.
fn is_wanted(wanted: Option<&str>, name: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == name)
}

/// The containers of `pod` that a metric is about.
pub(crate) fn wanted_containers<'a>(
    name: Option<&'a str>,
    pod: &'a PodObservation,
) -> impl Iterator<Item = &'a str> {
    pod.containers
        .iter()
        .map(|container| &*container.name)
        .filter(move |container| is_wanted(name, container))
}

/// What a rate adds up: values where events have them, else the events.
pub(crate) fn growth(metric: Metric, delta: &MetricDelta) -> u64 {
    match metric.unit() {
        Unit::Events => delta.count,
        _ => delta.sum,
    }
}

/// The wanted number: from the events of all pods, or from the mean rate of a pod.
pub(crate) fn statistic(
    policy: &MetricPolicy,
    all: &MetricDelta,
    rate_per_pod: f64,
) -> Option<f64> {
    let quotient = (all.count > 0).then(|| all.sum as f64 / all.count as f64);
    match policy.statistic {
        // Nobody waited: the time spent waiting was none.
        Statistic::Avg => Some(quotient.unwrap_or(0.0)),
        Statistic::Rate => Some(rate_per_pod),
        Statistic::Share => match policy.metric.kind() {
            Kind::Ratio => quotient,
            // Nanoseconds per second to seconds per second.
            Kind::Distribution | Kind::Counter => Some(rate_per_pod / 1e9),
        },
        percentile => {
            let quantile = percentile.quantile()?;
            Some(all.histogram.percentile(quantile).unwrap_or(0.0))
        }
    }
}
