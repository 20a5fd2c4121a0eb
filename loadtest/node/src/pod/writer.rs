//! Sending a pod's status to the API: the latest one only, again until it arrives.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::sync::watch;

use super::identity::PodIdentity;

/// First and longest wait between attempts.
const RETRY: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5);

/// Patches every status that `statuses` shows, skipping those already superseded. Ends when the
/// sender is dropped and its last status has arrived, or when the pod is gone from the API.
pub(super) async fn write_statuses(
    api: Api<Pod>,
    pod: PodIdentity,
    mut statuses: watch::Receiver<Option<PodStatus>>,
) {
    while statuses.changed().await.is_ok() {
        let mut wait = *RETRY.start();
        loop {
            let Some(status) = statuses.borrow_and_update().clone() else {
                break;
            };
            // The UID keeps a status from reaching a new pod of the same name.
            let patch = json!({"metadata": {"uid": pod.uid}, "status": status});
            let params = PatchParams::default();
            match api
                .patch_status(&pod.name, &params, &Patch::Merge(patch))
                .await
            {
                Ok(_) => break,
                Err(error) if code(&error) == Some(404) => return,
                Err(error) => tracing::warn!(%pod, %error, "status not written, trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(*RETRY.end());
        }
    }
}

/// Deletes the object for good, as the kubelet does when the last process is gone. Tries until the
/// object is gone or another one has its name.
pub(super) async fn delete_object(api: &Api<Pod>, pod: &PodIdentity) {
    let params = DeleteParams::default()
        .grace_period(0)
        .preconditions(Preconditions {
            uid: Some(pod.uid.clone()),
            resource_version: None,
        });
    let mut wait = *RETRY.start();
    loop {
        match api.delete(&pod.name, &params).await {
            Ok(_) => return,
            // 409: an object of that name, but with another UID.
            Err(error) if matches!(code(&error), Some(404 | 409)) => return,
            Err(error) => tracing::warn!(%pod, %error, "object not deleted, trying again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(*RETRY.end());
    }
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
