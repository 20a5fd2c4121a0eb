//! `spec.behavior`, with the fields of `autoscaling/v2`.
//!
//! What is left out has the defaults of [`scaler_core::behavior`], which are not the HPA's; they are
//! not in the schema, because a direction is filled in field by field.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use scaler_core::policy::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Stabilisation, rate limits and tolerance of both directions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Rules for more replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rules")]
    pub scale_up: Option<Rules>,
    /// Rules for fewer replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rules")]
    pub scale_down: Option<Rules>,
}

/// The rules of one direction.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// The most cautious recommendation of so many seconds counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", range(min = 0, max = limits::LONGEST_STABILIZATION_SECONDS))]
    pub stabilization_window_seconds: Option<i32>,
    /// Which of the policies counts; Disabled forbids changes in this direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::select_policy")]
    pub select_policy: Option<String>,
    /// Rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<RateLimit>", length(min = 1, max = limits::MOST_RATE_LIMITS))]
    pub policies: Option<Vec<RateLimit>>,
    /// How far value over threshold may be from 1 without consequence, such as "0.1" or "100m".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fraction")]
    pub tolerance: Option<IntOrString>,
}

/// How much may change within how much time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// What value counts: Pods or Percent of the replicas at the start of the period.
    #[serde(rename = "type")]
    #[schemars(schema_with = "schema::amount")]
    pub kind: String,
    /// So many pods, or percent.
    #[schemars(range(min = 1, max = limits::MOST_REPLICAS))]
    pub value: i32,
    /// The time over which changes are added up.
    #[schemars(range(min = 1, max = limits::LONGEST_PERIOD_SECONDS))]
    pub period_seconds: i32,
}
