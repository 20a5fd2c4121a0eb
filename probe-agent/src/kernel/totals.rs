//! What was measured of a container.

use std::collections::BTreeMap;

use super::{Metric, relative_error};

/// Everything measured of one container since it was added. No number ever shrinks, so the change
/// over an interval is a subtraction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Present while the scheduler hook is attached for this container, that is while one of
    /// [`Metric::OnCpuTime`] and [`Metric::RunqLatency`] is measured. Never sampled.
    pub scheduling: Option<Scheduling>,
    /// The metrics that are being measured.
    pub metrics: BTreeMap<Metric, Totals>,
}

/// How a container's threads were scheduled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Time on a CPU, summed over threads, in ns. Of a thread that is running, it is as new as the
    /// kernel's last tick.
    pub on_cpu_ns: u64,
    /// Time runnable and not running, in ns, CFS throttling included. A wait counts when it is over.
    pub wait_ns: u64,
    /// Switch-outs because the thread blocked: completed CPU bursts.
    pub voluntary_switches: u64,
    /// Switch-outs of threads that would have gone on: pre-emption, throttling, yielding.
    pub involuntary_switches: u64,
}

/// One metric of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Events: stints on a CPU, waits, faults, sends, requests; of the page cache, pages accessed.
    pub count: u64,
    /// Sum of the events' values in the metric's unit; equals `count` where events have no value. Of
    /// the page cache, pages that hit.
    pub sum: u64,
    /// Bucket i counts events of value v with floor(log2(v)) == i; bucket 0 also holds v == 0, the
    /// last bucket also what is larger. Empty for metrics without a distribution. Trailing zeros
    /// are kept.
    pub log2_buckets: Vec<u64>,
    /// The probability in force; the numbers above are already scaled to estimates of the whole.
    pub sampling: f64,
}

impl Totals {
    /// How far [`Totals::sum`] may be off, as a share of it: half the width of its 95 % confidence
    /// interval, which for `count` is no wider. 0 when nothing was left out, infinite when nothing was
    /// recorded. True for one rate since the container was added.
    pub fn relative_error(&self, metric: Metric) -> f64 {
        relative_error(
            metric,
            self.count,
            self.sum,
            &self.log2_buckets,
            self.sampling,
        )
    }
}
