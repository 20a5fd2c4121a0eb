//! Defaults and rules of `APIService` objects, as kube-aggregator has them.

use serde_json::Value;

use super::validation::{is_dns_label, is_dns_subdomain};
use crate::aggregation::check_ca_bundle;
use crate::error::Cause;
use crate::object::{self, at, integer, set_default, text};

/// Highest `groupPriorityMinimum`.
const MAX_GROUP_PRIORITY: i64 = 20_000;
/// Highest `versionPriority`.
const MAX_VERSION_PRIORITY: i64 = 1_000;

/// Services listen on 443 unless said otherwise.
pub(super) fn defaults(object: &mut Value) {
    if let Some(service) = object.pointer_mut("/spec/service") {
        set_default(service, "port", 443);
    }
}

pub(super) fn validate(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let expected = format!("{version}.{group}");
    if object::name(object) != expected {
        causes.push(Cause::invalid(
            "metadata.name",
            format!(
                "Invalid value: {:?}: must be `spec.version+\".\"+spec.group`: {expected:?}",
                object::name(object)
            ),
        ));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group"));
    } else if !is_dns_subdomain(group) {
        causes.push(Cause::invalid(
            "spec.group",
            format!("Invalid value: {group:?}: must be a lowercase RFC 1123 subdomain"),
        ));
    }
    let starts_with_letter = version.starts_with(|first: char| first.is_ascii_lowercase());
    if !is_dns_label(version) || !starts_with_letter {
        causes.push(Cause::invalid(
            "spec.version",
            format!("Invalid value: {version:?}: must be a DNS-1035 label"),
        ));
    }
    for (field, limit) in [
        ("groupPriorityMinimum", MAX_GROUP_PRIORITY),
        ("versionPriority", MAX_VERSION_PRIORITY),
    ] {
        let priority = integer(spec, field);
        if !(1..=limit).contains(&priority) {
            causes.push(Cause::invalid(
                format!("spec.{field}"),
                format!("Invalid value: {priority}: must be positive and less than {limit}"),
            ));
        }
    }
    backend(spec, causes);
}

fn backend(spec: &Value, causes: &mut Vec<Cause>) {
    let bundle = text(spec, "caBundle");
    let insecure = at(spec, "insecureSkipTLSVerify") == &Value::Bool(true);
    if !spec["service"].is_object() {
        if !bundle.is_empty() {
            causes.push(Cause::invalid(
                "spec.caBundle",
                "Invalid value: local APIServices may not have a caBundle",
            ));
        }
        if insecure {
            causes.push(Cause::invalid(
                "spec.insecureSkipTLSVerify",
                "Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
            ));
        }
        return;
    }
    for field in ["namespace", "name"] {
        if text(&spec["service"], field).is_empty() {
            causes.push(Cause::required(format!("spec.service.{field}")));
        }
    }
    let port = integer(spec, "service.port");
    if !(1..=65_535).contains(&port) {
        causes.push(Cause::invalid(
            "spec.service.port",
            format!("Invalid value: {port}: must be between 1 and 65535, inclusive"),
        ));
    }
    if insecure && !bundle.is_empty() {
        causes.push(Cause::invalid(
            "spec.insecureSkipTLSVerify",
            "Invalid value: true: may not be true if caBundle is present",
        ));
    }
    if !bundle.is_empty()
        && let Err(fault) = check_ca_bundle(bundle)
    {
        causes.push(Cause::invalid(
            "spec.caBundle",
            format!("Invalid value: unable to load root certificates: {fault}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(change: &Value) -> Vec<String> {
        let mut object = json!({
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1",
                "service": {"namespace": "kube-system", "name": "metrics-server"},
                "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
            },
        });
        json_patch::merge(&mut object, change);
        defaults(&mut object);
        let mut causes = Vec::new();
        validate(&object, &mut causes);
        causes.into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn the_usual_one_is_valid() {
        assert!(fields(&json!({})).is_empty());
        let local = json!({"spec": {"service": null, "insecureSkipTLSVerify": null}});
        assert!(fields(&local).is_empty());
    }

    #[test]
    fn every_fault_is_named() {
        let wrong_name = json!({"metadata": {"name": "metrics"}});
        assert_eq!(fields(&wrong_name), ["metadata.name"]);
        let priorities = json!({"spec": {"groupPriorityMinimum": 20_001, "versionPriority": 0}});
        assert_eq!(
            fields(&priorities),
            ["spec.groupPriorityMinimum", "spec.versionPriority"]
        );
        let trust = json!({"spec": {"caBundle": "YQ=="}});
        assert_eq!(
            fields(&trust),
            ["spec.insecureSkipTLSVerify", "spec.caBundle"]
        );
        let nowhere = json!({"spec": {"service": {"name": null, "port": 0}}});
        assert_eq!(fields(&nowhere), ["spec.service.name", "spec.service.port"]);
        let local = json!({"spec": {"service": null}});
        assert_eq!(fields(&local), ["spec.insecureSkipTLSVerify"]);
    }
}
