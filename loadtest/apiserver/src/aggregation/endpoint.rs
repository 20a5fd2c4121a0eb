//! From a Service to an address of the server behind it.
//!
//! The service proxy of the local node speaks HTTP only, so TLS cannot go through a cluster
//! address: requests go to an endpoint, as with kube-apiserver's
//! `--enable-aggregator-routing`, or to the name of an `ExternalName` service.

use rand::seq::IndexedRandom;
use serde_json::Value;

use super::registration::ServiceRef;
use super::unreachable::Unreachable;
use crate::object::{at, items, text};
use crate::selector::Filter;
use crate::store::{Key, Store};

/// Host (a name or an address) and port to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            return write!(formatter, "[{}]:{}", self.host, self.port);
        }
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// One address of the service, drawn by chance when it has several.
pub(super) fn resolve(store: &Store, service: &ServiceRef) -> Result<Address, Unreachable> {
    let found = store
        .get(&key("services", service))
        .ok_or_else(|| Unreachable::ServiceNotFound(service.clone()))?;
    if text(&found.value, "spec.type") == "ExternalName" {
        return Ok(Address {
            host: text(&found.value, "spec.externalName").to_owned(),
            port: service.port,
        });
    }
    let port = items(&found.value, "spec.ports")
        .iter()
        .find(|port| port["port"] == service.port)
        .map(|port| text(port, "name").to_owned())
        .ok_or_else(|| Unreachable::ServicePort(service.clone()))?;
    let slices = slices(store, service);
    let endpoints = store.get(&key("endpoints", service));
    if slices.is_empty() && endpoints.is_none() {
        return Err(Unreachable::EndpointsNotFound(service.clone()));
    }
    let mut addresses: Vec<Address> = slices
        .iter()
        .flat_map(|slice| of_slice(slice, &port))
        .collect();
    if let (true, Some(endpoints)) = (addresses.is_empty(), endpoints) {
        addresses = of_endpoints(&endpoints.value, &port);
    }
    addresses
        .choose(&mut rand::rng())
        .cloned()
        .ok_or_else(|| Unreachable::MissingEndpoints {
            service: service.clone(),
            port,
        })
}

fn key(collection: &str, service: &ServiceRef) -> Key {
    Key {
        collection: collection.to_owned(),
        namespace: service.namespace.clone(),
        name: service.name.clone(),
    }
}

fn slices(store: &Store, service: &ServiceRef) -> Vec<Value> {
    let filter = Filter {
        namespace: Some(service.namespace.clone()),
        ..Filter::default()
    };
    store
        .list("endpointslices.discovery.k8s.io", &filter, 0, None)
        .objects
        .iter()
        .filter(|slice| {
            let labels = at(&slice.value, "metadata.labels");
            labels["kubernetes.io/service-name"] == service.name.as_str()
        })
        .map(|slice| slice.value.clone())
        .collect()
}

/// The port of that name; the empty name is that of an only port.
fn port_number(ports: &[Value], name: &str) -> Option<u16> {
    ports
        .iter()
        .find(|port| text(port, "name") == name)
        .and_then(|port| port["port"].as_u64())
        .and_then(|number| u16::try_from(number).ok())
}

fn of_slice(slice: &Value, port: &str) -> Vec<Address> {
    let Some(port) = port_number(items(slice, "ports"), port) else {
        return Vec::new();
    };
    items(slice, "endpoints")
        .iter()
        .filter(|endpoint| at(endpoint, "conditions.ready") != &Value::Bool(false))
        .filter_map(|endpoint| items(endpoint, "addresses").first()?.as_str())
        .map(|host| Address {
            host: host.to_owned(),
            port,
        })
        .collect()
}

fn of_endpoints(endpoints: &Value, port: &str) -> Vec<Address> {
    items(endpoints, "subsets")
        .iter()
        .filter_map(|subset| Some((subset, port_number(items(subset, "ports"), port)?)))
        .flat_map(|(subset, port)| {
            items(subset, "addresses")
                .iter()
                .map(move |address| Address {
                    host: text(address, "ip").to_owned(),
                    port,
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreLimits;
    use serde_json::json;
    use std::sync::Arc;

    fn service() -> ServiceRef {
        ServiceRef {
            namespace: "d".into(),
            name: "ext".into(),
            port: 443,
        }
    }

    fn store_with(objects: &[(&str, &str, Value)]) -> Arc<Store> {
        let store = Store::new(StoreLimits::default());
        for (collection, name, object) in objects {
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!("d");
            let key = Key {
                collection: (*collection).to_owned(),
                namespace: "d".into(),
                name: (*name).to_owned(),
            };
            store
                .transact(false, |tx| Ok(tx.put(&key, object)))
                .unwrap();
        }
        store
    }

    fn resolved(objects: &[(&str, &str, Value)]) -> Result<String, &'static str> {
        resolve(&store_with(objects), &service())
            .map(|address| address.to_string())
            .map_err(|error| error.reason())
    }

    fn cluster_ip() -> (&'static str, &'static str, Value) {
        (
            "services",
            "ext",
            json!({"spec": {"ports": [{"name": "https", "port": 443}]}}),
        )
    }

    fn slice(ready: Value) -> (&'static str, &'static str, Value) {
        let slice = json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "ext"}},
            "ports": [{"name": "other", "port": 1}, {"name": "https", "port": 4443}],
            "endpoints": [{"addresses": ["127.0.0.9"], "conditions": {"ready": ready}}],
        });
        ("endpointslices.discovery.k8s.io", "ext-1", slice)
    }

    #[test]
    fn every_kind_of_service_resolves() {
        let external = json!({"spec": {"type": "ExternalName", "externalName": "localhost"}});
        assert_eq!(
            resolved(&[("services", "ext", external)]).unwrap(),
            "localhost:443"
        );
        assert_eq!(
            resolved(&[cluster_ip(), slice(json!(true))]).unwrap(),
            "127.0.0.9:4443"
        );
        // An absent condition counts as ready.
        assert_eq!(
            resolved(&[cluster_ip(), slice(json!(null))]).unwrap(),
            "127.0.0.9:4443"
        );
        let endpoints = json!({"subsets": [{"addresses": [{"ip": "::1"}],
                                            "ports": [{"name": "https", "port": 7}]}]});
        let with_endpoints = [cluster_ip(), ("endpoints", "ext", endpoints)];
        assert_eq!(resolved(&with_endpoints).unwrap(), "[::1]:7");
    }

    #[test]
    fn what_is_missing_has_a_reason() {
        assert_eq!(resolved(&[]), Err("ServiceNotFound"));
        let elsewhere = json!({"spec": {"ports": [{"port": 80}]}});
        assert_eq!(
            resolved(&[("services", "ext", elsewhere)]),
            Err("ServicePortError")
        );
        assert_eq!(resolved(&[cluster_ip()]), Err("EndpointsNotFound"));
        assert_eq!(
            resolved(&[cluster_ip(), slice(json!(false))]),
            Err("MissingEndpoints")
        );
    }
}
