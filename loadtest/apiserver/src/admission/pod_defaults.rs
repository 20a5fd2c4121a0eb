//! Defaults of pods and pod templates, and the quality-of-service class.

use serde_json::{Map, Value, json};

use crate::object::{child, set_default};

/// Fills in a pod spec.
pub(super) fn pod_spec_defaults(spec: &mut Value) {
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "dnsPolicy", "ClusterFirst");
    set_default(spec, "schedulerName", "default-scheduler");
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default(spec, "securityContext", json!({}));
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container_defaults(container);
        }
        // Indexing for writing leaves a null where nothing was.
        if spec[list].is_null() {
            crate::object::remove(spec, list);
        }
    }
}

fn container_defaults(container: &mut Value) {
    set_default(container, "terminationMessagePath", "/dev/termination-log");
    set_default(container, "terminationMessagePolicy", "File");
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'))
        .map(|(_, tag)| tag);
    let policy = if matches!(tag, None | Some("latest")) {
        "Always"
    } else {
        "IfNotPresent"
    };
    set_default(container, "imagePullPolicy", policy);
    let resources = child(container, "resources");
    if let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() {
        let requests = child(resources, "requests");
        for (name, quantity) in limits {
            set_default(requests, &name, quantity);
        }
    }
    for port in container
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        set_default(port, "protocol", "TCP");
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            probe_defaults(probe);
        }
    }
    for variable in container
        .get_mut("env")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set_default(field, "apiVersion", "v1");
        }
    }
}

fn probe_defaults(probe: &mut Value) {
    set_default(probe, "timeoutSeconds", 1);
    set_default(probe, "periodSeconds", 10);
    set_default(probe, "successThreshold", 1);
    set_default(probe, "failureThreshold", 3);
    if let Some(get) = probe.get_mut("httpGet").filter(|get| get.is_object()) {
        set_default(get, "path", "/");
        set_default(get, "scheme", "HTTP");
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, by the rules of Kubernetes' "Pod Quality of
/// Service Classes" (CPU and memory of all containers; requests already defaulted).
pub(super) fn qos_class(spec: &Value) -> &'static str {
    let empty = Map::new();
    let (mut any, mut guaranteed) = (false, true);
    for container in ["containers", "initContainers"]
        .iter()
        .flat_map(|list| spec[*list].as_array().into_iter().flatten())
    {
        let part = |name: &str| container["resources"][name].as_object().unwrap_or(&empty);
        let (requests, limits) = (part("requests"), part("limits"));
        for resource in ["cpu", "memory"] {
            let (request, limit) = (requests.get(resource), limits.get(resource));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(resources: Value) -> &'static str {
        let mut spec = json!({"containers": [{"name": "a", "resources": resources}]});
        pod_spec_defaults(&mut spec);
        qos_class(&spec)
    }

    #[test]
    fn quality_of_service() {
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({"requests": {"cpu": "100m"}})), "Burstable");
        assert_eq!(class(json!({"limits": {"cpu": "1"}})), "Burstable");
        assert_eq!(
            class(json!({"limits": {"cpu": "1", "memory": "1Gi"}})),
            "Guaranteed"
        );
        assert_eq!(
            class(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}})),
            "Burstable"
        );
    }

    #[test]
    fn probes_and_requests_are_filled_in() {
        let mut spec = json!({"containers": [{"name": "a", "image": "shop:1",
            "resources": {"limits": {"cpu": "200m"}},
            "readinessProbe": {"httpGet": {"port": 80}}}]});
        pod_spec_defaults(&mut spec);
        let container = &spec["containers"][0];
        assert_eq!(container["resources"]["requests"]["cpu"], "200m");
        assert_eq!(container["readinessProbe"]["periodSeconds"], 10);
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/");
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert!(spec.get("initContainers").is_none());
    }
}
