//! What the response answers, with everything that led to it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number of replicas and the quantities it was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// Replicas the deployment should have; at least 1, not yet limited by the policy.
    pub replicas: u32,
    /// Cores the arriving and the waiting work need.
    pub demand_cores: f64,
    /// Cores one pod can use.
    pub capacity_cores: f64,
    /// Utilisation of a pod that keeps the waiting at the threshold, as learned so far.
    pub rho: f64,
    /// Utilisation of the pods in this interval.
    pub utilisation: f64,
    /// Work that waits, in seconds of one core.
    pub backlog_core_seconds: f64,
    /// Whether the statistic is above its threshold, and why.
    pub waiting: Waiting,
    /// Why this many.
    pub reason: Reason,
}

/// Whether pods wait too long, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Waiting {
    /// At or below the threshold, or too few events to tell.
    Acceptable,
    /// For their own CPU quota: more replicas cure it anywhere.
    Quota,
    /// For a CPU that others use: more replicas cure it on other nodes at best.
    Contention,
}

/// Why a [`Proposal`] has the replicas it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The work needs more pods at the target utilisation.
    Demand,
    /// Every pod is used up and the work that waits is out of sight: doubled.
    Saturated,
    /// Pods wait too long though demand is covered: hold, or one more where it is a close call.
    Waiting,
    /// Pods wait for a CPU that others use; more of them would not help.
    Contention,
    /// Fewer might do, but pods are starting up.
    Starting,
    /// The work fits the pods there are.
    Steady,
    /// The work fits fewer pods, with a margin, and the waiting is predicted to stay acceptable.
    Fewer,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Demand => "demand exceeds what the pods carry at the target utilisation",
            Self::Saturated => "all pods are used up and the queue is out of sight",
            Self::Waiting => "pods wait too long, demand is covered",
            Self::Contention => "pods wait for a CPU that others use",
            Self::Starting => "pods are starting up",
            Self::Steady => "demand fits the pods",
            Self::Fewer => "demand fits fewer pods",
        })
    }
}
