//! Deletion of a namespace: first its content, then itself.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::{Context, Doing, Error, drive};

/// Pods end in their own time; meanwhile the namespace looks again this often.
const CHECK: Duration = Duration::from_millis(250);

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let api: Api<Namespace> = Api::all(context.client.clone());
    drive(
        Controller::new(api, watcher::Config::default()),
        reconcile,
        context,
        stop,
    )
    .await;
}

async fn reconcile(cached: Arc<Namespace>, context: Arc<Context>) -> Result<Action, Error> {
    if cached.metadata.deletion_timestamp.is_none() {
        return Ok(Action::await_change());
    }
    let name = cached.name_any();
    if empty(&context.client, &name).await? > 0 {
        return Ok(Action::requeue(CHECK));
    }
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let Some(mut namespace) = namespaces
        .get_opt(&name)
        .await
        .doing("read the namespace")?
    else {
        return Ok(Action::await_change());
    };
    namespace.spec.get_or_insert_default().finalizers = None;
    let finalized: Result<Namespace, _> = namespaces
        .replace_subresource("finalize", &name, &PostParams::default(), &namespace)
        .await;
    finalized.doing(format!("finalize namespace {name}"))?;
    Ok(Action::await_change())
}

/// Deletes what is in the namespace; returns how many objects are still there.
async fn empty(client: &Client, namespace: &str) -> Result<usize, Error> {
    let mut remaining = 0;
    for resource in namespaced_resources(client).await? {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let what = &resource.plural;
        let list = || async { api.list_metadata(&ListParams::default()).await };
        if list().await.doing(format!("list {what}"))?.items.is_empty() {
            continue;
        }
        api.delete_collection(&DeleteParams::background(), &ListParams::default())
            .await
            .doing(format!("delete all {what} of namespace {namespace}"))?;
        remaining += list().await.doing(format!("list {what}"))?.items.len();
    }
    Ok(remaining)
}

async fn namespaced_resources(client: &Client) -> Result<Vec<ApiResource>, Error> {
    let discovery = Discovery::new(client.clone())
        .run()
        .await
        .doing("discover resources")?;
    Ok(discovery
        .groups()
        .flat_map(|group| group.recommended_resources())
        .filter(|(_, capabilities)| {
            capabilities.scope == Scope::Namespaced
                && capabilities.supports_operation(verbs::DELETE_COLLECTION)
        })
        .map(|(resource, _)| resource)
        .collect())
}
