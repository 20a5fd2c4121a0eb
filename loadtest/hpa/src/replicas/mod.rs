//! One metric's replica proposal.
//!
//! [`per_pod`] metrics (Resource, ContainerResource, Pods) are damped for pods whose samples are
//! missing or not worth counting; [`total`] metrics (Object, External) have no pods to doubt.

mod per_pod;
mod total;

use crate::pod::Pod;
use crate::requests::RequestError;
use crate::settings::{Settings, Tolerance};
use crate::status::Reading;
use crate::time::Moment;

/// What one metric asks for, and what it read.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The number of replicas that would meet the target.
    pub replicas: i32,
    /// The value as the status shows it.
    pub reading: Reading,
}

/// Why a metric has no proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// The selector picks no pod.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// The selector picks no pod, for a target that needs the number of ready ones.
    #[error(
        "unable to calculate ready pods: no pods returned by selector while calculating replica count"
    )]
    NoReadyPods,
    /// No pod has a sample that counts.
    #[error("did not receive metrics for targeted pods (pods might be unready)")]
    NoSamples,
    /// See [`RequestError`].
    #[error(transparent)]
    Request(#[from] RequestError),
    /// See [`crate::ratio::NoKnownPods`].
    #[error(transparent)]
    NoKnownPods(#[from] crate::ratio::NoKnownPods),
}

/// Everything proposals of one autoscaler have in common.
#[derive(Debug, Clone, Copy)]
pub struct Calculator<'a> {
    /// The controller's settings.
    pub settings: &'a Settings,
    /// The autoscaler's tolerances.
    pub tolerance: Tolerance,
    /// The target's pods.
    pub pods: &'a [&'a Pod],
    /// The moment of the pass.
    pub now: Moment,
}

/// Rounds a replica count up. Counts beyond 32 bits saturate, NaN is zero.
fn round_up(replicas: f64) -> i32 {
    replicas.ceil() as i32
}
