//! The Kubernetes objects of the demo shop, under the names and with the resources of Online Boutique.
//!
//! For the local cluster and for any node that has the `demo-shop` program at the same path. On a real cluster the real
//! Online Boutique takes its place, with its own manifests: the same policies and the same Locust file fit both.

use std::path::PathBuf;

use demo_shop::Role;
use serde_json::{Value, json};

/// Namespace of all objects.
pub const NAMESPACE: &str = "shop";

/// What differs between one shop and another.
#[derive(Clone, Debug, PartialEq)]
pub struct ShopParameters {
    /// Path of the `demo-shop` program on the node.
    pub program: PathBuf,
    /// Factor on the CPU time and the fresh memory of every request; 1 fits the demo's load on two cores.
    pub work_scale: f64,
    /// Pods of each Deployment to begin with. The store of carts always has one: two would hold different carts.
    pub replicas: u32,
}

impl ShopParameters {
    /// One pod per Deployment, work as it is.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            work_scale: 1.0,
            replicas: 1,
        }
    }
}

/// Every object, in an order in which they can be applied: a pod is told the addresses of those Services that exist
/// when it starts, so Services come before Deployments.
#[must_use]
pub fn objects(parameters: &ShopParameters) -> Vec<Value> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE},
    });
    let mut objects = vec![namespace];
    objects.extend(Role::ALL.map(service));
    objects.extend(Role::ALL.map(|role| deployment(role, parameters)));
    objects
}

/// The same as one YAML stream, for `kubectl apply --filename -`.
#[must_use]
pub fn yaml(parameters: &ShopParameters) -> String {
    objects(parameters)
        .iter()
        .map(|object| serde_yaml::to_string(object).expect("JSON is YAML"))
        .collect::<Vec<_>>()
        .join("---\n")
}

fn labels(role: Role) -> Value {
    json!({"app": role.name(), "app.kubernetes.io/part-of": NAMESPACE})
}

fn service(role: Role) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": role.name(), "namespace": NAMESPACE, "labels": labels(role)},
        "spec": {
            "selector": {"app": role.name()},
            "ports": [{"name": "http", "port": role.service_port(), "targetPort": role.port()}],
        },
    })
}

fn deployment(role: Role, parameters: &ShopParameters) -> Value {
    let replicas = if role == Role::RedisCart {
        1
    } else {
        parameters.replicas
    };
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": role.name(), "namespace": NAMESPACE, "labels": labels(role)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": role.name()}},
            "template": {
                "metadata": {"labels": labels(role)},
                "spec": {
                    // Longer than the program's own limit on requests in flight.
                    "terminationGracePeriodSeconds": 15,
                    "containers": [container(role, parameters)],
                },
            },
        },
    })
}

fn container(role: Role, parameters: &ShopParameters) -> Value {
    let resources = role.resources();
    json!({
        "name": role.container(),
        "image": "demo-shop",
        "command": [parameters.program, role.name()],
        "ports": [{"name": "http", "containerPort": role.port()}],
        "env": environment(role, parameters),
        // A role is up in milliseconds. Patience with a busy one: taking it out would only move its load.
        "readinessProbe": {
            "httpGet": {"path": "/_healthz", "port": role.port()},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 5,
        },
        "resources": {
            "requests": {
                "cpu": format!("{}m", resources.cpu_request_millicores),
                "memory": format!("{}Mi", resources.memory_request_mib),
            },
            "limits": {
                "cpu": format!("{}m", resources.cpu_limit_millicores),
                "memory": format!("{}Mi", resources.memory_limit_mib),
            },
        },
    })
}

fn environment(role: Role, parameters: &ShopParameters) -> Vec<Value> {
    let mut variables = vec![
        json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"name": "PORT", "value": role.port().to_string()}),
        json!({"name": "SHOP_WORK_SCALE", "value": parameters.work_scale.to_string()}),
    ];
    variables.extend(
        role.callees().iter().map(
            |callee| json!({"name": callee.address_variable(), "value": service_link(*callee)}),
        ),
    );
    variables
}

/// `host:port` of a Service by the variables that Kubernetes gives every pod: needs no DNS.
fn service_link(role: Role) -> String {
    let name = role.name().to_ascii_uppercase().replace('-', "_");
    format!("$({name}_SERVICE_HOST):$({name}_SERVICE_PORT)")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Service;

    use super::*;

    /// Kept under `manifests/`, to be read and applied.
    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/shop.yaml");

    fn parameters() -> ShopParameters {
        ShopParameters::new("/usr/local/bin/demo-shop")
    }

    #[test]
    fn objects_are_what_kubernetes_reads() {
        let objects = objects(&parameters());
        let (services, deployments) = objects[1..].split_at(Role::ALL.len());
        for (service, deployment) in services.iter().zip(deployments) {
            let service: Service = serde_json::from_value(service.clone()).unwrap();
            let deployment: Deployment = serde_json::from_value(deployment.clone()).unwrap();
            let pod = deployment.spec.template;
            let selector = service.spec.unwrap().selector.unwrap();
            let labels = pod.metadata.unwrap().labels.unwrap();
            assert!(
                selector
                    .iter()
                    .all(|(name, value)| labels.get(name) == Some(value))
            );
        }
    }

    #[test]
    fn the_store_is_never_doubled() {
        let objects = objects(&ShopParameters {
            replicas: 3,
            ..parameters()
        });
        let replicas = |name: &str| {
            let found = objects
                .iter()
                .find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == name);
            found.unwrap()["spec"]["replicas"].clone()
        };
        assert_eq!(replicas("frontend"), 3);
        assert_eq!(replicas("redis-cart"), 1);
    }

    /// `VIPERSCALE_UPDATE_GOLDEN=1 cargo test` writes the file anew.
    #[test]
    fn the_file_of_manifests_is_current() {
        let text = format!(
            "# Made by loadtest's shop_manifests.rs, whose test keeps this file current.\n# The program must be at \
             /usr/local/bin/demo-shop on the node (image: is only a name).\n{}",
            yaml(&parameters())
        );
        if std::env::var_os("VIPERSCALE_UPDATE_GOLDEN").is_some() {
            std::fs::write(GOLDEN, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(GOLDEN).unwrap_or_default(), text);
    }
}
