//! The demo shop in a cluster: its objects created, its pods waited for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use demo_shop::Role;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{GroupVersionKind, TypeMeta};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::Value;

pub use crate::shop_manifests::NAMESPACE;
use crate::shop_manifests::{ShopParameters, objects};

/// Who applies the objects, for server-side apply.
const FIELD_MANAGER: &str = "loadtest";

/// How long all pods may take to be ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How often the deployments are looked at meanwhile.
const POLL: Duration = Duration::from_millis(100);

/// Creates the shop, whose pods run `program`, and returns the address of its frontend.
///
/// # Errors
/// Names the object that the API server refuses.
pub async fn deploy(client: &Client, program: &Path) -> Result<String> {
    deploy_objects(client, objects(&ShopParameters::new(program))).await
}

/// Creates the shop that consists of `objects`, and returns the address of its frontend.
///
/// # Errors
/// Names the object that the API server refuses.
pub async fn deploy_objects(client: &Client, objects: Vec<Value>) -> Result<String> {
    for object in objects {
        let object: DynamicObject =
            serde_json::from_value(object).context("a built-in object has no kind")?;
        apply(client, &object).await?;
    }
    frontend(client, NAMESPACE).await
}

/// The address of the frontend's Service in `namespace`.
///
/// # Errors
/// When there is no such Service, or it has no address.
pub async fn frontend(client: &Client, namespace: &str) -> Result<String> {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let frontend = Role::Frontend;
    let service = services
        .get(frontend.name())
        .await
        .with_context(|| format!("namespace {namespace} has no frontend"))?;
    let spec = service.spec.unwrap_or_default();
    let address = spec
        .cluster_ip
        .context("the API server gave the frontend's Service no address")?;
    let port = spec.ports.unwrap_or_default();
    let port = port.first().map_or(80, |port| port.port);
    Ok(format!("http://{address}:{port}"))
}

/// Waits until every Deployment of the shop has all its pods ready; `check` may end the wait.
///
/// # Errors
/// What `check` says, or which Deployments are not ready by the deadline.
pub async fn wait_until_ready(client: &Client, check: impl FnMut() -> Result<()>) -> Result<()> {
    wait_until_ready_in(client, NAMESPACE, check).await
}

/// As [`wait_until_ready`], of all Deployments of `namespace`.
///
/// # Errors
/// As there.
pub async fn wait_until_ready_in(
    client: &Client,
    namespace: &str,
    check: impl FnMut() -> Result<()>,
) -> Result<()> {
    wait_until_ready_within(client, namespace, READY_DEADLINE, check).await
}

/// As [`wait_until_ready_in`], for at most `time`.
///
/// # Errors
/// As there.
pub async fn wait_until_ready_within(
    client: &Client,
    namespace: &str,
    time: Duration,
    mut check: impl FnMut() -> Result<()>,
) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deadline = tokio::time::Instant::now() + time;
    loop {
        check()?;
        let list = deployments.list(&ListParams::default()).await;
        let unready: Vec<String> = list
            .with_context(|| format!("cannot list the deployments of namespace {namespace}"))?
            .into_iter()
            .filter(|deployment| !is_ready(deployment))
            .filter_map(|deployment| deployment.metadata.name)
            .collect();
        if unready.is_empty() {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "not ready within {} s: {}; `kubectl -n {namespace} describe pods` tells why",
            time.as_secs(),
            unready.join(", ")
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Creates `object`, or makes it what is given.
pub(crate) async fn apply(client: &Client, object: &DynamicObject) -> Result<()> {
    let name = object
        .metadata
        .name
        .as_deref()
        .context("a built-in object has no name")?;
    let types = object
        .types
        .as_ref()
        .context("a built-in object has no kind")?;
    let kind = GroupVersionKind::try_from(types)
        .with_context(|| format!("{} is no API version", types.api_version))?;
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let TypeMeta { kind, .. } = types;
    api.patch(
        name,
        &PatchParams::apply(FIELD_MANAGER).force(),
        &Patch::Apply(object),
    )
    .await
    .with_context(|| format!("cannot create {kind} {name}"))?;
    Ok(())
}

fn is_ready(deployment: &Deployment) -> bool {
    let desired = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.as_ref();
    let count = |count: fn(&DeploymentStatus) -> Option<i32>| status.and_then(count).unwrap_or(0);
    // More than desired are about to go.
    count(|status| status.ready_replicas) >= desired && count(|status| status.replicas) == desired
}
