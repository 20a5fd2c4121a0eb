//! All pods of this node: watches them and gives each a worker.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::Api;
use kube::runtime::reflector::Store;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::identity::PodIdentity;
use super::orders::Orders;
use super::worker;
use crate::address::Allocator;
use crate::cgroup::{Cgroups, Qos, milli_cpu_request};
use crate::metrics::Containers;
use crate::process::Spawner;
use crate::registration::Capacity;

/// What all pods share.
pub(crate) struct NodeContext {
    /// The API server.
    pub client: kube::Client,
    /// This node.
    pub node_name: String,
    /// Its address.
    pub host_ip: IpAddr,
    /// What it has.
    pub capacity: Capacity,
    /// Pod addresses.
    pub addresses: Allocator,
    /// Pod cgroups.
    pub cgroups: Cgroups,
    /// Starts processes.
    pub spawner: Spawner,
    /// Who runs here, for whoever measures it.
    pub containers: Arc<Containers>,
    /// Services, for the variables that name them.
    pub services: Store<Service>,
    /// Addresses to which the service proxy sends new requests.
    pub routed: watch::Receiver<BTreeSet<IpAddr>>,
    /// Environment that an image would provide.
    pub inherited: BTreeMap<String, String>,
    /// Logs and state.
    pub run_dir: PathBuf,
    /// Size at which a container's log starts anew.
    pub log_max_bytes: u64,
    /// Time to end for a container that its liveness probe condemned.
    pub default_grace: Duration,
    /// Whether only pods run that tolerate the node's own taint by name.
    pub tainted: bool,
}

impl NodeContext {
    /// Where the logs of a pod lie, named as the kubelet names it.
    pub(super) fn pod_directory(&self, pod: &PodIdentity) -> PathBuf {
        let PodIdentity {
            namespace,
            name,
            uid,
        } = pod;
        self.run_dir
            .join("pods")
            .join(format!("{namespace}_{name}_{uid}"))
    }
}

/// Follows the pods that are bound to this node.
pub(crate) struct Manager {
    node: Arc<NodeContext>,
    max_pods: usize,
    /// By UID; as many as the API has bound to this node, of which `max_pods` run.
    pods: HashMap<String, Slot>,
    workers: JoinSet<String>,
    /// UIDs seen so far in a listing that is under way.
    listing: Option<HashSet<String>>,
}

enum Slot {
    /// A worker is at it.
    Active {
        orders: watch::Sender<Orders>,
        /// Whether it counts towards `max_pods`.
        admitted: bool,
        /// CPU requested in the burstable class, in thousandths.
        burstable_milli_cpu: u64,
    },
    /// The worker has ended; late events about the object must not start another.
    Done,
}

impl Manager {
    /// A manager without pods.
    pub(crate) fn new(node: Arc<NodeContext>, max_pods: usize) -> Self {
        let (pods, workers) = (HashMap::new(), JoinSet::new());
        Self {
            node,
            max_pods,
            pods,
            workers,
            listing: None,
        }
    }

    /// Follows the API until `stop`, then stops all pods within `grace` and returns when no process
    /// is left.
    pub(crate) async fn run(mut self, stop: CancellationToken, grace: Duration) {
        let api: Api<Pod> = Api::all(self.node.client.clone());
        let bound_here = format!("spec.nodeName={}", self.node.node_name);
        let events = watcher(api, watcher::Config::default().fields(&bound_here)).default_backoff();
        pin_mut!(events);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(event),
                    Some(Err(error)) => tracing::warn!(%error, "watching pods failed, trying again"),
                    None => break,
                },
                Some(ended) = self.workers.join_next() => self.worker_ended(ended),
            }
        }
        for slot in self.pods.values() {
            if let Slot::Active { orders, .. } = slot {
                orders.send_modify(|orders| orders.node_stops = Some(grace));
            }
        }
        while self.workers.join_next().await.is_some() {}
    }

    fn take(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Init => self.listing = Some(HashSet::new()),
            watcher::Event::InitApply(pod) => {
                if let (Some(listing), Some(uid)) = (&mut self.listing, &pod.metadata.uid) {
                    listing.insert(uid.clone());
                }
                self.apply(pod);
            }
            watcher::Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                let gone: Vec<String> = self
                    .pods
                    .keys()
                    .filter(|uid| !listed.contains(*uid))
                    .cloned()
                    .collect();
                gone.iter().for_each(|uid| self.forget(uid));
            }
            watcher::Event::Apply(pod) => self.apply(pod),
            watcher::Event::Delete(pod) => self.forget(pod.metadata.uid.as_deref().unwrap_or("")),
        }
    }

    fn apply(&mut self, pod: Pod) {
        let Some(identity) = PodIdentity::of(&pod) else {
            tracing::warn!(name = ?pod.metadata.name, "pod ignored: its names are not usable");
            return;
        };
        match self.pods.get(&identity.uid) {
            Some(Slot::Active { orders, .. }) => {
                self.node.containers.describe(&identity, labels(&pod));
                orders.send_modify(|orders| orders.pod = Arc::new(pod));
            }
            Some(Slot::Done) => {}
            None => {
                self.node.containers.describe(&identity, labels(&pod));
                self.start(identity, pod);
            }
        }
    }

    fn start(&mut self, identity: PodIdentity, pod: Pod) {
        let running = self
            .pods
            .values()
            .filter(|slot| matches!(slot, Slot::Active { admitted: true, .. }))
            .count();
        let refused = (running >= self.max_pods).then(|| {
            let message = format!("this node runs {running} pods, its maximum");
            ("OutOfpods", message)
        });
        tracing::info!(pod = %identity, uid = identity.uid, ?refused, "pod bound to this node");
        let (orders, latest) = watch::channel(Orders {
            pod: Arc::new(pod),
            gone: false,
            node_stops: None,
        });
        let burstable_milli_cpu = burstable_milli_cpu(&orders.borrow().pod);
        let admitted = refused.is_none();
        let uid = identity.uid.clone();
        self.pods.insert(
            uid.clone(),
            Slot::Active {
                orders,
                admitted,
                burstable_milli_cpu,
            },
        );
        self.weigh();
        // A task of its own inside, so that the UID of one that panics is still known.
        let work = tokio::spawn(worker::run(self.node.clone(), identity, latest, refused));
        self.workers.spawn(async move {
            if let Err(error) = work.await {
                tracing::error!(uid, %error, "pod worker failed");
            }
            uid
        });
    }

    /// The object is gone from the API.
    fn forget(&mut self, uid: &str) {
        match self.pods.get(uid) {
            Some(Slot::Active { orders, .. }) => orders.send_modify(|orders| orders.gone = true),
            Some(Slot::Done) => {
                self.pods.remove(uid);
            }
            None => {}
        }
    }

    fn worker_ended(&mut self, ended: Result<String, tokio::task::JoinError>) {
        let Ok(uid) = ended else { return };
        self.node.containers.forget(&uid);
        let gone = match self.pods.get(&uid) {
            Some(Slot::Active { orders, .. }) => orders.borrow().gone,
            _ => true,
        };
        if gone {
            self.pods.remove(&uid);
        } else {
            self.pods.insert(uid, Slot::Done);
        }
        self.weigh();
    }

    /// Keeps the weight of the burstable class at the sum of its pods' requests.
    fn weigh(&self) {
        let sum = self.pods.values().map(|slot| match slot {
            Slot::Active {
                burstable_milli_cpu,
                admitted: true,
                ..
            } => *burstable_milli_cpu,
            _ => 0,
        });
        if let Err(error) = self.node.cgroups.set_burstable_weight(sum.sum()) {
            tracing::warn!(%error, "weight of the burstable class not set");
        }
    }
}

fn labels(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}

fn burstable_milli_cpu(pod: &Pod) -> u64 {
    let Some(spec) = &pod.spec else { return 0 };
    match Qos::of(spec) {
        Ok(Qos::Burstable) => milli_cpu_request(spec).unwrap_or(0),
        _ => 0,
    }
}
