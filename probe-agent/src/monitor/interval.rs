//! What a monitor tells at the end of an interval.

use std::sync::Arc;
use std::time::{Duration, Instant};

use viperscale_proto::v1;

use crate::node::NodeTotals;
use crate::sample::Sample;

/// What happened on the node in one interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// How long it was.
    pub length: Duration,
    /// When it ended.
    pub ended_at: Instant,
    /// The revision of the plan that was in force during all of it.
    pub revision: u64,
    /// The node as a whole; times are changes over the interval.
    pub node: NodeTotals,
    /// Every container that was measured.
    pub containers: Vec<Measured>,
    /// What was asked for and not measured.
    pub missing: Vec<v1::MissingTarget>,
}

/// One container's interval.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Whose it is.
    pub label: Arc<Label>,
    /// What happened.
    pub sample: Sample,
}

/// How a container is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// UID of the pod; empty for a cgroup that is no container.
    pub pod_uid: String,
    /// The name that the scaler gave; else the container's id; empty for a bare cgroup.
    pub container: String,
    /// Its topmost cgroup, relative to the mount of the tree that names containers.
    pub path: String,
}
