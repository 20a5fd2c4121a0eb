//! Whether the schema of a definition is structural, as `apiextensions.k8s.io/v1` demands.
//!
//! Checked: every place has a type, nothing is forbidden, nothing is described twice, expressions can
//! be read. Left out: that value validations inside `anyOf` and its like repeat the structure, and the
//! estimated cost of rules.

use regex::Regex;
use serde_json::Value;

use crate::error::Cause;
use crate::object::items;

/// What `v1` forbids anywhere.
const FORBIDDEN: [&str; 6] = [
    "$ref",
    "definitions",
    "dependencies",
    "deprecated",
    "patternProperties",
    "id",
];

/// Notes everything that is wrong with the schemas of a definition.
pub(crate) fn check(definition: &Value, causes: &mut Vec<Cause>) {
    for (index, version) in items(definition, "spec.versions").iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            causes.push(Cause::required_because(path, "schemas are required"));
            continue;
        }
        if schema["type"] != "object" {
            causes.push(Cause::invalid(
                format!("{path}.type"),
                format!(
                    "Invalid value: {}: must be object at the root",
                    schema["type"]
                        .as_str()
                        .map_or("\"\"".to_owned(), |t| format!("{t:?}"))
                ),
            ));
        }
        walk(&path, schema, causes);
    }
}

fn walk(path: &str, schema: &Value, causes: &mut Vec<Cause>) {
    let flag = |name: &str| schema[name] == true;
    let int_or_string = flag("x-kubernetes-int-or-string");
    let preserve = flag("x-kubernetes-preserve-unknown-fields");
    if schema["type"].as_str().is_none_or(str::is_empty) && !int_or_string && !preserve {
        causes.push(Cause::required_because(
            format!("{path}.type"),
            "must not be empty for specified object fields",
        ));
    }
    for field in FORBIDDEN {
        if schema.get(field).is_some() {
            causes.push(Cause::forbidden(
                format!("{path}.{field}"),
                "is not supported",
            ));
        }
    }
    if flag("uniqueItems") {
        causes.push(Cause::forbidden(
            format!("{path}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ));
    }
    let additional = &schema["additionalProperties"];
    if *additional == false {
        causes.push(Cause::forbidden(
            format!("{path}.additionalProperties"),
            "additionalProperties cannot be set to false",
        ));
    }
    if schema["properties"].is_object() && !matches!(additional, Value::Null | Value::Bool(false)) {
        causes.push(Cause::forbidden(
            format!("{path}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = Regex::new(pattern)
    {
        causes.push(Cause::invalid(
            format!("{path}.pattern"),
            format!(
                "Invalid value: {pattern:?}: must be a valid regular expression, but isn't: {error}"
            ),
        ));
    }
    for (index, rule) in items(schema, "x-kubernetes-validations").iter().enumerate() {
        if rule["rule"]
            .as_str()
            .is_none_or(|rule| rule.trim().is_empty())
        {
            causes.push(Cause::required_because(
                format!("{path}.x-kubernetes-validations[{index}].rule"),
                "rule is not specified",
            ));
        }
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.properties[{name}]"), child, causes);
    }
    if additional.is_object() {
        walk(&format!("{path}.additionalProperties"), additional, causes);
    }
    match &schema["items"] {
        Value::Null if schema["type"] == "array" => {
            causes.push(Cause::required_because(
                format!("{path}.items"),
                "must be specified",
            ));
        }
        Value::Null => {}
        Value::Object(_) => walk(&format!("{path}.items"), &schema["items"], causes),
        _ => causes.push(Cause::forbidden(
            format!("{path}.items"),
            "items must be a schema object and not an array",
        )),
    }
}
