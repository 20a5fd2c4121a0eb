//! What one trial amounts to, in numbers.
//!
//! Everything is measured from the trial's begin to the horizon, which is the end of the scenario's
//! load and the same for both autoscalers.
//!
//! ```text
//!  TrialRecord ─▶ Trial (curves) ─┬─▶ optimum, of all trials together
//!                                 └─▶ Measures ◀─┘
//! ```

mod cpu;
mod curve;
mod latency;
mod optimum;
mod reaction;
mod trial;

pub use optimum::{DemandModel, Optimum, OptimumPoint, UTILISATION};

pub(crate) use optimum::optimum;
pub(crate) use trial::Trial;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The measures of one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Page requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed_requests: u64,
    /// Latency of the pages that users got, over all routes; none when nobody got one.
    pub latency: Option<Quantiles>,
    /// The same by route.
    pub routes: BTreeMap<String, RouteMeasures>,
    /// Replicas asked for (`spec.replicas`) times seconds, over the scaled deployments.
    pub replica_seconds: f64,
    /// Of these, what the offline optimum would not have asked for.
    pub over_replica_seconds: f64,
    /// Replicas of the optimum that were not ready, times seconds.
    pub under_replica_seconds: f64,
    /// CPU time of all pods of the shop, in seconds.
    pub cpu_seconds: f64,
    /// CPU time of the autoscaler's own processes, in seconds; none where it has none that could be observed.
    pub overhead_cpu_seconds: Option<f64>,
    /// How often a deployment that grew shrank next, or the other way round, over the scaled deployments.
    pub direction_changes: u32,
    /// How soon it reacted to the load step.
    pub reaction: Reaction,
    /// By scaled deployment.
    pub deployments: BTreeMap<String, DeploymentMeasures>,
}

impl Measures {
    /// CPU time of the shop for each page that users got, in milliseconds; none when nobody got one.
    pub fn cpu_ms_per_served_page(&self) -> Option<f64> {
        let served = self.requests.checked_sub(self.failed_requests)?;
        // Counts of requests are far below 2^53.
        (served > 0).then(|| self.cpu_seconds * 1000.0 / served as f64)
    }
}

/// The measures of one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteMeasures {
    /// Page requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed_requests: u64,
    /// Latency of the pages that users got; none when nobody got one.
    pub latency: Option<Quantiles>,
    /// The same over time, in bins of [`LatencyBin::SECONDS`], without gaps.
    pub bins: Vec<LatencyBin>,
}

/// Requests that ended in one bin of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyBin {
    /// Begin of the bin, in seconds since the trial's begin.
    pub at: f64,
    /// Page requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed_requests: u64,
    /// Latency of the pages that users got; none when nobody got one.
    pub latency: Option<Quantiles>,
}

impl LatencyBin {
    /// Length of a bin.
    pub const SECONDS: f64 = 5.0;
}

/// Quantiles of a latency, in milliseconds, by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of the pages took at most this long.
    pub p50_ms: f64,
    /// 95 % did.
    pub p95_ms: f64,
    /// 99 % did.
    pub p99_ms: f64,
}

/// The measures of one scaled deployment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeploymentMeasures {
    /// Replicas asked for times seconds.
    pub replica_seconds: f64,
    /// Of these, what the offline optimum would not have asked for.
    pub over_replica_seconds: f64,
    /// Replicas of the optimum that were not ready, times seconds.
    pub under_replica_seconds: f64,
    /// CPU time of its pods, in seconds.
    pub cpu_seconds: f64,
    /// Most replicas asked for at any time.
    pub peak_replicas: u32,
    /// How often growth was followed by shrinking or the other way round.
    pub direction_changes: u32,
}

/// How soon the load step was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// The first patch after the step that raised a replica count; none when there was none.
    pub first_patch: Option<FirstPatch>,
    /// Changes of replica counts before the step. When there are any, the system was not at rest, and the first
    /// patch after the step may be the answer to something else.
    pub patches_before_step: u32,
    /// From the step to the end of the last second with a failed request; 0 when none failed after the step;
    /// none when requests still failed shortly before the horizon.
    pub recovery_seconds: Option<f64>,
    /// From the step to the horizon: what is not there took at least as long.
    pub observed_seconds: f64,
}

/// A patch that raised a replica count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstPatch {
    /// Seconds since the load step.
    pub after_step_seconds: f64,
    /// The deployment.
    pub deployment: String,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
}
