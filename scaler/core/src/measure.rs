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

/// Looks back over `window` at `pods`.
///
/// Percentiles and means are those of the events of all pods together. Rates, and shares of time,
/// are per pod: summed over its containers, then the mean over the pods.
pub(crate) fn measure(
    policy: &MetricPolicy,
    pods: &[MeasuredPod<'_>],
    window: Duration,
    now: Timestamp,
) -> Measurement {
    let mut all = MetricDelta::default();
    let mut of_one = MetricDelta::default();
    let mut rates = 0.0;
    let mut used = 0;
    for pod in pods {
        of_one.clear();
        if let Some(rate) = add_pod(policy, pod, window, now, &mut of_one) {
            all.merge(&of_one);
            rates += rate;
            used += 1;
        }
    }
    let value = (used > 0)
        .then(|| statistic(policy, &all, rates / f64::from(used)))
        .flatten();
    let states_error = policy.statistic.quantile().is_none() && value.is_some();
    Measurement {
        value,
        relative_error: Some(all.relative_error).filter(|error| states_error && error.is_finite()),
        events: all.recorded(),
        used,
        missing: pods.len() as u32 - used,
    }
}

/// Adds the events of one pod to `all`, which has none, and gives their growth per second; `None` when
/// a wanted container is silent.
fn add_pod(
    policy: &MetricPolicy,
    pod: &MeasuredPod<'_>,
    window: Duration,
    now: Timestamp,
    all: &mut MetricDelta,
) -> Option<f64> {
    let mut rate = None;
    for container in wanted_containers(policy.container.as_deref(), pod) {
        let mut elapsed = Duration::ZERO;
        let before = growth(policy.metric, all);
        for sample in pod.windows.recent(container, window, now)? {
            if let Some(measured) = sample.metric(policy.metric) {
                measured.merge_into(all);
                elapsed = elapsed.saturating_add(sample.interval());
            }
        }
        if elapsed.is_zero() {
            return None;
        }
        let grown = growth(policy.metric, all).saturating_sub(before);
        *rate.get_or_insert(0.0) += grown as f64 / elapsed.as_secs_f64();
    }
    rate
}

/// The containers of `pod` that a metric is about.
pub(crate) fn wanted_containers<'a>(
    name: Option<&'a str>,
    pod: &'a PodObservation,
) -> impl Iterator<Item = &'a str> {
    pod.containers
        .iter()
        .map(|container| &*container.name)
        .filter(move |container| name.is_none_or(|wanted| wanted == *container))
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
