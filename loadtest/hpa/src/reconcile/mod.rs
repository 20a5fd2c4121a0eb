//! One pass over one autoscaler, as data in and data out.
//!
//! A pass is cut where it writes the scale, so that a driver may write asynchronously:
//! [`begin`] decides, the driver writes what [`Pass::wanted`] says, [`Pass::finish`] concludes.
//! [`reconcile`] does all three with a function that writes.

mod begin;
mod finish;

use crate::behavior::Behavior;
use crate::history::History;
use crate::metrics::{Answer, MetricResult};
use crate::pod::Pod;
use crate::settings::Settings;
use crate::spec::Hpa;
use crate::status::Status;
use crate::time::Moment;

pub use begin::begin;

/// How often a write is attempted while it conflicts (client-go's default retry).
pub const WRITE_ATTEMPTS: usize = 5;

/// What the controller sees at the start of a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation<'a> {
    /// The scale, or the error of reading it.
    pub scale: Result<Scale, String>,
    /// Every pod of the namespace.
    pub pods: &'a [Pod],
    /// The selectors of the other autoscalers, of all namespaces.
    pub other_hpas: &'a [OtherHpa],
    /// Answers to the metric queries, in the order of the spec's metrics. A driver may query all of
    /// them beforehand; those of a pass that needs no metrics are not looked at.
    pub answers: &'a [Answer],
}

/// The scale subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// `spec.replicas`.
    pub spec_replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.selector`.
    pub selector: String,
}

/// Another autoscaler, and the pods it looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherHpa {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its target's selector.
    pub selector: String,
}

/// A pass that has decided and may want to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    hpa_status: Status,
    status: Status,
    current: i32,
    desired: i32,
    wants_write: bool,
    min_replicas: i32,
    scale_to_zero: bool,
    reads_without_pods: bool,
    behavior: Option<Behavior>,
    target: String,
    rescale_reason: String,
    results: Vec<MetricResult>,
    events: Vec<Event>,
    error: Option<PassError>,
    concluded: bool,
}

/// How one attempt to write the scale went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteAnswer {
    /// Written.
    Ok,
    /// Somebody else wrote first: read the scale again and try again.
    Conflict,
    /// Refused for good.
    Error(String),
}

/// One attempt to write the scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleWrite {
    /// The replicas written.
    pub replicas: i32,
    /// How it went.
    pub answer: WriteAnswer,
}

/// Everything a pass did.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The status afterwards.
    pub status: Status,
    /// Whether it differs from the one before, and so is written.
    pub status_changed: bool,
    /// Attempts to write the scale.
    pub scale_writes: Vec<ScaleWrite>,
    /// Events to emit, in order.
    pub events: Vec<Event>,
    /// What each metric came to, in the order of the spec; empty when none was computed.
    pub metrics: Vec<MetricResult>,
    /// The change that was written.
    pub action: Action,
    /// Why the pass failed. It may have scaled all the same, by the metrics that worked.
    pub error: Option<PassError>,
}

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Replicas were added.
    ScaleUp,
    /// Replicas were removed.
    ScaleDown,
    /// Nothing changed.
    None,
}

/// An event on the autoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `Warning`, else `Normal`.
    pub warning: bool,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
}

/// Why a pass failed. All of these count as internal: faults of the spec are found by the API server
/// before a pass, and one metric's fault does not make the pass one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// The scale could not be read.
    #[error("failed to query scale subresource for {target}: {error}")]
    GetScale {
        /// The scale target.
        target: String,
        /// The API's text.
        error: String,
    },
    /// Nothing could be computed.
    #[error(
        "failed to compute desired number of replicas based on listed metrics for {target}: {error}"
    )]
    Compute {
        /// The scale target.
        target: String,
        /// What went wrong first.
        error: String,
    },
    /// Some metrics failed; the others decided.
    #[error("{0}")]
    SomeMetrics(String),
    /// The scale could not be written.
    #[error("failed to rescale {target}: {error}")]
    Rescale {
        /// The scale target.
        target: String,
        /// The API's text.
        error: String,
    },
}

impl Action {
    /// The direction from one number of replicas to another.
    pub fn between(from: i32, to: i32) -> Self {
        match to.cmp(&from) {
            std::cmp::Ordering::Greater => Self::ScaleUp,
            std::cmp::Ordering::Less => Self::ScaleDown,
            std::cmp::Ordering::Equal => Self::None,
        }
    }
}

impl Pass {
    /// The replicas to write, if any. Conflicts are to be retried up to [`WRITE_ATTEMPTS`] times,
    /// each on a freshly read scale.
    pub fn wanted(&self) -> Option<i32> {
        self.wants_write.then_some(self.desired)
    }
}

/// A whole pass; `write` is one attempt to write the scale.
pub fn reconcile(
    hpa: &Hpa,
    settings: &Settings,
    observation: &Observation<'_>,
    history: &mut History,
    now: Moment,
    mut write: impl FnMut(i32) -> WriteAnswer,
) -> Outcome {
    let pass = begin(hpa, settings, observation, history, now);
    let mut writes = Vec::new();
    if let Some(replicas) = pass.wanted() {
        for _ in 0..WRITE_ATTEMPTS {
            let answer = write(replicas);
            let again = answer == WriteAnswer::Conflict;
            writes.push(ScaleWrite { replicas, answer });
            if !again {
                break;
            }
        }
    }
    pass.finish(writes, history, now)
}
