//! The curves and tables of a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Pair;
use crate::record::{DecisionEntry, MetricsPhase};
use crate::statistics::Estimate;
use crate::{Measures, TrialKey};

/// Curves over the trials of one autoscaler. All have a point each second from 0 to the horizon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The trial whose number of failed requests is the median (the lower of two), to be shown by default.
    pub typical_trial: u32,
    /// Page requests that ended, per second.
    pub requests: Vec<Band>,
    /// Page requests that failed, per second.
    pub failures: Vec<Band>,
    /// Replicas asked for, by scaled deployment.
    pub desired: BTreeMap<String, Vec<Band>>,
    /// Replicas ready, by scaled deployment.
    pub ready: BTreeMap<String, Vec<Band>>,
}

/// One moment over all trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// The smallest of the trials.
    pub min: f64,
    /// Their median.
    pub median: f64,
    /// The largest of the trials.
    pub max: f64,
}

/// Failures of one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteFailures {
    /// Method and path pattern.
    pub route: String,
    /// Whether its page needs Recommendation.
    pub uses_recommendation: bool,
    /// Failed requests per trial.
    pub failed: Pair<Estimate>,
    /// Failed requests per trial as a share of the route's requests, from 0 to 1.
    pub share: Pair<Estimate>,
    /// Viperscale over HPA, of the medians of failed requests; none where the HPA's is 0. The thesis' median
    /// reduction of 67 % is a ratio of 0.33.
    pub ratio: Option<Estimate>,
}

/// Peak replicas of one scaled deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeakReplicas {
    /// The deployment.
    pub deployment: String,
    /// Most replicas asked for at any time of a trial.
    pub peak: Pair<Estimate>,
    /// The largest of the optimum.
    pub optimum: u32,
    /// What the thesis reports, where it does.
    pub thesis: Option<ThesisPeak>,
}

/// A row of the thesis' Table 4: scale sizes that were reached, on another machine and under another load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThesisPeak {
    /// Kubernetes' HPA.
    pub hpa: u32,
    /// ViperProbe.
    pub viperprobe: u32,
}

/// Latency of one route over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteLatency {
    /// Method and path pattern, or `all`.
    pub route: String,
    /// A point per [`LatencyBin`](crate::measure::LatencyBin) in which users got pages.
    pub over_time: Pair<Vec<LatencyBand>>,
    /// p50 over the whole trial, in milliseconds; none where nobody got a page.
    pub p50_ms: Pair<Option<Estimate>>,
    /// p95 over the whole trial.
    pub p95_ms: Pair<Option<Estimate>>,
    /// p99 over the whole trial.
    pub p99_ms: Pair<Option<Estimate>>,
}

/// Latency in one bin of time: medians over the trials, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyBand {
    /// Begin of the bin, in seconds since the trial's begin.
    pub at: f64,
    /// Median of the trials' p50.
    pub p50_ms: f64,
    /// Median of the trials' p95.
    pub p95_ms: f64,
    /// Median of the trials' p99.
    pub p99_ms: f64,
}

/// One trial as a report shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// Which.
    pub key: TrialKey,
    /// Seed of the users' choices.
    pub seed: u64,
    /// Wall clock at its begin, in milliseconds since the Unix epoch.
    pub begin_unix_ms: u64,
    /// When the load step really began.
    pub step_at_seconds: f64,
    /// No replica count changed before the load step.
    pub at_rest: bool,
    /// What it amounts to.
    pub measures: Measures,
    /// The load, a point per second.
    pub load: Vec<LoadPoint>,
    /// Replicas by scaled deployment; each point holds until the next.
    pub replicas: BTreeMap<String, Vec<ReplicaPoint>>,
    /// Cores used, by deployment of the shop, a point per 5 seconds.
    pub cpu: BTreeMap<String, Vec<CpuPoint>>,
    /// What the autoscaler decided and why, in order.
    pub decisions: Vec<DecisionEntry>,
    /// Where the load step fell in the periods of the metrics chain.
    pub metrics_phase: Option<MetricsPhase>,
    /// What its runner noted, in whole sentences.
    pub remarks: Vec<String>,
}

/// One second of load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// Users that the scenario plans.
    pub planned_users: u32,
    /// Users that there were.
    pub users: u32,
    /// Page requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed_requests: u64,
}

/// Replicas from this moment on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReplicaPoint {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// Asked for.
    pub desired: u32,
    /// Serving.
    pub ready: u32,
}

/// CPU used in the seconds from this moment on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CpuPoint {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// Cores, on average.
    pub cores: f64,
}
