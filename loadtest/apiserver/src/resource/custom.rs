//! From a `CustomResourceDefinition` object to the resources it serves.

use std::sync::Arc;

use serde_json::Value;

use super::{Resource, ScalePaths};
use crate::object::{items, text};
use crate::schema::Schema;

/// One of `additionalPrinterColumns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrinterColumn {
    pub(crate) name: String,
    /// `string`, `integer`, `date`, ...
    pub(crate) kind: String,
    /// Simple JSON path such as `.spec.replicas`.
    pub(crate) path: String,
    /// 0 is always shown; above that only with `-o wide`.
    pub(crate) priority: i64,
}

/// The resources of a definition, one per served version, storage version first.
///
/// Versions differ in name only: conversion between them is `None`, as in a definition without
/// a conversion webhook.
pub(crate) fn resources_of_definition(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let versions = items(spec, "versions");
    let is_storage = |version: &&Value| version["storage"] == Value::Bool(true);
    let Some(storage) = versions.iter().find(is_storage) else {
        return Vec::new();
    };
    let mut served: Vec<&Value> = versions
        .iter()
        .filter(|version| version["served"] == Value::Bool(true))
        .collect();
    served.sort_by_key(|version| !is_storage(version));
    served
        .into_iter()
        .map(|version| resource(spec, version, text(storage, "name")))
        .collect()
}

fn resource(spec: &Value, version: &Value, storage_version: &str) -> Resource {
    let strings = |path| {
        items(spec, path)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let subresources = &version["subresources"];
    Resource {
        group: text(spec, "group").to_owned(),
        version: text(version, "name").to_owned(),
        kind: text(spec, "names.kind").to_owned(),
        plural: text(spec, "names.plural").to_owned(),
        short_names: strings("names.shortNames"),
        categories: strings("names.categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        status: subresources["status"].is_object(),
        scale: subresources["scale"].is_object().then(|| ScalePaths {
            spec: pointer(text(subresources, "scale.specReplicasPath")),
            status: pointer(text(subresources, "scale.statusReplicasPath")),
            selector: subresources["scale"]["labelSelectorPath"]
                .as_str()
                .map(pointer),
        }),
        extras: &[],
        schema: Schema::of_version(version).map(Arc::new),
        storage_version: storage_version.to_owned(),
        storage_group: text(spec, "group").to_owned(),
        columns: Some(
            items(version, "additionalPrinterColumns")
                .iter()
                .map(column)
                .collect(),
        ),
    }
}

fn column(column: &Value) -> PrinterColumn {
    PrinterColumn {
        name: text(column, "name").to_owned(),
        kind: text(column, "type").to_owned(),
        path: text(column, "jsonPath").to_owned(),
        priority: column["priority"].as_i64().unwrap_or(0),
    }
}

/// `.spec.replicas` as the JSON pointer `/spec/replicas`.
fn pointer(path: &str) -> String {
    path.replace('.', "/")
}
