//! The schema and the core agree: what drifts apart is found here.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn schema() -> Value {
    let version = definition().spec.versions.remove(0);
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

fn fields(schema: &Value) -> BTreeSet<String> {
    schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// The fields that the core knows where `bogus` stands, by its own message.
fn known_to_the_core(spec: &str) -> BTreeSet<String> {
    let text = format!(
        "{{apiVersion: viperscale.dev/v1alpha1, kind: ScalingPolicy, \
         metadata: {{name: a, namespace: b}}, spec: {spec}}}"
    );
    let errors = scaler_core::policy::load(&text, "a").unwrap_err();
    let message = errors
        .iter()
        .find(|error| error.field.ends_with("bogus"))
        .map(|error| error.message.clone())
        .unwrap();
    let list = message
        .strip_prefix("unknown field; expected one of ")
        .unwrap();
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_has_the_fields_of_the_core() {
    let spec = &schema()["properties"]["spec"];
    let metric = &spec["properties"]["metrics"]["items"];
    let rules = &spec["properties"]["behavior"]["properties"]["scaleUp"];
    let limit = &rules["properties"]["policies"]["items"];
    let good = "name: runqLatency, threshold: 2ms";
    for (schema, text) in [
        (spec, "{bogus: 1}".to_owned()),
        (
            &spec["properties"]["scaleTargetRef"],
            "{scaleTargetRef: {bogus: 1}}".to_owned(),
        ),
        (metric, format!("{{metrics: [{{{good}, bogus: 1}}]}}")),
        (
            &spec["properties"]["behavior"],
            "{behavior: {bogus: 1}}".to_owned(),
        ),
        (
            &spec["properties"]["fallback"],
            "{fallback: {bogus: 1}}".to_owned(),
        ),
        (rules, "{behavior: {scaleUp: {bogus: 1}}}".to_owned()),
        (
            limit,
            "{behavior: {scaleUp: {policies: [{bogus: 1}]}}}".to_owned(),
        ),
    ] {
        assert_eq!(fields(schema), known_to_the_core(&text), "{text}");
    }
}

#[test]
fn defaults_are_those_of_the_core() {
    let spec = schema()["properties"]["spec"]["properties"].clone();
    let defaults = |name: &str| spec[name]["default"].clone();
    assert_eq!(defaults("minReplicas"), 1);
    assert_eq!(defaults("mode"), "Active");
    assert_eq!(defaults("window"), "5s");
    assert_eq!(defaults("warmup"), "10s");
    assert_eq!(
        spec["metrics"]["items"]["properties"]["sampling"]["default"],
        1.0
    );
    assert_eq!(
        spec["scaleTargetRef"]["properties"]["apiVersion"]["default"],
        "apps/v1"
    );
}

/// Every field has a description, no place lets unknown fields in, and nothing is nullable that a
/// user writes, save what Kubernetes says is an integer or a string.
#[test]
fn the_schema_is_complete() {
    fn walk(path: &str, schema: &Value, problems: &mut Vec<String>) {
        let untyped = schema["x-kubernetes-int-or-string"] != true;
        if untyped && !schema["type"].is_string() {
            problems.push(format!("{path}: no type"));
        }
        if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
            problems.push(format!("{path}: lets everything in"));
        }
        if path.starts_with(".spec.") && untyped && schema["nullable"] == true {
            problems.push(format!("{path}: nullable"));
        }
        for (name, child) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if child["description"].as_str().is_none_or(str::is_empty) && path.len() > 8 {
                problems.push(format!("{path}: no description"));
            }
            walk(&path, child, problems);
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"], problems);
        }
    }
    let mut problems = Vec::new();
    walk("", &schema(), &mut problems);
    assert_eq!(problems, Vec::<String>::new());
}

/// `VIPERSCALE_UPDATE_GOLDEN=1 cargo test -p scaler golden` writes it anew.
#[test]
fn the_definition_is_the_golden_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/crd/golden.yaml");
    let now = to_yaml().unwrap();
    if std::env::var_os("VIPERSCALE_UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == now,
        "{path} is not what `scaler crd` prints; if that is meant, run the test with VIPERSCALE_UPDATE_GOLDEN=1"
    );
}

#[test]
fn the_columns_are_those_of_the_table() {
    let version = definition().spec.versions.remove(0);
    let columns = version.additional_printer_columns.unwrap();
    let names: Vec<&str> = columns
        .iter()
        .filter(|column| column.priority.unwrap_or(0) == 0)
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "Target", "Metrics", "Min", "Max", "Replicas", "Desired", "Ready", "Age"
        ]
    );
}
