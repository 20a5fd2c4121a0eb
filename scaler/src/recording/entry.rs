//! What a recording consists of, in the core's types.

use std::sync::Arc;
use std::time::Duration;

use scaler_core::{
    Circumstances, ContainerObservation, ContainerSample, Memory, NodeSample, Observation,
    PodObservation, PodPhase, PodUid, ScalingPolicy, Timestamp, Windows,
};

use crate::workloads::DeploymentKey;

/// One thing that happened, in the order in which the controller took it in.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Recording begins, or goes on in a new segment.
    Start(Start),
    /// A policy is in force from now on, or still.
    Policy {
        /// The deployment it is for.
        target: DeploymentKey,
        /// The policy, its origin included.
        policy: Box<ScalingPolicy>,
    },
    /// A deployment has no policy any more.
    PolicyGone(DeploymentKey),
    /// The rest of a segment is damaged and was not read.
    Missing,
    /// A sample of a node.
    Node {
        /// Its name.
        node: Arc<str>,
        /// What it did.
        sample: NodeSample,
    },
    /// A sample of a container.
    Container {
        /// Its pod.
        pod: PodUid,
        /// Its name.
        container: Arc<str>,
        /// For how long the windows keep it.
        window: Duration,
        /// What it did.
        sample: ContainerSample,
    },
    /// The windows keep samples of nodes for so long from now on.
    NodeWindow(Duration),
    /// The windows forgot what was too old.
    Pruned(Timestamp),
    /// A decision.
    Decision(RecordedDecision),
    /// A replica count was changed.
    Scaled {
        /// The deployment.
        target: DeploymentKey,
        /// When the scaler heard that it was.
        at: Timestamp,
        /// Replicas before.
        from: u32,
        /// Replicas after.
        to: u32,
    },
    /// What an autoscaler remembers.
    Memory {
        /// Its deployment.
        target: DeploymentKey,
        /// When.
        at: Timestamp,
        /// `None` when another version of the scaler wrote it in a form that this one cannot read.
        memory: Option<Box<Memory>>,
    },
}

/// The start of a segment, or of what follows a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Who recorded.
    pub scaler_version: String,
    /// When, on the recording scaler's clock.
    pub at: Timestamp,
    /// The same moment in milliseconds since 1970 (UTC).
    pub wall_ms: i64,
    /// How long the windows remember samples.
    pub retention: Duration,
    /// The scaler began to decide here: it started, or it became the leader.
    pub begins: bool,
    /// Blocks that are missing before this one.
    pub lost_blocks: u64,
    /// Tells processes apart.
    pub session: u64,
    /// Counts the starts of a session.
    pub number: u64,
}

/// A decision and what it was made from, beside the samples.
#[derive(Debug, Clone)]
pub struct RecordedDecision {
    /// The deployment.
    pub target: DeploymentKey,
    /// When.
    pub at: Timestamp,
    /// `spec.replicas` as the decision saw it.
    pub current_replicas: u32,
    /// The deployment's pods.
    pub pods: Arc<[RecordedPod]>,
    /// What stood around the deployment.
    pub circumstances: Circumstances,
    /// [`scaler_core::Decision`] as JSON.
    pub decision: String,
}

/// A pod as a decision saw it. Unlike in an observation its start is a moment, so that pods that
/// merely grow older need not be recorded again.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedPod {
    /// `metadata.uid`.
    pub uid: PodUid,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.nodeName`.
    pub node: Option<Arc<str>>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// It is being deleted.
    pub terminating: bool,
    /// It is ready.
    pub ready: bool,
    /// It belongs to an older ReplicaSet than the newest.
    pub outdated: bool,
    /// When it started, in nanoseconds on the recording scaler's clock.
    pub started_at_ns: Option<i64>,
    /// Its containers.
    pub containers: Vec<ContainerObservation>,
}

impl RecordedPod {
    /// What is recorded of a pod that was observed at `now`.
    #[must_use]
    pub fn of(pod: &PodObservation, now: Timestamp) -> Self {
        RecordedPod {
            uid: pod.uid.clone(),
            name: pod.name.clone(),
            node: pod.node.clone(),
            phase: pod.phase,
            terminating: pod.terminating,
            ready: pod.ready,
            outdated: pod.outdated,
            started_at_ns: pod.age.map(|age| {
                let started = nanoseconds(now.since_start()) - nanoseconds(age);
                i64::try_from(started).unwrap_or(i64::MIN)
            }),
            containers: pod.containers.clone(),
        }
    }

    /// The pod as it was observed at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> PodObservation {
        PodObservation {
            uid: self.uid.clone(),
            name: self.name.clone(),
            node: self.node.clone(),
            phase: self.phase,
            terminating: self.terminating,
            ready: self.ready,
            outdated: self.outdated,
            age: self.started_at_ns.map(|started| {
                let age = nanoseconds(now.since_start()) - i128::from(started);
                Duration::from_nanos(u64::try_from(age.max(0)).unwrap_or(u64::MAX))
            }),
            containers: self.containers.clone(),
        }
    }
}

impl RecordedDecision {
    /// What the decision was made from.
    #[must_use]
    pub fn observation<'a>(&self, windows: &'a Windows) -> Observation<'a> {
        Observation {
            current_replicas: self.current_replicas,
            pods: self.pods.iter().map(|pod| pod.at(self.at)).collect(),
            windows,
            circumstances: self.circumstances.clone(),
        }
    }
}

/// Some 5 x 10^21 years fit, so that nothing overflows.
fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 2)
}
