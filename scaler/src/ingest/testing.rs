//! A small cluster for the unit tests of this module.

use scaler_core::PodPhase;

use crate::workloads::{
    Container, DeploymentKey, DeploymentRecord, Index, PodRecord, ReplicaSetRecord,
};

/// Deployment `shop/web` with pods `web-1` on `n1` and `web-2` on `n2`, and `stray-1` on `n1`,
/// which nobody owns. Containers `server` and `proxy` run as `<pod>-server` and `<pod>-proxy`.
pub(super) fn shop_index() -> Index {
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
    index.put_pod(pod("web-1", Some("r1"), "n1"));
    index.put_pod(pod("web-2", Some("r1"), "n2"));
    index.put_pod(pod("stray-1", None, "n1"));
    index
}

/// A running pod.
pub(super) fn pod(uid: &str, owner: Option<&str>, node: &str) -> PodRecord {
    let container = |name: &str| Container {
        name: name.into(),
        id: Some(format!("{uid}-{name}")),
        cpu_limit_cores: Some(0.2),
    };
    PodRecord {
        uid: uid.into(),
        name: uid.into(),
        owner: owner.map(Into::into),
        node: Some(node.into()),
        ready: true,
        started_at: None,
        terminating: false,
        phase: PodPhase::Running,
        containers: vec![container("server"), container("proxy")],
        deletion_cost: Default::default(),
    }
}
