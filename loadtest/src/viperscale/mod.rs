//! The product as a user runs it: scaler and node agent as processes, started, waited for, asked.
//!
//! Known only by their command lines and their HTTP endpoints.

mod commands;
mod decisions;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

pub use commands::{agent_process, free_addresses, scaler_process};
pub use decisions::{ChangeDecision, Decision, DecisionReader, Decisions, Evidence};

use crate::local::{Process, Processes, Programs};

/// How long the scaler and the agent may take until every policy has data.
const DATA_DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(100);

/// A scaler and, unless the nodes have their own, an agent; empty until [`Viperscale::start`].
#[derive(Debug, Default)]
pub struct Viperscale {
    processes: Processes,
    agent: Option<LocalAgent>,
}

/// The agent that was started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAgent {
    /// Its process id.
    pub pid: u32,
    /// Where it answers over HTTP.
    pub admin: SocketAddr,
}

/// Who measures on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agents {
    /// An agent that is started here, for the local node.
    Local,
    /// Agents that already run on the nodes and report to this gRPC port of this machine.
    Existing(u16),
}

impl Viperscale {
    /// Starts the scaler with the folder `policies`, and the agent, with logs in `logs`.
    ///
    /// Whatever the outcome, [`Viperscale::stop`] ends what was started.
    ///
    /// # Errors
    /// When a program cannot be started.
    pub fn start(
        &mut self,
        programs: &Programs,
        kubeconfig: &Path,
        policies: PathBuf,
        agents: Agents,
        logs: &Path,
    ) -> Result<DecisionReader> {
        let [mut grpc, admin, agent_admin] = free_addresses()?;
        if let Agents::Existing(port) = agents {
            grpc = ([0, 0, 0, 0], port).into();
        }
        let scaler = scaler_process(programs, kubeconfig, policies, grpc, admin);
        self.processes.push(Process::start(scaler, logs)?);
        if agents == Agents::Local {
            let agent = Process::start(agent_process(programs, grpc, agent_admin), logs)?;
            self.agent = agent.pid().map(|pid| LocalAgent {
                pid,
                admin: agent_admin,
            });
            self.processes.push(agent);
        }
        DecisionReader::new(admin)
    }

    /// An error when either has ended.
    ///
    /// # Errors
    /// See [`Process::check`].
    pub fn check(&mut self) -> Result<()> {
        self.processes.check()
    }

    /// The agent that was started here.
    ///
    /// # Errors
    /// When none was, or it has ended at once.
    pub fn agent(&self) -> Result<LocalAgent> {
        self.agent.context("no agent runs here")
    }

    /// Process ids by name.
    pub fn pids(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.processes.pids()
    }

    /// Stops the agent, then the scaler.
    pub async fn stop(&mut self) {
        self.processes.stop().await;
    }
}

/// Waits until every policy has been decided with measured values; `check` may end the wait.
///
/// # Errors
/// What `check` says, or who has no measurements by the deadline.
pub async fn wait_for_data(
    reader: &DecisionReader,
    mut check: impl FnMut() -> Result<()>,
) -> Result<()> {
    let deadline = tokio::time::Instant::now() + DATA_DEADLINE;
    loop {
        check()?;
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
