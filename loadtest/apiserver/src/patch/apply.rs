//! Server-side apply, simplified: a strategic merge of the applied configuration, with removal of
//! fields that the same manager applied before and leaves out now.
//!
//! Deliberately absent: conflicts between managers (the last writer wins, as with `--force`).

use serde_json::{Map, Value, json};

use super::keys::merge_key;
use super::strategic;
use crate::error::ApiError;
use crate::object;

/// Merges an applied configuration into an object.
pub(crate) fn apply(object: &mut Value, applied: &Value) -> Result<(), ApiError> {
    let mut applied = applied.clone();
    for field in ["managedFields", "creationTimestamp", "uid", "generation"] {
        if let Some(metadata) = applied.get_mut("metadata") {
            object::remove(metadata, field);
        }
    }
    strategic::merge(object, &applied)
}

/// Records in `metadata.managedFields` what a manager applied, and takes out of `result` what it
/// had applied before and no longer does. `now` is RFC 3339.
pub(crate) fn record_manager(
    result: &mut Value,
    applied: &Value,
    manager: &str,
    subresource: Option<&str>,
    now: &str,
) {
    let fields = field_set("", applied);
    let entries = object::items(result, "metadata.managedFields").to_vec();
    let is_ours = |entry: &Value| {
        entry["manager"] == manager
            && entry["operation"] == "Apply"
            && entry["subresource"].as_str() == subresource
    };
    let before = entries.iter().find(|entry| is_ours(entry));
    if let Some(before) = before {
        remove_left_out(result, &before["fieldsV1"], &fields);
    }
    let unchanged = before.filter(|before| before["fieldsV1"] == fields);
    let time = unchanged.map_or(json!(now), |before| before["time"].clone());
    let mut entry = json!({
        "manager": manager,
        "operation": "Apply",
        "apiVersion": applied["apiVersion"],
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    });
    object::put(
        &mut entry,
        "subresource",
        subresource.map(|name| json!(name)),
    );
    let others = entries.iter().filter(|entry| !is_ours(entry)).cloned();
    let entries: Vec<Value> = others.chain([entry]).collect();
    object::metadata(result)["managedFields"] = Value::Array(entries);
}

/// The `FieldsV1` form of a value: `f:name` for fields, `k:{"name":"x"}` for list elements.
fn field_set(field: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let identity = |name: &str| {
                field.is_empty() && matches!(name, "apiVersion" | "kind")
                    || field == "metadata" && matches!(name, "name" | "namespace")
            };
            let fields = map.iter().filter(|(name, _)| !identity(name));
            fields
                .map(|(name, value)| (format!("f:{name}"), field_set(name, value)))
                .collect()
        }
        Value::Array(elements) => match merge_key(field, elements.iter()) {
            Some(key) => elements
                .iter()
                .map(|element| {
                    let id = json!({key: element[key]}).to_string();
                    (format!("k:{id}"), field_set("", element))
                })
                .collect::<Map<_, _>>()
                .into(),
            None => json!({}),
        },
        _ => json!({}),
    }
}

/// Removes from `value` the fields that are in `before` and not in `now`.
fn remove_left_out(value: &mut Value, before: &Value, now: &Value) {
    let Some(before) = before.as_object() else {
        return;
    };
    for (path, nested) in before {
        if let Some(field) = path.strip_prefix("f:") {
            match now.get(path) {
                None => {
                    object::remove(value, field);
                }
                Some(now) => {
                    if let Some(value) = value.get_mut(field) {
                        remove_left_out(value, nested, now);
                    }
                }
            }
        } else if let Some(id) = path.strip_prefix("k:") {
            remove_element(value, id, nested, now.get(path));
        }
    }
}

fn remove_element(list: &mut Value, id: &str, nested: &Value, now: Option<&Value>) {
    let Ok(Value::Object(id)) = serde_json::from_str::<Value>(id) else {
        return;
    };
    let Some(elements) = list.as_array_mut() else {
        return;
    };
    let is_it = |element: &Value| {
        id.iter()
            .all(|(key, value)| element.get(key) == Some(value))
    };
    match now {
        None => elements.retain(|element| !is_it(element)),
        Some(now) => elements
            .iter_mut()
            .filter(|element| is_it(element))
            .for_each(|element| remove_left_out(element, nested, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply_as(manager: &str, object: &mut Value, applied: Value) {
        apply(object, &applied).unwrap();
        record_manager(object, &applied, manager, None, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn fields_left_out_are_removed_unless_others_set_them() {
        let mut object = json!({"metadata": {}, "spec": {"other": 1}});
        apply_as(
            "me",
            &mut object,
            json!({"spec": {"a": 1, "b": 2, "env": [{"name": "X"}, {"name": "Y"}]}}),
        );
        apply_as(
            "me",
            &mut object,
            json!({"spec": {"a": 1, "env": [{"name": "Y"}]}}),
        );
        assert_eq!(
            object["spec"],
            json!({"other": 1, "a": 1, "env": [{"name": "Y"}]})
        );
        assert_eq!(
            object["metadata"]["managedFields"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let mut object = json!({"metadata": {}});
        let applied = json!({"spec": {"a": 1}});
        apply_as("me", &mut object, applied.clone());
        let once = object.clone();
        apply(&mut object, &applied).unwrap();
        record_manager(&mut object, &applied, "me", None, "2030-01-01T00:00:00Z");
        assert_eq!(object, once);
    }
}
