//! Deletion: at once, gracefully (pods on a node), or held back by finalizers.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Target, is_released, put, remove};
use crate::api::Api;
use crate::error::ApiError;
use crate::object::{self, text};
use crate::store::Stored;

/// The body of a DELETE request.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation_policy: Option<String>,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) preconditions: Preconditions,
    pub(crate) dry_run: Vec<String>,
}

/// What must still hold of the object.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// How far a deletion got.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; its last state.
    Removed(Arc<Stored>),
    /// The object is marked; a finalizer or the node will finish.
    Pending(Arc<Stored>),
}

/// Deletes an object, or marks it for deletion.
pub(crate) fn delete(
    api: &Api,
    target: &Target,
    options: &DeleteOptions,
) -> Result<Deleted, ApiError> {
    let key = target.key();
    api.store.transact(!options.dry_run.is_empty(), |tx| {
        let old = tx.get(&key).ok_or_else(|| target.not_found())?;
        check_preconditions(target, options, &old.value)?;
        let mut new = old.value.clone();
        add_propagation_finalizer(options, &mut new)?;
        mark(&key.collection, options, &mut new);
        if is_released(&key.collection, &new) {
            let last = remove(api, tx, &key).ok_or_else(|| target.not_found())?;
            return Ok(Deleted::Removed(last));
        }
        if new == old.value {
            return Ok(Deleted::Pending(old));
        }
        Ok(Deleted::Pending(put(api, tx, &key, new)))
    })
}

fn check_preconditions(
    target: &Target,
    options: &DeleteOptions,
    old: &Value,
) -> Result<(), ApiError> {
    let Preconditions {
        uid,
        resource_version,
    } = &options.preconditions;
    for (field, wanted) in [("uid", uid), ("resourceVersion", resource_version)] {
        let found = text(&old["metadata"], field);
        if let Some(wanted) = wanted
            && wanted != found
        {
            return Err(target.conflict(format!(
                "Precondition failed: {field} in precondition: {wanted}, in object meta: {found}"
            )));
        }
    }
    Ok(())
}

/// Foreground and orphaning deletions are finished by the garbage collector, which a finalizer
/// tells about them.
fn add_propagation_finalizer(options: &DeleteOptions, value: &mut Value) -> Result<(), ApiError> {
    let policy = match (&options.propagation_policy, options.orphan_dependents) {
        (Some(policy), _) => policy.as_str(),
        (None, Some(true)) => "Orphan",
        (None, _) => "Background",
    };
    let finalizer = match policy {
        "Background" => return Ok(()),
        "Foreground" => "foregroundDeletion",
        "Orphan" => "orphan",
        other => {
            return Err(ApiError::BadRequest(format!(
                "unknown propagationPolicy {other:?}; expected Background, Foreground or Orphan"
            )));
        }
    };
    let metadata = object::metadata(value);
    let mut finalizers = object::items(metadata, "finalizers").to_vec();
    if !finalizers.iter().any(|one| one == finalizer) {
        finalizers.push(json!(finalizer));
    }
    metadata["finalizers"] = Value::Array(finalizers);
    Ok(())
}

/// Sets the deletion timestamp and grace period; a repeated deletion may only shorten the latter.
fn mark(collection: &str, options: &DeleteOptions, value: &mut Value) {
    let grace = if collection == "pods" {
        pod_grace(options, value)
    } else {
        0
    };
    let deleting = object::is_deleting(value);
    if collection == "namespaces" {
        object::child(value, "status")["phase"] = json!("Terminating");
    }
    let metadata = object::metadata(value);
    let current = metadata["deletionGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(i64::MAX);
    if deleting && grace >= current {
        return;
    }
    let end = chrono::Utc::now() + chrono::Duration::seconds(grace);
    metadata["deletionTimestamp"] = json!(object::timestamp(end));
    metadata["deletionGracePeriodSeconds"] = json!(grace);
}

/// Seconds a pod has to end. One that no node runs ends at once.
fn pod_grace(options: &DeleteOptions, pod: &Value) -> i64 {
    let finished = matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
    if text(pod, "spec.nodeName").is_empty() || finished {
        return 0;
    }
    options
        .grace_period_seconds
        .or_else(|| pod["spec"]["terminationGracePeriodSeconds"].as_i64())
        .unwrap_or(30)
        .clamp(0, 86_400)
}
