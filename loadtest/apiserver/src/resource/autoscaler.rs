//! Autoscalers between `autoscaling/v2`, in which they are stored, and `autoscaling/v1`.
//!
//! `v1` has fields for one metric, CPU utilisation. What else there is travels in annotations, as
//! upstream does it (`pkg/apis/autoscaling/v1/conversion.go`), so that a change through `v1`
//! loses nothing.

use serde_json::{Map, Value, json};

use crate::object::{child, items, metadata, put, remove, text};

const TARGET_FIELD: &str = "targetCPUUtilizationPercentage";
const CURRENT_FIELD: &str = "currentCPUUtilizationPercentage";

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// Whether a metric's numbers are those that should be, or those that are. Names their field in
/// `v2`, and begins their fields' names in `v1`.
#[derive(Debug, Clone, Copy)]
enum Side {
    Target,
    Current,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Current => "current",
        }
    }

    /// The `v1` field of a number: `targetAverageValue`.
    fn field(self, source: &str, number: &str) -> String {
        if source == "object" && number == "averageValue" {
            return number.to_owned();
        }
        let (first, rest) = number.split_at(1);
        format!("{}{}{rest}", self.word(), first.to_uppercase())
    }
}

/// Field of a `v2` number, with the target type that it means.
const NUMBERS: [(&str, &str); 3] = [
    ("averageUtilization", "Utilization"),
    ("averageValue", "AverageValue"),
    ("value", "Value"),
];

/// Turns a `v1` autoscaler (but for its `apiVersion`) into a `v2` one.
pub(super) fn to_v2(object: &mut Value) {
    let mut notes = take_notes(object);
    let mut list = |name: &str| match notes.remove(name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let (metrics, current, conditions) = (list(METRICS), list(CURRENT_METRICS), list(CONDITIONS));
    let mut metrics: Vec<Value> = metrics.iter().map(|one| deep(one, Side::Target)).collect();
    let spec = child(object, "spec");
    if let Some(target) = remove(spec, TARGET_FIELD) {
        metrics.push(json!({
            "type": "Resource",
            "resource": {"name": "cpu",
                         "target": {"type": "Utilization", "averageUtilization": target}},
        }));
    }
    if !metrics.is_empty() {
        spec["metrics"] = Value::Array(metrics);
    }
    if let Some(behavior) = notes.remove(BEHAVIOR) {
        spec["behavior"] = behavior;
    }
    let mut current: Vec<Value> = current.iter().map(|one| deep(one, Side::Current)).collect();
    let status = child(object, "status");
    let cpu = remove(status, CURRENT_FIELD);
    if let (Some(cpu), true) = (cpu, current.is_empty()) {
        current.push(json!({
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageUtilization": cpu}},
        }));
    }
    for (field, list) in [("currentMetrics", current), ("conditions", conditions)] {
        if !list.is_empty() {
            status[field] = Value::Array(list);
        }
    }
    remove_if_empty(object, "status");
}

/// Turns a `v2` autoscaler (but for its `apiVersion`) into a `v1` one.
pub(super) fn to_v1(object: &mut Value) {
    let mut notes: Vec<(&str, Value)> = Vec::new();
    let spec = child(object, "spec");
    let mut metrics = take_list(spec, "metrics");
    let cpu = metrics.iter().position(|one| is_cpu(one, Side::Target));
    let cpu = cpu.map(|index| metrics.remove(index));
    let percent =
        |metric: &Value, side: Side| metric["resource"][side.word()]["averageUtilization"].clone();
    put(
        spec,
        TARGET_FIELD,
        cpu.map(|cpu| percent(&cpu, Side::Target)),
    );
    if !metrics.is_empty() {
        let flat = metrics.iter().map(|one| flat(one, Side::Target)).collect();
        notes.push((METRICS, flat));
    }
    if let Some(behavior) = remove(spec, "behavior") {
        notes.push((BEHAVIOR, behavior));
    }
    let status = child(object, "status");
    let current = take_list(status, "currentMetrics");
    let cpu = current.iter().find(|one| is_cpu(one, Side::Current));
    put(
        status,
        CURRENT_FIELD,
        cpu.map(|cpu| percent(cpu, Side::Current)),
    );
    if !current.is_empty() {
        let flat = current.iter().map(|one| flat(one, Side::Current)).collect();
        notes.push((CURRENT_METRICS, flat));
    }
    if let Some(conditions) = remove(status, "conditions") {
        notes.push((CONDITIONS, conditions));
    }
    remove_if_empty(object, "status");
    if !notes.is_empty() {
        let annotations = child(metadata(object), "annotations");
        for (name, content) in notes {
            annotations[name] = Value::String(content.to_string());
        }
    }
}

fn is_cpu(metric: &Value, side: Side) -> bool {
    let resource = &metric["resource"];
    text(resource, "name") == "cpu" && !resource[side.word()]["averageUtilization"].is_null()
}

/// Takes our annotations out, parsed. What does not parse is dropped: nobody but us writes them.
fn take_notes(object: &mut Value) -> Map<String, Value> {
    let metadata = metadata(object);
    let Some(annotations) = metadata.get_mut("annotations") else {
        return Map::new();
    };
    let notes = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR]
        .into_iter()
        .filter_map(|name| {
            let content = remove(annotations, name)?;
            let parsed = serde_json::from_str(content.as_str()?).ok()?;
            Some((name.to_owned(), parsed))
        })
        .collect();
    remove_if_empty(metadata, "annotations");
    notes
}

fn take_list(value: &mut Value, field: &str) -> Vec<Value> {
    let list = items(value, field).to_vec();
    remove(value, field);
    list
}

fn remove_if_empty(value: &mut Value, field: &str) {
    if value[field].as_object().is_some_and(Map::is_empty) {
        remove(value, field);
    }
}

/// The field that describes the source: `containerResource` of type `ContainerResource`.
fn source_field(metric: &Value) -> String {
    let kind = text(metric, "type");
    let mut letters = kind.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// Where the selector of a source's metric stands in `v1`.
fn selector_field(source: &str) -> &'static str {
    match source {
        "external" => "metricSelector",
        _ => "selector",
    }
}

/// A `v2` metric in the layout that the annotations have.
fn flat(metric: &Value, side: Side) -> Value {
    let field = source_field(metric);
    let source = &metric[&field];
    let mut flat = json!({});
    let mut set = |name: &str, content: &Value| {
        if !content.is_null() {
            flat[name] = content.clone();
        }
    };
    set("name", &source["name"]);
    set("container", &source["container"]);
    set("target", &source["describedObject"]);
    set("metricName", &source["metric"]["name"]);
    set(selector_field(&field), &source["metric"]["selector"]);
    for (number, _) in NUMBERS {
        let content = &source[side.word()][number];
        set(&side.field(&field, number), content);
    }
    json!({"type": metric["type"], field: flat})
}

/// The reverse of [`flat`].
fn deep(metric: &Value, side: Side) -> Value {
    let field = source_field(metric);
    let source = &metric[&field];
    let mut deep = json!({});
    for (from, to) in [
        ("name", "/name"),
        ("container", "/container"),
        ("target", "/describedObject"),
        ("metricName", "/metric/name"),
        (selector_field(&field), "/metric/selector"),
    ] {
        if let Some(content) = source.get(from) {
            match to.strip_prefix("/metric/") {
                Some(part) => child(&mut deep, "metric")[part] = content.clone(),
                None => deep[&to[1..]] = content.clone(),
            }
        }
    }
    for (number, kind) in NUMBERS {
        if let Some(content) = source.get(side.field(&field, number)) {
            let numbers = child(&mut deep, side.word());
            numbers[number] = content.clone();
            if matches!(side, Side::Target) {
                numbers["type"] = json!(kind);
            }
        }
    }
    json!({"type": metric["type"], field: deep})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(percent: i64) -> Value {
        json!({"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": percent}}})
    }

    #[test]
    fn a_cpu_target_is_a_field() {
        let v1 = json!({"metadata": {}, "spec": {TARGET_FIELD: 50}});
        let mut object = v1.clone();
        to_v2(&mut object);
        assert_eq!(
            object,
            json!({"metadata": {}, "spec": {"metrics": [cpu(50)]}})
        );
        to_v1(&mut object);
        assert_eq!(object, v1);
    }

    #[test]
    fn everything_else_survives_v1() {
        let metrics = json!([
            {"type": "Resource", "resource": {"name": "memory",
                "target": {"type": "AverageValue", "averageValue": "64Mi"}}},
            {"type": "ContainerResource", "containerResource": {"name": "cpu",
                "container": "server",
                "target": {"type": "Utilization", "averageUtilization": 70}}},
            {"type": "Pods", "pods": {
                "metric": {"name": "qps", "selector": {"matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "100"}}},
            {"type": "Object", "object": {"metric": {"name": "hits"},
                "describedObject": {"kind": "Service", "name": "web"},
                "target": {"type": "AverageValue", "averageValue": "10"}}},
            {"type": "External", "external": {
                "metric": {"name": "queue", "selector": {"matchLabels": {"c": "d"}}},
                "target": {"type": "Value", "value": "30"}}},
            cpu(50),
        ]);
        let v2 = json!({
            "metadata": {"name": "web", "annotations": {"mine": "kept"}},
            "spec": {"maxReplicas": 3, "metrics": metrics,
                     "behavior": {"scaleDown": {"selectPolicy": "Disabled"}}},
            "status": {"conditions": [{"type": "AbleToScale", "status": "True"}],
                       "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu",
                            "current": {"averageUtilization": 23, "averageValue": "23m"}}}]},
        });
        let mut object = v2.clone();
        to_v1(&mut object);
        assert_eq!(object["spec"], json!({"maxReplicas": 3, TARGET_FIELD: 50}));
        assert_eq!(object["status"], json!({CURRENT_FIELD: 23}));
        let note: Value =
            serde_json::from_str(object["metadata"]["annotations"][METRICS].as_str().unwrap())
                .unwrap();
        assert_eq!(
            note[1],
            json!({"type": "ContainerResource", "containerResource": {"name": "cpu",
                "container": "server", "targetAverageUtilization": 70}})
        );
        to_v2(&mut object);
        assert_eq!(object, v2);
    }
}
