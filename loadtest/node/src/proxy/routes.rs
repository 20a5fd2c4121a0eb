//! Which address leads to which endpoints, from Services and EndpointSlices (pure).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::address::Cidr;

/// The label by which a slice names its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where one listener sends its requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// `namespace/name` of the service.
    pub(super) service: String,
    /// Its ready endpoints.
    pub(super) endpoints: BTreeSet<SocketAddr>,
}

/// All listeners that there should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Routes {
    /// By the address to listen on.
    pub(super) routes: BTreeMap<SocketAddr, Route>,
    /// Services (by `namespace/name`) with an address that is not served here, and that address.
    pub(super) skipped: BTreeMap<String, String>,
}

/// Works out the routes. Services without an address, or with one neither in 127.0.0.0/8
/// nor in `serves`, and ports that do not speak plain HTTP, have none.
pub(super) fn routes(
    services: &[impl AsRef<Service>],
    slices: &[impl AsRef<EndpointSlice>],
    serves: Option<Cidr>,
) -> Routes {
    let mut by_service: BTreeMap<String, Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in slices.iter().map(AsRef::as_ref) {
        let labels = slice.metadata.labels.as_ref();
        if let Some(service) = labels.and_then(|labels| labels.get(SERVICE_NAME)) {
            let key = key(slice.metadata.namespace.as_deref(), service);
            by_service.entry(key).or_default().push(slice);
        }
    }
    let mut result = Routes::default();
    for service in services.iter().map(AsRef::as_ref) {
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let service_key = key(service.metadata.namespace.as_deref(), name);
        let Some(spec) = &service.spec else { continue };
        let cluster_ip = spec.cluster_ip.as_deref().unwrap_or_default();
        if cluster_ip.is_empty() || cluster_ip == "None" {
            continue;
        }
        let served = |address: Ipv4Addr| {
            address.is_loopback() || serves.is_some_and(|range| range.contains(address))
        };
        let address = match cluster_ip.parse() {
            Ok(IpAddr::V4(address)) if served(address) => IpAddr::V4(address),
            _ => {
                result.skipped.insert(service_key, cluster_ip.to_owned());
                continue;
            }
        };
        let slices = by_service
            .get(&service_key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for port in spec.ports.iter().flatten() {
            if let (true, Ok(number)) = (speaks_http(port), u16::try_from(port.port)) {
                let endpoints = ready_endpoints(port, slices);
                let route = Route {
                    service: service_key.clone(),
                    endpoints,
                };
                result
                    .routes
                    .insert(SocketAddr::new(address, number), route);
            }
        }
    }
    result
}

/// Whether requests of this port can be told apart: not those inside TLS, nor other protocols.
fn speaks_http(port: &ServicePort) -> bool {
    let tcp = port.protocol.as_deref().unwrap_or("TCP") == "TCP";
    let tls = port.name.as_deref() == Some("https");
    tcp && !tls
        && port
            .app_protocol
            .as_deref()
            .is_none_or(|protocol| protocol == "http")
}

fn ready_endpoints(port: &ServicePort, slices: &[&EndpointSlice]) -> BTreeSet<SocketAddr> {
    let mut found = BTreeSet::new();
    for slice in slices {
        let same_name = |name: &Option<String>| {
            name.as_deref().unwrap_or_default() == port.name.as_deref().unwrap_or_default()
        };
        let target = slice
            .ports
            .iter()
            .flatten()
            .find(|candidate| same_name(&candidate.name))
            .and_then(|candidate| u16::try_from(candidate.port?).ok());
        let Some(target) = target else { continue };
        for endpoint in slice.endpoints.iter().flatten() {
            // The API's words: nil means unknown, and unknown is to be taken as ready.
            let ready = endpoint
                .conditions
                .as_ref()
                .and_then(|c| c.ready)
                .unwrap_or(true);
            let addresses = endpoint.addresses.iter().filter(|_| ready);
            // All addresses of one endpoint are the same pod: the first one serves.
            let first = addresses
                .take(1)
                .filter_map(|address| address.parse::<IpAddr>().ok());
            found.extend(first.map(|address| SocketAddr::new(address, target)));
        }
    }
    found
}

fn key(namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or("default"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn service(name: &str, ip: &str) -> Arc<Service> {
        let value = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"clusterIP": ip, "ports": [
                {"name": "http", "port": 80},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "https", "port": 443},
                {"name": "rpc", "port": 81, "appProtocol": "kubernetes.io/h2c"},
            ]},
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    fn slice(service: &str, endpoints: serde_json::Value) -> Arc<EndpointSlice> {
        let value = json!({
            "metadata": {"name": "s", "namespace": "shop", "labels": {SERVICE_NAME: service}},
            "addressType": "IPv4",
            "ports": [{"name": "admin", "port": 9}, {"name": "http", "port": 8080}],
            "endpoints": endpoints,
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn routes_lead_to_ready_endpoints_of_the_same_port() {
        let slices = [
            slice(
                "web",
                json!([
                    {"addresses": ["127.10.0.1"], "conditions": {"ready": true}},
                    {"addresses": ["127.10.0.2"], "conditions": {"ready": false}},
                    {"addresses": ["127.10.0.3"]},
                ]),
            ),
            slice(
                "web",
                json!([{"addresses": ["127.10.0.4"], "conditions": {"ready": true}}]),
            ),
            slice("other", json!([{"addresses": ["127.10.0.5"]}])),
        ];
        let found = routes(&[service("web", "127.96.0.1")], &slices, None);
        let (address, route) = found.routes.first_key_value().unwrap();
        assert_eq!(found.routes.len(), 1, "only HTTP ports are proxied");
        assert_eq!(address.to_string(), "127.96.0.1:80");
        let endpoints: Vec<_> = route.endpoints.iter().map(SocketAddr::to_string).collect();
        assert_eq!(
            endpoints,
            ["127.10.0.1:8080", "127.10.0.3:8080", "127.10.0.4:8080"]
        );
    }

    #[test]
    fn foreign_addresses_are_skipped_and_headless_services_ignored() {
        let services = [
            service("real", "10.96.0.1"),
            service("headless", "None"),
            service("pending", ""),
        ];
        let found = routes(&services, &[] as &[Arc<EndpointSlice>], None);
        assert!(found.routes.is_empty());
        assert_eq!(
            found.skipped.into_iter().collect::<Vec<_>>(),
            [("shop/real".to_owned(), "10.96.0.1".to_owned())]
        );
        let serves = Some("10.96.0.0/16".parse().unwrap());
        let found = routes(&services, &[] as &[Arc<EndpointSlice>], serves);
        assert!(found.routes.contains_key(&"10.96.0.1:80".parse().unwrap()));
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn a_service_without_endpoints_still_listens() {
        let found = routes(
            &[service("web", "127.96.0.1")],
            &[] as &[Arc<EndpointSlice>],
            None,
        );
        assert!(
            found
                .routes
                .first_key_value()
                .unwrap()
                .1
                .endpoints
                .is_empty()
        );
    }
}
