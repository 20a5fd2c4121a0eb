//! What clients ask before they ask for anything: versions, groups, resources, health.
//!
//! The OpenAPI documents name the kinds and the query parameters, and carry no schemas: enough
//! for kubectl to leave validation to the server.

mod groups;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::ApiError;
use crate::resource::Resource;
use groups::Group;

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
    let groups: Vec<Value> = groups::all(&api)
        .iter()
        .filter(|group| !group.name.is_empty())
        .map(api_group)
        .collect();
    Json(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/apis/G`.
pub(crate) async fn group(
    State(api): State<Arc<Api>>,
    Path(group): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let group = groups::all(&api)
        .into_iter()
        .find(|one| one.name == group)
        .ok_or(ApiError::UnknownResource)?;
    let mut body = api_group(&group);
    body["kind"] = json!("APIGroup");
    body["apiVersion"] = json!("v1");
    Ok(Json(body))
}

/// `/openapi/v3`.
pub(crate) async fn openapi_index(State(api): State<Arc<Api>>) -> Json<Value> {
    let paths: Map<String, Value> = groups::local(&api.registry.all())
        .iter()
        .flat_map(|group| {
            let path = |version: &String| api_path(&group.name, version);
            group.versions.iter().map(path)
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

fn api_path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

fn api_group(group: &Group) -> Value {
    let name = &group.name;
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions[0]})
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
