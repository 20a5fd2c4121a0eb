//! Judges values by a structural schema, in the words of Kubernetes' API server.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

use super::ROOT_FIELDS;
use super::path::Path;
use crate::error::Cause;

/// Notes everything that is wrong with `value`.
pub(super) fn validate(schema: &Value, value: &Value, path: Path, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !has_type(schema, value) {
        let (wanted, found) = (wanted_type(schema), type_of(value));
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            field: path.to_string(),
            message: format!(
                "Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}"
            ),
        });
        return;
    }
    one_of_the_words(schema, value, &path, causes);
    match value {
        Value::Object(fields) => {
            for name in strings(&schema["required"]) {
                if !fields.contains_key(name) {
                    causes.push(Cause::required(path.field(name).to_string()));
                }
            }
            for (name, child) in fields {
                if path.is_root() && ROOT_FIELDS.contains(&name.as_str()) {
                    continue;
                }
                let inner = match schema["properties"].get(name) {
                    Some(inner) => inner,
                    None => &schema["additionalProperties"],
                };
                if inner.is_object() {
                    validate(inner, child, path.field(name), causes);
                }
            }
        }
        Value::Array(items) => {
            list(schema, items, &path, causes);
            for (index, item) in items.iter().enumerate() {
                validate(&schema["items"], item, path.index(index), causes);
            }
        }
        Value::Number(_) => number(schema, value, &path, causes),
        Value::String(text) => string(schema, text, &path, causes),
        Value::Bool(_) | Value::Null => {}
    }
    combinations(schema, value, &path, causes);
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || is_integer(value);
    }
    match schema["type"].as_str() {
        Some("integer") => is_integer(value),
        Some("number") => value.is_number(),
        Some(wanted) => type_of(value) == wanted,
        None => true,
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn wanted_type(schema: &Value) -> &str {
    match schema["type"].as_str() {
        Some(wanted) => wanted,
        None => "integer,string",
    }
}

/// A value's type in a schema's words.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn one_of_the_words(schema: &Value, value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let Some(words) = schema["enum"].as_array() else {
        return;
    };
    if !words.contains(value) {
        let found = value.as_str().map_or(value.to_string(), str::to_owned);
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        causes.push(Cause::unsupported(path.to_string(), &found, &words));
    }
}

fn number(schema: &Value, value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let mut bound = |limit: &Value, exclusive: &Value, below: bool| {
        let Some(limit) = limit.as_f64() else { return };
        let exclusive = *exclusive == true;
        let broken = match (below, exclusive) {
            (true, false) => number < limit,
            (true, true) => number <= limit,
            (false, false) => number > limit,
            (false, true) => number >= limit,
        };
        if broken {
            let side = if below { "greater than" } else { "less than" };
            let or_equal = if exclusive { "" } else { " or equal to" };
            causes.push(Cause::invalid(
                path.to_string(),
                format!(
                    "Invalid value: {value}: {path} in body should be {side}{or_equal} {limit}"
                ),
            ));
        }
    };
    bound(&schema["minimum"], &schema["exclusiveMinimum"], true);
    bound(&schema["maximum"], &schema["exclusiveMaximum"], false);
}

fn string(schema: &Value, text: &str, path: &Path, causes: &mut Vec<Cause>) {
    let length = text.chars().count() as u64;
    if let Some(limit) = schema["minLength"].as_u64()
        && length < limit
    {
        causes.push(Cause::invalid(
            path.to_string(),
            format!(
                "Invalid value: {text:?}: {path} in body should be at least {limit} chars long"
            ),
        ));
    }
    if let Some(limit) = schema["maxLength"].as_u64()
        && length > limit
    {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: path.to_string(),
            message: format!("Too long: may not be more than {limit} bytes"),
        });
    }
    // A definition with an expression that cannot be read was refused.
    if let Some(pattern) = schema["pattern"].as_str()
        && let Ok(expression) = Regex::new(pattern)
        && !expression.is_match(text)
    {
        causes.push(Cause::invalid(
            path.to_string(),
            format!("Invalid value: {text:?}: {path} in body should match '{pattern}'"),
        ));
    }
}

fn list(schema: &Value, items: &[Value], path: &Path, causes: &mut Vec<Cause>) {
    let count = items.len() as u64;
    if let Some(limit) = schema["minItems"].as_u64()
        && count < limit
    {
        causes.push(Cause::invalid(
            path.to_string(),
            format!("Invalid value: {count}: {path} in body should have at least {limit} items"),
        ));
    }
    if let Some(limit) = schema["maxItems"].as_u64()
        && count > limit
    {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            field: path.to_string(),
            message: format!("Too many: {count}: must have at most {limit} items"),
        });
    }
    let key_of = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => Some(
            strings(&schema["x-kubernetes-list-map-keys"])
                .map(|key| (key.to_owned(), item[key].clone()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
        _ => None,
    };
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(key) = key_of(item) else { break };
        let key: Value = key;
        let text = key.to_string();
        if !seen.insert(text.clone()) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                field: path.index(index).to_string(),
                message: format!("Duplicate value: {text}"),
            });
        }
    }
}

fn combinations(schema: &Value, value: &Value, path: &Path, causes: &mut Vec<Cause>) {
    let fits = |branch: &Value| {
        let mut found = Vec::new();
        validate(branch, value, path.clone(), &mut found);
        found.is_empty()
    };
    let branches = |keyword: &str| schema[keyword].as_array().filter(|list| !list.is_empty());
    let mut refuse = |rule: &str| {
        causes.push(Cause::invalid(
            path.to_string(),
            format!("Invalid value: {:?}: {path} in body {rule}", type_of(value)),
        ));
    };
    if let Some(all) = branches("allOf")
        && !all.iter().all(fits)
    {
        refuse("must validate all the schemas (allOf)");
    }
    if let Some(any) = branches("anyOf")
        && !any.iter().any(fits)
    {
        refuse("must validate at least one schema (anyOf)");
    }
    if let Some(one) = branches("oneOf")
        && one.iter().filter(|branch| fits(branch)).count() != 1
    {
        refuse("must validate one and only one schema (oneOf)");
    }
    if schema["not"].is_object() && fits(&schema["not"]) {
        refuse("must not validate the schema (not)");
    }
}
