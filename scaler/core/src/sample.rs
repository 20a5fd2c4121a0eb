//! What the node agents measured, as the core sees it: changes over one interval.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::histogram::Log2Histogram;
use crate::metric::Metric;
use crate::time::Timestamp;

/// `metadata.uid` of a pod. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodUid(Arc<str>);

impl PodUid {
    /// The uid as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PodUid {
    fn from(uid: &str) -> Self {
        Self(Arc::from(uid))
    }
}

impl From<Arc<str>> for PodUid {
    fn from(uid: Arc<str>) -> Self {
        Self(uid)
    }
}

impl From<String> for PodUid {
    fn from(uid: String) -> Self {
        Self(Arc::from(uid))
    }
}

impl fmt::Display for PodUid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// One metric of one container over one interval, or several of them merged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricDelta {
    /// Events. Of a ratio: the whole.
    pub count: u64,
    /// Sum of the events' values, in [`Metric::unit`]. Of a ratio: the part.
    pub sum: u64,
    /// The events' values; empty where the metric is no distribution.
    pub histogram: Log2Histogram,
    /// The probability with which events were recorded, in (0, 1]. The numbers above are already
    /// scaled to the whole; this says how much of them is estimate.
    pub sampling: f64,
    /// Half the width of the 95 % interval of `sum`, as a share of it: 0 where every event was
    /// recorded, infinite where events were sampled and none was.
    pub relative_error: f64,
}

/// How the threads of one container got on with the scheduler over one interval, summed over them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Time on a CPU.
    pub on_cpu: Duration,
    /// Time able to run but not running, throttling included.
    pub wait: Duration,
    /// Switch-outs because the thread blocked: completed bursts of work.
    pub voluntary_switches: u64,
    /// Switch-outs against the thread's will: pre-emption and throttling.
    pub involuntary_switches: u64,
    /// Time during which the container was throttled by its own CPU quota.
    pub throttled: Duration,
    /// Quota periods in which it was throttled.
    pub throttled_periods: u64,
    /// Quota periods in which it ran.
    pub quota_periods: u64,
}

/// What one container did over one interval.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerSample {
    /// When its interval ended, on the scaler's own clock: its arrival, less the time that the report
    /// waited in the agent's queue.
    pub received_at: Timestamp,
    /// The measured length of the interval.
    pub interval: Duration,
    /// The metrics that were collected.
    pub metrics: BTreeMap<Metric, MetricDelta>,
    /// Present while the scheduler hook is attached for this container.
    pub scheduling: Option<Scheduling>,
}

/// What one node did over one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeSample {
    /// When its interval ended, on the scaler's own clock: its arrival, less the time that the report
    /// waited in the agent's queue.
    pub received_at: Timestamp,
    /// The measured length of the interval.
    pub interval: Duration,
    /// Online CPUs.
    pub cpus: u32,
    /// Time the CPUs were busy, summed over them; without idle, I/O wait and stolen time.
    pub busy: Duration,
    /// Time the hypervisor took, summed over the CPUs.
    pub stolen: Duration,
    /// Time during which at least one thread waited for a CPU (`/proc/pressure/cpu`, "some"); zero
    /// where the kernel does not tell.
    pub cpu_pressure: Duration,
    /// Whether the scheduler hook saw any container of this node run in this interval: zeros of
    /// another container are then a measurement, and not a hook that sees nothing.
    pub scheduler_seen: bool,
}

impl MetricDelta {
    /// Events that were really recorded, of which [`MetricDelta::count`] is the estimate; of merged
    /// deltas that were sampled differently, the fewest it can have been.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        // `as` saturates, and NaN becomes 0.
        (self.count as f64 * self.sampling).round() as u64
    }

    /// Forgets everything, but for the room that the histogram takes.
    pub(crate) fn clear(&mut self) {
        let mut histogram = std::mem::take(&mut self.histogram);
        histogram.clear();
        *self = Self {
            histogram,
            ..Self::default()
        };
    }

    /// Adds what `other` counted, as if both were one.
    pub fn merge(&mut self, other: &Self) {
        self.merge_numbers(other.count, other.sum, other.sampling, other.relative_error);
        self.histogram.merge(&other.histogram);
    }

    /// Adds everything but a histogram. Errors of estimates add up as independent ones do.
    pub(crate) fn merge_numbers(
        &mut self,
        count: u64,
        sum: u64,
        sampling: f64,
        relative_error: f64,
    ) {
        // Where nothing was counted, the sampling is no property of the numbers.
        self.sampling = match (self.count, count) {
            (_, 0) => self.sampling,
            (0, _) => sampling,
            _ => self.sampling.min(sampling),
        };
        let mine = self.sum;
        self.sum = mine.saturating_add(sum);
        self.count = self.count.saturating_add(count);
        // So it is of all that is not sampled, and of a large cluster millions are added up a second.
        if self.relative_error == 0.0 && relative_error == 0.0 {
            return;
        }
        let error = half_width(mine, self.relative_error).hypot(half_width(sum, relative_error));
        self.relative_error = match self.sum {
            0 => self.relative_error.max(relative_error),
            sum => error / sum as f64,
        };
    }
}

/// Half the width of the 95 % interval of `sum`, in its unit. What was sampled and recorded nothing
/// counts as nothing: it was few events at most.
fn half_width(sum: u64, relative_error: f64) -> f64 {
    match sum {
        0 => 0.0,
        sum => relative_error * sum as f64,
    }
}

impl Scheduling {
    /// Adds what `other` counted, as if both were one.
    pub fn merge(&mut self, other: &Self) {
        self.on_cpu = self.on_cpu.saturating_add(other.on_cpu);
        self.wait = self.wait.saturating_add(other.wait);
        self.voluntary_switches = self
            .voluntary_switches
            .saturating_add(other.voluntary_switches);
        self.involuntary_switches = self
            .involuntary_switches
            .saturating_add(other.involuntary_switches);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.throttled_periods = self
            .throttled_periods
            .saturating_add(other.throttled_periods);
        self.quota_periods = self.quota_periods.saturating_add(other.quota_periods);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(count: u64, sampling: f64) -> MetricDelta {
        MetricDelta {
            count,
            sampling,
            ..MetricDelta::default()
        }
    }

    #[test]
    fn merged_deltas_are_as_sampled_as_the_least_sampled_that_counted() {
        let merged = |deltas: [MetricDelta; 3]| {
            let mut all = MetricDelta::default();
            deltas.iter().for_each(|delta| all.merge(delta));
            (all.count, all.sampling, all.recorded())
        };
        let (half, tenth) = (delta(20, 0.5), delta(20, 0.1));
        let empty = delta(0, 0.0);
        for deltas in [
            [empty.clone(), half.clone(), tenth.clone()],
            [half.clone(), empty.clone(), tenth.clone()],
            [tenth.clone(), half.clone(), empty.clone()],
        ] {
            assert_eq!(merged(deltas), (40, 0.1, 4));
        }
        let nothing = [empty.clone(), empty.clone(), empty];
        assert_eq!(merged(nothing).2, 0);
    }

    #[test]
    fn errors_of_merged_estimates_add_up_as_independent_ones_do() {
        let estimate = |sum: u64, relative_error: f64| MetricDelta {
            count: sum,
            sum,
            relative_error,
            ..MetricDelta::default()
        };
        let merged = |deltas: &[MetricDelta]| {
            let mut all = MetricDelta::default();
            deltas.iter().for_each(|delta| all.merge(delta));
            all.relative_error
        };
        // 300 +- 30 and 400 +- 40 are 700 +- 50.
        let both = merged(&[estimate(300, 0.1), estimate(400, 0.1)]);
        assert!((both - 50.0 / 700.0).abs() < 1e-12, "{both}");
        assert_eq!(merged(&[estimate(5, 0.0), estimate(7, 0.0)]), 0.0);
        let nothing = estimate(0, f64::INFINITY);
        assert_eq!(merged(&[nothing.clone(), nothing.clone()]), f64::INFINITY);
        for some in [
            [nothing.clone(), estimate(300, 0.1)],
            [estimate(300, 0.1), nothing],
        ] {
            assert!((merged(&some) - 0.1).abs() < 1e-12);
        }
    }
}
