//! What was run, where and when.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Autoscaler;

/// The facts about a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// [`Metadata::SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// [`Scenario::hash`](crate::Scenario::hash) of the scenario, with the number of trials left out.
    pub scenario_hash: String,
    /// Who scaled.
    pub autoscaler: Autoscaler,
    /// Which trial, from 1.
    pub trial: u32,
    /// Seed of the users' choices.
    pub seed: u64,
    /// Wall clock at the trial's begin, in milliseconds since the Unix epoch: the moment when the load
    /// begins. Only for people; nothing is computed from it.
    pub begin_unix_ms: u64,
    /// When the load step really began: the moment when its first user started.
    pub step_at_seconds: f64,
    /// Length of the load that was driven, in seconds.
    pub duration_seconds: f64,
    /// The load was driven to its end.
    pub load_complete: bool,
    /// Programs and their versions, such as `kubernetes` -> `v1.36.1` or `local`, `locust` -> `2.40`.
    pub versions: BTreeMap<String, String>,
    /// Where it ran.
    pub machine: Machine,
    /// The scaled deployments.
    pub deployments: BTreeMap<String, DeploymentFacts>,
    /// Where the load step fell in the periods of the metrics chain, where that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_phase: Option<MetricsPhase>,
    /// Anything that a reader of the report should know about this trial, in whole sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Everything of the trial has been written.
    pub complete: bool,
}

impl Metadata {
    /// Of the files as this program writes and reads them.
    pub const SCHEMA_VERSION: u32 = 1;
}

/// The machine, or the cluster, on which a trial ran. Both autoscalers must have had the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// `local cluster`, or the address of the API server.
    pub cluster: String,
    /// CPUs of all nodes.
    pub cpus: u32,
    /// Model of the CPU, where known.
    pub cpu_model: String,
    /// Memory of all nodes, in bytes.
    pub memory_bytes: u64,
    /// Kernel release, where known.
    pub kernel: String,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        let Self {
            cluster,
            cpus,
            cpu_model,
            kernel,
            ..
        } = self;
        write!(
            f,
            "{cluster}, {cpus} CPUs {cpu_model}, {gib:.1} GiB, Linux {kernel}"
        )
    }
}

/// What the optimum must know of a scaled deployment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentFacts {
    /// CPU that the containers of a pod request, in cores.
    pub cpu_request_cores: f64,
    /// CPU limit of the containers of a pod, in cores; none when it has no limit.
    pub cpu_limit_cores: Option<f64>,
    /// The autoscaler's lower bound.
    pub min_replicas: u32,
    /// The autoscaler's upper bound.
    pub max_replicas: u32,
}

/// Where the load step fell in the periods of the metrics chain: luck that decides seconds of the HPA's reaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsPhase {
    /// From the load step to the next poll of metrics-server, in seconds.
    pub next_poll_seconds: f64,
    /// From the load step to the next cAdvisor sample of a container of the deployment, in seconds.
    pub next_sample_seconds: BTreeMap<String, f64>,
    /// From the load step to the next pass of the HPA over the deployment, in seconds.
    #[serde(default)]
    pub next_sync_seconds: BTreeMap<String, f64>,
}
