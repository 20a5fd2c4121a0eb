//! ReplicaSet → Pods: keeps as many active pods as the set wants.

mod victims;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::{
    Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::events::{self, Note};
use super::{Context, Doing, Error, RESYNC, drive, is_gone, pods, status_patch};

const COMPONENT: &str = "replicaset-controller";
/// Requests in flight at a time while creating or deleting pods.
const CONCURRENCY: usize = 16;

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(
        Api::<ReplicaSet>::all(client.clone()),
        watcher::Config::default(),
    )
    .owns(Api::<Pod>::all(client), watcher::Config::default());
    drive(controller, reconcile, context, stop).await;
}

async fn reconcile(cached: Arc<ReplicaSet>, context: Arc<Context>) -> Result<Action, Error> {
    let (namespace, name) = (cached.namespace().unwrap_or_default(), cached.name_any());
    let sets: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &namespace);
    let Some(set) = sets.get_opt(&name).await.doing("read the replica set")? else {
        return Ok(Action::await_change());
    };
    let (spec, uid) = (&set.spec, set.uid().unwrap_or_default());
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let selector = Selector::try_from(spec.selector.clone()).unwrap_or_default();
    let parameters = ListParams::default().labels_from(&selector);
    let mut active: Vec<Pod> = api
        .list(&parameters)
        .await
        .doing("list pods")?
        .items
        .into_iter()
        .filter(|pod| pods::is_active(pod) && is_controlled_by(pod, &uid))
        .collect();
    let desired = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
    if set.metadata.deletion_timestamp.is_none() {
        if active.len() < desired {
            let missing = desired - active.len();
            active.extend(create_pods(&context, &api, &set, missing).await?);
        } else if active.len() > desired {
            let surplus = active.len() - desired;
            let victims = victims::choose(&mut active, surplus);
            delete_pods(&context, &api, &set, victims).await?;
        }
    }
    let min_ready =
        Duration::from_secs(u64::try_from(spec.min_ready_seconds.unwrap_or(0)).unwrap_or(0));
    let (status, next) = status_of(&set, &active, min_ready, Timestamp::now());
    if set.status.as_ref() != Some(&status) {
        let patch = status_patch(set.status.as_ref(), &status);
        match sets
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

/// Whether the object's controlling owner has this uid.
pub(super) fn is_controlled_by<K: Resource>(object: &K, uid: &str) -> bool {
    object
        .meta()
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

async fn create_pods(
    context: &Context,
    api: &Api<Pod>,
    set: &ReplicaSet,
    count: usize,
) -> Result<Vec<Pod>, Error> {
    let (template, parameters) = (new_pod(set), PostParams::default());
    let requests = (0..count).map(|_| api.create(&parameters, &template));
    let created: Vec<Pod> = stream::iter(requests)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
        .doing(format!("create {count} pods"))?;
    for pod in &created {
        let message = format!("Created pod: {}", pod.name_any());
        note(context, set, "SuccessfulCreate", message);
    }
    Ok(created)
}

/// The pod that the set's template describes.
fn new_pod(set: &ReplicaSet) -> Pod {
    let template = set.spec.template.clone().unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", set.name_any())),
            namespace: set.namespace(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: set.controller_owner_ref(&()).map(|mut owner| {
                owner.block_owner_deletion = Some(true);
                vec![owner]
            }),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

async fn delete_pods(
    context: &Context,
    api: &Api<Pod>,
    set: &ReplicaSet,
    victims: Vec<Pod>,
) -> Result<(), Error> {
    stream::iter(victims)
        .map(Ok)
        .try_for_each_concurrent(CONCURRENCY, |pod| async move {
            let parameters = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: pod.uid(),
                    resource_version: None,
                }),
                ..DeleteParams::background()
            };
            let name = pod.name_any();
            match api.delete(&name, &parameters).await {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other.doing(format!("delete pod {name}"))?,
            };
            note(
                context,
                set,
                "SuccessfulDelete",
                format!("Deleted pod: {name}"),
            );
            Ok(())
        })
        .await
}

fn note(context: &Context, set: &ReplicaSet, reason: &'static str, message: String) {
    let note = Note {
        component: COMPONENT,
        kind: "Normal",
        reason,
        message,
    };
    events::record(&context.client, set.object_ref(&()), note);
}

/// The status for these active pods, and when a ready pod becomes available without any event.
fn status_of(
    set: &ReplicaSet,
    active: &[Pod],
    min_ready: Duration,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Duration>) {
    let template_labels: BTreeMap<String, String> = set
        .spec
        .template
        .as_ref()
        .and_then(|template| template.metadata.as_ref()?.labels.clone())
        .unwrap_or_default();
    let labelled = active.iter().filter(|pod| {
        template_labels
            .iter()
            .all(|(key, value)| pod.labels().get(key) == Some(value))
    });
    // How long each ready pod has been ready.
    let ready: Vec<Duration> = active
        .iter()
        .filter_map(pods::ready_since)
        .map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
        .collect();
    let available = ready.iter().filter(|age| **age >= min_ready).count();
    let next = ready
        .iter()
        .filter_map(|age| min_ready.checked_sub(*age))
        .min();
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let some = |number: usize| (number > 0).then(|| count(number));
    let status = ReplicaSetStatus {
        replicas: count(active.len()),
        fully_labeled_replicas: some(labelled.count()),
        ready_replicas: some(ready.len()),
        available_replicas: some(available),
        observed_generation: set.metadata.generation,
        ..ReplicaSetStatus::default()
    };
    (status, next.filter(|next| !next.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ready_pod(since: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": since}]},
        }))
        .unwrap()
    }

    #[test]
    fn pods_become_available_after_min_ready_seconds() {
        let active = [
            ready_pod("2026-01-01T00:00:00Z"),
            ready_pod("2026-01-01T00:00:08Z"),
            Pod::default(),
        ];
        let now = "2026-01-01T00:00:10Z".parse().unwrap();
        let (status, next) =
            status_of(&ReplicaSet::default(), &active, Duration::from_secs(5), now);
        assert_eq!(status.replicas, 3);
        assert_eq!(status.ready_replicas, Some(2));
        assert_eq!(status.available_replicas, Some(1));
        assert_eq!(next, Some(Duration::from_secs(3)));
    }
}
