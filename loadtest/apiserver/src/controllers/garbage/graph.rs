//! Who owns whom, by uid. Holds the metadata that deletion needs, of every existing object.

use std::collections::{HashMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::core::PartialObjectMeta;

pub(super) type Uid = String;

/// Finalizer of a deletion that waits for the dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of a deletion that keeps the dependents.
pub(super) const ORPHAN: &str = "orphan";

/// An object as the collector knows it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) resource: ApiResource,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) resource_version: Option<String>,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) finalizers: Vec<String>,
    pub(super) deleting: bool,
}

impl Node {
    pub(super) fn of(resource: &ApiResource, object: &PartialObjectMeta<DynamicObject>) -> Self {
        Self {
            resource: resource.clone(),
            namespace: object.namespace(),
            name: object.name_any(),
            resource_version: object.resource_version(),
            owners: object.owner_references().to_vec(),
            finalizers: object.finalizers().to_vec(),
            deleting: object.metadata.deletion_timestamp.is_some(),
        }
    }

    pub(super) fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == name)
    }
}

/// All existing objects, and the dependents of each owner (existing or not).
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<Uid, Node>,
    dependents: HashMap<Uid, HashSet<Uid>>,
}

impl Graph {
    pub(super) fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// Adds an object, or replaces what was known of it.
    pub(super) fn insert(&mut self, uid: Uid, node: Node) {
        self.remove(&uid);
        for owner in &node.owners {
            self.dependents
                .entry(owner.uid.clone())
                .or_default()
                .insert(uid.clone());
        }
        self.nodes.insert(uid, node);
    }

    /// Forgets an object; returns its owners. Its dependents keep pointing to it.
    pub(super) fn remove(&mut self, uid: &str) -> Vec<Uid> {
        let Some(node) = self.nodes.remove(uid) else {
            return Vec::new();
        };
        let owners: Vec<Uid> = node.owners.into_iter().map(|owner| owner.uid).collect();
        for owner in &owners {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        owners
    }

    /// The existing objects that name `uid` as an owner.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Uid> {
        self.dependents
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Whether `dependent` holds back the foreground deletion of `owner`.
    pub(super) fn blocks(&self, dependent: &str, owner: &str) -> bool {
        self.nodes.get(dependent).is_some_and(|node| {
            node.owners
                .iter()
                .any(|one| one.uid == owner && one.block_owner_deletion == Some(true))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::api::GroupVersionKind;

    fn node(owners: &[(&str, bool)]) -> Node {
        Node {
            resource: ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod")),
            namespace: None,
            name: "x".into(),
            resource_version: None,
            owners: owners
                .iter()
                .map(|(uid, blocks)| OwnerReference {
                    uid: (*uid).to_owned(),
                    block_owner_deletion: Some(*blocks),
                    ..OwnerReference::default()
                })
                .collect(),
            finalizers: Vec::new(),
            deleting: false,
        }
    }

    #[test]
    fn dependents_follow_their_references() {
        let mut graph = Graph::default();
        graph.insert("child".into(), node(&[("a", true), ("b", false)]));
        assert_eq!(graph.dependents("a"), ["child"]);
        assert!(graph.blocks("child", "a") && !graph.blocks("child", "b"));
        graph.insert("child".into(), node(&[("b", false)]));
        assert!(graph.dependents("a").is_empty());
        assert_eq!(graph.remove("child"), ["b"]);
        assert!(graph.dependents("b").is_empty() && graph.dependents.is_empty());
    }
}
