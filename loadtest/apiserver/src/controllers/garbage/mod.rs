//! The garbage collector: deletes what has lost its owners.
//!
//! It watches the metadata of every deletable resource, keeps who owns whom ([`graph::Graph`]),
//! and acts on one object at a time:
//! - all owners gone → delete it (background);
//! - an owner waits for its dependents (foreground) → delete them, then release the owner;
//! - an owner orphans its dependents → take the reference out of them, then release the owner.

mod graph;
mod watches;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
    Preconditions, PropagationPolicy,
};
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Context, Doing, Error, is_gone};
use graph::{FOREGROUND, Graph, Node, ORPHAN, Uid};
use watches::{Metadata, Watches};

/// Wait after a failed attempt.
const RETRY: Duration = Duration::from_millis(200);

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut watches = Watches::new(context.client.clone());
    let mut collector = Collector {
        client: context.client.clone(),
        graph: Graph::default(),
        queue: VecDeque::new(),
    };
    tokio::select! {
        () = collect(&mut watches, &mut collector) => {}
        () = stop.cancelled() => {}
    }
}

async fn collect(watches: &mut Watches, collector: &mut Collector) {
    let mut resources_changed = true;
    loop {
        if resources_changed {
            resources_changed = match watches.extend().await {
                Ok(()) => false,
                Err(error) => {
                    warn!(%error, "the garbage collector cannot discover resources");
                    tokio::time::sleep(super::RETRY).await;
                    continue;
                }
            };
        }
        let event = if collector.drain().await {
            // Something could not be done: try again soon, events or not.
            tokio::time::timeout(RETRY, watches.next())
                .await
                .ok()
                .flatten()
        } else {
            watches.next().await
        };
        if let Some((resource, event)) = event {
            resources_changed = resource.kind == "CustomResourceDefinition"
                && matches!(
                    event,
                    watcher::Event::Apply(_) | watcher::Event::InitApply(_)
                );
            collector.observe(&resource, event);
        }
    }
}

struct Collector {
    client: Client,
    graph: Graph,
    /// Objects to look at. Emptied after every event, so bounded by one event's dependents and
    /// what failed.
    queue: VecDeque<Uid>,
}

impl Collector {
    fn observe(&mut self, resource: &ApiResource, event: watcher::Event<Metadata>) {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                if let Some(uid) = object.uid() {
                    self.graph.insert(uid.clone(), Node::of(resource, &object));
                    self.queue.push_back(uid);
                }
            }
            watcher::Event::Delete(object) => {
                if let Some(uid) = object.uid() {
                    let owners = self.graph.remove(&uid);
                    self.queue.extend(self.graph.dependents(&uid));
                    // Their foreground deletion may be complete now.
                    self.queue.extend(owners);
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }

    /// Works through the queue; true when something failed and is still in it.
    async fn drain(&mut self) -> bool {
        let mut failed = VecDeque::new();
        while let Some(uid) = self.queue.pop_front() {
            if let Err(error) = self.process(&uid).await {
                if !error.is_conflict() {
                    warn!(%error, "garbage collection failed; trying again");
                }
                failed.push_back(uid);
            }
        }
        self.queue = failed;
        !self.queue.is_empty()
    }

    async fn process(&mut self, uid: &Uid) -> Result<(), Error> {
        let Some(node) = self.graph.get(uid).cloned() else {
            return Ok(());
        };
        if node.deleting {
            if node.has_finalizer(ORPHAN) {
                for dependent in self.graph.dependents(uid) {
                    self.release_from(&dependent, uid).await?;
                }
                return self.drop_finalizer(&node, ORPHAN).await;
            }
            if node.has_finalizer(FOREGROUND) {
                return self.finish_foreground(uid, &node).await;
            }
        }
        if node.owners.is_empty() || node.deleting {
            return Ok(());
        }
        let mut waiting = false;
        for owner in &node.owners {
            match self.graph.get(&owner.uid) {
                Some(found) if found.deleting && found.has_finalizer(FOREGROUND) => waiting = true,
                // An owner that orphans will take its reference out: not ours to delete.
                Some(_) => return Ok(()),
                // The watches of owner and dependent are not in step: ask.
                None if self.exists(&node, owner).await? => return Ok(()),
                None => {}
            }
        }
        let has_dependents = !self.graph.dependents(uid).is_empty();
        let policy = if waiting && has_dependents {
            PropagationPolicy::Foreground
        } else {
            PropagationPolicy::Background
        };
        self.delete(uid, &node, policy).await
    }

    /// Releases an owner once no dependent blocks it; starts their deletion until then.
    async fn finish_foreground(&mut self, uid: &Uid, node: &Node) -> Result<(), Error> {
        let dependents = self.graph.dependents(uid);
        let blocking = dependents
            .iter()
            .any(|dependent| self.graph.blocks(dependent, uid));
        if !blocking {
            return self.drop_finalizer(node, FOREGROUND).await;
        }
        let ready = dependents
            .into_iter()
            .filter(|one| self.graph.get(one).is_some_and(|one| !one.deleting));
        self.queue.extend(ready.collect::<Vec<_>>());
        Ok(())
    }

    fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    fn api_of(&self, node: &Node) -> Api<DynamicObject> {
        self.api(&node.resource, node.namespace.as_deref())
    }

    /// Whether the owner is there, under the uid that the dependent names. An owner of a kind that
    /// is not served is not.
    async fn exists(&self, dependent: &Node, owner: &OwnerReference) -> Result<bool, Error> {
        let (group, version) = owner
            .api_version
            .split_once('/')
            .unwrap_or(("", &owner.api_version));
        let kind = GroupVersionKind::gvk(group, version, &owner.kind);
        let (resource, capabilities) = match pinned_kind(&self.client, &kind).await {
            Err(kube::Error::Discovery(_)) => return Ok(false),
            Err(error) if is_gone(&error) => return Ok(false),
            found => found.doing(format!("discover {}", owner.kind))?,
        };
        let namespaced = capabilities.scope == Scope::Namespaced;
        let namespace = dependent.namespace.clone().filter(|_| namespaced);
        let found = self
            .api(&resource, namespace.as_deref())
            .get_metadata_opt(&owner.name)
            .await
            .doing(format!("look for {} {}", owner.kind, owner.name))?;
        Ok(found.is_some_and(|found| found.uid().as_deref() == Some(&owner.uid)))
    }

    async fn delete(&self, uid: &Uid, node: &Node, policy: PropagationPolicy) -> Result<(), Error> {
        let parameters = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions {
                uid: Some(uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.api_of(node).delete(&node.name, &parameters).await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other
                .map(drop)
                .doing(format!("delete {} {}", node.resource.kind, node.name)),
        }
    }

    /// Takes the reference to `owner` out of a dependent.
    async fn release_from(&self, dependent: &Uid, owner: &Uid) -> Result<(), Error> {
        let Some(node) = self.graph.get(dependent) else {
            return Ok(());
        };
        let owners: Vec<&OwnerReference> = node
            .owners
            .iter()
            .filter(|reference| reference.uid != *owner)
            .collect();
        let patch = json!({"metadata": {"ownerReferences": owners, "uid": dependent}});
        self.patch(node, &patch, "orphan").await
    }

    async fn drop_finalizer(&self, node: &Node, finalizer: &str) -> Result<(), Error> {
        let finalizers: Vec<&String> = node
            .finalizers
            .iter()
            .filter(|one| *one != finalizer)
            .collect();
        // The version guards against losing somebody else's finalizer.
        let patch = json!({"metadata": {
            "finalizers": finalizers, "resourceVersion": node.resource_version,
        }});
        self.patch(node, &patch, "release").await
    }

    async fn patch(&self, node: &Node, patch: &serde_json::Value, verb: &str) -> Result<(), Error> {
        let api = self.api_of(node);
        match api
            .patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Err(error) if is_gone(&error) => Ok(()),
            other => other
                .map(drop)
                .doing(format!("{verb} {} {}", node.resource.kind, node.name)),
        }
    }
}
