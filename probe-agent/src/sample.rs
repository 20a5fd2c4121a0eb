//! From running totals to what happened in one interval. Pure.

use viperscale_proto::v1;

use crate::kernel::{Metric, Reading, Scheduling, Totals, relative_error};
use crate::threads::Presence;
use crate::throttling::Throttling;

/// What one container went through in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Each metric that is being measured, in the order of the protocol.
    pub metrics: Vec<v1::MetricSample>,
    /// Present while the scheduler hook is attached for the container.
    pub scheduling: Option<v1::Scheduling>,
}

/// The totals of one container at the end of the last interval.
///
/// A new series starts at zero, which is right because a container's cells start at zero when it is
/// added: its first interval begins there. A metric that was switched off keeps its last totals
/// here, so that switching it on again does not report its past a second time.
#[derive(Clone, Debug, Default)]
pub struct Series {
    last: Reading,
    /// `None` until it could be read.
    throttling: Option<Throttling>,
    /// Whether `last` is older than the end of the last interval.
    missed: bool,
}

impl Series {
    /// A series of a container whose throttling counters, which run since its cgroup was made, stand
    /// at `throttling` now, if that could be read.
    pub fn starting(throttling: Option<Throttling>) -> Self {
        Self {
            throttling,
            ..Self::default()
        }
    }

    /// The totals could not be read at the end of an interval.
    pub fn miss(&mut self) {
        self.missed = true;
    }

    /// What happened since the last call (or the start), given the totals of now. `None` after
    /// [`Series::miss`]: it would be the events of several intervals, said to be those of one.
    ///
    /// Throttling that could not be read counts in the first interval at whose end it can; there is
    /// none before it was read once.
    ///
    /// Totals that went back, which the kernel side promises not to happen, count as no change:
    /// an event is lost at worst and none is invented.
    pub fn advance(&mut self, now: &Reading, throttling: Option<Throttling>) -> Option<Sample> {
        let throttled = match (throttling, self.throttling) {
            (Some(later), Some(earlier)) => later.since(earlier),
            _ => Throttling::default(),
        };
        self.throttling = throttling.or(self.throttling);

        let scheduling = now.scheduling.map(|later| {
            let earlier = self.last.scheduling.replace(later).unwrap_or_default();
            scheduling_since(later, earlier, throttled)
        });
        let metrics = now
            .metrics
            .iter()
            .map(|(&metric, later)| {
                let earlier = self.last.metrics.entry(metric).or_default();
                let sample = metric_since(metric, later, earlier);
                earlier.clone_from(later);
                sample
            })
            .collect();
        let sample = Sample {
            metrics,
            scheduling,
        };
        (!std::mem::take(&mut self.missed)).then_some(sample)
    }
}

fn metric_since(metric: Metric, later: &Totals, earlier: &Totals) -> v1::MetricSample {
    let count = later.count.saturating_sub(earlier.count);
    let sum = later.sum.saturating_sub(earlier.sum);
    let log2_buckets = buckets_since(later, earlier);
    v1::MetricSample {
        metric: metric.into(),
        count,
        sum,
        // Settings change between intervals, so one rate was in force during all of it.
        relative_error: relative_error(metric, count, sum, &log2_buckets, later.sampling),
        log2_buckets,
        sampling: later.sampling,
    }
}

/// Time off the CPU: what its threads' time was, less their time on a CPU. Threads that came and went
/// within the interval had little of either; at worst that makes it 0.
pub fn off_cpu(presence: Presence, on_cpu_ns: u64) -> v1::MetricSample {
    v1::MetricSample {
        metric: Metric::OffCpuTime.into(),
        count: presence.threads,
        sum: presence.thread_ns.saturating_sub(on_cpu_ns),
        log2_buckets: Vec::new(),
        sampling: 1.0,
        relative_error: 0.0,
    }
}

fn scheduling_since(
    later: Scheduling,
    earlier: Scheduling,
    throttled: Throttling,
) -> v1::Scheduling {
    v1::Scheduling {
        on_cpu_ns: later.on_cpu_ns.saturating_sub(earlier.on_cpu_ns),
        wait_ns: later.wait_ns.saturating_sub(earlier.wait_ns),
        voluntary_switches: later
            .voluntary_switches
            .saturating_sub(earlier.voluntary_switches),
        involuntary_switches: later
            .involuntary_switches
            .saturating_sub(earlier.involuntary_switches),
        throttled_ns: throttled.throttled_ns,
        throttled_periods: throttled.throttled_periods,
        quota_periods: throttled.periods,
    }
}

/// The change of each bucket, without trailing zeros.
fn buckets_since(later: &Totals, earlier: &Totals) -> Vec<u64> {
    let before = |bucket: usize| earlier.log2_buckets.get(bucket).copied().unwrap_or(0);
    let change = |(bucket, total): (usize, &u64)| total.saturating_sub(before(bucket));
    let used = later
        .log2_buckets
        .iter()
        .enumerate()
        .rposition(|bucket| change(bucket) > 0)
        .map_or(0, |last| last + 1);
    later
        .log2_buckets
        .iter()
        .enumerate()
        .take(used)
        .map(change)
        .collect()
}

/// The value below which the share `quantile` of the events lies, interpolated inside its bucket
/// (bucket i spans [2^i, 2^(i+1)), bucket 0 from 0). `None` without events.
pub fn quantile(buckets: &[u64], quantile: f64) -> Option<f64> {
    let total: u64 = buckets.iter().sum();
    if total == 0 {
        return None;
    }
    let wanted = quantile.clamp(0.0, 1.0) * total as f64;
    let mut below = 0.0;
    let mut edges = (0.0, 0.0);
    for (index, &count) in buckets.iter().enumerate().filter(|&(_, &count)| count > 0) {
        let exponent = i32::try_from(index).unwrap_or(i32::MAX);
        let low = if index == 0 { 0.0 } else { 2f64.powi(exponent) };
        edges = (low, 2f64.powi(exponent + 1));
        if below + count as f64 >= wanted {
            return Some(edges.0 + (edges.1 - edges.0) * (wanted - below) / count as f64);
        }
        below += count as f64;
    }
    Some(edges.1)
}

#[cfg(test)]
mod tests;
