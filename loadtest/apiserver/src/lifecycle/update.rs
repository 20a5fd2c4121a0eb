//! Changes: PUT and every kind of PATCH, on an object or its `status`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::create::{check_type, complete};
use super::{Target, is_released, put, remove};
use crate::admission;
use crate::api::Api;
use crate::error::ApiError;
use crate::object::{self, text};
use crate::resource::{from_storage, to_storage};
use crate::store::Stored;

/// Metadata that only the server sets.
const SYSTEM_METADATA: [&str; 7] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
];

/// Which part of an object a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything, or everything but the status when that is a subresource.
    Main,
    /// The status alone.
    Status,
    /// A namespace's `spec.finalizers` alone.
    Finalize,
}

/// Replaces an object by what `change` makes of it (both in the target's version). A change that
/// changes nothing keeps the resourceVersion and wakes no watcher.
///
/// # Errors
/// `Conflict` when the changed object names another uid or resourceVersion than the stored one.
pub(crate) fn modify(
    api: &Api,
    target: &Target,
    part: Part,
    dry_run: bool,
    change: impl FnOnce(&Value) -> Result<Value, ApiError>,
) -> Result<Arc<Stored>, ApiError> {
    let key = target.key();
    api.store.transact(dry_run, |tx| {
        let old = tx.get(&key).ok_or_else(|| target.not_found())?;
        let mut shown = old.value.clone();
        from_storage(&target.resource, &mut shown);
        let mut new = change(&shown)?;
        check_type(target, &mut new)?;
        check_preconditions(target, &old.value, &new)?;
        to_storage(&target.resource, &mut new);
        let mut new = keep_other_parts(target, part, &old.value, new);
        keep_system_metadata(&old.value, &mut new);
        if part == Part::Main {
            admission::apply_defaults(&key.collection, &mut new);
            complete(target, &mut new);
            admission::validate(&target.resource, &new)?;
            admission::validate_update(&target.resource, &old.value, &new)?;
            if content(&old.value) != content(&new) {
                let generation = object::integer(&old.value, "metadata.generation") + 1;
                object::metadata(&mut new)["generation"] = json!(generation);
            }
        }
        if part == Part::Status {
            admission::admit_status(&target.resource, &mut new)?;
        }
        object::metadata(&mut new)["resourceVersion"] =
            object::at(&old.value, "metadata.resourceVersion").clone();
        if is_released(&key.collection, &new) {
            put(api, tx, &key, new);
            return remove(api, tx, &key).ok_or_else(|| target.not_found());
        }
        if new == old.value {
            return Ok(old);
        }
        Ok(put(api, tx, &key, new))
    })
}

fn check_preconditions(target: &Target, old: &Value, new: &Value) -> Result<(), ApiError> {
    let name = object::name(new);
    if !name.is_empty() && name != target.name {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    let uid = text(new, "metadata.uid");
    if !uid.is_empty() && uid != text(old, "metadata.uid") {
        return Err(target.conflict(format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            text(old, "metadata.uid")
        )));
    }
    let version = text(new, "metadata.resourceVersion");
    if !version.is_empty() && version != text(old, "metadata.resourceVersion") {
        return Err(target.conflict(
            "the object has been modified; please apply your changes to the latest version and try again",
        ));
    }
    Ok(())
}

fn keep_other_parts(target: &Target, part: Part, old: &Value, mut new: Value) -> Value {
    match part {
        Part::Main => {
            if target.resource.status {
                object::put(&mut new, "status", old.get("status").cloned());
            }
            new
        }
        Part::Status => {
            let mut kept = old.clone();
            object::put(&mut kept, "status", object::remove(&mut new, "status"));
            kept
        }
        Part::Finalize => {
            let mut kept = old.clone();
            let finalizers = object::at(&new, "spec.finalizers").clone();
            object::child(&mut kept, "spec")["finalizers"] = finalizers;
            kept
        }
    }
}

fn keep_system_metadata(old: &Value, new: &mut Value) {
    let metadata = object::metadata(new);
    for field in SYSTEM_METADATA {
        object::put(metadata, field, old["metadata"].get(field).cloned());
    }
}

/// What counts for `metadata.generation`: everything but metadata and status.
fn content(value: &Value) -> Value {
    let mut content = value.clone();
    object::remove(&mut content, "metadata");
    object::remove(&mut content, "status");
    content
}
