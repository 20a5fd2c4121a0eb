//! What is known about a policy, from which its status is made.

use k8s_openapi::jiff::Timestamp as WallTime;
use scaler_core::{Decision, Learned};

use crate::apply::Outcome;

/// Whether a policy counts at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is in force.
    InForce,
    /// It is in force, and its Deployment does not exist; the sentence says so.
    DeploymentNotFound(String),
    /// It cannot be read; what is wrong with it, and which generation stays in force, if one does.
    Invalid {
        /// Everything that is wrong.
        problem: String,
        /// The last valid version, which stays.
        in_force: Option<i64>,
    },
    /// Something else owns the Deployment, so that this policy does nothing.
    Conflict {
        /// One word, such as `AnotherPolicy` or `AnotherAutoscaler`.
        reason: String,
        /// Who, in one sentence.
        message: String,
    },
}

/// All that is known about a policy at one moment.
#[derive(Debug, Clone)]
pub struct Findings<'a> {
    /// `metadata.generation` of the version that `standing` is about.
    pub generation: i64,
    /// Whether it counts.
    pub standing: &'a Standing,
    /// The newest decision, and when it was made.
    pub decision: Option<(&'a Decision, WallTime)>,
    /// What became of the newest change that a decision asked for.
    pub write: Option<&'a Outcome>,
    /// When the replicas were last changed.
    pub last_scale: Option<WallTime>,
    /// What was learned about its metrics; empty before anything was.
    pub learned: &'a [Learned],
    /// This moment.
    pub now: WallTime,
}
