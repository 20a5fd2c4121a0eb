//! One run of a container: a process in its cgroup, from its start to its end.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use k8s_openapi::api::core::v1::ContainerStateTerminated;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::orders::Stop;
use crate::cgroup::{ContainerId, Group};
use crate::env::CommandLine;

/// A started container.
pub(super) struct Run {
    pub(super) id: ContainerId,
    pub(super) group: Group,
    pub(super) child: Child,
    pub(super) command: CommandLine,
    pub(super) started_at: Timestamp,
    pub(super) started: Instant,
}

impl Run {
    /// A run whose process has just been started.
    pub(super) fn new(id: ContainerId, group: Group, child: Child, command: CommandLine) -> Self {
        let (started_at, started) = (Timestamp::now(), Instant::now());
        Self {
            id,
            group,
            child,
            command,
            started_at,
            started,
        }
    }

    /// SIGTERM to the process group, SIGKILL to the whole cgroup at the deadline, which a later order
    /// can bring forward.
    pub(super) async fn terminate(
        &mut self,
        mut deadline: Instant,
        stop: &mut watch::Receiver<Stop>,
    ) -> std::io::Result<ExitStatus> {
        // No ID: it has ended and been waited for. The process leads a group of the same number.
        if let Some(leader) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // ESRCH: it has ended by itself just now.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGTERM);
        }
        loop {
            if let Some(ordered) = *stop.borrow_and_update() {
                deadline = deadline.min(ordered);
            }
            tokio::select! {
                status = self.child.wait() => return status,
                () = sleep_until(deadline) => break,
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.group.kill();
        self.child.wait().await
    }

    /// How it ended, for the status; `why` is what the node had against it, if anything.
    pub(super) fn describe_end(
        &self,
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
        let reason = if signal == Some(Signal::SIGKILL as i32) && self.group.oom_kills() > 0 {
            "OOMKilled"
        } else if exit_code == 0 {
            "Completed"
        } else {
            "Error"
        };
        ContainerStateTerminated {
            container_id: Some(self.id.to_url()),
            exit_code,
            signal,
            reason: Some(reason.to_owned()),
            message: lost.or(why),
            started_at: Some(Time(self.started_at)),
            finished_at: Some(Time(Timestamp::now())),
        }
    }
}
