//! The garbage collector: deletes what has lost its owners.
//!
//! It watches the metadata of every deletable resource, keeps who owns whom ([`graph::Graph`]),
//! and acts on one object at a time:
//! - all owners gone → delete it (background);
//! - an owner waits for its dependents (foreground) → delete them, then release the owner;
//! - an owner orphans its dependents → take the reference out of them, then release the owner.

mod graph;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, SelectAll};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams,
    Preconditions, PropagationPolicy,
};
use kube::core::PartialObjectMeta;
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Context, Doing, Error, is_gone};
use graph::{FOREGROUND, Graph, Node, ORPHAN, Uid};

type Metadata = PartialObjectMeta<DynamicObject>;
type Events = BoxStream<'static, (ApiResource, watcher::Event<Metadata>)>;

/// Wait after a failed attempt.
const RETRY: Duration = Duration::from_millis(200);

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut collector = Collector {
        client: context.client.clone(),
        graph: Graph::default(),
        queue: VecDeque::new(),
        watched: HashMap::new(),
        events: SelectAll::new(),
    };
    tokio::select! {
        () = collector.run() => {}
        () = stop.cancelled() => {}
    }
}

struct Collector {
    client: Client,
    graph: Graph,
    /// Objects to look at; each is in it once at most through `Graph` lookups being cheap and
    /// idempotent. Bounded by the events of one batch and their dependents.
    queue: VecDeque<Uid>,
    /// Watched resources by `plural.group`.
    watched: HashMap<String, bool>,
    events: SelectAll<Events>,
}

impl Collector {
    async fn run(&mut self) {
        if let Err(error) = self.watch_all().await {
            warn!(%error, "the garbage collector cannot discover resources");
        }
        loop {
            let failed = self.drain().await;
            let event = if failed {
                // Something could not be done: try again soon, events or not.
                tokio::time::timeout(RETRY, self.events.next()).await.ok().flatten()
            } else {
                self.events.next().await
            };
            match event {
                Some((resource, event)) => self.observe(&resource, event).await,
                None if failed => {}
                // No watch at all: discovery failed. Try again.
                None => {
                    tokio::time::sleep(super::RETRY).await;
                    if let Err(error) = self.watch_all().await {
                        warn!(%error, "the garbage collector cannot discover resources");
                    }
                }
            }
        }
    }

    /// Starts a watch on every deletable resource that has none yet.
    async fn watch_all(&mut self) -> Result<(), Error> {
        let discovery =
            Discovery::new(self.client.clone()).run().await.doing("discover resources")?;
        let resources = discovery.groups().flat_map(|group| group.recommended_resources());
        for (resource, capabilities) in resources {
            let key = format!("{}.{}", resource.plural, resource.group);
            // Events own nothing and are never owned; the other version shows the same ones.
            let skip = resource.plural == "events" || self.watched.contains_key(&key);
            if skip || !capabilities.supports_operation(verbs::DELETE) {
                continue;
            }
            self.watched.insert(key, capabilities.scope == Scope::Namespaced);
            let api: Api<Metadata> = Api::all_with(self.client.clone(), &resource);
            let events = watcher(api, watcher::Config::default())
                .default_backoff()
                .filter_map(|event| std::future::ready(event.ok()))
                .map(move |event| (resource.clone(), event));
            self.events.push(events.boxed());
        }
        Ok(())
    }

    async fn observe(&mut self, resource: &ApiResource, event: watcher::Event<Metadata>) {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                if resource.kind == "CustomResourceDefinition"
                    && let Err(error) = self.watch_all().await
                {
                    warn!(%error, "the garbage collector cannot discover resources");
                }
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
        let Some(node) = self.graph.get(uid).cloned() else { return Ok(()) };
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
        let blocking = dependents.iter().any(|dependent| self.graph.blocks(dependent, uid));
        if !blocking {
            return self.drop_finalizer(node, FOREGROUND).await;
        }
        let ready =
            dependents.into_iter().filter(|one| self.graph.get(one).is_some_and(|one| !one.deleting));
        self.queue.extend(ready.collect::<Vec<_>>());
        Ok(())
    }

    fn api(&self, node: &Node) -> Api<DynamicObject> {
        match &node.namespace {
            Some(namespace) => {
                Api::namespaced_with(self.client.clone(), namespace, &node.resource)
            }
            None => Api::all_with(self.client.clone(), &node.resource),
        }
    }

    /// Whether the owner is there, under the uid that the dependent names.
    async fn exists(&self, dependent: &Node, owner: &OwnerReference) -> Result<bool, Error> {
        let (group, version) =
            owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
        let kind = GroupVersionKind::gvk(group, version, &owner.kind);
        let known = self.graph.resource_of(&kind);
        let resource = known.unwrap_or_else(|| ApiResource::from_gvk(&kind));
        let key = format!("{}.{}", resource.plural, resource.group);
        let namespaced = self.watched.get(&key).copied().unwrap_or(true);
        let namespace = dependent.namespace.clone().filter(|_| namespaced);
        let node = Node { resource, namespace, ..dependent.clone() };
        let found = self
            .api(&node)
            .get_metadata_opt(&owner.name)
            .await
            .doing(format!("look for {} {}", owner.kind, owner.name))?;
        Ok(found.is_some_and(|found| found.uid().as_deref() == Some(&owner.uid)))
    }

    async fn delete(
        &self,
        uid: &Uid,
        node: &Node,
        policy: PropagationPolicy,
    ) -> Result<(), Error> {
        let parameters = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions { uid: Some(uid.clone()), resource_version: None }),
            ..DeleteParams::default()
        };
        match self.api(node).delete(&node.name, &parameters).await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map(drop).doing(format!("delete {} {}", node.resource.kind, node.name)),
        }
    }

    /// Takes the reference to `owner` out of a dependent.
    async fn release_from(&self, dependent: &Uid, owner: &Uid) -> Result<(), Error> {
        let Some(node) = self.graph.get(dependent) else { return Ok(()) };
        let owners: Vec<&OwnerReference> =
            node.owners.iter().filter(|reference| reference.uid != *owner).collect();
        let patch = json!({"metadata": {"ownerReferences": owners, "uid": dependent}});
        self.patch(node, &patch, "orphan").await
    }

    async fn drop_finalizer(&self, node: &Node, finalizer: &str) -> Result<(), Error> {
        let finalizers: Vec<&String> =
            node.finalizers.iter().filter(|one| *one != finalizer).collect();
        // The version guards against losing somebody else's finalizer.
        let patch = json!({"metadata": {
            "finalizers": finalizers, "resourceVersion": node.resource_version,
        }});
        self.patch(node, &patch, "release").await
    }

    async fn patch(&self, node: &Node, patch: &serde_json::Value, verb: &str) -> Result<(), Error> {
        let api = self.api(node);
        match api.patch_metadata(&node.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other.map(drop).doing(format!("{verb} {} {}", node.resource.kind, node.name)),
        }
    }
}
