//! Which resources the server knows: the built-in table and those of custom resource definitions.
//!
//! A [`Resource`] is one served (group, version, plural). Several versions of one resource share a
//! *collection*, named `plural.group`, and are converted on the way in and out.

mod autoscaler;
mod builtin;
mod convert;
mod custom;

pub(crate) use convert::{from_storage, to_storage};
pub(crate) use custom::{PrinterColumn, resources_of_definition};

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use serde_json::Value;

use crate::schema::Schema;

/// The `scale` subresource: where the replica counts live, as JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    /// Desired replicas, `/spec/replicas` for the built-in kinds.
    pub(crate) spec: String,
    /// Observed replicas, `/status/replicas` for the built-in kinds.
    pub(crate) status: String,
    /// The selector: an object (`matchLabels`) or a ready-made string.
    pub(crate) selector: Option<String>,
}

/// One served version of one resource type.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Has a `status` subresource: ordinary writes then leave the status alone.
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    /// Further subresources that discovery lists, as (name, kind, verbs).
    pub(crate) extras: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// The version objects are stored in.
    pub(crate) storage_version: String,
    /// The group objects are stored in; differs from `group` for `events.k8s.io` only.
    pub(crate) storage_group: String,
    /// Of a custom resource, if its definition has one.
    pub(crate) schema: Option<Arc<Schema>>,
    /// Present for custom resources: their extra table columns.
    pub(crate) columns: Option<Vec<PrinterColumn>>,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        join_group(&self.group, &self.version)
    }

    /// The stored objects' `apiVersion`.
    pub(crate) fn storage_api_version(&self) -> String {
        join_group(&self.storage_group, &self.storage_version)
    }

    /// `pods` or `deployments.apps`, as error messages name it.
    pub(crate) fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// `Deployment.apps`, as validation errors name it.
    pub(crate) fn qualified_kind(&self) -> String {
        qualified(&self.kind, &self.group)
    }

    /// The collection its objects are stored in, shared by all versions.
    pub(crate) fn collection(&self) -> String {
        qualified(&self.plural, &self.storage_group)
    }

    /// Whether the object needs no conversion to be shown in this version.
    pub(crate) fn is_storage(&self) -> bool {
        self.version == self.storage_version && self.group == self.storage_group
    }

    /// Whether it comes from a custom resource definition.
    pub(crate) fn is_custom(&self) -> bool {
        self.columns.is_some()
    }
}

fn join_group(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

fn qualified(word: &str, group: &str) -> String {
    if group.is_empty() {
        word.to_owned()
    } else {
        format!("{word}.{group}")
    }
}

/// Every resource currently served. Built-in ones are fixed; custom ones come and go.
#[derive(Debug)]
pub(crate) struct Registry {
    builtin: Vec<Arc<Resource>>,
    /// By name of the defining custom resource definition.
    custom: RwLock<BTreeMap<String, Vec<Arc<Resource>>>>,
}

impl Registry {
    /// The built-in table without custom resources.
    pub(crate) fn new() -> Self {
        Self {
            builtin: builtin::table().into_iter().map(Arc::new).collect(),
            custom: RwLock::default(),
        }
    }

    /// Finds what a request path names.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.all().into_iter().find(|resource| {
            resource.plural == plural && resource.version == version && resource.group == group
        })
    }

    /// All served resources, built-in first, in a stable order.
    pub(crate) fn all(&self) -> Vec<Arc<Resource>> {
        let custom = self
            .custom
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        self.builtin
            .iter()
            .chain(custom.values().flatten())
            .cloned()
            .collect()
    }

    /// Serves the versions of a custom resource definition, replacing what it defined before.
    pub(crate) fn define(&self, definition: &Value) {
        let resources = resources_of_definition(definition)
            .into_iter()
            .map(Arc::new)
            .collect();
        self.custom
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .insert(crate::object::name(definition).to_owned(), resources);
    }

    /// Stops serving a definition's resources.
    pub(crate) fn forget(&self, definition_name: &str) {
        self.custom
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .remove(definition_name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_share_a_collection() {
        let registry = Registry::new();
        let v1 = registry
            .find("autoscaling", "v1", "horizontalpodautoscalers")
            .unwrap();
        let v2 = registry
            .find("autoscaling", "v2", "horizontalpodautoscalers")
            .unwrap();
        assert_eq!(v1.collection(), v2.collection());
        let core = registry.find("", "v1", "events").unwrap();
        let events = registry.find("events.k8s.io", "v1", "events").unwrap();
        assert_eq!(core.collection(), events.collection());
    }

    #[test]
    fn definitions_come_and_go() {
        let registry = Registry::new();
        registry.define(&json!({
            "metadata": {"name": "foos.example.dev"},
            "spec": {
                "group": "example.dev", "scope": "Namespaced",
                "names": {"plural": "foos", "kind": "Foo", "shortNames": ["fo"]},
                "versions": [{"name": "v1", "served": true, "storage": true,
                              "subresources": {"status": {}}}],
            },
        }));
        let foo = registry.find("example.dev", "v1", "foos").unwrap();
        assert!(foo.status && foo.is_custom() && foo.scale.is_none());
        registry.forget("foos.example.dev");
        assert!(registry.find("example.dev", "v1", "foos").is_none());
    }
}
