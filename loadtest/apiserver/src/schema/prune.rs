//! Removes what the schema does not know, unless it says `x-kubernetes-preserve-unknown-fields`.

use serde_json::Value;

use super::ROOT_FIELDS;
use super::path::Path;

/// Prunes `value`, and notes each field that was removed.
pub(super) fn prune(schema: &Value, value: &mut Value, path: Path, removed: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let keep_all = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let embedded = path.is_root() || schema["x-kubernetes-embedded-resource"] == true;
            let additional = &schema["additionalProperties"];
            fields.retain(|name, child| {
                if embedded && ROOT_FIELDS.contains(&name.as_str()) {
                    return true;
                }
                let inner = match schema["properties"].get(name) {
                    Some(inner) => inner,
                    None if additional.is_object() => additional,
                    None if additional == true || keep_all => return true,
                    None => {
                        removed.push(path.field(name).to_string());
                        return false;
                    }
                };
                prune(inner, child, path.field(name), removed);
                true
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, path.index(index), removed);
            }
        }
        _ => {}
    }
}
