//! A deployment's status and conditions, as `kubectl rollout status` reads them.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet, ReplicaSetStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::rolling::Bounds;

/// The status that follows from the replica sets, and when to look again although nothing
/// happens (the progress deadline).
pub(super) fn status_of(
    deployment: &Deployment,
    current: Option<&ReplicaSet>,
    old: &[ReplicaSet],
    now: Timestamp,
) -> (DeploymentStatus, Option<Duration>) {
    let sum = |of: fn(&ReplicaSetStatus) -> i32| -> i32 {
        old.iter()
            .chain(current)
            .filter_map(|set| set.status.as_ref())
            .map(of)
            .sum()
    };
    let replicas = sum(|status| status.replicas);
    let ready = sum(|status| status.ready_replicas.unwrap_or(0));
    let available = sum(|status| status.available_replicas.unwrap_or(0));
    let updated = current
        .and_then(|set| set.status.as_ref())
        .map_or(0, |status| status.replicas);
    let bounds = Bounds::of(deployment);
    let some = |count: i32| (count > 0).then_some(count);
    let before = deployment.status.clone().unwrap_or_default();
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(replicas),
        updated_replicas: some(updated),
        ready_replicas: some(ready),
        available_replicas: some(available),
        unavailable_replicas: some((bounds.desired.max(replicas) - available).max(0)),
        collision_count: before.collision_count,
        conditions: None,
        ..DeploymentStatus::default()
    };
    let minimum = (bounds.desired - bounds.unavailable).max(0);
    let is_available = if available >= minimum {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.".to_owned(),
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.".to_owned(),
        )
    };
    let old_conditions = before.conditions.clone().unwrap_or_default();
    let (progress, next) = progress(deployment, &before, &status, current, bounds.desired, now);
    status.conditions = Some(vec![
        condition(&old_conditions, "Available", is_available, false, now),
        condition(
            &old_conditions,
            "Progressing",
            progress.what,
            progress.moved,
            now,
        ),
    ]);
    (status, next)
}

type What = (&'static str, &'static str, String);

struct Progress {
    what: What,
    /// Something happened since the last status: restarts the deadline.
    moved: bool,
}

fn progress(
    deployment: &Deployment,
    before: &DeploymentStatus,
    status: &DeploymentStatus,
    current: Option<&ReplicaSet>,
    desired: i32,
    now: Timestamp,
) -> (Progress, Option<Duration>) {
    let name = current.map_or_else(|| deployment.name_any(), ResourceExt::name_any);
    let some_desired = (desired > 0).then_some(desired);
    let complete = status.updated_replicas == some_desired
        && status.replicas == some_desired
        && status.available_replicas == some_desired;
    if complete {
        let message = format!("ReplicaSet {name:?} has successfully progressed.");
        return (
            Progress {
                what: ("True", "NewReplicaSetAvailable", message),
                moved: false,
            },
            None,
        );
    }
    let moved = before.updated_replicas != status.updated_replicas
        || before.ready_replicas != status.ready_replicas
        || before.available_replicas != status.available_replicas
        || before.replicas != status.replicas
        || before.observed_generation != status.observed_generation;
    let updating = (
        "True",
        "ReplicaSetUpdated",
        format!("ReplicaSet {name:?} is progressing."),
    );
    let deadline = deployment
        .spec
        .progress_deadline_seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(Duration::MAX, Duration::from_secs);
    let last = before
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_.as_deref() == Some("Progressing"));
    let since = last.and_then(|condition| condition.last_update_time.as_ref());
    let idle = since.filter(|_| !moved).map_or(Duration::ZERO, |time| {
        Duration::try_from(now.duration_since(time.0)).unwrap_or_default()
    });
    // A deployment that was complete and lost a pod is not progressing anew.
    if last.is_some_and(|last| last.reason.as_deref() == Some("NewReplicaSetAvailable")) && !moved {
        let message = format!("ReplicaSet {name:?} has successfully progressed.");
        return (
            Progress {
                what: ("True", "NewReplicaSetAvailable", message),
                moved: false,
            },
            None,
        );
    }
    if idle >= deadline {
        let message = format!("ReplicaSet {name:?} has timed out progressing.");
        return (
            Progress {
                what: ("False", "ProgressDeadlineExceeded", message),
                moved: false,
            },
            None,
        );
    }
    (
        Progress {
            what: updating,
            moved,
        },
        Some(deadline - idle).filter(|next| *next < Duration::MAX),
    )
}

/// The condition, with the times of the former one where it did not change.
fn condition(
    old: &[DeploymentCondition],
    kind: &str,
    (status, reason, message): What,
    touched: bool,
    now: Timestamp,
) -> DeploymentCondition {
    let before = old
        .iter()
        .find(|condition| condition.type_.as_deref() == Some(kind));
    let same_status = before.filter(|before| before.status.as_deref() == Some(status));
    let same = same_status.filter(|before| {
        !touched
            && before.reason.as_deref() == Some(reason)
            && before.message.as_deref() == Some(&message)
    });
    let now = || Some(Time(whole_seconds(now)));
    DeploymentCondition {
        type_: Some(kind.to_owned()),
        status: Some(status.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: same_status
            .map_or_else(now, |before| before.last_transition_time.clone()),
        last_update_time: same.map_or_else(now, |before| before.last_update_time.clone()),
    }
}

/// `metav1.Time` has no fractions: with them, a status would never equal what was written.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(status: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 2, "progressDeadlineSeconds": 60,
                     "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
    }

    fn set(replicas: i32, available: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {"name": "web-x"},
            "spec": {"replicas": replicas, "selector": {}},
            "status": {"replicas": replicas, "readyReplicas": available, "availableReplicas": available},
        }))
        .unwrap()
    }

    fn reason(status: &DeploymentStatus, kind: &str) -> String {
        let conditions = status.conditions.as_ref().unwrap();
        conditions
            .iter()
            .find(|one| one.type_.as_deref() == Some(kind))
            .unwrap()
            .reason
            .clone()
            .unwrap()
    }

    #[test]
    fn a_complete_rollout_settles() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (status, next) = status_of(&deployment(json!(null)), Some(&set(2, 2)), &[], now);
        assert_eq!(reason(&status, "Progressing"), "NewReplicaSetAvailable");
        assert_eq!(reason(&status, "Available"), "MinimumReplicasAvailable");
        assert_eq!(next, None);
        // Looking again later changes nothing, or the controller would write for ever.
        let again = deployment(serde_json::to_value(&status).unwrap());
        let later = "2026-01-01T00:05:00.5Z".parse().unwrap();
        assert_eq!(status_of(&again, Some(&set(2, 2)), &[], later).0, status);
    }

    #[test]
    fn a_stuck_rollout_passes_its_deadline() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (status, next) = status_of(&deployment(json!(null)), Some(&set(2, 0)), &[], now);
        assert_eq!(reason(&status, "Progressing"), "ReplicaSetUpdated");
        assert_eq!(next, Some(Duration::from_secs(60)));
        let again = deployment(serde_json::to_value(&status).unwrap());
        let later = "2026-01-01T00:01:01Z".parse().unwrap();
        let (status, _) = status_of(&again, Some(&set(2, 0)), &[], later);
        assert_eq!(reason(&status, "Progressing"), "ProgressDeadlineExceeded");
    }
}
