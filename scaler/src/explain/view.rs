//! Decisions as `/decisions` and recordings tell them: what is read here is what was written there.

use serde::{Deserialize, Serialize};

/// [`scaler_core::Decision`], read back.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct DecisionView {
    /// Replicas that the deployment should have.
    pub desired: u32,
    /// Replicas that it asked for.
    pub current: u32,
    /// `Active`, `DryRun` or `Paused`.
    pub mode: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
    /// What each metric said.
    #[serde(default)]
    pub evidence: Vec<EvidenceView>,
    /// What was in the way.
    #[serde(default)]
    pub limits: Vec<String>,
    /// How the pods were sorted.
    #[serde(default)]
    pub pods: PodsView,
}

/// [`scaler_core::Evidence`], read back.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct EvidenceView {
    /// The metric's name.
    pub metric: String,
    /// The container, if it is about one.
    pub container: Option<String>,
    /// Which number of it.
    pub statistic: String,
    /// How it is answered.
    pub response: String,
    /// The unit of `value` and `threshold`.
    pub unit: String,
    /// What was measured.
    pub value: Option<f64>,
    /// The same with its unit.
    pub value_text: String,
    /// Half the width of the value's 95 % interval that comes from sampling, as a share of it; 0 where
    /// every event was recorded, `None` where it is not known.
    #[serde(default)]
    pub relative_error: Option<f64>,
    /// What it is compared with.
    pub threshold: Option<f64>,
    /// The same with its unit.
    pub threshold_text: String,
    /// Replicas it asks for.
    pub proposal: Option<u32>,
    /// How it came to that.
    pub detail: String,
    /// What the work needs, where that is computed.
    pub demand_cores: Option<f64>,
    /// Pods it was measured in.
    pub pods_used: u32,
    /// Pods without samples.
    pub pods_missing: u32,
}

/// [`scaler_core::PodCounts`], read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct PodsView {
    /// Judged by their samples.
    pub ready: u32,
    /// Pending, warming up, or not ready.
    pub unready: u32,
    /// Ready, but silent, or with samples that contradict each other.
    pub missing: u32,
    /// Those of the missing whose samples contradict each other.
    #[serde(default)]
    pub contradictory: u32,
    /// Of an older ReplicaSet, and no longer judged.
    #[serde(default)]
    pub leaving: u32,
    /// Terminating, failed or finished.
    pub ignored: u32,
}

/// A decision and how long ago it was.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Told {
    /// Seconds since.
    pub age_seconds: f64,
    /// The decision.
    pub decision: DecisionView,
}

/// A change of the replica count and how long ago it was.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Changed {
    /// Seconds since.
    pub age_seconds: f64,
    /// Replicas before.
    pub from: u32,
    /// Replicas after.
    pub to: u32,
    /// Why.
    pub decision: DecisionView,
}

/// What became of the newest write.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct WriteView {
    /// [`crate::apply::Outcome`]'s word.
    pub result: String,
    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Replicas that somebody else had set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<u32>,
}

/// Everything that is told about one policy: the answer of `/decisions/NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Explained {
    /// The policy's namespace, and the deployment's.
    pub namespace: String,
    /// The policy's name.
    pub name: String,
    /// The deployment.
    pub deployment: String,
    /// Where the policy was read.
    pub file: String,
    /// `Active`, `DryRun` or `Paused`.
    pub mode: String,
    /// `InForce`, `DeploymentNotFound` or `Refused`.
    pub status: String,
    /// Why it is not in force.
    #[serde(
        default,
        rename = "statusReason",
        skip_serializing_if = "Option::is_none"
    )]
    pub status_reason: Option<String>,
    /// Never fewer.
    pub min_replicas: u32,
    /// Never more.
    pub max_replicas: u32,
    /// The newest decision; absent until there is one.
    pub latest: Option<Told>,
    /// What became of the newest write.
    pub write: Option<WriteView>,
    /// Decisions that came out otherwise than the one before, oldest first.
    pub turns: Vec<Told>,
    /// Changes that were written, oldest first.
    pub changes: Vec<Changed>,
}

/// Whether two decisions say the same, but for the numbers they measured.
#[must_use]
pub fn is_alike(one: &DecisionView, other: &DecisionView) -> bool {
    let essence = |decision: &DecisionView| {
        (
            decision.current,
            decision.desired,
            decision.mode.clone(),
            decision.reason.clone(),
            decision.limits.clone(),
        )
    };
    essence(one) == essence(other)
}
