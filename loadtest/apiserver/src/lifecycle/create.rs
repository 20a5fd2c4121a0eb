//! Creation.

use std::sync::Arc;

use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::{Target, put};
use crate::admission;
use crate::api::Api;
use crate::error::ApiError;
use crate::object::{self, text};
use crate::resource::to_storage;
use crate::store::{Key, Stored, Transaction};

/// No vowels and no look-alikes, as Kubernetes' own generator: names spell nothing.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Creates the object in `body` (in the target's version).
pub(crate) fn create(
    api: &Api,
    target: &Target,
    mut body: Value,
    dry_run: bool,
) -> Result<Arc<Stored>, ApiError> {
    check_type(target, &mut body)?;
    prepare_metadata(target, &mut body)?;
    to_storage(&target.resource, &mut body);
    let collection = target.resource.collection();
    drop_status(target, &mut body);
    admission::apply_defaults(&collection, &mut body);
    complete(target, &mut body);
    admission::validate(&target.resource, &body)?;
    let key = target.key_of(object::name(&body));
    api.store.transact(dry_run, |tx| {
        check_namespace(tx, target, &key.name)?;
        if tx.get(&key).is_some() {
            return Err(ApiError::AlreadyExists {
                resource: target.resource.qualified(),
                name: key.name.clone(),
            });
        }
        if collection == "events" {
            make_room_for_event(tx);
        }
        tx.check_room(&collection)?;
        if collection == "services" {
            admission::allocate_address(tx, &mut body)?;
        }
        Ok(put(api, tx, &key, body))
    })
}

/// Prunes and fills in what the schema of a custom resource says.
pub(super) fn complete(target: &Target, body: &mut Value) {
    if let Some(schema) = &target.resource.schema {
        schema.complete(body);
    }
}

/// Fills in or checks `apiVersion` and `kind`.
pub(super) fn check_type(target: &Target, body: &mut Value) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::BadRequest(
            "the body must be a JSON or YAML object".to_owned(),
        ));
    }
    let resource = &target.resource;
    for (field, expected) in [
        ("apiVersion", resource.api_version()),
        ("kind", resource.kind.clone()),
    ] {
        object::set_default(body, field, expected.as_str());
        let found = text(body, field);
        if found != expected {
            return Err(ApiError::BadRequest(format!(
                "the {field} in the data ({found}) does not match the expected one ({expected})"
            )));
        }
    }
    Ok(())
}

fn prepare_metadata(target: &Target, body: &mut Value) -> Result<(), ApiError> {
    let metadata = object::metadata(body);
    if !text(metadata, "resourceVersion").is_empty() {
        return Err(ApiError::BadRequest(
            "resourceVersion should not be set on objects to be created".to_owned(),
        ));
    }
    let prefix = text(metadata, "generateName");
    if text(metadata, "name").is_empty() && !prefix.is_empty() {
        metadata["name"] = json!(format!("{prefix}{}", random_suffix()));
    }
    if text(metadata, "name").is_empty() {
        return Err(ApiError::Invalid {
            kind: target.resource.qualified_kind(),
            name: String::new(),
            causes: vec![crate::error::Cause {
                reason: "FieldValueRequired",
                field: "metadata.name".to_owned(),
                message: "Required value: name or generateName is required".to_owned(),
            }],
        });
    }
    if target.resource.namespaced {
        if target.namespace.is_empty() {
            return Err(ApiError::BadRequest(
                "an empty namespace may not be set during creation".to_owned(),
            ));
        }
        object::set_default(metadata, "namespace", target.namespace.as_str());
        let namespace = text(metadata, "namespace");
        if namespace != target.namespace {
            return Err(ApiError::BadRequest(format!(
                "the namespace of the provided object does not match the namespace sent on the \
                 request ({namespace} != {})",
                target.namespace
            )));
        }
    } else {
        object::remove(metadata, "namespace");
    }
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        object::remove(metadata, field);
    }
    metadata["uid"] = json!(uuid::Uuid::new_v4().to_string());
    metadata["creationTimestamp"] = json!(object::timestamp(chrono::Utc::now()));
    metadata["generation"] = json!(1);
    Ok(())
}

/// Five random characters, as `generateName` appends them.
fn random_suffix() -> String {
    let mut rng = rand::rng();
    (0..5)
        .filter_map(|_| NAME_ALPHABET.choose(&mut rng))
        .map(|byte| char::from(*byte))
        .collect()
}

/// A client states what it wants; what is comes from whoever owns the status. Nodes are the
/// exception: a kubelet registers with its status.
fn drop_status(target: &Target, body: &mut Value) {
    if target.resource.status && target.resource.plural != "nodes" {
        object::remove(body, "status");
    }
}

fn check_namespace(tx: &Transaction<'_>, target: &Target, name: &str) -> Result<(), ApiError> {
    if !target.resource.namespaced {
        return Ok(());
    }
    let key = Key {
        collection: "namespaces".to_owned(),
        namespace: String::new(),
        name: target.namespace.clone(),
    };
    match tx.get(&key) {
        None => Err(ApiError::NotFound {
            resource: "namespaces".to_owned(),
            name: target.namespace.clone(),
        }),
        Some(namespace) if object::is_deleting(&namespace.value) => Err(ApiError::Forbidden {
            resource: target.resource.qualified(),
            name: name.to_owned(),
            why: format!(
                "unable to create new content in namespace {} because it is being terminated",
                target.namespace
            ),
        }),
        Some(_) => Ok(()),
    }
}

/// Removes the oldest event when the limit is reached. Revisions order events by their last
/// change, so a repeating event stays.
fn make_room_for_event(tx: &mut Transaction<'_>) {
    if tx.objects("events").count() < tx.event_limit() {
        return;
    }
    let oldest = tx
        .objects("events")
        .min_by_key(|event| event.revision)
        .map(|event| Key {
            collection: "events".to_owned(),
            namespace: object::namespace(&event.value).to_owned(),
            name: object::name(&event.value).to_owned(),
        });
    if let Some(oldest) = oldest {
        tx.remove(&oldest);
    }
}
