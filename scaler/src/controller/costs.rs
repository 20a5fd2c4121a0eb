//! Which pods get a deletion cost before a scale-down, and which lose it again.

use foldhash::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scaler_core::idleness::{self, Mark};
use scaler_core::{Observation, ScalingPolicy, Timestamp};

use super::managed::Managed;
use crate::workloads::{DeletionCost, DeploymentKey, DeploymentRecord, Index};

/// Pods that a scale-down takes are terminating by then; a cost that is still there is a leftover.
const COSTS_SETTLE_AFTER: Duration = Duration::from_secs(10);
/// Leftover costs taken away at once; the others wait for the next turn.
const MOST_RESETS: usize = 32;

/// The costs to write before a scale-down by `fewer` pods; none where somebody else has set costs,
/// who then has an order of their own.
pub(super) fn marks(
    index: &Index,
    deployment: &DeploymentRecord,
    observation: &Observation<'_>,
    fewer: u32,
    policy: &ScalingPolicy,
    now: Timestamp,
) -> Vec<Mark> {
    let mut pods = index.pods_of(deployment);
    if fewer == 0 || pods.any(|pod| pod.deletion_cost == DeletionCost::Foreign) {
        return Vec::new();
    }
    idleness::spare_the_busy(observation, fewer, policy.window, now)
}

/// Pods with a cost of ours that no scale-down is about to take, by deployment and name: after one
/// that failed or was overtaken, and those that a predecessor left.
pub(super) fn leftovers(
    index: &Index,
    managed: &HashMap<DeploymentKey, Managed>,
    now: Timestamp,
) -> Vec<(DeploymentKey, Arc<str>)> {
    let may_go = |key: &DeploymentKey| {
        managed.get(key).is_some_and(|managed| {
            let settling = |at| now.since(at) < COSTS_SETTLE_AFTER;
            managed.in_flight.is_some() || managed.scaled_down_at.is_some_and(settling)
        })
    };
    index
        .marked_pods()
        .filter(|pod| !pod.terminating && !pod.is_finished())
        .filter_map(|pod| Some((index.deployment_of(pod)?.key.clone(), pod.name.clone())))
        .filter(|(key, _)| !may_go(key))
        .take(MOST_RESETS)
        .collect()
}
