//! The fields of API objects that matter here, read out of them as they arrive.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Container as ApiContainer, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp as WallTime;
use kube::core::PartialObjectMeta;
use scaler_core::{PodPhase, Timestamp};

use super::quantity::parse_cpu;
use super::{DeploymentKey, Uid};

/// Tells the ReplicaSet controller which of several ready pods to delete first (KEP-2255).
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// Repeats the value of [`DELETION_COST`] where this scaler wrote it; a value that somebody else
/// wrote is not ours to change.
pub const DELETION_COST_OURS: &str = "viperscale.dev/pod-deletion-cost";
/// Numbers the ReplicaSets of a Deployment; the highest is of its present template.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRecord {
    /// Its namespace and name.
    pub key: DeploymentKey,
    /// Its UID.
    pub uid: Uid,
    /// The version this was read at; a precondition of writes.
    pub resource_version: String,
    /// `spec.replicas`.
    pub replicas: u32,
}

/// A ReplicaSet, of which only the owner and the revision matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSetRecord {
    /// Its UID.
    pub uid: Uid,
    /// UID of the Deployment that controls it, if one does.
    pub owner: Option<Uid>,
    /// Which revision of the Deployment's template it is of; 0 where nothing says so.
    pub revision: u64,
}

/// Who set a pod's deletion cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeletionCost {
    /// Nobody.
    #[default]
    Unset,
    /// This scaler, or one before it.
    Ours,
    /// Somebody else.
    Foreign,
}

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub struct PodRecord {
    /// Its UID.
    pub uid: Uid,
    /// Its name, for messages.
    pub name: Arc<str>,
    /// UID of the ReplicaSet that controls it, if one does.
    pub owner: Option<Uid>,
    /// The node it is bound to, once it is.
    pub node: Option<Arc<str>>,
    /// Whether its Ready condition is true.
    pub ready: bool,
    /// When it started, once it has.
    pub started_at: Option<Timestamp>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Its long-running containers: those of the spec, and restartable init containers (sidecars).
    pub containers: Vec<Container>,
    /// Who set its deletion cost.
    pub deletion_cost: DeletionCost,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: Arc<str>,
    /// Its id without the runtime's scheme, while it runs.
    pub id: Option<String>,
    /// Its CPU limit in cores; absent when it has none.
    pub cpu_limit_cores: Option<f64>,
}

impl DeploymentRecord {
    /// `None` for an object without name, namespace or UID, which no API server sends.
    pub fn read(deployment: Deployment) -> Option<Self> {
        let ObjectMeta {
            name,
            namespace,
            uid,
            resource_version,
            ..
        } = deployment.metadata;
        Some(DeploymentRecord {
            key: DeploymentKey::new(&namespace?, &name?),
            uid: uid?.into(),
            resource_version: resource_version?,
            // The API server fills in 1; a negative number is refused by it.
            replicas: deployment
                .spec
                .replicas
                .map_or(1, |n| u32::try_from(n).unwrap_or(0)),
        })
    }
}

impl ReplicaSetRecord {
    /// `None` for an object without UID, which no API server sends.
    pub fn read(replica_set: PartialObjectMeta<ReplicaSet>) -> Option<Self> {
        let owner = controller_of(&replica_set.metadata, "Deployment");
        let revision = annotation(&replica_set.metadata, REVISION);
        let revision = revision.and_then(|revision| revision.parse().ok());
        Some(ReplicaSetRecord {
            revision: revision.unwrap_or(0),
            uid: replica_set.metadata.uid?.into(),
            owner,
        })
    }
}

impl PodRecord {
    /// `None` for an object without name or UID, which no API server sends.
    ///
    /// `start` turns the kubelet's `status.startTime` into a moment on our own clock.
    pub fn read(pod: Pod, start: impl FnOnce(WallTime) -> Timestamp) -> Option<Self> {
        let owner = controller_of(&pod.metadata, "ReplicaSet");
        let deletion_cost = DeletionCost::read(&pod.metadata);
        let terminating = pod.metadata.deletion_timestamp.is_some();
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .flatten()
            .find(|c| c.type_ == "Ready");

        let sidecars = spec
            .init_containers
            .iter()
            .flatten()
            .filter(|c| is_sidecar(c));
        let statuses = || {
            let sidecar_statuses = status.init_container_statuses.iter().flatten();
            status
                .container_statuses
                .iter()
                .flatten()
                .chain(sidecar_statuses)
        };
        let containers = spec
            .containers
            .iter()
            .chain(sidecars)
            .map(|container| {
                Container::read(container, statuses().find(|s| s.name == container.name))
            })
            .collect();

        Some(PodRecord {
            uid: pod.metadata.uid?.into(),
            name: pod.metadata.name?.into(),
            owner,
            node: spec
                .node_name
                .filter(|node| !node.is_empty())
                .map(Into::into),
            ready: ready.is_some_and(|condition| condition.status == "True"),
            started_at: status.start_time.map(|time| start(time.0)),
            terminating,
            phase: match status.phase.as_deref() {
                Some("Running") => PodPhase::Running,
                Some("Succeeded") => PodPhase::Succeeded,
                Some("Failed") => PodPhase::Failed,
                Some("Unknown") => PodPhase::Unknown,
                _ => PodPhase::Pending,
            },
            containers,
            deletion_cost,
        })
    }

    /// Whether nothing in it will ever run again.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }
}

impl DeletionCost {
    fn read(metadata: &ObjectMeta) -> Self {
        let (cost, ours) = (
            annotation(metadata, DELETION_COST),
            annotation(metadata, DELETION_COST_OURS),
        );
        match (cost, ours) {
            (None, None) => DeletionCost::Unset,
            (Some(cost), Some(ours)) if cost == ours => DeletionCost::Ours,
            // A leftover of ours beside nothing is taken away too.
            (None, Some(_)) => DeletionCost::Ours,
            (Some(_), _) => DeletionCost::Foreign,
        }
    }
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

impl Container {
    fn read(container: &ApiContainer, status: Option<&ContainerStatus>) -> Self {
        let limits = container
            .resources
            .as_ref()
            .and_then(|resources| resources.limits.as_ref());
        let running = status.filter(|status| {
            status
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
        });
        Container {
            name: container.name.as_str().into(),
            id: running
                .and_then(|status| status.container_id.as_deref())
                .map(without_scheme),
            cpu_limit_cores: limits
                .and_then(|limits| limits.get("cpu"))
                .and_then(|quantity| parse_cpu(&quantity.0)),
        }
    }
}

/// `containerd://<id>` → `<id>`.
fn without_scheme(id: &str) -> String {
    id.split_once("://")
        .map_or(id, |(_scheme, id)| id)
        .to_owned()
}

/// An init container that keeps running beside the others.
fn is_sidecar(container: &ApiContainer) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// UID of the controlling owner, if it is of this kind of the group `apps`.
fn controller_of(metadata: &ObjectMeta, kind: &str) -> Option<Uid> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
        .filter(|owner| owner.kind == kind && owner.api_version.starts_with("apps/"))
        .map(|owner| owner.uid.as_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> PodRecord {
        PodRecord::read(serde_json::from_value(value).unwrap(), |_| {
            Timestamp::from_secs(7)
        })
        .unwrap()
    }

    #[test]
    fn a_pod_is_read_with_its_containers_limits_and_ids() {
        let record = pod(json!({
            "metadata": {"name": "a", "namespace": "shop", "uid": "u1", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "no"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r1",
                 "controller": true}]},
            "spec": {"nodeName": "n1",
                "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}],
                "containers": [{"name": "server", "resources": {"limits": {"cpu": "200m"}}}]},
            "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "server", "containerID": "containerd://abc",
                    "image": "", "imageID": "", "ready": true, "restartCount": 0,
                    "state": {"running": {}}}]}
        }));
        assert_eq!(record.owner.as_deref(), Some("r1"));
        assert_eq!(record.node.as_deref(), Some("n1"));
        assert!(record.ready && !record.terminating && !record.is_finished());
        assert_eq!(record.started_at, Some(Timestamp::from_secs(7)));
        let names: Vec<&str> = record.containers.iter().map(|c| &*c.name).collect();
        assert_eq!(
            names,
            ["server", "proxy"],
            "a run-to-completion init container is no target"
        );
        assert_eq!(record.containers[0].id.as_deref(), Some("abc"));
        assert_eq!(record.containers[0].cpu_limit_cores, Some(0.2));
        assert_eq!(record.containers[1].id, None);
    }

    #[test]
    fn a_stopped_container_has_no_id_to_measure() {
        let record = pod(json!({
            "metadata": {"name": "a", "namespace": "shop", "uid": "u1"},
            "spec": {"containers": [{"name": "server"}]},
            "status": {"containerStatuses": [{"name": "server", "containerID": "cri-o://abc",
                "image": "", "imageID": "", "ready": false, "restartCount": 1,
                "state": {"terminated": {"exitCode": 1}}}]}
        }));
        assert_eq!(record.containers[0].id, None);
        assert_eq!(record.owner, None);
        assert!(!record.ready);
    }

    #[test]
    fn only_a_deletion_cost_that_repeats_itself_is_ours() {
        let read = |annotations: serde_json::Value| {
            let metadata = json!({"name": "a", "uid": "u1", "annotations": annotations});
            pod(json!({"metadata": metadata, "spec": {"containers": []}})).deletion_cost
        };
        assert_eq!(read(json!({})), DeletionCost::Unset);
        assert_eq!(read(json!({DELETION_COST: "5"})), DeletionCost::Foreign);
        assert_eq!(
            read(json!({DELETION_COST: "-1", DELETION_COST_OURS: "-1"})),
            DeletionCost::Ours
        );
        assert_eq!(
            read(json!({DELETION_COST: "7", DELETION_COST_OURS: "-1"})),
            DeletionCost::Foreign,
            "somebody has changed it since"
        );
    }
}
