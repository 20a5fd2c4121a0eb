//! The lines of a trial's files.

use serde::{Deserialize, Serialize};

/// A page request, redirects included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRecord {
    /// When it ended, in seconds since the trial's begin.
    pub at: f64,
    /// Method and path pattern, such as `GET /product/{id}`.
    pub route: String,
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// From the request to the end of the answer, in milliseconds.
    pub ms: f64,
    /// The user got the page.
    pub ok: bool,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl RequestRecord {
    /// When the user asked, in seconds since the trial's begin.
    #[must_use]
    pub fn begin(&self) -> f64 {
        self.at - self.ms / 1000.0
    }
}

/// How many users there were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSample {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// Users.
    pub users: u32,
}

/// Replicas of a deployment, from this moment to its next sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaSample {
    /// Seconds since the trial's begin; what was before it may be negative, and counts as the begin.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// `spec.replicas`: what is asked and paid for.
    pub desired: u32,
    /// `status.readyReplicas`: what serves.
    pub ready: u32,
}

/// CPU time of a deployment's pods so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuSample {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// CPU seconds that all its pods, those that are gone included, have used since the trial's begin. Never falls.
    pub cpu_seconds: f64,
}

/// CPU time of a process of the autoscaler so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverheadSample {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// `scaler`, `probe-agent`, `horizontal controller`, `metrics chain`.
    pub process: String,
    /// CPU seconds since the trial's begin. Never falls.
    pub cpu_seconds: f64,
}

/// A decision, in the words of who made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionEntry {
    /// Seconds since the trial's begin.
    pub at: f64,
    /// The deployment.
    pub deployment: String,
    /// Replicas before.
    pub from: u32,
    /// Replicas after; the same as before when it decided to stay.
    pub to: u32,
    /// One word, such as the HPA's `SuccessfulRescale` or Viperscale's `Scale`.
    pub reason: String,
    /// One sentence.
    pub message: String,
}
