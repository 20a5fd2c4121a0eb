//! Everything together, for one policy.

use crate::decision::{Decision, PodCounts, Reason};
use crate::observation::Observation;
use crate::policy::ScalingPolicy;
use crate::time::Timestamp;

/// Decides for one policy, and remembers what the next decision needs: recommendations, scale
/// events and what it learned. Its memory is bounded.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    policy: ScalingPolicy,
}

impl Autoscaler {
    /// Starts without memory.
    #[must_use]
    pub fn new(policy: ScalingPolicy) -> Self {
        Self { policy }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &ScalingPolicy {
        &self.policy
    }

    /// Puts a new version of the policy in force, keeping the memory.
    pub fn set_policy(&mut self, policy: ScalingPolicy) {
        self.policy = policy;
    }

    /// What shall be done now. Call it about once a second; carrying it out is the caller's
    /// business, who then calls [`Autoscaler::scaled`].
    pub fn decide(&mut self, observation: &Observation<'_>, now: Timestamp) -> Decision {
        let _ = now;
        Decision {
            desired: observation.current_replicas,
            current: observation.current_replicas,
            mode: self.policy.mode,
            reason: Reason::InsufficientData,
            message: String::new(),
            evidence: Vec::new(),
            limits: Vec::new(),
            conditions: Vec::new(),
            pods: PodCounts::default(),
        }
    }

    /// Remembers that the replica count was changed, for the rate limits. Call it after the write
    /// succeeded.
    pub fn scaled(&mut self, from: u32, to: u32, now: Timestamp) {
        let _ = (from, to, now);
    }
}
