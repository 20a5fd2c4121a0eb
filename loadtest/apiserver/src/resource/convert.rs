//! Conversion between the served versions of a resource and its stored one.
//!
//! Real differences exist for two built-in kinds only: events (core and `events.k8s.io`) and
//! horizontal pod autoscalers (`v1` and `v2`). Everything else changes its `apiVersion` alone.

use serde_json::Value;

use super::{Resource, autoscaler};
use crate::object::remove;

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

/// Turns an object of `resource`'s version into the stored form.
pub(crate) fn to_storage(resource: &Resource, object: &mut Value) {
    if resource.is_storage() {
        return;
    }
    object["apiVersion"] = Value::String(resource.storage_api_version());
    match resource.group.as_str() {
        "events.k8s.io" => rename(object, EVENT_FIELDS.map(|(core, events)| (events, core))),
        "autoscaling" => autoscaler::to_v2(object),
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
        "autoscaling" => autoscaler::to_v1(object),
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

#[cfg(test)]
mod tests {
    use super::super::Registry;
    use super::*;
    use serde_json::json;

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
}
