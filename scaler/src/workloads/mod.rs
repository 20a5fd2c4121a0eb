//! What runs in the cluster: Deployments, their ReplicaSets and their pods, kept by watches.
//!
//! ```text
//! API server ─▶ watch ─▶ record (trimmed to the fields that matter) ─▶ Index
//! ```
//!
//! Pods belong to Deployments by owner references (Pod → ReplicaSet → Deployment, by UID), never
//! by labels: two Deployments may share labels, but no pod has two controllers. Objects are
//! trimmed to records as they arrive, so memory is bounded by the number of pods (a few hundred
//! bytes each), not by what annotations and managed fields they carry.

pub(crate) mod backoff;
mod changes;
mod index;
mod quantity;
mod record;
mod watch;

use foldhash::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::Serialize;
use tokio::sync::Notify;

pub use changes::{ReplicaChange, ReplicaLog};
pub use index::Index;
pub(crate) use quantity::parse_cpu;
pub use record::{
    Container, DELETION_COST, DELETION_COST_OURS, DeletionCost, DeploymentRecord, PodRecord,
    ReplicaSetRecord,
};
pub use watch::{Resource, watch};

/// The UID of an API object; cheap to clone.
pub type Uid = Arc<str>;

/// Names a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DeploymentKey {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl DeploymentKey {
    /// Names the Deployment `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        DeploymentKey {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for DeploymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The shared index: written by the watches, read by everyone else.
#[derive(Debug, Default)]
pub struct Workloads {
    index: RwLock<Index>,
    targets_changed: Notify,
}

impl Workloads {
    /// The index, for reading; hold it briefly and never across an await.
    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the index, and wakes [`Self::targets_changed`] when a node's containers changed.
    pub fn update<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut index);
        if index.has_dirty_nodes() {
            self.targets_changed.notify_one();
        }
        result
    }

    /// Waits until containers of some node changed since [`Self::take_dirty_nodes`].
    pub async fn targets_changed(&self) {
        self.targets_changed.notified().await;
    }

    /// The nodes whose containers changed since the last call.
    pub fn take_dirty_nodes(&self) -> HashSet<Arc<str>> {
        self.index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take_dirty_nodes()
    }
}
