//! What a comparison creates or changes in somebody's cluster is marked, so that it is put right at the end of each
//! trial, and by the next comparison when this one was killed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

/// The label of everything that a comparison creates.
pub(in crate::compare) const LABEL: &str = "app.kubernetes.io/managed-by";

/// Its value.
pub(in crate::compare) const MANAGER: &str = "loadtest-compare";

/// The annotation of Deployments that a comparison scales: how many replicas they had.
pub(super) const REPLICAS_BEFORE: &str = "loadtest.viperscale.dev/replicas-before";

/// How long a namespace may take to go, with all its pods.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(90);

/// How often that is looked at.
const POLL: Duration = Duration::from_millis(500);

/// Whether a comparison created the object.
pub(in crate::compare) fn is_ours(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(LABEL).is_some_and(|value| value == MANAGER))
}

/// Removes what a comparison created in `namespace`, and gives Deployments their replicas back.
///
/// # Errors
/// When the cluster refuses, or something is still there at the deadline.
pub(in crate::compare) async fn remove(client: &Client, namespace: &str) -> Result<()> {
    let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels(&format!("{LABEL}={MANAGER}"));
    let created = hpas.list(&ours).await.context("cannot list HPA objects")?;
    for name in created.into_iter().filter_map(|hpa| hpa.metadata.name) {
        hpas.delete(&name, &DeleteParams::default())
            .await
            .with_context(|| format!("cannot remove HPA {namespace}/{name}"))?;
    }
    restore_replicas(client, namespace).await?;
    remove_namespace(client, namespace).await
}

async fn restore_replicas(client: &Client, namespace: &str) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployments = api
        .list(&ListParams::default())
        .await
        .context("cannot list deployments")?;
    for deployment in deployments {
        let annotations = deployment.metadata.annotations.unwrap_or_default();
        let before = annotations.get(REPLICAS_BEFORE);
        let (Some(before), Some(name)) = (before, deployment.metadata.name) else {
            continue;
        };
        let before: u32 = before
            .parse()
            .with_context(|| format!("annotation {REPLICAS_BEFORE} of deployment {name}"))?;
        let patch = json!({
            "metadata": {"annotations": {REPLICAS_BEFORE: null}},
            "spec": {"replicas": before},
        });
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .with_context(|| format!("cannot give deployment {name} its {before} replicas back"))?;
    }
    Ok(())
}

async fn remove_namespace(client: &Client, name: &str) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let what = || format!("cannot remove namespace {name}");
    let found = api.get_opt(name).await.with_context(what)?;
    if !found.is_some_and(|namespace| is_ours(&namespace.metadata)) {
        return Ok(());
    }
    api.delete(name, &DeleteParams::default())
        .await
        .with_context(what)?;
    let deadline = tokio::time::Instant::now() + REMOVAL_DEADLINE;
    while api.get_opt(name).await.with_context(what)?.is_some() {
        ensure!(
            tokio::time::Instant::now() < deadline,
            "namespace {name} is still there after {} s; `kubectl get namespace {name} -o yaml` tells why",
            REMOVAL_DEADLINE.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
