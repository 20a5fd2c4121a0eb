//! The local cluster as processes: a control plane and one node, each a child of this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use super::process::{Process, ProcessSpec, Processes};
use super::programs::Programs;

/// The name of the one node.
pub const NODE_NAME: &str = "local";

/// Pods that a node takes unless it is told otherwise, as a kubelet does.
const DEFAULT_MAX_PODS: u32 = 110;

/// How long the control plane, and then the node, may take to come up.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(50);

/// A local cluster; empty until [`LocalCluster::start`].
#[derive(Debug, Default)]
pub struct LocalCluster {
    kubeconfig: PathBuf,
    processes: Processes,
    max_pods: Option<u32>,
}

impl LocalCluster {
    /// Has the node take at least so many pods, and not fewer than it would otherwise.
    pub fn allow_pods(&mut self, pods: u32) {
        self.max_pods = Some(pods.max(DEFAULT_MAX_PODS));
    }

    /// Starts the control plane and the node below `dir` and waits until the node is ready.
    ///
    /// May be cut short at any moment: what has been started is in `self`, so that
    /// [`LocalCluster::stop`] ends it in good order whatever the outcome.
    ///
    /// # Errors
    /// When either does not come up, with the end of its log.
    pub async fn start(&mut self, programs: &Programs, dir: &Path, logs: &Path) -> Result<()> {
        let control_plane = dir.join("control-plane");
        self.kubeconfig = control_plane.join("kubeconfig");
        let api_server = ProcessSpec {
            name: "control-plane",
            program: programs.loadtest.clone(),
            args: vec!["apiserver".into(), "--dir".into(), control_plane.into()],
            env: Vec::new(),
        };
        self.processes.push(Process::start(api_server, logs)?);
        let kubeconfig = &self.kubeconfig;
        wait_for("the API server", &mut self.processes, async || {
            if !kubeconfig.exists() {
                return Ok(false);
            }
            Ok(client(kubeconfig).await?.apiserver_version().await.is_ok())
        })
        .await?;
        let mut node = node_process(programs, kubeconfig, dir);
        if let Some(pods) = self.max_pods {
            node.args.push("--max-pods".into());
            node.args.push(pods.to_string().into());
        }
        self.processes.push(Process::start(node, logs)?);
        let nodes: Api<Node> = Api::all(client(kubeconfig).await?);
        wait_for("the node", &mut self.processes, async || {
            Ok(nodes
                .get_opt(NODE_NAME)
                .await?
                .is_some_and(|node| is_ready(&node)))
        })
        .await
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with that kubeconfig.
    ///
    /// # Errors
    /// See [`client`].
    pub async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// An error when a process of the cluster has ended.
    ///
    /// # Errors
    /// See [`Process::check`].
    pub fn check(&mut self) -> Result<()> {
        self.processes.check()
    }

    /// Stops the node, which ends every pod, and then the control plane.
    pub async fn stop(mut self) {
        self.processes.stop().await;
    }
}

/// A client for the cluster that `kubeconfig` describes.
///
/// # Errors
/// When the file cannot be read or describes no usable cluster.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let what = || format!("cannot use the kubeconfig {}", kubeconfig.display());
    let file = Kubeconfig::read_from(kubeconfig).with_context(what)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(what)?;
    Client::try_from(config).with_context(what)
}

/// The command line of the node runtime.
pub fn node_process(programs: &Programs, kubeconfig: &Path, dir: &Path) -> ProcessSpec {
    ProcessSpec {
        name: "node",
        program: programs.loadtest.clone(),
        args: vec![
            "node".into(),
            "--kubeconfig".into(),
            kubeconfig.into(),
            "--name".into(),
            NODE_NAME.into(),
            "--dir".into(),
            dir.join("node").into(),
            // Nothing else would run the pods, and our API server takes loopback addresses.
            "--untainted".into(),
            "--pod-cidr".into(),
            local_node::Cidr::PODS.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// Polls `condition` until it holds, every process being watched meanwhile.
async fn wait_for(
    what: &str,
    processes: &mut Processes,
    condition: impl AsyncFn() -> Result<bool>,
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + START_DEADLINE;
    while !condition()
        .await
        .with_context(|| format!("{what} cannot be asked"))?
    {
        processes.check()?;
        anyhow::ensure!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come up within {} s",
            START_DEADLINE.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref());
    conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
