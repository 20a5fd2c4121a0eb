//! Fills in the defaults of a schema.

use serde_json::Value;

/// Defaults where nothing is written, at every depth that exists. `null` where none may be is nothing
/// written.
pub(super) fn apply(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                let absent = match fields.get(name) {
                    None => true,
                    Some(Value::Null) => inner["nullable"] != true,
                    Some(_) => false,
                };
                if absent {
                    fields.remove(name);
                    if let Some(default) = inner.get("default") {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                if let Some(child) = fields.get_mut(name) {
                    apply(inner, child);
                }
            }
            let additional = &schema["additionalProperties"];
            if additional.is_object() {
                for (name, child) in fields.iter_mut() {
                    if schema["properties"].get(name).is_none() {
                        apply(additional, child);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                apply(&schema["items"], item);
            }
        }
        _ => {}
    }
}
