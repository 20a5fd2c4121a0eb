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

/// How long the control plane, and then the node, may take to come up.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(50);

/// A local cluster that is up.
#[derive(Debug)]
pub struct LocalCluster {
    kubeconfig: PathBuf,
    processes: Processes,
}

impl LocalCluster {
    /// Starts the control plane and the node below `dir` and waits until the node is ready.
    ///
    /// Nothing stays when it fails: what was started is stopped first.
    ///
    /// # Errors
    /// When either does not come up, with the end of its log.
    pub async fn start(programs: &Programs, dir: &Path, logs: &Path) -> Result<Self> {
        let mut processes = Processes::default();
        match bring_up(programs, dir, logs, &mut processes).await {
            Ok(kubeconfig) => Ok(Self {
                kubeconfig,
                processes,
            }),
            Err(error) => {
                processes.stop().await;
                Err(error)
            }
        }
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
        ],
        env: Vec::new(),
    }
}

async fn bring_up(
    programs: &Programs,
    dir: &Path,
    logs: &Path,
    processes: &mut Processes,
) -> Result<PathBuf> {
    let control_plane = dir.join("control-plane");
    processes.push(Process::start(
        ProcessSpec {
            name: "control-plane",
            program: programs.loadtest.clone(),
            args: vec![
                "apiserver".into(),
                "--dir".into(),
                control_plane.clone().into(),
            ],
            env: Vec::new(),
        },
        logs,
    )?);
    let kubeconfig = control_plane.join("kubeconfig");
    wait_for("the API server", processes, async || {
        if !kubeconfig.exists() {
            return Ok(false);
        }
        Ok(client(&kubeconfig).await?.apiserver_version().await.is_ok())
    })
    .await?;
    processes.push(Process::start(
        node_process(programs, &kubeconfig, dir),
        logs,
    )?);
    let nodes: Api<Node> = Api::all(client(&kubeconfig).await?);
    wait_for("the node", processes, async || {
        Ok(nodes
            .get_opt(NODE_NAME)
            .await?
            .is_some_and(|node| is_ready(&node)))
    })
    .await?;
    Ok(kubeconfig)
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
