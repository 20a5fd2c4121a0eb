//! Tables of services, nodes, events and the other built-in kinds.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::format::{age, or_none, pairs, since, text_or};
use super::{AGE, Column, NAME};
use crate::object::{self, at, integer, items, text};

pub(super) const SERVICE: &[Column] = &[
    NAME,
    ("Type", "string", 0),
    ("Cluster-IP", "string", 0),
    ("External-IP", "string", 0),
    ("Port(s)", "string", 0),
    AGE,
    ("Selector", "string", 1),
];

pub(super) fn service(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let ports = items(value, "spec.ports")
        .iter()
        .map(|port| format!("{}/{}", integer(port, "port"), text(port, "protocol")));
    vec![
        json!(object::name(value)),
        json!(text(value, "spec.type")),
        json!(text_or(value, "spec.clusterIP", "<none>")),
        json!("<none>"),
        json!(or_none(ports)),
        json!(age(value, now)),
        json!(pairs(at(value, "spec.selector"))),
    ]
}

pub(super) const NODE: &[Column] = &[
    NAME,
    ("Status", "string", 0),
    ("Roles", "string", 0),
    AGE,
    ("Version", "string", 0),
    ("Internal-IP", "string", 1),
    ("OS-Image", "string", 1),
    ("Kernel-Version", "string", 1),
    ("Container-Runtime", "string", 1),
];

pub(super) fn node(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let ready = items(value, "status.conditions")
        .iter()
        .find(|one| one["type"] == "Ready");
    let mut status = match ready.map(|condition| text(condition, "status")) {
        Some("True") => "Ready",
        Some("False") => "NotReady",
        _ => "Unknown",
    }
    .to_owned();
    if at(value, "spec.unschedulable") == &Value::Bool(true) {
        status.push_str(",SchedulingDisabled");
    }
    let roles = object::labels(value)
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| {
            key.strip_prefix("node-role.kubernetes.io/")
                .map(str::to_owned)
        });
    let address = items(value, "status.addresses")
        .iter()
        .find(|address| address["type"] == "InternalIP")
        .map_or("<none>", |address| text(address, "address"));
    let info = at(value, "status.nodeInfo");
    vec![
        json!(object::name(value)),
        json!(status),
        json!(or_none(roles)),
        json!(age(value, now)),
        json!(text_or(info, "kubeletVersion", "<unknown>")),
        json!(address),
        json!(text_or(info, "osImage", "<unknown>")),
        json!(text_or(info, "kernelVersion", "<unknown>")),
        json!(text_or(info, "containerRuntimeVersion", "<unknown>")),
    ]
}

pub(super) const EVENT: &[Column] = &[
    ("Last Seen", "string", 0),
    ("Type", "string", 0),
    ("Reason", "string", 0),
    ("Object", "string", 0),
    ("Subobject", "string", 1),
    ("Source", "string", 1),
    ("Message", "string", 0),
    ("First Seen", "string", 1),
    ("Count", "string", 1),
    ("Name", "string", 1),
];

pub(super) fn event(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let first_of = |paths: [&str; 4]| {
        paths
            .iter()
            .map(|path| text(value, path))
            .find(|time| !time.is_empty())
            .unwrap_or_default()
    };
    let created = "metadata.creationTimestamp";
    let last = first_of([
        "series.lastObservedTime",
        "lastTimestamp",
        "eventTime",
        created,
    ]);
    let first = first_of(["firstTimestamp", "eventTime", created, created]);
    let regarding = at(value, "involvedObject");
    let source = [
        text(value, "source.component"),
        text(value, "reportingComponent"),
    ]
    .into_iter()
    .find(|source| !source.is_empty())
    .unwrap_or_default();
    let count = integer(value, "series.count")
        .max(integer(value, "count"))
        .max(1);
    vec![
        json!(since(last, now)),
        json!(text(value, "type")),
        json!(text(value, "reason")),
        json!(format!(
            "{}/{}",
            text(regarding, "kind").to_lowercase(),
            text(regarding, "name")
        )),
        json!(text(regarding, "fieldPath")),
        json!(source),
        json!(text(value, "message").trim()),
        json!(since(first, now)),
        json!(count.to_string()),
        json!(object::name(value)),
    ]
}

pub(super) const NAMESPACE: &[Column] = &[NAME, ("Status", "string", 0), AGE];

pub(super) fn namespace(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    vec![
        json!(object::name(value)),
        json!(text(value, "status.phase")),
        json!(age(value, now)),
    ]
}

pub(super) const ENDPOINTS: &[Column] = &[NAME, ("Endpoints", "string", 0), AGE];

pub(super) fn endpoints(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let addresses = items(value, "subsets").iter().flat_map(|subset| {
        items(subset, "ports").iter().flat_map(move |port| {
            items(subset, "addresses")
                .iter()
                .map(move |address| format!("{}:{}", text(address, "ip"), integer(port, "port")))
        })
    });
    vec![
        json!(object::name(value)),
        json!(or_none(addresses)),
        json!(age(value, now)),
    ]
}

pub(super) const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    ("AddressType", "string", 0),
    ("Ports", "string", 0),
    ("Endpoints", "string", 0),
    AGE,
];

pub(super) fn endpoint_slice(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let ports = items(value, "ports")
        .iter()
        .map(|port| integer(port, "port").to_string());
    let addresses = items(value, "endpoints").iter().flat_map(|endpoint| {
        items(endpoint, "addresses")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
    });
    vec![
        json!(object::name(value)),
        json!(text(value, "addressType")),
        json!(or_none(ports)),
        json!(or_none(addresses)),
        json!(age(value, now)),
    ]
}

pub(super) const LEASE: &[Column] = &[NAME, ("Holder", "string", 0), AGE];

pub(super) fn lease(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    vec![
        json!(object::name(value)),
        json!(text(value, "spec.holderIdentity")),
        json!(age(value, now)),
    ]
}

pub(super) const CONFIG_MAP: &[Column] = &[NAME, ("Data", "string", 0), AGE];

fn data_count(value: &Value) -> usize {
    ["data", "binaryData"]
        .iter()
        .filter_map(|field| value[*field].as_object())
        .map(|m| m.len())
        .sum()
}

pub(super) fn config_map(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    vec![
        json!(object::name(value)),
        json!(data_count(value).to_string()),
        json!(age(value, now)),
    ]
}

pub(super) const SECRET: &[Column] = &[NAME, ("Type", "string", 0), ("Data", "integer", 0), AGE];

pub(super) fn secret(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    vec![
        json!(object::name(value)),
        json!(text(value, "type")),
        json!(data_count(value)),
        json!(age(value, now)),
    ]
}

pub(super) const DEFINITION: &[Column] = &[NAME, ("Created At", "date", 0)];

pub(super) fn definition(value: &Value) -> Vec<Value> {
    vec![
        json!(object::name(value)),
        at(value, "metadata.creationTimestamp").clone(),
    ]
}

pub(super) const API_SERVICE: &[Column] = &[
    NAME,
    ("Service", "string", 0),
    ("Available", "string", 0),
    AGE,
];

pub(super) fn api_service(value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    let service = at(value, "spec.service");
    let service = if service.is_object() {
        format!("{}/{}", text(service, "namespace"), text(service, "name"))
    } else {
        "Local".to_owned()
    };
    let available = items(value, "status.conditions")
        .iter()
        .find(|one| one["type"] == "Available")
        .map_or_else(
            || "Unknown".to_owned(),
            |condition| match text(condition, "status") {
                "True" => "True".to_owned(),
                status => format!("{status} ({})", text(condition, "reason")),
            },
        );
    vec![
        json!(object::name(value)),
        json!(service),
        json!(available),
        json!(age(value, now)),
    ]
}
