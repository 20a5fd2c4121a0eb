//! What the node knows about one container: the whole input of its status.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};
use k8s_openapi::jiff::Timestamp;

/// Where a container stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// Not running, but will be (again).
    Waiting {
        /// One word in CamelCase.
        reason: &'static str,
        /// For people.
        message: Option<String>,
    },
    /// The process runs.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// The process has ended.
    Terminated(Box<ContainerStateTerminated>),
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ContainerView {
    /// Now.
    pub(super) state: State,
    /// How the run before this one ended.
    pub(super) last: Option<Box<ContainerStateTerminated>>,
    /// `viperscale://<64 hex>` of the latest run.
    pub(super) container_id: Option<String>,
    /// Restarts so far, over restarts of the node as well.
    pub(super) restart_count: i32,
    /// The startup probe has succeeded in this run, or there is none.
    pub(super) started: bool,
    /// It takes requests.
    pub(super) ready: bool,
    /// It has ended and will not be restarted.
    pub(super) finished: bool,
}

impl ContainerView {
    /// A container that has not started under this node. `earlier` is its status from before the
    /// node itself restarted: a container that ran then counts as restarted.
    pub(super) fn new(reason: &'static str, earlier: Option<&ContainerStatus>) -> Self {
        let restart_count = earlier.map_or(0, |status| {
            status.restart_count + i32::from(status.container_id.is_some())
        });
        Self {
            state: State::Waiting {
                reason,
                message: None,
            },
            last: None,
            container_id: None,
            restart_count,
            started: false,
            ready: false,
            finished: false,
        }
    }

    /// Whether the container runs now.
    pub(super) fn running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// The exit code, if it has ended for good.
    pub(super) fn exit_code(&self) -> Option<i32> {
        match &self.state {
            State::Terminated(end) if self.finished => Some(end.exit_code),
            _ => None,
        }
    }
}
