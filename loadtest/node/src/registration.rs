//! The node's own objects: its Node, which says what it has, and its Lease, which says it is alive.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo, Taint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::address::Cidr;
use crate::config::{HOST_PROCESSES, NodeConfig};

/// Where kubelets keep their leases.
pub(crate) const LEASE_NAMESPACE: &str = "kube-node-lease";
/// The kubelet's, in seconds: after this long without renewal the node counts as lost.
const LEASE_SECONDS: i32 = 40;
/// The same as a duration.
pub(crate) const LEASE_TIME: Duration = Duration::from_secs(LEASE_SECONDS.unsigned_abs() as u64);
/// Kubernetes' release whose kubelet this node stands in for; clients compare it with their own.
const KUBELET_VERSION: &str = "v1.36.0+viperscale";

/// How often the lease is renewed, as by the kubelet.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);
/// Heartbeats between refreshes of the node's conditions (5 min, as by the kubelet).
pub(crate) const STATUS_EVERY: u32 = 30;

/// What the machine has for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// CPUs in thousandths.
    pub milli_cpu: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Pods at a time.
    pub pods: u32,
}

impl Capacity {
    /// All of this machine.
    pub(crate) fn of_machine(pods: u32) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Self {
            milli_cpu: cpus * 1_000,
            memory_bytes: memory_bytes().unwrap_or(0),
            pods,
        }
    }

    fn quantities(self) -> BTreeMap<String, Quantity> {
        let cpu = format!("{}m", self.milli_cpu);
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu)),
            (
                "memory".to_owned(),
                Quantity(format!("{}Ki", self.memory_bytes / 1024)),
            ),
            ("pods".to_owned(), Quantity(self.pods.to_string())),
        ])
    }
}

fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Keeps the node's objects.
pub(crate) struct Registrar {
    nodes: Api<Node>,
    leases: Api<Lease>,
    name: String,
    address: IpAddr,
    capacity: Capacity,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    pod_cidr: Cidr,
}

impl Registrar {
    /// Keeps the objects of the configured node.
    pub(crate) fn new(client: &kube::Client, config: &NodeConfig, capacity: Capacity) -> Self {
        let opt_in = config.tainted.then(|| Taint {
            key: HOST_PROCESSES.to_owned(),
            value: Some("true".to_owned()),
            effect: "NoSchedule".to_owned(),
            time_added: None,
        });
        Self {
            nodes: Api::all(client.clone()),
            leases: Api::namespaced(client.clone(), LEASE_NAMESPACE),
            name: config.name.clone(),
            address: config.address,
            capacity,
            labels: config.labels.clone(),
            taints: config.taints.iter().cloned().chain(opt_in).collect(),
            pod_cidr: config.pod_cidr,
        }
    }

    /// Whether the Node of this name is something else than an earlier run of this kind of node.
    ///
    /// # Errors
    /// What the API server answered.
    pub(crate) async fn is_foreign(&self) -> kube::Result<bool> {
        let Some(node) = self.nodes.get_opt(&self.name).await? else {
            return Ok(false);
        };
        Ok(!node
            .metadata
            .labels
            .unwrap_or_default()
            .contains_key(HOST_PROCESSES))
    }

    /// Creates the Node, or takes over the one of an earlier run, and says that it is ready.
    ///
    /// # Errors
    /// What the API server answered.
    pub(crate) async fn register(&self) -> kube::Result<()> {
        let node = self.node();
        match self.nodes.create(&PostParams::default(), &node).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let old = self.nodes.get(&self.name).await?;
                let patch = json!({
                    "metadata": {
                        "labels": node.metadata.labels,
                        // Refused when somebody else taints it at the same moment.
                        "resourceVersion": old.metadata.resource_version,
                    },
                    "spec": {"taints": self.taints_on(old.spec.and_then(|spec| spec.taints))},
                });
                self.nodes
                    .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
                    .await?;
            }
            Err(error) => return Err(error),
        }
        self.refresh_status().await?;
        self.renew_lease().await
    }

    /// Writes the node's status with fresh heartbeat times.
    ///
    /// # Errors
    /// What the API server answered; 404 when somebody deleted the Node.
    pub(crate) async fn refresh_status(&self) -> kube::Result<()> {
        let old = self.nodes.get(&self.name).await?;
        let patch = json!({"status": self.status(old.status.as_ref(), Timestamp::now())});
        let params = PatchParams::default();
        self.nodes
            .patch_status(&self.name, &params, &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Renews the lease, creating it if there is none.
    ///
    /// # Errors
    /// What the API server answered.
    pub(crate) async fn renew_lease(&self) -> kube::Result<()> {
        let now = MicroTime(Timestamp::now());
        let patch = json!({"spec": {
            "holderIdentity": self.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now,
        }});
        match self
            .leases
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => self.create_lease(now).await,
            Err(error) => Err(error),
        }
    }

    async fn create_lease(&self, now: MicroTime) -> kube::Result<()> {
        let node = self.nodes.get(&self.name).await?;
        // Owned by the Node, so that it goes with it.
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.name.clone(),
            uid: node.metadata.uid.unwrap_or_default(),
            ..OwnerReference::default()
        };
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(LEASE_NAMESPACE.to_owned()),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.name.clone()),
                lease_duration_seconds: Some(LEASE_SECONDS),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        };
        self.leases.create(&PostParams::default(), &lease).await?;
        Ok(())
    }

    /// Deletes what registration made. Objects that are gone already are fine.
    ///
    /// # Errors
    /// What the API server answered.
    pub(crate) async fn deregister(&self) -> kube::Result<()> {
        let gone = |error: &kube::Error| matches!(error, kube::Error::Api(s) if s.code == 404);
        let params = DeleteParams::default();
        let lease = self.leases.delete(&self.name, &params).await.map(drop);
        let node = self.nodes.delete(&self.name, &params).await.map(drop);
        [lease, node]
            .into_iter()
            .find(|r| r.as_ref().is_err_and(|e| !gone(e)))
            .unwrap_or(Ok(()))
    }

    /// The labels of the Node: those that every node has, and the configured ones.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("kubernetes.io/hostname".to_owned(), self.name.clone()),
            ("kubernetes.io/os".to_owned(), "linux".to_owned()),
            ("kubernetes.io/arch".to_owned(), architecture().to_owned()),
            (HOST_PROCESSES.to_owned(), "true".to_owned()),
        ]);
        labels.extend(self.labels.clone());
        labels
    }

    /// Our taints besides those that others, such as controllers, have put on the Node.
    fn taints_on(&self, existing: Option<Vec<Taint>>) -> Vec<Taint> {
        let ours = |taint: &Taint| {
            let same = |own: &&Taint| own.key == taint.key && own.effect == taint.effect;
            taint.key == HOST_PROCESSES || self.taints.iter().find(same).is_some()
        };
        let mut taints = existing.unwrap_or_default();
        taints.retain(|taint| !ours(taint));
        taints.extend(self.taints.iter().cloned());
        taints
    }

    fn node(&self) -> Node {
        // One that controllers could hand out themselves; loopback ranges mean nothing to them.
        let pod_cidr = (!self.pod_cidr.is_loopback()).then(|| self.pod_cidr.to_string());
        Node {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(self.labels()),
                ..ObjectMeta::default()
            },
            spec: Some(NodeSpec {
                taints: (!self.taints.is_empty()).then(|| self.taints.clone()),
                pod_cidrs: pod_cidr.clone().map(|range| vec![range]),
                pod_cidr,
                ..NodeSpec::default()
            }),
            status: Some(self.status(None, Timestamp::now())),
        }
    }

    fn status(&self, old: Option<&NodeStatus>, now: Timestamp) -> NodeStatus {
        let address = |type_: &str, address: String| NodeAddress {
            type_: type_.to_owned(),
            address,
        };
        NodeStatus {
            capacity: Some(self.capacity.quantities()),
            allocatable: Some(self.capacity.quantities()),
            addresses: Some(vec![
                address("InternalIP", self.address.to_string()),
                address("Hostname", self.name.clone()),
            ]),
            conditions: Some(conditions(old, now)),
            node_info: Some(system_info()),
            ..NodeStatus::default()
        }
    }
}

/// The four conditions of every node, keeping the transition times of what did not change.
fn conditions(old: Option<&NodeStatus>, now: Timestamp) -> Vec<NodeCondition> {
    let old = old
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    ]
    .map(|(type_, status, reason)| {
        let since = old
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == status)
            .and_then(|condition| condition.last_transition_time.clone());
        NodeCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: None,
            last_heartbeat_time: Some(Time(now)),
            last_transition_time: Some(since.unwrap_or(Time(now))),
        }
    })
    .to_vec()
}

fn system_info() -> NodeSystemInfo {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let release = read("/etc/os-release");
    let os_image = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'));
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: concat!("viperscale://", env!("CARGO_PKG_VERSION")).to_owned(),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        // Removed from Kubernetes' own kubelet, but still a required field.
        kube_proxy_version: String::new(),
        kubelet_version: KUBELET_VERSION.to_owned(),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: os_image.to_owned(),
        system_uuid: read("/sys/class/dmi/id/product_uuid"),
        ..NodeSystemInfo::default()
    }
}

/// Go's names, which Kubernetes uses.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_keep_their_transition_times() {
        let first = Timestamp::UNIX_EPOCH;
        let old = NodeStatus {
            conditions: Some(conditions(None, first)),
            ..NodeStatus::default()
        };
        let later = Timestamp::from_second(300).unwrap();
        for condition in conditions(Some(&old), later) {
            assert_eq!(condition.last_transition_time, Some(Time(first)));
            assert_eq!(condition.last_heartbeat_time, Some(Time(later)));
        }
    }

    #[test]
    fn this_machine_has_something_to_give() {
        let capacity = Capacity::of_machine(110);
        assert!(capacity.milli_cpu >= 1_000 && capacity.memory_bytes > 1 << 20);
        assert_eq!(capacity.quantities()["pods"], Quantity("110".to_owned()));
    }
}
