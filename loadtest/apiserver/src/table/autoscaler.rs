//! The table of autoscalers, cell by cell as upstream's printer (`formatHPAMetrics`) has it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use stock_hpa::Quantity;

use super::format::{age, text_or};
use super::{AGE, Column, NAME};
use crate::object::{self, at, integer, items, text};

/// Targets that are spelt out; of further ones only the number is told.
const MAX_TARGETS: usize = 2;

const UNKNOWN: &str = "<unknown>";

pub(super) const COLUMNS: &[Column] = &[
    NAME,
    ("Reference", "string", 0),
    ("Targets", "string", 0),
    ("MinPods", "string", 0),
    ("MaxPods", "string", 0),
    ("Replicas", "string", 0),
    AGE,
];

pub(super) fn cells(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let target = at(value, "spec.scaleTargetRef");
    vec![
        json!(object::name(value)),
        json!(format!("{}/{}", text(target, "kind"), text(target, "name"))),
        json!(targets(value)),
        json!(text_or(value, "spec.minReplicas", "<unset>")),
        json!(integer(value, "spec.maxReplicas")),
        json!(integer(value, "status.currentReplicas")),
        json!(age(value, now)),
    ]
}

fn targets(value: &Value) -> String {
    let metrics = items(value, "spec.metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let statuses = items(value, "status.currentMetrics");
    let shown: Vec<String> = metrics
        .iter()
        .take(MAX_TARGETS)
        .enumerate()
        .map(|(index, metric)| target(metric, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    let shown = shown.join(", ");
    match metrics.len().saturating_sub(MAX_TARGETS) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// One metric: what is, of the status in the same place, and what should be.
fn target(metric: &Value, status: &Value) -> String {
    let field = match text(metric, "type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let target = &metric[field]["target"];
    let current = &status[field]["current"];
    let name = text(&metric[field], "name");
    let average = !target["averageValue"].is_null();
    let [is, should] = [current, target].map(|side| {
        quantity(
            &side[if average || field == "pods" {
                "averageValue"
            } else {
                "value"
            }],
        )
    });
    match field {
        "pods" => format!("{is}/{should}"),
        "object" | "external" if average => format!("{is}/{should} (avg)"),
        "object" | "external" => format!("{is}/{should}"),
        _ if average => format!("{name}: {is}/{should}"),
        _ => format!(
            "{name}: {}/{}",
            percent(current, UNKNOWN),
            percent(target, "<auto>")
        ),
    }
}

fn percent(side: &Value, absent: &str) -> String {
    side["averageUtilization"]
        .as_i64()
        .map_or_else(|| absent.to_owned(), |percent| format!("{percent}%"))
}

/// A quantity in its canonical form: `0.5` as `500m`.
fn quantity(value: &Value) -> String {
    let written = match value {
        Value::Null => return UNKNOWN.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    written
        .parse::<Quantity>()
        .map_or(written, |quantity| quantity.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, target: Value) -> Value {
        json!({"type": "Resource", "resource": {"name": name, "target": target}})
    }

    fn current(name: &str, current: Value) -> Value {
        json!({"type": "Resource", "resource": {"name": name, "current": current}})
    }

    fn shown(metrics: Value, statuses: Value) -> String {
        targets(&json!({"spec": {"metrics": metrics}, "status": {"currentMetrics": statuses}}))
    }

    #[test]
    fn resources() {
        let half = || json!({"type": "Utilization", "averageUtilization": 50});
        let cpu = current(
            "cpu",
            json!({"averageUtilization": 23, "averageValue": "23m"}),
        );
        let memory = current(
            "memory",
            json!({"averageUtilization": 3, "averageValue": "2Mi"}),
        );
        let both = || json!([resource("cpu", half()), resource("memory", half())]);
        assert_eq!(
            shown(both(), json!([cpu, memory])),
            "cpu: 23%/50%, memory: 3%/50%"
        );
        assert_eq!(
            shown(both(), json!(null)),
            "cpu: <unknown>/50%, memory: <unknown>/50%"
        );
        let raw = json!([resource(
            "cpu",
            json!({"type": "AverageValue", "averageValue": "0.5"})
        )]);
        assert_eq!(shown(raw.clone(), json!([cpu])), "cpu: 23m/500m");
        assert_eq!(shown(raw, json!([])), "cpu: <unknown>/500m");
        assert_eq!(shown(json!([]), json!([])), "<none>");
    }

    #[test]
    fn more_than_two_are_counted() {
        let one = || resource("cpu", json!({"averageUtilization": 50}));
        assert_eq!(
            shown(json!([one(), one(), one(), one()]), json!([])),
            "cpu: <unknown>/50%, cpu: <unknown>/50% + 2 more..."
        );
    }

    #[test]
    fn custom_metrics() {
        let pods = json!({"type": "Pods", "pods": {"metric": {"name": "qps"},
            "target": {"type": "AverageValue", "averageValue": "100"}}});
        let status = json!({"pods": {"current": {"averageValue": "23500m"}}});
        assert_eq!(shown(json!([pods]), json!([status])), "23500m/100");
        let object = json!({"type": "Object", "object": {"target": {"value": "10k"}}});
        let status = json!({"object": {"current": {"value": "2500"}}});
        assert_eq!(shown(json!([object]), json!([status])), "2500/10k");
        let external = json!({"type": "External", "external": {"target": {"averageValue": 30}}});
        assert_eq!(
            shown(json!([external, {"type": "X"}]), json!([])),
            "<unknown>/30 (avg), <unknown type>"
        );
        let container = json!({"type": "ContainerResource", "containerResource": {
            "name": "cpu", "container": "server", "target": {"averageUtilization": 50}}});
        let status = json!({"containerResource": {"current": {"averageUtilization": 7}}});
        assert_eq!(shown(json!([container]), json!([status])), "cpu: 7%/50%");
    }
}
