//! Defaults and rules of `HorizontalPodAutoscaler` objects (in `autoscaling/v2`), as upstream's
//! `pkg/apis/autoscaling` has them, with its field paths and words.

use serde_json::{Value, json};

use stock_hpa::Quantity;

use super::validation::is_dns_label;
use crate::error::Cause;
use crate::object::{child, items, set_default, text};

/// Target when no metric is given, in percent of the CPU request.
const DEFAULT_CPU_UTILIZATION: i64 = 80;
const MAX_PERIOD_SECONDS: i64 = 1_800;
const MAX_STABILIZATION_SECONDS: i64 = 3_600;

/// Metric source types and the fields that describe them.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

/// One to as many replicas as the user says, by 80 % of CPU. A behaviour that is there at all is
/// completed in both directions, but for the down-scale window, which is the controller's.
pub(super) fn defaults(object: &mut Value) {
    let spec = child(object, "spec");
    set_default(spec, "minReplicas", 1);
    if items(spec, "metrics").is_empty() {
        spec["metrics"] = json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "target": {
                "type": "Utilization", "averageUtilization": DEFAULT_CPU_UTILIZATION,
            }},
        }]);
    }
    if !spec["behavior"].is_object() {
        return;
    }
    let behavior = child(spec, "behavior");
    let policy =
        |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
    let up = child(behavior, "scaleUp");
    set_default(up, "stabilizationWindowSeconds", 0);
    set_default(
        up,
        "policies",
        json!([policy("Pods", 4), policy("Percent", 100)]),
    );
    set_default(up, "selectPolicy", "Max");
    let down = child(behavior, "scaleDown");
    set_default(down, "policies", json!([policy("Percent", 100)]));
    set_default(down, "selectPolicy", "Max");
}

pub(super) fn validate(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let min = number("spec.minReplicas", &spec["minReplicas"], causes);
    let max = number("spec.maxReplicas", &spec["maxReplicas"], causes);
    if let Some(min) = min.filter(|min| *min < 1) {
        // 0 needs a feature gate that is off by default.
        invalid(
            "spec.minReplicas",
            min,
            "must be greater than or equal to 1",
            causes,
        );
    }
    // An absent maximum reads as 0, as in Go.
    let max = max.unwrap_or(0);
    if max < 1 {
        invalid("spec.maxReplicas", max, "must be greater than 0", causes);
    }
    if min.is_some_and(|min| max < min) {
        let rule = "must be greater than or equal to `minReplicas`";
        invalid("spec.maxReplicas", max, rule, causes);
    }
    reference("spec.scaleTargetRef", &spec["scaleTargetRef"], causes);
    for (index, metric) in items(spec, "metrics").iter().enumerate() {
        metric_spec(&format!("spec.metrics[{index}]"), metric, causes);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if rules.is_object() {
            scaling_rules(&format!("spec.behavior.{direction}"), rules, causes);
        }
    }
}

fn invalid(field: &str, value: impl std::fmt::Display, rule: &str, causes: &mut Vec<Cause>) {
    causes.push(Cause::invalid(
        field,
        format!("Invalid value: {value}: {rule}"),
    ));
}

/// A 32-bit integer; `None` when absent or refused.
fn number(field: &str, value: &Value, causes: &mut Vec<Cause>) -> Option<i64> {
    if value.is_null() {
        return None;
    }
    let found = value
        .as_i64()
        .filter(|number| i32::try_from(*number).is_ok());
    if found.is_none() {
        invalid(field, value, "must be a 32-bit integer", causes);
    }
    found
}

fn reference(path: &str, reference: &Value, causes: &mut Vec<Cause>) {
    for field in ["kind", "name"] {
        path_segment(
            &format!("{path}.{field}"),
            text(reference, field),
            "",
            causes,
        );
    }
}

/// A name that will be part of a URL.
fn path_segment(field: &str, name: &str, missing: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required_because(field, missing));
    } else if matches!(name, "." | "..") {
        invalid(
            field,
            format!("{name:?}"),
            &format!("may not be '{name}'"),
            causes,
        );
    } else {
        for sign in ['/', '%'].iter().filter(|sign| name.contains(**sign)) {
            let rule = format!("may not contain '{sign}'");
            invalid(field, format!("{name:?}"), &rule, causes);
        }
    }
}

fn metric_spec(path: &str, metric: &Value, causes: &mut Vec<Cause>) {
    let kind = text(metric, "type");
    if kind.is_empty() {
        causes.push(Cause::required_because(
            format!("{path}.type"),
            "must specify a metric source type",
        ));
    }
    let expected = SOURCES
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, field)| *field);
    if expected.is_none() {
        let known = SOURCES.map(|(known, _)| known);
        causes.push(Cause::unsupported(format!("{path}.type"), kind, &known));
    }
    let present: Vec<&str> = [
        "object",
        "external",
        "pods",
        "resource",
        "containerResource",
    ]
    .into_iter()
    .filter(|field| !metric[*field].is_null())
    .collect();
    if let Some(first) = present.first() {
        source(&format!("{path}.{first}"), first, &metric[*first], causes);
    }
    if let Some(expected) = expected.filter(|expected| !present.contains(expected)) {
        causes.push(Cause::required_because(
            format!("{path}.{expected}"),
            "must populate information for the given metric source",
        ));
    }
    if present.len() > 1 {
        for other in present.iter().filter(|one| Some(**one) != expected) {
            causes.push(Cause::forbidden(
                format!("{path}.{other}"),
                "must populate the given metric source only",
            ));
        }
    }
}

fn source(path: &str, field: &str, source: &Value, causes: &mut Vec<Cause>) {
    let metric_name = |causes: &mut Vec<Cause>| {
        let name = text(source, "metric.name");
        let missing = "must specify a metric name";
        path_segment(&format!("{path}.metric.name"), name, missing, causes);
    };
    match field {
        "object" => {
            let described = format!("{path}.describedObject");
            reference(&described, &source["describedObject"], causes);
            metric_name(causes);
        }
        "external" | "pods" => metric_name(causes),
        _ => resource_names(path, field, source, causes),
    }
    let (target, path) = (&source["target"], format!("{path}.target"));
    metric_target(&path, target, causes);
    let has = |field: &str| !target[field].is_null();
    let missing = |field: &str, why: &str| Cause::required_because(format!("{path}.{field}"), why);
    match field {
        "object" if !has("value") && !has("averageValue") => causes.push(missing(
            "averageValue",
            "must set either a target value or averageValue",
        )),
        "external" if !has("value") && !has("averageValue") => causes.push(missing(
            "averageValue",
            "must set either a target value for metric or a per-pod target",
        )),
        "external" if has("value") && has("averageValue") => causes.push(Cause::forbidden(
            format!("{path}.value"),
            "may not set both a target value for metric and a per-pod target",
        )),
        "pods" if !has("averageValue") => causes.push(missing(
            "averageValue",
            "must specify a positive target averageValue",
        )),
        "resource" | "containerResource" => {
            if !has("averageUtilization") && !has("averageValue") {
                causes.push(missing(
                    "averageUtilization",
                    "must set either a target raw value or a target utilization",
                ));
            }
            if has("averageUtilization") && has("averageValue") {
                causes.push(Cause::forbidden(
                    format!("{path}.averageValue"),
                    "may not set both a target raw value and a target utilization",
                ));
            }
        }
        _ => {}
    }
}

fn resource_names(path: &str, field: &str, source: &Value, causes: &mut Vec<Cause>) {
    if text(source, "name").is_empty() {
        let why = "must specify a resource name";
        causes.push(Cause::required_because(format!("{path}.name"), why));
    }
    if field == "containerResource" {
        let container = text(source, "container");
        let path = format!("{path}.container");
        if container.is_empty() {
            causes.push(Cause::required_because(path, "must specify a container"));
        } else if !is_dns_label(container) {
            let rule = "must be a lowercase RFC 1123 label";
            invalid(&path, format!("{container:?}"), rule, causes);
        }
    }
}

fn metric_target(path: &str, target: &Value, causes: &mut Vec<Cause>) {
    let kind = text(target, "type");
    let field = format!("{path}.type");
    if kind.is_empty() {
        causes.push(Cause::required_because(
            &field,
            "must specify a metric target type",
        ));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind) {
        let rule = "must be either Utilization, Value, or AverageValue";
        invalid(&field, format!("{kind:?}"), rule, causes);
    }
    for name in ["value", "averageValue"] {
        let field = format!("{path}.{name}");
        if quantity(&field, &target[name], causes).is_some_and(|milli| milli <= 0) {
            invalid(&field, &target[name], "must be positive", causes);
        }
    }
    let field = format!("{path}.averageUtilization");
    let utilization = number(&field, &target["averageUtilization"], causes);
    if let Some(utilization) = utilization.filter(|percent| *percent < 1) {
        invalid(&field, utilization, "must be greater than 0", causes);
    }
}

/// Thousandths of a quantity (a text or a number); `None` when absent or refused.
fn quantity(field: &str, value: &Value, causes: &mut Vec<Cause>) -> Option<i64> {
    let written = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match written.parse::<Quantity>() {
        Ok(quantity) => Some(quantity.milli),
        Err(error) => {
            invalid(field, value, &error.to_string(), causes);
            None
        }
    }
}

fn scaling_rules(path: &str, rules: &Value, causes: &mut Vec<Cause>) {
    let field = format!("{path}.stabilizationWindowSeconds");
    if let Some(window) = number(&field, &rules["stabilizationWindowSeconds"], causes) {
        if window < 0 {
            invalid(
                &field,
                window,
                "must be greater than or equal to zero",
                causes,
            );
        }
        if window > MAX_STABILIZATION_SECONDS {
            let rule = format!("must be less than or equal to {MAX_STABILIZATION_SECONDS}");
            invalid(&field, window, &rule, causes);
        }
    }
    let field = format!("{path}.selectPolicy");
    one_of(
        &field,
        &rules["selectPolicy"],
        &["Disabled", "Max", "Min"],
        causes,
    );
    let policies = items(rules, "policies");
    if policies.is_empty() {
        let why = "must specify at least one Policy";
        causes.push(Cause::required_because(format!("{path}.policies"), why));
    }
    for (index, policy) in policies.iter().enumerate() {
        scaling_policy(&format!("{path}.policies[{index}]"), policy, causes);
    }
    let field = format!("{path}.tolerance");
    if quantity(&field, &rules["tolerance"], causes).is_some_and(|milli| milli < 0) {
        let rule = "must be greater than or equal to 0";
        invalid(&field, &rules["tolerance"], rule, causes);
    }
}

fn scaling_policy(path: &str, policy: &Value, causes: &mut Vec<Cause>) {
    let kind = json!(text(policy, "type"));
    one_of(&format!("{path}.type"), &kind, &["Percent", "Pods"], causes);
    for field in ["value", "periodSeconds"] {
        let path = format!("{path}.{field}");
        let before = causes.len();
        let found = number(&path, &policy[field], causes).unwrap_or(0);
        if causes.len() > before {
            continue;
        }
        if found <= 0 {
            invalid(&path, found, "must be greater than zero", causes);
        }
        if field == "periodSeconds" && found > MAX_PERIOD_SECONDS {
            let rule = format!("must be less than or equal to {MAX_PERIOD_SECONDS}");
            invalid(&path, found, &rule, causes);
        }
    }
}

/// Refuses a present value that is none of the supported ones.
fn one_of(field: &str, value: &Value, supported: &[&str], causes: &mut Vec<Cause>) {
    let known = value.as_str().is_some_and(|word| supported.contains(&word));
    if !value.is_null() && !known {
        causes.push(Cause::unsupported(
            field,
            value.as_str().unwrap_or_default(),
            supported,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn autoscaler(change: Value) -> Value {
        let mut object = json!({"spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 10,
        }});
        json_patch::merge(&mut object, &json!({"spec": change}));
        defaults(&mut object);
        object
    }

    fn faults(change: Value) -> Vec<String> {
        let mut causes = Vec::new();
        validate(&autoscaler(change), &mut causes);
        let line = |cause: Cause| format!("{}: {}", cause.field, cause.message);
        causes.into_iter().map(line).collect()
    }

    fn metric(target: Value) -> Value {
        json!({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]})
    }

    #[test]
    fn defaults_are_those_of_upstream() {
        let spec = autoscaler(json!({}))["spec"].clone();
        assert_eq!(spec["minReplicas"], 1);
        assert_eq!(
            spec["metrics"][0]["resource"]["target"],
            json!({"type": "Utilization", "averageUtilization": 80})
        );
        assert!(spec.get("behavior").is_none());
        let spec = autoscaler(json!({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}));
        let behavior = &spec["spec"]["behavior"];
        let policy =
            |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
        let up = json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max",
                        "policies": [policy("Pods", 4), policy("Percent", 100)]});
        assert_eq!(behavior["scaleUp"], up);
        let down = json!({"selectPolicy": "Disabled", "policies": [policy("Percent", 100)]});
        assert_eq!(behavior["scaleDown"], down);
    }

    #[test]
    fn what_is_usual_is_valid() {
        assert_eq!(faults(json!({})), [""; 0]);
        let memory = json!({"type": "AverageValue", "averageValue": "64Mi"});
        assert_eq!(faults(metric(memory)), [""; 0]);
        let object = json!({"type": "Object", "object": {
            "describedObject": {"kind": "Service", "name": "web"},
            "metric": {"name": "requests"}, "target": {"type": "Value", "value": 10}}});
        assert_eq!(faults(json!({"metrics": [object]})), [""; 0]);
        let tolerant = json!({"behavior": {"scaleUp": {"tolerance": "0.05"}}});
        assert_eq!(faults(tolerant), [""; 0]);
    }

    #[test]
    fn bounds() {
        assert_eq!(
            faults(json!({"minReplicas": 0, "maxReplicas": null})),
            [
                "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
                "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            ]
        );
        assert_eq!(
            faults(json!({"minReplicas": 11})),
            ["spec.maxReplicas: Invalid value: 10: must be greater than or equal to `minReplicas`"]
        );
        assert_eq!(
            faults(json!({"scaleTargetRef": {"kind": null, "name": "a/b"}})),
            [
                "spec.scaleTargetRef.kind: Required value",
                "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
            ]
        );
    }

    #[test]
    fn metrics_must_be_complete() {
        assert_eq!(
            faults(metric(json!({"type": "Utilization"}))),
            [
                "spec.metrics[0].resource.target.averageUtilization: Required value: must set either \
              a target raw value or a target utilization"
            ]
        );
        assert_eq!(
            faults(metric(json!({"type": "Usage", "averageUtilization": 0}))),
            [
                "spec.metrics[0].resource.target.type: Invalid value: \"Usage\": must be either \
                 Utilization, Value, or AverageValue",
                "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be \
                 greater than 0",
            ]
        );
        assert_eq!(
            faults(json!({"metrics": [{"type": "Guess"}]})),
            [
                "spec.metrics[0].type: Unsupported value: \"Guess\": supported values: \
              \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\""
            ]
        );
        assert_eq!(
            faults(json!({"metrics": [{"type": "Pods"}]})),
            [
                "spec.metrics[0].pods: Required value: must populate information for the given \
              metric source"
            ]
        );
        let average = json!({"type": "AverageValue", "averageValue": "-1"});
        assert_eq!(
            faults(metric(average)),
            [
                "spec.metrics[0].resource.target.averageValue: Invalid value: \"-1\": must be positive"
            ]
        );
    }

    #[test]
    fn behavior_has_limits() {
        let rules = json!({"stabilizationWindowSeconds": 3601, "selectPolicy": "Most",
                           "policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]});
        assert_eq!(
            faults(json!({"behavior": {"scaleUp": rules}})),
            [
                "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be \
                 less than or equal to 3600",
                "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Most\": supported \
                 values: \"Disabled\", \"Max\", \"Min\"",
                "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than \
                 zero",
                "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be \
                 less than or equal to 1800",
            ]
        );
        assert_eq!(
            faults(json!({"behavior": {"scaleDown": {"policies": []}}})),
            ["spec.behavior.scaleDown.policies: Required value: must specify at least one Policy"]
        );
    }
}
