//! ScalingPolicy as a custom resource, `viperscale.dev/v1alpha1`.
//!
//! ```text
//! tables and bounds of scaler_core ─▶ rules, schema ─▶ spec (types) ─▶ definition ─▶ `scaler crd`
//! object ─▶ policies::objects ─▶ scaler_core::policy::load_object ─▶ policy in force, or not
//! Decision, verdict, outcome of the write ─▶ report (pure) ─▶ status ─▶ apply::status ─▶ PATCH
//! ```
//!
//! The types here exist for the API server: its schema, its defaults, its rules. What an object
//! *means* is still read by [`scaler_core::policy`], from the same JSON, so that a file and an object
//! cannot differ; names, words and bounds come from its tables, and tests hold the rest together.

mod behavior;
mod definition;
mod difference;
mod findings;
mod report;
mod rules;
mod schema;
mod spec;
mod status;

pub use behavior::{Behavior, RateLimit, Rules};
pub use definition::{definition, main, to_yaml};
pub use difference::{Difference, difference};
pub use findings::{Findings, Standing};
pub use report::report;
pub use spec::{Fallback, Metric, ScalingPolicy, ScalingPolicySpec, TargetReference};
pub use status::{Condition, LastDecision, LearnedStatus, MetricStatus, ScalingPolicyStatus};

/// The plural name, as in paths of the API and in RBAC rules.
pub const PLURAL: &str = "scalingpolicies";

#[cfg(test)]
mod tests;
