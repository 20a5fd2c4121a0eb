//! The scale target: found by kind, read and written through its `scale` subresource.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v1::Scale as ApiScale;
use k8s_openapi::api::autoscaling::v2::CrossVersionObjectReference;
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::{ApiResource, DynamicObject, GroupVersion};
use stock_hpa::reconcile::{Scale, ScaleWrite, WRITE_ATTEMPTS, WriteAnswer};

use super::metrics::text_of;

/// Wait before an attempt that follows a conflict (client-go's `DefaultRetry`).
const RETRY: Duration = Duration::from_millis(10);

/// A target and its scale as it was read.
#[derive(Debug, Clone)]
pub(super) struct Target {
    api: Api<DynamicObject>,
    name: String,
    scale: ApiScale,
}

impl Target {
    /// Finds the resource of the target's kind and reads the scale; the error is the API's text.
    pub(super) async fn read(
        client: &Client,
        namespace: &str,
        target: &CrossVersionObjectReference,
    ) -> Result<Self, String> {
        let resource = resource_of(client, target).await?;
        let api = Api::namespaced_with(client.clone(), namespace, &resource);
        let scale = api
            .get_scale(&target.name)
            .await
            .map_err(|error| text_of(&error))?;
        Ok(Self {
            api,
            name: target.name.clone(),
            scale,
        })
    }

    /// The scale as it was read.
    pub(super) fn scale(&self) -> Scale {
        let (spec, status) = (self.scale.spec.as_ref(), self.scale.status.as_ref());
        Scale {
            spec_replicas: spec.and_then(|spec| spec.replicas).unwrap_or(0),
            status_replicas: status.map_or(0, |status| status.replicas),
            selector: status
                .and_then(|status| status.selector.clone())
                .unwrap_or_default(),
        }
    }

    /// Writes `replicas`, each attempt after a conflict on a scale read anew.
    pub(super) async fn write(mut self, replicas: i32) -> Vec<ScaleWrite> {
        let mut writes = Vec::with_capacity(1);
        loop {
            let answer = self.attempt(replicas).await;
            let again = answer == WriteAnswer::Conflict;
            writes.push(ScaleWrite { replicas, answer });
            if !again || writes.len() == WRITE_ATTEMPTS {
                return writes;
            }
            tokio::time::sleep(RETRY).await;
            match self.api.get_scale(&self.name).await {
                Ok(scale) => self.scale = scale,
                Err(error) => {
                    let answer = WriteAnswer::Error(text_of(&error));
                    writes.push(ScaleWrite { replicas, answer });
                    return writes;
                }
            }
        }
    }

    async fn attempt(&mut self, replicas: i32) -> WriteAnswer {
        self.scale.spec.get_or_insert_default().replicas = Some(replicas);
        let parameters = PostParams::default();
        match self
            .api
            .replace_scale(&self.name, &parameters, &self.scale)
            .await
        {
            Ok(_) => WriteAnswer::Ok,
            Err(kube::Error::Api(status)) if status.code == 409 => WriteAnswer::Conflict,
            Err(error) => WriteAnswer::Error(text_of(&error)),
        }
    }
}

/// The resource that serves a kind, by discovery.
async fn resource_of(
    client: &Client,
    target: &CrossVersionObjectReference,
) -> Result<ApiResource, String> {
    let version = target.api_version.as_deref().unwrap_or_default();
    let group_version: GroupVersion = version
        .parse()
        .map_err(|_| format!("unexpected GroupVersion string: {version}"))?;
    let unknown = || no_match(&target.kind, &group_version.group);
    let served = if group_version.group.is_empty() {
        client.list_core_api_resources("v1").await
    } else {
        client.list_api_group_resources(version).await
    };
    let served = match served {
        Err(kube::Error::Api(status)) if status.code == 404 => return Err(unknown()),
        other => other.map_err(|error| text_of(&error))?,
    };
    let mut resources = served.resources.iter();
    let found = resources.find(|one| one.kind == target.kind && !one.name.contains('/'));
    let plural = &found.ok_or_else(unknown)?.name;
    let kind = group_version.with_kind(&target.kind);
    Ok(ApiResource::from_gvk_with_plural(&kind, plural))
}

/// The words of upstream's REST mapper.
fn no_match(kind: &str, group: &str) -> String {
    format!("no matches for kind \"{kind}\" in group \"{group}\"")
}
