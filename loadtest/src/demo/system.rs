//! The system that the demo drives: local cluster, demo shop, scaler and agent, all real.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Client;

use super::decisions::{DecisionReader, Decisions};
use super::policies;
use crate::local::{LocalCluster, NODE_NAME, Process, ProcessSpec, Processes, Programs};
use crate::shop;

/// How long the scaler and the agent may take until every policy has data.
const DATA_DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(100);

/// What to start, and where.
#[derive(Debug)]
pub struct SystemSpec<'a> {
    /// The binaries.
    pub programs: &'a Programs,
    /// The run directory.
    pub dir: &'a Path,
    /// Where logs go.
    pub logs: &'a Path,
    /// The user's policies; the built-in ones when none.
    pub policies: Option<&'a Path>,
}

/// The running system.
#[derive(Debug, Default)]
pub struct System {
    cluster: LocalCluster,
    processes: Processes,
}

/// How to reach the running system.
pub struct Endpoints {
    /// The API server.
    pub client: Client,
    /// The scaler's decisions.
    pub decisions: DecisionReader,
    /// The shop's frontend, through its Service.
    pub frontend: String,
}

impl System {
    /// Starts everything in the order in which it depends on each other; `progress` is told each
    /// step.
    ///
    /// Whatever the outcome, [`System::stop`] ends all that was started.
    ///
    /// # Errors
    /// When a step fails, with what its process said.
    pub async fn start(
        &mut self,
        spec: &SystemSpec<'_>,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Endpoints> {
        progress("starting the local cluster");
        self.cluster
            .start(spec.programs, spec.dir, spec.logs)
            .await?;
        let client = self.cluster.client().await?;
        let kubeconfig = self.cluster.kubeconfig().to_owned();

        progress("deploying the demo shop");
        let frontend = shop::deploy(&client, &spec.programs.demo_shop).await?;
        shop::wait_until_ready(&client, || self.check()).await?;

        progress("starting the scaler and the node agent");
        let decisions = self.start_autoscaler(spec, &kubeconfig)?;
        self.wait_for_data(&decisions).await?;
        Ok(Endpoints {
            client,
            decisions,
            frontend,
        })
    }

    /// An error when any process has ended.
    ///
    /// # Errors
    /// See [`Process::check`].
    pub fn check(&mut self) -> Result<()> {
        self.processes.check()?;
        self.cluster.check()
    }

    /// Ends everything in reverse order.
    pub async fn stop(mut self) {
        self.processes.stop().await;
        self.cluster.stop().await;
    }

    fn start_autoscaler(
        &mut self,
        spec: &SystemSpec<'_>,
        kubeconfig: &Path,
    ) -> Result<DecisionReader> {
        let policies = match spec.policies {
            Some(dir) => dir.to_owned(),
            None => policies::unpack(spec.dir)?,
        };
        let [grpc, admin, agent_admin] = free_addresses()?;
        self.processes.push(Process::start(
            scaler_process(spec.programs, kubeconfig, policies, grpc, admin),
            spec.logs,
        )?);
        self.processes.push(Process::start(
            agent_process(spec.programs, grpc, agent_admin),
            spec.logs,
        )?);
        DecisionReader::new(admin)
    }

    /// Waits until every policy has been decided with measured values.
    async fn wait_for_data(&mut self, reader: &DecisionReader) -> Result<()> {
        let deadline = tokio::time::Instant::now() + DATA_DEADLINE;
        loop {
            self.check()?;
            let ready = reader.is_ready().await;
            let decisions = if ready {
                reader.newest().await?
            } else {
                Decisions::new()
            };
            let silent: Vec<&str> = decisions
                .iter()
                .filter(|(_, decision)| !decision.is_informed())
                .map(|(deployment, _)| deployment.as_str())
                .collect();
            if !decisions.is_empty() && silent.is_empty() {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "no measurements within {} s of {}",
                DATA_DEADLINE.as_secs(),
                match (ready, silent.is_empty()) {
                    (false, _) =>
                        "anything: the scaler does not get ready; its log tells why".to_owned(),
                    (true, true) =>
                        "anything: there is no policy for a deployment of the shop".to_owned(),
                    (true, false) => format!(
                        "{}; `probe-agent check` tells what this kernel supports",
                        silent.join(", ")
                    ),
                }
            );
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The command line of the scaler.
pub fn scaler_process(
    programs: &Programs,
    kubeconfig: &Path,
    policies: PathBuf,
    grpc: SocketAddr,
    admin: SocketAddr,
) -> ProcessSpec {
    ProcessSpec {
        name: "scaler",
        program: programs.scaler.clone(),
        args: vec![
            "run".into(),
            "--policies".into(),
            policies.into(),
            "--kubeconfig".into(),
            kubeconfig.into(),
            "--grpc-address".into(),
            grpc.to_string().into(),
            "--admin-address".into(),
            admin.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// The command line of the node agent.
pub fn agent_process(programs: &Programs, scaler: SocketAddr, admin: SocketAddr) -> ProcessSpec {
    ProcessSpec {
        name: "probe-agent",
        program: programs.probe_agent.clone(),
        args: vec![
            "run".into(),
            "--scaler".into(),
            format!("http://{scaler}").into(),
            "--node-name".into(),
            NODE_NAME.into(),
            "--admin-address".into(),
            admin.to_string().into(),
        ],
        env: Vec::new(),
    }
}

/// Loopback addresses that nobody listens on at this moment.
///
/// # Errors
/// When the loopback device is down.
pub fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("cannot bind a loopback port")?;
        *address = listener.local_addr().context("cannot read a bound port")?;
        // All stay open until the last is found, so that they differ.
        listeners.push(listener);
    }
    Ok(addresses)
}
