//! What happens to an object over its life: create, change, delete.
//!
//! Everything here runs under the store's lock, so it is one atomic step for every client.

mod binding;
mod create;
mod delete;
mod scale;
mod update;

pub(crate) use binding::bind;
pub(crate) use create::create;
pub(crate) use delete::{DeleteOptions, Deleted, delete};
pub(crate) use scale::{read_scale, write_scale};
pub(crate) use update::{Part, modify};

use std::sync::Arc;

use serde_json::Value;

use crate::api::Api;
use crate::error::ApiError;
use crate::object;
use crate::resource::{Resource, resources_of_definition};
use crate::store::{Key, Stored, Transaction};

const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// An object, or a whole collection, as a request path names it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped resources, and for collections across all namespaces.
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        self.key_of(&self.name)
    }

    fn key_of(&self, name: &str) -> Key {
        Key {
            collection: self.resource.collection(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::NotFound {
            resource: self.resource.qualified(),
            name: self.name.clone(),
        }
    }

    fn conflict(&self, why: impl Into<String>) -> ApiError {
        ApiError::Conflict {
            resource: self.resource.qualified(),
            name: self.name.clone(),
            why: why.into(),
        }
    }
}

/// Stores an object, with the side effects that some kinds have.
fn put(api: &Api, tx: &mut Transaction<'_>, key: &Key, value: Value) -> Arc<Stored> {
    let stored = tx.put(key, value);
    if !tx.is_dry_run() && key.collection == DEFINITIONS {
        api.registry.define(&stored.value);
    }
    stored
}

/// Removes an object, with the side effects that some kinds have: a custom resource definition
/// takes its objects with it.
fn remove(api: &Api, tx: &mut Transaction<'_>, key: &Key) -> Option<Arc<Stored>> {
    if !tx.is_dry_run()
        && key.collection == DEFINITIONS
        && let Some(definition) = tx.get(key)
    {
        api.registry.forget(&key.name);
        if let Some(resource) = resources_of_definition(&definition.value).first() {
            let collection = resource.collection();
            let instances: Vec<Key> = tx
                .objects(&collection)
                .map(|stored| Key {
                    collection: collection.clone(),
                    namespace: object::namespace(&stored.value).to_owned(),
                    name: object::name(&stored.value).to_owned(),
                })
                .collect();
            for instance in instances {
                tx.remove(&instance);
            }
        }
    }
    tx.remove(key)
}

/// Whether nothing holds back the final removal of an object that is being deleted.
fn is_released(collection: &str, value: &Value) -> bool {
    object::is_deleting(value)
        && !object::has_finalizers(value)
        && match collection {
            // The node confirms the end of a pod by deleting it with a grace period of 0.
            "pods" => object::integer(value, "metadata.deletionGracePeriodSeconds") == 0,
            "namespaces" => object::items(value, "spec.finalizers").is_empty(),
            _ => true,
        }
}
