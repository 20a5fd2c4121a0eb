//! Writing `spec.replicas` through the `scale` subresource.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::{Denied, FIELD_MANAGER, Gate};
use crate::cluster::{explain, is_transient, retry_after, status_code};
use crate::workloads::DeploymentRecord;

const RESOURCE: &str = "deployments/scale";
/// One request; an API server that takes longer is as good as absent. Shorter than a lease's
/// remaining time after a renewal, else the leader could never write: see `election::Timing`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);
/// A decision older than this is no longer worth carrying out: the next one knows better.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
/// A leader whose lease is about to be renewed waits this long for that.
const RENEWAL_PATIENCE: Duration = Duration::from_millis(100);
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
    /// It is not allowed, or not any more.
    Denied(Denied),
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
/// jittered back-off, for a few seconds, and never sooner than the server asks. An attempt whose
/// answer was lost may have been carried out: where the replicas turn out to be `to` after one, they
/// are ours, so it counts once, and is nobody else's conflict.
///
/// `gate` is asked before each attempt, for as long as one may take. What no check on this side can
/// rule out is a request that was sent in time and is delivered late; the version is its fence: once
/// the next leader, or anyone, has changed the Deployment, the API server answers it with 409.
///
/// # Errors
/// See [`PatchError`].
pub async fn patch_scale(
    client: &Client,
    gate: &impl Gate,
    seen: &DeploymentRecord,
    to: u32,
) -> Result<Written, PatchError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &seen.key.namespace);
    let give_up_at = Instant::now() + GIVE_UP_AFTER;
    let mut resource_version = seen.resource_version.clone();
    let mut backoff = FIRST_BACKOFF;
    let mut conflicts = 0;
    // Whether the answer to an earlier attempt was lost.
    let mut in_doubt = false;
    loop {
        // For the whole request: one that is still on its way when the lease ends may arrive after
        // the next leader's first.
        if let Err(denied) = gate.check(REQUEST_TIMEOUT) {
            if denied != Denied::LeaseEnds || Instant::now() + RENEWAL_PATIENCE > give_up_at {
                return Err(PatchError::Denied(denied));
            }
            sleep(RENEWAL_PATIENCE).await;
            if Instant::now() > give_up_at {
                return Err(PatchError::Denied(denied));
            }
            continue;
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
                    Ok(now) if now.replicas == seen.replicas => {
                        debug!(deployment = %seen.key, "version changed, replicas did not");
                        resource_version = now.resource_version;
                        if Instant::now() < give_up_at {
                            continue;
                        }
                        ("patch", Failure::Api(error))
                    }
                    Ok(now) if in_doubt && now.replicas == to => {
                        let resource_version = now.resource_version;
                        return Ok(Written { resource_version });
                    }
                    Ok(now) => {
                        let found = now.replicas;
                        return Err(PatchError::Conflict { found });
                    }
                    Err(ReadAgain::Gone) => return Err(PatchError::Gone),
                    Err(ReadAgain::Failed(error)) => ("get", error),
                }
            }
            Err(error) => {
                in_doubt |= error.may_have_been_carried_out();
                ("patch", error)
            }
        };
        if error.is_gone() {
            return Err(PatchError::Gone);
        }
        let pause = jittered(backoff).max(error.asked_to_wait());
        if !error.is_transient() || Instant::now() + pause > give_up_at {
            return Err(failed(verb, &error));
        }
        debug!(deployment = %seen.key, problem = %error.explain(verb), "retrying");
        sleep(pause).await;
        // A process that was stopped meanwhile wakes up with a decision from another time.
        if Instant::now() > give_up_at {
            return Err(failed(verb, &error));
        }
        backoff *= 2;
    }
}

/// A request that did not work.
enum Failure {
    Api(kube::Error),
    TimedOut,
}

/// The Deployment as it is now.
struct Now {
    resource_version: String,
    replicas: u32,
}

/// Why it is not known.
enum ReadAgain {
    Gone,
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

/// What there is now, if it is still the same Deployment.
async fn read_again(api: &Api<Deployment>, seen: &DeploymentRecord) -> Result<Now, ReadAgain> {
    let scale = in_time(api.get_scale(&seen.key.name))
        .await
        .map_err(ReadAgain::Failed)?;
    let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
    if scale.metadata.uid.is_some_and(|uid| *uid != *seen.uid) {
        return Err(ReadAgain::Gone);
    }
    Ok(Now {
        resource_version: scale.metadata.resource_version.unwrap_or_default(),
        replicas: u32::try_from(replicas).unwrap_or(0),
    })
}

async fn in_time(request: impl Future<Output = kube::Result<Scale>>) -> Result<Scale, Failure> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Failure::Api),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Between half of `backoff` and all of it, so that many failures do not retry at once.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(0.5 + fastrand::f64() / 2.0)
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

    /// Whether the API server may have done it all the same: it did not say no.
    fn may_have_been_carried_out(&self) -> bool {
        match self {
            Failure::Api(error) => status_code(error).is_none_or(|code| code >= 500),
            Failure::TimedOut => true,
        }
    }

    /// How long the server wants to be left alone; zero when it said nothing of the kind.
    fn asked_to_wait(&self) -> Duration {
        match self {
            Failure::Api(error) => retry_after(error),
            Failure::TimedOut => Duration::ZERO,
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
