//! Is one sample by itself reason to look at a deployment now?

use crate::measure::{growth, statistic};
use crate::policy::{MetricPolicy, Response, ScalingPolicy};
use crate::sample::ContainerSample;

/// Whether what `container` did over one interval, taken for itself, is above a threshold.
///
/// A decision looks at all pods and the whole window; this looks at one sample as it arrives, so
/// that a deployment of many pods, of which one reports every few milliseconds, need not be decided
/// on each time: without an alarm once per interval is often enough, with one it is done at once.
/// A window that is above its threshold has a sample that is, save where different thresholds meet
/// in one, so that at worst a decision waits for its interval.
#[must_use]
pub fn is_alarming(policy: &ScalingPolicy, container: &str, sample: &ContainerSample) -> bool {
    let wanted = |metric: &&MetricPolicy| {
        let name = metric.container.as_deref();
        metric.response != Response::Observe && name.is_none_or(|name| name == container)
    };
    policy
        .metrics
        .iter()
        .filter(wanted)
        .any(|metric| exceeds(metric, sample).unwrap_or(false))
}

/// `None` where there is nothing to compare.
fn exceeds(metric: &MetricPolicy, sample: &ContainerSample) -> Option<bool> {
    let threshold = metric.threshold?.value();
    let delta = sample.metrics.get(&metric.metric)?;
    // An empty interval gives an infinite rate, which is an alarm; ingest lets none through.
    let rate = growth(metric.metric, delta) as f64 / sample.interval.as_secs_f64();
    Some(statistic(metric, delta, rate)? > threshold)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::histogram::Log2Histogram;
    use crate::metric::Metric;
    use crate::policy;
    use crate::sample::MetricDelta;

    fn policy() -> ScalingPolicy {
        let text = "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 5
  metrics:
    - {name: runqLatency, container: server, statistic: p95, threshold: 5ms}
    - {name: userPageFaults, statistic: rate, threshold: 4000/s}
    - {name: sentBytes, statistic: rate, response: Observe}
";
        policy::load(text, "web.yaml").unwrap().remove(0)
    }

    fn alarming(container: &str, wait_ns: u64, faults: u64) -> bool {
        let mut histogram = Log2Histogram::default();
        histogram.record(wait_ns, 100);
        let delta = |count, histogram| MetricDelta {
            count,
            sum: count,
            histogram,
            sampling: 1.0,
            relative_error: 0.0,
        };
        let sample = ContainerSample {
            interval: Duration::from_secs(2),
            metrics: BTreeMap::from([
                (Metric::RunqLatency, delta(100, histogram)),
                (
                    Metric::UserPageFaults,
                    delta(faults, Log2Histogram::default()),
                ),
                (Metric::SentBytes, delta(u64::MAX, Log2Histogram::default())),
            ]),
            ..ContainerSample::default()
        };
        is_alarming(&policy(), container, &sample)
    }

    #[test]
    fn any_metric_above_its_threshold_is_an_alarm() {
        assert!(
            !alarming("server", 1_000_000, 8_000),
            "at the threshold is not above"
        );
        assert!(alarming("server", 1_000_000, 8_002));
        assert!(alarming("server", 20_000_000, 0));
    }

    #[test]
    fn what_a_metric_is_not_about_is_none() {
        assert!(
            !alarming("proxy", 20_000_000, 0),
            "the latency of another container"
        );
        assert!(alarming("proxy", 0, 8_002), "the faults of every container");
        let nothing = ContainerSample::default();
        assert!(!is_alarming(&policy(), "server", &nothing));
    }
}
