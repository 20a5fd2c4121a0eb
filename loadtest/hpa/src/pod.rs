//! What the autoscaler looks at of a pod.

use std::collections::BTreeMap;

use crate::time::Moment;

/// A pod of the autoscaler's namespace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pod {
    /// Unique in the namespace.
    pub name: String,
    /// Labels, which decide whether the scale target's selector picks the pod.
    pub labels: BTreeMap<String, String>,
    /// `status.phase`.
    pub phase: Phase,
    /// A deletion timestamp is set.
    pub being_deleted: bool,
    /// `status.startTime`.
    pub start_time: Option<Moment>,
    /// The `Ready` condition, if there is one.
    pub ready: Option<ReadyCondition>,
    /// Regular containers, in order.
    pub containers: Vec<Container>,
    /// Init containers, in order; those with `restart_always` are sidecars.
    pub init_containers: Vec<Container>,
    /// `spec.resources.requests` of the pod itself, in thousandths by resource.
    pub pod_level_requests: Option<BTreeMap<String, i64>>,
}

/// `status.phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not reported yet. Counts like a running pod, except where running is asked for by name.
    #[default]
    Unset,
    /// Not all containers were started.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one of them badly.
    Failed,
}

/// The `Ready` condition of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyCondition {
    /// Status `True`.
    pub ready: bool,
    /// When the status last changed.
    pub last_transition: Moment,
}

/// A container's resource requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Container {
    /// Unique in the pod.
    pub name: String,
    /// Requests in thousandths, by resource.
    pub requests: BTreeMap<String, i64>,
    /// `restartPolicy: Always`, which makes an init container a sidecar.
    pub restart_always: bool,
}

impl Pod {
    /// Running and ready: what multiplies the ratio of an Object or External `Value` target.
    pub fn is_running_and_ready(&self) -> bool {
        self.phase == Phase::Running && self.ready.is_some_and(|condition| condition.ready)
    }
}
