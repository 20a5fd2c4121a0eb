//! How pods come into the index and leave it.

use std::sync::Arc;

use foldhash::HashSet;

use super::super::{DeletionCost, PodRecord};
use super::{Index, remove_from};

/// Names of containers that are remembered for sharing; more are not worth it.
const MOST_SHARED_NAMES: usize = 10_000;

impl Index {
    /// Adds or replaces a pod. When it started stays as it was first learned.
    pub fn put_pod(&mut self, mut record: PodRecord) {
        let old = self.unlink_pod(&record.uid);
        let known_start = old.as_ref().and_then(|old| old.started_at);
        record.started_at = known_start.or(record.started_at);
        self.share_names(&mut record);
        let is_same = old.as_ref().is_some_and(|old| same_targets(old, &record));
        let nodes = [old.and_then(|old| old.node), record.node.clone()];
        if let Some(owner) = &record.owner {
            self.pods_of_owner
                .entry(owner.clone())
                .or_default()
                .insert((record.name.clone(), record.uid.clone()));
        }
        if let Some(node) = &record.node {
            self.pods_on
                .entry(node.clone())
                .or_default()
                .insert(record.uid.clone());
        }
        if record.deletion_cost == DeletionCost::Ours {
            self.marked.insert(record.uid.clone());
        }
        self.pods.insert(record.uid.clone(), record);
        if !is_same {
            self.note_changes_on(nodes.into_iter().flatten());
        }
    }

    /// Forgets a pod.
    pub fn remove_pod(&mut self, uid: &str) {
        if let Some(record) = self.unlink_pod(uid) {
            self.note_changes_on(record.node);
        }
    }

    fn note_changes_on(&mut self, nodes: impl IntoIterator<Item = Arc<str>>) {
        for node in nodes {
            if self.pods_on.contains_key(&node) {
                self.changes += 1;
                self.changed.insert(node.clone(), self.changes);
            } else {
                self.changed.remove(&node);
            }
            self.dirty_nodes.insert(node);
        }
    }

    /// Has `record` share the names that others have too, instead of a copy of its own: with
    /// 150,000 pods, some 20 MB.
    fn share_names(&mut self, record: &mut PodRecord) {
        let shared = |known: Option<&Arc<str>>, name: &mut Arc<str>| {
            if let Some(known) = known {
                *name = known.clone();
            }
        };
        if let Some(node) = &mut record.node {
            shared(
                self.pods_on.get_key_value(&**node).map(|(known, _)| known),
                node,
            );
        }
        if let Some(owner) = &mut record.owner {
            let known = self.pods_of_owner.get_key_value(&**owner);
            shared(known.map(|(known, _)| known), owner);
        }
        if self.container_names.len() > MOST_SHARED_NAMES {
            // Names that nobody has any more are dropped with the rest, and shared ones come back.
            self.container_names.clear();
        }
        for container in &mut record.containers {
            if !self.container_names.contains(&container.name) {
                self.container_names.insert(container.name.clone());
            }
            shared(
                self.container_names.get(&container.name),
                &mut container.name,
            );
        }
    }

    fn unlink_pod(&mut self, uid: &str) -> Option<PodRecord> {
        let record = self.pods.remove(uid)?;
        self.marked.remove(uid);
        if let Some(owner) = &record.owner
            && let Some(pods) = self.pods_of_owner.get_mut(owner)
        {
            pods.remove(&(record.name.clone(), record.uid.clone()));
            if pods.is_empty() {
                self.pods_of_owner.remove(owner);
            }
        }
        if let Some(node) = &record.node {
            remove_from(&mut self.pods_on, node, uid);
        }
        Some(record)
    }

    pub(super) fn mark_pods_of(&mut self, deployment: &str) {
        let replica_sets = self
            .replica_sets_of
            .get(deployment)
            .cloned()
            .unwrap_or_default();
        for replica_set in replica_sets {
            self.mark_pods_owned_by(&replica_set);
        }
    }

    pub(super) fn mark_pods_owned_by(&mut self, replica_set: &str) {
        let pods = self.pods_of_owner.get(replica_set).into_iter().flatten();
        let nodes = pods.filter_map(|(_, pod)| self.pods.get(pod)?.node.clone());
        let nodes: HashSet<Arc<str>> = nodes.collect();
        self.note_changes_on(nodes);
    }
}

/// Whether the node would be told the same about both states of one pod, and believed the same.
fn same_targets(a: &PodRecord, b: &PodRecord) -> bool {
    a.node == b.node
        && a.owner == b.owner
        && a.is_finished() == b.is_finished()
        && a.containers.len() == b.containers.len()
        && a.containers.iter().zip(&b.containers).all(|(a, b)| a == b)
}
