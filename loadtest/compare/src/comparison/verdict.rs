//! Who is better at what.

use serde::{Deserialize, Serialize};

use super::Pair;
use crate::statistics::Estimate;

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Judgement {
    /// Both saw the same load.
    Verdict {
        /// The most important first.
        rows: Vec<VerdictRow>,
    },
    /// They did not, so that nothing is said about who is better.
    LoadDiffers {
        /// By this share of the larger count, such as 0.031.
        by: f64,
    },
}

/// The load that each autoscaler saw before the load step, when nothing is saturated yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadCheck {
    /// Page requests begun before the step, over all trials.
    pub requests: Pair<u64>,
    /// Their difference as a share of the larger count.
    pub by: f64,
    /// The same of each trial, in order.
    pub by_trial: Vec<f64>,
    /// What `by` must stay below.
    pub limit: f64,
    /// Whether it does.
    pub equal: bool,
}

/// What is compared in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Page requests that failed.
    FailedRequests,
    /// Page requests that failed, of the routes that use Recommendation.
    FailedRecommendationRequests,
    /// Replicas asked for times seconds.
    ReplicaSeconds,
    /// Load step to first patch that raised a count.
    FirstPatch,
    /// Load step to the end of the last second with a failure.
    Recovery,
    /// Latency that 95 % of the pages did not exceed.
    LatencyP95,
    /// Latency that 99 % of the pages did not exceed.
    LatencyP99,
    /// Replicas beyond the optimum times seconds.
    OverProvisioned,
    /// Replicas missing to the optimum times seconds.
    UnderProvisioned,
    /// CPU time of the shop's pods for each page that users got.
    CpuPerServedPage,
    /// CPU time of the autoscaler itself.
    OverheadCpuSeconds,
    /// Growth followed by shrinking or the other way round.
    DirectionChanges,
    /// Page requests that ended: closed-loop users ask less when they wait longer.
    Requests,
}

/// Which direction is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// One metric of both autoscalers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictRow {
    /// Which.
    pub metric: Metric,
    /// For people, such as `Failed requests`.
    pub title: String,
    /// Unit of the estimates, such as `s`; empty for counts.
    pub unit: String,
    /// Which direction is good.
    pub better: Better,
    /// Median and interval of each.
    pub estimates: Pair<Estimate>,
    /// Viperscale less HPA, within the pairs of trials.
    pub difference: Estimate,
    /// Viperscale over HPA, of the medians; none where the HPA's median is 0.
    pub ratio: Option<Estimate>,
    /// Who is better.
    pub winner: Winner,
    /// What the project set out to reach here.
    pub goals: Vec<Goal>,
}

/// Who is better at one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Winner {
    /// The HPA.
    Hpa,
    /// Viperscale.
    Viperscale,
    /// The interval of the difference contains none.
    Tie,
    /// With so few trials no difference can be told from chance.
    TooFewTrials,
}

/// A goal of the project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// What was to be reached, such as `at least 67 % fewer than the HPA`.
    pub text: String,
    /// What was reached, such as `83 % fewer`.
    pub reached: String,
    /// Aimed for beyond what is demanded.
    pub aim: bool,
    /// Whether the median reached it; none where it means nothing, as when the HPA had no failure.
    pub met: Option<bool>,
}
