//! One deployment at one moment, as Kubernetes describes it.

use std::sync::Arc;
use std::time::Duration;

use crate::circumstances::Circumstances;
use crate::sample::PodUid;
use crate::windows::Windows;

/// What a decision is made from. The measurements stay where they are; this borrows them.
#[derive(Debug, Clone)]
pub struct Observation<'a> {
    /// `spec.replicas` of the deployment.
    pub current_replicas: u32,
    /// Its pods, found through owner references, never through labels alone.
    pub pods: Vec<PodObservation>,
    /// What was measured, of these pods and of every node.
    pub windows: &'a Windows,
    /// What else stands around the deployment.
    pub circumstances: Circumstances,
}

/// One pod as its object describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct PodObservation {
    /// `metadata.uid`.
    pub uid: PodUid,
    /// `metadata.name`, for messages.
    pub name: Arc<str>,
    /// `spec.nodeName`; `None` while unscheduled.
    pub node: Option<Arc<str>>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// Whether the condition `Ready` is `True`.
    pub ready: bool,
    /// Whether a ReplicaSet other than the deployment's newest made it: during a rollout, one of
    /// those that are to go.
    pub outdated: bool,
    /// Time since `status.startTime`; `None` while the pod has not started.
    pub age: Option<Duration>,
    /// `spec.containers`, without init containers.
    pub containers: Vec<ContainerObservation>,
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerObservation {
    /// `name`.
    pub name: Arc<str>,
    /// `resources.limits.cpu` in cores (`200m` = 0.2); `None` without a limit.
    pub cpu_limit: Option<f64>,
}

/// `status.phase` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPhase {
    /// Accepted, not all containers started.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, at least one badly.
    Failed,
    /// The node does not answer.
    Unknown,
}
