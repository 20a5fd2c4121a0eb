//! Deployment → ReplicaSets: one per revision of the pod template, rolled over within the bounds
//! of the strategy.
//!
//! Deliberately absent: adoption of replica sets without owner, and proportional scaling of
//! several revisions at once (a scale during a rollout goes to the new revision).

mod revision;
mod rolling;
mod status;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::events::{self, Note};
use super::replica_set::is_controlled_by;
use super::{Context, Doing, Error, RESYNC, drive, is_gone, pods, status_patch};
use revision::HASH_LABEL;
use rolling::{Bounds, Revision};

const COMPONENT: &str = "deployment-controller";

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(
        Api::<Deployment>::all(client.clone()),
        watcher::Config::default(),
    )
    .owns(
        Api::<ReplicaSet>::all(client.clone()),
        watcher::Config::default(),
    )
    .watches(
        Api::<Pod>::all(client),
        watcher::Config::default(),
        |pod: Pod| of_ending_pod(&pod),
    );
    drive(controller, reconcile, context, stop).await;
}

/// `Recreate` waits until the last old pod is really gone, which no replica set shows. The name
/// of a pod's replica set is the deployment's and the template hash.
fn of_ending_pod(pod: &Pod) -> Option<ObjectRef<Deployment>> {
    if !pods::is_deleting(pod) && !pods::is_finished(pod) {
        return None;
    }
    let hash = pod.labels().get(HASH_LABEL)?;
    let set = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))?;
    let name = set.name.strip_suffix(&format!("-{hash}"))?;
    Some(ObjectRef::new(name).within(&pod.namespace()?))
}

/// A deployment and its replica sets, as one reconciliation sees them.
struct Rollout {
    context: Arc<Context>,
    deployment: Deployment,
    sets: Api<ReplicaSet>,
    /// The set of the present template.
    current: Option<ReplicaSet>,
    /// Sets of former templates, oldest first.
    old: Vec<ReplicaSet>,
}

async fn reconcile(cached: Arc<Deployment>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (cached.namespace().unwrap_or_default(), cached.name_any());
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &namespace);
    let Some(deployment) = deployments
        .get_opt(&name)
        .await
        .doing("read the deployment")?
    else {
        return Ok(Action::await_change());
    };
    let mut rollout = Rollout::read(context, deployment, &namespace).await?;
    if rollout.deployment.metadata.deletion_timestamp.is_none() {
        rollout.advance(&namespace).await?;
    }
    let (status, next) = status::status_of(
        &rollout.deployment,
        rollout.current.as_ref(),
        &rollout.old,
        k8s_openapi::jiff::Timestamp::now(),
    );
    if rollout.deployment.status.as_ref() != Some(&status) {
        let patch = status_patch(rollout.deployment.status.as_ref(), &status);
        match deployments
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
        {
            Err(error) if is_gone(&error) => {}
            other => {
                other.doing("write the status")?;
            }
        }
    }
    Ok(Action::requeue(next.unwrap_or(RESYNC)))
}

impl Rollout {
    async fn read(
        context: Arc<Context>,
        deployment: Deployment,
        namespace: &str,
    ) -> Result<Self, Error> {
        let sets: Api<ReplicaSet> = Api::namespaced(context.client.clone(), namespace);
        let uid = deployment.uid().unwrap_or_default();
        let selector = Selector::try_from(deployment.spec.selector.clone()).unwrap_or_default();
        let parameters = ListParams::default().labels_from(&selector);
        let mut owned: Vec<ReplicaSet> = sets
            .list(&parameters)
            .await
            .doing("list replica sets")?
            .items;
        owned.retain(|set| is_controlled_by(set, &uid));
        owned.sort_by_key(|set| (set.creation_timestamp().map(|time| time.0), set.name_any()));
        let position = owned
            .iter()
            .position(|set| revision::has_template(set, &deployment));
        let current = position.map(|position| owned.remove(position));
        Ok(Self {
            context,
            deployment,
            sets,
            current,
            old: owned,
        })
    }

    /// Takes the next steps: a new set, replica counts, clean-up.
    async fn advance(&mut self, namespace: &str) -> Result<(), Error> {
        let spec = self.deployment.spec.clone();
        let paused = spec.paused == Some(true);
        let recreate = spec
            .strategy
            .as_ref()
            .and_then(|strategy| strategy.type_.as_deref())
            == Some("Recreate");
        if recreate && !paused {
            for index in 0..self.old.len() {
                self.scale_old(index, 0).await?;
            }
            if self.current.is_none() && self.old_pods_remain(namespace).await? {
                return Ok(());
            }
        }
        let bounds = Bounds::of(&self.deployment);
        if self.current.is_none() && !paused {
            let others = self.old.iter().map(|set| Revision::of(set).replicas).sum();
            let first = if recreate {
                bounds.desired
            } else {
                bounds.first_replicas(others)
            };
            self.current = self.create_set(first).await?;
        }
        self.record_revision(namespace).await?;
        if paused || recreate {
            // A paused deployment is scaled, not rolled: whatever revision is there is resized.
            if let Some(current) = &self.current {
                let (name, now) = (current.name_any(), Revision::of(current).replicas);
                self.current = self
                    .scale(&name, now, bounds.desired)
                    .await?
                    .or(self.current.take());
            }
            return Ok(());
        }
        self.roll(&bounds).await?;
        self.clean_up(spec.revision_history_limit.unwrap_or(10))
            .await
    }

    async fn roll(&mut self, bounds: &Bounds) -> Result<(), Error> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let old: Vec<Revision> = self.old.iter().map(Revision::of).collect();
        let plan = rolling::plan(bounds, Revision::of(current), &old);
        let (name, now) = (current.name_any(), Revision::of(current).replicas);
        if let Some(scaled) = self.scale(&name, now, plan.current).await? {
            self.current = Some(scaled);
        }
        for (index, replicas) in plan.old.into_iter().enumerate() {
            self.scale_old(index, replicas).await?;
        }
        Ok(())
    }

    async fn scale_old(&mut self, index: usize, to: i32) -> Result<(), Error> {
        let (name, from) = (
            self.old[index].name_any(),
            Revision::of(&self.old[index]).replicas,
        );
        if let Some(scaled) = self.scale(&name, from, to).await? {
            self.old[index] = scaled;
        }
        Ok(())
    }

    /// Sets a replica count, if it differs.
    async fn scale(&self, set: &str, from: i32, to: i32) -> Result<Option<ReplicaSet>, Error> {
        if from == to {
            return Ok(None);
        }
        let patch = json!({"spec": {"replicas": to}});
        let scaled = self
            .sets
            .patch(set, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .doing(format!("scale replica set {set} from {from} to {to}"))?;
        let direction = if to > from { "up" } else { "down" };
        self.note(format!(
            "Scaled {direction} replica set {set} from {from} to {to}"
        ));
        Ok(Some(scaled))
    }

    fn note(&self, message: String) {
        let note = Note {
            component: COMPONENT,
            kind: "Normal",
            reason: "ScalingReplicaSet",
            message,
        };
        events::record(&self.context.client, self.deployment.object_ref(&()), note);
    }

    /// Whether pods of former revisions still exist, terminating ones included.
    async fn old_pods_remain(&self, namespace: &str) -> Result<bool, Error> {
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), namespace);
        let all = api.list(&ListParams::default()).await.doing("list pods")?;
        Ok(all.items.iter().any(|pod| {
            !pods::is_finished(pod)
                && self
                    .old
                    .iter()
                    .filter_map(|set| set.uid())
                    .any(|uid| is_controlled_by(pod, &uid))
        }))
    }

    /// Deletes the oldest empty sets beyond the history limit.
    async fn clean_up(&mut self, limit: i32) -> Result<(), Error> {
        let empty: Vec<String> = self
            .old
            .iter()
            .filter(|set| {
                let status = set.status.as_ref().map_or(0, |status| status.replicas);
                status == 0
                    && Revision::of(set).replicas == 0
                    && set.metadata.deletion_timestamp.is_none()
            })
            .map(ResourceExt::name_any)
            .collect();
        let surplus = empty
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        for name in &empty[..surplus] {
            match self.sets.delete(name, &DeleteParams::background()).await {
                Err(error) if is_gone(&error) => {}
                other => {
                    other.doing(format!("delete old replica set {name}"))?;
                }
            }
        }
        Ok(())
    }
}
