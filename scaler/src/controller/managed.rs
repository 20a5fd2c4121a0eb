//! One policy in force, and what is remembered about it.

use std::sync::Arc;

use scaler_core::{Autoscaler, Decision, Mode, ScalingPolicy, Timestamp};
use tracing::{debug, info, warn};

use super::log::{self, evidence_text, policy_name};
use super::{Journal, Status};
use crate::apply::Outcome;
use crate::workloads::DeploymentKey;

/// A deployment under a policy.
pub(super) struct Managed {
    pub(super) policy: Arc<ScalingPolicy>,
    pub(super) autoscaler: Autoscaler,
    /// When the newest sample of one of its pods arrived.
    pub(super) news_at: Option<Timestamp>,
    /// Whether a write is under way.
    pub(super) in_flight: bool,
    /// The failure last logged, so that one that lasts is logged once.
    pub(super) last_failure: Option<&'static str>,
    existence: Existence,
    /// Replicas that a dry run last wished for, so that each wish is logged once.
    last_wish: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existence {
    Unknown,
    Exists,
    Missing,
}

impl Managed {
    pub(super) fn new(policy: Arc<ScalingPolicy>) -> Self {
        Managed {
            autoscaler: Autoscaler::new(ScalingPolicy::clone(&policy)),
            policy,
            news_at: None,
            in_flight: false,
            last_failure: None,
            existence: Existence::Unknown,
            last_wish: None,
        }
    }

    /// A new version of the policy; what was learned about the deployment stays.
    pub(super) fn set_policy(&mut self, policy: &Arc<ScalingPolicy>) {
        if self.policy != *policy {
            self.autoscaler.set_policy(ScalingPolicy::clone(policy));
            self.policy = policy.clone();
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        self.existence == Existence::Missing
    }

    pub(super) fn status(&self) -> Status {
        match self.existence {
            Existence::Missing => self.missing_status(),
            Existence::Unknown | Existence::Exists => Status::InForce,
        }
    }

    /// Said once for each time it vanishes, and shown for as long as it is missing.
    pub(super) fn deployment_missing(&mut self, key: &DeploymentKey, journal: &Journal) {
        if !self.is_missing() {
            self.existence = Existence::Missing;
            warn!(
                namespace = %key.namespace,
                deployment = %key.name,
                policy = %policy_name(&self.policy),
                file = %self.policy.origin.file,
                "policy for a deployment that does not exist; waiting for it"
            );
        }
        journal.set_status(&self.policy, self.missing_status());
    }

    pub(super) fn deployment_found(&mut self, key: &DeploymentKey) {
        if self.existence != Existence::Exists {
            self.existence = Existence::Exists;
            info!(
                namespace = %key.namespace,
                deployment = %key.name,
                policy = %policy_name(&self.policy),
                "deployment is managed"
            );
        }
    }

    fn missing_status(&self) -> Status {
        Status::DeploymentNotFound(format!(
            "there is no Deployment {}/{}; it is picked up when it appears",
            self.policy.namespace, self.policy.deployment
        ))
    }

    /// Holds are for debugging; what a dry run would have done is worth knowing.
    pub(super) fn log(&mut self, key: &DeploymentKey, decision: &Decision) {
        let wish = (decision.mode == Mode::DryRun && decision.desired != decision.current)
            .then_some(decision.desired);
        if wish.is_some() && wish != self.last_wish {
            info!(
                namespace = %key.namespace,
                deployment = %key.name,
                from = decision.current,
                to = decision.desired,
                reason = ?decision.reason,
                evidence = %evidence_text(decision),
                "dry run, replicas not changed"
            );
        } else {
            debug!(
                namespace = %key.namespace,
                deployment = %key.name,
                current = decision.current,
                desired = decision.desired,
                reason = ?decision.reason,
                evidence = %evidence_text(decision),
                message = %decision.message,
            );
        }
        self.last_wish = wish;
    }

    pub(super) fn log_failure(&mut self, key: &DeploymentKey, from: u32, to: u32, why: &Outcome) {
        if self.last_failure != Some(why.name()) {
            log::failure(key, from, to, why);
            self.last_failure = Some(why.name());
        }
    }
}
