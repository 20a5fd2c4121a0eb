//! Where a pod's and a container's cgroup lie below each hierarchy's mount (pure).
//!
//! As the kubelet's cgroupfs driver lays them out, below a directory of ours:
//! `viperscale-<node>/kubepods[/burstable|/besteffort]/pod<uid>/<container id>`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::resources::Qos;

/// The directory, relative to each mount, that holds everything of one node.
pub(super) fn node_root(node_name: &str) -> PathBuf {
    PathBuf::from(format!("viperscale-{node_name}"))
}

/// The directory of all pods.
pub(super) fn pods_root(node_name: &str) -> PathBuf {
    node_root(node_name).join("kubepods")
}

/// The directory of all pods of one class; guaranteed pods lie in the pods' root itself.
pub(super) fn class_root(node_name: &str, qos: Qos) -> PathBuf {
    let root = pods_root(node_name);
    match qos {
        Qos::Guaranteed => root,
        Qos::Burstable => root.join("burstable"),
        Qos::BestEffort => root.join("besteffort"),
    }
}

/// The directory of one pod.
pub(crate) fn pod(node_name: &str, qos: Qos, uid: &str) -> PathBuf {
    class_root(node_name, qos).join(format!("pod{uid}"))
}

/// The directory of one run of one container.
pub(crate) fn container(pod: &Path, id: &ContainerId) -> PathBuf {
    pod.join(&id.0)
}

/// Identity of one run of a container: 64 hexadecimal digits, as every runtime uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerId(String);

impl ContainerId {
    /// A random identity.
    pub(crate) fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        let mut hex = String::with_capacity(64);
        for byte in bytes {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        }
        Self(hex)
    }

    /// The form in `status.containerStatuses[].containerID`: `viperscale://<64 hex>`.
    pub(crate) fn to_url(&self) -> String {
        format!("viperscale://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lays_pods_out_as_the_kubelet_does() {
        for (qos, expected) in [
            (Qos::Guaranteed, "viperscale-local/kubepods/podu1"),
            (Qos::Burstable, "viperscale-local/kubepods/burstable/podu1"),
            (
                Qos::BestEffort,
                "viperscale-local/kubepods/besteffort/podu1",
            ),
        ] {
            assert_eq!(pod("local", qos, "u1"), Path::new(expected));
        }
    }

    #[test]
    fn container_ids_look_like_a_runtime_s() {
        let id = ContainerId::random();
        let url = id.to_url();
        let hex = url.strip_prefix("viperscale://").unwrap();
        assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(container(Path::new("/p"), &id).ends_with(hex));
        assert_ne!(id, ContainerId::random());
    }
}
