//! One container from its first start to its last end: start, watch, stop, restart.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::backoff::Backoff;
use super::identity::PodIdentity;
use super::manager::NodeContext;
use super::view::{ContainerView, State};
use crate::cgroup::{self, CgroupError, ContainerId, Group, Resources};
use crate::env::{CommandLine, ConfigError};
use crate::probe::{self, Health, Probes, Target};
use crate::process::{Launch, LogFile, Output, SpawnError, pipe};

/// How long a killed container's cgroup may take to empty.
const REMOVE_PATIENCE: Duration = Duration::from_secs(10);
/// Least wait before a start that failed is tried again.
const START_RETRY: Duration = Duration::from_secs(1);

/// When a container is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    /// Whatever the exit code.
    Always,
    /// Unless the exit code is 0.
    OnFailure,
    /// Never.
    Never,
}

impl RestartPolicy {
    /// The policy of that name; anything unknown is Kubernetes' default.
    pub(super) fn named(name: Option<&str>) -> Self {
        match name {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            _ => Self::Always,
        }
    }

    fn restarts_after(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

/// An order to stop: when what still runs is killed. `None` while the pod is to run.
pub(super) type Stop = Option<Instant>;

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

/// A started container.
struct Run {
    id: ContainerId,
    group: Group,
    child: Child,
    process_group: Option<Pid>,
    command: CommandLine,
    started_at: Timestamp,
    started: Instant,
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
            Ok(child) => {
                let pid = child
                    .id()
                    .and_then(|pid| i32::try_from(pid).ok())
                    .map(Pid::from_raw);
                Ok(Run {
                    id,
                    group,
                    child,
                    process_group: pid,
                    command,
                    started_at: Timestamp::now(),
                    started: Instant::now(),
                })
            }
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
                    break terminate(&mut run, deadline, &mut stop).await;
                }
                () = stopped(&mut self.stop) => {
                    let deadline = self.stop.borrow().unwrap_or_else(Instant::now);
                    break terminate(&mut run, deadline, &mut stop).await;
                }
            }
        };
        let end = describe_end(&run, status, why);
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

/// Resolves once the pod is told to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<Stop>) {
    // A dropped sender means that the worker is gone: stop as well.
    let _ = stop.wait_for(Option::is_some).await;
}

/// SIGTERM to the container's process group, SIGKILL to its whole cgroup at the deadline, which a
/// later order can bring forward.
async fn terminate(
    run: &mut Run,
    mut deadline: Instant,
    stop: &mut watch::Receiver<Stop>,
) -> std::io::Result<ExitStatus> {
    if let Some(group) = run.process_group {
        // ESRCH: it has ended by itself just now.
        let _ = killpg(group, Signal::SIGTERM);
    }
    loop {
        if let Some(ordered) = *stop.borrow_and_update() {
            deadline = deadline.min(ordered);
        }
        tokio::select! {
            status = run.child.wait() => return status,
            () = sleep_until(deadline) => break,
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    run.group.kill();
    run.child.wait().await
}

fn describe_end(
    run: &Run,
    status: std::io::Result<ExitStatus>,
    why: Option<String>,
) -> ContainerStateTerminated {
    let (exit_code, signal, lost) = match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => (code, None, None),
            (None, Some(signal)) => (128 + signal, Some(signal), None),
            (None, None) => (255, None, None),
        },
        Err(error) => (
            255,
            None,
            Some(format!("the exit code is unknown: {error}")),
        ),
    };
    let reason = if signal == Some(Signal::SIGKILL as i32) && run.group.oom_kills() > 0 {
        "OOMKilled"
    } else if exit_code == 0 {
        "Completed"
    } else {
        "Error"
    };
    ContainerStateTerminated {
        container_id: Some(run.id.to_url()),
        exit_code,
        signal,
        reason: Some(reason.to_owned()),
        message: lost.or(why),
        started_at: Some(Time(run.started_at)),
        finished_at: Some(Time(Timestamp::now())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restart_policies() {
        for (name, after_success, after_failure) in [
            (None, true, true),
            (Some("Always"), true, true),
            (Some("OnFailure"), false, true),
            (Some("Never"), false, false),
        ] {
            let policy = RestartPolicy::named(name);
            assert_eq!(policy.restarts_after(0), after_success, "{name:?}");
            assert_eq!(policy.restarts_after(137), after_failure, "{name:?}");
        }
    }
}
