//! Writing `spec.replicas` through the `scale` subresource.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use rand::Rng;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::Leadership;
use crate::cluster::{explain, is_transient, status_code};
use crate::workloads::DeploymentRecord;

/// Who the API server is told writes.
const FIELD_MANAGER: &str = "viperscale";
const RESOURCE: &str = "deployments/scale";
/// One request; an API server that takes longer is as good as absent.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// A decision older than this is no longer worth carrying out: the next one knows better.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// The Deployment's version also changes with its status, so conflicts that are none are common
/// while pods start; but not this many times in a row.
const MAX_CONFLICTS: u32 = 8;

/// A replica count was written.
#[derive(Debug)]
pub struct Written {
    /// The version of the Deployment that this made.
    pub resource_version: String,
}

/// Why a replica count was not written.
#[derive(Debug, PartialEq)]
pub enum PatchError {
    /// Someone else changed it since.
    Conflict {
        /// `spec.replicas` now.
        found: u32,
    },
    /// The Deployment is gone, or another one has its name.
    Gone,
    /// Leadership ended meanwhile.
    NotLeader,
    /// The API server refused or did not answer.
    Failed {
        /// What went wrong and what to do.
        problem: String,
    },
}

/// Sets the replicas of `seen` to `to`, if they are still what `seen` says.
///
/// The version that `seen` was read at is a precondition of the PATCH. When it has changed, the
/// object is read again: only if its replicas are still the same is the PATCH repeated, so that a
/// human's concurrent change is never overwritten. Failures that may pass are retried with
/// jittered back-off, for a few seconds.
///
/// # Errors
/// See [`PatchError`].
pub async fn patch_scale(
    client: &Client,
    leadership: &Leadership,
    seen: &DeploymentRecord,
    to: u32,
) -> Result<Written, PatchError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &seen.key.namespace);
    let give_up_at = Instant::now() + GIVE_UP_AFTER;
    let mut resource_version = seen.resource_version.clone();
    let mut backoff = FIRST_BACKOFF;
    let mut conflicts = 0;
    loop {
        if !leadership.is_leader() {
            return Err(PatchError::NotLeader);
        }
        let (verb, error) = match patch_once(&api, seen, &resource_version, to).await {
            Ok(scale) => {
                let resource_version = scale.metadata.resource_version.unwrap_or_default();
                return Ok(Written { resource_version });
            }
            Err(Failure::Api(error)) if status_code(&error) == Some(409) => {
                conflicts += 1;
                if conflicts > MAX_CONFLICTS {
                    return Err(failed("patch", &Failure::Api(error)));
                }
                match read_again(&api, seen).await {
                    Ok(version) => {
                        debug!(deployment = %seen.key, "version changed, replicas did not");
                        resource_version = version;
                        continue;
                    }
                    Err(ReadAgain::Changed(error)) => return Err(error),
                    Err(ReadAgain::Failed(error)) => ("get", error),
                }
            }
            Err(error) => ("patch", error),
        };
        if error.is_gone() {
            return Err(PatchError::Gone);
        }
        let pause = jittered(backoff);
        if !error.is_transient() || Instant::now() + pause > give_up_at {
            return Err(failed(verb, &error));
        }
        debug!(deployment = %seen.key, problem = %error.explain(verb), "retrying");
        sleep(pause).await;
        backoff *= 2;
    }
}

/// A request that did not work.
enum Failure {
    Api(kube::Error),
    TimedOut,
}

/// Why the PATCH cannot just be repeated.
enum ReadAgain {
    Changed(PatchError),
    Failed(Failure),
}

async fn patch_once(
    api: &Api<Deployment>,
    seen: &DeploymentRecord,
    resource_version: &str,
    to: u32,
) -> Result<Scale, Failure> {
    let patch = json!({
        "metadata": {"resourceVersion": resource_version},
        "spec": {"replicas": to},
    });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(patch);
    in_time(api.patch_scale(&seen.key.name, &params, &patch)).await
}

/// The version to patch now, if the replicas are still what they were.
async fn read_again(api: &Api<Deployment>, seen: &DeploymentRecord) -> Result<String, ReadAgain> {
    let scale = in_time(api.get_scale(&seen.key.name))
        .await
        .map_err(ReadAgain::Failed)?;
    let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
    let found = u32::try_from(replicas).unwrap_or(0);
    if scale.metadata.uid.is_some_and(|uid| *uid != *seen.uid) {
        return Err(ReadAgain::Changed(PatchError::Gone));
    }
    if found != seen.replicas {
        return Err(ReadAgain::Changed(PatchError::Conflict { found }));
    }
    Ok(scale.metadata.resource_version.unwrap_or_default())
}

async fn in_time(request: impl Future<Output = kube::Result<Scale>>) -> Result<Scale, Failure> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Failure::Api),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Between half of `backoff` and all of it, so that many failures do not retry at once.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(rand::rng().random_range(0.5..=1.0))
}

fn failed(verb: &str, failure: &Failure) -> PatchError {
    PatchError::Failed {
        problem: failure.explain(verb),
    }
}

impl Failure {
    fn is_transient(&self) -> bool {
        match self {
            Failure::Api(error) => is_transient(error),
            Failure::TimedOut => true,
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Failure::Api(error) if status_code(error) == Some(404))
    }

    fn explain(&self, verb: &str) -> String {
        match self {
            Failure::Api(error) => explain(verb, RESOURCE, error),
            Failure::TimedOut => {
                format!(
                    "{verb} {RESOURCE}: no answer within {} s",
                    REQUEST_TIMEOUT.as_secs()
                )
            }
        }
    }
}
