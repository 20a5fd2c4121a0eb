//! `status`: what a policy does, for people and for tools that know the HPA's status.
//!
//! The status is written as a merge patch. So absent values of the status itself serialise as `null`,
//! which removes what an earlier version said; those of list items as nothing, because a list is
//! replaced whole, with every `null` in it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use scaler_core::{Learned, Statistic};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What a policy does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicyStatus {
    /// The generation of the policy that all of this is about.
    pub observed_generation: i64,
    /// Ready, AbleToScale, ScalingActive, ScalingLimited, Conflict and NodeSaturated.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Replicas that the Deployment asks for (its spec.replicas).
    pub current_replicas: Option<i32>,
    /// Replicas that it should have.
    pub desired_replicas: Option<i32>,
    /// When the replicas were last changed by this policy.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_scale_time: Option<Time>,
    /// The newest value of each metric, in the order of the spec.
    pub metrics: Vec<MetricStatus>,
    /// The same in one line, for tables.
    pub metrics_summary: Option<String>,
    /// The newest decision.
    pub last_decision: Option<LastDecision>,
    /// What was learned about the metrics; a scaler that takes over goes on from it.
    pub learned: Option<Vec<LearnedStatus>>,
}

/// One condition, with the fields of meta/v1.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which condition.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// The generation of the policy that it is about.
    pub observed_generation: i64,
    /// When status last changed.
    #[schemars(schema_with = "time")]
    pub last_transition_time: Time,
    /// One word, CamelCase; the HPA's where it has one.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// The newest value of one metric.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// What is measured.
    pub name: String,
    /// In which container; absent: in all of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Which number stands for the window.
    pub statistic: String,
    /// The value with its unit; absent without data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it is compared with; absent when it is only observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
    /// Replicas that this metric asks for; absent when it has nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
}

/// The newest decision.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastDecision {
    /// When it was made.
    #[schemars(schema_with = "time")]
    pub time: Time,
    /// Why, in one word.
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
}

/// What was learned about one metric.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LearnedStatus {
    /// In which container it is measured; absent: in all of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Which number stands for the window.
    pub statistic: String,
    /// The utilisation at which it equals the threshold, above 0 and below 1.
    pub utilisation: f64,
}

impl ScalingPolicyStatus {
    /// What was learned, in the core's types; words of another version are left out.
    pub fn learned(&self) -> impl Iterator<Item = Learned> {
        let entries = self.learned.iter().flatten();
        entries.filter_map(|entry| {
            let mut known = Statistic::ALL.into_iter();
            Some(Learned {
                container: entry.container.clone(),
                statistic: known.find(|statistic| statistic.name() == entry.statistic)?,
                utilisation: entry.utilisation,
            })
        })
    }
}

impl From<&Learned> for LearnedStatus {
    /// To the percent: what is learned moves a little with every decision, and a start needs no more.
    fn from(learned: &Learned) -> Self {
        LearnedStatus {
            container: learned.container.clone(),
            statistic: learned.statistic.name().to_owned(),
            utilisation: (learned.utilisation * 100.0).round() / 100.0,
        }
    }
}

fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}
