//! From the index of workloads to the core's view of one deployment.

use scaler_core::{
    Circumstances, ContainerObservation, Observation, PodObservation, PodUid, Timestamp, Windows,
};

use crate::workloads::{DeploymentRecord, Index, PodRecord};

/// What the core decides from. The pods are ordered by name: sums of floating-point numbers depend on
/// their order, and a recording must give the same decisions when it is replayed.
pub(super) fn observe<'a>(
    index: &Index,
    deployment: &DeploymentRecord,
    windows: &'a Windows,
    circumstances: Circumstances,
    now: Timestamp,
) -> Observation<'a> {
    let newest = index.newest_replica_set(deployment);
    let mut pods: Vec<PodObservation> = index
        .pods_of(deployment)
        .map(|pod| {
            let outdated = newest.is_some_and(|newest| pod.owner.as_ref() != Some(newest));
            observe_pod(pod, outdated, now)
        })
        .collect();
    // The pods of one ReplicaSet come in this order already.
    pods.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.uid.cmp(&b.uid)));
    Observation {
        current_replicas: deployment.replicas,
        pods,
        windows,
        circumstances,
    }
}

fn observe_pod(pod: &PodRecord, outdated: bool, now: Timestamp) -> PodObservation {
    PodObservation {
        uid: PodUid::from(pod.uid.clone()),
        name: pod.name.clone(),
        node: pod.node.clone(),
        phase: pod.phase,
        terminating: pod.terminating,
        ready: pod.ready,
        outdated,
        age: pod.started_at.map(|started_at| now.since(started_at)),
        containers: pod
            .containers
            .iter()
            .map(|container| ContainerObservation {
                name: container.name.clone(),
                cpu_limit: container.cpu_limit_cores,
            })
            .collect(),
    }
}
