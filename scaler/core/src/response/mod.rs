//! One metric's value to one replica count.
//!
//! Every response keeps one promise: a larger value never gives fewer replicas.

pub(crate) mod feed;
pub mod proportional;
pub mod queueing;
pub mod step;

/// Replicas that one metric asks for, and how it came to that.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Replicas, not yet limited by anything.
    pub replicas: u32,
    /// One phrase for people.
    pub detail: String,
    /// Cores that the arriving and the waiting work need, where the response computes them.
    pub demand_cores: Option<f64>,
}

impl Proposal {
    /// A proposal of a response that computes no demand.
    #[must_use]
    pub fn new(replicas: u32, detail: impl Into<String>) -> Self {
        Self {
            replicas,
            detail: detail.into(),
            demand_cores: None,
        }
    }
}

/// What the thresholded responses are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Situation {
    /// The statistic.
    pub value: f64,
    /// What it is compared with; above 0.
    pub threshold: f64,
    /// `spec.replicas`.
    pub current: u32,
    /// Pods that `value` is of; at least 1.
    pub used: u32,
    /// Ready pods without samples.
    pub missing: u32,
    /// Pods that are not ready to be judged.
    pub unready: u32,
    /// Relative excess over the threshold without consequence.
    pub tolerance_up: f64,
    /// Relative shortfall below the threshold without consequence.
    pub tolerance_down: f64,
}
