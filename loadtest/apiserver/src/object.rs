//! Small accessors over untyped objects (`serde_json::Value`), used everywhere.
//!
//! They never panic: a missing or mistyped field reads as empty.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

/// The value at a dotted path such as `spec.nodeName`; `Null` when absent.
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, field| {
        value.get(field).unwrap_or(&Value::Null)
    })
}

/// The string at a dotted path; empty when absent or not a string.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The integer at a dotted path; 0 when absent.
pub(crate) fn integer(value: &Value, path: &str) -> i64 {
    at(value, path).as_i64().unwrap_or_default()
}

/// The list at a dotted path; empty when absent.
pub(crate) fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path)
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name(value: &Value) -> &str {
    text(value, "metadata.name")
}

/// `metadata.namespace`; empty for cluster-scoped objects.
pub(crate) fn namespace(value: &Value) -> &str {
    text(value, "metadata.namespace")
}

/// `metadata.labels`.
pub(crate) fn labels(value: &Value) -> Option<&Map<String, Value>> {
    at(value, "metadata.labels").as_object()
}

/// Whether deletion has been requested.
pub(crate) fn is_deleting(value: &Value) -> bool {
    at(value, "metadata.deletionTimestamp").is_string()
}

/// Whether any finalizer still holds the object.
pub(crate) fn has_finalizers(value: &Value) -> bool {
    !items(value, "metadata.finalizers").is_empty()
}

/// The mutable object at `field`, created (or replaced, when it is not an object) if needed.
pub(crate) fn child<'a>(value: &'a mut Value, field: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let slot = &mut value[field];
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot
}

/// The mutable metadata of an object.
pub(crate) fn metadata(value: &mut Value) -> &mut Value {
    child(value, "metadata")
}

/// Sets `field` to `default` unless the object has a non-null value there.
pub(crate) fn set_default(value: &mut Value, field: &str, default: impl Into<Value>) {
    if let Some(map) = value.as_object_mut()
        && map.get(field).is_none_or(Value::is_null)
    {
        map.insert(field.to_owned(), default.into());
    }
}

/// Removes a field, if the value is an object that has it.
pub(crate) fn remove(value: &mut Value, field: &str) -> Option<Value> {
    value.as_object_mut().and_then(|map| map.remove(field))
}

/// Sets `field`, or removes it when `content` is `None`.
pub(crate) fn put(value: &mut Value, field: &str, content: Option<Value>) {
    match content {
        Some(content) => value[field] = content,
        None => {
            remove(value, field);
        }
    }
}

/// A moment as `metav1.Time` writes it: RFC 3339, whole seconds, `Z`.
pub(crate) fn timestamp(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Parses a `metav1.Time` or `MicroTime`.
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|moment| moment.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_paths_read_as_empty() {
        let value = json!({"spec": {"nodeName": "a", "n": 3}});
        assert_eq!(text(&value, "spec.nodeName"), "a");
        assert_eq!(text(&value, "spec.nodeName.deeper"), "");
        assert_eq!(integer(&value, "spec.n"), 3);
        assert!(items(&value, "spec.list").is_empty());
    }

    #[test]
    fn defaults_replace_null_only() {
        let mut value = json!({"a": null, "b": 1});
        set_default(&mut value, "a", 5);
        set_default(&mut value, "b", 5);
        assert_eq!(value, json!({"a": 5, "b": 1}));
    }
}
