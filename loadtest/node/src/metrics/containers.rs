//! Which containers run on this node now, for whoever measures them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;

use crate::pod::PodIdentity;

/// The pods of this node and their running containers; as many as the node runs.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    /// By UID.
    pods: watch::Sender<BTreeMap<String, MeteredPod>>,
}

/// A pod, as far as metrics name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeteredPod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Those that run, by name.
    pub(crate) containers: BTreeMap<String, MeteredContainer>,
}

/// One run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeteredContainer {
    /// Its cgroup, relative to each hierarchy's mount.
    pub(crate) cgroup: PathBuf,
    pub(crate) started_at: Timestamp,
}

/// A container that counts as running until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    containers: Arc<Containers>,
    uid: String,
    container: String,
}

impl Containers {
    /// Notes a pod, or new labels of one.
    pub(crate) fn describe(&self, pod: &PodIdentity, labels: BTreeMap<String, String>) {
        self.pods
            .send_if_modified(|pods| match pods.get_mut(&pod.uid) {
                Some(known) if known.labels == labels => false,
                Some(known) => {
                    known.labels = labels;
                    true
                }
                None => {
                    let new = MeteredPod {
                        namespace: pod.namespace.clone(),
                        name: pod.name.clone(),
                        labels,
                        containers: BTreeMap::new(),
                    };
                    pods.insert(pod.uid.clone(), new);
                    true
                }
            });
    }

    /// Forgets a pod that this node no longer runs.
    pub(crate) fn forget(&self, uid: &str) {
        self.pods
            .send_if_modified(|pods| pods.remove(uid).is_some());
    }

    /// Counts a container of a described pod as running. A pod that is not is ignored.
    pub(crate) fn count(
        self: &Arc<Self>,
        pod: &PodIdentity,
        container: &str,
        run: MeteredContainer,
    ) -> Counted {
        self.pods.send_if_modified(|pods| {
            let known = pods.get_mut(&pod.uid);
            known.is_some_and(|pod| {
                pod.containers.insert(container.to_owned(), run);
                true
            })
        });
        Counted {
            containers: self.clone(),
            uid: pod.uid.clone(),
            container: container.to_owned(),
        }
    }

    /// All pods now, and a way to learn of changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<BTreeMap<String, MeteredPod>> {
        self.pods.subscribe()
    }

    /// Looks at all pods; `look` must be quick, it holds up every change meanwhile.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&BTreeMap<String, MeteredPod>) -> T) -> T {
        look(&self.pods.borrow())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.containers.pods.send_if_modified(|pods| {
            let pod = pods.get_mut(&self.uid);
            pod.is_some_and(|pod| pod.containers.remove(&self.container).is_some())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_counts_while_it_runs() {
        let containers = Arc::new(Containers::default());
        let pod = PodIdentity {
            namespace: "shop".to_owned(),
            name: "cart".to_owned(),
            uid: "u".to_owned(),
        };
        let run = MeteredContainer {
            cgroup: "a/b".into(),
            started_at: Timestamp::UNIX_EPOCH,
        };
        let running =
            || containers.with(|pods| pods.get("u").map_or(0, |pod| pod.containers.len()));
        drop(containers.count(&pod, "server", run.clone()));
        assert_eq!(running(), 0, "of a pod that nobody described");

        containers.describe(&pod, BTreeMap::new());
        let mut changes = containers.subscribe();
        containers.describe(&pod, BTreeMap::new());
        assert!(!changes.has_changed().unwrap(), "nothing new");
        let counted = containers.count(&pod, "server", run);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(running(), 1);
        drop(counted);
        assert!(changes.has_changed().unwrap());
        assert_eq!(running(), 0);
        containers.forget("u");
        assert!(containers.with(BTreeMap::is_empty));
    }
}
