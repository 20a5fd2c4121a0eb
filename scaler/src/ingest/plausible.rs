//! What can have happened on a node in one interval. Pure.
//!
//! Bounds that no honest report comes near, each from what a machine or the kernel allows; they are
//! not estimates of what is usual. An agent that was broken into can so lie about its own pods by
//! no more than they could really do.

use std::time::Duration;

use scaler_core::{Log2Histogram, MetricDelta, Scheduling};

/// Clocks are read at slightly different moments, and cgroup totals are flushed late.
const SLACK: f64 = 1.25;
const SLACK_TIME: Duration = Duration::from_millis(200);
/// What a pod may exceed its CPU limit by within an interval: the quota of the periods at its ends,
/// and what `cpu.max.burst` lets it save up, which is at most one quota more for each period.
const OVER_LIMIT: f64 = 2.0;
/// Threads that can wait at once on one machine: Linux' largest `pid_max`.
const MAX_THREADS: f64 = 4_194_304.0;
/// Events of one kind per CPU and second: one in 20 ns.
const MAX_EVENTS_PER_CPU_SECOND: f64 = 50_000_000.0;
/// CFS periods are a millisecond or longer.
const MAX_PERIODS_PER_SECOND: f64 = 1000.0;
/// Count and histogram are read one after the other while events happen.
const HISTOGRAM_TOLERANCE: f64 = 0.1;
const HISTOGRAM_SLACK: f64 = 1000.0;

/// What limits a container during an interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long the interval was.
    pub(super) interval: Duration,
    /// CPUs of the node.
    pub(super) cpus: u32,
    /// The container's CPU limit in cores, as the API server says.
    pub(super) cpu_limit: Option<f64>,
}

impl Bounds {
    fn seconds(&self) -> f64 {
        self.interval.as_secs_f64() * SLACK + SLACK_TIME.as_secs_f64()
    }

    /// Whether threads of one container can have got on like this.
    pub(super) fn allow_scheduling(&self, scheduling: &Scheduling) -> bool {
        let (seconds, cpus) = (self.seconds(), f64::from(self.cpus));
        let cores = self.cpu_limit.map_or(cpus, |limit| {
            cpus.min(limit * OVER_LIMIT + SLACK_TIME.as_secs_f64())
        });
        let switches = seconds * cpus * MAX_EVENTS_PER_CPU_SECOND;
        scheduling.on_cpu.as_secs_f64() <= seconds * cores
            && scheduling.wait.as_secs_f64() <= seconds * MAX_THREADS
            && scheduling.throttled.as_secs_f64() <= seconds * cpus
            && scheduling.voluntary_switches as f64 <= switches
            && scheduling.involuntary_switches as f64 <= switches
            && scheduling.quota_periods as f64 <= seconds * MAX_PERIODS_PER_SECOND
            // The two are read one after the other too.
            && scheduling.throttled_periods <= scheduling.quota_periods.saturating_add(10)
    }

    /// Whether a container can have caused these events; `sampling` made estimates of them.
    pub(super) fn allow_metric(&self, delta: &MetricDelta) -> bool {
        let events = self.seconds() * f64::from(self.cpus) * MAX_EVENTS_PER_CPU_SECOND;
        let most = events / delta.sampling.clamp(f64::MIN_POSITIVE, 1.0);
        delta.count as f64 <= most && is_of(&delta.histogram, delta.count)
    }
}

/// Whether a histogram can be that of `count` events; an empty one says nothing.
fn is_of(histogram: &Log2Histogram, count: u64) -> bool {
    let counted = histogram.count();
    if counted == 0 {
        return true;
    }
    let difference = (counted as f64 - count as f64).abs();
    difference <= HISTOGRAM_SLACK + HISTOGRAM_TOLERANCE * count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        interval: Duration::from_secs(1),
        cpus: 4,
        cpu_limit: Some(0.2),
    };

    fn busy(on_cpu_ms: u64) -> Scheduling {
        Scheduling {
            on_cpu: Duration::from_millis(on_cpu_ms),
            wait: Duration::from_secs(50),
            voluntary_switches: 100_000,
            quota_periods: 10,
            throttled_periods: 10,
            throttled: Duration::from_millis(900),
            ..Scheduling::default()
        }
    }

    #[test]
    fn a_container_runs_no_more_than_its_limit_and_its_node_allow() {
        assert!(BOUNDS.allow_scheduling(&busy(200)));
        assert!(
            !BOUNDS.allow_scheduling(&busy(4_000)),
            "twenty times its limit"
        );
        let unlimited = Bounds {
            cpu_limit: None,
            ..BOUNDS
        };
        assert!(unlimited.allow_scheduling(&busy(4_000)));
        assert!(
            !unlimited.allow_scheduling(&busy(7_000)),
            "seven of four CPUs"
        );
    }

    #[test]
    fn numbers_that_no_kernel_counts_are_refused() {
        for absurd in [
            Scheduling {
                wait: Duration::MAX,
                ..busy(1)
            },
            Scheduling {
                voluntary_switches: u64::MAX,
                ..busy(1)
            },
            Scheduling {
                involuntary_switches: u64::MAX,
                ..busy(1)
            },
            Scheduling {
                throttled: Duration::from_secs(60),
                ..busy(1)
            },
            Scheduling {
                quota_periods: 1_000_000,
                ..busy(1)
            },
            Scheduling {
                quota_periods: 5,
                throttled_periods: 50,
                ..busy(1)
            },
        ] {
            assert!(!BOUNDS.allow_scheduling(&absurd), "{absurd:?}");
        }
    }

    #[test]
    fn a_distribution_is_that_of_its_events() {
        let delta = |count, events| MetricDelta {
            count,
            sum: 1,
            histogram: Log2Histogram::from_buckets(vec![0, 0, events]),
            sampling: 1.0,
            relative_error: 0.0,
        };
        assert!(BOUNDS.allow_metric(&delta(1_000_000, 1_000_000)));
        assert!(BOUNDS.allow_metric(&delta(7, 0)), "no distribution");
        assert!(!BOUNDS.allow_metric(&delta(10, 1_000_000)));
        assert!(!BOUNDS.allow_metric(&delta(u64::MAX, u64::MAX)));
    }
}
