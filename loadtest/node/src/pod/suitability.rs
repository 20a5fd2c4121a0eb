//! What a pod asks for that this node leaves out, and pods that are not for this node (pure).

use k8s_openapi::api::core::v1::{Pod, Volume};

use crate::config::HOST_PROCESSES;

/// The volumes of a pod, none of which is mounted: programs see the machine's files.
///
/// Controllers add one to every pod, with a service account token. Programs that need it find no
/// file; most, such as the demo shop's, need none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Added by the control plane to every pod.
    pub(super) injected: Vec<String>,
    /// Those that the pod's author wants.
    pub(super) wanted: Vec<String>,
}

/// Sorts a pod's volumes.
pub(super) fn left_out(pod: &Pod) -> LeftOut {
    let mut found = LeftOut::default();
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    for volume in volumes {
        let name = volume.name.clone();
        if is_injected(volume) {
            found.injected.push(name);
        } else {
            found.wanted.push(name);
        }
    }
    found
}

/// `kube-api-access-...` of a projected token since Kubernetes 1.21, `...-token-...` of a secret
/// before.
fn is_injected(volume: &Volume) -> bool {
    let token = |name: &str| name.contains("-token-");
    (volume.projected.is_some() && volume.name.starts_with("kube-api-access-"))
        || (volume.secret.is_some() && token(&volume.name))
}

/// Whether a pod says by name that it may run as host processes. DaemonSets of a cluster tolerate
/// every taint, and mean images by their commands.
pub(super) fn is_meant(pod: &Pod) -> bool {
    let mut tolerations = pod
        .spec
        .iter()
        .flat_map(|spec| spec.tolerations.iter().flatten());
    tolerations.any(|toleration| toleration.key.as_deref() == Some(HOST_PROCESSES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(spec: serde_json::Value) -> Pod {
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[test]
    fn tells_what_a_control_plane_added_from_what_somebody_wants() {
        let pod = pod(json!({"containers": [], "volumes": [
            {"name": "kube-api-access-x7", "projected": {"sources": []}},
            {"name": "default-token-x7", "secret": {"secretName": "default-token-x7"}},
            {"name": "kube-api-access-mine", "emptyDir": {}},
            {"name": "data", "projected": {"sources": []}},
        ]}));
        let found = left_out(&pod);
        assert_eq!(found.injected, ["kube-api-access-x7", "default-token-x7"]);
        assert_eq!(found.wanted, ["kube-api-access-mine", "data"]);
    }

    #[test]
    fn tolerating_everything_does_not_mean_us() {
        let tolerates = |toleration: serde_json::Value| {
            is_meant(&pod(json!({"containers": [], "tolerations": [toleration]})))
        };
        assert!(tolerates(
            json!({"key": HOST_PROCESSES, "operator": "Exists"})
        ));
        assert!(!tolerates(json!({"operator": "Exists"})));
        assert!(!is_meant(&pod(json!({"containers": []}))));
    }
}
