//! Service + ready pods → EndpointSlice and Endpoints.
//!
//! One slice per service holds all its endpoints (a real cluster splits at 100). Deliberately
//! absent: dual stack, topology hints, and services whose pods give one named port different
//! numbers (the first pod's number counts).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Context, Doing, Error, RESYNC, drive, is_gone, pods};

const MANAGER: &str = "endpointslice-controller.k8s.io";

pub(super) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(
        Api::<Service>::all(client.clone()),
        watcher::Config::default(),
    )
    .owns(
        Api::<EndpointSlice>::all(client.clone()),
        watcher::Config::default(),
    );
    let services = controller.store();
    let controller = controller.watches(
        Api::<Pod>::all(client),
        watcher::Config::default(),
        move |pod: Pod| {
            let selecting = services
                .state()
                .into_iter()
                .filter(|service| selects(service, &pod));
            selecting
                .map(|service| ObjectRef::from_obj(service.as_ref()))
                .collect::<Vec<_>>()
        },
    );
    drive(controller, reconcile, context, stop).await;
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.as_ref());
    service.namespace() == pod.namespace()
        && selector.is_some_and(|selector| {
            !selector.is_empty()
                && selector
                    .iter()
                    .all(|(key, value)| pod.labels().get(key) == Some(value))
        })
}

async fn reconcile(service: Arc<Service>, context: Arc<Context>) -> Result<Action, Error> {
    let selector = service
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.clone())
        .unwrap_or_default();
    // Without a selector, somebody else states the endpoints.
    if selector.is_empty() || service.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let namespace = service.namespace().unwrap_or_default();
    let query: Vec<String> = selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut pods = Api::<Pod>::namespaced(context.client.clone(), &namespace)
        .list(&ListParams::default().labels(&query.join(",")))
        .await
        .doing("list pods")?
        .items;
    pods.retain(|pod| !pods::is_finished(pod) && ip(pod).is_some());
    pods.sort_by_key(ResourceExt::name_any);
    write::<EndpointSlice>(
        &context,
        &service,
        &slice_name(&service),
        slice(&service, &pods),
    )
    .await?;
    write::<Endpoints>(
        &context,
        &service,
        &service.name_any(),
        endpoints(&service, &pods),
    )
    .await?;
    Ok(Action::requeue(RESYNC))
}

/// Server-side apply: one request, and no event when nothing changed.
async fn write<K>(
    context: &Context,
    service: &Service,
    name: &str,
    object: Value,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let namespace = service.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::apply(MANAGER).force();
    match api.patch(name, &parameters, &Patch::Apply(&object)).await {
        Err(error) if is_gone(&error) => Ok(()),
        other => other.map(drop).doing(format!(
            "write the endpoints of service {}",
            service.name_any()
        )),
    }
}

fn slice_name(service: &Service) -> String {
    format!("{}-endpoints", service.name_any())
}

fn ip(pod: &Pod) -> Option<&str> {
    pod.status
        .as_ref()?
        .pod_ip
        .as_deref()
        .filter(|ip| !ip.is_empty())
}

/// A port of the service as pods offer it: name, protocol, number.
fn ports(service: &Service, pods: &[Pod]) -> Vec<Value> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    ports
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let target = serde_json::to_value(&port.target_port).unwrap_or_default();
            let number = match &target {
                Value::Number(number) => number.as_i64(),
                Value::String(name) => pods.iter().find_map(|pod| named_port(pod, name)),
                _ => Some(i64::from(port.port)),
            }?;
            Some(json!({
                "name": port.name.as_deref().unwrap_or(""),
                "protocol": port.protocol.as_deref().unwrap_or("TCP"),
                "port": number,
            }))
        })
        .collect()
}

fn named_port(pod: &Pod, name: &str) -> Option<i64> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .flat_map(|container| container.ports.iter().flatten())
        .find(|port| port.name.as_deref() == Some(name))
        .map(|port| i64::from(port.container_port))
}

fn metadata(service: &Service, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": service.namespace(),
        "labels": {
            "kubernetes.io/service-name": service.name_any(),
            "endpointslice.kubernetes.io/managed-by": MANAGER,
        },
        "ownerReferences": service.controller_owner_ref(&()).map(|owner| vec![owner]),
    })
}

fn publishes_not_ready(service: &Service) -> bool {
    service
        .spec
        .as_ref()
        .and_then(|spec| spec.publish_not_ready_addresses)
        == Some(true)
}

fn target(pod: &Pod) -> Value {
    json!({"kind": "Pod", "name": pod.name_any(), "namespace": pod.namespace(), "uid": pod.uid()})
}

fn slice(service: &Service, pods: &[Pod]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let (serving, terminating) = (pods::is_ready(pod), pods::is_deleting(pod));
            json!({
                "addresses": [ip(pod)],
                "conditions": {
                    "ready": (serving && !terminating) || publishes_not_ready(service),
                    "serving": serving,
                    "terminating": terminating,
                },
                "nodeName": pods::node(pod),
                "targetRef": target(pod),
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(service, &slice_name(service)),
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports(service, pods),
    })
}

fn endpoints(service: &Service, pods: &[Pod]) -> Value {
    let address =
        |pod: &&Pod| json!({"ip": ip(pod), "nodeName": pods::node(pod), "targetRef": target(pod)});
    let (ready, not_ready): (Vec<&Pod>, Vec<&Pod>) = pods
        .iter()
        .filter(|pod| !pods::is_deleting(pod))
        .partition(|pod| pods::is_ready(pod) || publishes_not_ready(service));
    let mut subset = json!({"ports": ports(service, pods)});
    for (field, pods) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
        if !pods.is_empty() {
            subset[field] = pods.iter().map(address).collect();
        }
    }
    let empty = subset.as_object().is_none_or(|subset| subset.len() == 1);
    json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata(service, &service.name_any()),
        "subsets": if empty { json!([]) } else { json!([subset]) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(target_port: Value) -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "d", "uid": "1"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": target_port}]},
        }))
        .unwrap()
    }

    fn pod(name: &str, ready: &str, deleting: bool) -> Pod {
        let mut value = json!({
            "metadata": {"name": name, "namespace": "d", "labels": {"app": "web"}},
            "spec": {"nodeName": "n", "containers": [
                {"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "podIP": "127.10.0.1",
                       "conditions": [{"type": "Ready", "status": ready}]},
        });
        if deleting {
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        value["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn readiness_and_termination_are_told_apart() {
        let pods = [
            pod("a", "True", false),
            pod("b", "False", false),
            pod("c", "True", true),
        ];
        let slice = slice(&service(json!("http")), &pods);
        let ready: Vec<&Value> = slice["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["conditions"]["ready"])
            .collect();
        assert_eq!(ready, [true, false, false]);
        assert_eq!(slice["endpoints"][2]["conditions"]["terminating"], true);
        assert_eq!(slice["ports"][0]["port"], 8080);
        let endpoints = endpoints(&service(json!(9000)), &pods);
        assert_eq!(
            endpoints["subsets"][0]["addresses"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            endpoints["subsets"][0]["notReadyAddresses"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 9000);
    }

    #[test]
    fn only_the_services_of_a_pod_are_woken() {
        let pod = pod("a", "True", false);
        assert!(selects(&service(json!(1)), &pod));
        let mut other = service(json!(1));
        other.metadata.namespace = Some("elsewhere".into());
        assert!(!selects(&other, &pod));
    }
}
