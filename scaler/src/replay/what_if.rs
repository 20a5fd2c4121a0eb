//! Another policy, asked at the recorded moments.

use scaler_core::{Autoscaler, Decision, Mode, Observation, ScalingPolicy, Timestamp};

/// An autoscaler with another policy, and the replicas that the deployment would have.
#[derive(Debug)]
pub(super) struct WhatIf {
    autoscaler: Autoscaler,
    replicas: u32,
}

impl WhatIf {
    /// Goes on from what `recorded` knows just now, with `policy` in its place.
    pub(super) fn new(recorded: &Autoscaler, policy: ScalingPolicy, replicas: u32) -> Self {
        let mut autoscaler = recorded.clone();
        autoscaler.set_policy(policy);
        WhatIf {
            autoscaler,
            replicas,
        }
    }

    /// Somebody else changed the replica count; whoever it was would have done so in any case.
    pub(super) fn set_replicas(&mut self, replicas: u32) {
        self.replicas = replicas;
    }

    /// What it decides, carried out at once: a dry run too, since what it would do is the question.
    pub(super) fn decide(&mut self, observation: &Observation<'_>, now: Timestamp) -> Decision {
        let decision = self
            .autoscaler
            .decide_as_if(observation, self.replicas, now);
        if decision.mode != Mode::Paused && decision.desired != self.replicas {
            self.autoscaler.scaled(self.replicas, decision.desired, now);
            self.replicas = decision.desired;
        }
        decision
    }
}
