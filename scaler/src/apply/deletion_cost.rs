//! Deletion costs on pods: written right before a scale-down, taken away afterwards.
//!
//! The ReplicaSet controller deletes, of several ready pods, those with the lowest cost first. Two
//! annotations are written together, the second one to know our own values again after a restart.
//! Nothing depends on them: a scale-down goes ahead whether they could be written or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use scaler_core::idleness::Mark;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use super::FIELD_MANAGER;
use crate::cluster::{explain, status_code};
use crate::metrics;
use crate::workloads::{DELETION_COST, DELETION_COST_OURS, DeploymentKey};

/// All marks of one scale-down together; it does not wait for them any longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 8;

/// Writes deletion costs.
#[derive(Debug)]
pub(super) struct DeletionCosts {
    /// Whether it does anything; off once the API server says that it may not, until a restart.
    enabled: AtomicBool,
}

impl DeletionCosts {
    pub(super) fn new(enabled: bool) -> Self {
        DeletionCosts {
            enabled: AtomicBool::new(enabled),
        }
    }

    /// Writes `marks` on pods of `namespace`, as many as there is time for.
    pub(super) async fn mark(&self, client: &Client, namespace: &str, marks: &[Mark]) {
        let writes = stream::iter(marks).for_each_concurrent(AT_ONCE, |mark| {
            let cost = json!(mark.cost.to_string());
            self.write(client, namespace, &mark.name, Some(mark.uid.as_str()), cost)
        });
        if timeout(PATIENCE, writes).await.is_err() {
            metrics::deletion_cost("timed_out");
        }
    }

    /// Takes costs of ours away from pods that stayed.
    pub(super) async fn reset(&self, client: &Client, pods: &[(DeploymentKey, Arc<str>)]) {
        let writes = stream::iter(pods).for_each_concurrent(AT_ONCE, |(deployment, pod)| {
            self.write(client, &deployment.namespace, pod, None, Value::Null)
        });
        if timeout(PATIENCE, writes).await.is_err() {
            metrics::deletion_cost("timed_out");
        }
    }

    async fn write(
        &self,
        client: &Client,
        namespace: &str,
        pod: &str,
        uid: Option<&str>,
        cost: Value,
    ) {
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let mut metadata = json!({
            "annotations": {DELETION_COST: cost.clone(), DELETION_COST_OURS: cost},
        });
        if let Some(uid) = uid {
            // Refused with 409 when another pod has the name by now.
            metadata["uid"] = json!(uid);
        }
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"metadata": metadata}));
        match api.patch_metadata(pod, &params, &patch).await {
            Ok(_) => metrics::deletion_cost("written"),
            Err(error) if matches!(status_code(&error), Some(404 | 409)) => {
                metrics::deletion_cost("gone");
            }
            Err(error) => {
                metrics::deletion_cost("failed");
                let forbidden = status_code(&error) == Some(403);
                if forbidden && self.enabled.swap(false, Ordering::Relaxed) {
                    let problem = explain("patch", "pods", &error);
                    warn!(%problem, "busy pods are not spared on scale-down");
                }
            }
        }
    }
}
