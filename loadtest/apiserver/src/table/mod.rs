//! Server-side printing: the columns that `kubectl get` shows.

mod autoscaler;
mod core;
mod custom;
mod format;
mod workloads;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::object;
use crate::resource::Resource;

/// A column of a built-in kind's table: name, OpenAPI type, priority (1: only with `-o wide`).
type Column = (&'static str, &'static str, i64);

const NAME: Column = ("Name", "string", 0);
const AGE: Column = ("Age", "string", 0);

/// The table's `columnDefinitions`.
pub(crate) fn columns(resource: &Resource) -> Vec<Value> {
    let define = |name: &str, kind: &str, priority: i64| {
        let format = if name == "Name" { "name" } else { "" };
        json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
    };
    if let Some(columns) = &resource.columns {
        return custom::columns(columns)
            .into_iter()
            .map(|(name, kind, priority)| define(&name, &kind, priority))
            .collect();
    }
    builtin_columns(resource)
        .iter()
        .map(|(name, kind, prio)| define(name, kind, *prio))
        .collect()
}

fn builtin_columns(resource: &Resource) -> &'static [Column] {
    match resource.collection().as_str() {
        "pods" => workloads::POD,
        "deployments.apps" => workloads::DEPLOYMENT,
        "replicasets.apps" => workloads::REPLICA_SET,
        "horizontalpodautoscalers.autoscaling" => autoscaler::COLUMNS,
        "services" => core::SERVICE,
        "nodes" => core::NODE,
        "events" => core::EVENT,
        "namespaces" => core::NAMESPACE,
        "endpoints" => core::ENDPOINTS,
        "endpointslices.discovery.k8s.io" => core::ENDPOINT_SLICE,
        "leases.coordination.k8s.io" => core::LEASE,
        "configmaps" => core::CONFIG_MAP,
        "secrets" => core::SECRET,
        "customresourcedefinitions.apiextensions.k8s.io" => core::DEFINITION,
        "apiservices.apiregistration.k8s.io" => core::API_SERVICE,
        _ => &[NAME, AGE],
    }
}

/// The cells of one object's row.
pub(crate) fn cells(resource: &Resource, value: &Value, now: DateTime<Utc>) -> Vec<Value> {
    if let Some(columns) = &resource.columns {
        return custom::cells(columns, value, now);
    }
    match resource.collection().as_str() {
        "pods" => workloads::pod(value, now),
        "deployments.apps" => workloads::deployment(value, now),
        "replicasets.apps" => workloads::replica_set(value, now),
        "horizontalpodautoscalers.autoscaling" => autoscaler::cells(value, now),
        "services" => core::service(value, now),
        "nodes" => core::node(value, now),
        "events" => core::event(value, now),
        "namespaces" => core::namespace(value, now),
        "endpoints" => core::endpoints(value, now),
        "endpointslices.discovery.k8s.io" => core::endpoint_slice(value, now),
        "leases.coordination.k8s.io" => core::lease(value, now),
        "configmaps" => core::config_map(value, now),
        "secrets" => core::secret(value, now),
        "customresourcedefinitions.apiextensions.k8s.io" => core::definition(value),
        "apiservices.apiregistration.k8s.io" => core::api_service(value, now),
        _ => vec![json!(object::name(value)), json!(format::age(value, now))],
    }
}
