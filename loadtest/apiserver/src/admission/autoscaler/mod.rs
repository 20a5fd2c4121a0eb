//! Defaults and rules of `HorizontalPodAutoscaler` objects (in `autoscaling/v2`), as upstream's
//! `pkg/apis/autoscaling` has them, with its field paths and words.

mod behavior;
mod metric;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use stock_hpa::Quantity;

use crate::error::Cause;
use crate::object::{child, items, set_default, text};

/// Target when no metric is given, in percent of the CPU request.
const DEFAULT_CPU_UTILIZATION: i64 = 80;

/// One to as many replicas as the user says, by 80 % of CPU. A behaviour that is there at all is
/// completed in both directions, but for the down-scale window, which is the controller's.
pub(in crate::admission) fn defaults(object: &mut Value) {
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

pub(in crate::admission) fn validate(object: &Value, causes: &mut Vec<Cause>) {
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
        metric::validate(&format!("spec.metrics[{index}]"), metric, causes);
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        if rules.is_object() {
            behavior::validate(&format!("spec.behavior.{direction}"), rules, causes);
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
