//! `spec`: the fields of a ScalingPolicy as the API server sees them.
//!
//! Doc comments become descriptions of the schema: `kubectl explain scalingpolicy.spec`.

#![allow(
    clippy::duplicated_attributes,
    reason = "two columns of one type repeat nothing"
)]

use kube::CustomResource;
use scaler_core::policy::{Mode, TARGET_API_VERSION, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::behavior::Behavior;
use super::status::ScalingPolicyStatus;
use super::{rules, schema};

/// How one Deployment is scaled: on what its pods go through in the kernel.
#[derive(CustomResource, Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "viperscale.dev",
    version = "v1alpha1",
    kind = "ScalingPolicy",
    plural = "scalingpolicies",
    shortname = "sp",
    namespaced,
    status = "ScalingPolicyStatus",
    derive = "PartialEq",
    doc = "How one Deployment is scaled: on what its pods go through in the kernel.",
    printcolumn(
        name = "Target",
        type_ = "string",
        json_path = ".spec.scaleTargetRef.name"
    ),
    printcolumn(
        name = "Metrics",
        type_ = "string",
        json_path = ".status.metricsSummary"
    ),
    printcolumn(name = "Min", type_ = "integer", json_path = ".spec.minReplicas"),
    printcolumn(name = "Max", type_ = "integer", json_path = ".spec.maxReplicas"),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.currentReplicas"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::of_spec()))]
pub struct ScalingPolicySpec {
    /// The Deployment that is scaled, in the namespace of the policy. It has one policy and no other
    /// autoscaler.
    pub scale_target_ref: TargetReference,
    /// Never fewer replicas than this.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = limits::MOST_REPLICAS))]
    pub min_replicas: i32,
    /// Never more replicas than this; at least minReplicas.
    #[schemars(range(min = 1, max = limits::MOST_REPLICAS))]
    pub max_replicas: i32,
    /// What becomes of decisions: Active carries them out, DryRun makes and shows them, Paused shows
    /// the metrics and decides nothing.
    #[serde(default = "default_mode")]
    #[schemars(schema_with = "schema::mode")]
    pub mode: String,
    /// What each statistic looks back over, from 1s to 60s.
    #[serde(default = "default_window")]
    #[schemars(schema_with = "schema::duration")]
    pub window: String,
    /// Pods younger than this do not count as ready; at most 3600s.
    #[serde(default = "default_warmup")]
    #[schemars(schema_with = "schema::duration")]
    pub warmup: String,
    /// What is measured and what it is compared with. The largest proposal wins.
    #[schemars(length(min = 1, max = limits::MOST_METRICS))]
    pub metrics: Vec<Metric>,
    /// Stabilisation, rate limits and tolerance, as in autoscaling/v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Behavior")]
    pub behavior: Option<Behavior>,
    /// What to do when data stays away for long; without it, the replicas stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Fallback")]
    pub fallback: Option<Fallback>,
}

/// The Deployment that is scaled.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetReference {
    /// The API of the target: apps/v1.
    #[serde(default = "default_api_version")]
    #[schemars(schema_with = "schema::target_api_version")]
    pub api_version: String,
    /// The kind of the target: Deployment.
    #[schemars(schema_with = "schema::target_kind")]
    pub kind: String,
    /// The name of the Deployment.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
}

/// How one metric counts.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::of_metric()))]
pub struct Metric {
    /// What is measured, in the kernel, for each container.
    #[schemars(schema_with = "schema::metric")]
    pub name: String,
    /// In which container; without it, in all containers of the pod together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label")]
    pub container: Option<String>,
    /// Which number stands for the window; each metric has a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::statistic")]
    pub statistic: Option<String>,
    /// What the statistic is compared with, with its unit, such as 2ms, 1MiB/s, "4000" or 80%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::threshold")]
    pub threshold: Option<String>,
    /// The share of events that is recorded, above 0 and at most 1.
    #[serde(default = "default_sampling")]
    #[schemars(schema_with = "schema::probability")]
    pub sampling: f64,
    /// How the metric is turned into replicas; Observe only shows it. Each metric has a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::response")]
    pub response: Option<String>,
}

/// How many replicas there shall be at least once no metric has had data for long; it never takes
/// any away.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::of_fallback()))]
pub struct Fallback {
    /// At least so many replicas, from minReplicas to maxReplicas.
    #[schemars(range(min = 1, max = limits::MOST_REPLICAS))]
    pub replicas: i32,
    /// How long data must have stayed away, from 10s to 3600s.
    #[schemars(schema_with = "schema::duration")]
    pub after: String,
}

fn default_min_replicas() -> i32 {
    limits::DEFAULT_MIN_REPLICAS as i32
}

fn default_mode() -> String {
    Mode::default().name().to_owned()
}

fn default_window() -> String {
    schema::duration_text(limits::DEFAULT_WINDOW)
}

fn default_warmup() -> String {
    schema::duration_text(limits::DEFAULT_WARMUP)
}

fn default_api_version() -> String {
    TARGET_API_VERSION.to_owned()
}

fn default_sampling() -> f64 {
    limits::DEFAULT_SAMPLING
}
