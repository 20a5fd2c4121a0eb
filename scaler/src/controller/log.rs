//! Log lines about decisions: events with fields.

use scaler_core::{Decision, ScalingPolicy};
use tracing::{info, warn};

use crate::apply::Outcome;
pub(super) use crate::text::evidence_text;
use crate::workloads::DeploymentKey;

/// A replica count was changed.
pub(super) fn change(key: &DeploymentKey, from: u32, to: u32, decision: &Decision) {
    info!(
        namespace = %key.namespace,
        deployment = %key.name,
        from,
        to,
        reason = ?decision.reason,
        evidence = %evidence_text(decision),
        message = %decision.message,
    );
}

/// A policy for people.
pub(super) fn policy_name(policy: &ScalingPolicy) -> String {
    format!("{}/{}", policy.namespace, policy.name)
}

/// A replica count was not changed though it should have been.
pub(super) fn failure(key: &DeploymentKey, from: u32, to: u32, outcome: &Outcome) {
    let problem = match outcome {
        Outcome::Failed { problem } => problem.clone(),
        other => format!("{other:?}"),
    };
    warn!(
        namespace = %key.namespace,
        deployment = %key.name,
        from,
        to,
        result = outcome.name(),
        problem = %problem,
        "replicas not changed"
    );
}
