//! The defaults that a real API server writes into new objects, for the kinds served here.

use serde_json::{Value, json};

use super::pod_defaults::pod_spec_defaults;
use crate::object::{self, child, set_default};

/// Fills in what the client left out of a stored-version object.
pub(crate) fn apply_defaults(collection: &str, object: &mut Value) {
    match collection {
        "pods" => pod(object),
        "deployments.apps" => deployment(object),
        "replicasets.apps" => replica_set(object),
        "services" => service(object),
        "namespaces" => namespace(object),
        "nodes" => node(object),
        "secrets" => set_default(object, "type", "Opaque"),
        "events" => set_default(object, "type", "Normal"),
        "endpointslices.discovery.k8s.io" => endpoint_slice(object),
        "horizontalpodautoscalers.autoscaling" => super::autoscaler::defaults(object),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object),
        "apiservices.apiregistration.k8s.io" => super::api_service::defaults(object),
        _ => {}
    }
}

fn pod(object: &mut Value) {
    pod_spec_defaults(child(object, "spec"));
    let qos = super::pod_defaults::qos_class(&object["spec"]);
    let status = child(object, "status");
    set_default(status, "phase", "Pending");
    set_default(status, "qosClass", qos);
}

fn deployment(object: &mut Value) {
    let spec = child(object, "spec");
    set_default(spec, "replicas", 1);
    set_default(spec, "revisionHistoryLimit", 10);
    set_default(spec, "progressDeadlineSeconds", 600);
    let strategy = child(spec, "strategy");
    set_default(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        set_default(rolling, "maxSurge", "25%");
        set_default(rolling, "maxUnavailable", "25%");
    }
    template(spec);
}

fn replica_set(object: &mut Value) {
    let template_labels = object::at(object, "spec.template.metadata.labels").clone();
    let spec = child(object, "spec");
    set_default(spec, "replicas", 1);
    if template_labels.is_object() {
        set_default(spec, "selector", json!({"matchLabels": template_labels}));
    }
    template(spec);
}

fn template(spec: &mut Value) {
    let template = child(spec, "template");
    set_default(
        child(template, "metadata"),
        "creationTimestamp",
        Value::Null,
    );
    pod_spec_defaults(child(template, "spec"));
}

fn service(object: &mut Value) {
    let spec = child(object, "spec");
    set_default(spec, "type", "ClusterIP");
    set_default(spec, "sessionAffinity", "None");
    set_default(spec, "internalTrafficPolicy", "Cluster");
    set_default(spec, "ipFamilies", json!(["IPv4"]));
    set_default(spec, "ipFamilyPolicy", "SingleStack");
    for port in spec["ports"].as_array_mut().into_iter().flatten() {
        set_default(port, "protocol", "TCP");
        let number = port["port"].clone();
        set_default(port, "targetPort", number);
    }
    set_default(child(object, "status"), "loadBalancer", json!({}));
}

fn namespace(object: &mut Value) {
    let name = object::name(object).to_owned();
    set_default(child(object, "spec"), "finalizers", json!(["kubernetes"]));
    set_default(child(object, "status"), "phase", "Active");
    child(object::metadata(object), "labels")["kubernetes.io/metadata.name"] = json!(name);
}

fn node(object: &mut Value) {
    child(object, "spec");
    let status = child(object, "status");
    if let Some(capacity) = status.get("capacity").cloned() {
        set_default(status, "allocatable", capacity);
    }
}

fn endpoint_slice(object: &mut Value) {
    for port in object["ports"].as_array_mut().into_iter().flatten() {
        set_default(port, "protocol", "TCP");
        set_default(port, "name", "");
    }
}

/// The conditions are what clients wait for after creating a definition.
fn definition(object: &mut Value) {
    let spec = child(object, "spec");
    set_default(spec, "conversion", json!({"strategy": "None"}));
    let names = child(spec, "names");
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    set_default(names, "singular", kind.to_lowercase());
    set_default(names, "listKind", format!("{kind}List"));
    let names = names.clone();
    let stored: Vec<Value> = object::items(object, "spec.versions")
        .iter()
        .filter(|version| version["storage"] == Value::Bool(true))
        .map(|version| version["name"].clone())
        .collect();
    let now = object::timestamp(chrono::Utc::now());
    let status = child(object, "status");
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": ""});
    set_default(
        status,
        "conditions",
        json!([
            condition("NamesAccepted", "NoConflicts"),
            condition("Established", "InitialNamesAccepted")
        ]),
    );
    status["acceptedNames"] = names;
    set_default(status, "storedVersions", Value::Array(stored));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_get_what_a_real_server_gives() {
        let mut object = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
        apply_defaults("deployments.apps", &mut object);
        let spec = &object["spec"];
        assert_eq!(spec["replicas"], 1);
        assert_eq!(spec["revisionHistoryLimit"], 10);
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
    }

    #[test]
    fn defaults_are_idempotent() {
        for collection in ["pods", "deployments.apps", "services", "namespaces"] {
            let mut once = json!({"metadata": {"name": "x"},
                "spec": {"ports": [{"port": 80}], "containers": [{"name": "a"}]}});
            apply_defaults(collection, &mut once);
            let mut twice = once.clone();
            apply_defaults(collection, &mut twice);
            assert_eq!(once, twice, "{collection}");
        }
    }
}
