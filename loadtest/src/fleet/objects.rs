//! The objects of the simulated cluster, as a control plane and kubelets would have made them.

use serde_json::{Value, json};

use super::plan::{
    CONTAINER, Kind, NAMESPACE, Plan, deployment_name, node_name, pod_name, replica_set_name, uid,
};

/// CPU limit of each container; see `reports` for what it uses of it.
const CPU_LIMIT: &str = "500m";
/// Long ago, so that no pod warms up.
const STARTED: &str = "2026-01-01T00:00:00Z";

/// Everything, owners before what they own.
pub(super) fn all(plan: Plan) -> impl Iterator<Item = Value> {
    std::iter::once(namespace())
        .chain((0..plan.nodes).map(node))
        .chain(
            (0..plan.deployments)
                .flat_map(move |one| [deployment(plan, one), replica_set(plan, one)]),
        )
        .chain((0..plan.pods()).map(move |one| pod(plan, one)))
}

/// How many [`all`] are of the kind with the most.
pub(super) fn most_of_a_kind(plan: Plan) -> usize {
    plan.pods().max(plan.nodes) as usize
}

fn namespace() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "uid": "00000000-f1ee-4000-8000-000000000000"},
        "status": {"phase": "Active"},
    })
}

fn node(number: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": node_name(number), "uid": uid(Kind::Node, number)},
        "status": {
            "capacity": {"cpu": "16", "memory": "64Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn deployment(plan: Plan, number: u32) -> Value {
    let name = deployment_name(number);
    let replicas = plan.pods_of(number).len();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": NAMESPACE, "name": name, "uid": uid(Kind::Deployment, number)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(&name),
        },
        "status": {"replicas": replicas, "readyReplicas": replicas},
    })
}

fn replica_set(plan: Plan, number: u32) -> Value {
    let app = deployment_name(number);
    let replicas = plan.pods_of(number).len();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "namespace": NAMESPACE,
            "name": replica_set_name(number),
            "uid": uid(Kind::ReplicaSet, number),
            "ownerReferences": [owner("apps/v1", "Deployment", &app, uid(Kind::Deployment, number))],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app}},
            "template": template(&app),
        },
        "status": {"replicas": replicas, "readyReplicas": replicas},
    })
}

fn pod(plan: Plan, number: u32) -> Value {
    let deployment = plan.deployment_of(number);
    let app = deployment_name(deployment);
    let set = uid(Kind::ReplicaSet, deployment);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": NAMESPACE,
            "name": pod_name(plan, number),
            "uid": uid(Kind::Pod, number),
            "labels": {"app": app},
            "ownerReferences": [owner("apps/v1", "ReplicaSet", &replica_set_name(deployment), set)],
        },
        "spec": {
            "nodeName": node_name(plan.node_of(number)),
            "containers": containers(),
        },
        "status": {
            "phase": "Running",
            "startTime": STARTED,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": STARTED}],
            "containerStatuses": [{
                "name": CONTAINER,
                "ready": true,
                "restartCount": 0,
                "image": "fleet/server:1",
                "imageID": "",
                // As long as a real one: 64 digits.
                "containerID": format!("containerd://{number:064x}"),
                "state": {"running": {"startedAt": STARTED}},
            }],
        },
    })
}

fn template(app: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": containers()}})
}

fn containers() -> Value {
    json!([{
        "name": CONTAINER,
        "image": "fleet/server:1",
        "resources": {"limits": {"cpu": CPU_LIMIT}, "requests": {"cpu": "250m"}},
    }])
}

fn owner(api_version: &str, kind: &str, name: &str, uid: String) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
    use k8s_openapi::api::core::v1::Pod;

    #[test]
    fn a_pod_leads_to_its_deployment_as_kubernetes_types_read_it() {
        let plan = Plan::new(4, 3, Some(2));
        let set: ReplicaSet = serde_json::from_value(replica_set(plan, 1)).unwrap();
        let above: Deployment = serde_json::from_value(deployment(plan, 1)).unwrap();
        let below: Pod = serde_json::from_value(pod(plan, 11)).unwrap();
        let owner_of =
            |meta: &kube::core::ObjectMeta| meta.owner_references.as_ref().unwrap()[0].uid.clone();
        assert_eq!(Some(owner_of(&below.metadata)), set.metadata.uid);
        assert_eq!(Some(owner_of(&set.metadata)), above.metadata.uid);
        assert_eq!(above.spec.replicas, Some(6));
        assert_eq!(below.spec.unwrap().node_name.as_deref(), Some("node-3"));
    }

    #[test]
    fn there_are_as_many_as_planned() {
        let plan = Plan::new(4, 3, Some(2));
        assert_eq!(all(plan).count(), 1 + 4 + 2 * 2 + 12);
        assert_eq!(most_of_a_kind(plan), 12);
    }
}
