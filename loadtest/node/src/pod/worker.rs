//! One pod from the moment it is bound to this node until its object is gone.
//!
//! ```text
//! set up ─▶ init containers, in order ─▶ containers ─▶ all ended, or told to stop ─▶ clean up ─▶ object deleted
//! ```

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::identity::PodIdentity;
use super::manager::NodeContext;
use super::orders::{Orders, Stop};
use super::restart::RestartPolicy;
use super::status::{PodView, pod_status};
use super::suitability::{self, LeftOut};
use super::supervisor::Supervisor;
use super::view::ContainerView;
use super::writer::{delete_object, write_statuses};
use crate::cgroup::{self, Group, Resources};
use crate::env::{PodFields, command_line};

/// Changes of containers that may wait for the worker.
const VIEWS: usize = 16;
/// How long the service proxy may take to stop choosing a pod that is about to be told to stop.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a pod's empty cgroup may take to go.
const REMOVE_PATIENCE: Duration = Duration::from_secs(10);
/// How long the last status and the deletion may take while the node itself is shutting down: the
/// API server may be gone already.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs a pod to its end. `refused` says why the node does not run it at all.
pub(super) async fn run(
    node: Arc<NodeContext>,
    identity: PodIdentity,
    orders: watch::Receiver<Orders>,
    refused: Option<(&'static str, String)>,
) {
    let api: Api<Pod> = Api::namespaced(node.client.clone(), &identity.namespace);
    let (statuses, written) = watch::channel(None);
    let writer = tokio::spawn(write_statuses(api.clone(), identity.clone(), written));
    let pod = orders.borrow().pod.clone();
    let finished = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let finished = matches!(finished, Some("Succeeded" | "Failed"));

    let view = PodView::first(&pod, node.host_ip, Timestamp::now());
    let mut worker = Worker {
        node,
        identity,
        pod,
        orders,
        view,
        statuses,
    };
    if let Some(failed) = refused {
        worker.view.failed = Some(failed);
        worker.report();
    } else if !finished {
        worker.run_containers().await;
    }
    worker.bury(&api, writer).await;
}

struct Worker {
    node: Arc<NodeContext>,
    identity: PodIdentity,
    pod: Arc<Pod>,
    orders: watch::Receiver<Orders>,
    view: PodView,
    /// The latest status; `None` before the first.
    statuses: watch::Sender<Option<PodStatus>>,
}

/// What a pod's processes live in; given back when they have ended.
struct Sandbox {
    address: Ipv4Addr,
    group: Group,
}

/// The tasks of a pod's containers and the way to stop them.
struct Containers {
    tasks: JoinSet<()>,
    views: mpsc::Receiver<(usize, ContainerView)>,
    publish: mpsc::Sender<(usize, ContainerView)>,
    stop: watch::Sender<Stop>,
}

impl Worker {
    async fn run_containers(&mut self) {
        let sandbox = match self.set_up().await {
            Ok(sandbox) => sandbox,
            Err(error) => {
                tracing::warn!(pod = %self.identity, error, "pod cannot be set up");
                self.view.failed = Some(("PodSetUpFailed", error));
                return self.report();
            }
        };
        self.view.pod_ip = Some(sandbox.address.into());
        self.report();
        self.log_left_out();

        let (publish, views) = mpsc::channel(VIEWS);
        let (stop, _) = watch::channel(None);
        let mut containers = Containers {
            tasks: JoinSet::new(),
            views,
            publish,
            stop,
        };
        if self.initialize(&mut containers, &sandbox).await {
            let spec = self.pod.spec.clone().unwrap_or_default();
            let first = self.view.init.len();
            for (offset, container) in spec.containers.into_iter().enumerate() {
                self.start(&mut containers, &sandbox, first + offset, container);
            }
            self.follow(&mut containers, |view| {
                view.containers.iter().all(|c| c.finished)
            })
            .await;
        }
        let cut_short = self.orders.borrow().node_stops.is_some();
        self.stop(&mut containers).await;
        self.tear_down(sandbox).await;
        if cut_short {
            let message = "Pod was terminated in response to imminent node shutdown.";
            self.view.failed = Some(("Terminated", message.to_owned()));
        }
        self.report();
    }

    fn log_left_out(&self) {
        let LeftOut { injected, wanted } = suitability::left_out(&self.pod);
        let pod = &self.identity;
        if !wanted.is_empty() {
            tracing::warn!(%pod, volumes = ?wanted, "volumes left out: this node mounts none");
        }
        if !injected.is_empty() {
            tracing::debug!(%pod, volumes = ?injected, "service account token left out");
        }
    }

    /// Address and cgroup. What fails here is a full node or a broken kernel interface.
    async fn set_up(&self) -> Result<Sandbox, String> {
        let spec = self.pod.spec.clone().unwrap_or_default();
        let resources = Resources::of_pod(&spec).map_err(|error| error.to_string())?;
        let address = self
            .node
            .addresses
            .allocate()
            .map_err(|error| error.to_string())?;
        let path = cgroup::pod(&self.node.node_name, self.view.qos, &self.identity.uid);
        let node = self.node.clone();
        let made =
            tokio::task::spawn_blocking(move || node.cgroups.create(&path, &resources)).await;
        let made = made.map_err(|error| error.to_string());
        match made.and_then(|made| made.map_err(|error| error.to_string())) {
            Ok(group) => Ok(Sandbox { address, group }),
            Err(error) => {
                self.node.addresses.release(address);
                Err(error)
            }
        }
    }

    /// Runs the init containers one after the other. True when the others may start.
    async fn initialize(&mut self, containers: &mut Containers, sandbox: &Sandbox) -> bool {
        let spec = self.pod.spec.clone().unwrap_or_default();
        for (index, container) in spec.init_containers.into_iter().flatten().enumerate() {
            self.start(containers, sandbox, index, container);
            let done = |view: &PodView| view.init[index].finished || view.init[index].started;
            self.follow(containers, done).await;
            let view = &self.view.init[index];
            if self.orders.borrow().grace().is_some() || view.exit_code().is_some_and(|c| c != 0) {
                return false;
            }
        }
        true
    }

    fn start(
        &self,
        containers: &mut Containers,
        sandbox: &Sandbox,
        index: usize,
        container: Container,
    ) {
        let init = self.view.init.len();
        let spec = self.pod.spec.as_ref();
        let pod_policy = RestartPolicy::named(spec.and_then(|spec| spec.restart_policy.as_deref()));
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let (plain_init, policy) = match (index < init, pod_policy) {
            (true, _) if sidecar => (false, RestartPolicy::Always),
            // An init container that ended well has done its work.
            (true, RestartPolicy::Always) => (true, RestartPolicy::OnFailure),
            (is_init, policy) => (is_init, policy),
        };
        let view = if index < init {
            &self.view.init[index]
        } else {
            &self.view.containers[index - init]
        };
        let supervisor = Supervisor {
            node: self.node.clone(),
            pod: self.identity.clone(),
            index,
            command: self.command_of(&container, sandbox),
            container,
            address: sandbox.address.into(),
            pod_group: sandbox.group.clone(),
            policy,
            plain_init,
            view: view.clone(),
            views: containers.publish.clone(),
            stop: containers.stop.subscribe(),
        };
        containers.tasks.spawn(supervisor.run());
    }

    fn command_of(
        &self,
        container: &Container,
        sandbox: &Sandbox,
    ) -> Result<crate::env::CommandLine, crate::env::ConfigError> {
        if self.node.tainted && !suitability::is_meant(&self.pod) {
            return Err(crate::env::ConfigError::NotMeant);
        }
        let (pod_ip, host_ip) = (sandbox.address.to_string(), self.node.host_ip.to_string());
        let fields = PodFields {
            pod: &self.pod,
            pod_ip: &pod_ip,
            host_ip: &host_ip,
            node_milli_cpu: self.node.capacity.milli_cpu,
            node_memory_bytes: self.node.capacity.memory_bytes,
        };
        let services = self.node.services.state();
        command_line(
            &self.pod,
            container,
            &fields,
            &services,
            self.node.inherited.clone(),
        )
    }

    /// Reports changes of containers until `done`, or until the pod is told to stop.
    async fn follow(&mut self, containers: &mut Containers, done: impl Fn(&PodView) -> bool) {
        while !done(&self.view) && self.orders.borrow().grace().is_none() {
            tokio::select! {
                Some(change) = containers.views.recv() => self.take(change),
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.pod = self.orders.borrow_and_update().pod.clone();
                }
            }
        }
    }

    fn take(&mut self, (index, view): (usize, ContainerView)) {
        let init = self.view.init.len();
        if index < init {
            self.view.init[index] = view;
        } else {
            self.view.containers[index - init] = view;
        }
        self.report();
    }

    /// Stops what still runs: no new requests first, then SIGTERM, then SIGKILL at the deadline.
    async fn stop(&mut self, containers: &mut Containers) {
        if self.view.containers.iter().any(ContainerView::running) {
            self.drain().await;
        }
        loop {
            // Sidecars of a pod whose containers have all ended get the pod's whole grace.
            let grace = self
                .orders
                .borrow_and_update()
                .grace()
                .unwrap_or(self.node.default_grace);
            let deadline = Instant::now() + grace;
            containers.stop.send_if_modified(|stop| {
                let earlier = stop.is_none_or(|old| deadline < old);
                if earlier {
                    *stop = Some(deadline);
                }
                earlier
            });
            tokio::select! {
                ended = containers.tasks.join_next() => match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::error!(pod = %self.identity, %error, "container task failed"),
                    None => break,
                },
                Some(change) = containers.views.recv() => self.take(change),
                Ok(()) = self.orders.changed() => {}
            }
        }
        while let Ok(change) = containers.views.try_recv() {
            self.take(change);
        }
    }

    /// Waits, briefly, until the service proxy sends this pod no new requests.
    async fn drain(&mut self) {
        let Some(address) = self.view.pod_ip else {
            return;
        };
        if self.orders.borrow().gone || self.orders.borrow().node_stops.is_some() {
            return;
        }
        let mut routed = self.node.routed.clone();
        let drained = routed.wait_for(|addresses| !addresses.contains(&address));
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::debug!(pod = %self.identity, "still an endpoint of a service, stopping anyway");
        }
    }

    async fn tear_down(&self, sandbox: Sandbox) {
        let group = sandbox.group;
        let removed = tokio::task::spawn_blocking(move || group.remove(REMOVE_PATIENCE)).await;
        if let Ok(Err(error)) = removed {
            tracing::error!(pod = %self.identity, %error, "cgroup left behind");
        }
        self.node.addresses.release(sandbox.address);
    }

    fn report(&self) {
        let status = pod_status(&self.pod, &self.view, Timestamp::now());
        self.statuses.send_if_modified(|latest| {
            let changed = latest.as_ref() != Some(&status);
            *latest = Some(status);
            changed
        });
    }

    /// Waits until the ended pod is to go, writes its last status and deletes its object and logs.
    async fn bury(mut self, api: &Api<Pod>, writer: JoinHandle<()>) {
        while self.orders.borrow_and_update().grace().is_none() {
            if self.orders.changed().await.is_err() {
                break;
            }
        }
        let last = self.orders.borrow().clone();
        drop(self.statuses);
        let abort = writer.abort_handle();
        let farewell = async {
            // Its own task reports why it failed; here only its end matters.
            let _ = writer.await;
            if last.pod.metadata.deletion_timestamp.is_some() {
                delete_object(api, &self.identity).await;
            }
        };
        let mut orders = self.orders.clone();
        let node_ends = async {
            let stops = |orders: &Orders| orders.gone || orders.node_stops.is_some();
            let gone = orders.wait_for(stops).await.is_ok_and(|orders| orders.gone);
            if !gone {
                tokio::time::sleep(FAREWELL).await;
            }
        };
        tokio::select! {
            () = farewell => {}
            () = node_ends => abort.abort(),
        }
        let directory = self.node.pod_directory(&self.identity);
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    }
}
