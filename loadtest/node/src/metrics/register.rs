//! Telling a control plane where metrics are served, and taking that back.
//!
//! The Service is of type `ExternalName`, with the node's address as the name: an API server then
//! connects to that address itself. A Service with a cluster address would need a service proxy
//! beside the API server, and a loopback address may be in no EndpointSlice.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{
    APIService, APIServiceSpec, ServiceReference,
};
use kube::Resource;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use tokio::time::Instant;

use super::answers::{GROUP, VERSION};
use super::serve::NAMESPACE;
use crate::registration::{LEASE_NAMESPACE, LEASE_TIME};

/// Name of the Service.
const SERVICE: &str = "viperscale-node-metrics";
/// The name that the APIService must have.
const API_SERVICE: &str = "v1beta1.metrics.k8s.io";
/// Label of our objects; its value is the node that serves.
const NODE_LABEL: &str = "viperscale.dev/node-metrics";
/// As metrics-server's own manifests have them.
const PRIORITY: i32 = 100;
/// How often it is looked after.
const PERIOD: Duration = Duration::from_secs(10);

/// Keeps one node registered as the server of its cluster's metrics.
pub(crate) struct Registration {
    services: Api<Service>,
    api_services: Api<APIService>,
    nodes: Api<Node>,
    leases: Api<Lease>,
    node: String,
    address: SocketAddr,
    ca_pem: String,
}

/// Whose the cluster's metrics are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Holder {
    /// Nobody's.
    Nobody,
    /// Ours, of this run or of an earlier one.
    Us,
    /// Another node of our kind.
    Peer(String),
    /// Somebody else's, such as a metrics-server's.
    Foreign,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Registered,
    /// Metrics are served by another node of ours, which is alive.
    LeftToPeer(String),
    /// Metrics are served by something that is not ours.
    LeftToForeign,
    /// This control plane proxies no APIs.
    NoAggregation,
}

/// The lease of a node that holds what we want: dead if it stays as it is for a lease's time by our
/// own clock. The times in it are of another machine's clock.
#[derive(Debug)]
struct Suspect {
    renewed: Option<MicroTime>,
    since: Instant,
}

impl Registration {
    /// A registration of the server at `address`, whose certificate `ca_pem` has signed.
    pub(crate) fn new(
        client: &kube::Client,
        node: &str,
        address: SocketAddr,
        ca_pem: String,
    ) -> Self {
        Self {
            services: Api::namespaced(client.clone(), NAMESPACE),
            api_services: Api::all(client.clone()),
            nodes: Api::all(client.clone()),
            leases: Api::namespaced(client.clone(), LEASE_NAMESPACE),
            node: node.to_owned(),
            address,
            ca_pem,
        }
    }

    /// The host name that the API server expects in the certificate.
    pub(crate) fn host() -> String {
        format!("{SERVICE}.{NAMESPACE}.svc")
    }

    /// Registers, and again when the objects are gone, until it is dropped.
    pub(crate) async fn keep(&self) {
        let mut suspect = None;
        let mut last = None;
        loop {
            match self.attempt(&mut suspect).await {
                Ok(outcome) => {
                    if last.as_ref() != Some(&outcome) {
                        self.tell(&outcome);
                    }
                    last = Some(outcome);
                }
                Err(error) => {
                    tracing::warn!(%error, "metrics not registered, trying again");
                    last = None;
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Deletes what is ours. Objects that are gone already are fine.
    ///
    /// # Errors
    /// What the API server answered.
    pub(crate) async fn remove(&self) -> kube::Result<()> {
        let api_service = remove(&self.api_services, API_SERVICE, &self.node).await;
        let service = remove(&self.services, SERVICE, &self.node).await;
        api_service.and(service)
    }

    fn tell(&self, outcome: &Outcome) {
        let address = self.address;
        match outcome {
            Outcome::Registered => tracing::info!(%address, "serving {GROUP}"),
            Outcome::LeftToPeer(peer) => tracing::warn!(
                peer,
                "{GROUP} is served by another node of this kind, for its own pods alone: \
                 autoscalers see none of this node's pods; run one such node per cluster"
            ),
            Outcome::LeftToForeign => tracing::warn!(
                "{GROUP} is served by another server, which stays: it knows none of this node's \
                 pods; remove it (APIService {API_SERVICE}) to have them measured"
            ),
            Outcome::NoAggregation => {
                tracing::warn!("this control plane proxies no APIs: {GROUP} is not available");
            }
        }
    }

    async fn attempt(&self, suspect: &mut Option<Suspect>) -> kube::Result<Outcome> {
        let existing = self.api_services.get_opt(API_SERVICE).await?;
        match holder(existing.as_ref().map(Resource::meta), &self.node) {
            Holder::Nobody | Holder::Us => *suspect = None,
            Holder::Foreign => return Ok(Outcome::LeftToForeign),
            Holder::Peer(peer) => {
                if !self.is_dead(&peer, suspect).await? {
                    return Ok(Outcome::LeftToPeer(peer));
                }
                tracing::info!(peer, "taking over metrics from a node that is gone");
            }
        }
        let owner = self.owner().await?;
        put(&self.services, self.service(&owner), &self.node).await?;
        match put(&self.api_services, self.api_service(&owner), &self.node).await {
            Ok(()) => Ok(Outcome::Registered),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                // Nothing would refer to the Service.
                remove(&self.services, SERVICE, &self.node).await?;
                Ok(Outcome::NoAggregation)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `peer` has let a whole lease pass, as far as we have watched.
    async fn is_dead(&self, peer: &str, suspect: &mut Option<Suspect>) -> kube::Result<bool> {
        let Some(lease) = self.leases.get_opt(peer).await? else {
            return Ok(true);
        };
        let renewed = lease.spec.and_then(|spec| spec.renew_time);
        match suspect {
            Some(known) if known.renewed == renewed => Ok(known.since.elapsed() > LEASE_TIME),
            _ => {
                let since = Instant::now();
                *suspect = Some(Suspect { renewed, since });
                Ok(false)
            }
        }
    }

    /// The Node, so that whoever deletes it also deletes what a killed node left.
    async fn owner(&self) -> kube::Result<OwnerReference> {
        let node = self.nodes.get(&self.node).await?;
        Ok(OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.clone(),
            uid: node.metadata.uid.unwrap_or_default(),
            ..OwnerReference::default()
        })
    }

    fn metadata(&self, name: &str, owner: &OwnerReference) -> ObjectMeta {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([
                label("app.kubernetes.io/managed-by", "viperscale"),
                label(NODE_LABEL, &self.node),
            ])),
            owner_references: Some(vec![owner.clone()]),
            ..ObjectMeta::default()
        }
    }

    fn service(&self, owner: &OwnerReference) -> Service {
        let port = ServicePort {
            name: Some("https".to_owned()),
            port: i32::from(self.address.port()),
            protocol: Some("TCP".to_owned()),
            ..ServicePort::default()
        };
        Service {
            metadata: self.metadata(SERVICE, owner),
            spec: Some(ServiceSpec {
                type_: Some("ExternalName".to_owned()),
                external_name: Some(external_name(self.address.ip())),
                ports: Some(vec![port]),
                ..ServiceSpec::default()
            }),
            status: None,
        }
    }

    fn api_service(&self, owner: &OwnerReference) -> APIService {
        let service = ServiceReference {
            name: Some(SERVICE.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            port: Some(i32::from(self.address.port())),
        };
        APIService {
            metadata: self.metadata(API_SERVICE, owner),
            spec: Some(APIServiceSpec {
                group: Some(GROUP.to_owned()),
                version: Some(VERSION.to_owned()),
                group_priority_minimum: PRIORITY,
                version_priority: PRIORITY,
                service: Some(service),
                ca_bundle: Some(ByteString(self.ca_pem.clone().into_bytes())),
                ..APIServiceSpec::default()
            }),
            status: None,
        }
    }
}

/// The name under which an API server finds the address. An IPv4 address passes for a DNS name, and
/// is dialled as the address that it is.
fn external_name(address: IpAddr) -> String {
    if address.is_loopback() {
        "localhost".to_owned()
    } else {
        address.to_string()
    }
}

fn holder(existing: Option<&ObjectMeta>, node: &str) -> Holder {
    let Some(metadata) = existing else {
        return Holder::Nobody;
    };
    let labels = metadata.labels.as_ref();
    match labels.and_then(|labels| labels.get(NODE_LABEL)) {
        None => Holder::Foreign,
        Some(holder) if holder == node => Holder::Us,
        Some(holder) => Holder::Peer(holder.clone()),
    }
}

/// Whether `existing` already is what we want of it; defaults that the API server added are fine.
fn is_as(existing: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (existing, wanted) {
        (Object(existing), Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| existing.get(key).is_some_and(|old| is_as(old, wanted))),
        (Array(existing), Array(wanted)) => {
            existing.len() == wanted.len()
                && existing
                    .iter()
                    .zip(wanted)
                    .all(|(old, new)| is_as(old, new))
        }
        _ => existing == wanted,
    }
}

trait Kind:
    Resource<DynamicType = ()>
    + Clone
    + std::fmt::Debug
    + serde::Serialize
    + serde::de::DeserializeOwned
{
}
impl Kind for Service {}
impl Kind for APIService {}

/// Creates the object, or makes an existing one of our kind equal to it.
async fn put<K: Kind>(api: &Api<K>, mut wanted: K, node: &str) -> kube::Result<()> {
    let name = wanted.meta().name.clone().unwrap_or_default();
    let params = PostParams::default();
    let Some(existing) = api.get_opt(&name).await? else {
        return api.create(&params, &wanted).await.map(drop);
    };
    if holder(Some(existing.meta()), node) == Holder::Foreign {
        let message = format!("{name} exists and is not ours; it stays as it is");
        return Err(kube::Error::Service(message.into()));
    }
    let json = |object: &K| serde_json::to_value(object).map_err(kube::Error::SerdeError);
    if is_as(&json(&existing)?, &json(&wanted)?) {
        return Ok(());
    }
    // Refused when somebody else has changed it since we looked.
    wanted.meta_mut().resource_version = existing.meta().resource_version.clone();
    api.replace(&name, &params, &wanted).await.map(drop)
}

/// Deletes the object if this node holds it.
async fn remove<K: Kind>(api: &Api<K>, name: &str, node: &str) -> kube::Result<()> {
    let Some(existing) = api.get_opt(name).await? else {
        return Ok(());
    };
    if holder(Some(existing.meta()), node) != Holder::Us {
        return Ok(());
    }
    let params = DeleteParams::default().preconditions(Preconditions {
        uid: existing.meta().uid.clone(),
        resource_version: None,
    });
    match api.delete(name, &params).await {
        Ok(_) => Ok(()),
        // Gone meanwhile, or another object by now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_carries_our_label_is_touched() {
        let labelled = |labels: serde_json::Value| -> ObjectMeta {
            serde_json::from_value(json!({"labels": labels})).unwrap()
        };
        assert_eq!(holder(None, "a"), Holder::Nobody);
        assert_eq!(holder(Some(&ObjectMeta::default()), "a"), Holder::Foreign);
        let foreign = labelled(json!({"k8s-app": "metrics-server"}));
        assert_eq!(holder(Some(&foreign), "a"), Holder::Foreign);
        let ours = labelled(json!({NODE_LABEL: "a"}));
        assert_eq!(holder(Some(&ours), "a"), Holder::Us);
        assert_eq!(holder(Some(&ours), "b"), Holder::Peer("a".to_owned()));
    }

    #[test]
    fn an_address_becomes_a_name_that_a_service_may_have() {
        for (address, name) in [("127.0.0.1", "localhost"), ("10.1.2.3", "10.1.2.3")] {
            assert_eq!(external_name(address.parse().unwrap()), name);
        }
    }

    #[test]
    fn an_object_with_added_defaults_is_left_alone() {
        let wanted = json!({"spec": {"ports": [{"port": 1}], "type": "ExternalName"}});
        let mut existing = wanted.clone();
        existing["metadata"] = json!({"uid": "u"});
        existing["spec"]["ports"][0]["protocol"] = json!("TCP");
        assert!(is_as(&existing, &wanted));
        existing["spec"]["ports"][0]["port"] = json!(2);
        assert!(!is_as(&existing, &wanted));
        existing["spec"]["ports"] = json!([]);
        assert!(!is_as(&existing, &wanted));
    }
}
