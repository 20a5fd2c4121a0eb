//! One container from its first start to its last end: start, watch, stop, restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::identity::PodIdentity;
use super::manager::NodeContext;
use super::orders::{Stop, stopped};
use super::restart::{Backoff, RestartPolicy};
use super::run::Run;
use super::view::{ContainerView, State};
use crate::cgroup::{self, CgroupError, ContainerId, Group, Resources};
use crate::env::{CommandLine, ConfigError};
use crate::metrics::MeteredContainer;
use crate::probe::{self, Health, Probes, Target};
use crate::process::{Launch, LogFile, Output, SpawnError, pipe};

/// How long a killed container's cgroup may take to empty.
const REMOVE_PATIENCE: Duration = Duration::from_secs(10);
/// Least wait before a start that failed is tried again.
const START_RETRY: Duration = Duration::from_secs(1);

/// Everything that one container needs; owned by the task that runs it.
pub(super) struct Supervisor {
    pub(super) node: Arc<NodeContext>,
    pub(super) pod: PodIdentity,
    /// Position among the pod's containers, init containers first; names the view.
    pub(super) index: usize,
    pub(super) container: Container,
    /// What it runs, or why that cannot be worked out.
    pub(super) command: Result<CommandLine, ConfigError>,
    pub(super) address: std::net::IpAddr,
    pub(super) pod_group: Group,
    pub(super) policy: RestartPolicy,
    /// Init containers that are not sidecars have no probes and are never "started".
    pub(super) plain_init: bool,
    pub(super) view: ContainerView,
    /// Every change of `view`; bounded, the worker always drains it.
    pub(super) views: mpsc::Sender<(usize, ContainerView)>,
    pub(super) stop: watch::Receiver<Stop>,
}

/// Why a container did not start; its status shows reason and message.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("cannot open the container's log: {0}")]
    Log(#[from] std::io::Error),
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl StartError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) => "CreateContainerConfigError",
            Self::Cgroup(_) | Self::Log(_) | Self::Spawn(_) => "CreateContainerError",
        }
    }
}

impl Supervisor {
    /// Runs the container until it has ended for good or was told to stop; then nothing of it is
    /// left, neither process nor cgroup.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            if self.stop.borrow().is_some() {
                return;
            }
            let ran = match self.start().await {
                Ok(run) => {
                    let started = run.started;
                    let end = self.live(run).await;
                    let stopping = self.stop.borrow().is_some();
                    let again = !stopping && self.policy.restarts_after(end.exit_code);
                    self.show_end(end, !again).await;
                    if !again {
                        return;
                    }
                    self.wait_before_restart(backoff.after(started.elapsed()), None)
                        .await;
                    true
                }
                Err(error) => {
                    tracing::warn!(pod = %self.pod, container = self.container.name, %error, "not started");
                    let reason = error.reason();
                    let waiting = State::Waiting {
                        reason,
                        message: Some(error.to_string()),
                    };
                    let delay = backoff.after(Duration::ZERO).max(START_RETRY);
                    self.wait_before_restart(delay, Some(waiting)).await;
                    false
                }
            };
            self.view.restart_count += i32::from(ran);
        }
    }

    /// Shows why the container waits, and waits until the delay is over or the pod is stopped.
    async fn wait_before_restart(&mut self, delay: Duration, waiting: Option<State>) {
        if delay.is_zero() {
            return;
        }
        let back_off = || State::Waiting {
            reason: "CrashLoopBackOff",
            message: Some(format!(
                "back-off {delay:?} restarting failed container={} pod={}",
                self.container.name, self.pod
            )),
        };
        self.view.state = waiting.unwrap_or_else(back_off);
        self.publish().await;
        tokio::select! {
            () = sleep(delay) => {}
            () = stopped(&mut self.stop) => {}
        }
    }

    async fn start(&mut self) -> Result<Run, StartError> {
        let command = self.command.clone()?;
        let id = ContainerId::random();
        let resources = Resources::of_container(&self.container).map_err(ConfigError::from)?;
        let path = cgroup::container(self.pod_group.path(), &id);
        let group = self.node.cgroups.create(&path, &resources)?;
        match self.launch(&command, &group).await {
            Ok(child) => Ok(Run::new(id, group, child, command)),
            Err(error) => {
                self.remove(group).await;
                Err(error)
            }
        }
    }

    async fn launch(&self, command: &CommandLine, group: &Group) -> Result<Child, StartError> {
        let (output, writer) = pipe()?;
        let log = LogFile::create(&self.log_path(), self.node.log_max_bytes)?;
        let launch = Launch {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: command.environment.clone(),
            working_directory: command.working_directory.clone(),
            entrances: group.entrances()?,
            output: Output::Pipe(writer),
        };
        let child = self.node.spawner.spawn(launch).await?;
        // Ends by itself when the last process that holds the pipe is gone.
        tokio::spawn(log.copy_from(output));
        Ok(child)
    }

    /// `<run dir>/pods/<namespace>_<name>_<uid>/<container>/<run>.log`, as the kubelet names them.
    /// Only two runs are kept: the numbers alternate.
    fn log_path(&self) -> PathBuf {
        let run = self.view.restart_count % 2;
        self.node
            .pod_directory(&self.pod)
            .join(&self.container.name)
            .join(format!("{run}.log"))
    }

    /// Watches a started container until it ends, and removes what it leaves.
    async fn live(&mut self, mut run: Run) -> ContainerStateTerminated {
        let metered = MeteredContainer {
            cgroup: run.group.path().to_owned(),
            started_at: run.started_at,
        };
        let containers = &self.node.containers;
        let counted = containers.count(&self.pod, &self.container.name, metered);
        self.view.container_id = Some(run.id.to_url());
        self.view.state = State::Running {
            started_at: run.started_at,
        };
        let probes = if self.plain_init {
            Probes::default()
        } else {
            Probes::of(&self.container)
        };
        let at_once = Health {
            started: probes.startup.is_none() && !self.plain_init,
            ready: probes.startup.is_none() && probes.readiness.is_none() && !self.plain_init,
        };
        (self.view.started, self.view.ready) = (at_once.started, at_once.ready);
        self.publish().await;

        let (health, mut healths) = watch::channel(at_once);
        let target = Target {
            address: self.address,
            group: run.group.clone(),
            command: run.command.clone(),
            spawner: self.node.spawner.clone(),
        };
        let mut stop = self.stop.clone();
        let plain_init = self.plain_init;
        let probing = async {
            if plain_init {
                std::future::pending().await
            } else {
                probe::watch(&probes, &target, &health).await
            }
        };
        tokio::pin!(probing);
        let mut why = None;
        let status = loop {
            tokio::select! {
                status = run.child.wait() => break status,
                Ok(()) = healths.changed() => {
                    let health = *healths.borrow_and_update();
                    (self.view.started, self.view.ready) = (health.started, health.ready);
                    self.publish().await;
                }
                unhealthy = &mut probing => {
                    tracing::info!(pod = %self.pod, container = self.container.name, why = unhealthy.message, "restarting");
                    why = Some(unhealthy.message);
                    self.view.ready = false;
                    self.publish().await;
                    let deadline = Instant::now() + self.node.default_grace;
                    break run.terminate(deadline, &mut stop).await;
                }
                () = stopped(&mut self.stop) => {
                    let deadline = self.stop.borrow().unwrap_or_else(Instant::now);
                    break run.terminate(deadline, &mut stop).await;
                }
            }
        };
        drop(counted);
        let end = run.describe_end(status, why);
        self.remove(run.group).await;
        end
    }

    async fn show_end(&mut self, end: ContainerStateTerminated, finished: bool) {
        let end = Box::new(end);
        self.view.started = false;
        self.view.ready = false;
        self.view.finished = finished;
        if !finished {
            self.view.last = Some(end.clone());
        }
        self.view.state = State::Terminated(end);
        self.publish().await;
    }

    async fn publish(&self) {
        // The worker only goes away after its supervisors; nobody is left to be told otherwise.
        let _ = self.views.send((self.index, self.view.clone())).await;
    }

    async fn remove(&self, group: Group) {
        let removed = tokio::task::spawn_blocking(move || group.remove(REMOVE_PATIENCE)).await;
        if let Ok(Err(error)) = removed {
            tracing::error!(pod = %self.pod, container = self.container.name, %error, "cgroup left behind");
        }
    }
}
