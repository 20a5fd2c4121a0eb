//! Variables that tell a container where services are (`CART_SERVICE_HOST`), by the rules of
//! Kubernetes' `pkg/kubelet/envvars`.

use k8s_openapi::api::core::v1::{Service, ServicePort};

/// The variables for every service of `namespace` that has an address, and for the API server's
/// own service (`default/kubernetes`), which every namespace sees.
pub(crate) fn service_links(
    namespace: &str,
    services: &[impl AsRef<Service>],
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for service in services.iter().map(AsRef::as_ref) {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let lives_in = service.metadata.namespace.as_deref().unwrap_or("default");
        let is_api = lives_in == "default" && name == "kubernetes";
        if lives_in != namespace && !is_api {
            continue;
        }
        let Some(spec) = &service.spec else { continue };
        let host = spec.cluster_ip.as_deref().unwrap_or_default();
        let ports = spec.ports.as_deref().unwrap_or_default();
        if host.is_empty() || host == "None" {
            continue;
        }
        if let Some(first) = ports.first() {
            links(&variable_name(name), host, first, ports, &mut variables);
        }
    }
    variables
}

fn links(
    prefix: &str,
    host: &str,
    first: &ServicePort,
    ports: &[ServicePort],
    out: &mut Vec<(String, String)>,
) {
    out.push((format!("{prefix}_SERVICE_HOST"), host.to_owned()));
    out.push((format!("{prefix}_SERVICE_PORT"), first.port.to_string()));
    for port in ports {
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let name = variable_name(name);
            out.push((
                format!("{prefix}_SERVICE_PORT_{name}"),
                port.port.to_string(),
            ));
        }
    }
    let url = |port: &ServicePort| {
        let protocol = protocol(port).to_lowercase();
        format!("{protocol}://{host}:{}", port.port)
    };
    out.push((format!("{prefix}_PORT"), url(first)));
    for port in ports {
        let prefix = format!(
            "{prefix}_PORT_{}_{}",
            port.port,
            protocol(port).to_uppercase()
        );
        out.push((prefix.clone(), url(port)));
        out.push((format!("{prefix}_PROTO"), protocol(port).to_lowercase()));
        out.push((format!("{prefix}_PORT"), port.port.to_string()));
        out.push((format!("{prefix}_ADDR"), host.to_owned()));
    }
}

fn protocol(port: &ServicePort) -> &str {
    port.protocol.as_deref().unwrap_or("TCP")
}

fn variable_name(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn service(namespace: &str, name: &str, ip: &str) -> Arc<Service> {
        let value = json!({
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": ip, "ports": [{"name": "http-web", "port": 80}, {"port": 90}]},
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn names_every_variable_that_kubernetes_does() {
        let links: BTreeMap<_, _> =
            service_links("shop", &[service("shop", "redis-cart", "127.96.0.9")])
                .into_iter()
                .collect();
        let expected = [
            ("REDIS_CART_PORT", "tcp://127.96.0.9:80"),
            ("REDIS_CART_PORT_80_TCP", "tcp://127.96.0.9:80"),
            ("REDIS_CART_PORT_80_TCP_ADDR", "127.96.0.9"),
            ("REDIS_CART_PORT_80_TCP_PORT", "80"),
            ("REDIS_CART_PORT_80_TCP_PROTO", "tcp"),
            ("REDIS_CART_PORT_90_TCP", "tcp://127.96.0.9:90"),
            ("REDIS_CART_PORT_90_TCP_ADDR", "127.96.0.9"),
            ("REDIS_CART_PORT_90_TCP_PORT", "90"),
            ("REDIS_CART_PORT_90_TCP_PROTO", "tcp"),
            ("REDIS_CART_SERVICE_HOST", "127.96.0.9"),
            ("REDIS_CART_SERVICE_PORT", "80"),
            ("REDIS_CART_SERVICE_PORT_HTTP_WEB", "80"),
        ];
        let links: Vec<_> = links
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(links, expected);
    }

    #[test]
    fn other_namespaces_and_services_without_address_give_nothing() {
        let services = [
            service("other", "a", "127.96.0.1"),
            service("shop", "headless", "None"),
            service("shop", "pending", ""),
        ];
        assert!(service_links("shop", &services).is_empty());
        let api = [service("default", "kubernetes", "127.96.0.1")];
        assert!(!service_links("shop", &api).is_empty());
    }
}
