//! A small cluster for messages to be about: deployment `shop/web` with pod `web-1` on `n1` and
//! `web-2` on `n2`, each with the container `server`.

use std::time::Duration;

use scaler::workloads::{
    Container, DeletionCost, DeploymentKey, DeploymentRecord, Index, PodRecord, ReplicaSetRecord,
};
use scaler_core::{
    Circumstances, ContainerObservation, Observation, PodObservation, PodPhase, ScalingPolicy,
    Windows, policy,
};

/// Every response once.
const METRICS: [&str; 4] = [
    "{name: userPageFaults, threshold: 1000}",
    "{name: sentBytes, threshold: 1MiB/s, response: Step}",
    "{name: runqLatency, threshold: 2ms, response: Proportional}",
    "{name: runqLatency, threshold: 2ms}",
];

/// The cluster, as its API server tells.
pub(crate) fn index() -> Index {
    let mut index = Index::default();
    index.put_deployment(DeploymentRecord {
        key: DeploymentKey::new("shop", "web"),
        uid: "d1".into(),
        resource_version: "1".into(),
        replicas: 2,
    });
    index.put_replica_set(ReplicaSetRecord {
        uid: "r1".into(),
        owner: Some("d1".into()),
        revision: 1,
    });
    for (uid, node) in [("web-1", "n1"), ("web-2", "n2")] {
        index.put_pod(PodRecord {
            uid: uid.into(),
            name: uid.into(),
            owner: Some("r1".into()),
            node: Some(node.into()),
            ready: true,
            started_at: None,
            terminating: false,
            phase: PodPhase::Running,
            containers: vec![Container {
                name: "server".into(),
                id: Some("a".repeat(64)),
                cpu_limit_cores: Some(0.2),
            }],
            deletion_cost: DeletionCost::Unset,
        });
    }
    index
}

/// A policy for each response.
pub(crate) fn policies() -> impl Iterator<Item = ScalingPolicy> {
    METRICS.into_iter().flat_map(|metric| {
        let text = format!(
            "apiVersion: viperscale.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: web, namespace: shop}}
spec:
  scaleTargetRef: {{kind: Deployment, name: web}}
  minReplicas: 1
  maxReplicas: 10
  metrics: [{metric}]
"
        );
        policy::load(&text, "checks").expect("a valid policy")
    })
}

/// Both pods, long ready.
pub(crate) fn observation(windows: &Windows) -> Observation<'_> {
    let pod = |uid: &str, node: &str| PodObservation {
        uid: uid.into(),
        name: uid.into(),
        node: Some(node.into()),
        phase: PodPhase::Running,
        terminating: false,
        ready: true,
        outdated: false,
        age: Some(Duration::from_secs(600)),
        containers: vec![ContainerObservation {
            name: "server".into(),
            cpu_limit: Some(0.2),
        }],
    };
    Observation {
        current_replicas: 2,
        pods: vec![pod("web-1", "n1"), pod("web-2", "n2")],
        windows,
        circumstances: Circumstances::default(),
    }
}
