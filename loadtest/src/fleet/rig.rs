//! The processes of a run: an API server full of objects, and the real scaler.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::plan::Plan;
use super::scaler_metrics::ScalerMetrics;
use super::{apiserver, policies};
use crate::local::{Process, Processes, Programs, RunDir};
use crate::viperscale::{DecisionReader, free_addresses, scaler_process};

/// How long the API server may take to make its objects: 20 µs for each, and some for the rest.
const LOAD_DEADLINE: Duration = Duration::from_secs(120);
/// How long the scaler may take until it has read all of them.
const READY_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// File descriptors beside one for each agent.
const OTHER_FILES: u64 = 256;

/// What a run has started; empty until [`Rig::start`].
#[derive(Debug, Default)]
pub(super) struct Rig {
    processes: Processes,
}

/// Where the scaler is.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) grpc: SocketAddr,
    pub(super) metrics: ScalerMetrics,
    pub(super) scaler_pid: u32,
    pub(super) kubeconfig: PathBuf,
}

impl Rig {
    /// Starts both below `run_dir` and waits until the scaler has read the cluster.
    ///
    /// Whatever the outcome, [`Rig::stop`] ends what was started.
    pub(super) async fn start(
        &mut self,
        programs: &Programs,
        run_dir: &RunDir,
        plan: Plan,
    ) -> Result<Target> {
        let dir = run_dir.path().join("apiserver");
        let kubeconfig = dir.join("kubeconfig");
        let api_server = apiserver::process(programs, plan, &dir);
        self.processes
            .push(Process::start(api_server, &run_dir.logs())?);
        let loaded = apiserver::loaded(&dir);
        self.wait("the cluster's objects", LOAD_DEADLINE, async || {
            loaded.exists()
        })
        .await?;

        let policies = policies::write(plan, run_dir.path())?;
        let [grpc, admin] = free_addresses()?;
        let scaler = scaler_process(programs, &kubeconfig, policies, grpc, admin);
        self.processes
            .push(Process::start(scaler, &run_dir.logs())?);
        let scaler_pid = self
            .processes
            .pids()
            .find_map(|(name, pid)| (name == "scaler").then_some(pid))
            .context("the scaler has ended already")?;
        let reader = DecisionReader::new(admin)?;
        self.wait("the scaler", READY_DEADLINE, async || {
            reader.is_ready().await
        })
        .await?;
        Ok(Target {
            grpc,
            metrics: ScalerMetrics::at(admin)?,
            scaler_pid,
            kubeconfig,
        })
    }

    /// An error when a process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.processes.check()
    }

    /// Polls `condition` until it holds.
    pub(super) async fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        condition: impl AsyncFn() -> bool,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + patience;
        while !condition().await {
            self.check()?;
            ensure!(
                tokio::time::Instant::now() < deadline,
                "{what}: not there within {} s; the logs tell more, and a machine with two idle \
                 cores is fast enough for 5,000 nodes",
                patience.as_secs()
            );
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops everything.
    pub(super) async fn stop(&mut self) {
        self.processes.stop().await;
    }
}

/// Allows this process, and those that it starts, a connection for each agent.
///
/// # Errors
/// When the hard limit is below that and may not be raised.
pub(super) fn allow_files(nodes: u32) -> Result<()> {
    let needed = u64::from(nodes) + OTHER_FILES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read RLIMIT_NOFILE")?;
    if soft >= needed {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).with_context(|| {
        format!(
            "{nodes} agents need {needed} open files and the limit is {hard}: raise it with \
             `ulimit -n {needed}` as root, or simulate fewer nodes with --nodes"
        )
    })
}

/// Where a directory is below which nothing is left after the run.
pub(super) fn default_dir() -> PathBuf {
    Path::new(crate::local::DEFAULT_PARENT).join("fleet")
}
