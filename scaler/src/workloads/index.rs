//! The index of Deployments, ReplicaSets and pods, in the directions in which it is asked.

mod pods;

use foldhash::{HashMap, HashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

use scaler_core::Timestamp;

use super::{
    DeploymentKey, DeploymentRecord, PodRecord, ReplicaChange, ReplicaLog, ReplicaSetRecord, Uid,
};

/// Deployments, ReplicaSets and pods by UID, with the links between them.
///
/// Objects may arrive in any order: links are followed when asked, so a pod that arrives before
/// its ReplicaSet is found as soon as that one is there.
///
/// Invariant: `replica_sets_of`, `pods_of_owner`, `pods_on` and `marked` hold exactly the UIDs whose
/// records say so, and no empty sets.
#[derive(Debug, Default)]
pub struct Index {
    deployments: HashMap<Uid, DeploymentRecord>,
    deployment_uids: HashMap<DeploymentKey, Uid>,
    replica_sets: HashMap<Uid, ReplicaSetRecord>,
    replica_sets_of: HashMap<Uid, HashSet<Uid>>,
    pods: HashMap<Uid, PodRecord>,
    /// By name: whoever asks wants them in one order.
    pods_of_owner: HashMap<Uid, BTreeSet<(Arc<str>, Uid)>>,
    pods_on: HashMap<Arc<str>, HashSet<Uid>>,
    /// Pods with a deletion cost of ours.
    marked: HashSet<Uid>,
    /// Which replica counts changed lately.
    replica_log: ReplicaLog,
    /// Names of containers; most pods share a few.
    container_names: HashSet<Arc<str>>,
    /// Nodes whose measurable containers changed since they were last taken.
    dirty_nodes: HashSet<Arc<str>>,
    /// Of nodes with pods, which change of [`Self::changes`] was the last.
    changed: HashMap<Arc<str>, u64>,
    /// Changes of the measurable containers of any node.
    changes: u64,
}

impl Index {
    /// The Deployment of this name.
    pub fn deployment(&self, key: &DeploymentKey) -> Option<&DeploymentRecord> {
        self.deployments.get(self.deployment_uids.get(key)?)
    }

    /// The pod with this UID.
    pub fn pod(&self, uid: &str) -> Option<&PodRecord> {
        self.pods.get(uid)
    }

    /// The Deployment that owns this pod, through a ReplicaSet.
    pub fn deployment_of(&self, pod: &PodRecord) -> Option<&DeploymentRecord> {
        let replica_set = self.replica_sets.get(pod.owner.as_ref()?)?;
        self.deployments.get(replica_set.owner.as_ref()?)
    }

    /// The pods of a Deployment: those of each of its ReplicaSets by name, the ReplicaSets in no order.
    pub fn pods_of(&self, deployment: &DeploymentRecord) -> impl Iterator<Item = &PodRecord> {
        self.replica_sets_of
            .get(&deployment.uid)
            .into_iter()
            .flatten()
            .filter_map(|replica_set| self.pods_of_owner.get(replica_set))
            .flatten()
            .filter_map(|(_, pod)| self.pods.get(pod))
    }

    /// The ReplicaSet of a Deployment's present template: the one with the highest revision. `None`
    /// where revisions do not tell, as while the newest one is not known yet.
    pub fn newest_replica_set(&self, deployment: &DeploymentRecord) -> Option<&Uid> {
        let sets = self.replica_sets_of.get(&deployment.uid)?.iter();
        let records = sets.filter_map(|uid| self.replica_sets.get(uid));
        let mut newest: Option<&ReplicaSetRecord> = None;
        let mut alone = false;
        for record in records.filter(|record| record.revision > 0) {
            match newest.map_or(0, |newest| newest.revision) {
                known if record.revision > known => (newest, alone) = (Some(record), true),
                known if record.revision == known => alone = false,
                _ => {}
            }
        }
        newest.filter(|_| alone).map(|record| &record.uid)
    }

    /// The pods with a deletion cost of ours, in no order.
    pub fn marked_pods(&self) -> impl Iterator<Item = &PodRecord> {
        self.marked.iter().filter_map(|uid| self.pods.get(uid))
    }

    /// The pods bound to a node, in no order.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &PodRecord> {
        self.pods_on
            .get(node)
            .into_iter()
            .flatten()
            .filter_map(|pod| self.pods.get(pod))
    }

    /// A number that is another one after each change of what a node's reports are checked against; `None`
    /// for a node without pods.
    pub(crate) fn last_change_on(&self, node: &str) -> Option<u64> {
        self.changed.get(node).copied()
    }

    /// Numbers of Deployments, ReplicaSets and pods.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (
            self.deployments.len(),
            self.replica_sets.len(),
            self.pods.len(),
        )
    }

    /// What is known of a Deployment's changes, oldest first.
    pub fn replica_changes(&self, key: &DeploymentKey) -> Vec<ReplicaChange> {
        let uid = self.deployment_uids.get(key);
        uid.map(|uid| self.replica_log.of(uid)).unwrap_or_default()
    }

    /// [`Self::put_deployment`], noting a change of its replicas as of `now`.
    pub fn see_deployment(&mut self, record: DeploymentRecord, now: Timestamp) -> bool {
        let before = self
            .deployments
            .get(&record.uid)
            .map(|known| known.replicas);
        let (uid, to) = (record.uid.clone(), record.replicas);
        let is_news = self.put_deployment(record);
        if let (true, Some(from)) = (is_news, before) {
            let change = ReplicaChange { at: now, from, to };
            self.replica_log.note(&uid, change);
        }
        is_news
    }

    /// Adds or replaces a Deployment. Returns false when this is news from before what is known,
    /// which happens when our own write was answered before the watch delivered it.
    pub fn put_deployment(&mut self, record: DeploymentRecord) -> bool {
        if let Some(known) = self.deployments.get(&record.uid) {
            if is_older(&record.resource_version, &known.resource_version) {
                return false;
            }
        } else {
            // A new object under an old name: the old one is gone even if its deletion is not
            // told yet.
            if let Some(old) = self.deployment_uids.get(&record.key).cloned() {
                self.remove_deployment(&old);
            }
            self.mark_pods_of(&record.uid);
            self.deployment_uids
                .insert(record.key.clone(), record.uid.clone());
        }
        self.deployments.insert(record.uid.clone(), record);
        true
    }

    /// Notes that `replicas` were written to a Deployment, if it is still known: while the answer was
    /// on its way it may have been deleted, and another one created under its name. The change counts
    /// as of `now`.
    pub fn wrote(&mut self, uid: &str, resource_version: &str, replicas: u32, now: Timestamp) {
        if let Some(known) = self.deployments.get_mut(uid)
            && !is_older(resource_version, &known.resource_version)
        {
            let change = ReplicaChange {
                at: now,
                from: known.replicas,
                to: replicas,
            };
            self.replica_log.note(&known.uid, change);
            known.resource_version = resource_version.to_owned();
            known.replicas = replicas;
        }
    }

    /// Forgets a Deployment.
    pub fn remove_deployment(&mut self, uid: &str) {
        if let Some(record) = self.deployments.remove(uid) {
            self.deployment_uids.remove(&record.key);
            self.replica_log.forget(uid);
            self.mark_pods_of(uid);
        }
    }

    /// Adds or replaces a ReplicaSet.
    pub fn put_replica_set(&mut self, record: ReplicaSetRecord) {
        if self.replica_sets.get(&record.uid) == Some(&record) {
            return;
        }
        self.remove_replica_set(&record.uid);
        if let Some(owner) = &record.owner {
            self.replica_sets_of
                .entry(owner.clone())
                .or_default()
                .insert(record.uid.clone());
        }
        self.mark_pods_owned_by(&record.uid);
        self.replica_sets.insert(record.uid.clone(), record);
    }

    /// Forgets a ReplicaSet.
    pub fn remove_replica_set(&mut self, uid: &str) {
        if let Some(record) = self.replica_sets.remove(uid) {
            if let Some(owner) = &record.owner {
                remove_from(&mut self.replica_sets_of, owner, uid);
            }
            self.mark_pods_owned_by(uid);
        }
    }

    /// Forgets every Deployment that `keep` does not hold.
    pub fn retain_deployments(&mut self, keep: &HashSet<Uid>) {
        for uid in missing(&self.deployments, keep) {
            self.remove_deployment(&uid);
        }
    }

    /// Forgets every ReplicaSet that `keep` does not hold.
    pub fn retain_replica_sets(&mut self, keep: &HashSet<Uid>) {
        for uid in missing(&self.replica_sets, keep) {
            self.remove_replica_set(&uid);
        }
    }

    /// Forgets every pod that `keep` does not hold.
    pub fn retain_pods(&mut self, keep: &HashSet<Uid>) {
        for uid in missing(&self.pods, keep) {
            self.remove_pod(&uid);
        }
    }

    /// Has a node be told its targets anew, because it has just connected.
    pub fn mark_node(&mut self, node: Arc<str>) {
        self.dirty_nodes.insert(node);
    }

    pub(super) fn has_dirty_nodes(&self) -> bool {
        !self.dirty_nodes.is_empty()
    }

    pub(super) fn take_dirty_nodes(&mut self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.dirty_nodes)
    }
}

/// Whether version `a` is from before version `b`.
///
/// Kubernetes promises the order of resource versions of one resource since 1.35 (KEP-5504), and
/// every earlier server with etcd kept it. Versions that are not numbers are not ordered.
fn is_older(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => false,
    }
}

fn missing<V>(map: &HashMap<Uid, V>, keep: &HashSet<Uid>) -> Vec<Uid> {
    map.keys()
        .filter(|uid| !keep.contains(*uid))
        .cloned()
        .collect()
}

fn remove_from(sets: &mut HashMap<Arc<str>, HashSet<Uid>>, key: &str, uid: &str) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(uid);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
