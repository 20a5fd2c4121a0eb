//! The outcome of a decision: data that goes to the log, the event, the status and the recording.

use serde::Serialize;

use crate::metric::Metric;
use crate::policy::{Mode, Response};
use crate::statistic::Statistic;
use crate::unit::Unit;

/// What shall be done about one deployment, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// Replicas that the deployment should have.
    pub desired: u32,
    /// Replicas that it asks for now (`spec.replicas`).
    pub current: u32,
    /// The policy's mode; only `Active` decisions are carried out.
    pub mode: Mode,
    /// Why `desired` is what it is, for programs.
    pub reason: Reason,
    /// The same in one sentence, for people.
    pub message: String,
    /// What each metric said, in the policy's order.
    pub evidence: Vec<Evidence>,
    /// What kept `desired` from following the metrics, in the order in which it was applied.
    pub limits: Vec<Limit>,
    /// The state of the policy, in the HPA's words where it has them.
    pub conditions: Vec<Condition>,
    /// How the pods were sorted.
    pub pods: PodCounts,
}

/// Why a decision came out as it did. The HPA's word where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Reason {
    /// A metric asks for more replicas.
    AboveThreshold,
    /// Every metric is content with fewer replicas.
    BelowThreshold,
    /// The metrics are content with what there is.
    WithinThreshold,
    /// `spec.replicas` is 0: scaling is switched off (the HPA's `ScalingDisabled`).
    ScalingDisabled,
    /// The policy is paused.
    Paused,
    /// `spec.replicas` was below `minReplicas`.
    TooFewReplicas,
    /// `spec.replicas` was above `maxReplicas`.
    TooManyReplicas,
    /// There is too little data to act on.
    InsufficientData,
    /// The nodes are full, and more replicas would not help.
    NodeSaturated,
    /// Another autoscaler has the same deployment for a target.
    Conflict,
    /// What the API server says about the deployment is old.
    ClusterSilent,
    /// There has been no data for so long that the policy's fallback applies.
    Fallback,
}

/// What one metric said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The metric.
    pub metric: Metric,
    /// The container it was measured in; `None` = all containers of the pod.
    pub container: Option<String>,
    /// Which number stands for the window.
    pub statistic: Statistic,
    /// How it is answered.
    pub response: Response,
    /// The unit of `value` and `threshold`.
    pub unit: Unit,
    /// The measured number; `None` when there was no data.
    pub value: Option<f64>,
    /// `value` with its unit (`38ms`), or `-`.
    pub value_text: String,
    /// Half the width of the value's 95 % interval that comes from sampling, as a share of it; 0 where
    /// every event was recorded, `None` where it is not known, as of percentiles.
    pub relative_error: Option<f64>,
    /// What it is compared with; `None` with `Observe`.
    pub threshold: Option<f64>,
    /// `threshold` with its unit, or `-`.
    pub threshold_text: String,
    /// Replicas this metric asks for; `None` when it has nothing to say.
    pub proposal: Option<u32>,
    /// How the proposal came about, or why there is none.
    pub detail: String,
    /// Cores that the arriving and the waiting work need; only the queueing response computes them.
    pub demand_cores: Option<f64>,
    /// Ready pods whose samples were used.
    pub pods_used: u32,
    /// Pods that should have samples and have not.
    pub pods_missing: u32,
    /// Pods that are not ready to be judged.
    pub pods_unready: u32,
}

/// Something that kept the desired count from following the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Limit {
    /// A lower recommendation inside the scale-up window held it down.
    ScaleUpStabilized,
    /// A higher recommendation inside the scale-down window held it up.
    ScaleDownStabilized,
    /// `behavior.scaleUp` allows no faster growth.
    ScaleUpLimit,
    /// `behavior.scaleDown` allows no faster shrinking.
    ScaleDownLimit,
    /// `minReplicas`.
    TooFewReplicas,
    /// `maxReplicas`.
    TooManyReplicas,
    /// Full nodes.
    NodeSaturated,
    /// Some metrics had no data, so that it was not scaled down.
    PartialData,
    /// Another autoscaler has the same deployment for a target.
    Conflict,
    /// What the API server says about the deployment is old.
    ClusterSilent,
}

/// One condition of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Which condition.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: bool,
    /// One word, CamelCase.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

/// The conditions a policy can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ConditionKind {
    /// Whether the deployment could be scaled now; false while stabilised.
    AbleToScale,
    /// Whether there is data to decide from.
    ScalingActive,
    /// Whether the metrics would have it otherwise than limits allow.
    ScalingLimited,
    /// Whether the nodes are full and the waiting is theirs.
    NodeSaturated,
    /// Whether another autoscaler has the same deployment for a target.
    Conflict,
}

/// How the pods of the deployment were sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PodCounts {
    /// Judged by their samples.
    pub ready: u32,
    /// Pending, warming up, or not ready.
    pub unready: u32,
    /// Ready, but without a fresh sample, or with samples that contradict each other.
    pub missing: u32,
    /// Those of the missing whose samples contradict each other.
    pub contradictory: u32,
    /// Ready, of an older ReplicaSet, and no longer judged because enough newer pods are.
    pub leaving: u32,
    /// Terminating, failed or finished.
    pub ignored: u32,
}

impl Decision {
    /// The replica count to write, if one shall be written: the mode is [`Mode::Active`] and
    /// `desired` differs from `current`.
    #[must_use]
    pub fn change(&self) -> Option<u32> {
        (self.mode == Mode::Active && self.desired != self.current).then_some(self.desired)
    }

    /// Whether the condition `kind` holds.
    #[must_use]
    pub fn has(&self, kind: ConditionKind) -> bool {
        self.conditions
            .iter()
            .any(|condition| condition.kind == kind && condition.status)
    }
}
