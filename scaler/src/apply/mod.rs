//! The only writer: carries decisions out.
//!
//! ```text
//! Change ─▶ gate ─▶ rate limits ─▶ (fewer: mark idle pods) ─▶ PATCH deployments/scale ─▶ Outcome
//!            ▲                                                     └─▶ Event on the Deployment
//!  leadership, rivals, withdrawn policies: asked before each attempt
//! journal ─▶ report ─▶ gate ─▶ rate limits ─▶ PATCH scalingpolicies/status
//!                                                      └─▶ Event on the policy, when it is refused
//! ```
//!
//! Invariant: nothing else in this crate changes an object of the cluster, and each write passes
//! the gate first.

mod deletion_cost;
mod gate;
mod leader;
mod limits;
mod patch;
mod status;

use std::sync::Arc;
use std::time::Duration;

use scaler_core::idleness::Mark;
use scaler_core::{Circumstances, Decision};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use gate::{Denied, Gate};
pub use leader::{Lead, Leadership};
pub use limits::{Direction, Limits, Scope};
pub use patch::{PatchError, Written, patch_scale};
pub use status::{StatusInputs, write_statuses};

use crate::api_health::{ApiHealth, Source};
use crate::events::{Cause, Events, Happening, Reference, Subject};
use crate::metrics;
use crate::rivals::Rivals;
use crate::workloads::{DeploymentKey, DeploymentRecord};
use deletion_cost::DeletionCosts;
use gate::Permit;

/// Who the API server is told writes.
const FIELD_MANAGER: &str = "viperscale";

/// A replica count to write.
#[derive(Debug, Clone)]
pub struct Change {
    /// The deployment as the decision saw it.
    pub deployment: DeploymentRecord,
    /// Replicas it shall have.
    pub to: u32,
    /// Why.
    pub decision: Arc<Decision>,
    /// Deletion costs to write before it, so that the idlest pods go.
    pub marks: Vec<Mark>,
    /// Cancelled when the policy is withdrawn: gone, paused, or in dry run from now on.
    pub withdrawn: CancellationToken,
    /// The policy, if it is an object, to tell of it there too.
    pub policy: Option<Reference>,
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
    /// Not tried, or not again, because another autoscaler has the same deployment for a target.
    Rival {
        /// Which one.
        rival: String,
    },
    /// Not tried, or not again, because the policy is gone, paused or in dry run by now.
    Withdrawn,
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
            Outcome::Rival { .. } => "rival",
            Outcome::Withdrawn => "withdrawn",
            Outcome::Gone => "gone",
            Outcome::Failed { .. } => "failed",
        }
    }
}

impl From<Denied> for Outcome {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotLeader | Denied::LeaseEnds => Outcome::NotLeader,
            Denied::Rival(rival) => Outcome::Rival {
                rival: rival.to_string(),
            },
            Denied::Withdrawn => Outcome::Withdrawn,
        }
    }
}

/// Writes replica counts, and the Events that tell of them.
pub struct Applier {
    client: kube::Client,
    limits: Limits,
    leadership: Leadership,
    events: Events,
    rivals: Arc<Rivals>,
    health: ApiHealth,
    costs: DeletionCosts,
}

impl Applier {
    /// Writes through `client` while `leadership` lasts and there are no `rivals`, keeping to
    /// `limits`; with `deletion_costs`, scale-downs spare busy pods. Tells `health` whether the API
    /// server takes writes.
    pub fn new(
        client: kube::Client,
        limits: Limits,
        leadership: Leadership,
        events: Events,
        rivals: Arc<Rivals>,
        health: ApiHealth,
        deletion_costs: bool,
    ) -> Self {
        Applier {
            client,
            limits,
            leadership,
            events,
            rivals,
            health,
            costs: DeletionCosts::new(deletion_costs),
        }
    }

    /// The other autoscalers.
    pub fn rivals(&self) -> &Arc<Rivals> {
        &self.rivals
    }

    /// What may keep a decision for this Deployment from being carried out.
    pub fn circumstances(&self, deployment: &DeploymentKey) -> Circumstances {
        Circumstances {
            rivals: self.rivals.of(deployment),
            outdated: self.health.outdated(),
        }
    }

    /// Takes the deletion cost away from pods, by name, that scale-downs have left. Takes a second
    /// at most.
    pub async fn reset_deletion_costs(&self, pods: &[(DeploymentKey, Arc<str>)]) {
        if self.leadership.lasts(deletion_cost::PATIENCE) {
            self.costs.reset(&self.client, pods).await;
        }
    }

    /// Carries one change out, or says why not. Takes a few seconds at most.
    pub async fn apply(&self, change: &Change) -> Outcome {
        let outcome = self.try_apply(change).await;
        metrics::scale_write(outcome.name());
        match &outcome {
            Outcome::Applied { .. } | Outcome::Conflict { .. } | Outcome::Gone => {
                self.health.works(Source::Write);
            }
            Outcome::Failed { problem } => self.health.failed(Source::Write, problem),
            Outcome::RateLimited { .. }
            | Outcome::NotLeader
            | Outcome::Rival { .. }
            | Outcome::Withdrawn => {}
        }
        outcome
    }

    /// Tells of something that is not a write, in an Event; only the leader does, so that each thing
    /// is told once.
    pub fn tell(&self, happening: Happening) {
        if self.leadership.is_leader() {
            self.events.tell(happening);
        }
    }

    async fn try_apply(&self, change: &Change) -> Outcome {
        let permit = Permit {
            leadership: &self.leadership,
            rivals: &self.rivals,
            deployment: &change.deployment.key,
            withdrawn: &change.withdrawn,
        };
        if let Err(denied) = permit.check(Duration::ZERO) {
            return denied.into();
        }
        let direction = match change.to > change.deployment.replicas {
            true => Direction::Up,
            false => Direction::Down,
        };
        if let Err(scope) = self.limits.check(&change.deployment.key, direction) {
            return Outcome::RateLimited { scope };
        }
        if !change.marks.is_empty() && self.leadership.lasts(deletion_cost::PATIENCE) {
            let namespace = &change.deployment.key.namespace;
            self.costs
                .mark(&self.client, namespace, &change.marks)
                .await;
        }
        let tell = |cause, message| {
            self.events.tell(Happening {
                subject: Subject {
                    namespace: change.deployment.key.namespace.clone(),
                    deployment: Some(Reference {
                        name: change.deployment.key.name.clone(),
                        uid: change.deployment.uid.clone(),
                    }),
                    policy: change.policy.clone(),
                },
                cause,
                message,
            });
        };
        match patch_scale(&self.client, &permit, &change.deployment, change.to).await {
            Ok(written) => {
                tell(Cause::Rescaled, change.decision.message.clone());
                Outcome::Applied {
                    resource_version: written.resource_version,
                }
            }
            Err(PatchError::Conflict { found }) => Outcome::Conflict { found },
            Err(PatchError::Gone) => Outcome::Gone,
            Err(PatchError::Denied(denied)) => denied.into(),
            Err(PatchError::Failed { problem }) => {
                let (from, to) = (change.deployment.replicas, change.to);
                let message = format!("could not scale from {from} to {to}: {problem}");
                tell(Cause::NotRescaled, message);
                Outcome::Failed { problem }
            }
        }
    }
}
