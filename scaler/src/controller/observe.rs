//! From the index of workloads to the core's view of one deployment.

use scaler_core::{ContainerObservation, Observation, PodObservation, PodUid, Timestamp, Windows};

use crate::workloads::{DeploymentRecord, Index, PodRecord};

/// What the core decides from.
pub(super) fn observe<'a>(
    index: &Index,
    deployment: &DeploymentRecord,
    windows: &'a Windows,
    now: Timestamp,
) -> Observation<'a> {
    Observation {
        current_replicas: deployment.replicas,
        pods: index
            .pods_of(deployment)
            .map(|pod| observe_pod(pod, now))
            .collect(),
        windows,
    }
}

fn observe_pod(pod: &PodRecord, now: Timestamp) -> PodObservation {
    PodObservation {
        uid: PodUid::from(&*pod.uid),
        name: pod.name.clone(),
        node: pod.node.as_deref().map(str::to_owned),
        phase: pod.phase,
        terminating: pod.terminating,
        ready: pod.ready,
        age: pod.started_at.map(|started_at| now.since(started_at)),
        containers: pod
            .containers
            .iter()
            .map(|container| ContainerObservation {
                name: container.name.to_string(),
                cpu_limit: container.cpu_limit_cores,
            })
            .collect(),
    }
}
