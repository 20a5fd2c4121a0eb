//! The demo shop in a cluster: its objects created, its pods waited for.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use demo_shop::Role;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{GroupVersionKind, TypeMeta};
use kube::discovery::ApiResource;
use kube::{Api, Client};

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
    for object in objects(&ShopParameters::new(program)) {
        let object: DynamicObject =
            serde_json::from_value(object).context("a built-in object has no kind")?;
        apply(client, &object).await?;
    }
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let frontend = Role::Frontend;
    let service = services
        .get(frontend.name())
        .await
        .context("the shop has no frontend")?;
    let address = service
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("the API server gave the frontend's Service no address")?;
    Ok(format!("http://{address}:{}", frontend.service_port()))
}

/// Waits until every Deployment of the shop has all its pods ready; `check` may end the wait.
///
/// # Errors
/// What `check` says, or which Deployments are not ready by the deadline.
pub async fn wait_until_ready(
    client: &Client,
    mut check: impl FnMut() -> Result<()>,
) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let deadline = tokio::time::Instant::now() + READY_DEADLINE;
    loop {
        check()?;
        let list = deployments.list(&ListParams::default()).await;
        let unready: Vec<String> = list
            .context("cannot list the shop's deployments")?
            .into_iter()
            .filter(|deployment| !is_ready(deployment))
            .filter_map(|deployment| deployment.metadata.name)
            .collect();
        if unready.is_empty() {
            return Ok(());
        }
        ensure!(
            tokio::time::Instant::now() < deadline,
            "not ready within {} s: {}; `kubectl -n {NAMESPACE} describe pods` tells why",
            READY_DEADLINE.as_secs(),
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
    let ready = deployment
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or(0);
    ready >= desired
}
