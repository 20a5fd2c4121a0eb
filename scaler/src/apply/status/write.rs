//! One status to the API server.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;

use super::super::{Gate, Leadership};
use super::Due;
use crate::cluster::{explain, status_code};
use crate::crd::ScalingPolicy;

/// As which writer the API server records us.
const FIELD_MANAGER: &str = "viperscale-scaler";
/// As short as that of replica counts: leadership must last for as long as a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a status was not written.
pub(super) enum Failure {
    /// Another scaler leads, or may before the write is over.
    NotLeader,
    /// The object is gone, or another one has its name by now.
    Gone,
    /// Something else, in words.
    Other(String),
}

/// Writes a status while `leadership` lasts.
pub(super) async fn write(
    client: Client,
    leadership: &Leadership,
    due: &Due,
) -> Result<(), Failure> {
    if leadership.check(REQUEST_TIMEOUT).is_err() {
        return Err(Failure::NotLeader);
    }
    let api: Api<ScalingPolicy> = Api::namespaced(client, &due.key.namespace);
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    // The UID is a precondition: another object of that name is another policy.
    let patch = Patch::Merge(json!({"metadata": {"uid": due.uid}, "status": due.status}));
    let written = api.patch_status(&due.key.name, &params, &patch);
    match timeout(REQUEST_TIMEOUT, written).await {
        // The answer could not be read, so the status was written.
        Ok(Ok(_)) | Ok(Err(kube::Error::SerdeError(_))) => Ok(()),
        Ok(Err(error)) if matches!(status_code(&error), Some(404 | 409)) => Err(Failure::Gone),
        Ok(Err(error)) => Err(Failure::Other(explain(
            "patch",
            "scalingpolicies/status",
            &error,
        ))),
        Err(_) => Err(Failure::Other(format!(
            "patch scalingpolicies/status: no answer within {} s",
            REQUEST_TIMEOUT.as_secs()
        ))),
    }
}
