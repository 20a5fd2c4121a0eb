//! Minimal validation: what would confuse the controllers, the node or a user if it got in.

use serde_json::Value;

use super::{api_service, autoscaler};
use crate::error::{ApiError, Cause};
use crate::object::{self, at, items, text};
use crate::resource::Resource;

/// Checks a whole object (in its stored version, defaults applied).
pub(crate) fn validate(resource: &Resource, object: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    metadata(resource, object, &mut causes);
    match resource.collection().as_str() {
        "pods" => pod_spec("spec", &object["spec"], &mut causes),
        "deployments.apps" | "replicasets.apps" => workload(object, &mut causes),
        "services" => service(object, &mut causes),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object, &mut causes),
        "horizontalpodautoscalers.autoscaling" => autoscaler::validate(object, &mut causes),
        "apiservices.apiregistration.k8s.io" => api_service::validate(object, &mut causes),
        _ => {}
    }
    if let Some(schema) = &resource.schema {
        schema.validate(object, &mut causes);
    }
    refuse(resource, object, causes)
}

/// Completes and checks the status of an object, where it has a schema.
pub(crate) fn admit_status(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    if let Some(schema) = &resource.schema {
        schema.admit_status(object, &mut causes);
    }
    refuse(resource, object, causes)
}

/// Checks what may not change once an object exists.
pub(crate) fn validate_update(
    resource: &Resource,
    old: &Value,
    new: &Value,
) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let immutable: &[&str] = match resource.collection().as_str() {
        "deployments.apps" | "replicasets.apps" => &["spec.selector"],
        "services" => &["spec.clusterIP"],
        _ => &[],
    };
    for field in immutable {
        if at(old, field) != at(new, field) {
            causes.push(Cause::invalid(*field, "Invalid value: field is immutable"));
        }
    }
    if resource.collection() == "pods" && fixed_pod_spec(old) != fixed_pod_spec(new) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`, \
             `spec.activeDeadlineSeconds`, `spec.tolerations` or \
             `spec.terminationGracePeriodSeconds`",
        ));
    }
    if let Some(schema) = &resource.schema {
        schema.validate_change(old, new, &mut causes);
    }
    refuse(resource, new, causes)
}

/// Checks the replica count of a scale request.
pub(crate) fn validate_replicas(kind: &str, name: &str, replicas: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    non_negative("spec.replicas", replicas, &mut causes);
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid {
        kind: kind.to_owned(),
        name: name.to_owned(),
        causes,
    })
}

fn refuse(resource: &Resource, object: &Value, causes: Vec<Cause>) -> Result<(), ApiError> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(ApiError::Invalid {
        kind: resource.qualified_kind(),
        name: object::name(object).to_owned(),
        causes,
    })
}

fn fixed_pod_spec(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in [
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
    ] {
        object::remove(&mut spec, field);
    }
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            object::remove(container, "image");
        }
    }
    spec
}

fn metadata(resource: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    let name = object::name(object);
    // Services become host names, so their names are single labels.
    let (valid, rule) = match resource.plural.as_str() {
        "services" | "namespaces" => (is_dns_label(name), "a lowercase RFC 1123 label"),
        _ => (is_dns_subdomain(name), "a lowercase RFC 1123 subdomain"),
    };
    if !valid {
        causes.push(Cause::invalid(
            "metadata.name",
            format!(
                "Invalid value: {name:?}: {rule} must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        ));
    }
    for field in ["labels", "annotations"] {
        for (key, value) in object["metadata"][field].as_object().into_iter().flatten() {
            if !value.is_string() {
                causes.push(Cause::invalid(
                    format!("metadata.{field}.{key}"),
                    format!("Invalid value: {value}: must be a string"),
                ));
            }
        }
    }
}

pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_dns_subdomain(name) && !name.contains('.')
}

pub(super) fn is_dns_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn non_negative(field: &str, value: &Value, causes: &mut Vec<Cause>) {
    if value.is_null() {
        return;
    }
    match value.as_i64() {
        Some(count) if (0..=i64::from(i32::MAX)).contains(&count) => {}
        Some(count) => causes.push(Cause::invalid(
            field,
            format!("Invalid value: {count}: must be greater than or equal to 0"),
        )),
        None => causes.push(Cause::invalid(
            field,
            format!("Invalid value: {value}: must be an integer"),
        )),
    }
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    non_negative("spec.replicas", at(object, "spec.replicas"), causes);
    let selector = at(object, "spec.selector");
    let match_labels = selector["matchLabels"].as_object();
    if match_labels.is_none_or(|labels| labels.is_empty())
        && items(selector, "matchExpressions").is_empty()
    {
        causes.push(Cause::required("spec.selector"));
    }
    let labels = at(object, "spec.template.metadata.labels");
    if match_labels
        .into_iter()
        .flatten()
        .any(|(key, value)| labels.get(key) != Some(value))
    {
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            format!("Invalid value: {labels}: `selector` does not match template `labels`"),
        ));
    }
    pod_spec(
        "spec.template.spec",
        at(object, "spec.template.spec"),
        causes,
    );
}

fn pod_spec(path: &str, spec: &Value, causes: &mut Vec<Cause>) {
    let containers = items(spec, "containers");
    if containers.is_empty() {
        causes.push(Cause::required(format!("{path}.containers")));
    }
    let mut names = std::collections::HashSet::new();
    for (index, container) in containers.iter().enumerate() {
        let field = format!("{path}.containers[{index}]");
        let name = text(container, "name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{field}.name")));
        } else if !is_dns_label(name) {
            causes.push(Cause::invalid(
                format!("{field}.name"),
                format!("Invalid value: {name:?}: must be a lowercase RFC 1123 label"),
            ));
        } else if !names.insert(name) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                field: format!("{field}.name"),
                message: format!("Duplicate value: {name:?}"),
            });
        }
        if text(container, "image").is_empty() {
            causes.push(Cause::required(format!("{field}.image")));
        }
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let ports = items(object, "spec.ports");
    let external = text(object, "spec.type") == "ExternalName";
    if ports.is_empty() && !external && text(object, "spec.clusterIP") != "None" {
        causes.push(Cause::required("spec.ports"));
    }
    for (index, port) in ports.iter().enumerate() {
        let number = port["port"].as_i64().unwrap_or_default();
        if !(1..=65_535).contains(&number) {
            causes.push(Cause::invalid(
                format!("spec.ports[{index}].port"),
                format!("Invalid value: {number}: must be between 1 and 65535, inclusive"),
            ));
        }
        if ports.len() > 1 && text(port, "name").is_empty() {
            causes.push(Cause::required(format!("spec.ports[{index}].name")));
        }
    }
}

fn definition(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    for field in ["group", "names.plural", "names.kind", "scope"] {
        if text(spec, field).is_empty() {
            causes.push(Cause::required(format!("spec.{field}")));
        }
    }
    let expected = format!("{}.{}", text(spec, "names.plural"), text(spec, "group"));
    if object::name(object) != expected {
        causes.push(Cause::invalid(
            "metadata.name",
            format!(
                "Invalid value: {:?}: must be spec.names.plural+\".\"+spec.group",
                object::name(object)
            ),
        ));
    }
    let storage = items(spec, "versions")
        .iter()
        .filter(|one| one["storage"] == true)
        .count();
    if storage != 1 {
        causes.push(Cause::invalid(
            "spec.versions",
            "Invalid value: must have exactly one version marked as storage version",
        ));
    }
    crate::schema::check_definition(object, causes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Registry;
    use serde_json::json;

    fn check(group: &str, plural: &str, object: Value) -> Vec<String> {
        let resource = Registry::new().find(group, "v1", plural).unwrap();
        match validate(&resource, &object) {
            Ok(()) => Vec::new(),
            Err(ApiError::Invalid { causes, .. }) => {
                causes.into_iter().map(|cause| cause.field).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names() {
        for (name, valid) in [
            ("web", true),
            ("web-1.x", true),
            ("Web", false),
            ("-a", false),
            ("", false),
        ] {
            let causes = check("", "configmaps", json!({"metadata": {"name": name}}));
            assert_eq!(causes.is_empty(), valid, "{name}");
        }
        assert!(
            !check(
                "",
                "services",
                json!({"metadata": {"name": "a.b"},
            "spec": {"ports": [{"port": 1}]}})
            )
            .is_empty()
        );
    }

    #[test]
    fn every_fault_of_a_deployment_is_named() {
        let fields = check(
            "apps",
            "deployments",
            json!({
                "metadata": {"name": "web"},
                "spec": {"replicas": -1, "selector": {"matchLabels": {"app": "web"}},
                         "template": {"metadata": {"labels": {"app": "api"}},
                                      "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "a"}]}}},
            }),
        );
        assert_eq!(
            fields,
            [
                "spec.replicas",
                "spec.template.metadata.labels",
                "spec.template.spec.containers[1].name",
                "spec.template.spec.containers[1].image",
            ]
        );
    }

    #[test]
    fn selectors_are_immutable_and_so_is_most_of_a_pod() {
        let registry = Registry::new();
        let deployments = registry.find("apps", "v1", "deployments").unwrap();
        let old =
            json!({"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"a": "1"}}}});
        let new =
            json!({"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"a": "2"}}}});
        assert!(validate_update(&deployments, &old, &new).is_err());
        let pods = registry.find("", "v1", "pods").unwrap();
        let old = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}]}});
        let image = json!({"spec": {"containers": [{"name": "a", "image": "x:2"}]}});
        let node =
            json!({"spec": {"nodeName": "n", "containers": [{"name": "a", "image": "x:1"}]}});
        assert!(validate_update(&pods, &old, &image).is_ok());
        assert!(validate_update(&pods, &old, &node).is_err());
    }
}
