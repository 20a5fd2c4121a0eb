//! What the response is told, in plain numbers.

use std::time::Duration;

/// One decision interval of one deployment, summed over its ready pods.
///
/// *Ready* is "receives requests and reported in this interval", however young: a pod left out
/// here takes its share of the demand with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Length of the interval, the same for every pod.
    pub length: Duration,
    /// Pods that the sums below are over.
    pub ready: u32,
    /// Pods that were asked for but are not ready yet.
    pub starting: u32,
    /// Time on CPU.
    pub on_cpu: Duration,
    /// Time runnable but not running, throttling included.
    pub wait: Duration,
    /// Switch-outs because the thread blocked: each completes a CPU burst.
    pub voluntary: u64,
    /// Switch-outs by pre-emption or throttling.
    pub involuntary: u64,
    /// Time the quota held pods back.
    pub throttled: Duration,
    /// Quota periods that ended in throttling.
    pub throttled_periods: u64,
    /// Quota periods with any activity; 0 without a quota.
    pub quota_periods: u64,
    /// CPU limit of one pod in cores; `None` without one.
    pub limit_cores: Option<f64>,
    /// The policy's statistic of run-queue latency; `None` when it has no events.
    pub waiting: Option<Duration>,
    /// What the policy allows the statistic to be.
    pub threshold: Duration,
}
