//! Strategic merge patch: RFC 7386 for maps, element-wise merging for lists with a merge key, and
//! the directives `$patch`, `$retainKeys`, `$setElementOrder/x`, `$deleteFromPrimitiveList/x`.
//!
//! Source: Kubernetes' "strategic-merge-patch" design document.

use serde_json::{Map, Value};

use super::keys::{is_set, merge_key};
use crate::error::ApiError;

/// Merges a strategic patch into an object.
pub(super) fn merge(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Some(patch) = patch.as_object() else {
        return Err(ApiError::BadRequest(
            "a strategic merge patch must be an object".to_owned(),
        ));
    };
    merge_map(object, patch)
}

fn merge_map(target: &mut Value, patch: &Map<String, Value>) -> Result<(), ApiError> {
    match patch.get("$patch").and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => {
            *target = Value::Object(without_directives(patch));
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some(other) => {
            return Err(ApiError::BadRequest(format!(
                "unknown patch directive $patch: {other}"
            )));
        }
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else {
        return Ok(());
    };
    for (field, change) in patch {
        if field.starts_with('$') {
            continue;
        }
        match change {
            Value::Null => {
                map.remove(field);
            }
            Value::Object(change) => {
                let deleted = change.get("$patch").and_then(Value::as_str) == Some("delete");
                if deleted {
                    map.remove(field);
                } else {
                    merge_map(map.entry(field.clone()).or_insert(Value::Null), change)?;
                }
            }
            Value::Array(change) => {
                let slot = map.entry(field.clone()).or_insert(Value::Null);
                let order = patch.get(&format!("$setElementOrder/{field}"));
                merge_list(field, slot, change, order.and_then(Value::as_array))?;
            }
            other => {
                map.insert(field.clone(), other.clone());
            }
        }
    }
    delete_primitives(map, patch);
    if let Some(retain) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|field, _| retain.iter().any(|keep| keep.as_str() == Some(field)));
    }
    Ok(())
}

fn delete_primitives(map: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (directive, unwanted) in patch {
        let Some(field) = directive.strip_prefix("$deleteFromPrimitiveList/") else {
            continue;
        };
        if let (Some(list), Some(unwanted)) = (
            map.get_mut(field).and_then(Value::as_array_mut),
            unwanted.as_array(),
        ) {
            list.retain(|element| !unwanted.contains(element));
        }
    }
}

fn merge_list(
    field: &str,
    target: &mut Value,
    patch: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<(), ApiError> {
    let directive = |element: &Value, wanted: &str| {
        element.get("$patch").and_then(Value::as_str) == Some(wanted)
    };
    let mut current = target.as_array().cloned().unwrap_or_default();
    if patch.iter().any(|element| directive(element, "replace")) {
        let kept = patch
            .iter()
            .filter(|element| !directive(element, "replace"));
        *target = Value::Array(kept.cloned().collect());
        return Ok(());
    }
    if is_set(field) {
        for element in patch {
            if !current.contains(element) {
                current.push(element.clone());
            }
        }
        *target = Value::Array(current);
        return Ok(());
    }
    let Some(key) = merge_key(field, current.iter().chain(patch)) else {
        *target = Value::Array(patch.to_vec());
        return Ok(());
    };
    for element in patch {
        let (Some(change), Some(id)) = (element.as_object(), element.get(key)) else {
            return Err(ApiError::BadRequest(format!(
                "map: {element} does not contain declared merge key: {key}"
            )));
        };
        let position = current
            .iter()
            .position(|existing| existing.get(key) == Some(id));
        match (position, directive(element, "delete")) {
            (Some(position), true) => {
                current.remove(position);
            }
            (None, true) => {}
            (Some(position), false) => merge_map(&mut current[position], change)?,
            (None, false) => current.push(Value::Object(without_directives(change))),
        }
    }
    if let Some(order) = order {
        sort_by_order(&mut current, key, order);
    }
    *target = Value::Array(current);
    Ok(())
}

/// Puts the elements that `order` names into its order; others keep to the end.
fn sort_by_order(elements: &mut [Value], key: &str, order: &[Value]) {
    let rank = |element: &Value| {
        order
            .iter()
            .position(|wanted| wanted.get(key) == element.get(key))
            .unwrap_or(order.len())
    };
    elements.sort_by_key(rank);
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(field, value)| !field.starts_with('$') && !value.is_null())
        .map(|(field, value)| (field.clone(), strip(value)))
        .collect()
}

fn strip(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(elements) => Value::Array(elements.iter().map(strip).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(mut object: Value, patch: Value) -> Value {
        merge(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn containers_merge_by_name() {
        let object = json!({"containers": [
            {"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]},
            {"name": "b", "image": "b:1"},
        ]});
        let patch = json!({"containers": [
            {"name": "a", "env": [{"name": "Y", "value": "2"}]},
            {"name": "b", "$patch": "delete"},
            {"name": "c", "image": "c:1"},
        ]});
        assert_eq!(
            merged(object, patch),
            json!({"containers": [
                {"name": "a", "image": "a:1",
                 "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
                {"name": "c", "image": "c:1"},
            ]})
        );
    }

    #[test]
    fn directives_of_kubectl_apply() {
        let object = json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
                            "env": [{"name": "A"}, {"name": "B"}], "finalizers": ["x", "y"]});
        let patch = json!({
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
            "$setElementOrder/env": [{"name": "B"}, {"name": "A"}],
            "env": [{"name": "A", "value": "1"}],
            "$deleteFromPrimitiveList/finalizers": ["x"],
        });
        assert_eq!(
            merged(object, patch),
            json!({"strategy": {"type": "Recreate"},
                   "env": [{"name": "B"}, {"name": "A", "value": "1"}], "finalizers": ["y"]})
        );
    }

    #[test]
    fn other_lists_are_replaced_and_null_removes() {
        let object = json!({"command": ["a", "b"], "x": 1, "m": {"k": 1}});
        let patch = json!({"command": ["c"], "x": null, "m": {"$patch": "replace", "n": 2}});
        assert_eq!(
            merged(object, patch),
            json!({"command": ["c"], "m": {"n": 2}})
        );
    }

    #[test]
    fn an_element_without_its_key_is_refused() {
        let mut object = json!({"containers": [{"name": "a"}]});
        let error = merge(&mut object, &json!({"containers": [{"image": "x"}]})).unwrap_err();
        assert!(error.to_string().contains("merge key: name"), "{error}");
    }
}
