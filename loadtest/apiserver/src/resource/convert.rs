//! Conversion between the served versions of a resource and its stored one.
//!
//! Real differences exist for two built-in kinds only: events (core and `events.k8s.io`) and
//! horizontal pod autoscalers (`v1` and `v2`). Everything else changes its `apiVersion` alone.

use serde_json::{Value, json};

use super::Resource;
use crate::object::{child, put, remove};

/// Field names of an event: (core, `events.k8s.io`).
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

const CPU_FIELD: &str = "targetCPUUtilizationPercentage";

/// Turns an object of `resource`'s version into the stored form.
pub(crate) fn to_storage(resource: &Resource, object: &mut Value) {
    if resource.is_storage() {
        return;
    }
    object["apiVersion"] = Value::String(resource.storage_api_version());
    match resource.group.as_str() {
        "events.k8s.io" => rename(object, EVENT_FIELDS.map(|(core, events)| (events, core))),
        "autoscaling" => hpa_to_v2(object),
        _ => {}
    }
}

/// Turns a stored object into `resource`'s version.
pub(crate) fn from_storage(resource: &Resource, object: &mut Value) {
    if resource.is_storage() {
        return;
    }
    object["apiVersion"] = Value::String(resource.api_version());
    match resource.group.as_str() {
        "events.k8s.io" => rename(object, EVENT_FIELDS),
        "autoscaling" => hpa_to_v1(object),
        _ => {}
    }
}

fn rename<'a>(object: &mut Value, fields: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (from, to) in fields {
        if let Some(content) = remove(object, from) {
            object[to] = content;
        }
    }
}

/// `v1` knows one target, CPU utilisation, in fields of its own.
fn hpa_to_v2(object: &mut Value) {
    if let Some(target) = remove(child(object, "spec"), CPU_FIELD) {
        object["spec"]["metrics"] = json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
        }]);
    }
    if let Some(current) = remove(child(object, "status"), "currentCPUUtilizationPercentage") {
        object["status"]["currentMetrics"] = json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageUtilization": current}},
        }]);
    }
}

/// Metrics other than CPU utilisation, behaviour and conditions have no place in `v1` and are
/// left out (a real server keeps them in annotations).
fn hpa_to_v1(object: &mut Value) {
    let cpu = |metrics: Option<Value>, pointer: &str| {
        let metrics = metrics?;
        let cpu = metrics
            .as_array()?
            .iter()
            .find(|metric| metric["resource"]["name"] == "cpu")?;
        cpu.pointer(pointer).cloned()
    };
    let spec = child(object, "spec");
    remove(spec, "behavior");
    let metrics = remove(spec, "metrics");
    put(
        spec,
        CPU_FIELD,
        cpu(metrics, "/resource/target/averageUtilization"),
    );
    let status = child(object, "status");
    remove(status, "conditions");
    let current = remove(status, "currentMetrics");
    put(
        status,
        "currentCPUUtilizationPercentage",
        cpu(current, "/resource/current/averageUtilization"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::Registry;
    use super::*;

    #[test]
    fn events_survive_the_round_trip() {
        let resource = Registry::new()
            .find("events.k8s.io", "v1", "events")
            .unwrap();
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "hello",
                         "regarding": {"kind": "Pod"}, "reportingController": "scaler"});
        let mut object = new.clone();
        to_storage(&resource, &mut object);
        assert_eq!(object["message"], "hello");
        assert_eq!(object["involvedObject"]["kind"], "Pod");
        assert_eq!(object["apiVersion"], "v1");
        from_storage(&resource, &mut object);
        assert_eq!(object, new);
    }

    #[test]
    fn hpa_v1_is_a_cpu_target() {
        let resource = Registry::new()
            .find("autoscaling", "v1", "horizontalpodautoscalers")
            .unwrap();
        let mut object = json!({"apiVersion": "autoscaling/v1", "spec": {CPU_FIELD: 50}});
        to_storage(&resource, &mut object);
        assert_eq!(
            object["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"],
            50
        );
        from_storage(&resource, &mut object);
        assert_eq!(object["spec"][CPU_FIELD], 50);
    }
}
