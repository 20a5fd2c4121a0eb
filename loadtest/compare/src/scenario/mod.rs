//! What is compared under which load: a YAML file, checked before anything starts.
//!
//! ```text
//!  text ─▶ parse (line, field, what was expected) ─▶ check ─▶ Scenario ─▶ users per second
//!                                                                     ─▶ HPA objects, ScalingPolicies
//! ```

mod builtin;
mod check;
mod error;
mod load;
mod objects;
mod quick;
mod shop;
mod text;

pub use error::ScenarioError;
pub use load::{Load, Phase, Shape, Stage, Users};
pub use shop::{RoleWork, Shop, ShopSource};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A comparison to be made. Read by [`Scenario::parse`], it makes sense as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// Lower-case letters, digits and `-`; also the name of the directory of its trials.
    pub name: String,
    /// One or two sentences for the head of the report.
    pub description: String,
    /// Namespace of the shop.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// Whose replicas are scaled, and where it comes from.
    #[serde(default)]
    pub shop: Shop,
    /// The Deployments that are scaled; the rest of the shop stays as it is.
    pub deployments: Vec<Deployment>,
    /// Users over time.
    pub load: Load,
    /// Trials of each autoscaler, at least 1. Five are the fewest that can name a winner.
    #[serde(default = "default_trials")]
    pub trials: u32,
}

/// A Deployment and its policy under each autoscaler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// Its name, such as `frontend`.
    pub name: String,
    /// `spec` of an `autoscaling/v2` HorizontalPodAutoscaler without `scaleTargetRef`. Default: the
    /// thesis', 50 % of the CPU and of the memory requests, 1 to 20 replicas.
    #[serde(default = "thesis_hpa")]
    pub hpa: Value,
    /// Default: the built-in policy of the Deployment's own name.
    #[serde(default)]
    pub viperscale: ViperscalePolicy,
}

/// Viperscale's policy of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ViperscalePolicy {
    /// The built-in policy named as the Deployment is.
    #[default]
    OwnName,
    /// The built-in policy of this name, made to point to the Deployment.
    Builtin(String),
    /// `spec` of a ScalingPolicy without `scaleTargetRef`.
    Spec(Value),
}

fn default_namespace() -> String {
    "shop".to_owned()
}

fn default_trials() -> u32 {
    5
}

fn thesis_hpa() -> Value {
    let resource = |name: &str| {
        serde_json::json!({
            "type": "Resource",
            "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": 50}},
        })
    };
    serde_json::json!({
        "minReplicas": 1,
        "maxReplicas": 20,
        "metrics": [resource("cpu"), resource("memory")],
    })
}
