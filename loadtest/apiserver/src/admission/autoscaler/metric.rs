//! Rules of `spec.metrics`.

use serde_json::Value;

use super::{invalid, number, path_segment, quantity, reference};
use crate::admission::validation::is_dns_label;
use crate::error::Cause;
use crate::object::text;

/// Metric source types and the fields that describe them.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

/// Checks one entry of `spec.metrics`.
pub(super) fn validate(path: &str, metric: &Value, causes: &mut Vec<Cause>) {
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
