//! What clients ask before they ask for anything: versions, groups, resources, health.
//!
//! The OpenAPI documents name the kinds and the query parameters, and carry no schemas: enough
//! for kubectl to leave validation to the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::ApiError;
use crate::resource::Resource;

/// The Kubernetes minor version whose behaviour is imitated.
const MINOR: &str = "32";

/// `/version`.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+viperscale.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("linux/{}", std::env::consts::ARCH),
    }))
}

/// `/api`.
pub(crate) async fn core_versions() -> Json<Value> {
    Json(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}))
}

/// `/api/v1`.
pub(crate) async fn core_resources(State(api): State<Arc<Api>>) -> Result<Json<Value>, ApiError> {
    resource_list(&api, "", "v1")
}

/// `/apis/G/V`.
pub(crate) async fn group_resources(
    State(api): State<Arc<Api>>,
    Path((group, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    resource_list(&api, &group, &version)
}

/// `/apis`.
pub(crate) async fn groups(State(api): State<Arc<Api>>) -> Json<Value> {
    let groups: Vec<Value> = group_versions(&api)
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| api_group(group, versions))
        .collect();
    Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/apis/G`.
pub(crate) async fn group(
    State(api): State<Arc<Api>>,
    Path(group): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let groups = group_versions(&api);
    let versions = groups.get(&group).ok_or(ApiError::UnknownResource)?;
    let mut body = api_group(&group, versions);
    body["kind"] = json!("APIGroup");
    body["apiVersion"] = json!("v1");
    Ok(Json(body))
}

/// `/openapi/v3`.
pub(crate) async fn openapi_index(State(api): State<Arc<Api>>) -> Json<Value> {
    let paths: Map<String, Value> = group_versions(&api)
        .into_iter()
        .flat_map(|(group, versions)| {
            versions
                .into_iter()
                .map(move |version| api_path(&group, &version))
        })
        .map(|path| {
            let url = format!("/openapi/v3/{path}");
            (path, json!({"serverRelativeURL": url}))
        })
        .collect();
    Json(json!({"paths": paths}))
}

/// `/openapi/v3/apis/G/V`.
pub(crate) async fn openapi_document(
    State(api): State<Arc<Api>>,
    Path(path): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let resources: Vec<Arc<Resource>> = api
        .registry
        .all()
        .into_iter()
        .filter(|resource| api_path(&resource.group, &resource.version) == path)
        .collect();
    if resources.is_empty() {
        return Err(ApiError::UnknownResource);
    }
    let paths: Map<String, Value> = resources
        .iter()
        .map(|resource| openapi_path(&path, resource))
        .collect();
    Ok(Json(json!({
        "openapi": "3.0.0",
        "info": {"title": "Viperscale local cluster", "version": format!("v1.{MINOR}.0")},
        "paths": paths,
        "components": {"schemas": {}},
    })))
}

fn openapi_path(prefix: &str, resource: &Resource) -> (String, Value) {
    let namespace = if resource.namespaced {
        "namespaces/{namespace}/"
    } else {
        ""
    };
    let path = format!("/{prefix}/{namespace}{}/{{name}}", resource.plural);
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    let kind = json!({
        "group": resource.group, "version": resource.version, "kind": resource.kind,
    });
    let operation = |action: &str| {
        json!({
            "parameters": parameters,
            "responses": {},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        })
    };
    (
        path,
        json!({"patch": operation("patch"), "put": operation("put")}),
    )
}

/// Versions of each group, preferred first; groups are ordered by name.
fn group_versions(api: &Api) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for resource in api.registry.all() {
        let versions = groups.entry(resource.group.clone()).or_default();
        if !versions.contains(&resource.version) {
            versions.push(resource.version.clone());
        }
    }
    groups
}

fn api_path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

fn api_group(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions[0]})
}

fn resource_list(api: &Api, group: &str, version: &str) -> Result<Json<Value>, ApiError> {
    let entries: Vec<Value> = api
        .registry
        .all()
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .flat_map(|resource| entries(resource))
        .collect();
    if entries.is_empty() {
        return Err(ApiError::UnknownResource);
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Ok(Json(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    })))
}

/// A resource and its subresources, as discovery lists them.
fn entries(resource: &Resource) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural,
        "singularName": resource.kind.to_lowercase(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    if !resource.short_names.is_empty() {
        main["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        main["categories"] = json!(resource.categories);
    }
    let sub = |name: &str, kind: &str, verbs: &[&str]| {
        json!({
            "name": format!("{}/{name}", resource.plural),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": verbs,
        })
    };
    let mut entries = vec![main];
    if resource.status {
        entries.push(sub("status", &resource.kind, &["get", "patch", "update"]));
    }
    if resource.scale.is_some() {
        let mut scale = sub("scale", "Scale", &["get", "patch", "update"]);
        scale["group"] = json!("autoscaling");
        scale["version"] = json!("v1");
        entries.push(scale);
    }
    entries.extend(
        resource
            .extras
            .iter()
            .map(|(name, kind, verbs)| sub(name, kind, verbs)),
    );
    entries
}
