//! An API server and a node for one test, and polling with a deadline.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use local_node::{NodeConfig, NodeError};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest wait for anything; generous, because tests share a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks.
const POLL: Duration = Duration::from_millis(10);

/// An API server in this process.
pub(crate) struct Cluster {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) client: kube::Client,
    _server: local_apiserver::Running,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests put processes into cgroups and need root: run them with sudo",
        );
        let directory = tempfile::tempdir().unwrap();
        let server = local_apiserver::serve(local_apiserver::Config::new(directory.path()))
            .await
            .unwrap();
        let kubeconfig = server.kubeconfig().to_owned();
        let file = Kubeconfig::read_from(&kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .unwrap();
        let client = kube::Client::try_from(config).unwrap();
        Self {
            directory,
            kubeconfig,
            client,
            _server: server,
        }
    }

    /// A node's default settings for this cluster, with pods in 127.`network`.0.0/16.
    pub(crate) async fn node_config(&self, name: &str, network: u8) -> NodeConfig {
        let run_dir = self.directory.path().join(name);
        let mut config = NodeConfig::from_kubeconfig(name, &self.kubeconfig, run_dir)
            .await
            .unwrap();
        config.pod_cidr = format!("127.{network}.0.0/16").parse().unwrap();
        config
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// Creates a pod with one container, bound to `node` as a scheduler would have bound it.
    pub(crate) async fn create_pod(&self, node: &str, name: &str, container: Value) -> Pod {
        let mut container = container;
        container["name"] = json!("main");
        container["image"] = json!("none");
        self.create_pod_spec(name, json!({"nodeName": node, "containers": [container]}))
            .await
    }

    pub(crate) async fn create_pod_spec(&self, name: &str, spec: Value) -> Pod {
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        self.pods()
            .create(&PostParams::default(), &pod)
            .await
            .unwrap()
    }

    /// Waits until the pod satisfies `wanted`.
    pub(crate) async fn pod_when(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&Pod) -> bool,
    ) -> Pod {
        let pods = self.pods();
        let mut last = None;
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            last = pods.get_opt(name).await.unwrap();
            if let Some(pod) = last.take_if(|pod| wanted(pod)) {
                return pod;
            }
            tokio::time::sleep(POLL).await;
        }
        panic!("pod {name} was not {what} after {DEADLINE:?}: {last:#?}");
    }
}

/// A node in this process.
pub(crate) struct TestNode {
    name: String,
    stop: CancellationToken,
    task: JoinHandle<Result<(), NodeError>>,
}

impl TestNode {
    /// Starts a node; `network` is the second byte of its pods' addresses, different in every test.
    pub(crate) async fn start(cluster: &Cluster, name: &str, network: u8) -> Self {
        let config = cluster.node_config(name, network).await;
        Self::run(name, config)
    }

    /// Starts a node that is configured otherwise.
    pub(crate) fn run(name: &str, config: NodeConfig) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(local_node::run(config, stop.clone()));
        Self {
            name: name.to_owned(),
            stop,
            task,
        }
    }

    /// Stops it and checks that nothing of it is left.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap().unwrap();
        assert_eq!(trees(&self.name), Vec::<PathBuf>::new(), "cgroups are left");
    }
}

impl Drop for TestNode {
    /// A failed test leaves no process and no cgroup behind either.
    fn drop(&mut self) {
        self.task.abort();
        let start = Instant::now();
        while start.elapsed() < DEADLINE {
            match local_node::sweep(&self.name) {
                // The aborted task has not let go of its lock yet.
                Err(NodeError::Lock(_)) => std::thread::sleep(POLL),
                _ => return,
            }
        }
    }
}

/// Polls `look` until it returns a value.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("not after {DEADLINE:?}: {what}");
}

pub(crate) fn condition(pod: &Pod, type_: &str) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|c| c.type_ == type_ && c.status == "True")
}

pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or_default()
}

pub(crate) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

pub(crate) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap()
}

/// Where cgroup hierarchies are mounted.
fn mounts() -> Vec<PathBuf> {
    let text = std::fs::read_to_string("/proc/mounts").unwrap();
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines
        .filter(|f| f[2].starts_with("cgroup"))
        .map(|f| PathBuf::from(f[1]))
        .collect()
}

/// The node's directories that exist, one per hierarchy.
pub(crate) fn trees(node: &str) -> Vec<PathBuf> {
    let root = format!("viperscale-{node}");
    mounts()
        .iter()
        .map(|mount| mount.join(&root))
        .filter(|tree| tree.exists())
        .collect()
}

/// The pod's directories that exist, one per hierarchy.
pub(crate) fn pod_groups(node: &str, class: &str, uid: &str) -> Vec<PathBuf> {
    let path = Path::new("kubepods").join(class).join(format!("pod{uid}"));
    trees(node)
        .iter()
        .map(|tree| tree.join(&path))
        .filter(|group| group.exists())
        .collect()
}

/// The processes in a cgroup.
pub(crate) fn processes(group: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Whether a process exists and is not a zombie.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}
