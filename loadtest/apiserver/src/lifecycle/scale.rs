//! The `scale` subresource.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Part, Target, modify};
use crate::admission;
use crate::api::Api;
use crate::error::ApiError;
use crate::object::{self, text};
use crate::resource::ScalePaths;
use crate::store::Stored;

/// Reads an object's scale.
pub(crate) fn read_scale(api: &Api, target: &Target) -> Result<Value, ApiError> {
    let paths = paths(target)?;
    let stored = api
        .store
        .get(&target.key())
        .ok_or_else(|| target.not_found())?;
    Ok(scale_of(&stored.value, paths))
}

/// Changes an object's replica count through its scale; returns the new scale.
pub(crate) fn write_scale(
    api: &Api,
    target: &Target,
    dry_run: bool,
    change: impl FnOnce(&Value) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let paths = paths(target)?;
    let stored: Arc<Stored> = modify(api, target, Part::Main, dry_run, |object| {
        let new = change(&scale_of(object, paths))?;
        let replicas = new
            .pointer("/spec/replicas")
            .cloned()
            .unwrap_or_else(|| json!(0));
        admission::validate_replicas("Scale.autoscaling", &target.name, &replicas)?;
        let mut object = object.clone();
        set_pointer(&mut object, &paths.spec, replicas);
        for field in ["resourceVersion", "uid"] {
            let wanted = text(&new["metadata"], field);
            if !wanted.is_empty() {
                object["metadata"][field] = json!(wanted);
            }
        }
        Ok(object)
    })?;
    Ok(scale_of(&stored.value, paths))
}

fn paths(target: &Target) -> Result<&ScalePaths, ApiError> {
    target
        .resource
        .scale
        .as_ref()
        .ok_or(ApiError::UnknownResource)
}

/// The `autoscaling/v1` Scale of an object.
fn scale_of(value: &Value, paths: &ScalePaths) -> Value {
    let metadata = &value["metadata"];
    let count = |pointer: &str| value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let selector = paths
        .selector
        .as_deref()
        .and_then(|pointer| value.pointer(pointer));
    let mut status = json!({"replicas": count(&paths.status)});
    if let Some(selector) = selector {
        status["selector"] = json!(selector_text(selector));
    }
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {"replicas": count(&paths.spec)},
        "status": status,
    });
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        object::put(&mut scale["metadata"], field, metadata.get(field).cloned());
    }
    scale
}

/// A label selector in its query form, as `status.selector` carries it.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let sets = object::items(selector, "matchExpressions")
        .iter()
        .map(|expression| {
            let key = text(expression, "key");
            let values: Vec<&str> = object::items(expression, "values")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            match text(expression, "operator") {
                "In" => format!("{key} in ({})", values.join(",")),
                "NotIn" => format!("{key} notin ({})", values.join(",")),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            }
        });
    equal.chain(sets).collect::<Vec<_>>().join(",")
}

/// Sets the value at a JSON pointer, creating objects on the way.
fn set_pointer(value: &mut Value, pointer: &str, content: Value) {
    let fields: Vec<&str> = pointer
        .split('/')
        .filter(|field| !field.is_empty())
        .collect();
    if let Some((last, parents)) = fields.split_last() {
        let parent = parents
            .iter()
            .fold(value, |value, field| object::child(value, field));
        parent[*last] = content;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_shows_replicas_and_selector() {
        let paths = ScalePaths {
            spec: "/spec/replicas".into(),
            status: "/status/replicas".into(),
            selector: Some("/spec/selector".into()),
        };
        let object = json!({"metadata": {"name": "web", "resourceVersion": "7"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}},
            "status": {"replicas": 2}});
        let scale = scale_of(&object, &paths);
        assert_eq!(scale["spec"]["replicas"], 3);
        assert_eq!(
            scale["status"],
            json!({"replicas": 2, "selector": "app=web,tier in (a,b)"})
        );
        assert_eq!(scale["metadata"]["resourceVersion"], "7");
    }
}
