//! The only writer: carries decisions out.
//!
//! ```text
//! Change ─▶ leader? ─▶ rate limits ─▶ PATCH deployments/scale ─▶ Outcome, back to the controller
//!                                          └─▶ Event on the Deployment
//! ```
//!
//! Invariant: nothing else in this crate changes an object of the cluster, and each write checks
//! leadership first.

mod leader;
mod limits;
mod patch;

use std::sync::Arc;

use scaler_core::Decision;
use serde::Serialize;

pub use leader::Leadership;
pub use limits::{Limits, Scope};
pub use patch::{PatchError, Written, patch_scale};

use crate::events::{Events, Rescale};
use crate::metrics;
use crate::workloads::DeploymentRecord;

/// A replica count to write.
#[derive(Debug, Clone)]
pub struct Change {
    /// The deployment as the decision saw it.
    pub deployment: DeploymentRecord,
    /// Replicas it shall have.
    pub to: u32,
    /// Why.
    pub decision: Arc<Decision>,
}

/// What became of a [`Change`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "result", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// Written.
    Applied {
        /// The version of the Deployment that this made.
        resource_version: String,
    },
    /// Someone else changed the replica count since the decision; theirs stays, and the next
    /// decision starts from it.
    Conflict {
        /// `spec.replicas` now.
        found: u32,
    },
    /// Not tried, to keep to the limits of changes; the next decision tries again.
    RateLimited {
        /// Which limit.
        scope: Scope,
    },
    /// Not tried, because another scaler leads.
    NotLeader,
    /// The Deployment does not exist any more.
    Gone,
    /// The API server refused or did not answer; the next decision tries again.
    Failed {
        /// What went wrong and what to do.
        problem: String,
    },
}

impl Outcome {
    /// The name of the variant, for labels.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Applied { .. } => "applied",
            Outcome::Conflict { .. } => "conflict",
            Outcome::RateLimited {
                scope: Scope::Deployment,
            } => "rate_limited_deployment",
            Outcome::RateLimited {
                scope: Scope::Cluster,
            } => "rate_limited_cluster",
            Outcome::NotLeader => "not_leader",
            Outcome::Gone => "gone",
            Outcome::Failed { .. } => "failed",
        }
    }
}

/// Writes replica counts, and the Events that tell of them.
pub struct Applier {
    client: kube::Client,
    limits: Limits,
    leadership: Leadership,
    events: Events,
}

impl Applier {
    /// Writes through `client` while `leadership` lasts, keeping to `limits`.
    pub fn new(
        client: kube::Client,
        limits: Limits,
        leadership: Leadership,
        events: Events,
    ) -> Self {
        Applier {
            client,
            limits,
            leadership,
            events,
        }
    }

    /// Carries one change out, or says why not. Takes a few seconds at most.
    pub async fn apply(&self, change: &Change) -> Outcome {
        let outcome = self.try_apply(change).await;
        metrics::scale_write(outcome.name());
        outcome
    }

    async fn try_apply(&self, change: &Change) -> Outcome {
        if !self.leadership.is_leader() {
            return Outcome::NotLeader;
        }
        if let Err(scope) = self.limits.check(&change.deployment.key) {
            return Outcome::RateLimited { scope };
        }
        let rescale = |message| Rescale {
            deployment: change.deployment.key.clone(),
            uid: change.deployment.uid.clone(),
            message,
        };
        match patch_scale(
            &self.client,
            &self.leadership,
            &change.deployment,
            change.to,
        )
        .await
        {
            Ok(written) => {
                self.events
                    .succeeded(rescale(change.decision.message.clone()));
                Outcome::Applied {
                    resource_version: written.resource_version,
                }
            }
            Err(PatchError::Conflict { found }) => Outcome::Conflict { found },
            Err(PatchError::Gone) => Outcome::Gone,
            Err(PatchError::NotLeader) => Outcome::NotLeader,
            Err(PatchError::Failed { problem }) => {
                self.events.failed(rescale(format!(
                    "could not scale from {} to {}: {problem}",
                    change.deployment.replicas, change.to
                )));
                Outcome::Failed { problem }
            }
        }
    }
}
