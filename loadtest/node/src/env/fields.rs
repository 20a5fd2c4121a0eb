//! What the downward API tells a container about its pod: `fieldRef` and `resourceFieldRef`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::quantity;

/// A pod, and the values the node knows before they are in its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodFields<'a> {
    /// The pod's object.
    pub pod: &'a Pod,
    /// The address it was given.
    pub pod_ip: &'a str,
    /// The node's address.
    pub host_ip: &'a str,
    /// The node's CPUs in thousandths: what a missing CPU limit reads as.
    pub node_milli_cpu: u64,
    /// The node's memory: what a missing memory limit reads as.
    pub node_memory_bytes: u64,
}

impl PodFields<'_> {
    /// The value of a `fieldRef` path, or what is wrong with the path.
    pub(crate) fn field(&self, path: &str) -> Result<String, String> {
        let metadata = &self.pod.metadata;
        let spec = self.pod.spec.as_ref();
        let text = |value: Option<&String>| Ok(value.cloned().unwrap_or_default());
        match path {
            "metadata.name" => text(metadata.name.as_ref()),
            "metadata.namespace" => text(metadata.namespace.as_ref()),
            "metadata.uid" => text(metadata.uid.as_ref()),
            "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
            "spec.serviceAccountName" => text(spec.and_then(|s| s.service_account_name.as_ref())),
            "status.podIP" | "status.podIPs" => Ok(self.pod_ip.to_owned()),
            "status.hostIP" | "status.hostIPs" => Ok(self.host_ip.to_owned()),
            _ => {
                if let Some(key) = subscript(path, "metadata.labels") {
                    Ok(entry(&metadata.labels, key))
                } else if let Some(key) = subscript(path, "metadata.annotations") {
                    Ok(entry(&metadata.annotations, key))
                } else {
                    Err(format!(
                        "field {path:?} is not one that a container can be told"
                    ))
                }
            }
        }
    }

    /// The value of a `resourceFieldRef`, in units of its divisor, rounded up.
    pub(crate) fn resource(
        &self,
        container: &Container,
        selector: &ResourceFieldSelector,
    ) -> Result<String, String> {
        let wanted = selector
            .container_name
            .as_deref()
            .unwrap_or(&container.name);
        let spec = self.pod.spec.as_ref().ok_or("the pod has no spec")?;
        let container = spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .find(|candidate| candidate.name == wanted)
            .ok_or_else(|| format!("the pod has no container {wanted:?}"))?;
        let resources = container.resources.as_ref();
        let limit = |name: &str| lookup(resources.and_then(|r| r.limits.as_ref()), name);
        let request = |name: &str| lookup(resources.and_then(|r| r.requests.as_ref()), name);
        let milli = match selector.resource.as_str() {
            "limits.cpu" => limit("cpu")?.unwrap_or(u128::from(self.node_milli_cpu)),
            "limits.memory" => {
                limit("memory")?.unwrap_or(u128::from(self.node_memory_bytes) * 1000)
            }
            "requests.cpu" => request("cpu")?.or(limit("cpu")?).unwrap_or(0),
            "requests.memory" => request("memory")?.or(limit("memory")?).unwrap_or(0),
            other => return Err(format!("resource {other:?} is not supported by this node")),
        };
        let divisor = match &selector.divisor {
            Some(Quantity(text)) if !text.is_empty() && text != "0" => thousandths(text)?,
            _ => 1000,
        };
        Ok(milli.div_ceil(divisor.max(1)).to_string())
    }
}

fn lookup(list: Option<&BTreeMap<String, Quantity>>, name: &str) -> Result<Option<u128>, String> {
    list.and_then(|list| list.get(name))
        .map(|quantity| thousandths(&quantity.0))
        .transpose()
}

fn thousandths(text: &str) -> Result<u128, String> {
    quantity::milli(text)
        .map(u128::from)
        .map_err(|error| error.to_string())
}

/// The key in `name['key']`.
fn subscript<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    path.strip_prefix(name)?
        .strip_prefix("['")?
        .strip_suffix("']")
}

fn entry(map: &Option<BTreeMap<String, String>>, key: &str) -> String {
    map.as_ref()
        .and_then(|map| map.get(key))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_fields_and_resources() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"nodeName": "local", "containers": [
                {"name": "c", "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}},
            ]},
        }))
        .unwrap();
        let fields = PodFields {
            pod: &pod,
            pod_ip: "127.10.0.1",
            host_ip: "127.0.0.1",
            node_milli_cpu: 2_000,
            node_memory_bytes: 1 << 30,
        };
        for (path, expected) in [
            ("metadata.name", "p"),
            ("metadata.namespace", "n"),
            ("metadata.uid", "u"),
            ("spec.nodeName", "local"),
            ("status.podIP", "127.10.0.1"),
            ("status.hostIP", "127.0.0.1"),
            ("metadata.labels['app.kubernetes.io/name']", "web"),
            ("metadata.annotations['none']", ""),
        ] {
            assert_eq!(fields.field(path).as_deref(), Ok(expected), "{path}");
        }
        assert!(fields.field("spec.containers").is_err());

        let container = &pod.spec.as_ref().unwrap().containers[0];
        for (resource, divisor, expected) in [
            ("limits.cpu", None, "2"),
            ("limits.cpu", Some("1m"), "1500"),
            ("requests.cpu", Some("1m"), "1500"),
            ("requests.memory", Some("1Mi"), "64"),
            ("limits.memory", Some("1Mi"), "1024"),
        ] {
            let selector = ResourceFieldSelector {
                resource: resource.to_owned(),
                divisor: divisor.map(|text| Quantity(text.to_owned())),
                container_name: None,
            };
            assert_eq!(
                fields.resource(container, &selector).as_deref(),
                Ok(expected),
                "{resource}"
            );
        }
    }
}
