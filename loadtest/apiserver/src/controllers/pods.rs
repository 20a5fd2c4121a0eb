//! What controllers ask about pods.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

/// The pod's phase; `Pending` when unset.
pub(super) fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

/// Whether all containers have ended for good.
pub(super) fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether deletion has been requested.
pub(super) fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Neither finished nor being deleted: counts as a replica.
pub(super) fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && !is_deleting(pod)
}

/// The node the pod is bound to.
pub(super) fn node(pod: &Pod) -> Option<&str> {
    pod.spec
        .as_ref()?
        .node_name
        .as_deref()
        .filter(|name| !name.is_empty())
}

/// Since when the pod has been ready; `None` while it is not. Without a transition time it
/// counts as ready since its creation.
pub(super) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .find(|one| one.type_ == "Ready" && one.status == "True")?;
    let created = pod.creation_timestamp().map(|time| time.0);
    ready
        .last_transition_time
        .as_ref()
        .map(|time| time.0)
        .or(created)
}

/// Whether the pod passes its readiness probes.
pub(super) fn is_ready(pod: &Pod) -> bool {
    ready_since(pod).is_some()
}
